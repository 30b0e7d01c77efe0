import { Config, Cursor, set } from "./dwaar";
export { dwaar_v1_window } from "./dwaar";

let want = ""; // minecraft [HOST]

export function dwaar_v1_init(config: usize, size: u32): i32 {
  const c = new Config(config);
  const host = c.next(), end = c.next();
  if (!end.isEnd) return end.reject("takes one host");
  want = host.text.text();
  return 0;
}

export function dwaar_v1_match(head: usize, size: u32, info: usize): i32 {
  const c = new Cursor(head, size);
  const length = c.varint();
  if (length < 7 || length > 300) return c.no();
  if (c.varint() != 0) return c.no(); // the packet's id
  c.varint(); // the protocol's version
  const n = c.varint();
  if (n < 1 || n > 255) return c.no();
  const host = c.bytes(n);
  if (want.length > 0 && !host.is(want)) return c.no();
  set("host", host);
  return c.yes();
}

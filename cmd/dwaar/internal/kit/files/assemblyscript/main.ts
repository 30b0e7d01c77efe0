// A matcher. It knows clients that begin with a line "HELLO NAME", and finds out the
// name. In the Dwaarfile
//
//	@anybody hello
//	@world hello world
//
// the first one matches all of them, the second one those who say "world"; in a route
// of either {hello.who} is the name.
import { Config, Cursor, set } from "./kit/dwaar";
export { dwaar_v1_window } from "./kit/dwaar";

let want = ""; // the argument; empty: any name will do

// Called once for each place where the configuration uses the matcher, with what stands
// behind its name there. What it stores is there in every call of match.
export function dwaar_v1_init(config: usize, size: u32): i32 {
  const c = new Config(config);
  const name = c.next(), end = c.next();
  if (!end.isEnd) return end.reject("takes one name");
  want = name.text.text();
  return 0;
}

// Called with the first bytes of a connection: with none, and again when more have come,
// always from the first byte on. Reading through the cursor, "not yet" takes care of
// itself: no and yes ask for more bytes where a read lacked some.
export function dwaar_v1_match(head: usize, size: u32, info: usize): i32 {
  const c = new Cursor(head, size);
  if (!c.literal("HELLO ")) return c.no(); // at the first wrong byte
  const who = c.until(0x0a, 64);
  if (who == null) return c.no(); // no end of line where there had to be one
  if (want.length > 0 && !who.is(want)) return c.no(); // somebody else
  set("who", who);
  return c.yes();
}

// Matches MongoDB clients by their first message, hello: the MongoDB Wire Protocol, and
// the specification "MongoDB Handshake" for what it holds. README.md says how it is used.
import { Config, Cursor, Span, set } from "../../sdk/assemblyscript/dwaar";
import { Option, read, same } from "./options";
export { dwaar_v1_window } from "../../sdk/assemblyscript/dwaar";

const OP_QUERY: u32 = 2004;
const OP_MSG: u32 = 2013;
const HEADER: u32 = 16; // bytes
const LEAST: u32 = HEADER + 4 + 1 + 5; // an OP_MSG with an empty document
const MOST: u32 = 16 << 10; // a hello has some hundred bytes
const MOST_ELEMENTS: u32 = 128; // of all its documents
const MOST_DEPTH: u32 = 8;
const MOST_NAME: u32 = 255;

// Types of BSON that have to be told apart (bsonspec.org, version 1.1).
const DOUBLE: u32 = 0x01;
const STRING: u32 = 0x02;
const DOCUMENT: u32 = 0x03;
const ARRAY: u32 = 0x04;
const BINARY: u32 = 0x05;
const BOOLEAN: u32 = 0x08;
const REGEXP: u32 = 0x0b;
const CODE: u32 = 0x0d;
const SYMBOL: u32 = 0x0e;
const INT32: u32 = 0x10;
const INT64: u32 = 0x12;

const app = new Option("app");
const driver = new Option("driver");
const user = new Option("user");
const database = new Option("database");

export function dwaar_v1_init(config: usize, size: u32): i32 {
  return read(new Config(config), [app, driver, user, database], "is no option: write app, driver, user or database");
}

export function dwaar_v1_match(head: usize, size: u32, info: usize): i32 {
  const m = new Message(new Cursor(head, size), size);
  if (!m.hello()) return m.c.no();
  const h = m.found;
  if (!app.holds(h.app) || !driver.holds(h.driver)) return m.c.no();
  if (!user.holds(h.user) || !database.holds(h.database)) return m.c.no();
  tell("app", h.app);
  tell("driver", h.driver);
  tell("driver_version", h.driverVersion);
  tell("user", h.user);
  tell("database", h.database);
  return m.c.yes();
}

function tell(key: string, value: Span | null): void {
  if (value !== null) set(key, value);
}

/** Which of the documents of a hello one is. */
enum Place { ROOT, CLIENT, DRIVER, APPLICATION, AUTHENTICATION, OTHER }

function inside(at: Place, name: Span): Place {
  if (at == Place.ROOT && same(name, "client")) return Place.CLIENT;
  if (at == Place.ROOT && same(name, "speculativeAuthenticate")) return Place.AUTHENTICATION;
  if (at == Place.CLIENT && same(name, "driver")) return Place.DRIVER;
  if (at == Place.CLIENT && same(name, "application")) return Place.APPLICATION;
  return Place.OTHER;
}

/** What a hello says. */
class Found {
  app: Span | null = null;
  driver: Span | null = null;
  driverVersion: Span | null = null;
  private names: Span | null = null; // the database that authenticates
  private asked: Span | null = null; // DATABASE.USER

  /** Takes a string. One that was there before cannot be: hello has no field twice. */
  take(at: Place, name: Span, value: Span): bool {
    let before: Span | null = null;
    if (at == Place.DRIVER && same(name, "name")) {
      before = this.driver;
      this.driver = value;
    } else if (at == Place.DRIVER && same(name, "version")) {
      before = this.driverVersion;
      this.driverVersion = value;
    } else if (at == Place.APPLICATION && same(name, "name")) {
      before = this.app;
      this.app = value;
    } else if (at == Place.AUTHENTICATION && same(name, "db")) {
      before = this.names;
      this.names = value;
    } else if (at == Place.ROOT && same(name, "saslSupportedMechs")) {
      before = this.asked;
      this.asked = value;
    }
    return before === null;
  }

  /** For whom the client asks which mechanisms of authentication there are. */
  get user(): Span | null {
    const s = this.asked;
    if (s === null) return null;
    const dot = dotIn(s);
    return dot == s.size ? null : new Span(s.at + dot + 1, s.size - dot - 1);
  }

  /** Where the client authenticates, or asks about it. */
  get database(): Span | null {
    if (this.names !== null) return this.names;
    const s = this.asked;
    return s === null ? null : new Span(s.at, dotIn(s));
  }
}

/** Where the first dot is; the size if there is none. */
function dotIn(s: Span): u32 {
  let i: u32 = 0;
  while (i < s.size && load<u8>(s.at + i) != 0x2e) i++;
  return i;
}

/** Reads the first message. What returns false or null has found a byte that cannot be,
 * or has none to read: the cursor knows which. */
class Message {
  found: Found = new Found();
  private left: u32 = HEADER; // bytes of what is being read: a message or a document in it
  private length: u32 = 0;
  private elements: u32 = 0;

  /** there is how many bytes the head has. */
  constructor(public c: Cursor, private there: u32) {}

  hello(): bool {
    const length = this.length = this.u32();
    if (length < LEAST || length > MOST) return false;
    this.u32(); // its number
    const answers = this.u32();
    if (answers != 0 && answers != u32.MAX_VALUE) return false;
    const op = this.u32();
    this.left = length - HEADER;
    if (op == OP_MSG) return this.msg();
    return op == OP_QUERY && this.query();
  }

  /** OP_MSG: flags, one section of kind 0, and a checksum if the flags say so. */
  private msg(): bool {
    const flags = this.u32();
    if ((flags & 0xfffe) != 0) return false; // those that have to be understood
    if (this.u8() != 0 || this.c.short) return false;
    if (!this.document(Place.ROOT, 0)) return false;
    return this.left == 0 || (flags & 1) != 0 && this.left == 4 && this.skip(4);
  }

  /** OP_QUERY: flags, DATABASE.$cmd, nothing to skip, one answer, and the document. */
  private query(): bool {
    if ((this.u32() & ~0xfe) != 0) return false;
    const name = this.name();
    if (name === null || !isCommand(name)) return false;
    if (this.u32() != 0) return false;
    const wants = this.u32();
    if (wants != 1 && wants != u32.MAX_VALUE) return false;
    return this.document(Place.ROOT, 0) && this.left == 0;
  }

  /** A document of BSON: its length, elements, and a NUL. */
  private document(at: Place, depth: u32): bool {
    const size = this.u32();
    if (this.c.short || size < 5 || size - 4 > this.left || depth > MOST_DEPTH) return false;
    const behind = this.left - (size - 4);
    this.left = size - 4;
    for (let first = at == Place.ROOT; ; first = false) {
      const type = this.u8();
      if (this.c.short) return false;
      if (type == 0) break;
      const name = this.name();
      if (name === null || ++this.elements > MOST_ELEMENTS) return false;
      if (first && !(isHello(type, name) && this.whole(behind))) return false;
      if (!this.value(at, type, name, depth)) return false;
    }
    if (this.left != 0) return false;
    this.left = behind;
    return true;
  }

  /** Is all of the message there, of which there are so many bytes behind the document?
   * Up to here each byte was judged as it came. From here on clients differ in what
   * they say, and reading it again for each byte that comes would take too much. */
  private whole(behind: u32): bool {
    if (this.there >= this.length) return true;
    this.c.skip(this.left + behind); // lacks what is not there
    return false;
  }

  private value(at: Place, type: u32, name: Span, depth: u32): bool {
    if (type == DOCUMENT || type == ARRAY) return this.document(inside(at, name), depth + 1);
    if (type == STRING) {
      const s = this.string();
      return s !== null && this.found.take(at, name, s);
    }
    if (type == BINARY) {
      const size = this.u32();
      return size < MOST && this.skip(size + 1); // a byte says what it is
    }
    if (type == BOOLEAN) return this.u8() <= 1;
    if (type == CODE || type == SYMBOL) return this.string() !== null;
    if (type == REGEXP) return this.name() !== null && this.name() !== null;
    const size = fixed(type);
    return size >= 0 && this.skip(<u32>size);
  }

  /** A length, so many bytes, of which the last one is NUL. */
  private string(): Span | null {
    const size = this.u32();
    if (this.c.short || size < 1 || size > this.left) return null;
    const s = this.c.bytes(size - 1);
    this.left -= size - 1;
    return this.u8() == 0 && !this.c.short ? s : null;
  }

  /** Bytes up to a NUL. */
  private name(): Span | null {
    if (this.left == 0) return null;
    const s = this.c.until(0, min(this.left - 1, MOST_NAME));
    if (s !== null) this.left -= s.size + 1;
    return s;
  }

  private skip(n: u32): bool {
    if (n > this.left) return false;
    this.left -= n;
    this.c.skip(n);
    return !this.c.short;
  }

  private u8(): u32 {
    if (this.left < 1) return u32.MAX_VALUE;
    this.left--;
    return this.c.u8();
  }

  /** A number, or one that is too great for anything if there are no four bytes. */
  private u32(): u32 {
    if (this.left < 4) return u32.MAX_VALUE;
    this.left -= 4;
    return this.c.u32le();
  }
}

/** How many bytes a value has whose type says so; -1 for all others. */
function fixed(type: u32): i32 {
  switch (type) {
    case 0x06: // undefined
    case 0x0a: // null
    case 0x7f: // the greatest key
    case 0xff: // the least key
      return 0;
    case INT32:
      return 4;
    case DOUBLE:
    case 0x09: // a time
    case 0x11: // a timestamp
    case INT64:
      return 8;
    case 0x07: // an object's identifier
      return 12;
    case 0x13: // a decimal number of 128 bits
      return 16;
  }
  return -1;
}

/** Is the first element that of a hello, under its present or its former name? */
function isHello(type: u32, name: Span): bool {
  if (type != INT32 && type != DOUBLE && type != BOOLEAN && type != INT64) return false;
  return same(name, "hello") || same(name, "isMaster") || same(name, "ismaster");
}

/** Is it DATABASE.$cmd? */
function isCommand(name: Span): bool {
  const end: u32 = 5;
  return name.size > end && same(new Span(name.at + name.size - end, end), ".$cmd");
}

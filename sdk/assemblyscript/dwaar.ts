// dwaar.ts: write a matcher for the dwaar proxy in AssemblyScript.
//
// A matcher looks at the first bytes of a connection and says whether they are its
// protocol:
//
//	import { Cursor } from "./dwaar";
//	export { dwaar_v1_window } from "./dwaar";
//
//	export function dwaar_v1_match(head: usize, size: u32, info: usize): i32 {
//		const c = new Cursor(head, size);
//		if (!c.literal("HELLO ")) return c.no();
//		return c.yes();
//	}
//
// Build it with build.sh beside this file. README.md shows the rest; the interface
// below is specified in sdk/abi/ABI.md.

// generated from sdk/abi: begin
// Answers of match that are neither "yes" (positive) nor "more bytes" (negative).
export const NO: i32 = 0;
export const YES: i32 = 1;
export const UNKNOWN: i32 = -2147483648;
// Answers of get and set.
export const GET_ABSENT: i32 = -1;
export const SET_DONE: i32 = 0;
export const SET_REFUSED: i32 = -1;
export const SET_FULL: i32 = -2;
// Kinds of configuration tokens.
export const TOKEN_END: u32 = 0;
export const TOKEN_WORD: u32 = 1;
export const TOKEN_OPEN: u32 = 2;
export const TOKEN_CLOSE: u32 = 3;
export const TOKEN_LINE: u32 = 4;
// Levels of log.
export const LOG_TRACE: u32 = 0;
export const LOG_INFO: u32 = 1;
export const LOG_WARN: u32 = 2;
export const LOG_ERROR: u32 = 3;
// The info block: its size, and the offsets of its fields.
export const INFO_SIZE: u32 = 128;
export const INFO_FLAGS: u32 = 4;
export const INFO_TRANSPORT: u32 = 8;
export const INFO_REMOTE_FAMILY: u32 = 9;
export const INFO_LOCAL_FAMILY: u32 = 10;
export const INFO_MAX_HEAD: u32 = 12;
export const INFO_REMOTE_IP: u32 = 16;
export const INFO_LOCAL_IP: u32 = 32;
export const INFO_REMOTE_PORT: u32 = 48;
export const INFO_LOCAL_PORT: u32 = 50;
export const INFO_LISTENER: u32 = 52;
export const INFO_SERVER_NAME: u32 = 60;
export const INFO_ALPN: u32 = 68;
export const INFO_TLS_VERSION: u32 = 76;
export const INFO_CIPHER: u32 = 78;
export const INFO_ACCEPTED: u32 = 80;
export const INFO_BOUNDS: u32 = 88;
// Bits of the info block's flags.
export const FLAG_TLS: u32 = 1;
export const FLAG_PROXIED: u32 = 2;
export const FLAG_DATAGRAMS: u32 = 4;
// Transports of the info block.
export const TRANSPORT_TCP: u32 = 1;
export const TRANSPORT_UDP: u32 = 2;
export const TRANSPORT_UNIX: u32 = 3;
// Limits that both sides know.
export const MAX_NAME: u32 = 32;
export const MAX_STRING: u32 = 255;
export const MAX_BOUNDS: u32 = 64;
export const MAX_VALUE: u32 = 1024;
export const MAX_FACTS: u32 = 16;
export const MAX_LOGS: u32 = 8;
export const MAX_MESSAGE: u32 = 512;
export const MAX_REJECTS: u32 = 32;
export const MAX_WORD: u32 = 65535;
export const MAX_DEPTH: u32 = 16;
export const MAX_CONFIG: u32 = 1048576;
export const MAX_RANDOM: u32 = 4096;
export const WINDOW_ALIGN: u32 = 16;
export const WINDOW_TAIL: u32 = 16;
// Where a host that uses [Window] writes. Guests get addresses and need only the last
export const WINDOW_STRINGS: u32 = 128;
export const WINDOW_BOUNDS: u32 = 896;
export const WINDOW_HEAD: u32 = 1152;
// generated from sdk/abi: end

// @ts-ignore: decorator
@external("dwaar_v1", "get")
declare function importGet(key: usize, klen: u32, out: usize, room: u32): i32;
// @ts-ignore: decorator
@external("dwaar_v1", "set")
declare function importSet(key: usize, klen: u32, value: usize, vlen: u32): i32;
// @ts-ignore: decorator
@external("dwaar_v1", "reject")
declare function importReject(token: i32, msg: usize, size: u32): void;
// @ts-ignore: decorator
@external("dwaar_v1", "log")
declare function importLog(level: u32, msg: usize, size: u32): void;
// @ts-ignore: decorator
@external("dwaar_v1", "fail")
declare function importFail(msg: usize, size: u32): void;

/** The memory for the host. Re-export it from the module's entry file. */
export function dwaar_v1_window(size: u32): usize {
  return heap.alloc(size + 15) + 15 & ~15;
}

/** Some bytes of the window: valid during the call. */
export class Span {
  constructor(public at: usize, public size: u32) {}

  /** Are they those of a string? */
  is(s: string): bool {
    const utf8 = Uint8Array.wrap(String.UTF8.encode(s));
    return utf8.length == <i32>this.size && memory.compare(utf8.dataStart, this.at, this.size) == 0;
  }

  /** The bytes as a string, which may be kept. */
  text(): string {
    return String.UTF8.decodeUnsafe(this.at, this.size);
  }
}

/** A token of the configuration. */
export class Token {
  /** kind is one of TOKEN_…; text the bytes of a word, valid during init. */
  constructor(public kind: u32, public text: Span, private number: i32) {}

  /** Is it the end of the configuration? */
  get isEnd(): bool {
    return this.kind == TOKEN_END;
  }

  /** Is it this word? */
  is(word: string): bool {
    return this.kind == TOKEN_WORD && this.text.is(word);
  }

  /** Says that the configuration is wrong and shows the user where. Returns what init
   * returns then. */
  reject(msg: string): i32 {
    return rejectAt(this.number, msg);
  }
}

function rejectAt(token: i32, msg: string): i32 {
  const utf8 = Uint8Array.wrap(String.UTF8.encode(msg));
  importReject(token, utf8.dataStart, utf8.length);
  return 1;
}

/** The tokens of the configuration that are still to come. */
export class Config {
  private number: i32 = 0;

  /** at is the first argument of init. */
  constructor(private at: usize) {}

  /** The next token; behind the last one the end again and again. */
  next(): Token {
    const size: u32 = load<u8>(this.at, 2) | <u32>load<u8>(this.at, 3) << 8;
    const t = new Token(load<u8>(this.at), new Span(this.at + 4, size), this.number);
    if (!t.isEnd) {
      this.at += 5 + size;
      this.number++;
    }
    return t;
  }

  /** Says that the directive as a whole is wrong. */
  reject(msg: string): i32 {
    return rejectAt(-1, msg);
  }
}

/** The head, read from its first byte on. A read that lacks bytes gives 0 or an empty
 * span and is remembered: from then on every read does, and no, yes and unknown ask
 * for as many bytes as the first such read needs. Return only what these three give,
 * and check one value before reading the next: then "not yet" is never mistaken for
 * "no", and "no" is said at the first impossible byte. A loop that waits for a certain
 * byte must also end when the cursor is short. */
export class Cursor {
  private at: u32 = 0;
  private need: u32 = 0;

  constructor(private head: usize, private size: u32) {}

  /** Not this protocol; or more bytes, if some were lacking. */
  no(): i32 {
    return this.unlessShort(NO);
  }

  /** It is; or more bytes. */
  yes(): i32 {
    return this.unlessShort(YES);
  }

  /** No byte that the client will send before it gets an answer can tell; or more. */
  unknown(): i32 {
    return this.unlessShort(UNKNOWN);
  }

  private unlessShort(verdict: i32): i32 {
    if (this.need == 0) return verdict;
    return this.need > <u32>i32.MAX_VALUE ? UNKNOWN : -<i32>this.need;
  }

  /** Has a read lacked bytes? */
  get short(): bool {
    return this.need != 0;
  }

  private lack(n: u32): void {
    this.need = n > u32.MAX_VALUE - this.at ? u32.MAX_VALUE : this.at + n;
  }

  /** Moves on by n bytes and returns where they are; 0 if they are lacking. */
  private take(n: u32): usize {
    if (this.need != 0) return 0;
    if (n > this.size - this.at) {
      this.lack(n);
      return 0;
    }
    const p = this.head + this.at;
    this.at += n;
    return p;
  }

  /** The next n bytes. */
  bytes(n: u32): Span {
    const p = this.take(n);
    return p == 0 ? new Span(this.head, 0) : new Span(p, n);
  }

  /** Passes over n bytes. */
  skip(n: u32): void {
    this.take(n);
  }

  /** One byte. */
  u8(): u8 {
    const p = this.take(1);
    return p == 0 ? 0 : load<u8>(p);
  }

  /** Two bytes, the most significant first. */
  u16(): u16 {
    return bswap(this.u16le());
  }

  /** Three bytes, the most significant first. */
  u24(): u32 {
    const p = this.take(3);
    return p == 0 ? 0 : <u32>load<u8>(p) << 16 | <u32>load<u8>(p, 1) << 8 | load<u8>(p, 2);
  }

  /** Four bytes, the most significant first. */
  u32(): u32 {
    return bswap(this.u32le());
  }

  /** Two bytes, the least significant first. */
  u16le(): u16 {
    const p = this.take(2);
    return p == 0 ? 0 : load<u16>(p);
  }

  /** Four bytes, the least significant first. */
  u32le(): u32 {
    const p = this.take(4);
    return p == 0 ? 0 : load<u32>(p);
  }

  /** A number of one to five bytes, seven bits each, the least significant first
   * (LEB128). One that does not end or does not fit reads as u32.MAX_VALUE. */
  varint(): u32 {
    let v: u32 = 0;
    for (let shift: u32 = 0; shift < 35; shift += 7) {
      const b: u32 = this.u8();
      if (this.need != 0) return 0;
      if (shift == 28 && b > 0x0f) break;
      v |= (b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    return u32.MAX_VALUE;
  }

  /** Is s what comes next? No at the first wrong byte. */
  literal(s: string): bool {
    if (this.need != 0) return false;
    const utf8 = Uint8Array.wrap(String.UTF8.encode(s));
    const n = min<u32>(utf8.length, this.size - this.at);
    if (memory.compare(utf8.dataStart, this.head + this.at, n) != 0) return false;
    if (n < <u32>utf8.length) {
      this.lack(n + 1);
      return false;
    }
    this.at += n;
    return true;
  }

  /** The bytes up to the next one that equals end, at most limit of them. null if a
   * longer stretch holds no such byte, or if bytes are lacking. */
  until(end: u8, limit: u32): Span | null {
    if (this.need != 0) return null;
    const rest = this.size - this.at;
    for (let i: u32 = 0; i < rest && i <= limit; i++) {
      if (load<u8>(this.head + this.at + i) == end) {
        const before = new Span(this.head + this.at, i);
        this.at += i + 1;
        return before;
      }
    }
    if (rest <= limit) this.lack(rest + 1);
    return null;
  }
}

/** What is known of the connection beside its head. */
export class Flow {
  /** info is the third argument of match. */
  constructor(private info: usize) {}

  /** FLAG_…. */
  get flags(): u32 {
    return load<u32>(this.info, INFO_FLAGS);
  }

  /** TRANSPORT_…. */
  get transport(): u32 {
    return load<u8>(this.info, INFO_TRANSPORT);
  }

  /** The head never grows beyond this many bytes. */
  get maxHead(): u32 {
    return load<u32>(this.info, INFO_MAX_HEAD);
  }

  /** The client's family: 4, 6, or 0 for no IP address. */
  get remoteFamily(): u32 {
    return load<u8>(this.info, INFO_REMOTE_FAMILY);
  }

  /** The client's address, 16 bytes, IPv4 as ::ffff:a.b.c.d. */
  get remoteIP(): Span {
    return new Span(this.info + INFO_REMOTE_IP, 16);
  }

  /** The client's port. */
  get remotePort(): u16 {
    return load<u16>(this.info, INFO_REMOTE_PORT);
  }

  /** The family of the address the client connected to. */
  get localFamily(): u32 {
    return load<u8>(this.info, INFO_LOCAL_FAMILY);
  }

  /** The address the client connected to. */
  get localIP(): Span {
    return new Span(this.info + INFO_LOCAL_IP, 16);
  }

  /** The port the client connected to. */
  get localPort(): u16 {
    return load<u16>(this.info, INFO_LOCAL_PORT);
  }

  /** The listener as configured. */
  get listener(): Span {
    return this.span(INFO_LISTENER);
  }

  /** The server name of TLS terminated here: lower case, without a final dot. */
  get serverName(): Span {
    return this.span(INFO_SERVER_NAME);
  }

  /** The protocol that ALPN chose. */
  get alpn(): Span {
    return this.span(INFO_ALPN);
  }

  /** The version of TLS terminated here, or 0. */
  get tlsVersion(): u16 {
    return load<u16>(this.info, INFO_TLS_VERSION);
  }

  /** Its cipher suite. */
  get cipher(): u16 {
    return load<u16>(this.info, INFO_CIPHER);
  }

  /** When the connection was accepted, in nanoseconds since 1970 UTC. */
  get accepted(): i64 {
    return load<i64>(this.info, INFO_ACCEPTED);
  }

  /** How many datagrams the head has; 0 for streams. */
  get bounds(): u32 {
    return load<u32>(this.info, INFO_BOUNDS + 4);
  }

  /** Where datagram i ends. */
  bound(i: u32): u32 {
    return load<u32>(<usize>load<u32>(this.info, INFO_BOUNDS) + 4 * i);
  }

  private span(at: usize): Span {
    const p = this.info + at;
    return new Span(load<u32>(p), load<u32>(p, 4));
  }
}

/** A fact of an earlier phase by its full name, "tls.server_name"; null if there is
 * none. */
export function get(name: string): string | null {
  const key = Uint8Array.wrap(String.UTF8.encode(name));
  const out = new Uint8Array(MAX_VALUE);
  const n = importGet(key.dataStart, key.length, out.dataStart, out.length);
  return n < 0 ? null : String.UTF8.decodeUnsafe(out.dataStart, min(n, out.length));
}

/** Makes a fact known, {MATCHER.key}, if this call of match says yes. */
export function set(key: string, value: Span): void {
  const utf8 = Uint8Array.wrap(String.UTF8.encode(key));
  importSet(utf8.dataStart, utf8.length, value.at, value.size);
}

/** Logs a message, at most 512 bytes; level is LOG_…. */
export function log(level: u32, msg: string): void {
  const utf8 = Uint8Array.wrap(String.UTF8.encode(msg));
  importLog(level, utf8.dataStart, utf8.length);
}

/** Ends the evaluation with an error: the matcher itself is broken. */
export function fail(msg: string): void {
  const utf8 = Uint8Array.wrap(String.UTF8.encode(msg));
  importFail(utf8.dataStart, utf8.length);
}

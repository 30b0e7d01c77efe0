// Options with values, as the other matchers here take them: on one line,
//
//	NAME [OPTION VALUE…] [OPTION VALUE…]
//
// or as a block with one option a line, where every word behind the option is a value,
// also one that is called like an option. All options that are given must hold, one
// value of each.
import { Config, Span, Token, TOKEN_OPEN, TOKEN_WORD } from "../../sdk/assemblyscript/dwaar";

/** Are some bytes those of an ASCII string? It allocates nothing. */
export function same(s: Span, text: string): bool {
  if (s.size != <u32>text.length) return false;
  for (let i: u32 = 0; i < s.size; i++) {
    if (<i32>load<u8>(s.at + i) != text.charCodeAt(i)) return false;
  }
  return true;
}

// What is configured stays in the one memory in which evaluations allocate.
const MOST_VALUES: i32 = 64;
const MOST_BYTES: u32 = 2 << 10;
let count: i32 = 0;
let bytes: u32 = 0;

/** A copy of what was configured, which lasts. */
class Value {
  private at: usize;
  private size: u32;
  private start: bool; // ends in "*": all that begin so

  constructor(s: Span) {
    this.start = s.size > 0 && load<u8>(s.at + s.size - 1) == 0x2a;
    this.size = this.start ? s.size - 1 : s.size;
    this.at = heap.alloc(s.size);
    memory.copy(this.at, s.at, s.size);
  }

  fits(s: Span): bool {
    const size = this.start ? min(this.size, s.size) : s.size;
    return size == this.size && memory.compare(this.at, s.at, size) == 0;
  }
}

/** An option with its values. */
export class Option {
  private values: Value[] = [];

  constructor(public name: string) {}

  /** Adds a value, if there is room for it. */
  add(s: Span): bool {
    if (++count > MOST_VALUES || s.size > MOST_BYTES - bytes) return false;
    bytes += s.size;
    this.values.push(new Value(s));
    return true;
  }

  /** Does one value fit, or has it none? What is not there fits none. */
  holds(s: Span | null): bool {
    if (this.values.length == 0) return true;
    if (s === null) return false;
    for (let i = 0; i < this.values.length; i++) {
      if (this.values[i].fits(s)) return true;
    }
    return false;
  }
}

/** Reads the whole configuration, and returns what init does. unknown is what a word is
 * told that should be an option and is none. */
export function read(c: Config, options: Option[], unknown: string): i32 {
  let t = c.next();
  while (t.kind == TOKEN_WORD) {
    const o = named(options, t);
    if (o === null) return t.reject(unknown);
    const before = count, after = values(c, o, options);
    if (after.kind == TOKEN_WORD && named(options, after) === null) return full(after);
    if (count == before) return t.reject("needs a value");
    t = after;
  }
  return t.kind == TOKEN_OPEN ? lines(c, options, unknown) : 0;
}

/** Reads the lines of the block. */
function lines(c: Config, options: Option[], unknown: string): i32 {
  for (let t = c.next(); t.kind == TOKEN_WORD; t = c.next()) {
    const o = named(options, t);
    if (o === null) return t.reject(unknown);
    const before = count, end = values(c, o, null);
    if (end.kind == TOKEN_WORD) return full(end);
    if (count == before) return t.reject("needs a value");
    if (end.kind == TOKEN_OPEN) return end.reject("stands behind what takes no block");
  }
  return 0;
}

function full(t: Token): i32 {
  return t.reject("is one too many: there is room for 64 values, and 2 KiB");
}

/** Adds the values of an option and returns the token that ends them: an option, where
 * others are given, or a value for which there is no room. */
function values(c: Config, o: Option, others: Option[] | null): Token {
  let t = c.next();
  while (t.kind == TOKEN_WORD && (others === null || named(others, t) === null)) {
    if (!o.add(t.text)) break;
    t = c.next();
  }
  return t;
}

function named(options: Option[], t: Token): Option | null {
  for (let i = 0; i < options.length; i++) {
    if (t.kind == TOKEN_WORD && same(t.text, options[i].name)) return options[i];
  }
  return null;
}

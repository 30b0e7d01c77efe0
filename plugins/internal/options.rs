//! Options with values, as the matchers in Rust here take them: on one line,
//!
//!     NAME [OPTION VALUE…] [OPTION VALUE…]
//!
//! or as a block with one option a line, where every word behind the option is a value,
//! also one that is called like an option. All options that are given must hold, one
//! value of each. A matcher has it as a module of its own:
//!
//!     #[path = "../internal/options.rs"]
//!     mod options;
use dwaar::*;

/// An option: its name, and why a value does not fit it.
pub struct Known {
    pub name: &'static str,
    pub unfit: fn(&[u8]) -> Option<&'static str>,
}

/// The values of all options, in a table of `N` bytes. Some copies of it have to fit
/// into the stack of 8 KiB: 1,024 do.
pub struct Values<const N: usize> {
    table: [u8; N], // the number of the option, the length of the value, and the value
    size: usize,
}

impl<const N: usize> Values<N> {
    /// Reads the whole configuration. `unknown` is what a word is told that should be an
    /// option and is none.
    pub fn read(config: &mut Config, known: &[Known], unknown: &str) -> Result<Self, Rejected> {
        let mut v = Values { table: [0; N], size: 0 };
        let mut t = config.next();
        while t.word().is_some() {
            t = v.option(config, t, known, unknown, false)?;
        }
        if t.kind == abi::TOKEN_OPEN {
            t = config.next();
            while t.word().is_some() {
                t = v.option(config, t, known, unknown, true)?;
                if t.kind == abi::TOKEN_OPEN {
                    return Err(t.reject("stands behind what takes no block"));
                }
                t = config.next();
            }
        }
        Ok(v)
    }

    /// Reads an option with its values and returns the token that ends them.
    fn option<'a>(&mut self, config: &mut Config<'a>, name: Token<'a>, known: &[Known], unknown: &str, own_line: bool) -> Result<Token<'a>, Rejected> {
        let number = match position(known, &name) {
            Some(n) => n,
            None => return Err(name.reject(unknown)),
        };
        let before = self.size;
        loop {
            let t = config.next();
            match t.word() {
                Some(w) if own_line || position(known, &t).is_none() => {
                    if let Some(why) = (known[number].unfit)(w) {
                        return Err(t.reject(why));
                    }
                    if !self.add(number as u8, w) {
                        return Err(t.reject("is too long, or one too many"));
                    }
                }
                _ if self.size == before => return Err(name.reject("needs a value")),
                _ => return Ok(t),
            }
        }
    }

    /// Adds a value, if there is room for it.
    fn add(&mut self, number: u8, value: &[u8]) -> bool {
        let end = self.size + 2 + value.len();
        if value.len() > 255 || end > N {
            return false;
        }
        self.table[self.size] = number;
        self.table[self.size + 1] = value.len() as u8;
        self.table[self.size + 2..end].copy_from_slice(value);
        self.size = end;
        true
    }

    /// Does one value of an option fit, or has it none?
    pub fn hold(&self, number: u8, fits: impl Fn(&[u8]) -> bool) -> bool {
        let (mut rest, mut given) = (&self.table[..self.size], false);
        while let [of, len, tail @ ..] = rest {
            let (value, next) = tail.split_at(*len as usize);
            if *of == number {
                if fits(value) {
                    return true;
                }
                given = true;
            }
            rest = next;
        }
        !given
    }
}

/// The number of the option that a word names.
fn position(known: &[Known], t: &Token) -> Option<usize> {
    known.iter().position(|k| t.is(k.name))
}

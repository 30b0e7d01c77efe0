//! A matcher. It knows clients that begin with a line "HELLO NAME", and finds out the
//! name. In the Dwaarfile
//!
//!     @anybody hello
//!     @world hello world
//!
//! the first one matches all of them, the second one those who say "world"; in a route
//! of either {hello.who} is the name.
#![no_std]
use dwaar::*;

/// The matcher, with its argument; empty: any name will do.
struct Hello(Text<64>);
matcher!(Hello);

impl Matcher for Hello {
    /// Called once for each place where the configuration uses the matcher, with what
    /// stands behind its name there.
    fn new(config: &mut Config) -> Result<Self, Rejected> {
        let (name, end) = (config.next(), config.next());
        if !end.is_end() {
            return Err(end.reject("takes one name"));
        }
        name.keep().map(Hello)
    }

    /// Called with the first bytes of a connection: with none, and again when more have
    /// come, always from the first byte on. Where a read lacks bytes, "?" asks for them.
    fn matches(&self, c: &mut Cursor, flow: &Flow) -> Result<Verdict, Short> {
        if !c.literal(b"HELLO ")? {
            return Ok(Verdict::No); // at the first wrong byte
        }
        let who = match c.until(b'\n', 64)? {
            Some(who) => who,
            None => return Ok(Verdict::No), // no end of line where there had to be one
        };
        if !self.0.is_empty() && self.0.bytes() != who {
            return Ok(Verdict::No); // somebody else
        }
        flow.set("who", who);
        Ok(Verdict::Yes)
    }
}

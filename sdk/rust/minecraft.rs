#![no_std]
use dwaar::*;

struct Minecraft(Text<255>); // minecraft [HOST]
matcher!(Minecraft);

impl Matcher for Minecraft {
    fn new(config: &mut Config) -> Result<Self, Rejected> {
        let (host, end) = (config.next(), config.next());
        if !end.is_end() {
            return Err(end.reject("takes one host"));
        }
        host.keep().map(Minecraft)
    }

    fn matches(&self, c: &mut Cursor, flow: &Flow) -> Result<Verdict, Short> {
        if !(7..=300).contains(&c.varint()?) {
            return Ok(Verdict::No);
        }
        if c.varint()? != 0 { // the packet's id
            return Ok(Verdict::No);
        }
        c.varint()?; // the protocol's version
        let n = c.varint()?;
        if n < 1 || n > 255 {
            return Ok(Verdict::No);
        }
        let host = c.bytes(n as usize)?;
        if !self.0.is_empty() && self.0.bytes() != host {
            return Ok(Verdict::No);
        }
        flow.set("host", host);
        Ok(Verdict::Yes)
    }
}

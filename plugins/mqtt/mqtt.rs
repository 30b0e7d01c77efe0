//! Matches MQTT clients by their first packet, CONNECT, up to the client identifier:
//! section 3.1 of MQTT 5.0 and of 3.1.1, whose numbers these are. README.md says how
//! it is used.
#![no_std]
use dwaar::*;

#[path = "../internal/options.rs"]
mod options;
use options::{Known, Values};

const CONNECT: u8 = 0x10; // type 1; all flags are 0 (2.1.3), and some brokers do not look
const LEAST: usize = 12; // bytes behind the length: of 3.1.1 without a client identifier
const BRIDGE: u8 = 0x80; // what bridges add to the level of 3.1 and 3.1.1

// Connect flags (3.1.2.3).
const RESERVED: u8 = 0x01;
const WILL: u8 = 0x04;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

// Options, by their numbers.
const CLIENT_ID: u8 = 0;
const VERSION: u8 = 1;

const KNOWN: [Known; 2] = [
    Known { name: "client_id", unfit: |_| None },
    Known { name: "version", unfit: |v| if VERSIONS.iter().any(|known| v == known.name) { None } else { Some("is no version: write 3.1, 3.1.1 or 5") } },
];

/// A version of the protocol, as its first bytes tell it (3.1.2.1, 3.1.2.2).
struct Version {
    name: &'static [u8],
    protocol: &'static [u8],
    level: u8,
}

const VERSIONS: [Version; 3] = [
    Version { name: b"3.1", protocol: b"MQIsdp", level: 3 },
    Version { name: b"3.1.1", protocol: b"MQTT", level: 4 },
    Version { name: b"5", protocol: b"MQTT", level: 5 },
];

struct Mqtt(Values<1024>);
matcher!(Mqtt);

impl Matcher for Mqtt {
    fn new(config: &mut Config) -> Result<Self, Rejected> {
        Values::read(config, &KNOWN, "is no option: write client_id or version").map(Mqtt)
    }

    fn matches(&self, c: &mut Cursor, flow: &Flow) -> Result<Verdict, Short> {
        match self.connect(c, flow) {
            Ok(()) => Ok(Verdict::Yes),
            Err(Stop::No) => Ok(Verdict::No),
            Err(Stop::Odd) => Ok(Verdict::Unknown),
            Err(Stop::Short(s)) => Err(s),
        }
    }
}

impl Mqtt {
    fn connect(&self, c: &mut Cursor, flow: &Flow) -> Result<(), Stop> {
        let mut p = Packet { c, left: usize::MAX };
        let first = p.u8()?;
        want(first & 0xf0 == CONNECT)?;
        p.left = p.length()?;
        want(p.left >= LEAST)?;
        let version = p.version()?;
        want(self.0.hold(VERSION, |v| v == version.name))?;
        want(first == CONNECT).and_then(|_| p.rest(version)).map_err(Stop::odd).and_then(|id| self.tell(flow, version, id))
    }

    fn tell(&self, flow: &Flow, version: &Version, id: &[u8]) -> Result<(), Stop> {
        want(self.0.hold(CLIENT_ID, |v| is_id(v, id)))?;
        if !id.is_empty() {
            flow.set("client_id", id);
        }
        flow.set("version", version.name);
        Ok(())
    }
}

/// Why reading ended: bytes are lacking, this is no CONNECT that matches, or one that
/// only some brokers take.
enum Stop {
    Short(Short),
    No,
    Odd,
}

impl Stop {
    /// What is wrong behind the name and the level of the protocol is not looked at by
    /// every broker.
    fn odd(self) -> Self {
        match self {
            Stop::No => Stop::Odd,
            other => other,
        }
    }
}

impl From<Short> for Stop {
    fn from(s: Short) -> Self {
        Stop::Short(s)
    }
}

fn want(holds: bool) -> Result<(), Stop> {
    if holds {
        Ok(())
    } else {
        Err(Stop::No)
    }
}

/// The least number of bytes behind the client identifier (3.1.3), and whether there
/// can be more.
fn behind(flags: u8, version: &Version) -> (usize, bool) {
    let will = match (flags & WILL != 0, version.level) {
        (false, _) => 0,
        (true, 5) => 5, // no properties, an empty topic, an empty message
        (true, _) => 4,
    };
    let strings = (flags & (USER_NAME | PASSWORD)).count_ones() as usize;
    (will + 2 * strings, flags & (WILL | USER_NAME | PASSWORD) != 0)
}

/// Is a client identifier the one that was configured? One that ends in "*" stands for
/// all that begin so.
fn is_id(configured: &[u8], id: &[u8]) -> bool {
    match configured {
        [start @ .., b'*'] => id.starts_with(start),
        _ => id == configured,
    }
}

/// What follows the length. Nothing in it reaches beyond its end.
struct Packet<'a, 'c> {
    c: &'c mut Cursor<'a>,
    left: usize,
}

impl<'a, 'c> Packet<'a, 'c> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], Stop> {
        want(n <= self.left)?;
        self.left -= n;
        Ok(self.c.bytes(n)?)
    }

    fn u8(&mut self) -> Result<u8, Stop> {
        Ok(self.bytes(1)?[0])
    }

    /// A length of one to four bytes, seven bits each (1.5.5).
    fn length(&mut self) -> Result<usize, Stop> {
        let mut v = 0;
        for shift in [0, 7, 14, 21] {
            let b = self.u8()?;
            v |= ((b & 0x7f) as usize) << shift;
            if b < 0x80 {
                return Ok(v);
            }
        }
        Err(Stop::No)
    }

    /// A length of two bytes, and so many bytes (1.5.4, 1.5.6).
    fn field(&mut self) -> Result<&'a [u8], Stop> {
        let n = (self.u8()? as usize) << 8 | self.u8()? as usize;
        self.bytes(n)
    }

    /// The name of the protocol and its level.
    fn version(&mut self) -> Result<&'static Version, Stop> {
        want(self.u8()? == 0)?;
        let size = self.u8()? as usize;
        let protocol = match VERSIONS.iter().find(|v| v.protocol.len() == size) {
            Some(v) => v.protocol,
            None => return Err(Stop::No),
        };
        want(size <= self.left && self.c.literal(protocol)?)?;
        self.left -= size;
        let level = self.u8()?;
        let is = |v: &&Version| v.level == level || v.level < 5 && v.level | BRIDGE == level;
        VERSIONS.iter().filter(|v| v.protocol == protocol).find(is).ok_or(Stop::No)
    }

    /// What follows the level, up to the client identifier.
    fn rest(&mut self, version: &Version) -> Result<&'a [u8], Stop> {
        let flags = self.flags(version)?;
        self.bytes(2)?; // keep alive (3.1.2.10)
        if version.level == 5 {
            self.properties()?;
        }
        self.client_id(behind(flags, version))
    }

    /// The connect flags (3.1.2.3 to 3.1.2.9).
    fn flags(&mut self, version: &Version) -> Result<u8, Stop> {
        let flags = self.u8()?;
        want(flags & RESERVED == 0)?;
        want(flags & WILL_QOS != WILL_QOS)?;
        want(flags & WILL != 0 || flags & (WILL_QOS | WILL_RETAIN) == 0)?;
        want(version.level == 5 || flags & PASSWORD == 0 || flags & USER_NAME != 0)?;
        Ok(flags)
    }

    /// The properties (3.1.2.11). Nobody asks for them, but they have to be right.
    fn properties(&mut self) -> Result<(), Stop> {
        let n = self.length()?;
        want(n <= self.left)?;
        let behind = self.left - n;
        self.left = n;
        while self.left > 0 {
            self.property()?;
        }
        self.left = behind;
        Ok(())
    }

    fn property(&mut self) -> Result<(), Stop> {
        match self.u8()? {
            0x11 | 0x27 => self.bytes(4)?, // session expiry interval, maximum packet size
            0x21 | 0x22 => self.bytes(2)?, // receive maximum, topic alias maximum
            0x17 | 0x19 => return want(self.u8()? <= 1), // request problem, response information
            0x15 | 0x16 => self.field()?, // authentication method, data
            0x26 => {
                self.field()?; // user property: a name
                self.field()? // and its value
            }
            _ => return Err(Stop::No),
        };
        Ok(())
    }

    /// The client identifier (3.1.3.1). Behind it stand at least so many bytes, and
    /// none if there can be no more.
    fn client_id(&mut self, (least, more): (usize, bool)) -> Result<&'a [u8], Stop> {
        let n = (self.u8()? as usize) << 8 | self.u8()? as usize;
        want(n + least <= self.left && (more || n == self.left))?;
        let id = self.bytes(n)?;
        want(!id.contains(&0) && core::str::from_utf8(id).is_ok())?; // 1.5.4
        Ok(id)
    }
}

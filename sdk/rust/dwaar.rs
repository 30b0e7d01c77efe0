//! Write a matcher for the dwaar proxy in Rust.
//!
//! A matcher looks at the first bytes of a connection and says whether they are its
//! protocol. It needs neither std nor an allocator:
//!
//! ```ignore
//! #![no_std]
//! use dwaar::*;
//!
//! struct Hello;
//! matcher!(Hello);
//!
//! impl Matcher for Hello {
//!     fn new(_: &mut Config) -> Result<Self, Rejected> {
//!         Ok(Hello)
//!     }
//!     fn matches(&self, c: &mut Cursor, _: &Flow) -> Result<Verdict, Short> {
//!         Ok(if c.literal(b"HELLO ")? { Verdict::Yes } else { Verdict::No })
//!     }
//! }
//! ```
//!
//! Build it with build.sh beside this file. README.md shows the rest; the interface
//! below is specified in sdk/abi/ABI.md. Any rustc from 1.63 on will do.
#![no_std]
#![allow(clippy::missing_safety_doc)]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

/// The numbers of the interface.
pub mod abi {
    // generated from sdk/abi: begin
// Answers of match that are neither "yes" (positive) nor "more bytes" (negative).
pub const NO: i32 = 0;
pub const YES: i32 = 1;
pub const UNKNOWN: i32 = -2147483648;
// Answers of get and set.
pub const GET_ABSENT: i32 = -1;
pub const SET_DONE: i32 = 0;
pub const SET_REFUSED: i32 = -1;
pub const SET_FULL: i32 = -2;
// Kinds of configuration tokens.
pub const TOKEN_END: u32 = 0;
pub const TOKEN_WORD: u32 = 1;
pub const TOKEN_OPEN: u32 = 2;
pub const TOKEN_CLOSE: u32 = 3;
pub const TOKEN_LINE: u32 = 4;
// Levels of log.
pub const LOG_TRACE: u32 = 0;
pub const LOG_INFO: u32 = 1;
pub const LOG_WARN: u32 = 2;
pub const LOG_ERROR: u32 = 3;
// The info block: its size, and the offsets of its fields.
pub const INFO_SIZE: u32 = 128;
pub const INFO_FLAGS: u32 = 4;
pub const INFO_TRANSPORT: u32 = 8;
pub const INFO_REMOTE_FAMILY: u32 = 9;
pub const INFO_LOCAL_FAMILY: u32 = 10;
pub const INFO_MAX_HEAD: u32 = 12;
pub const INFO_REMOTE_IP: u32 = 16;
pub const INFO_LOCAL_IP: u32 = 32;
pub const INFO_REMOTE_PORT: u32 = 48;
pub const INFO_LOCAL_PORT: u32 = 50;
pub const INFO_LISTENER: u32 = 52;
pub const INFO_SERVER_NAME: u32 = 60;
pub const INFO_ALPN: u32 = 68;
pub const INFO_TLS_VERSION: u32 = 76;
pub const INFO_CIPHER: u32 = 78;
pub const INFO_ACCEPTED: u32 = 80;
pub const INFO_BOUNDS: u32 = 88;
// Bits of the info block's flags.
pub const FLAG_TLS: u32 = 1;
pub const FLAG_PROXIED: u32 = 2;
pub const FLAG_DATAGRAMS: u32 = 4;
// Transports of the info block.
pub const TRANSPORT_TCP: u32 = 1;
pub const TRANSPORT_UDP: u32 = 2;
pub const TRANSPORT_UNIX: u32 = 3;
// Limits that both sides know.
pub const MAX_NAME: u32 = 32;
pub const MAX_STRING: u32 = 255;
pub const MAX_BOUNDS: u32 = 64;
pub const MAX_VALUE: u32 = 1024;
pub const MAX_FACTS: u32 = 16;
pub const MAX_LOGS: u32 = 8;
pub const MAX_MESSAGE: u32 = 512;
pub const MAX_REJECTS: u32 = 32;
pub const MAX_WORD: u32 = 65535;
pub const MAX_DEPTH: u32 = 16;
pub const MAX_CONFIG: u32 = 1048576;
pub const MAX_RANDOM: u32 = 4096;
pub const WINDOW_ALIGN: u32 = 16;
pub const WINDOW_TAIL: u32 = 16;
// Where a host that uses [Window] writes. Guests get addresses and need only the last
pub const WINDOW_STRINGS: u32 = 128;
pub const WINDOW_BOUNDS: u32 = 896;
pub const WINDOW_HEAD: u32 = 1152;
    // generated from sdk/abi: end
}

#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "dwaar_v1")]
    extern "C" {
        pub fn get(key: *const u8, klen: usize, out: *mut u8, room: usize) -> i32;
        pub fn set(key: *const u8, klen: usize, value: *const u8, vlen: usize) -> i32;
        pub fn reject(token: i32, msg: *const u8, len: usize);
        pub fn log(level: u32, msg: *const u8, len: usize);
        pub fn fail(msg: *const u8, len: usize) -> !;
    }
}

/// Outside of a module there is no host: for tests of a matcher's own logic.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    pub unsafe fn get(_: *const u8, _: usize, _: *mut u8, _: usize) -> i32 {
        crate::abi::GET_ABSENT
    }
    pub unsafe fn set(_: *const u8, _: usize, _: *const u8, _: usize) -> i32 {
        crate::abi::SET_DONE
    }
    pub unsafe fn reject(_: i32, _: *const u8, _: usize) {}
    pub unsafe fn log(_: u32, _: *const u8, _: usize) {}
    pub unsafe fn fail(_: *const u8, _: usize) -> ! {
        panic!("fail")
    }
}

/// A protocol, configured. `new` is called once for each use in a configuration.
pub trait Matcher: Sized {
    /// Configures the matcher from what stands behind its name.
    fn new(config: &mut Config) -> Result<Self, Rejected>;
    /// Looks at the head. It keeps no state: the host puts all memory back after each
    /// call. `Short` comes from the cursor, with `?`.
    fn matches(&self, c: &mut Cursor, flow: &Flow) -> Result<Verdict, Short>;
}

/// What a matcher says of a head that was long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this protocol; the number, at least 1, is the fact `code`.
    Code(i32),
    /// The same as `Code(1)`.
    Yes,
    /// It is not, or not with this configuration.
    No,
    /// No byte that the client will send before it gets an answer can tell.
    Unknown,
}

/// Bytes were lacking: a head of so many bytes has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short(pub usize);

/// The configuration is wrong, and the host knows where.
#[derive(Debug)]
pub struct Rejected(());

/// A token of the configuration.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    /// One of `abi::TOKEN_…`.
    pub kind: u32,
    /// The bytes of a word. Valid during `new`: copy them, into a `Text` for example.
    pub text: &'a [u8],
    number: i32,
}

impl<'a> Token<'a> {
    /// The bytes of the word, unless this is the end or a brace.
    pub fn word(&self) -> Option<&'a [u8]> {
        if self.kind == abi::TOKEN_WORD {
            Some(self.text)
        } else {
            None
        }
    }
    /// Is this the end of the configuration?
    pub fn is_end(&self) -> bool {
        self.kind == abi::TOKEN_END
    }
    /// Is this the word?
    pub fn is(&self, word: &str) -> bool {
        self.word() == Some(word.as_bytes())
    }
    /// Shows the user a message at the place of this token.
    pub fn reject(&self, msg: &str) -> Rejected {
        unsafe { host::reject(self.number, msg.as_ptr(), msg.len()) }
        Rejected(())
    }
    /// A copy of a word that lasts; empty if this is the end or a brace.
    pub fn keep<const N: usize>(&self) -> Result<Text<N>, Rejected> {
        let mut t = Text { len: self.text.len(), bytes: [0; N] };
        match t.bytes.get_mut(..self.text.len()) {
            Some(room) => room.copy_from_slice(self.text),
            None => return Err(self.reject("is too long")),
        }
        Ok(t)
    }
}

/// At most `N` bytes of its own.
#[derive(Clone, Copy)]
pub struct Text<const N: usize> {
    len: usize,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The tokens of the configuration that are still to come.
pub struct Config<'a> {
    block: &'a [u8],
    number: i32,
}

impl<'a> Config<'a> {
    /// The next token; behind the last one the end again and again.
    pub fn next(&mut self) -> Token<'a> {
        let kind = self.block[0] as u32;
        let len = self.block[2] as usize | (self.block[3] as usize) << 8;
        let t = Token { kind, text: &self.block[4..4 + len], number: self.number };
        if kind != abi::TOKEN_END {
            self.block = &self.block[5 + len..];
            self.number += 1;
        }
        t
    }
    /// Shows the user a message about the directive as a whole.
    pub fn reject(&self, msg: &str) -> Rejected {
        unsafe { host::reject(-1, msg.as_ptr(), msg.len()) }
        Rejected(())
    }
}

/// The head, read from its first byte on. A read that lacks bytes returns `Short`,
/// which `?` passes to the host: "not yet" is never mistaken for "no". Check one value
/// before reading the next, so that "no" is said at the first impossible byte. A copy
/// of a cursor reads ahead.
#[derive(Clone)]
pub struct Cursor<'a> {
    head: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte of a head: for tests.
    pub fn new(head: &'a [u8]) -> Self {
        Cursor { head, at: 0 }
    }
    fn lack<T>(&self, n: usize) -> Result<T, Short> {
        Err(Short(self.at.saturating_add(n)))
    }
    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Short> {
        if n > self.head.len() - self.at {
            return self.lack(n);
        }
        self.at += n;
        Ok(&self.head[self.at - n..self.at])
    }
    /// Passes over `n` bytes.
    pub fn skip(&mut self, n: usize) -> Result<(), Short> {
        self.bytes(n).map(|_| ())
    }
    fn big(&mut self, n: usize) -> Result<u32, Short> {
        Ok(self.bytes(n)?.iter().fold(0, |v, b| v << 8 | *b as u32))
    }
    fn little(&mut self, n: usize) -> Result<u32, Short> {
        Ok(self.bytes(n)?.iter().rev().fold(0, |v, b| v << 8 | *b as u32))
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Short> {
        Ok(self.big(1)? as u8)
    }
    /// Two bytes, the most significant first.
    pub fn u16(&mut self) -> Result<u16, Short> {
        Ok(self.big(2)? as u16)
    }
    /// Three bytes, the most significant first.
    pub fn u24(&mut self) -> Result<u32, Short> {
        self.big(3)
    }
    /// Four bytes, the most significant first.
    pub fn u32(&mut self) -> Result<u32, Short> {
        self.big(4)
    }
    /// Two bytes, the least significant first.
    pub fn u16le(&mut self) -> Result<u16, Short> {
        Ok(self.little(2)? as u16)
    }
    /// Four bytes, the least significant first.
    pub fn u32le(&mut self) -> Result<u32, Short> {
        self.little(4)
    }
    /// A number of one to five bytes, seven bits each, the least significant first
    /// (LEB128). One that does not end or does not fit reads as `u32::MAX`.
    pub fn varint(&mut self) -> Result<u32, Short> {
        let mut v = 0;
        for shift in [0, 7, 14, 21, 28] {
            let b = self.u8()?;
            if shift == 28 && b > 0x0f {
                break;
            }
            v |= ((b & 0x7f) as u32) << shift;
            if b < 0x80 {
                return Ok(v);
            }
        }
        Ok(u32::MAX)
    }
    /// Is `s` what comes next? No at the first wrong byte.
    pub fn literal(&mut self, s: &[u8]) -> Result<bool, Short> {
        let rest = &self.head[self.at..];
        let n = rest.len().min(s.len());
        if rest[..n] != s[..n] {
            return Ok(false);
        }
        if n < s.len() {
            return self.lack(n + 1);
        }
        self.at += n;
        Ok(true)
    }
    /// The bytes up to the next one that equals `end`, at most `limit` of them. None if
    /// a longer stretch holds no such byte.
    pub fn until(&mut self, end: u8, limit: usize) -> Result<Option<&'a [u8]>, Short> {
        let rest = &self.head[self.at..];
        let reach = rest.len().min(limit.saturating_add(1));
        if let Some(i) = rest[..reach].iter().position(|b| *b == end) {
            self.at += i + 1;
            return Ok(Some(&rest[..i]));
        }
        if rest.len() > limit {
            return Ok(None);
        }
        self.lack(rest.len() + 1)
    }
}

/// What is known of the connection beside its head.
pub struct Flow<'a> {
    info: &'a [u8; abi::INFO_SIZE as usize],
}

impl<'a> Flow<'a> {
    fn u16(&self, at: u32) -> u16 {
        let at = at as usize;
        u16::from_le_bytes([self.info[at], self.info[at + 1]])
    }
    fn u32(&self, at: u32) -> u32 {
        self.u16(at) as u32 | (self.u16(at + 2) as u32) << 16
    }
    fn ip(&self, at: u32) -> [u8; 16] {
        let mut ip = [0; 16];
        ip.copy_from_slice(&self.info[at as usize..at as usize + 16]);
        ip
    }
    fn text(&self, at: u32) -> &'a [u8] {
        unsafe { core::slice::from_raw_parts(self.u32(at) as usize as *const u8, self.u32(at + 4) as usize) }
    }
    /// `abi::FLAG_…`.
    pub fn flags(&self) -> u32 {
        self.u32(abi::INFO_FLAGS)
    }
    /// `abi::TRANSPORT_…`.
    pub fn transport(&self) -> u32 {
        self.info[abi::INFO_TRANSPORT as usize] as u32
    }
    /// The head never grows beyond this many bytes.
    pub fn max_head(&self) -> u32 {
        self.u32(abi::INFO_MAX_HEAD)
    }
    /// The client's family (4, 6, or 0 for no IP address), address (IPv4 as
    /// `::ffff:a.b.c.d`) and port.
    pub fn remote(&self) -> (u8, [u8; 16], u16) {
        (self.info[abi::INFO_REMOTE_FAMILY as usize], self.ip(abi::INFO_REMOTE_IP), self.u16(abi::INFO_REMOTE_PORT))
    }
    /// The address the client connected to, as `remote`.
    pub fn local(&self) -> (u8, [u8; 16], u16) {
        (self.info[abi::INFO_LOCAL_FAMILY as usize], self.ip(abi::INFO_LOCAL_IP), self.u16(abi::INFO_LOCAL_PORT))
    }
    /// The listener as configured.
    pub fn listener(&self) -> &'a [u8] {
        self.text(abi::INFO_LISTENER)
    }
    /// The server name of TLS terminated here: lower case, without a final dot.
    pub fn server_name(&self) -> &'a [u8] {
        self.text(abi::INFO_SERVER_NAME)
    }
    /// The protocol that ALPN chose.
    pub fn alpn(&self) -> &'a [u8] {
        self.text(abi::INFO_ALPN)
    }
    /// Version and cipher suite of TLS terminated here, or 0.
    pub fn tls(&self) -> (u16, u16) {
        (self.u16(abi::INFO_TLS_VERSION), self.u16(abi::INFO_CIPHER))
    }
    /// When the connection was accepted, in nanoseconds since 1970 UTC.
    pub fn accepted(&self) -> i64 {
        (self.u32(abi::INFO_ACCEPTED) as u64 | (self.u32(abi::INFO_ACCEPTED + 4) as u64) << 32) as i64
    }
    /// Where each datagram of the head ends; empty for streams.
    pub fn bounds(&self) -> &'a [u32] {
        let (at, n) = (self.u32(abi::INFO_BOUNDS), self.u32(abi::INFO_BOUNDS + 4));
        unsafe { core::slice::from_raw_parts(at as usize as *const u32, n as usize) }
    }
    /// A fact of an earlier phase by its full name, `tls.server_name`, as far as it
    /// fits into `room`.
    pub fn get<'r>(&self, name: &str, room: &'r mut [u8]) -> Option<&'r [u8]> {
        let n = unsafe { host::get(name.as_ptr(), name.len(), room.as_mut_ptr(), room.len()) };
        if n < 0 {
            return None;
        }
        let n = room.len().min(n as usize);
        Some(&room[..n])
    }
    /// Makes a fact known, `{MATCHER.key}`, if this call of `matches` says yes.
    pub fn set(&self, key: &str, value: &[u8]) {
        unsafe { host::set(key.as_ptr(), key.len(), value.as_ptr(), value.len()) };
    }
    /// Logs a message, at most 512 bytes.
    pub fn log(&self, level: u32, msg: &str) {
        unsafe { host::log(level, msg.as_ptr(), msg.len()) }
    }
}

/// Ends the evaluation with an error: the matcher itself is broken.
pub fn fail(msg: &str) -> ! {
    unsafe { host::fail(msg.as_ptr(), msg.len()) }
}

/// Exports a matcher: `matcher!(Minecraft)` as the module's default one,
/// `matcher!(Login, "dwaar_v1_init_login", "dwaar_v1_match_login")` as one of several.
#[macro_export]
macro_rules! matcher {
    ($t:ty) => {
        $crate::matcher!($t, "dwaar_v1_init", "dwaar_v1_match");
    };
    ($t:ty, $init:literal, $match:literal) => {
        const _: () = {
            static SLOT: $crate::Slot<$t> = $crate::Slot::empty();
            #[export_name = $init]
            unsafe extern "C" fn init(config: *const u8, len: usize) -> i32 {
                SLOT.init(config, len)
            }
            #[export_name = $match]
            unsafe extern "C" fn matches(head: *const u8, len: usize, info: *const u8) -> i32 {
                SLOT.matches(head, len, info)
            }
        };
    };
}

/// Where `matcher!` keeps a configured matcher. A module has one thread.
pub struct Slot<M>(UnsafeCell<MaybeUninit<M>>);

unsafe impl<M> Sync for Slot<M> {}

impl<M: Matcher> Slot<M> {
    /// A slot that waits for `init`.
    pub const fn empty() -> Self {
        Slot(UnsafeCell::new(MaybeUninit::uninit()))
    }
    /// What the export `dwaar_v1_init` does.
    pub unsafe fn init(&self, config: *const u8, len: usize) -> i32 {
        let block = core::slice::from_raw_parts(config, len);
        match M::new(&mut Config { block, number: 0 }) {
            Ok(m) => {
                (*self.0.get()).write(m);
                0
            }
            Err(Rejected(())) => 1,
        }
    }
    /// What the export `dwaar_v1_match` does. The host has called `init` before.
    pub unsafe fn matches(&self, head: *const u8, len: usize, info: *const u8) -> i32 {
        let mut cursor = Cursor::new(core::slice::from_raw_parts(head, len));
        let flow = Flow { info: &*(info as *const [u8; abi::INFO_SIZE as usize]) };
        match (*(*self.0.get()).as_ptr()).matches(&mut cursor, &flow) {
            Ok(Verdict::Code(n)) if n > 0 => n,
            Ok(Verdict::Code(_)) => fail("a code must be at least 1"),
            Ok(Verdict::Yes) => abi::YES,
            Ok(Verdict::No) => abi::NO,
            Ok(Verdict::Unknown) => abi::UNKNOWN,
            Err(Short(n)) if n <= i32::MAX as usize => -(n as i32),
            Err(Short(_)) => abi::UNKNOWN,
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod module {
    use super::*;

    /// The greatest head. A host with greater ones cannot load the module: build it with
    /// `--cfg dwaar_big_head`. Memory does not grow when it is needed, because loads
    /// cost less fuel in a module whose memory stays at 64 KiB.
    const MAX_HEAD: usize = if cfg!(dwaar_big_head) { 64 << 10 } else { 32 << 10 };
    const ROOM: usize = abi::WINDOW_HEAD as usize + MAX_HEAD + abi::WINDOW_TAIL as usize;

    #[repr(align(16))]
    struct Window(UnsafeCell<[u8; ROOM]>);

    unsafe impl Sync for Window {}

    static WINDOW: Window = Window(UnsafeCell::new([0; ROOM]));

    /// The memory for the host.
    #[export_name = "dwaar_v1_window"]
    extern "C" fn window(size: usize) -> *mut u8 {
        if size <= ROOM {
            WINDOW.0.get() as *mut u8
        } else {
            core::ptr::null_mut()
        }
    }

    #[panic_handler]
    fn panic(p: &core::panic::PanicInfo) -> ! {
        fail(p.location().map_or("the matcher panicked", |l| l.file()))
    }
}

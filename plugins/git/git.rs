//! Matches clients of the git protocol (git://) by their request: a pkt-line that says
//! which service of which repository on which host, and the version they speak
//! (gitprotocol-pack(5), "Git Transport"; gitprotocol-common(5), "pkt-line Format").
//! README.md says what it takes.
#![no_std]
use dwaar::*;

#[path = "../internal/options.rs"]
mod options;
use options::{Known, Values};

// ---- The configuration ----

const HOST: u8 = 0;
const REPOSITORY: u8 = 1;
const SERVICE: u8 = 2;
const VERSION: u8 = 3;

const OPTIONS: [Known; 4] = [
    Known { name: "host", unfit: unfit_host },
    Known { name: "repository", unfit: unfit_repository },
    Known { name: "service", unfit: unfit_service },
    Known { name: "version", unfit: unfit_version },
];

const SERVICES: [&[u8]; 3] = [b"git-upload-pack", b"git-receive-pack", b"git-upload-archive"];

const MAX_HOST: usize = 255; // bytes: RFC 1035 §2.3.4
const MAX_PATH: usize = 1024; // bytes: what a fact may have

struct Git(Values<1024>);
matcher!(Git);

/// What is said of a value unless it fits.
fn unless(fits: bool, why: &'static str) -> Option<&'static str> {
    if fits {
        None
    } else {
        Some(why)
    }
}

fn unfit_host(v: &[u8]) -> Option<&'static str> {
    let name = v.strip_prefix(b"*.").unwrap_or(v);
    unless(!name.is_empty() && !name.contains(&b'*'), "is no host: write git.example.com, or *.example.com")
}

fn unfit_repository(v: &[u8]) -> Option<&'static str> {
    let fits = matches!(v.first(), Some(b'/' | b'~')) && plain(v);
    unless(fits, "is no repository: write /team/project.git, or /team/* for all below it")
}

fn unfit_service(v: &[u8]) -> Option<&'static str> {
    unless(SERVICES.contains(&v), "is no service: write git-upload-pack, git-receive-pack or git-upload-archive")
}

fn unfit_version(v: &[u8]) -> Option<&'static str> {
    unless(!v.is_empty() && v.iter().all(u8::is_ascii_digit), "is no version: write 1 or 2")
}

// ---- What the values mean ----

/// Is every part of a path a name? A server takes /a/../b for /b.
fn plain(path: &[u8]) -> bool {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.split(|b| *b == b'/').skip(1).all(|part| !matches!(part, b"" | b"." | b".."))
}

/// A path as the server finds it: project, project/ and project.git are one repository.
fn bare(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    path.strip_suffix(b".git").unwrap_or(path)
}

fn repository_is(value: &[u8], path: &[u8]) -> bool {
    match value.strip_suffix(b"*") {
        Some(start) => path.len() > start.len() && path.starts_with(start) && plain(path),
        None => bare(value) == bare(path) && plain(path),
    }
}

/// The star stands for one label.
fn host_is(value: &[u8], host: &[u8]) -> bool {
    let suffix = match value.strip_prefix(b"*") {
        Some(suffix) => suffix,
        None => return value.eq_ignore_ascii_case(host),
    };
    if host.len() <= suffix.len() {
        return false;
    }
    let (label, rest) = host.split_at(host.len() - suffix.len());
    rest.eq_ignore_ascii_case(suffix) && !label.contains(&b'.')
}

// ---- The request ----

/// What a client asks for. Of size 0: it did not say.
struct Request<'a> {
    service: &'static [u8],
    path: &'a [u8],
    host: &'a [u8], // without port and brackets
    version: &'a [u8],
}

const MAX_REQUEST: usize = 0xfff; // bytes, with the length: longer ones are odd
const MIN_REQUEST: usize = 4 + 15 + 1; // its length, a service and a space

/// The length of a pkt-line, which counts its own four digits.
fn length(c: &mut Cursor) -> Result<Option<usize>, Short> {
    let mut n = 0;
    for _ in 0..4 {
        match (c.u8()? as char).to_digit(16) {
            Some(digit) => n = n << 4 | digit as usize,
            None => return Ok(None),
        }
    }
    Ok(if n >= MIN_REQUEST { Some(n) } else { None })
}

/// The name of a service and the space behind it.
fn service(c: &mut Cursor) -> Result<Option<&'static [u8]>, Short> {
    let mut left = SERVICES;
    let mut i = 0;
    loop {
        let b = c.u8()?;
        if b == b' ' {
            return Ok(left.iter().find(|s| s.len() == i).copied());
        }
        // Bytes narrow the list down: at the first one that none has there is none.
        for s in left.iter_mut() {
            if s.get(i) != Some(&b) {
                *s = b"";
            }
        }
        i += 1;
        if left.iter().all(|s| s.is_empty()) {
            return Ok(None);
        }
    }
}

/// What is left of the request: how many bytes, and where.
struct Line<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    left: usize,
}

impl<'c, 'a> Line<'c, 'a> {
    /// The path: absolute, or of a user's home.
    fn path(&mut self) -> Result<Option<&'a [u8]>, Short> {
        let mut ahead = self.cursor.clone();
        if !matches!(ahead.u8()?, b'/' | b'~') {
            return Ok(None);
        }
        self.text(MAX_PATH)
    }

    /// The text up to a NUL, which is in the request too. None: a longer one.
    fn text(&mut self, most: usize) -> Result<Option<&'a [u8]>, Short> {
        if self.left == 0 {
            return Ok(None);
        }
        let text = self.cursor.until(0, most.min(self.left - 1))?;
        self.left -= text.map_or(0, |t| t.len() + 1);
        Ok(text)
    }

    /// The rest behind the path: "host=" NAME NUL, and behind one more NUL the
    /// parameters that came later, of which one is the version. Either may be missing.
    fn parameters(&mut self, r: &mut Request<'a>) -> Result<bool, Short> {
        const LABEL: &[u8] = b"host=";
        let mut first = self.cursor.u8()?;
        if first == LABEL[0] && self.left > LABEL.len() {
            if !self.cursor.literal(&LABEL[1..])? {
                return Ok(false);
            }
            self.left -= LABEL.len();
            r.host = match self.text(MAX_HOST + b"[]:65535".len())?.and_then(hostname) {
                Some(host) => host,
                None => return Ok(false),
            };
            if self.left == 0 {
                return Ok(true);
            }
            first = self.cursor.u8()?;
        }
        self.left -= 1;
        if first != 0 || self.left == 0 {
            return Ok(false);
        }
        while self.left > 0 {
            match self.text(MAX_REQUEST)? {
                Some(parameter) if !parameter.is_empty() => {
                    r.version = parameter.strip_prefix(b"version=").unwrap_or(r.version);
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// A name or address without its port and the brackets of IPv6.
fn hostname(text: &[u8]) -> Option<&[u8]> {
    let (host, port) = match text.strip_prefix(b"[") {
        Some(inner) => {
            let end = inner.iter().position(|b| *b == b']')?;
            (&inner[..end], &inner[end + 1..])
        }
        None => text.split_at(text.iter().position(|b| *b == b':').unwrap_or(text.len())),
    };
    let sound = match port.split_first() {
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit) && digits.len() <= 5,
        None => true,
    };
    let named = !host.is_empty() && host.len() <= MAX_HOST && host.iter().all(|b| b.is_ascii_graphic());
    if sound && named {
        Some(host)
    } else {
        None
    }
}

/// What the bytes are.
enum Reading<'a> {
    Is(Request<'a>),
    Odd, // of a known service, and a server reads it more leniently than this
    Not,
}

/// The request.
fn request<'a>(c: &mut Cursor<'a>) -> Result<Reading<'a>, Short> {
    let size = match length(c)? {
        Some(size) => size,
        None => return Ok(Reading::Not),
    };
    let service = match service(c)? {
        Some(service) => service,
        None => return Ok(Reading::Not),
    };
    if size > MAX_REQUEST || size <= 4 + service.len() + 1 {
        return Ok(Reading::Odd);
    }
    let mut line = Line { left: size - 4 - service.len() - 1, cursor: c };
    let path = match line.path()? {
        Some(path) => path,
        None => return Ok(Reading::Odd),
    };
    let mut r = Request { service, path, host: b"", version: b"" };
    if line.left > 0 && !line.parameters(&mut r)? {
        return Ok(Reading::Odd);
    }
    Ok(Reading::Is(r))
}

impl Matcher for Git {
    fn new(config: &mut Config) -> Result<Self, Rejected> {
        Values::read(config, &OPTIONS, "is no option: write host, repository, service or version").map(Git)
    }

    fn matches(&self, c: &mut Cursor, flow: &Flow) -> Result<Verdict, Short> {
        let r = match request(c)? {
            Reading::Is(r) => r,
            Reading::Odd => return Ok(Verdict::Unknown),
            Reading::Not => return Ok(Verdict::No),
        };
        let wanted = self.0.hold(HOST, |v| host_is(v, r.host))
            && self.0.hold(REPOSITORY, |v| repository_is(v, r.path))
            && self.0.hold(SERVICE, |v| v == r.service)
            && self.0.hold(VERSION, |v| v == r.version);
        if !wanted {
            return Ok(Verdict::No);
        }
        let mut lower = [0; MAX_HOST];
        let host = &mut lower[..r.host.len()];
        host.copy_from_slice(r.host);
        host.make_ascii_lowercase();
        flow.set("service", r.service);
        flow.set("repository", r.path);
        for (key, value) in [("host", &*host), ("version", r.version)] {
            if !value.is_empty() {
                flow.set(key, value);
            }
        }
        Ok(Verdict::Yes)
    }
}

//! Matches clients of the git protocol (git://) by their request: a pkt-line that says
//! which service of which repository on which host, and the version they speak
//! (gitprotocol-pack(5), "Git Transport"; gitprotocol-common(5), "pkt-line Format").
//! README.md says what it takes.
#![no_std]
use dwaar::*;

// ---- The configuration: git [OPTION VALUE…]…, or a block with one option a line ----

const HOST: usize = 0;
const REPOSITORY: usize = 1;
const SERVICE: usize = 2;
const VERSION: usize = 3;

const OPTIONS: [&[u8]; 4] = [b"host", b"repository", b"service", b"version"];
const SERVICES: [&[u8]; 3] = [b"git-upload-pack", b"git-receive-pack", b"git-upload-archive"];

const MAX_HOST: usize = 255; // bytes: RFC 1035 §2.3.4
const MAX_PATH: usize = 1024; // bytes: what a fact may have

struct Git {
    given: [bool; 4],     // has the option a value?
    values: [u8; 2 << 10], // each is its option, its length, and its bytes
    used: usize,
}
matcher!(Git);

/// The option that a token names.
fn option(t: &Token) -> Option<usize> {
    let word = t.word()?;
    OPTIONS.iter().position(|o| *o == word)
}

/// Why a word cannot be a value of an option.
fn unfit(option: usize, word: &[u8]) -> Option<&'static str> {
    let fits = match option {
        HOST => !word.is_empty() && !word.strip_prefix(b"*.").unwrap_or(word).contains(&b'*'),
        REPOSITORY => matches!(word.first(), Some(b'/' | b'~')) && plain(word),
        SERVICE => SERVICES.contains(&word),
        _ => !word.is_empty() && word.iter().all(u8::is_ascii_digit),
    };
    match option {
        _ if fits => None,
        HOST => Some("is no host: write git.example.com, or *.example.com"),
        REPOSITORY => Some("is no repository: write /team/project.git, or /team/* for all below it"),
        SERVICE => Some("is no service: write git-upload-pack, git-receive-pack or git-upload-archive"),
        _ => Some("is no version: write 1 or 2"),
    }
}

impl Git {
    fn add(&mut self, option: usize, t: Token) -> Result<(), Rejected> {
        if let Some(why) = unfit(option, t.text) {
            return Err(t.reject(why));
        }
        let end = self.used + 2 + t.text.len();
        if t.text.len() > 255 || end > self.values.len() {
            return Err(t.reject("is one too many: a value has at most 255 bytes, and all have 2 KiB"));
        }
        self.values[self.used] = option as u8;
        self.values[self.used + 1] = t.text.len() as u8;
        self.values[self.used + 2..end].copy_from_slice(t.text);
        self.used = end;
        self.given[option] = true;
        Ok(())
    }

    /// One option with its values, from its name; returns the token that ended them.
    fn read<'a>(&mut self, name: Token<'a>, config: &mut Config<'a>, own_line: bool) -> Result<Token<'a>, Rejected> {
        let number = match option(&name) {
            Some(number) => number,
            None => return Err(name.reject("is no option: write host, repository, service or version")),
        };
        let before = self.used;
        loop {
            let t = config.next();
            if t.kind == abi::TOKEN_WORD && (own_line || option(&t).is_none()) {
                self.add(number, t)?;
            } else if self.used == before {
                return Err(name.reject("needs a value"));
            } else {
                return Ok(t);
            }
        }
    }

    /// Does one of the option's values hold, if it has any?
    fn holds(&self, option: usize, is: impl Fn(&[u8]) -> bool) -> bool {
        let mut rest = &self.values[..self.used];
        while let [of, len, more @ ..] = rest {
            let (value, next) = more.split_at(*len as usize);
            if *of as usize == option && is(value) {
                return true;
            }
            rest = next;
        }
        !self.given[option]
    }
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

const MAX_REQUEST: usize = 0xfff; // bytes, with the length: three hexadecimal digits
const MIN_REQUEST: usize = 4 + 15 + 3; // its length, a service, " /" and NUL

/// The length of a pkt-line, which counts its own four digits.
fn length(c: &mut Cursor) -> Result<Option<usize>, Short> {
    let mut n = 0;
    for i in 0..4 {
        match (c.u8()? as char).to_digit(16) {
            Some(digit) if i > 0 || digit == 0 => n = n << 4 | digit as usize,
            _ => return Ok(None),
        }
    }
    Ok(if (MIN_REQUEST..=MAX_REQUEST).contains(&n) { Some(n) } else { None })
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

/// The request, or None if it is none.
fn request<'a>(c: &mut Cursor<'a>) -> Result<Option<Request<'a>>, Short> {
    let size = match length(c)? {
        Some(size) => size,
        None => return Ok(None),
    };
    let service = match service(c)? {
        Some(service) if size > 4 + service.len() + 1 => service,
        _ => return Ok(None),
    };
    let mut line = Line { left: size - 4 - service.len() - 1, cursor: c };
    let path = match line.path()? {
        Some(path) => path,
        None => return Ok(None),
    };
    let mut r = Request { service, path, host: b"", version: b"" };
    if line.left > 0 && !line.parameters(&mut r)? {
        return Ok(None);
    }
    Ok(Some(r))
}

impl Matcher for Git {
    fn new(config: &mut Config) -> Result<Self, Rejected> {
        let mut git = Git { given: [false; 4], values: [0; 2 << 10], used: 0 };
        let mut t = config.next();
        while t.kind == abi::TOKEN_WORD {
            t = git.read(t, config, false)?;
        }
        if t.kind == abi::TOKEN_OPEN {
            t = config.next();
            while t.kind != abi::TOKEN_CLOSE {
                let end = git.read(t, config, true)?;
                if end.kind != abi::TOKEN_LINE {
                    return Err(end.reject("begins a block where none is"));
                }
                t = config.next();
            }
        }
        Ok(git)
    }

    fn matches(&self, c: &mut Cursor, flow: &Flow) -> Result<Verdict, Short> {
        let r = match request(c)? {
            Some(r) => r,
            None => return Ok(Verdict::No),
        };
        let wanted = self.holds(HOST, |v| host_is(v, r.host))
            && self.holds(REPOSITORY, |v| repository_is(v, r.path))
            && self.holds(SERVICE, |v| v == r.service)
            && self.holds(VERSION, |v| v == r.version);
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

//! The keychain of the user's session: a Secret Service behind a socket of D-Bus, spoken to byte by byte.
//!
//! The messages are those of the D-Bus specification (message protocol, SASL profile) and of the Secret Service API 0.2.
//! No call starts a service that does not run.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::time::Duration;

use super::{Act, Outcome, Scene, why};

pub(super) const ATTACKS: &[(&str, Act)] = &[("keychain-item", item)];

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer.
const LONGEST: usize = 1 << 20;
const SERVICE: &str = "org.freedesktop.secrets";
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
/// `NO_REPLY_EXPECTED` is 1; this is `NO_AUTO_START`.
const NO_START: u8 = 2;

/// The address of the session's bus, as clients find it.
pub fn bus_address(named: Option<&str>, runtime_directory: Option<&Path>) -> Option<String> {
    let named = named.filter(|address| !address.is_empty()).map(str::to_owned);
    let usual = || runtime_directory.map(|folder| folder.join("bus")).filter(|path| path.exists());
    named.or_else(|| usual().map(|path| format!("unix:path={}", path.display())))
}

/// Whether a Secret Service runs on that bus and its default collection is open: nobody is asked to open it.
pub fn is_unlocked(address: &str) -> Result<bool, String> {
    let mut bus = Bus::connect(address)?;
    let mut body = Writer::default();
    body.text("org.freedesktop.Secret.Collection");
    body.text("Locked");
    let path = format!("{SERVICE_PATH}/aliases/default");
    let call = Call { path: &path, interface: "org.freedesktop.DBus.Properties", member: "Get", signature: "ss" };
    let answer = bus.ask(&call, &body.0)?;
    let mut reader = Reader { bytes: &answer, at: 0 };
    reader.signature().ok_or("no answer")?;
    Ok(reader.number().ok_or("no answer")? == 0)
}

/// Finds the item, and has the service hand it out in a session without encryption.
fn item(scene: &Scene) -> Outcome {
    let keychain = scene.aim.keychain.as_ref().ok_or("the host has no keychain")?;
    let mut bus = Bus::connect(&keychain.address)?;
    let mut body = Writer::default();
    body.pairs(&keychain.attributes);
    let found = bus.service("SearchItems", "a{ss}", &body.0)?;
    let mut reader = Reader { bytes: &found, at: 0 };
    let length = reader.number().ok_or("no list")?;
    let item = (length > 0).then(|| reader.text()).flatten().ok_or("no such item, or it is locked")?;
    let mut body = Writer::default();
    body.text("plain");
    body.0.extend_from_slice(b"\x01s\0");
    body.text("");
    let opened = bus.service("OpenSession", "sv", &body.0)?;
    let mut reader = Reader { bytes: &opened, at: 0 };
    reader.signature().and_then(|()| reader.text()).ok_or("no session")?;
    let session = reader.text().ok_or("no session")?;
    let mut body = Writer::default();
    body.text(&session);
    let interface = "org.freedesktop.Secret.Item";
    let answer = bus.ask(&Call { path: &item, interface, member: "GetSecret", signature: "o" }, &body.0)?;
    scene.aim.verdict(&answer)
}

/// A connection that has said who it is.
struct Bus {
    stream: UnixStream,
    serial: u32,
}

/// A method of some object.
struct Call<'a> {
    path: &'a str,
    interface: &'a str,
    member: &'a str,
    signature: &'a str,
}

impl Bus {
    fn connect(address: &str) -> Result<Self, String> {
        let stream = address.split(';').find_map(open).ok_or_else(|| format!("no socket in `{address}`"))?;
        let stream = stream.map_err(why("connect"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(why("timeout"))?;
        let mut bus = Self { stream, serial: 0 };
        // The digits of the user's number, each in hexadecimal.
        let user: String = nix::unistd::geteuid().to_string().chars().flat_map(|digit| ['3', digit]).collect();
        bus.stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes()).map_err(why("write"))?;
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(b"\r\n") && said.len() < LONGEST && bus.stream.read(&mut byte).map_err(why("read"))? == 1
        {
            said.push(byte[0]);
        }
        if !said.starts_with(b"OK ") {
            return Err(format!("the bus said {}", said.escape_ascii()));
        }
        bus.stream.write_all(b"BEGIN\r\n").map_err(why("write"))?;
        let (path, interface) = ("/org/freedesktop/DBus", "org.freedesktop.DBus");
        bus.ask_of("org.freedesktop.DBus", &Call { path, interface, member: "Hello", signature: "" }, &[])?;
        Ok(bus)
    }

    fn service(&mut self, member: &str, signature: &str, body: &[u8]) -> Result<Vec<u8>, String> {
        let interface = "org.freedesktop.Secret.Service";
        self.ask(&Call { path: SERVICE_PATH, interface, member, signature }, body)
    }

    fn ask(&mut self, call: &Call, body: &[u8]) -> Result<Vec<u8>, String> {
        self.ask_of(SERVICE, call, body)
    }

    /// The body of the answer; an error's text as the error.
    fn ask_of(&mut self, destination: &str, call: &Call, body: &[u8]) -> Result<Vec<u8>, String> {
        self.serial += 1;
        let mut message = Writer(vec![b'l', 1, NO_START, 1]);
        message.number(u32::try_from(body.len()).map_err(why("length"))?);
        message.number(self.serial);
        let mut fields = Writer::default();
        for (code, kind, text) in [
            (1, b'o', call.path),
            (2, b's', call.interface),
            (3, b's', call.member),
            (6, b's', destination),
            (8, b'g', call.signature),
        ] {
            if kind == b'g' && text.is_empty() {
                continue;
            }
            fields.pad(8);
            fields.0.extend_from_slice(&[code, 1, kind, 0]);
            if kind == b'g' {
                fields.0.push(u8::try_from(text.len()).map_err(why("length"))?);
                fields.0.extend_from_slice(text.as_bytes());
                fields.0.push(0);
            } else {
                fields.text(text);
            }
        }
        message.number(u32::try_from(fields.0.len()).map_err(why("length"))?);
        message.0.extend_from_slice(&fields.0);
        message.pad(8);
        message.0.extend_from_slice(body);
        self.stream.write_all(&message.0).map_err(why("write"))?;
        self.answer()
    }

    /// The next method return or error; signals come between.
    fn answer(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let mut start = [0; 16];
            self.stream.read_exact(&mut start).map_err(why("read"))?;
            let number = |at: usize| {
                let bytes = [start[at], start[at + 1], start[at + 2], start[at + 3]];
                usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
            };
            let (length, fields) = (number(4), number(12));
            if start[0] != b'l' || length.max(fields) > LONGEST {
                return Err("no message that can be read".into());
            }
            let mut head = vec![0; fields.next_multiple_of(8)];
            self.stream.read_exact(&mut head).map_err(why("read"))?;
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).map_err(why("read"))?;
            match start[1] {
                2 => return Ok(body),
                3 => return Err(format!("{} {}", printable(&head), printable(&body))),
                _ => {}
            }
        }
    }
}

/// The words of an error.
fn printable(bytes: &[u8]) -> String {
    let words = bytes.split(|byte| !byte.is_ascii_graphic() && *byte != b' ').filter(|word| word.len() > 3);
    words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

/// The socket of one address of the list (`unix:path=…` or `unix:abstract=…`); their `%` encoding is not for such paths.
fn open(address: &str) -> Option<io::Result<UnixStream>> {
    let mut keys = address.strip_prefix("unix:")?.split(',').filter_map(|pair| pair.split_once('='));
    keys.find_map(|(key, value)| match key {
        "path" => Some(UnixStream::connect(value)),
        "abstract" => {
            Some(SocketAddr::from_abstract_name(value).and_then(|address| UnixStream::connect_addr(&address)))
        }
        _ => None,
    })
}

/// Writes values as D-Bus marshals them, little end first.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn pad(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn number(&mut self, number: u32) {
        self.pad(4);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(u32::try_from(text.len()).unwrap_or(0));
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(0);
    }

    /// A dictionary of texts at the beginning of a body: its length does not count what stands before the first entry.
    fn pairs(&mut self, pairs: &[(String, String)]) {
        let mut entries = Self::default();
        for (key, value) in pairs {
            entries.pad(8);
            entries.text(key);
            entries.text(value);
        }
        self.number(u32::try_from(entries.0.len()).unwrap_or(0));
        self.pad(8);
        self.0.extend_from_slice(&entries.0);
    }
}

/// Reads them again.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u32> {
        let from = self.at.next_multiple_of(4);
        self.at = from + 4;
        Some(u32::from_le_bytes(self.bytes.get(from..self.at)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::try_from(self.number()?).ok()?;
        let text = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length + 1;
        String::from_utf8(text.to_vec()).ok()
    }

    fn signature(&mut self) -> Option<()> {
        let length = usize::from(*self.bytes.get(self.at)?);
        self.at += length + 2;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_clients_read_them() {
        assert_eq!(bus_address(Some("unix:path=/x"), None).as_deref(), Some("unix:path=/x"));
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(bus_address(Some(""), Some(folder.path())), None);
        std::fs::write(folder.path().join("bus"), "").unwrap();
        assert!(bus_address(None, Some(folder.path())).unwrap().ends_with("/bus"));
        assert!(open("tcp:host=a").is_none() && open("unix:guid=1").is_none());
        assert!(open("unix:guid=1,path=/none").unwrap().is_err() && open("unix:abstract=none-such").unwrap().is_err());
    }

    #[test]
    fn values_are_read_as_they_were_written() {
        let mut writer = Writer::default();
        writer.pairs(&[("a".into(), "bc".into()), ("d".into(), String::new())]);
        assert_eq!(writer.0, b"\x1d\0\0\0\0\0\0\0\x01\0\0\0a\0\0\0\x02\0\0\0bc\0\0\x01\0\0\0d\0\0\0\0\0\0\0\0");
        let mut writer = Writer(b"\x01s\0".to_vec());
        writer.text("");
        writer.text("/session/1");
        let mut reader = Reader { bytes: &writer.0, at: 0 };
        assert_eq!((reader.signature(), reader.text()), (Some(()), Some(String::new())));
        assert_eq!((reader.text().as_deref(), reader.text()), (Some("/session/1"), None));
    }
}

//! What the upstream saw, for a test to ask and to wait for.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime};

use hyper::HeaderMap;
use tokio::sync::mpsc;

use crate::support::deadline::PATIENCE;

/// Bodies are kept up to this length; longer ones are only counted.
const KEPT_BODY: usize = 4 << 20;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Which accepted connection it came over, counted from 0.
    pub(crate) connection: usize,
    /// The name in the TLS handshake; empty for plain HTTP.
    pub(crate) server_name: String,
    /// `Host`, or `:authority`.
    pub(crate) authority: String,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub(crate) version: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) body_length: u64,
    /// The body came to its proper end.
    pub(crate) body_complete: bool,
    pub(crate) trailers: Option<HeaderMap>,
    /// When the client gave the exchange up before the answer was whole.
    pub(crate) cancelled: Option<SystemTime>,
}

impl Seen {
    /// The one value of a header; panics when there are two, `None` when there is none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap_or("(not text)"));
        assert!(values.next().is_none(), "`{name}` arrived twice: {:?}", self.headers);
        first
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Debug, Default)]
struct Book {
    seen: Vec<Seen>,
    requests: usize,
    /// From now on requests are counted and not kept.
    forgetting: bool,
    connections: usize,
    open: usize,
    /// Text frames that arrived over WebSockets.
    frames: Vec<String>,
    /// Service host to the credential that it accepts.
    keys: HashMap<String, String>,
    /// What scripted models have their agent run.
    script: Option<String>,
    /// Whether services answer 426 to a request for a WebSocket.
    refuses_upgrades: bool,
    /// Streams whose events a test controls, until a request takes them.
    streams: HashMap<String, mpsc::UnboundedReceiver<Event>>,
}

/// What a test has an event stream do next.
#[derive(Debug)]
pub(crate) enum Event {
    Data(String),
    /// End without the proper end.
    Break,
}

/// Everything that one upstream saw; shared with its tasks.
#[derive(Debug, Default)]
pub(crate) struct Record {
    book: Mutex<Book>,
    changed: Condvar,
}

impl Record {
    fn change<T>(&self, edit: impl FnOnce(&mut Book) -> T) -> T {
        let result = edit(&mut self.book.lock().unwrap());
        self.changed.notify_all();
        result
    }

    fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.lock().unwrap())
    }

    /// Waits until `look` finds something; `None` when patience ends.
    pub(crate) fn wait<T>(&self, mut look: impl FnMut(&[Seen]) -> Option<T>) -> Option<T> {
        let end = Instant::now() + PATIENCE;
        let mut book = self.book.lock().unwrap();
        loop {
            if let Some(found) = look(&book.seen) {
                return Some(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return None;
            }
            book = self.changed.wait_timeout(book, left).unwrap().0;
        }
    }

    /// Notes a request; the number is its place among the kept ones.
    pub(crate) fn arrived(&self, seen: Seen) -> usize {
        self.change(|book| {
            book.requests += 1;
            if book.forgetting {
                return usize::MAX;
            }
            book.seen.push(seen);
            book.seen.len() - 1
        })
    }

    fn edit(&self, index: usize, edit: impl FnOnce(&mut Seen)) {
        self.change(|book| book.seen.get_mut(index).map(edit));
    }

    pub(crate) fn body_data(&self, index: usize, data: &[u8]) {
        self.edit(index, |seen| {
            seen.body_length += data.len() as u64;
            let room = KEPT_BODY.saturating_sub(seen.body.len());
            seen.body.extend_from_slice(&data[..data.len().min(room)]);
        });
    }

    pub(crate) fn body_end(&self, index: usize, trailers: Option<HeaderMap>) {
        self.edit(index, |seen| {
            seen.trailers = trailers;
            seen.body_complete = true;
        });
    }

    pub(crate) fn cancelled(&self, index: usize) {
        self.edit(index, |seen| seen.cancelled = Some(SystemTime::now()));
    }

    pub(crate) fn forget(&self) {
        self.change(|book| book.forgetting = true);
    }

    /// Requests ever received, kept or not.
    pub(crate) fn requests(&self) -> usize {
        self.read(|book| book.requests)
    }

    pub(crate) fn connection_opened(&self) -> usize {
        self.change(|book| {
            book.connections += 1;
            book.open += 1;
            book.connections - 1
        })
    }

    pub(crate) fn connection_closed(&self) {
        self.change(|book| book.open -= 1);
    }

    pub(crate) fn frame(&self, text: &str) {
        self.change(|book| book.frames.push(text.to_owned()));
    }

    pub(crate) fn accept(&self, host: &str, key: &str) {
        self.change(|book| book.keys.insert(host.to_owned(), key.to_owned()));
    }

    pub(crate) fn key(&self, host: &str) -> Option<String> {
        self.read(|book| book.keys.get(host).cloned())
    }

    pub(crate) fn set_script(&self, command: &str) {
        self.change(|book| book.script = Some(command.to_owned()));
    }

    pub(crate) fn script(&self) -> Option<String> {
        self.read(|book| book.script.clone())
    }

    pub(crate) fn refuse_upgrades(&self) {
        self.change(|book| book.refuses_upgrades = true);
    }

    pub(crate) fn refuses_upgrades(&self) -> bool {
        self.read(|book| book.refuses_upgrades)
    }

    pub(crate) fn open_stream(&self, name: &str) -> mpsc::UnboundedSender<Event> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.change(|book| book.streams.insert(name.to_owned(), receiver));
        sender
    }

    pub(crate) fn take_stream(&self, name: &str) -> Option<mpsc::UnboundedReceiver<Event>> {
        self.change(|book| book.streams.remove(name))
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.read(|book| book.seen.clone())
    }

    pub(crate) fn frames(&self) -> Vec<String> {
        self.read(|book| book.frames.clone())
    }

    pub(crate) fn connections(&self) -> usize {
        self.read(|book| book.connections)
    }

    /// Waits until no connection is open; whether that came to be.
    pub(crate) fn wait_idle(&self) -> bool {
        let book = self.book.lock().unwrap();
        let (book, _) = self.changed.wait_timeout_while(book, PATIENCE, |book| book.open > 0).unwrap();
        book.open == 0
    }
}

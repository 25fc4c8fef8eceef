//! `call`: one request with secrets in it, and its answer.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, Version};

use super::{CommandError, own};
use crate::cli::{CallOptions, PlaceOptions};
use crate::exit::Exit;
use crate::proxy::ConnectTo;
use crate::report::Terminal;
use crate::run::{self, CallBody, CallError, CallOrder, CallUrl, How, Placement, Take};
use crate::secret::SecretName;
use crate::world::World;

/// The most bytes of a body into which fields are put.
const LARGEST_EDITED: u64 = 64 << 20;
/// Headers that frame or route the message, which are made by us.
const OURS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Makes the call.
pub(super) fn call(world: &World, options: &CallOptions, terminal: Terminal) -> Result<Exit, CommandError> {
    let order = order(options)?;
    let mut shown = Shown { include: options.include, path: options.output.clone(), file: None };
    match run::call(world, &order, &mut shown, terminal) {
        // Who reads the answer has read enough of it.
        Err(CallError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Success),
        done => Ok(done?),
    }
}

fn words(text: impl Into<String>) -> CommandError {
    CommandError::Words(text.into())
}

fn order(options: &CallOptions) -> Result<CallOrder, CommandError> {
    let url = CallUrl::parse(&options.url).map_err(|error| words(format!("--url: {error}")))?;
    let placements = placements(&options.place)?;
    let edits = placements.iter().any(|placement| matches!(placement.how, How::Json(_) | How::Form(_)));
    let (body, kind) = body(options, edits)?;
    if matches!(body, CallBody::Input) && options.retry > 0 {
        return Err(words("--retry: standard input can be sent only once; name a file instead"));
    }
    let has_body = !matches!(body, CallBody::Empty) || edits;
    let method = match options.method.as_deref() {
        None if has_body => Method::POST,
        None => Method::GET,
        Some(text) => Method::from_bytes(text.as_bytes())
            .ok()
            .filter(|method| *method != Method::CONNECT)
            .ok_or_else(|| words("--method: write a method such as GET, POST or DELETE"))?,
    };
    let mut headers: Vec<_> = options.header.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    if options.json.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
        headers.push(("Accept".into(), "application/json".into()));
    }
    if !placements.is_empty() && headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("range")) {
        let why = "a part of an answer could hold half of a value, where nothing finds it";
        return Err(words(format!("--header: `Range` cannot be sent beside a secret: {why}; ask for the whole")));
    }
    let connect_to = options.connect_to.iter().map(|text| text.parse::<ConnectTo>()).collect::<Result<_, _>>();
    Ok(CallOrder {
        url,
        method,
        headers,
        body,
        content_type: kind,
        placements,
        workspace: own::workspace_flag(options.workspace.as_ref())?,
        trust: own::fingerprints(&options.trust)?,
        connect_to: connect_to.map_err(|source| CommandError::Flag { flag: "--connect-to", source })?,
        upstream_ca: options.upstream_ca.clone(),
        timeout: options.timeout.map(Duration::from_secs_f64),
        retry: options.retry,
        follow: options.location,
        fail: options.fail,
    })
}

/// The body, and what it is where no header says it.
fn body(options: &CallOptions, edits: bool) -> Result<(CallBody, Option<&'static str>), CommandError> {
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
    const JSON: Option<&str> = Some("application/json");
    let is_json = options.json.is_some() || !options.place.json_field.is_empty();
    if is_json && !options.place.form_field.is_empty() {
        return Err(words("--form-field: the body is JSON"));
    }
    let kind = if is_json { JSON } else { FORM };
    let text = match (&options.json, options.data.as_slice()) {
        (Some(json), _) => Some(json.clone()),
        (None, []) => None,
        (None, data) => Some(data.join("&")),
    };
    let Some(path) = &options.data_file else {
        return Ok((text.map_or(CallBody::Empty, |text| CallBody::Whole(text.into_bytes())), kind));
    };
    let is_input = path == Path::new("-");
    if edits {
        let whole = if is_input { read(io::stdin().lock()) } else { File::open(path).and_then(read) };
        let whole = whole.map_err(|source| CallError::Read { path: path.clone(), source })?;
        return Ok((CallBody::Whole(whole), kind));
    }
    let kind = match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => JSON,
        _ => Some("application/octet-stream"),
    };
    Ok((if is_input { CallBody::Input } else { CallBody::File(path.clone()) }, kind))
}

fn read(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LARGEST_EDITED + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_EDITED {
        return Err(io::Error::other("a body into which fields are put has at most 64 MiB"));
    }
    Ok(bytes)
}

/// `Name: value`, or `Name;` for one without a value.
fn header(text: &str) -> Result<(String, String), CommandError> {
    let (name, value) = match (text.split_once(':'), text.strip_suffix(';')) {
        (Some((name, value)), _) => (name, value.trim()),
        (None, Some(name)) => (name, ""),
        (None, None) => return Err(words("--header: write \"Name: value\"")),
    };
    Ok((header_name("--header", name)?, value.to_owned()))
}

fn header_name(flag: &str, name: &str) -> Result<String, CommandError> {
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(words(format!("{flag}: the name of a header has letters, digits and `-`, and no space")));
    }
    if OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
        return Err(words(format!("{flag}: `{name}` frames or routes the message and is written by agentsecrets")));
    }
    Ok(name.to_owned())
}

/// Every place with its secret, in the order of the flags' kinds.
fn placements(options: &PlaceOptions) -> Result<Vec<Placement>, CommandError> {
    let mut placements = Vec::new();
    let mut add = |flag: &str, key: &str, how: How| {
        // What is no name may be a value: it is not repeated.
        let secret = SecretName::new(key).map_err(|_| {
            words(format!(
                "{flag}: KEY is the name of a secret: letters, digits, `_`, `-` and `.`, first a letter or `_`"
            ))
        })?;
        placements.push(Placement { secret, how });
        Ok::<_, CommandError>(())
    };
    if let Some(key) = &options.bearer {
        add("--bearer", key, How::Bearer)?;
    }
    if let Some(text) = &options.basic {
        let (user, key) = text.rsplit_once(':').map_or((None, text.as_str()), |(user, key)| (Some(user), key));
        if user.is_some_and(|user| user.contains(':') || user.chars().any(char::is_control)) {
            return Err(words("--basic: a user has neither colon nor control character"));
        }
        add("--basic", key, How::Basic { user: user.map(str::to_owned) })?;
    }
    for text in &options.inject_header {
        let (name, key) = pair("--inject-header", text)?;
        add("--inject-header", key, How::Header(header_name("--inject-header", name)?))?;
    }
    for text in &options.query {
        let (name, key) = pair("--query", text)?;
        add("--query", key, How::Query(name.to_owned()))?;
    }
    for text in &options.cookie {
        let (name, key) = pair("--cookie", text)?;
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(words("--cookie: the name of a cookie has letters, digits, `-` and `_`"));
        }
        add("--cookie", key, How::Cookie(name.to_owned()))?;
    }
    for text in &options.json_field {
        let (pointer, key) = pair("--json-field", text)?;
        let pointer = pointer.parse().map_err(|error| words(format!("--json-field: {error}")))?;
        add("--json-field", key, How::Json(pointer))?;
    }
    for text in &options.form_field {
        let (name, key) = pair("--form-field", text)?;
        add("--form-field", key, How::Form(name.to_owned()))?;
    }
    let twice = |(index, placement): (usize, &Placement)| {
        placements[..index].iter().any(|known| is_same(&known.how, &placement.how))
    };
    if placements.iter().enumerate().any(twice) {
        return Err(words("two secrets are to go to the same place"));
    }
    Ok(placements)
}

fn is_same(one: &How, other: &How) -> bool {
    let header = |how: &How| match how {
        How::Bearer | How::Basic { .. } => Some("authorization".to_owned()),
        How::Header(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    one == other || (header(one).is_some() && header(one) == header(other))
}

/// `NAME=KEY`; a name may hold `=` itself.
fn pair<'a>(flag: &str, text: &'a str) -> Result<(&'a str, &'a str), CommandError> {
    let pair = text.rsplit_once('=').filter(|(name, _)| !name.is_empty());
    pair.ok_or_else(|| words(format!("{flag}: write NAME=KEY, KEY being the name of a secret")))
}

/// Where the answer goes.
struct Shown {
    include: bool,
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Shown {
    fn write(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        if let (Some(file), Some(path)) = (&mut self.file, &self.path) {
            return file.write_all(bytes).map_err(|source| CallError::Write { path: path.clone(), source });
        }
        let mut output = io::stdout().lock();
        // An event is to be seen when it comes.
        output.write_all(bytes).and_then(|()| output.flush()).map_err(CallError::Output)
    }
}

impl Take for Shown {
    fn head(&mut self, version: Version, status: StatusCode, headers: &HeaderMap) -> Result<(), CallError> {
        if let Some(path) = &self.path {
            // A refused call leaves the file as it was.
            let opened = OpenOptions::new().write(true).create(true).truncate(true).open(path);
            self.file = Some(opened.map_err(|source| CallError::Write { path: path.clone(), source })?);
        }
        if !self.include {
            return Ok(());
        }
        let mut head = format!("{version:?} {}\r\n", status.as_u16()).into_bytes();
        for (name, value) in headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        self.write(&head)
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        self.write(bytes)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: CallOptions,
    }

    fn parsed(words: &[&str]) -> Result<CallOrder, String> {
        let line = Line::try_parse_from(["call", "--url", "https://a.example/"].iter().chain(words));
        order(&line.map_err(|error| error.to_string())?.options).map_err(|error| error.to_string())
    }

    #[test]
    fn the_method_follows_the_body() {
        for (words, wanted) in [
            (&[][..], "GET"),
            (&["-d", "a"], "POST"),
            (&["--json", "{}"], "POST"),
            (&["--json-field", "/a=K"], "POST"),
            (&["--form-field", "a=K"], "POST"),
            (&["--query", "a=K"], "GET"),
            (&["-X", "PATCH", "-d", "a"], "PATCH"),
            (&["-X", "get"], "get"),
        ] {
            assert_eq!(parsed(words).unwrap().method.as_str(), wanted, "{words:?}");
        }
    }

    #[test]
    fn places_are_read() {
        let place = |words: &[&str]| parsed(words).unwrap().placements[0].how.clone();
        assert_eq!(place(&["--basic", "K"]), How::Basic { user: None });
        assert_eq!(place(&["--basic", "u:K"]), How::Basic { user: Some("u".into()) });
        assert_eq!(place(&["--inject-header", "X-API-Key=K"]), How::Header("X-API-Key".into()));
        assert_eq!(place(&["--query", "a=b=K"]), How::Query("a=b".into()));
        assert_eq!(place(&["--json-field", "/a/0=K"]), How::Json("/a/0".parse().unwrap()));
    }

    #[test]
    fn wrong_words_are_told_and_no_value_is_repeated() {
        for (words, wanted) in [
            (&["--bearer", "sk live"][..], "--bearer"),
            (&["--inject-header", "X-Key"], "NAME=KEY"),
            (&["--inject-header", "=K"], "NAME=KEY"),
            (&["--inject-header", "Host=K"], "frames or routes"),
            (&["--inject-header", "a b=K"], "name of a header"),
            (&["--header", "Host: x"], "frames or routes"),
            (&["--header", "nothing"], "Name: value"),
            (&["--cookie", "a b=K"], "name of a cookie"),
            (&["--json-field", "a=K"], "JSON pointer"),
            (&["--json", "{}", "--form-field", "a=K"], "the body is JSON"),
            (&["--bearer", "K", "--inject-header", "authorization=L"], "same place"),
            (&["--query", "a=K", "--query", "a=K"], "same place"),
            (&["-X", "CONNECT"], "--method"),
            (&["-X", "a b"], "--method"),
            (&["--retry", "1", "--data-file", "-"], "only once"),
            (&["--timeout", "0"], "above 0"),
            (&["--basic", "a:b:K"], "neither colon"),
        ] {
            let error = parsed(words).err().unwrap_or_default();
            assert!(error.contains(wanted), "{words:?}: {error}");
        }
    }
}

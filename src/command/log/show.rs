//! `log show`: what one run asked for, with which secrets, and how it ended.
//!
//! **Trade-off.** The log is read twice: how requests ended is kept in a few bytes each, so that they can be shown in
//! the order in which they were made.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use jiff::tz::TimeZone;

use super::filter::Filter;
use super::list::state;
use super::{LogError, local_time, path_of, restore};
use crate::audit::{AuditError, Event, Kind, Reader, Record, Redactions, RunId, Verdict, overview};
use crate::exit::Exit;
use crate::report::plain;

/// How a request ended.
pub(super) struct End {
    status: Option<u16>,
    duration: Option<u64>,
    /// How often each secret was redacted, and in which forms.
    redactions: Option<Box<str>>,
    unsearched: Option<Box<str>>,
    error: Option<Box<str>>,
}

/// Shows the requests of `chosen` that `filter` takes; runs without one are passed over, unless one was named. Lines that
/// are no records are left out and make it a finding.
pub(super) fn show(
    runs: &Path,
    chosen: &[RunId],
    filter: &Filter,
    json: bool,
    zone: &TimeZone,
    output: &mut dyn Write,
) -> Result<Exit, LogError> {
    let (mut exit, mut shown) = (Exit::Success, 0);
    for run in chosen {
        let path = path_of(runs, run);
        let odd =
            if json { copy(&path, filter, output)? } else { table(&path, run, filter, zone, &mut shown, output)? };
        if odd > 0 {
            exit = Exit::Finding;
        }
        if odd > 0 && !json {
            writeln!(output, "\n{odd} lines are no records: see `agentsecrets log verify {run}`")
                .map_err(LogError::Output)?;
        }
        if filter.run.is_some() || filter.is_open() {
            restore::show(runs, run, filter.run.is_some(), json, output)?;
        }
    }
    if shown == 0 && !json {
        writeln!(output, "No run has such a request.").map_err(LogError::Output)?;
    }
    Ok(exit)
}

/// Calls `each` with every record that holds an event; gives the number of lines that are none. The last line may be in
/// the middle of being written.
pub(super) fn walk(
    path: &Path,
    mut each: impl FnMut(&Record, &Event) -> Result<(), LogError>,
) -> Result<u64, LogError> {
    let mut odd = 0;
    for record in Reader::open(path)? {
        let record = record.map_err(|source| AuditError::Read { path: path.to_owned(), source })?;
        match &record.event {
            Some(event) if record.is_whole => each(&record, event)?,
            _ => odd += u64::from(record.is_whole),
        }
    }
    Ok(odd)
}

fn copy(path: &Path, filter: &Filter, output: &mut dyn Write) -> Result<u64, LogError> {
    let mut write = |record: &Record| {
        output.write_all(&record.text).and_then(|()| output.write_all(b"\n")).map_err(LogError::Output)
    };
    if filter.is_open() {
        return walk(path, |record, _| write(record));
    }
    let (ends, mut taken) = (ends(path)?, HashSet::new());
    walk(path, |record, event| match event.kind {
        Kind::Decision if filter.takes(event, ends.get(&event.seq).and_then(|end| end.status)) => {
            taken.insert(event.seq);
            write(record)
        }
        Kind::End if event.request.is_some_and(|request| taken.remove(&request)) => write(record),
        _ => Ok(()),
    })
}

/// How each request ended.
fn ends(path: &Path) -> Result<HashMap<u64, End>, LogError> {
    let mut ends = HashMap::new();
    walk(path, |_, event| {
        if let (Kind::End, Some(request)) = (event.kind, event.request) {
            ends.insert(request, End::of(event));
        }
        Ok(())
    })?;
    Ok(ends)
}

impl End {
    pub(super) fn of(event: &Event) -> Self {
        let redactions = (!event.redactions.is_empty()).then(|| redacted(&event.redactions).into());
        let error = event.error.clone().map(String::into_boxed_str);
        let unsearched = event.unsearched.clone().map(String::into_boxed_str);
        Self { status: event.status, duration: event.duration_us, redactions, unsearched, error }
    }
}

fn table(
    path: &Path,
    run: &RunId,
    filter: &Filter,
    zone: &TimeZone,
    shown: &mut u64,
    output: &mut dyn Write,
) -> Result<u64, LogError> {
    let ends = ends(path)?;
    // A run that was named is shown, whatever it has.
    let mut head = Some(head(path, run, zone)?);
    let mut write = |line: Option<String>| {
        if let Some(head) = head.take() {
            let apart = if *shown > 0 { "\n" } else { "" };
            write!(output, "{apart}{head}").map_err(LogError::Output)?;
            *shown += 1;
        }
        line.map_or(Ok(()), |line| writeln!(output, "{line}").map_err(LogError::Output))
    };
    if filter.run.is_some() || filter.is_open() {
        write(None)?;
    }
    walk(path, |_, event| {
        let end = ends.get(&event.seq);
        match event.kind {
            Kind::Decision if filter.takes(event, end.and_then(|end| end.status)) => {
                write(Some(line(event, end, zone)))
            }
            Kind::Fetch if filter.is_open() => write(Some(fetch_line(event, zone))),
            Kind::Mask if filter.is_open() => write(Some(mask_line(event, zone))),
            _ => Ok(()),
        }
    })
}

fn head(path: &Path, run: &RunId, zone: &TimeZone) -> Result<String, LogError> {
    let seen = overview(path)?;
    let mut head = format!("run      {run}, {}", state(seen.state));
    if let Some(exit) = seen.close.as_ref().and_then(|close| close.exit) {
        let _ = write!(head, " with exit code {exit}");
    }
    head.push('\n');
    if let Some(start) = &seen.start {
        let _ = writeln!(head, "started  {}", local_time(&start.time, zone, "%Y-%m-%d %H:%M:%S %Z"));
        for (label, value) in [("command", &start.command), ("project", &start.project), ("level  ", &start.level)] {
            if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
                let _ = writeln!(head, "{label}  {}", plain(value));
            }
        }
    }
    let _ = writeln!(head, "requests {}, {} refused\n", seen.requests, seen.refused);
    let _ = writeln!(head, "{:<12}  {:<8}  {:>6}  {:>9}  REQUEST", "TIME", "DECISION", "STATUS", "DURATION");
    Ok(head)
}

/// One request, in one line.
pub(super) fn line(event: &Event, end: Option<&End>, zone: &TimeZone) -> String {
    let status = end.and_then(|end| end.status).map_or_else(|| "-".to_owned(), |status| status.to_string());
    let duration = end.and_then(|end| end.duration).map_or_else(|| "-".to_owned(), duration);
    let mut line = format!(
        "{:<12}  {:<8}  {status:>6}  {duration:>9}  {}",
        local_time(&event.time, zone, "%H:%M:%S%.3f"),
        decision(event.decision),
        plain(&request(event))
    );
    let mut notes: Vec<String> = event
        .secrets
        .iter()
        .enumerate()
        .map(|(index, secret)| match event.placements.get(index) {
            Some(placement) => format!("{secret} in {placement}"),
            None => secret.clone(),
        })
        .collect();
    notes.extend(event.rule.as_ref().map(|rule| format!("by {rule}")));
    match end {
        Some(end) => {
            notes.extend(end.redactions.as_deref().map(str::to_owned));
            notes.extend(end.unsearched.as_ref().map(|why| format!("not searched: {why}")));
            notes.extend(end.error.as_deref().map(str::to_owned));
        }
        None => notes.push("no end".to_owned()),
    }
    if !notes.is_empty() {
        let _ = write!(line, "  ({})", plain(&notes.join(", ")));
    }
    line
}

/// `3 redacted: KEY (raw 2, base64 1)`.
fn redacted(redactions: &BTreeMap<String, Redactions>) -> String {
    let sum = redactions.values().map(Redactions::sum).fold(0, u64::saturating_add);
    let each = redactions.iter().map(|(name, redactions)| match redactions {
        Redactions::Whole(_) => name.clone(),
        Redactions::ByForm(forms) => {
            let forms: Vec<String> = forms.iter().map(|(form, count)| format!("{form} {count}")).collect();
            format!("{name} ({})", forms.join(", "))
        }
    });
    format!("{sum} redacted: {}", each.collect::<Vec<_>>().join(", "))
}

fn fetch_line(event: &Event, zone: &TimeZone) -> String {
    let time = local_time(&event.time, zone, "%H:%M:%S%.3f");
    let (secret, source) = (event.secrets.join(", "), event.source.as_deref().unwrap_or("?"));
    let result = event.error.as_ref().map(|error| format!("  ({error})")).unwrap_or_default();
    format!(
        "{time:<12}  {:<8}  {:>6}  {:>9}  {}",
        "fetched",
        "-",
        "-",
        plain(&format!("{secret} from {source}{result}"))
    )
}

fn mask_line(event: &Event, zone: &TimeZone) -> String {
    let time = local_time(&event.time, zone, "%H:%M:%S%.3f");
    let (file, reason) = (event.file.as_deref().unwrap_or("?"), event.reason.as_deref().unwrap_or("?"));
    format!("{time:<12}  {:<8}  {:>6}  {:>9}  {}", "masked", "-", "-", plain(&format!("{file}, which {reason}")))
}

/// `POST https://api.example/v1/messages`; the port where it is not the scheme's own.
fn request(event: &Event) -> String {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (method, scheme) = (text(&event.method), text(&event.scheme));
    let port = match (scheme.as_str(), event.port) {
        ("https" | "wss", Some(443)) | ("http" | "ws", Some(80)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    let target = format!("{scheme}://{}{port}{}", text(&event.host), text(&event.path));
    if method.is_empty() { target } else { format!("{method} {target}") }
}

fn decision(decision: Option<Verdict>) -> &'static str {
    match decision {
        Some(Verdict::Allowed) => "allowed",
        Some(Verdict::Injected) => "injected",
        Some(Verdict::Inert) => "inert",
        Some(Verdict::Refused) => "refused",
        None => "?",
    }
}

/// Microseconds, in a unit that suits.
pub(super) fn duration(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} us"),
        1_000..10_000_000 => format!("{} ms", microseconds / 1_000),
        _ => format!("{} s", microseconds / 1_000_000),
    }
}

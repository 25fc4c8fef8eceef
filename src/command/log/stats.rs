//! `log stats`: how often each secret was used and each host was asked, and how that ended.
//!
//! **Invariants.** Memory does not grow with the number of records: names beyond a limit are summed as others.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::filter::{Filter, Pairs};
use super::show::{duration, walk};
use super::{LogError, json_line, path_of};
use crate::audit::{Event, Redactions, RunId, Verdict};
use crate::exit::Exit;
use crate::report::plain;

/// Names told apart, of secrets and of hosts.
const NAMES: usize = 4096;
const OTHERS: &str = "(others)";

/// The sums of one name.
#[derive(Debug, Default, Clone)]
struct Sums {
    requests: u64,
    refused: u64,
    /// Answered with 400 or above by the server.
    failed: u64,
    /// Without an answer.
    unanswered: u64,
    timed: u64,
    time: u64,
    longest: u64,
    sent: u64,
    received: u64,
    redactions: u64,
    last: String,
}

impl Sums {
    fn add(&mut self, decision: &Event, end: Option<&Event>) {
        self.requests += 1;
        let status = end.and_then(|end| end.status);
        if decision.decision == Some(Verdict::Refused) {
            self.refused += 1;
        } else if let Some(status) = status {
            self.failed += u64::from(status >= 400);
            let time = end.and_then(|end| end.duration_us).unwrap_or_default();
            self.timed += 1;
            self.time = self.time.saturating_add(time);
            self.longest = self.longest.max(time);
        } else {
            self.unanswered += 1;
        }
        if let Some(end) = end {
            self.sent = self.sent.saturating_add(end.request_bytes.unwrap_or_default());
            self.received = self.received.saturating_add(end.response_bytes.unwrap_or_default());
            let redactions = end.redactions.values().map(Redactions::sum);
            self.redactions = redactions.fold(self.redactions, u64::saturating_add);
        }
        if decision.time > self.last {
            self.last.clone_from(&decision.time);
        }
    }
}

#[derive(Default)]
struct Table(BTreeMap<String, Sums>);

impl Table {
    fn add(&mut self, name: &str, decision: &Event, end: Option<&Event>) {
        if let Some(sums) = self.0.get_mut(name) {
            return sums.add(decision, end);
        }
        let name = if self.0.len() < NAMES { name } else { OTHERS };
        self.0.entry(name.to_owned()).or_default().add(decision, end);
    }
}

/// Sums up the requests of `chosen` that `filter` takes.
pub(super) fn stats(
    runs: &Path,
    chosen: &[RunId],
    filter: &Filter,
    json: bool,
    output: &mut dyn Write,
) -> Result<Exit, LogError> {
    let (mut secrets, mut hosts, mut all) = (Table::default(), Table::default(), Sums::default());
    let mut exit = Exit::Success;
    let mut add = |decision: &Event, end: Option<&Event>| {
        if !filter.takes(decision, end.and_then(|end| end.status)) {
            return;
        }
        all.add(decision, end);
        hosts.add(decision.host.as_deref().unwrap_or("?"), decision, end);
        for (index, secret) in decision.secrets.iter().enumerate() {
            // One that is used in two places of a request is used once.
            if !decision.secrets[..index].contains(secret) {
                secrets.add(secret, decision, end);
            }
        }
    };
    for run in chosen {
        let mut pairs = Pairs::default();
        let read = walk(&path_of(runs, run), |_, event| {
            if let Some((decision, _)) = pairs.pair(event) {
                add(&decision, Some(event));
            }
            Ok(())
        });
        // One log that cannot be read, or holds what is no record, hides no other.
        if !matches!(read, Ok(0)) {
            exit = Exit::Finding;
        }
        pairs.open().for_each(|decision| add(decision, None));
    }
    let tables = [("SECRET", &secrets), ("HOST", &hosts)];
    if json {
        for (kind, table) in tables {
            for (name, sums) in &table.0 {
                json_line(output, &object(&kind.to_lowercase(), name, sums))?;
            }
        }
        json_line(output, &object("all", "", &all))?;
    } else {
        write(output, &tables, &all)?;
    }
    Ok(exit)
}

fn object(kind: &str, name: &str, sums: &Sums) -> serde_json::Value {
    json!({
        "kind": kind,
        "name": name,
        "requests": sums.requests,
        "refused": sums.refused,
        "failed": sums.failed,
        "unanswered": sums.unanswered,
        "mean_us": sums.time.checked_div(sums.timed),
        "longest_us": (sums.timed > 0).then_some(sums.longest),
        "request_bytes": sums.sent,
        "response_bytes": sums.received,
        "redactions": sums.redactions,
        "last": (!sums.last.is_empty()).then_some(&sums.last),
    })
}

fn write(output: &mut dyn Write, tables: &[(&str, &Table); 2], all: &Sums) -> Result<(), LogError> {
    let mut lines = Vec::new();
    for (kind, table) in tables {
        let mut rows: Vec<_> = table.0.iter().collect();
        rows.sort_by(|one, other| other.1.requests.cmp(&one.1.requests).then(one.0.cmp(other.0)));
        if !rows.is_empty() {
            lines.push(line([kind, "REQUESTS", "REFUSED", "FAILED", "UNANSWERED", "MEAN", "LONGEST"]));
        }
        lines.extend(rows.into_iter().map(|(name, sums)| row(name, sums)));
        lines.extend((!table.0.is_empty()).then(String::new));
    }
    lines.push(row("all", all));
    lines.iter().try_for_each(|line| writeln!(output, "{line}")).map_err(LogError::Output)
}

fn row(name: &str, sums: &Sums) -> String {
    let mean = sums.time.checked_div(sums.timed).map_or_else(|| "-".into(), duration);
    let longest = if sums.timed > 0 { duration(sums.longest) } else { "-".into() };
    let [requests, refused, failed, unanswered] =
        [sums.requests, sums.refused, sums.failed, sums.unanswered].map(|number| number.to_string());
    line([&plain(name), &requests, &refused, &failed, &unanswered, &mean, &longest])
}

fn line([name, requests, refused, failed, unanswered, mean, longest]: [&str; 7]) -> String {
    format!("{name:<36}  {requests:>8}  {refused:>7}  {failed:>6}  {unanswered:>10}  {mean:>8}  {longest:>8}")
}

//! What a run did, summed up from its log: hosts, secrets and refusals with their counts.

use std::collections::BTreeMap;
use std::path::Path;

use super::read::Reader;
use super::{AuditError, Event, Kind, Verdict};

/// Entries of each kind that are kept apart; a child that names hosts at random fills no memory.
const MOST: usize = 1000;

/// The sums of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many decisions there were.
    pub requests: u64,
    /// How many of them refused.
    pub refused: u64,
    /// `host:port` of what was let through, with the number of requests.
    pub hosts: BTreeMap<String, u64>,
    /// Secrets that were injected, by name, with the number of requests.
    pub secrets: BTreeMap<String, u64>,
    /// Refusals: host, port and the code that says why, with their number.
    pub refusals: BTreeMap<(String, u16, String), u64>,
}

/// Sums up the log at `path`.
pub fn digest(path: &Path) -> Result<Digest, AuditError> {
    let mut digest = Digest::default();
    for record in Reader::open(path)? {
        let record = record.map_err(|source| AuditError::Read { path: path.to_owned(), source })?;
        if let Some(event) = record.event.filter(|event| event.kind == Kind::Decision) {
            digest.add(event);
        }
    }
    Ok(digest)
}

impl Digest {
    fn add(&mut self, event: Event) {
        self.requests += 1;
        let (host, port) = (event.host.unwrap_or_default(), event.port.unwrap_or_default());
        if event.decision == Some(Verdict::Refused) {
            self.refused += 1;
            count(&mut self.refusals, (host, port, event.rule.unwrap_or_default()));
            return;
        }
        count(&mut self.hosts, format!("{host}:{port}"));
        if event.decision == Some(Verdict::Injected) {
            for name in event.secrets {
                count(&mut self.secrets, name);
            }
        }
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    if counts.len() < MOST || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{Decision, RunId, Sink, Start};
    use super::*;

    #[test]
    fn counts_what_was_let_through_and_what_was_refused() {
        let place = tempfile::tempdir().unwrap();
        let run = RunId::mint(Timestamp::now()).unwrap();
        let sink = Sink::create(place.path(), &run, Start::default()).unwrap();
        let decide = |host: &str, verdict, rule: Option<&str>, secrets: &[&str]| {
            let secrets: Vec<String> = secrets.iter().map(ToString::to_string).collect();
            let (host, rule) = (host.to_owned(), rule.map(str::to_owned));
            drop(sink.decision(Decision { host, port: 443, verdict, rule, secrets, ..Decision::default() }).unwrap());
        };
        decide("a.example", Verdict::Injected, None, &["KEY"]);
        decide("a.example", Verdict::Inert, None, &["KEY"]);
        decide("b.example", Verdict::Refused, Some("host_not_allowed"), &[]);
        decide("b.example", Verdict::Refused, Some("host_not_allowed"), &[]);
        let digest = digest(sink.path()).unwrap();
        assert_eq!((digest.requests, digest.refused), (4, 2));
        assert_eq!(digest.hosts, BTreeMap::from([("a.example:443".into(), 2)]));
        assert_eq!(digest.secrets, BTreeMap::from([("KEY".into(), 1)]));
        assert_eq!(digest.refusals, BTreeMap::from([(("b.example".into(), 443, "host_not_allowed".into()), 2)]));
    }
}

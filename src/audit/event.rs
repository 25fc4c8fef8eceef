//! What can happen in a run, as the log says it.
//!
//! **Invariants.** No field holds a value, and every text that the child or an upstream chose is cut to a length, so
//! that a line of the log is bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a run began: the first record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The command's name as typed, without its arguments, which may hold anything.
    pub command: String,
    /// The project directory.
    pub project: String,
    /// The isolation level that the run got.
    pub level: String,
}

/// What the broker decided on a request, a tunnel or a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Names of the secrets that the decision is about.
    pub secrets: Vec<String>,
    /// Where each went: `header authorization`, `basic password`; one for each of `secrets`.
    pub placements: Vec<String>,
    /// The method; `CONNECT` for an opaque tunnel.
    pub method: String,
    /// `http`, `https`, `ws`, `wss`, `tunnel`, `dns`.
    pub scheme: String,
    /// The host that was judged.
    pub host: String,
    /// The port that was judged.
    pub port: u16,
    /// From [`super::recorded_path`]; empty for tunnels and names.
    pub path: String,
    /// What was decided.
    pub verdict: Verdict,
    /// The line of policy that decided, with its origin.
    pub rule: Option<String>,
    /// Which process asked, where that is known.
    pub process: Option<Process>,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Sent on as it was.
    #[default]
    Allowed,
    /// Sent on with at least one secret put in.
    Injected,
    /// Sent on with a placeholder that has no meaning at this target or in this slot.
    Inert,
    /// Not sent.
    Refused,
}

/// A process of the child's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its id as the parent sees it.
    pub id: u32,
    /// The kernel's short name for it.
    pub name: String,
}

/// How a request ended. The duration is measured by the ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The status that the child saw.
    pub status: Option<u16>,
    /// From the decision to the first byte of the response head.
    pub first_byte: Option<Duration>,
    /// Body bytes sent upstream.
    pub request_bytes: u64,
    /// Body bytes sent to the child.
    pub response_bytes: u64,
    /// How often each secret was redacted, by its name and by the form that it had: `raw`, `base64`.
    pub redactions: BTreeMap<String, BTreeMap<String, u64>>,
    /// Why the body was not searched for values, where it was not.
    pub unsearched: Option<String>,
    /// What went wrong, without values: `upstream reset`, `cancelled`.
    pub error: Option<String>,
}

/// How often one secret was redacted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Redactions {
    /// By the form that it had.
    ByForm(BTreeMap<String, u64>),
    /// As records of earlier versions have it.
    Whole(u64),
}

impl Redactions {
    /// In all of its forms.
    pub fn sum(&self) -> u64 {
        match self {
            Self::ByForm(forms) => forms.values().fold(0, |sum, count| sum.saturating_add(*count)),
            Self::Whole(count) => *count,
        }
    }
}

/// A secret was fetched from its source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    /// The secret's name.
    pub secret: String,
    /// The kind of source: `keychain`, `command`.
    pub source: String,
    /// What went wrong, without values.
    pub error: Option<String>,
}

/// A file was masked while the command ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masked {
    /// The file.
    pub file: String,
    /// The keys whose values were replaced.
    pub keys: Vec<String>,
    /// What had happened to it: `was replaced`, `appeared`.
    pub reason: String,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The run began; the first record.
    Start,
    /// A request was judged.
    #[default]
    Decision,
    /// A request ended.
    End,
    /// A secret was fetched.
    Fetch,
    /// A file was masked while the command ran.
    Mask,
    /// The run ended; the last record.
    Close,
}

/// One record as it stands in the file, apart from its two hashes. Fields that do not apply are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "each field is named after the one that it comes from, documented there")]
pub struct Event {
    /// The run's id.
    pub run: String,
    /// The record's number in the file, from 1.
    pub seq: u64,
    /// RFC 3339, UTC, microseconds.
    pub time: String,
    /// What it is about.
    pub kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// In an end record: the `seq` of its decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub placements: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttfb_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub redactions: BTreeMap<String, Redactions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsearched: Option<String>,
    /// In a mask record: the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In a mask record: the keys whose values were replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// In a mask record: what had happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// In the close record: the child's exit code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// In the close record: how many decisions there were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// In the close record: how many of them refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
}

const LONGEST_TEXT: usize = 512;
const LONGEST_LIST: usize = 32;

impl From<Start> for Event {
    fn from(start: Start) -> Self {
        Self {
            kind: Kind::Start,
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            command: Some(cut(start.command)),
            project: Some(cut(start.project)),
            level: Some(cut(start.level)),
            ..Self::default()
        }
    }
}

impl From<Decision> for Event {
    fn from(decision: Decision) -> Self {
        Self {
            kind: Kind::Decision,
            secrets: cut_all(decision.secrets),
            placements: cut_all(decision.placements),
            method: Some(cut(decision.method)),
            scheme: Some(cut(decision.scheme)),
            host: Some(cut(decision.host)),
            port: Some(decision.port),
            path: Some(decision.path).filter(|path| !path.is_empty()).map(|path| cut_to(path, super::path::LONGEST)),
            decision: Some(decision.verdict),
            rule: decision.rule.map(cut),
            process: decision.process.map(|process| Process { name: cut(process.name), ..process }),
            ..Self::default()
        }
    }
}

impl Outcome {
    /// The end record of the request that `request` numbers.
    pub(super) fn into_event(self, request: u64, duration: Duration) -> Event {
        Event {
            kind: Kind::End,
            request: Some(request),
            status: self.status,
            duration_us: Some(microseconds(duration)),
            ttfb_us: self.first_byte.map(microseconds),
            request_bytes: Some(self.request_bytes),
            response_bytes: Some(self.response_bytes),
            redactions: self
                .redactions
                .into_iter()
                .take(LONGEST_LIST)
                .map(|(name, forms)| (cut(name), Redactions::ByForm(forms)))
                .collect(),
            unsearched: self.unsearched.map(cut),
            error: self.error.map(cut),
            ..Event::default()
        }
    }
}

impl From<Fetch> for Event {
    fn from(fetch: Fetch) -> Self {
        Self {
            kind: Kind::Fetch,
            secrets: vec![cut(fetch.secret)],
            source: Some(cut(fetch.source)),
            error: fetch.error.map(cut),
            ..Self::default()
        }
    }
}

impl From<Masked> for Event {
    fn from(masked: Masked) -> Self {
        Self {
            kind: Kind::Mask,
            file: Some(cut(masked.file)),
            keys: cut_all(masked.keys),
            reason: Some(cut(masked.reason)),
            ..Self::default()
        }
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn cut_all(mut texts: Vec<String>) -> Vec<String> {
    texts.truncate(LONGEST_LIST);
    texts.into_iter().map(cut).collect()
}

fn cut(text: String) -> String {
    cut_to(text, LONGEST_TEXT)
}

/// At most `longest` bytes of `text`, whole characters, the cut marked.
pub(super) fn cut_to(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest - '…'.len_utf8()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_cut_at_a_character() {
        assert_eq!(cut_to("short".into(), 8), "short");
        assert_eq!(cut_to("abcdefghij".into(), 8), "abcde…");
        assert_eq!(cut_to("aaaaéééé".into(), 8), "aaaa…");
        let event =
            Event::from(Decision { host: "h".repeat(100_000), path: "/".repeat(100_000), ..Decision::default() });
        assert!(serde_json::to_string(&event).unwrap().len() < 4096);
    }

    #[test]
    fn fields_that_do_not_apply_are_absent() {
        let event = Event::from(Decision { host: "a.example".into(), port: 443, ..Decision::default() });
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"run":"","seq":0,"time":"","kind":"decision","method":"","scheme":"","host":"a.example","port":443,"decision":"allowed"}"#
        );
    }
}

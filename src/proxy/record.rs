//! The two audit records of a request, a tunnel or a refusal.
//!
//! **Invariants.** Nothing is sent before the decision is written (L4). A [`Record`] that is dropped unfinished, because
//! the child went away or the run ended, still writes its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::RedactionStream;
use super::shared::Shared;
use crate::audit::{Decision, Outcome, Sink, Ticket};

/// A decision that was written, and the sums for its end.
pub(super) struct Record {
    ticket: Option<Ticket>,
    shared: Arc<Shared>,
    since: Instant,
    status: Option<u16>,
    first_byte: Option<Duration>,
    sent: Arc<AtomicU64>,
    received: u64,
    unsearched: Option<&'static str>,
}

impl Record {
    /// Writes the decision. `None`: the log is broken and nothing may be sent.
    pub(super) fn begin(shared: &Arc<Shared>, mut decision: Decision) -> Option<Self> {
        // The child chose these, and may know a value from elsewhere.
        for text in [&mut decision.method, &mut decision.host] {
            if let Cow::Owned(named) = shared.redactor.named(text) {
                *text = named;
            }
        }
        let ticket = shared.audit.decision(decision).ok()?;
        Some(Self {
            ticket: Some(ticket),
            shared: Arc::clone(shared),
            since: Instant::now(),
            status: None,
            first_byte: None,
            sent: Arc::default(),
            received: 0,
            unsearched: None,
        })
    }

    /// Reads what is sent upstream from a count that began before.
    pub(super) fn counting(mut self, sent: Arc<AtomicU64>) -> Self {
        self.sent = sent;
        self
    }

    /// Where bytes sent upstream are counted.
    pub(super) fn sent(&self) -> &Arc<AtomicU64> {
        &self.sent
    }

    /// Notes that the head of the answer is there.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
        self.first_byte = Some(self.since.elapsed());
    }

    /// Adds bytes that go to the child.
    pub(super) fn add(&mut self, length: usize) {
        self.received += length as u64;
    }

    /// Notes that the body passes without being searched for values, and why.
    pub(super) fn unsearched(&mut self, why: &'static str) {
        self.unsearched = Some(why);
    }

    /// Writes the end; a second time does nothing.
    pub(super) fn finish(&mut self, redaction: Option<&RedactionStream>, error: Option<&str>) {
        let Some(ticket) = self.ticket.take() else { return };
        let mut redactions: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (id, form, count) in redaction.into_iter().flat_map(RedactionStream::counts) {
            if let Some(held) = self.shared.secrets.get(id) {
                redactions.entry(held.name.to_string()).or_default().insert(form.as_str().to_owned(), count);
            }
        }
        let outcome = Outcome {
            status: self.status,
            first_byte: self.first_byte,
            request_bytes: self.sent.load(Ordering::Relaxed),
            response_bytes: self.received,
            redactions,
            unsearched: self.unsearched.map(str::to_owned),
            error: error.map(str::to_owned),
        };
        // A log that breaks here refuses the next decision.
        let _ = Sink::end(&self.shared.audit, ticket, outcome);
    }

    /// Writes the end of an answer that is whole and about to go out, right behind it: the child does not wait for that.
    pub(super) fn finish_behind(self, redaction: RedactionStream) {
        let tasks = self.shared.tasks.clone();
        let ended = Ended { record: self, redaction };
        tasks.spawn(async move { drop(ended) });
    }
}

/// An end that is still to be written; dropped with its task it is written as well.
struct Ended {
    record: Record,
    redaction: RedactionStream,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.record.finish(Some(&self.redaction), None);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.finish(None, Some("cancelled"));
    }
}

//! What the user should hear while the run goes on: the first refusals and handshakes that fail, each with its mend.
//!
//! **Invariants.** Each notice is sent once; telling never blocks and never fails a request.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Redactor;
use crate::policy::{Authority, Host};
use crate::secret::SecretName;

/// Notices remembered, so that a child that dials at random fills no memory.
const REMEMBERED: usize = 256;

/// One thing worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Notice {
    /// Policy refused a host; `--allow HOST` opens it.
    HostRefused {
        /// The host and port that the child wanted.
        authority: Authority,
    },
    /// Policy refused a port of a host; `--allow HOST:PORT` opens it.
    PortRefused {
        /// The host and port that the child wanted.
        authority: Authority,
    },
    /// The target's addresses are private or otherwise forbidden.
    AddressRefused {
        /// The host and port that the child wanted.
        authority: Authority,
        /// Why.
        why: String,
        /// Whether `--allow HOST:PORT` opens it.
        opens_when_named: bool,
    },
    /// The child's client broke off the TLS handshake: mostly it does not trust the run's authority.
    HandshakeFailed {
        /// The host that it asked for.
        authority: Authority,
        /// What it said, such as `received fatal alert: UnknownCA`.
        reason: String,
        /// The program that it is, where that could be told.
        program: Option<String>,
    },
    /// No answer could be had from a target that holds a secret.
    UpstreamFailed {
        /// The target.
        authority: Authority,
        /// The reason.
        reason: String,
    },
    /// A value that is fetched when it is used could not be had.
    FetchFailed {
        /// The secret.
        secret: SecretName,
        /// Why.
        reason: String,
    },
    /// A placeholder of a secret that is not bound to this target travelled there; it is worthless there.
    Inert {
        /// The secret that it stands for.
        secret: SecretName,
        /// Where it went.
        authority: Authority,
    },
}

impl Notice {
    /// The same with `{NAME}` for each value that stands in a text which the child or upstream chose.
    fn named(mut self, redactor: &Redactor) -> Self {
        let (authority, reason) = match &mut self {
            Self::HostRefused { authority } | Self::PortRefused { authority } | Self::Inert { authority, .. } => {
                (Some(authority), None)
            }
            Self::AddressRefused { authority, why: reason, .. }
            | Self::HandshakeFailed { authority, reason, .. }
            | Self::UpstreamFailed { authority, reason } => (Some(authority), Some(reason)),
            Self::FetchFailed { reason, .. } => (None, Some(reason)),
        };
        if let Some(Host::Name(name)) = authority.map(|authority| &mut authority.host) {
            rename(name, redactor);
        }
        if let Some(reason) = reason {
            rename(reason, redactor);
        }
        self
    }
}

fn rename(text: &mut String, redactor: &Redactor) {
    if let Cow::Owned(named) = redactor.named(text) {
        *text = named;
    }
}

/// The sending end that forgets repetitions.
pub(super) struct Notices {
    redactor: Redactor,
    sender: mpsc::Sender<Notice>,
    told: Mutex<HashSet<Notice>>,
}

impl Notices {
    pub(super) fn new(sender: mpsc::Sender<Notice>, redactor: Redactor) -> Self {
        Self { redactor, sender, told: Mutex::default() }
    }

    /// Tells `notice` unless it was told before.
    pub(super) fn tell(&self, notice: Notice) {
        let notice = notice.named(&self.redactor);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < REMEMBERED && told.insert(notice.clone()) {
            // A full channel means that nobody reads notices as fast as they come; the audit log has them all.
            let _ = self.sender.try_send(notice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::super::rulebook::tests::{VALUE, settings};

    fn notices() -> (Notices, mpsc::Receiver<Notice>) {
        let (sender, receiver) = mpsc::channel(8);
        (Notices::new(sender, Redactor::new(&settings().secrets)), receiver)
    }

    #[test]
    fn each_is_told_once() {
        let (notices, mut receiver) = notices();
        let notice = Notice::HostRefused { authority: Authority::parse("a.example:443", None).unwrap() };
        notices.tell(notice.clone());
        notices.tell(notice.clone());
        assert_eq!(receiver.try_recv(), Ok(notice));
        receiver.try_recv().unwrap_err();
    }

    #[test]
    fn a_value_is_named_and_not_told() {
        let (notices, mut receiver) = notices();
        let authority = Authority::parse(&format!("{VALUE}.example:443"), None).unwrap();
        notices.tell(Notice::UpstreamFailed { authority, reason: format!("said {VALUE}") });
        let told = receiver.try_recv().unwrap();
        let Notice::UpstreamFailed { authority, reason } = &told else { panic!("{told:?}") };
        assert_eq!(
            (authority.to_string().as_str(), reason.as_str()),
            ("{STRIPE_KEY}.example:443", "said {STRIPE_KEY}")
        );
    }
}

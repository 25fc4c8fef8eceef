//! What the user should hear while the run goes on: the first refusals and handshakes that fail, each with its mend.
//!
//! **Invariants.** Each notice is sent once; telling never blocks and never fails a request.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::policy::Authority;
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
    },
    /// The child's client broke off the TLS handshake: mostly it does not trust the run's authority.
    HandshakeFailed {
        /// The host that it asked for.
        authority: Authority,
        /// What it said, such as `received fatal alert: UnknownCA`.
        reason: String,
    },
    /// No answer could be had from a target that holds a secret.
    UpstreamFailed {
        /// The target.
        authority: Authority,
        /// The reason.
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

/// The sending end that forgets repetitions.
#[derive(Debug)]
pub(super) struct Notices {
    sender: mpsc::Sender<Notice>,
    told: Mutex<HashSet<Notice>>,
}

impl Notices {
    pub(super) fn new(sender: mpsc::Sender<Notice>) -> Self {
        Self { sender, told: Mutex::default() }
    }

    /// Tells `notice` unless it was told before.
    pub(super) fn tell(&self, notice: Notice) {
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

    #[test]
    fn each_is_told_once() {
        let (sender, mut receiver) = mpsc::channel(8);
        let notices = Notices::new(sender);
        let notice = Notice::HostRefused { authority: Authority::parse("a.example:443", None).unwrap() };
        notices.tell(notice.clone());
        notices.tell(notice.clone());
        assert_eq!(receiver.try_recv(), Ok(notice));
        receiver.try_recv().unwrap_err();
    }
}

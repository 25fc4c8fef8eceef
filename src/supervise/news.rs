//! What happens across the seal while a run goes on, for the user to hear.

use std::net::SocketAddr;
use std::path::PathBuf;

/// One piece of news. Texts that the child chose have no control characters, or are escaped by whoever shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// A port of the child can be reached on the host.
    Published {
        /// The port inside.
        port: u16,
        /// Where on the host.
        at: SocketAddr,
    },
    /// It cannot any more: the child closed it.
    Unpublished {
        /// The port inside.
        port: u16,
        /// Where it was on the host.
        at: SocketAddr,
    },
    /// A port of the child cannot be had on the host.
    NotPublished {
        /// The port inside.
        port: u16,
        /// Why.
        reason: String,
    },
    /// A socket of the host did not answer.
    NoSocket {
        /// Its path on the host.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A secret file was masked that was not there, or not the same, when the run began.
    Masked {
        /// The file.
        path: PathBuf,
        /// The keys whose values were replaced.
        keys: Vec<String>,
        /// What happened, as in `it was replaced`.
        why: &'static str,
    },
    /// A link was handed to the user's browser.
    LinkOpened {
        /// The link.
        link: String,
    },
    /// The child wants a link opened, and the user has to do it.
    LinkShown {
        /// The link.
        link: String,
        /// Why it was not opened.
        reason: String,
    },
    /// The child wants something opened that is not to be opened.
    LinkRefused {
        /// What the child sent, escaped and cut.
        link: String,
        /// Why.
        reason: String,
    },
}

//! What every connection of a run shares.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::dns::Names;
use super::leaf::ChildTls;
use super::memory::Memory;
use super::notice::Notices;
use super::programs::Programs;
use super::rulebook::Rulebook;
use super::tasks::Tasks;
use super::totals::Counters;
use super::upstream::Upstream;
use super::{ProxyError, Redactor, Settings, Token};
use crate::audit::Sink;
use crate::secret::{SecretName, Table};

/// The state of a broker, read by all of its tasks.
pub(super) struct Shared {
    pub(super) token: Token,
    pub(super) token_required: bool,
    pub(super) secrets: Arc<Table>,
    pub(super) book: Rulebook,
    pub(super) upstream: Upstream,
    pub(super) child_tls: ChildTls,
    pub(super) redactor: Redactor,
    /// Whether a redaction can make a body longer or shorter.
    pub(super) redaction_changes_length: bool,
    pub(super) memory: Memory,
    /// By the name of a service, what clients leave out of paths under a base URL.
    pub(super) base_paths: HashMap<String, String>,
    pub(super) names: Arc<Names>,
    pub(super) audit: Arc<Sink>,
    pub(super) notices: Notices,
    pub(super) counters: Arc<Counters>,
    pub(super) tasks: Tasks,
    pub(super) programs: Programs,
    /// Where the explicit listeners are, for requests that come back to ourselves.
    pub(super) explicit: Vec<SocketAddr>,
}

impl Shared {
    pub(super) fn new(
        mut settings: Settings,
        tasks: &Tasks,
        counters: &Arc<Counters>,
        explicit: Vec<SocketAddr>,
    ) -> Result<Self, ProxyError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let redaction_changes_length = settings.secrets.iter().any(|(_, held)| Redactor::may_change_length(held));
        let redactor = Redactor::new(&settings.secrets);
        let programs = Programs::new(settings.loopback.clone());
        Ok(Self {
            book: Rulebook::new(&settings)?,
            upstream: Upstream::new(&mut settings, tasks)?,
            child_tls: ChildTls::new(settings.authority, provider)?,
            redaction_changes_length,
            memory: Memory::new(settings.body_memory),
            token: settings.token,
            token_required: settings.token_required,
            base_paths: settings.base_paths,
            names: settings.names,
            audit: settings.audit,
            programs,
            notices: Notices::new(settings.notices, redactor.clone()),
            redactor,
            counters: Arc::clone(counters),
            tasks: tasks.clone(),
            explicit,
            secrets: settings.secrets,
        })
    }

    /// The secret whose placeholder or value stands in `text`.
    pub(super) fn secret_in(&self, text: &[u8]) -> Option<SecretName> {
        let inert = self.book.placeholders().within(text).next().map(|(_, name)| name.clone());
        inert.or_else(|| self.redactor.secret_in(text))
    }
}

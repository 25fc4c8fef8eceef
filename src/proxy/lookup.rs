//! What the run's name server asks: may a name be looked up, and does it exist.

use std::sync::Arc;

use super::dns::{Existence, Lookup};
use super::shared::Shared;
use super::upstream::UpstreamError;
use crate::policy::Host;

/// Policy and the system's resolver.
pub(super) struct PolicyLookup(pub(super) Arc<Shared>);

impl Lookup for PolicyLookup {
    fn may_look_up(&self, name: &Host) -> bool {
        self.0.book.may_resolve(name)
    }

    async fn exists(&self, name: &Host) -> Existence {
        let Host::Name(text) = name else { return Existence::Missing };
        if self.0.book.is_redirected(name) || self.0.upstream.leaves_names_to_proxy() {
            return Existence::Exists;
        }
        match self.0.upstream.resolver().resolve(text).await {
            Ok(_) => Existence::Exists,
            Err(UpstreamError::NoSuchName) => Existence::Missing,
            Err(_) => Existence::Failed,
        }
    }
}

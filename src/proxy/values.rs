//! Values that are fetched when they are used: before a request is given them.
//!
//! **Invariants.** A value is fetched only for a request that may use it and has its placeholder, or that is given it by
//! default. Every fetch is in the log. Before a value is sent anywhere, the redactor looks for it.
//! In responses that are under way, too.

use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};

use super::inject::decode_basic;
use super::notice::Notice;
use super::refusal::Refused;
use super::request_body::RequestBody;
use super::route::Allowed;
use super::rulebook::Bound;
use super::shared::Shared;
use crate::audit;
use crate::secret::Secret;
use crate::source::{Deferred, SourceError};

/// The request with the values that it needs.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    allowed: Allowed,
    uri: &Uri,
    headers: &HeaderMap,
    body: &mut RequestBody,
) -> Result<Allowed, Refused> {
    let site = Arc::clone(allowed.site());
    let whole = body.whole().map_or(&[][..], |whole| whole.as_slice());
    let mut with_values = Vec::with_capacity(site.bound.len());
    for bound in &site.bound {
        let needed = bound.deferred.as_ref().filter(|_| needs(&allowed, bound, uri, headers, whole));
        with_values.push(match needed {
            Some(deferred) => Arc::new(Bound { value: value(shared, bound, deferred).await?, ..Bound::clone(bound) }),
            None => Arc::clone(bound),
        });
    }
    Ok(allowed.with_values(with_values))
}

/// Whether the value may be put into this request. More than that is decided when it is put in.
fn needs(allowed: &Allowed, bound: &Bound, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> bool {
    if !matches!(allowed.permits(bound), Ok(true)) {
        return false;
    }
    let holds = |text: &[u8]| bound.finder.find(text).is_some();
    let is_default = || {
        let Some(attach) = bound.attach.as_ref().filter(|_| allowed.site().bound.len() == 1) else { return false };
        let mut credentials = bound.credential_headers.iter().chain([&attach.header]);
        !credentials.any(|name| headers.contains_key(name))
    };
    let in_basic = |value| decode_basic(value).is_some_and(|decoded| holds(&decoded));
    is_default()
        || headers.values().any(|value| holds(value.as_bytes()))
        || headers.get_all(AUTHORIZATION).iter().any(in_basic)
        || uri.path_and_query().is_some_and(|target| holds(target.as_str().as_bytes()))
        || holds(body)
}

async fn value(shared: &Arc<Shared>, bound: &Bound, deferred: &Arc<Deferred>) -> Result<Arc<Secret>, Refused> {
    let value = match deferred.ready() {
        Some(value) => value,
        None => asked(shared, bound, deferred).await?,
    };
    let held = shared.secrets.get(bound.id).ok_or_else(|| Refused::unfetched(&bound.name))?;
    shared.redactor.learn(bound.id, held, &value).map_err(|_| Refused::restless(&bound.name))?;
    Ok(value)
}

/// Asks the source, on a thread that may wait.
async fn asked(shared: &Arc<Shared>, bound: &Bound, deferred: &Arc<Deferred>) -> Result<Arc<Secret>, Refused> {
    let (asking, name, source) = (Arc::clone(shared), bound.name.clone(), Arc::clone(deferred));
    // What is asked for is in the log, also when the child goes away meanwhile.
    let ask = move || {
        let taken = source.take();
        let error = taken.outcome.as_ref().err().map(|error| chain(error));
        if taken.is_new {
            let fetch = audit::Fetch { secret: name.to_string(), source: source.title(), error: error.clone() };
            asking.audit.fetch(fetch).map_err(|_| Refused::log())?;
        }
        taken.outcome.map_err(|_| {
            asking.notices.tell(Notice::FetchFailed { secret: name.clone(), reason: error.unwrap_or_default() });
            Refused::unfetched(&name)
        })
    };
    tokio::task::spawn_blocking(ask).await.unwrap_or_else(|_| Err(Refused::unfetched(&bound.name)))
}

/// An error with its causes in one line.
fn chain(error: &SourceError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! The catalogue: services whose credentials are recognised and brokered without configuration.
//!
//! **Invariants.** A target is one host of the service itself: never a wildcard, never a host that serves other
//! tenants' content. A key goes to its issuer: where a value's form names one service and its variable another, the
//! form is believed.

mod key;
mod recognise;
mod service;
mod structured;

use serde::Deserialize;

pub use key::KeyPattern;
pub use recognise::{Found, ValueKind};
pub use service::{Alias, Credential, Service, server};

use super::builtin::{self, BuiltinError};
use super::{Origin, ServiceId, TokenEndpoint};
use recognise::Recogniser;

/// Every service, and what recognises its credentials.
#[derive(Debug, Default)]
pub struct Catalogue {
    services: Vec<Service>,
    recogniser: Recogniser,
}

/// One credential with the service that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The service.
    pub service: &'a Service,
    /// The credential.
    pub credential: &'a Credential,
}

/// A file under `policies/services/`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    title: String,
    docs: String,
    #[serde(default)]
    base_path: Option<String>,
    credentials: Vec<Credential>,
    #[serde(default)]
    token_endpoints: Vec<TokenEndpoint>,
}

macro_rules! services {
    ($($id:literal)*) => {
        &[$(($id, builtin::embedded!(concat!("services/", $id)))),*]
    };
}

const EMBEDDED: &[(&str, &str)] = services! {
    "anthropic" "crates-io" "gemini" "github" "gitlab" "groq" "hugging-face" "mistral" "npm" "openai" "openrouter" "pypi" "qwen" "stripe"
};

impl Catalogue {
    pub(super) fn load() -> Result<Self, BuiltinError> {
        let services = EMBEDDED.iter().map(|(id, text)| load_service(id, text)).collect::<Result<Vec<_>, _>>()?;
        let recogniser = Recogniser::new(&services, builtin::scrub_rules().values());
        Ok(Self { services, recogniser })
    }

    /// Every service, in the order of their ids.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service called `id`.
    pub fn service(&self, id: &ServiceId) -> Option<&Service> {
        self.services.iter().find(|service| service.id == *id)
    }

    /// The credential called `credential` of `service`, as `files.toml` names them.
    pub fn entry(&self, service: &str, credential: &str) -> Option<Entry<'_>> {
        let service = self.services.iter().find(|candidate| candidate.id.0 == service)?;
        Some(Entry { service, credential: service.credential(credential)? })
    }

    /// The credential that a variable called `name` holds.
    pub fn variable(&self, name: &str) -> Option<Entry<'_>> {
        self.entries().find(|entry| {
            let names = entry.credential.variables.iter();
            names.chain(entry.credential.aliases.iter().map(|alias| &alias.variable)).any(|known| known == name)
        })
    }

    /// The credential that a variable called `name` with this value holds. The value's form wins over the name: an
    /// OpenRouter key in `OPENAI_API_KEY` is OpenRouter's.
    pub fn recognise(&self, name: &str, value: &[u8]) -> Option<Entry<'_>> {
        match self.recognise_value(value) {
            Some(ValueKind::Key(entry)) => Some(entry),
            _ => self.variable(name),
        }
    }

    /// What `value` is as a whole, by its form alone.
    pub fn recognise_value(&self, value: &[u8]) -> Option<ValueKind<'_>> {
        self.recogniser.whole(value).map(|kind| self.resolve(kind))
    }

    /// Every key, token, private key and password in `text`, by its form alone, in order and without overlap.
    pub fn keys_within(&self, text: &[u8]) -> Vec<Found<'_>> {
        let found = self.recogniser.within(text).into_iter();
        found.map(|(range, kind)| Found { range, kind: self.resolve(kind) }).collect()
    }

    /// Every header that carries a credential of any service, lower case.
    pub fn credential_headers(&self) -> Vec<&str> {
        let mut headers: Vec<_> = self.services.iter().flat_map(Service::credential_headers).collect();
        headers.sort_unstable();
        headers.dedup();
        headers
    }

    /// Every endpoint that mints tokens (S7).
    pub fn token_endpoints(&self) -> impl Iterator<Item = &TokenEndpoint> {
        self.services.iter().flat_map(|service| &service.token_endpoints)
    }

    /// Every credential.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.services
            .iter()
            .flat_map(|service| service.credentials.iter().map(move |credential| Entry { service, credential }))
    }
}

fn load_service(id: &str, text: &str) -> Result<Service, BuiltinError> {
    let file = format!("services/{id}.toml");
    let parsed: ServiceFile = builtin::parse(&file, text)?;
    Ok(Service {
        id: ServiceId(id.to_owned()),
        title: parsed.title,
        docs: parsed.docs,
        base_path: parsed.base_path,
        credentials: parsed.credentials,
        token_endpoints: parsed.token_endpoints,
        origin: Origin::Builtin { file },
    })
}

#[cfg(test)]
mod tests;

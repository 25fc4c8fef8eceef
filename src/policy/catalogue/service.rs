//! What the catalogue knows of a service: `policies/services/*.toml` as types.

use serde::{Deserialize, Serialize};

use crate::policy::characters::Characters;
use crate::policy::{Attach, Origin, ServiceId, Slot, Target, TokenEndpoint};
use crate::secret::Shape;

/// A service whose credentials can be brokered without configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name in policy files, such as `stripe`.
    pub id: ServiceId,
    /// Its name for people.
    pub title: String,
    /// Where it documents how requests are authenticated.
    pub docs: String,
    /// The kinds of credential that it takes; never empty.
    pub credentials: Vec<Credential>,
    /// Where it mints credentials (S7).
    pub token_endpoints: Vec<TokenEndpoint>,
    /// The embedded file that says so.
    pub origin: Origin,
}

/// One kind of credential of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Its name within the service, such as `api-key`.
    pub id: String,
    /// Where it may go; never empty.
    pub targets: Vec<Target>,
    /// Environment variables that hold it, as SDKs and tools read them.
    pub variables: Vec<String>,
    /// Variables that the child gets too when one of `variables` is set and they are not.
    #[serde(default)]
    pub aliases: Vec<Alias>,
    /// Variables by which the user points clients at another server, such as a gateway: their host is a target too.
    #[serde(default)]
    pub base_urls: Vec<String>,
    /// What a value of this kind looks like; empty where values have no form of their own.
    #[serde(default)]
    pub keys: Vec<KeyPattern>,
    /// What its placeholder looks like.
    pub placeholder: Shape,
    /// Where in a request it is swapped; never empty.
    pub slots: Vec<Slot>,
    /// What to add to a request without any credential.
    #[serde(default)]
    pub attach: Option<Attach>,
}

/// A second name under which the child sees a credential's placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// The variable.
    pub variable: String,
    /// The entry of `files.toml` whose presence makes the alias wrong: a login that the variable would override.
    #[serde(default)]
    pub unless_file: Option<String>,
}

/// The form of a key: a literal prefix and a run of characters after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPattern {
    /// The literal that starts it, never empty.
    pub prefix: String,
    /// What follows.
    pub alphabet: Characters,
    /// The least number of characters that follow.
    pub min: usize,
    /// The greatest, where the form is of limited length; a longer run is something else.
    #[serde(default)]
    pub max: Option<usize>,
    /// Digits that stand before the prefix and belong to the key: their least number.
    #[serde(default)]
    pub digits_before: usize,
}

impl Service {
    /// Every target of any of its credentials, without repetition.
    pub fn targets(&self) -> Vec<&Target> {
        distinct(self.credentials.iter().flat_map(|credential| &credential.targets))
    }

    /// The credential called `id`.
    pub fn credential(&self, id: &str) -> Option<&Credential> {
        self.credentials.iter().find(|credential| credential.id == id)
    }

    /// The names of all headers that carry any credential of this service, lower case. A request in which one of them
    /// was swapped must carry none of the others with a second credential.
    pub fn credential_headers(&self) -> Vec<&str> {
        distinct(self.credentials.iter().flat_map(|credential| &credential.slots).map(Slot::header))
    }
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

//! What the catalogue knows of a service: `policies/services/*.toml` as types.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use super::KeyPattern;
use crate::policy::{Attach, Host, HostPattern, Origin, ServiceId, Slot, Target, TokenEndpoint};
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
    /// The version in its paths that some clients leave out under a base URL, such as `/v1`.
    pub base_path: Option<String>,
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
        distinct(self.credentials.iter().flat_map(|credential| &credential.slots).filter_map(Slot::header))
    }
}

impl Credential {
    /// The form of a placeholder for `value`: with the literal prefix that the value has, where it is a known one, since
    /// clients tell kinds of keys and test mode by it.
    pub fn shape(&self, value: &[u8]) -> Shape {
        let own = self.keys.iter().map(|key| &key.prefix).find(|prefix| value.starts_with(prefix.as_bytes()));
        Shape { prefix: own.unwrap_or(&self.placeholder.prefix).clone(), ..self.placeholder.clone() }
    }

    /// Its targets and the servers to which the user points its clients. Only over https, and never on loopback, which
    /// is the child's own.
    pub fn targets_with(&self, variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<Target> {
        let values = self.base_urls.iter().filter_map(|name| variable(name));
        let servers = values.filter_map(|value| server(value.to_str()?));
        let mut targets = self.targets.clone();
        for server in servers {
            if !targets.contains(&server) {
                targets.push(server);
            }
        }
        targets
    }
}

/// The server that a base URL, or a host name alone, points to. Only over https, and never on loopback, which is the
/// child's own.
pub fn server(url: &str) -> Option<Target> {
    let rest = match url.trim().split_once("://") {
        Some((scheme, rest)) => scheme.eq_ignore_ascii_case("https").then_some(rest)?,
        None => url.trim(),
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let target = Target::parse(authority).ok()?;
    let is_elsewhere = match &target.host {
        HostPattern::Exact(Host::Name(name)) => name.contains('.') && !name.ends_with(".localhost"),
        HostPattern::Exact(Host::Address(address)) => !address.is_loopback() && !address.is_unspecified(),
        HostPattern::Below(_) => false,
    };
    is_elsewhere.then_some(target)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_names_a_server_or_none() {
        for (url, expected) in [
            ("https://gateway.example/v1", Some("gateway.example")),
            ("HTTPS://gateway.example:8443", Some("gateway.example:8443")),
            ("gitlab.example.com", Some("gitlab.example.com")),
            ("https://10.0.0.5/v1", Some("10.0.0.5")),
            ("http://gateway.example/v1", None),
            ("https://user:pass@gateway.example", None),
            ("https://localhost:8443", None),
            ("https://127.0.0.1:8443", None),
            ("https://*.example.com", None),
            ("", None),
        ] {
            assert_eq!(server(url).map(|target| target.to_string()).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_placeholder_keeps_the_public_prefix_and_nothing_else() {
        let stripe = &crate::policy::catalogue().entry("stripe", "secret-key").unwrap().credential;
        assert_eq!(stripe.shape(b"rk_live_0123456789").prefix, "rk_live_");
        assert_eq!(stripe.shape(b"0123456789").prefix, "sk_test_");
    }
}

//! `source = { hashicorp = "https://…" }`: a secret of HashiCorp Vault or `OpenBao`.

use serde::Serialize;

use super::error::PolicyError;
use super::file::{NOT_A_VARIABLE, is_variable};
use super::reader::Item;
use super::source_table::path;
use crate::policy::Authority;

/// A field of a secret that a server keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hashicorp {
    /// Where it listens, always over https.
    pub server: Authority,
    /// Where the secrets engine is mounted.
    pub mount: String,
    /// The secret below it.
    pub path: String,
    /// The field of the secret; that of the secret's own name where none is named.
    pub key: Option<String>,
    /// The version of the key-value engine, 1 or 2.
    pub version: u8,
    /// The namespace, where there are some.
    pub namespace: Option<String>,
    /// A file with the authority that the server's certificate comes from, beside the system's.
    pub ca: Option<String>,
    /// How to log in.
    pub login: Login,
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// With the token in a variable; without a name, with that which the server's own tools use.
    Token {
        /// The variable.
        variable: Option<String>,
    },
    /// As a role.
    AppRole {
        /// The role's id, which is no secret.
        role: String,
        /// The variable that holds the secret id.
        secret_id: String,
    },
}

impl Login {
    /// The variable that holds a secret of it, where one is named.
    pub(super) fn variable(&self) -> Option<&str> {
        match self {
            Self::Token { variable } => variable.as_deref(),
            Self::AppRole { secret_id, .. } => Some(secret_id),
        }
    }
}

/// The keys of such a table.
pub(super) const KEYS: [&str; 10] =
    ["hashicorp", "path", "mount", "key", "version", "namespace", "ca", "token", "role", "secret_id"];

/// Reads the table, all of whose keys are among [`KEYS`].
pub(super) fn read(table: &Item<'_>, items: &[(&'static str, Item<'_>)]) -> Result<Hashicorp, PolicyError> {
    let of = |name: &str| items.iter().find(|(known, _)| *known == name).map(|(_, item)| item);
    let text = |name: &str| of(name).map(Item::text).transpose().map(|text| text.map(|text| text.value));
    let segments = |name: &str| of(name).map(plain_path).transpose();
    let named = |name: &str| of(name).map(variable).transpose();
    let server = of("hashicorp").ok_or_else(|| table.wrong("names no `hashicorp`"))?;
    let path_item = of("path").ok_or_else(|| table.wrong("names no `path`: `secret/team/service`"))?;
    let whole = plain_path(path_item)?;
    let (mount, below) = match segments("mount")? {
        Some(mount) => (mount, whole),
        None => match whole.split_once('/') {
            Some((mount, below)) => (mount.to_owned(), below.to_owned()),
            None => return Err(path_item.wrong("begins with the mount of the secrets engine: `secret/team/service`")),
        },
    };
    let version = match of("version").map(Item::number).transpose()? {
        None => 2,
        Some(number) => match number.value {
            1 => 1,
            2 => 2,
            _ => return Err(table.wrong("has a `version` that is neither 1 nor 2")),
        },
    };
    let login = match (text("role")?, named("secret_id")?, named("token")?) {
        (None, None, variable) => Login::Token { variable },
        (Some(role), Some(secret_id), None) => Login::AppRole { role, secret_id },
        _ => return Err(table.wrong("is to name `token`, or `role` with `secret_id`, or neither")),
    };
    let namespace = segments("namespace")?;
    let ca = of("ca").map(path).transpose()?;
    Ok(Hashicorp { server: authority(server)?, mount, path: below, key: text("key")?, version, namespace, ca, login })
}

fn authority(item: &Item<'_>) -> Result<Authority, PolicyError> {
    let text = item.text()?.value;
    let rest = text.strip_prefix("https://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let parsed = rest.filter(|rest| !rest.contains(['/', '@', '?', '#'])).map(|rest| Authority::parse(rest, Some(443)));
    match parsed {
        Some(Ok(authority)) => Ok(authority),
        _ => Err(item.wrong("is not the address of a server over https: `https://vault.example:8200`")),
    }
}

/// Segments that mean themselves in a URL: no dots that climb, nothing that would need escaping.
fn plain_path(item: &Item<'_>) -> Result<String, PolicyError> {
    let text = item.text()?.value;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@' | b'+');
    let is_segment =
        |segment: &str| !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(is_plain);
    let trimmed = text.trim_matches('/');
    if trimmed.split('/').all(is_segment) {
        Ok(trimmed.to_owned())
    } else {
        Err(item.wrong("is not a path of letters, digits and `-_.~@+` between slashes"))
    }
}

fn variable(item: &Item<'_>) -> Result<String, PolicyError> {
    let name = item.text()?.value;
    if is_variable(&name) { Ok(name) } else { Err(item.wrong(NOT_A_VARIABLE)) }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Flags, Layers, Merged, PolicyError, PolicyText, SecretSource};

    fn load(text: String) -> Result<Merged, PolicyError> {
        Layers::begin(Some(&PolicyText { path: "config.toml".into(), text }))?.end(None, Flags::default())
    }

    #[test]
    fn a_server_is_named_whole_and_what_opens_it_is_hidden() {
        let source = |rest: &str| {
            let line = format!("[secrets.K]\nsource = {{ hashicorp = \"https://vault.example:8200\", {rest} }}");
            load(line)
        };
        let merged = source("path = \"secret/team/service\", role = \"r\", secret_id = \"SECRET_ID\"").unwrap();
        let Some(SecretSource::Hashicorp(at)) = &merged.secret("K").unwrap().source else { panic!("another source") };
        assert_eq!(
            (at.server.to_string().as_str(), at.mount.as_str(), at.path.as_str()),
            ("vault.example:8200", "secret", "team/service")
        );
        assert_eq!((at.version, at.key.as_deref()), (2, None));
        let hidden: Vec<_> = merged.scrub.iter().map(|name| name.value.as_str()).collect();
        assert_eq!(hidden, ["SECRET_ID"]);
        let merged =
            source("path = \"a/b\", mount = \"kv/x\", version = 1, key = \"k\", namespace = \"n\", token = \"T\"")
                .unwrap();
        let Some(SecretSource::Hashicorp(at)) = &merged.secret("K").unwrap().source else { panic!("another source") };
        assert_eq!((at.mount.as_str(), at.path.as_str(), at.version), ("kv/x", "a/b", 1));
        for (rest, said) in [
            ("key = \"k\"", "names no `path`"),
            ("path = \"secret\"", "begins with the mount"),
            ("path = \"secret/../x\"", "is not a path"),
            ("path = \"secret/a?b\"", "is not a path"),
            ("path = \"secret/a\", version = 3", "neither 1 nor 2"),
            ("path = \"secret/a\", role = \"r\"", "`role` with `secret_id`"),
            ("path = \"secret/a\", role = \"r\", secret_id = \"S\", token = \"T\"", "or neither"),
            ("path = \"secret/a\", token = \"A=B\"", "exact name of a variable"),
            ("path = \"secret/a\", ca = \"ca.pem\"", "starts neither with"),
            ("path = \"secret/a\", env = \"X\"", "no place beside `hashicorp`"),
        ] {
            let error = source(rest).unwrap_err().to_string();
            assert!(error.contains(said), "{rest}: {error}");
        }
        for address in
            ["http://vault.example", "vault.example", "https://", "https://a.example/x", "https://u@a.example"]
        {
            let line = format!("[secrets.K]\nsource = {{ hashicorp = \"{address}\", path = \"a/b\" }}");
            let error = load(line).unwrap_err().to_string();
            assert!(error.contains("over https"), "{address}: {error}");
        }
    }
}

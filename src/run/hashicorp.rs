//! What the user's environment has for a server of HashiCorp Vault or `OpenBao`: how to log in, and whom to trust.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::{RunError, broking};
use crate::policy::{self, Hashicorp};
use crate::proxy::Fetcher;
use crate::secret::{Secret, SecretName};
use crate::source::SourceError;
use crate::source::hashicorp::{self, Login, Place};
use crate::source::private::{self, Others};
use crate::world::World;

/// The variables that the servers' own tools read, `OpenBao`'s first.
const TOKENS: [&str; 2] = ["BAO_TOKEN", "VAULT_TOKEN"];
/// Where their `login` leaves a token, in the home directory.
const TOKEN_FILE: &str = ".vault-token";
/// The most bytes of a token's file, and of one with certificates.
const LARGEST: usize = 1 << 20;

/// Why a server cannot be asked.
pub(super) enum Unready {
    Run(Box<RunError>),
    Source(SourceError),
}

impl Unready {
    /// The same of the secret `name`.
    pub(super) fn of(self, name: &SecretName) -> RunError {
        match self {
            Self::Run(error) => *error,
            Self::Source(source) => RunError::Fetch { name: name.clone(), source },
        }
    }
}

impl From<SourceError> for Unready {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

/// The source that `at` names.
pub(super) fn source(world: &World, at: &Hashicorp) -> Result<hashicorp::Hashicorp, Unready> {
    let server = at.server.to_string();
    let ca = at.ca.as_ref().map(|path| certificates(&super::absolute(world, path))).transpose()?;
    let proxy = broking::upstream_proxy(world).map_err(|error| Unready::Run(Box::new(error)))?;
    let login = login(world, &server, &at.login)?;
    let place = Place {
        server,
        mount: at.mount.clone(),
        path: at.path.clone(),
        key: at.key.clone(),
        version: at.version,
        namespace: at.namespace.clone(),
        ca,
    };
    Ok(hashicorp::Hashicorp::new(place, login, Arc::new(Fetcher::new(proxy))))
}

fn login(world: &World, server: &str, login: &policy::Login) -> Result<Login, SourceError> {
    let variable = |name: &str| {
        let value = world.variable(name).map(OsStrExt::as_bytes).filter(|value| !value.is_empty())?;
        Some(Secret::new(value.to_vec()))
    };
    let missing = |missing: String| SourceError::LoginMissing { server: server.to_owned(), missing };
    match login {
        policy::Login::AppRole { role, secret_id } => {
            let secret_id = variable(secret_id).ok_or_else(|| missing(format!("`{secret_id}` is not set")))?;
            Ok(Login::AppRole { role: role.clone(), secret_id })
        }
        policy::Login::Token { variable: Some(name) } => {
            variable(name).map(Login::Token).ok_or_else(|| missing(format!("`{name}` is not set")))
        }
        policy::Login::Token { variable: None } => {
            if let Some(token) = TOKENS.iter().find_map(|name| variable(name)) {
                return Ok(Login::Token(token));
            }
            let path = world.home.join(TOKEN_FILE);
            let none = || missing(format!("neither `{}` nor `{}` holds a token", TOKENS.join("`, `"), path.display()));
            let content = private::read(&path, Others::Nobody, LARGEST)?.ok_or_else(none)?;
            let token = content.trim_ascii();
            if token.is_empty() { Err(none()) } else { Ok(Login::Token(Secret::new(token.to_vec()))) }
        }
    }
}

/// The certificates of a file that nobody but its owner and root can have written.
fn certificates(path: &Path) -> Result<Vec<u8>, SourceError> {
    let missing =
        || SourceError::Disk { path: path.to_owned(), doing: "read it", source: std::io::ErrorKind::NotFound.into() };
    Ok(private::read(path, Others::Readers, LARGEST)?.ok_or_else(missing)?.to_vec())
}

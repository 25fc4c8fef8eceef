//! HashiCorp Vault and `OpenBao`: a field of a secret of the key-value engine, versions 1 and 2, over https.
//!
//! The protocol is that of the servers' own documentation: `GET /v1/MOUNT/data/PATH` (version 2) or `GET /v1/MOUNT/PATH`
//! (version 1) with `X-Vault-Token`, after `POST /v1/auth/approle/login` where a role logs in.
//!
//! **Invariants.** Token and secret id are sent to the named server alone, over verified TLS, and stand in no error. No
//! redirect is followed: a standby that names another address is an error that says so.
//!
//! **Trade-off.** A field with escapes in it passes through scratch memory of the JSON reader, which is not wiped.

mod answer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::answer::Login as LoginAnswer;
use super::{Key, Source, SourceError, check};
use crate::secret::Secret;

/// Asks a server over https. Blocks; gives up by itself.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// Sends the request and waits for the whole answer.
    fn fetch(&self, request: &Request<'_>) -> io::Result<Answer>;
}

/// A request to a server.
#[derive(Debug)]
pub struct Request<'a> {
    /// `host` or `host:port`, as the user named it.
    pub server: &'a str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path, without a query.
    pub path: &'a str,
    /// Header fields by their lower-case names.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body; empty where there is none.
    pub body: Secret,
    /// Certificates in PEM that are trusted beside the system's.
    pub ca: Option<&'a [u8]>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Secret,
}

/// What is asked for, and where.
#[derive(Debug)]
pub struct Place {
    /// `host` or `host:port`.
    pub server: String,
    /// The mount of the engine.
    pub mount: String,
    /// The secret below it.
    pub path: String,
    /// The field; that of the secret's own name where none is named.
    pub key: Option<String>,
    /// 1 or 2.
    pub version: u8,
    /// The namespace.
    pub namespace: Option<String>,
    /// Certificates in PEM that are trusted beside the system's.
    pub ca: Option<Vec<u8>>,
}

/// What opens the server.
#[derive(Debug)]
pub enum Login {
    /// A token.
    Token(Secret),
    /// A role with its secret id.
    AppRole {
        /// The role's id.
        role: String,
        /// The secret id.
        secret_id: Secret,
    },
}

/// A field on a server.
#[derive(Debug)]
pub struct Hashicorp {
    place: Place,
    login: Login,
    fetch: Arc<dyn Fetch>,
    /// The token that a role got, until it ends.
    token: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    value: Secret,
    until: Option<Instant>,
}

/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(10);
/// The most characters of a server's words that are shown.
const MOST_SAID: usize = 200;

impl Hashicorp {
    /// The field at `place`, for who logs in with `login`.
    pub fn new(place: Place, login: Login, fetch: Arc<dyn Fetch>) -> Self {
        Self { place, login, fetch, token: Mutex::new(None) }
    }

    fn send(
        &self,
        method: &'static str,
        path: &str,
        token: Option<Secret>,
        body: Secret,
    ) -> Result<Answer, SourceError> {
        let namespace =
            self.place.namespace.as_ref().map(|name| ("x-vault-namespace", Secret::new(name.clone().into())));
        // Without it a proxy that serves the wrong host could be made to answer; agents of the servers ask for it.
        let marker = ("x-vault-request", Secret::new(b"true".to_vec()));
        let token = token.map(|token| ("x-vault-token", token));
        let headers = std::iter::once(marker).chain(namespace).chain(token).collect();
        let Place { server, ca, .. } = &self.place;
        let request = Request { server, method, path, headers, body, ca: ca.as_deref() };
        self.fetch.fetch(&request).map_err(|source| SourceError::Server { server: server.clone(), source })
    }

    /// A token, and whether it was kept from before.
    fn token(&self) -> Result<(Secret, bool), SourceError> {
        let copy = |secret: &Secret| Secret::new(secret.expose().to_vec());
        let (role, secret_id) = match &self.login {
            Login::Token(token) => return Ok((copy(token), false)),
            Login::AppRole { role, secret_id } => (role, secret_id),
        };
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        let lives = |token: &&Token| token.until.is_none_or(|until| Instant::now() < until);
        if let Some(token) = kept.as_ref().filter(lives) {
            return Ok((copy(&token.value), true));
        }
        let asked = Instant::now();
        let answer = self.send("POST", "/v1/auth/approle/login", None, answer::login(role, secret_id)?)?;
        let LoginAnswer { token, seconds } = match answer.status {
            200 => answer::token(answer.body.expose()).ok_or_else(|| self.unreadable())?,
            _ => return Err(self.refused(&answer)),
        };
        let until = (seconds > 0).then(|| asked + Duration::from_secs(seconds).saturating_sub(MARGIN));
        let value = copy(&token);
        *kept = Some(Token { value: token, until });
        Ok((value, false))
    }

    fn read(&self, token: Secret) -> Result<Answer, SourceError> {
        let Place { mount, path, version, .. } = &self.place;
        let path = if *version == 1 { format!("/v1/{mount}/{path}") } else { format!("/v1/{mount}/data/{path}") };
        self.send("GET", &path, Some(token), Secret::new(Vec::new()))
    }

    fn refused(&self, answer: &Answer) -> SourceError {
        let words: String = answer::errors(answer.body.expose()).chars().take(MOST_SAID).collect();
        SourceError::Refused { server: self.place.server.clone(), status: answer.status, words }
    }

    fn unreadable(&self) -> SourceError {
        let source = io::Error::other("its answer cannot be read");
        SourceError::Server { server: self.place.server.clone(), source }
    }
}

impl Source for Hashicorp {
    fn title(&self) -> String {
        format!("`{}/{}` of {}", self.place.mount, self.place.path, self.place.server)
    }

    fn fetch(&self, key: &Key) -> Result<Secret, SourceError> {
        let (token, was_kept) = self.token()?;
        let mut answer = self.read(token)?;
        if answer.status == 403 && was_kept {
            // It was taken back: once anew.
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
            answer = self.read(self.token()?.0)?;
        }
        let name = self.place.key.as_deref().unwrap_or(key.name.as_str());
        let missing = || SourceError::Missing { name: name.to_owned(), place: self.title() };
        let value = match answer.status {
            200 => answer::field(answer.body.expose(), self.place.version, name),
            404 => return Err(missing()),
            _ => return Err(self.refused(&answer)),
        };
        let value = value.map_err(|()| self.unreadable())?.ok_or_else(missing)?;
        check(&value)?;
        Ok(value)
    }
}

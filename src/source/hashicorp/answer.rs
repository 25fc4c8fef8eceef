//! What is said to the server and read from it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::source::SourceError;

/// What a login gives.
pub(super) struct Login {
    pub(super) token: Secret,
    /// How long it lives; 0 for ever.
    pub(super) seconds: u64,
}

/// The body of a login as `role`.
pub(super) fn login(role: &str, secret_id: &Secret) -> Result<Secret, SourceError> {
    let secret_id = std::str::from_utf8(secret_id.expose()).map_err(|_| SourceError::SecretId)?;
    // Quoted by the JSON writer; room for every escape, so that no copy is left behind.
    let mut body = Zeroizing::new(Vec::with_capacity(64 + 6 * (role.len() + secret_id.len())));
    body.extend_from_slice(b"{\"role_id\":");
    // Writing a text to memory cannot fail.
    let _ = serde_json::to_writer(&mut *body, role);
    body.extend_from_slice(b",\"secret_id\":");
    let _ = serde_json::to_writer(&mut *body, secret_id);
    body.push(b'}');
    Ok(Secret::new(std::mem::take(&mut *body)))
}

/// The token of a login's answer.
pub(super) fn token(body: &[u8]) -> Option<Login> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        auth: Auth<'a>,
    }
    #[derive(Deserialize)]
    struct Auth<'a> {
        // Tokens have no character that JSON escapes.
        client_token: &'a str,
        #[serde(default)]
        lease_duration: u64,
    }
    let Whole { auth } = serde_json::from_slice(body).ok()?;
    Some(Login { token: Secret::new(auth.client_token.into()), seconds: auth.lease_duration })
}

/// The field `name` of a secret: a text as it is, a number or truth value as JSON writes it. `Err` where the answer is none
/// of this protocol, or the field is a list or an object.
pub(super) fn field(body: &[u8], version: u8, name: &str) -> Result<Option<Secret>, ()> {
    #[derive(Deserialize)]
    struct One<'a> {
        #[serde(borrow)]
        data: Fields<'a>,
    }
    #[derive(Deserialize)]
    struct Two<'a> {
        #[serde(borrow)]
        data: Inner<'a>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        // Null where the current version was deleted.
        #[serde(borrow)]
        data: Option<Fields<'a>>,
    }
    type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;
    let fields = match version {
        1 => serde_json::from_slice::<One<'_>>(body).map(|one| one.data).map_err(drop)?,
        _ => serde_json::from_slice::<Two<'_>>(body).map(|two| two.data.data.unwrap_or_default()).map_err(drop)?,
    };
    let Some(raw) = fields.get(name).map(|raw| raw.get()) else { return Ok(None) };
    match raw.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<&str>(raw) {
            Ok(text) => Ok(Some(Secret::new(text.into()))),
            Err(_) => serde_json::from_str::<String>(raw).map(|text| Some(Secret::new(text.into()))).map_err(drop),
        },
        Some(b'{' | b'[') => Err(()),
        _ if raw == "null" => Ok(None),
        _ => Ok(Some(Secret::new(raw.into()))),
    }
}

/// What the server says of an error: `permission denied`.
pub(super) fn errors(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Whole {
        errors: Vec<String>,
    }
    let errors = serde_json::from_slice(body).map(|Whole { errors }| errors).unwrap_or_default();
    errors.iter().map(|error| error.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
}

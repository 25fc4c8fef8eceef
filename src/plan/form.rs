//! Placeholders that clients look into: JSON web tokens.
//!
//! Codex reads the claims of its own tokens: who the account is, which plan it has, when to refresh. Those are kept, a far
//! end is put in, and everything else that tells of the user is left out. The signature is random.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::secret::{Alphabet, Shape};

/// 2096-10-02: no client refreshes before it, and 32-bit readers still take it for a time.
pub(super) const FAR_SECONDS: u64 = 4_000_000_000;

/// Claims that clients read, none of which is a secret.
const KEPT: [&str; 4] = ["aud", "iss", "iat", "scp"];

/// The claim that holds OpenAI's account facts, and those that Codex reads.
const ACCOUNT: &str = "https://api.openai.com/auth";
const ACCOUNT_KEPT: [&str; 3] = ["chatgpt_account_id", "chatgpt_plan_type", "chatgpt_user_id"];

/// Prefixes of tokens that are never injected and that clients look at, all public knowledge.
const PREFIXES: [&str; 1] = ["sk-ant-ort01-"];

/// The shape of a placeholder for a value of no known credential: with its prefix where that is public.
pub(super) fn plain_shape(original: &[u8]) -> Shape {
    let prefix = PREFIXES.iter().find(|prefix| original.starts_with(prefix.as_bytes()));
    prefix.map_or_else(Shape::unknown, |prefix| Shape {
        prefix: (*prefix).into(),
        alphabet: Alphabet::Base64Url,
        length: 95,
        tail: String::new(),
    })
}

/// The shape of a token like `original`; `None` where that is no JSON web token.
pub(super) fn token_shape(original: &[u8]) -> Option<Shape> {
    let claims = claims(original)?;
    let mut kept: Map<String, Value> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone()))).collect();
    kept.insert("exp".into(), FAR_SECONDS.into());
    if let Some(Value::Object(account)) = claims.get(ACCOUNT) {
        let facts = ACCOUNT_KEPT.iter().filter_map(|name| Some(((*name).to_owned(), account.get(*name)?.clone())));
        kept.insert(ACCOUNT.into(), Value::Object(facts.collect()));
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let prefix = format!("{}.{}.", encode(&header), encode(&Value::Object(kept)));
    Some(Shape { prefix, alphabet: Alphabet::Base64Url, length: 43, tail: String::new() })
}

/// The claims of a token; no signature is checked, since nothing is believed.
fn claims(token: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(token).ok()?;
    let mut parts = text.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_clients_read_and_nothing_else() {
        let original = json!({
            "email": "ann@example.com", "exp": 1, "sub": "user-1", "iss": "https://auth.openai.com",
            ACCOUNT: {"chatgpt_account_id": "acc", "chatgpt_plan_type": "plus", "organizations": [{"title": "Ann's"}]},
        });
        let token = format!("eyJhbGciOiJub25lIn0.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(original.to_string()));
        let shape = token_shape(token.as_bytes()).unwrap();
        let claims = claims(format!("{}x", shape.prefix).as_bytes()).unwrap();
        assert_eq!(
            Value::Object(claims),
            json!({
                "iss": "https://auth.openai.com", "exp": FAR_SECONDS,
                ACCOUNT: {"chatgpt_account_id": "acc", "chatgpt_plan_type": "plus"},
            })
        );
    }

    #[test]
    fn other_texts_have_no_such_shape() {
        for text in ["", "opaque", "a.b", "a.b.c", "a.W10.c", "\u{e9}.x.y"] {
            assert_eq!(token_shape(text.as_bytes()), None, "{text}");
        }
    }
}

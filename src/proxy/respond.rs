//! Answers that the broker gives itself: problem details (RFC 9457) with `Proxy-Status` (RFC 9209).
//!
//! **Invariants.** No text here holds a value: it is made of names, codes and what the request itself said.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, PROXY_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::answer::Answer;
use super::refusal::Refused;

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// The answer to a refused request.
pub(super) fn refusal(refused: &Refused, method: &Method) -> Response<Answer> {
    let body = json!({
        "type": format!("urn:agentsecrets:problem:{}", refused.code),
        "title": refused.status.canonical_reason().unwrap_or("Refused"),
        "status": refused.status.as_u16(),
        "code": refused.code,
        "detail": refused.sentence,
        "hint": refused.hint,
    });
    let mut response = problem(refused.status, format!("{body:#}\n"), method);
    let details: String = refused
        .sentence
        .chars()
        .map(
            |character| {
                if matches!(character, ' '..='~') && character != '"' && character != '\\' { character } else { '?' }
            },
        )
        .collect();
    let status = format!("agentsecrets; error={}; details=\"{details}\"", refused.error);
    insert(response.headers_mut(), PROXY_STATUS, &status);
    response
}

/// The answer to a request without this run's token (RFC 9110 §15.5.8); the connection stays open for another try.
pub(super) fn token_wanted(method: &Method) -> Response<Answer> {
    let body = json!({
        "type": "urn:agentsecrets:problem:proxy_token",
        "title": "Proxy Authentication Required",
        "status": 407,
        "code": "proxy_token",
        "detail": "this proxy serves one run of agentsecrets, and the request does not carry that run's token",
        "hint": "use the proxy URL from HTTPS_PROXY as it stands, with its user and password",
    });
    let mut response = problem(StatusCode::PROXY_AUTHENTICATION_REQUIRED, format!("{body:#}\n"), method);
    insert(response.headers_mut(), PROXY_AUTHENTICATE, "Basic realm=\"agentsecrets\"");
    insert(response.headers_mut(), PROXY_STATUS, "agentsecrets; error=http_request_denied");
    response
}

fn problem(status: StatusCode, body: String, method: &Method) -> Response<Answer> {
    let length = body.len();
    let body = if *method == Method::HEAD { Answer::Empty } else { Answer::whole(Bytes::from(body)) };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    insert(headers, CONTENT_TYPE, "application/problem+json");
    insert(headers, CACHE_CONTROL, "no-store");
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_refusal_names_code_sentence_and_mend() {
        let refused = Refused {
            hint: Some("agentsecrets run --allow x -- ...".into()),
            ..Refused::malformed("a \"quoted\"\nline with `ticks`")
        };
        let response = refusal(&refused, &Method::GET);
        assert_eq!(
            response.headers()["proxy-status"],
            "agentsecrets; error=http_request_error; details=\"a ?quoted??line with `ticks`\""
        );
        let length = response.headers()[CONTENT_LENGTH].clone();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(length, body.len().to_string());
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], "malformed_request");
        assert_eq!(body["hint"], "agentsecrets run --allow x -- ...");
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let response = token_wanted(&Method::HEAD);
        assert_eq!(response.status(), 407);
        assert!(response.headers().contains_key(PROXY_AUTHENTICATE));
        assert_ne!(response.headers()[CONTENT_LENGTH], "0");
        assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

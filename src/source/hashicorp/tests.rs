//! The protocol against a server of our own making, which says what it got; a real one stands in the integration tests.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::conformance::{self, key};
use super::*;

/// What a server does with a request: status and body.
type Acts = dyn Fn(&str, &str, &BTreeMap<&str, String>, &str) -> (u16, String) + Send + Sync;

struct Server(Box<Acts>);

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Server")
    }
}

impl Fetch for Server {
    fn fetch(&self, request: &Request<'_>) -> io::Result<Answer> {
        let text = |secret: &Secret| String::from_utf8(secret.expose().to_vec()).unwrap();
        assert_eq!(request.server, "vault.example:8200");
        let headers = request.headers.iter().map(|(name, value)| (*name, text(value))).collect();
        let (status, body) = (self.0)(request.method, request.path, &headers, &text(&request.body));
        Ok(Answer { status, body: Secret::new(body.into()) })
    }
}

fn place(version: u8, field: Option<&str>) -> Place {
    Place {
        server: "vault.example:8200".into(),
        mount: "secret".into(),
        path: "team/service".into(),
        key: field.map(str::to_owned),
        version,
        namespace: None,
        ca: None,
    }
}

fn with_token(place: Place, acts: Box<Acts>) -> Hashicorp {
    Hashicorp::new(place, Login::Token(Secret::new(b"s.token".to_vec())), Arc::new(Server(acts)))
}

/// A field of what the server answers.
fn fetch(version: u8, field: &str, status: u16, body: &str) -> Result<String, SourceError> {
    let body = body.to_owned();
    let source = with_token(place(version, Some(field)), Box::new(move |_, _, _, _| (status, body.clone())));
    source.fetch(&key("w", "KEY")).map(|value| String::from_utf8(value.expose().to_vec()).unwrap())
}

#[test]
fn conforms() {
    // Bytes that are no text cannot be kept by such a server: they are left to the other sources.
    conformance::source_of_text(&|values| {
        let texts = values.iter().map(|(name, value)| ((*name).to_owned(), std::str::from_utf8(value).unwrap().into()));
        let fields: serde_json::Map<String, serde_json::Value> = texts.collect();
        let body = json!({ "data": { "data": fields, "metadata": { "version": 3 } } }).to_string();
        Box::new(with_token(place(2, None), Box::new(move |_, _, _, _| (200, body.clone()))))
    });
}

#[test]
fn asks_as_each_version_is_asked() {
    for (version, path, body) in [
        (1, "/v1/secret/team/service", json!({ "data": { "KEY": "value" } })),
        (2, "/v1/secret/data/team/service", json!({ "data": { "data": { "KEY": "value" } } })),
    ] {
        let answer = body.to_string();
        let acts = move |method: &str, asked: &str, headers: &BTreeMap<&str, String>, _: &str| {
            assert_eq!((method, asked), ("GET", path));
            assert_eq!(headers["x-vault-token"], "s.token");
            assert_eq!(headers["x-vault-namespace"], "team-a");
            (200, answer.clone())
        };
        let place = Place { namespace: Some("team-a".into()), ..place(version, None) };
        assert_eq!(with_token(place, Box::new(acts)).fetch(&key("w", "KEY")).unwrap().expose(), b"value");
    }
}

#[test]
fn fields_are_texts_numbers_or_truth_values() {
    let body = r#"{"data":{"data":{"t":"a\"b\u00e9","n":42,"b":true,"o":{"x":1},"z":null,"e":""}}}"#;
    assert_eq!(fetch(2, "t", 200, body).unwrap(), "a\"b\u{e9}");
    assert_eq!(fetch(2, "n", 200, body).unwrap(), "42");
    assert_eq!(fetch(2, "b", 200, body).unwrap(), "true");
    for missing in ["z", "x"] {
        assert!(matches!(fetch(2, missing, 200, body), Err(SourceError::Missing { .. })), "{missing}");
    }
    assert!(matches!(fetch(2, "e", 200, body), Err(SourceError::Empty)));
    assert!(matches!(fetch(2, "o", 200, body), Err(SourceError::Server { .. })));
    assert!(matches!(fetch(2, "t", 200, r#"{"data":{"data":null}}"#), Err(SourceError::Missing { .. })));
    for unreadable in ["", "<html>", "{}", r#"{"data":[]}"#] {
        assert!(matches!(fetch(2, "t", 200, unreadable), Err(SourceError::Server { .. })), "{unreadable}");
    }
}

#[test]
fn each_refusal_has_its_words() {
    let error = fetch(2, "t", 403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#).unwrap_err();
    assert_eq!(error.to_string(), "vault.example:8200 answered 403: 1 error occurred: * permission denied");
    assert!(error.hint().is_some());
    let error = fetch(2, "t", 503, "sealed").unwrap_err();
    assert_eq!(error.to_string(), "vault.example:8200 answered 503");
    assert!(matches!(fetch(2, "t", 404, r#"{"errors":[]}"#), Err(SourceError::Missing { .. })));
    // A standby that sends its clients elsewhere is not followed.
    assert!(matches!(fetch(2, "t", 307, ""), Err(SourceError::Refused { status: 307, .. })));
}

#[test]
fn a_role_logs_in_once_and_again_when_its_token_was_taken_back() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let said = Arc::clone(&log);
    let acts = move |method: &str, path: &str, headers: &BTreeMap<&str, String>, body: &str| {
        let mut log = said.lock().unwrap();
        let logins = log.iter().filter(|line: &&String| line.starts_with("POST")).count();
        log.push(format!("{method} {path}"));
        if path == "/v1/auth/approle/login" {
            let wanted = json!({ "role_id": "role-1", "secret_id": "the \"secret\" id" });
            assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), wanted);
            assert!(!headers.contains_key("x-vault-token"));
            let answer = json!({ "auth": { "client_token": format!("token-{}", logins + 1), "lease_duration": 3600 } });
            return (200, answer.to_string());
        }
        // The first token is good for two requests.
        match (headers["x-vault-token"].as_str(), log.len()) {
            ("token-1", length) if length > 3 => (403, r#"{"errors":["permission denied"]}"#.into()),
            _ => (200, json!({ "data": { "data": { "KEY": "value" } } }).to_string()),
        }
    };
    let login = Login::AppRole { role: "role-1".into(), secret_id: Secret::new(b"the \"secret\" id".to_vec()) };
    let source = Hashicorp::new(place(2, None), login, Arc::new(Server(Box::new(acts))));
    for _ in 0..3 {
        assert_eq!(source.fetch(&key("w", "KEY")).unwrap().expose(), b"value");
    }
    let (login, read) = ("POST /v1/auth/approle/login", "GET /v1/secret/data/team/service");
    assert_eq!(*log.lock().unwrap(), [login, read, read, read, login, read]);
    let shown = format!("{source:?}");
    assert!(!shown.contains("secret\" id") && !shown.contains("token-"), "{shown}");
}

#[test]
fn a_login_that_is_refused_is_told() {
    let acts = |_: &str, _: &str, _: &BTreeMap<&str, String>, _: &str| {
        (400, r#"{"errors":["invalid role or secret ID"]}"#.into())
    };
    let login = Login::AppRole { role: "r".into(), secret_id: Secret::new(b"the-secret-id".to_vec()) };
    let source = Hashicorp::new(place(2, None), login, Arc::new(Server(Box::new(acts))));
    let error = source.fetch(&key("w", "KEY")).unwrap_err();
    assert_eq!(error.to_string(), "vault.example:8200 answered 400: invalid role or secret ID");
    assert!(!format!("{error:?}").contains("the-secret-id"));
}

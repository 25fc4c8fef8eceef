//! Why a request is not sent on: what the child, the log and the user are told.

use http::StatusCode;

use super::Redactor;
use super::request_body::Ungathered;
use crate::policy::{Authority, PathError, Verdict};
use crate::secret::SecretName;

/// A refusal, ready to be shown. Holds no value, ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Stable, for programs.
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    /// RFC 9209 §2.3: the error type in `Proxy-Status`.
    pub(super) error: &'static str,
    /// One sentence for people.
    pub(super) sentence: String,
    /// What to type so that it works, where anything would.
    pub(super) hint: Option<String>,
}

impl Refused {
    /// The same with `{NAME}` for each value that stands in its texts: they quote what the child or upstream sent.
    pub(super) fn named(&self, redactor: &Redactor) -> Self {
        let named = |text: &String| redactor.named(text).into_owned();
        Self { sentence: named(&self.sentence), hint: self.hint.as_ref().map(named), ..*self }
    }

    fn denied(code: &'static str, sentence: String, hint: Option<String>) -> Self {
        Self { code, status: StatusCode::FORBIDDEN, error: "http_request_denied", sentence, hint }
    }

    /// The request contradicts itself, or cannot be read in one way only.
    pub(super) fn malformed(sentence: impl Into<String>) -> Self {
        Self {
            code: "malformed_request",
            status: StatusCode::BAD_REQUEST,
            error: "http_request_error",
            sentence: sentence.into(),
            hint: None,
        }
    }

    /// The head is longer than this proxy reads.
    pub(super) fn too_large() -> Self {
        Self {
            code: "head_too_large",
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ..Self::malformed("the head of the request is too large")
        }
    }

    /// The body that a value may be put into cannot be read whole.
    pub(super) fn ungathered(why: Ungathered, most: usize) -> Self {
        match why {
            Ungathered::Broken => Self::malformed("the body broke off"),
            Ungathered::Spent => Self::spent(),
            Ungathered::TooLarge => Self {
                code: "body_too_large",
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Self::malformed(format!("a body that a secret may be put into holds at most {} MiB", most >> 20))
            },
        }
    }

    /// The run's bodies hold as much memory as they may.
    pub(super) fn spent() -> Self {
        Self {
            code: "memory_spent",
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "proxy_internal_error",
            sentence: "the bodies of this run hold as much memory as they may".into(),
            hint: Some("read or close answers that are under way, then ask again".into()),
        }
    }

    /// The names of connection and request differ (RFC 9110 §15.5.20).
    pub(super) fn misdirected(connection: &Authority, request: &str) -> Self {
        Self {
            code: "misdirected_request",
            status: StatusCode::MISDIRECTED_REQUEST,
            error: "http_request_denied",
            sentence: format!("the connection is for `{connection}`, the request for `{}`", request.escape_debug()),
            hint: None,
        }
    }

    /// A base-URL route without proof that the request is this run's.
    pub(super) fn route(service: &str) -> Self {
        Self::denied(
            "route_proof",
            format!("a request to the route of `{service}` must carry this run's placeholder for it, and does not"),
            Some("send the key as the run's variable holds it, in the header that the service takes".into()),
        )
    }

    /// Egress policy says no.
    pub(super) fn egress(verdict: Verdict, authority: &Authority) -> Self {
        match verdict {
            Verdict::Port => Self::denied(
                "port_not_allowed",
                format!("port {} of `{}` is not open for this run", authority.port, authority.host),
                Some(format!("agentsecrets run --allow {authority} -- ...")),
            ),
            _ => Self::denied(
                "host_not_allowed",
                format!("`{}` is not on this run's allowlist", authority.host),
                Some(format!("agentsecrets run --allow {} -- ...", short(authority))),
            ),
        }
    }

    /// A loopback target where the child's own loopback cannot be reached.
    pub(super) fn loopback(authority: &Authority) -> Self {
        Self::denied(
            "loopback_not_open",
            format!("`{authority}` is a loopback address that the broker does not dial"),
            Some(format!("agentsecrets run --loopback {} -- ...", authority.port)),
        )
    }

    /// The path has more than one reading.
    pub(super) fn path(error: &PathError) -> Self {
        Self { code: "ambiguous_path", ..Self::malformed(format!("the path {error}")) }
    }

    /// The path would mint a token that the child could read (S7).
    pub(super) fn token_endpoint(authority: &Authority, path: &str) -> Self {
        Self::denied(
            "token_endpoint",
            format!("`{}{}` hands out tokens, which this run may not read", authority.host, path.escape_debug()),
            Some("log in outside the run, then start it again".into()),
        )
    }

    /// No rule of the secret covers this method and path.
    pub(super) fn rule(name: &SecretName, method: &str, path: &str) -> Self {
        Self::denied(
            "rule_not_matched",
            format!("`{name}` may not be used for `{} {}`", method.escape_debug(), path.escape_debug()),
            Some(format!("add the request to `rules` of [secrets.{name}] in agentsecrets.toml")),
        )
    }

    /// The secret may not travel without TLS (S3).
    pub(super) fn plaintext(name: &SecretName, authority: &Authority) -> Self {
        Self::denied(
            "plaintext",
            format!("`{name}` may not be sent to `{}` over plaintext http", authority.host),
            Some(format!("use https, or write `plaintext = true` below [secrets.{name}] in your own policy file")),
        )
    }

    /// A placeholder stands where it is not swapped, and the user asked that this be refused.
    pub(super) fn stray(name: &SecretName, authority: &Authority) -> Self {
        Self::denied(
            "stray_placeholder",
            format!("the placeholder of `{name}` stands where `{}` does not take it", authority.host),
            Some(format!("agentsecrets secrets bind {name} --host {}", short(authority))),
        )
    }

    /// The value holds bytes that a header cannot carry, or a colon in a Basic user.
    pub(super) fn unusable(name: &SecretName) -> Self {
        Self {
            code: "unusable_value",
            status: StatusCode::BAD_GATEWAY,
            error: "proxy_configuration_error",
            sentence: format!("the value of `{name}` is empty or cannot stand in this header"),
            hint: Some(format!("look for a line break or space in the source of `{name}` and store it again")),
        }
    }

    /// The value is fetched when it is used, and its source gave none. Why is for the user to read: the words of a source
    /// are not the child's.
    pub(super) fn unfetched(name: &SecretName) -> Self {
        Self {
            code: "value_not_fetched",
            status: StatusCode::BAD_GATEWAY,
            error: "proxy_configuration_error",
            sentence: format!("the value of `{name}` cannot be fetched from its source"),
            hint: Some("see what agentsecrets says on its own terminal, or `agentsecrets log show`".into()),
        }
    }

    /// The value has changed too often to be looked for in what comes back.
    pub(super) fn restless(name: &SecretName) -> Self {
        Self {
            code: "value_changes",
            sentence: format!("the value of `{name}` has changed too often in this run"),
            hint: Some(format!("let it be used longer: `cache = \"run\"` in [secrets.{name}]")),
            ..Self::unfetched(name)
        }
    }

    /// The log cannot be written, so nothing is sent (L4).
    pub(super) fn log() -> Self {
        Self {
            code: "log_broken",
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "proxy_internal_error",
            sentence: "the audit log cannot be written, so nothing is sent".into(),
            hint: Some("make room on the disk that holds the state directory and start the run again".into()),
        }
    }

    /// The target said 101 without the proof that it speaks WebSocket.
    pub(super) fn handshake(authority: &Authority) -> Self {
        Self {
            code: "websocket_handshake",
            status: StatusCode::BAD_GATEWAY,
            error: "http_upgrade_failed",
            sentence: format!("`{}` did not complete the WebSocket handshake", authority.host),
            hint: None,
        }
    }

    /// The target said 101 to a request that asked for no upgrade.
    pub(super) fn unasked(authority: &Authority) -> Self {
        Self {
            code: "unasked_upgrade",
            status: StatusCode::BAD_GATEWAY,
            error: "http_protocol_error",
            sentence: format!("`{}` switched protocols without being asked", authority.host),
            hint: None,
        }
    }

    /// The answer is in a transfer coding that hides its body.
    pub(super) fn transfer_coded(authority: &Authority) -> Self {
        Self {
            code: "encoded_response",
            status: StatusCode::BAD_GATEWAY,
            error: "http_response_transfer_coding",
            sentence: format!("`{}` answered in a transfer coding that cannot be scanned", authority.host),
            hint: None,
        }
    }

    /// The answer cannot be scanned: `how` it came. `secret` is the one whose binding wants it scanned.
    pub(super) fn unscanned(secret: Option<&SecretName>, authority: &Authority, how: &str) -> Self {
        Self {
            code: "encoded_response",
            status: StatusCode::BAD_GATEWAY,
            error: "http_response_content_coding",
            sentence: format!("`{}` answered {how}, and that cannot be scanned for values", authority.host),
            hint: secret.map(|name| scan_hint(name, "off", "to let such answers pass")),
        }
    }

    /// A part of an answer is asked for where the binding of `secret` says `strict`.
    pub(super) fn range(secret: Option<&SecretName>, authority: &Authority) -> Self {
        Self::denied(
            "range_not_scanned",
            format!("a part of an answer of `{}` could hold half a value: ask for the whole", authority.host),
            secret.map(|name| scan_hint(name, "on", "to get the whole in place of the part")),
        )
    }

    /// The target gave a part where the binding of `secret` says `strict`.
    pub(super) fn part(secret: Option<&SecretName>, authority: &Authority) -> Self {
        Self {
            code: "partial_response",
            status: StatusCode::BAD_GATEWAY,
            error: "http_protocol_error",
            sentence: format!("`{}` gave a part of an answer, which could hold half a value", authority.host),
            hint: secret.map(|name| scan_hint(name, "on", "to let it pass")),
        }
    }
}

fn scan_hint(secret: &SecretName, scan: &str, why: &str) -> String {
    format!("{why}, write `scan = \"{scan}\"` below [secrets.{secret}] in your own policy file")
}

/// The host, with its port where that is not 443.
fn short(authority: &Authority) -> String {
    match authority.port {
        443 => authority.host.to_string(),
        _ => authority.to_string(),
    }
}

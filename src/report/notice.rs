//! Notices of the broker as one line each, with the flag that would open what was refused.

use super::plain;
use crate::policy;
use crate::proxy::Notice;

/// One line for the user.
pub fn notice(notice: &Notice) -> String {
    let text = match notice {
        Notice::HostRefused { authority } => {
            format!("refused {authority}: not on the allowlist; `--allow {}` opens it", target(authority))
        }
        Notice::PortRefused { authority } => {
            format!("refused {authority}: port {} is not open; `--allow {authority}` opens it", authority.port)
        }
        Notice::AddressRefused { authority, why, opens_when_named: true } => {
            format!("refused {authority}: {why}; `--allow {authority}` opens it")
        }
        Notice::AddressRefused { authority, why, .. } => format!("refused {authority}: {why}"),
        Notice::HandshakeFailed { authority, reason, program } => {
            let variable = policy::trust_rules().roots_variable(program.as_deref());
            let program = program.as_deref().map_or_else(|| "a program".into(), plain);
            format!(
                "{program} did not accept the run's certificate for {authority} ({reason}): the run names its roots in \
                 {variable}; let nothing in its settings or start-up files name others"
            )
        }
        Notice::UpstreamFailed { authority, reason } => format!("no answer from {authority}: {reason}"),
        Notice::FetchFailed { secret, reason } => format!("cannot fetch the value of {secret}: {}", plain(reason)),
        Notice::Inert { secret, authority } => {
            format!("the placeholder of {secret} went to {authority}, where it is worthless: it is not bound there")
        }
    };
    format!("agentsecrets: {text}")
}

fn target(authority: &policy::Authority) -> String {
    if authority.port == 443 { authority.host.to_string() } else { authority.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Authority;

    #[test]
    fn a_failed_handshake_names_program_and_variable() {
        let text = |program: Option<&str>| {
            let (authority, reason) = (Authority::parse("a.example:443", None).unwrap(), "UnknownCA".into());
            notice(&Notice::HandshakeFailed { authority, reason, program: program.map(Into::into) })
        };
        for (program, variable) in [
            (Some("claude"), "NODE_EXTRA_CA_CERTS"),
            (Some("codex"), "CODEX_CA_CERTIFICATE"),
            (Some("python3.12"), "SSL_CERT_FILE"),
            (Some("git-remote-http"), "GIT_SSL_CAINFO"),
            (Some("java"), "JAVA_TOOL_OPTIONS"),
            (Some("unheard-of"), "SSL_CERT_FILE"),
            (None, "SSL_CERT_FILE"),
        ] {
            let text = text(program);
            assert!(text.contains(variable) && text.contains(program.unwrap_or("a program")), "{text}");
        }
    }

    #[test]
    fn a_refusal_names_the_flag_that_opens() {
        let authority = Authority::parse("db.example:5432", None).unwrap();
        let text = notice(&Notice::PortRefused { authority });
        assert!(text.contains("`--allow db.example:5432`"), "{text}");
        let authority = Authority::parse("db.example:443", None).unwrap();
        let text = notice(&Notice::HostRefused { authority });
        assert!(text.contains("`--allow db.example`"), "{text}");
        for (opens_when_named, expected) in [(true, "; `--allow 10.0.0.1:80` opens it"), (false, "private")] {
            let authority = Authority::parse("10.0.0.1:80", None).unwrap();
            let text = notice(&Notice::AddressRefused { authority, why: "private".into(), opens_when_named });
            assert!(text.ends_with(expected), "{text}");
        }
    }
}

//! Notices of the broker as one line each, with the flag that would open what was refused.

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
        Notice::AddressRefused { authority, why } => format!("refused {authority}: {why}"),
        Notice::HandshakeFailed { authority, reason } => format!(
            "a program did not accept the run's certificate for {authority} ({reason}); \
             if it keeps roots of its own, point it to the file that SSL_CERT_FILE names"
        ),
        Notice::UpstreamFailed { authority, reason } => format!("no answer from {authority}: {reason}"),
        Notice::Inert { secret, authority } => {
            format!("the placeholder of {secret} went to {authority}, where it is worthless: it is not bound there")
        }
    };
    format!("agentsecrets: {text}")
}

fn target(authority: &crate::policy::Authority) -> String {
    if authority.port == 443 { authority.host.to_string() } else { authority.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Authority;

    #[test]
    fn a_refusal_names_the_flag_that_opens() {
        let authority = Authority::parse("db.example:5432", None).unwrap();
        let text = notice(&Notice::PortRefused { authority });
        assert!(text.contains("`--allow db.example:5432`"), "{text}");
        let authority = Authority::parse("db.example:443", None).unwrap();
        let text = notice(&Notice::HostRefused { authority });
        assert!(text.contains("`--allow db.example`"), "{text}");
    }
}

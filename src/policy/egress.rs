//! Where the child may send anything at all, secrets apart.

use serde::{Deserialize, Serialize};

use super::{Authority, Target};

/// What holds for a target that no line of policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultEgress {
    /// Any host on ports 80 and 443.
    #[default]
    Web,
    /// Only what is listed or bound.
    Allowlist,
}

/// The egress policy of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Egress {
    /// For targets not named below.
    pub default: DefaultEgress,
    /// Allowed by name; under `web` these add other ports and private addresses.
    pub allow: Vec<Target>,
    /// Allowed as under `web` (ports 80 and 443, public addresses) although the default is `allowlist`: the list of a
    /// file that may narrow and may not grant.
    pub web: Vec<Target>,
    /// Host loopback ports that the parent dials for the child (`--loopback`).
    pub loopback: Vec<u16>,
}

/// What egress policy says of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed by the default; private addresses stay forbidden.
    Web,
    /// Named by an entry: its addresses may be private, never metadata.
    Named,
    /// Refused: the host is not listed.
    Host,
    /// Refused: the port is not open for this host.
    Port,
}

impl Egress {
    /// Judges `authority`. Targets of bindings are to be in `allow` already.
    pub fn judge(&self, authority: &Authority) -> Verdict {
        if self.allow.iter().any(|target| target.matches(authority)) {
            return Verdict::Named;
        }
        let is_web_port = matches!(authority.port, 80 | 443);
        if is_web_port && self.web.iter().any(|target| target.matches(authority)) {
            return Verdict::Web;
        }
        match self.default {
            DefaultEgress::Web if is_web_port => Verdict::Web,
            DefaultEgress::Web => Verdict::Port,
            DefaultEgress::Allowlist if self.lists(&authority.host) => Verdict::Port,
            DefaultEgress::Allowlist => Verdict::Host,
        }
    }

    /// Whether `name` may be looked up: it may be reached on some port.
    pub fn may_resolve(&self, host: &super::Host) -> bool {
        self.default == DefaultEgress::Web || self.lists(host)
    }

    fn lists(&self, host: &super::Host) -> bool {
        self.allow.iter().chain(&self.web).any(|target| target.host.matches(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_by_entry_then_by_default() {
        use DefaultEgress::{Allowlist, Web};
        let judge = |default, text: &str| {
            let allow = vec![Target::parse("db.example:5432").unwrap()];
            let web = vec![Target::parse("narrow.example").unwrap()];
            Egress { default, allow, web, loopback: vec![] }.judge(&Authority::parse(text, None).unwrap())
        };
        assert_eq!(judge(Web, "a.example:443"), Verdict::Web);
        assert_eq!(judge(Web, "a.example:22"), Verdict::Port);
        assert_eq!(judge(Web, "db.example:5432"), Verdict::Named);
        assert_eq!(judge(Allowlist, "a.example:443"), Verdict::Host);
        assert_eq!(judge(Allowlist, "narrow.example:443"), Verdict::Web);
        assert_eq!(judge(Allowlist, "narrow.example:22"), Verdict::Port);
        assert_eq!(judge(Allowlist, "db.example:443"), Verdict::Port);
        assert_eq!(judge(Allowlist, "db.example:5432"), Verdict::Named);
    }
}

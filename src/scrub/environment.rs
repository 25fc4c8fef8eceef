//! The environment as the child gets it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::policy::TrustRules;

/// A child's environment that holds no real value. Only [`environment`] makes one.
#[derive(Clone, PartialEq, Eq)]
pub struct ScrubbedEnv(Vec<(OsString, OsString)>);

impl ScrubbedEnv {
    /// The variables, each name once, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The value of a variable.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.iter().find(|(known, _)| known == name.as_ref()).map(|(_, value)| value.as_os_str())
    }

    /// The variables as pairs, for the call that starts the child.
    pub fn pairs(&self) -> &[(OsString, OsString)] {
        &self.0
    }
}

/// Where the child finds what the run put up for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wiring {
    /// The proxy's URL, with the run's token; `None` leaves the proxy variables unset.
    pub proxy_url: Option<String>,
    /// The bundle of the user's roots and the run's certificate.
    pub bundle: Option<PathBuf>,
    /// The run's certificate alone.
    pub certificate: Option<PathBuf>,
    /// The wget start-up file that names the bundle.
    pub wgetrc: Option<PathBuf>,
    /// A directory with programs of ours, to be found before all others; not where PATH is unset.
    pub programs: Option<PathBuf>,
    /// The program that opens links.
    pub browser: Option<PathBuf>,
}

/// A raw environment without entries that have no `=` or no name, each name once: the first wins, as with `getenv`.
pub fn distinct(raw: &[(OsString, OsString)]) -> Vec<(&OsStr, &OsStr)> {
    let mut seen = HashSet::new();
    raw.iter()
        .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
        .filter(|(name, _)| !name.is_empty() && !name.as_bytes().contains(&b'=') && seen.insert(*name))
        .collect()
}

/// Joins what was decided for the child with the variables that lead its clients to the proxy and to the run's roots.
pub fn environment(decided: Vec<(OsString, OsString)>, wiring: &Wiring, rules: &TrustRules) -> ScrubbedEnv {
    let mut scrubbed = ScrubbedEnv(Vec::with_capacity(decided.len() + 48));
    let mut seen = HashSet::new();
    let taken = |name: &OsStr| [&rules.removed, &rules.proxy, &rules.no_proxy].iter().any(|list| holds(list, name));
    scrubbed.0.extend(decided.into_iter().filter(|(name, _)| !taken(name) && seen.insert(name.clone())));
    if let Some(url) = &wiring.proxy_url {
        scrubbed.set(&rules.proxy, OsStr::new(url));
        scrubbed.set(&rules.no_proxy, OsStr::new(&rules.no_proxy_hosts.join(",")));
    }
    for (names, path) in
        [(&rules.bundle, &wiring.bundle), (&rules.certificate, &wiring.certificate), (&rules.wgetrc, &wiring.wgetrc)]
    {
        if let Some(path) = path {
            scrubbed.set(names, path.as_os_str());
        }
    }
    if let Some(browser) = &wiring.browser {
        scrubbed.set(&["BROWSER".into()], browser.as_os_str());
    }
    if let (Some(programs), Some(path)) = (&wiring.programs, scrubbed.get("PATH")) {
        let path = [programs.as_os_str().as_bytes(), b":", path.as_bytes()].concat();
        scrubbed.set(&["PATH".into()], &OsString::from_vec(path));
    }
    for (name, value) in &rules.constants {
        scrubbed.set(std::slice::from_ref(name), OsStr::new(value));
    }
    scrubbed
}

fn holds(list: &[String], name: &OsStr) -> bool {
    list.iter().any(|known| name == known.as_str())
}

impl ScrubbedEnv {
    /// Sets each of `names`, in its place where it is set already.
    fn set(&mut self, names: &[String], value: &OsStr) {
        for name in names {
            match self.0.iter_mut().find(|(known, _)| known == name.as_str()) {
                Some((_, old)) => value.clone_into(old),
                None => self.0.push((OsString::from_vec(name.clone().into_bytes()), value.to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn rules() -> TrustRules {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        TrustRules {
            bundle: list(&["SSL_CERT_FILE"]),
            certificate: list(&["NODE_EXTRA_CA_CERTS"]),
            wgetrc: list(&["WGETRC"]),
            proxy: list(&["HTTPS_PROXY", "https_proxy"]),
            no_proxy: list(&["NO_PROXY", "no_proxy"]),
            no_proxy_hosts: list(&["localhost", "127.0.0.1", "::1"]),
            constants: vec![("NODE_USE_ENV_PROXY".into(), "1".into())],
            removed: list(&["ALL_PROXY"]),
            ..TrustRules::default()
        }
    }

    #[test]
    fn the_wiring_replaces_what_was_set_and_adds_the_rest() {
        let decided = pairs(&[
            ("A", "1"),
            ("HTTPS_PROXY", "http://corp:3128"),
            ("ALL_PROXY", "socks5://x"),
            ("SSL_CERT_FILE", "/old"),
            ("A", "2"),
        ]);
        let wiring = Wiring {
            proxy_url: Some("http://agentsecrets:token@127.0.0.1:4000".into()),
            bundle: Some("/run/bundle.pem".into()),
            ..Wiring::default()
        };
        let scrubbed = environment(decided, &wiring, &rules());
        let expected = pairs(&[
            ("A", "1"),
            ("SSL_CERT_FILE", "/run/bundle.pem"),
            ("HTTPS_PROXY", "http://agentsecrets:token@127.0.0.1:4000"),
            ("https_proxy", "http://agentsecrets:token@127.0.0.1:4000"),
            ("NO_PROXY", "localhost,127.0.0.1,::1"),
            ("no_proxy", "localhost,127.0.0.1,::1"),
            ("NODE_USE_ENV_PROXY", "1"),
        ]);
        assert_eq!(scrubbed.pairs(), expected);
        assert_eq!(scrubbed.get("NO_PROXY").unwrap(), "localhost,127.0.0.1,::1");
        assert_eq!(scrubbed.get("ALL_PROXY"), None);
    }

    #[test]
    fn without_a_proxy_none_is_named() {
        let scrubbed = environment(pairs(&[("HTTPS_PROXY", "http://corp:3128")]), &Wiring::default(), &rules());
        assert_eq!(scrubbed.pairs(), pairs(&[("NODE_USE_ENV_PROXY", "1")]));
    }

    #[test]
    fn our_programs_are_found_first() {
        let wiring = Wiring { programs: Some("/ours".into()), browser: Some("/ours/open".into()), ..Wiring::default() };
        let scrubbed = environment(pairs(&[("PATH", "/bin:"), ("BROWSER", "firefox")]), &wiring, &rules());
        assert_eq!(scrubbed.get("PATH").unwrap(), "/ours:/bin:");
        assert_eq!(scrubbed.get("BROWSER").unwrap(), "/ours/open");
        // Where programs are looked for without PATH is the system's to say.
        assert_eq!(environment(Vec::new(), &wiring, &rules()).get("PATH"), None);
    }

    #[test]
    fn names_are_distinct_and_the_first_wins() {
        let raw = pairs(&[("A", "1"), ("", "x"), ("B=C", "y"), ("A", "2"), ("D", "")]);
        let kept: Vec<_> = distinct(&raw).into_iter().map(|(name, value)| (name.to_str(), value.to_str())).collect();
        assert_eq!(kept, [(Some("A"), Some("1")), (Some("D"), Some(""))]);
    }

    #[test]
    fn the_shipped_rules_name_each_variable_once() {
        let scrubbed = environment(
            Vec::new(),
            &Wiring {
                proxy_url: Some("u".into()),
                bundle: Some("b".into()),
                certificate: Some("c".into()),
                wgetrc: Some("w".into()),
                ..Wiring::default()
            },
            crate::policy::trust_rules(),
        );
        for name in ["HTTP_PROXY", "https_proxy", "NO_PROXY", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "WGETRC"] {
            assert!(scrubbed.get(name).is_some(), "{name}");
        }
        let names: HashSet<_> = scrubbed.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), scrubbed.iter().len());
    }
}

//! Where a file says for which hosts its secrets are.
//!
//! **Invariants.** Only a file that no run can have written is asked (C3); of two answers to one question neither is
//! taken. A host is reached over https and is never this machine.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::mask::{Found, Place, Site};
use crate::policy::{self, Field, HostPlace, OwnAuthority, Target};

/// Where `kubectl` keeps the authority of a cluster, in PEM and in base64.
const AUTHORITY: &str = "certificate-authority-data";

/// What the file says beside its secrets.
#[derive(Default)]
pub(super) struct Hosts {
    may_grant: bool,
    /// Whether the child sees the file as it is rendered: only then a cluster's authority can give way to the run's.
    is_rendered: bool,
    /// Each text that a rule may ask for, by its pointer; `None` where two of them have the same.
    texts: BTreeMap<String, Option<String>>,
}

impl Hosts {
    /// Gathers what the rules of a file may ask for. `visit` shows every site.
    pub(super) fn of(
        found: &Found,
        fields: &[Field],
        is_rendered: bool,
        visit: impl FnOnce(&mut dyn FnMut(&Site<'_>)),
    ) -> Self {
        // Whoever holds another name of the file could write it there.
        let may_grant = found.may_grant && found.aliases.is_empty() && found.unseen_links == 0;
        let mut hosts = Self { may_grant, is_rendered, texts: BTreeMap::new() };
        let keys: Vec<&str> = fields.iter().filter_map(|field| field.host.as_ref()).flat_map(asked).collect();
        if may_grant && !keys.is_empty() {
            visit(&mut |site| hosts.note(site, &keys));
        }
        hosts
    }

    fn note(&mut self, site: &Site<'_>, keys: &[&str]) {
        let is_asked = site.place == Place::Value && keys.iter().any(|key| key.as_bytes() == site.key);
        let Some(text) = std::str::from_utf8(site.value).ok().filter(|_| is_asked) else { return };
        let one = |known: &mut Option<String>| {
            if known.as_deref() != Some(text) {
                *known = None;
            }
        };
        self.texts.entry(site.pointer.to_owned()).and_modify(one).or_insert_with(|| Some(text.to_owned()));
    }

    /// The hosts of a secret at `pointer`.
    pub(super) fn told(&self, field: &Field, pointer: &str) -> Vec<Target> {
        let Some(place) = field.host.as_ref().filter(|_| self.may_grant) else { return Vec::new() };
        match place {
            HostPlace::Key => key(&field.at, pointer).and_then(|host| server(&host)).into_iter().collect(),
            HostPlace::Beside(name) => {
                let beside = pointer.rfind('/').map(|at| format!("{}/{name}", &pointer[..at]));
                beside.and_then(|beside| server(self.text(&beside)?)).into_iter().collect()
            }
            HostPlace::Contexts => self.clusters(pointer).filter_map(server).collect(),
        }
    }

    /// The host of the URL that a secret stands in as its user or password.
    pub(super) fn of_url(&self, text: &[u8], secret: &std::ops::Range<usize>) -> Vec<Target> {
        let url = |start: usize| {
            let scheme = text.get(start.checked_sub(5)?..start)?;
            let rest = text.get(secret.end..)?.strip_prefix(b"@")?;
            let end = rest.iter().position(|byte| !is_authority(*byte)).unwrap_or(rest.len());
            let is_ended = matches!(rest.get(end), None | Some(b'/' | b'?' | b'#' | b' ' | b'"' | b'\''));
            let is_told = is_ended && scheme.eq_ignore_ascii_case(b"https");
            std::str::from_utf8(&rest[..end]).ok().filter(|_| is_told).and_then(server)
        };
        let start = memchr::memmem::rfind(&text[..secret.start], b"://").filter(|_| self.may_grant);
        start.and_then(url).into_iter().collect()
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.texts.get(pointer)?.as_deref()
    }

    /// The servers of `kubectl`'s clusters that a context joins with the user at `/users/N/…`.
    fn clusters(&self, pointer: &str) -> impl Iterator<Item = &str> {
        let index = pointer.strip_prefix("/users/").and_then(|rest| rest.split('/').next());
        let user = index.and_then(|index| self.text(&format!("/users/{index}/name")));
        let contexts = self.all("/contexts/", "/context/user").filter(move |(_, name)| Some(*name) == user);
        let clusters = contexts.filter_map(|(index, _)| self.text(&format!("/contexts/{index}/context/cluster")));
        let servers = clusters.flat_map(|cluster| {
            let of_name = self.all("/clusters/", "/name").filter(move |(_, name)| *name == cluster);
            of_name
                .filter(|(index, _)| self.is_within_reach(index))
                .filter_map(|(index, _)| self.text(&format!("/clusters/{index}/cluster/server")))
        });
        user.map(|_| servers).into_iter().flatten()
    }

    /// Whether `kubectl` can be made to trust the run and the broker to trust the cluster: not where the cluster's
    /// authority stands in another file, or its certificate is for another name.
    fn is_within_reach(&self, index: &str) -> bool {
        let has = |name: &str| self.texts.contains_key(&format!("/clusters/{index}/cluster/{name}"));
        let is_own = has(AUTHORITY) && (!self.is_rendered || self.certificates(index).is_none());
        !is_own && !has("certificate-authority") && !has("tls-server-name")
    }

    /// The certificates of the authority that a cluster has of its own.
    fn certificates(&self, index: &str) -> Option<Vec<Vec<u8>>> {
        let text = self.text(&format!("/clusters/{index}/cluster/{AUTHORITY}"))?;
        let pem = BASE64_STANDARD.decode(text.trim()).ok()?;
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let certificates: Vec<Vec<u8>> = parsed.ok()?.iter().map(|certificate| certificate.to_vec()).collect();
        (!certificates.is_empty()).then_some(certificates)
    }

    /// The cluster whose own authority stands at `pointer`, where secrets may go.
    pub(super) fn cluster_of(&self, pointer: &str) -> Option<OwnAuthority> {
        let index = pointer.strip_prefix("/clusters/")?.strip_suffix(AUTHORITY)?.strip_suffix("/cluster/")?;
        let target = server(self.text(&format!("/clusters/{index}/cluster/server"))?)?;
        let certificates = self.certificates(index).filter(|_| self.may_grant && self.is_within_reach(index))?;
        Some(OwnAuthority { target, certificates })
    }

    /// Every cluster that has an authority of its own.
    pub(super) fn clusters_of_their_own(&self) -> impl Iterator<Item = OwnAuthority> + '_ {
        self.texts.keys().filter_map(|pointer| self.cluster_of(pointer))
    }

    /// Every text at `beginning`, an index, `ending`, with its index.
    fn all<'a>(&'a self, beginning: &'a str, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts.iter().filter_map(move |(pointer, text)| {
            let index = pointer.strip_prefix(beginning)?.strip_suffix(ending)?;
            Some((index, text.as_deref()?)).filter(|_| !index.contains('/'))
        })
    }
}

/// The keys of what a rule asks for.
fn asked(place: &HostPlace) -> Vec<&str> {
    match place {
        HostPlace::Key => Vec::new(),
        HostPlace::Beside(name) => vec![name.rsplit('/').next().unwrap_or(name)],
        HostPlace::Contexts => {
            vec!["name", "user", "cluster", "server", "certificate-authority", AUTHORITY, "tls-server-name"]
        }
    }
}

/// What the first `*` of `pattern` stands for in `pointer`.
fn key(pattern: &str, pointer: &str) -> Option<String> {
    let mut segments = pattern.split('/').zip(pointer.split('/'));
    let (_, segment) = segments.find(|(wanted, _)| *wanted == "*")?;
    Some(segment.replace("~1", "/").replace("~0", "~"))
}

/// The host that a URL, or a part of one, names.
fn server(text: &str) -> Option<Target> {
    policy::server(text.trim_start_matches("//"))
}

fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_names_the_host() {
        for (pattern, pointer, expected) in [
            ("/*/password", "/git.example/password", Some("git.example")),
            ("/auths/*/auth", "/auths/https:~1~1index.docker.io~1v1~1/auth", Some("index.docker.io")),
            ("/*/password", "/https:~1~1git.example:8443/password", Some("git.example:8443")),
            ("/*/password", "/http:~1~1git.example/password", None),
            ("/npmRegistries/*/npmAuthToken", "/npmRegistries/~1~1npm.example~1/npmAuthToken", Some("npm.example")),
            ("/*/password", "//password", None),
            ("/*/password", "/localhost/password", None),
            ("/*/password", "/127.0.0.1:5000/password", None),
            ("/*/password", "/*.example/password", None),
        ] {
            let host = key(pattern, pointer).and_then(|host| server(&host));
            assert_eq!(host.map(|host| host.to_string()).as_deref(), expected, "{pointer}");
        }
    }

    #[test]
    fn a_url_names_its_own_host() {
        let hosts = Hosts { may_grant: true, ..Hosts::default() };
        for (text, secret, expected) in [
            ("https://u:pass@pip.example/simple", "pass", Some("pip.example")),
            ("HTTPS://pass@pip.example:8443", "pass", Some("pip.example:8443")),
            ("http://u:pass@pip.example/simple", "pass", None),
            ("https://pip.example/pass@evil.example", "nothing", None),
            ("https://u:pass@pip.example@evil.example/", "pass", None),
        ] {
            let Some(start) = text.find(secret) else { continue };
            let told = hosts.of_url(text.as_bytes(), &(start..start + secret.len()));
            let told: Vec<_> = told.iter().map(ToString::to_string).collect();
            assert_eq!(told.first().map(String::as_str), expected, "{text}");
        }
        assert!(Hosts::default().of_url(b"https://u:pass@pip.example/", &(10..14)).is_empty());
    }
}

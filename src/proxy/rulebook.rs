//! The run's policy made ready for requests: names resolved to secrets, header names parsed, once.
//!
//! **Invariants.** What a [`Site`] says holds for the whole run, so a connection asks once.

mod slot;

use std::net::IpAddr;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use http::HeaderName;
use memchr::memmem::Finder;

use super::{ProxyError, Settings};
use crate::policy::{Authority, Binding, Egress, Host, Rule, Scan, TokenEndpoint, Verdict};
use crate::secret::{Placeholder, Secret, SecretId, SecretName, Table};
use crate::source::Deferred;
pub(super) use slot::{Field, Place};

/// One secret with the places where it may be put in.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) id: SecretId,
    pub(super) name: SecretName,
    pub(super) placeholder: Placeholder,
    /// Finds the placeholder; made once, because making it costs more than a search.
    pub(super) finder: Finder<'static>,
    /// The value. Empty where it is still to be fetched, and nothing empty is ever put in.
    pub(super) value: Arc<Secret>,
    /// What fetches it.
    pub(super) deferred: Option<Arc<Deferred>>,
    pub(super) slots: Vec<Place>,
    pub(super) attach: Option<Attachment>,
    /// Headers by which the service authenticates; none is sent beside an injected one.
    pub(super) credential_headers: Vec<HeaderName>,
    /// Targets, rules and transport.
    pub(super) binding: Binding,
}

impl Bound {
    /// Whether rules say which requests it is for.
    pub(super) fn is_narrowed(&self) -> bool {
        !self.binding.rules.is_empty() || !self.binding.narrowed_rules.is_empty()
    }
}

/// A default credential header, its format taken apart at `{}`.
#[derive(Debug, Clone)]
pub(super) struct Attachment {
    pub(super) header: HeaderName,
    pub(super) before: String,
    pub(super) after: String,
}

/// Where a target lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Beyond the run, to be resolved and judged.
    World,
    /// A port of the host's loopback that a flag opened.
    HostLoopback,
    /// The child's own loopback.
    ChildLoopback,
}

/// What policy says of one host and port.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) authority: Authority,
    pub(super) verdict: Verdict,
    pub(super) reach: Reach,
    pub(super) bound: Vec<Arc<Bound>>,
    /// Requests that mint tokens.
    pub(super) token_rules: Vec<Rule>,
    /// Whether the broker must see inside TLS.
    pub(super) terminate: bool,
    /// Whether answers are scanned for values.
    pub(super) redact: bool,
    /// How strictly: the strictest of the bindings counts.
    pub(super) scan: Scan,
}

impl Site {
    /// Whether anything may be sent there.
    pub(super) fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Web | Verdict::Named)
    }

    /// Whether its addresses may be private.
    pub(super) fn is_named(&self) -> bool {
        self.verdict == Verdict::Named
    }

    /// The secret whose binding says how answers are scanned.
    pub(super) fn scanned_for(&self) -> Option<&SecretName> {
        self.bound.iter().find(|bound| bound.binding.scan == self.scan).map(|bound| &bound.name)
    }
}

/// The whole policy.
#[expect(clippy::struct_excessive_bools, reason = "each is one independent setting")]
pub(super) struct Rulebook {
    bound: Vec<Arc<Bound>>,
    egress: Egress,
    endpoints: Vec<TokenEndpoint>,
    redirects: Vec<super::ConnectTo>,
    inspect_all: bool,
    has_child_loopback: bool,
    has_secrets: bool,
    pub(super) block_stray: bool,
    placeholders: Placeholders,
}

/// Finds any placeholder of the run in a text.
pub(super) struct Placeholders {
    finder: Option<AhoCorasick>,
    secrets: Vec<(SecretId, SecretName)>,
}

impl Placeholders {
    fn new(table: &Table) -> Self {
        let texts = table.iter().map(|(_, held)| held.placeholder.as_str());
        Self {
            finder: if table.is_empty() { None } else { AhoCorasick::new(texts).ok() },
            secrets: table.iter().map(|(id, held)| (id, held.name.clone())).collect(),
        }
    }

    /// The secrets whose placeholders stand in `text`.
    pub(super) fn within<'a>(&'a self, text: &[u8]) -> impl Iterator<Item = &'a (SecretId, SecretName)> {
        self.finder
            .iter()
            .flat_map(move |finder| finder.find_iter(text))
            .filter_map(|found| self.secrets.get(found.pattern().as_usize()))
    }

    /// Whether there is anything to find.
    pub(super) fn is_empty(&self) -> bool {
        self.finder.is_none()
    }
}

impl Rulebook {
    pub(super) fn new(settings: &Settings) -> Result<Self, ProxyError> {
        let bound = settings.bindings.iter().map(|binding| compile(binding, settings).map(Arc::new));
        Ok(Self {
            bound: bound.collect::<Result<_, _>>()?,
            egress: settings.egress.clone(),
            endpoints: settings.token_endpoints.clone(),
            redirects: settings.connect_to.clone(),
            inspect_all: settings.inspect_all,
            has_child_loopback: settings.loopback.is_some(),
            has_secrets: !settings.secrets.is_empty(),
            block_stray: settings.block_stray,
            placeholders: Placeholders::new(&settings.secrets),
        })
    }

    /// What policy says of `authority`.
    pub(super) fn site(&self, authority: Authority) -> Site {
        let reach = self.reach(&authority);
        let verdict = match reach {
            Reach::World => self.egress.judge(&authority),
            Reach::HostLoopback => Verdict::Named,
            Reach::ChildLoopback if self.has_child_loopback => Verdict::Named,
            Reach::ChildLoopback => Verdict::Host,
        };
        let (bound, token_rules): (Vec<_>, Vec<_>) = match reach {
            Reach::ChildLoopback => (Vec::new(), Vec::new()),
            _ => (
                self.bound.iter().filter(|bound| bound.binding.covers(&authority)).cloned().collect(),
                self.endpoints
                    .iter()
                    .filter(|end| end.target.matches(&authority))
                    .map(|end| end.rule.clone())
                    .collect(),
            ),
        };
        let seen = !bound.is_empty() || !token_rules.is_empty() || self.inspect_all;
        let allowed = matches!(verdict, Verdict::Web | Verdict::Named);
        Site {
            terminate: !allowed || (seen && reach != Reach::ChildLoopback),
            redact: seen && self.has_secrets && reach != Reach::ChildLoopback,
            scan: bound.iter().map(|bound| bound.binding.scan).max().unwrap_or_default(),
            authority,
            verdict,
            reach,
            bound,
            token_rules,
        }
    }

    /// Every secret that is bound as one of a service of the catalogue.
    pub(super) fn of_service(&self, id: &str) -> impl Iterator<Item = &Arc<Bound>> {
        self.bound.iter().filter(move |bound| bound.binding.service.as_ref().is_some_and(|service| service.0 == id))
    }

    pub(super) fn placeholders(&self) -> &Placeholders {
        &self.placeholders
    }

    /// Whether a name may be looked up for the child.
    pub(super) fn may_resolve(&self, host: &Host) -> bool {
        !is_loopback(host) && self.egress.may_resolve(host)
    }

    /// Whether connections to this name go elsewhere, so that it need not exist.
    pub(super) fn is_redirected(&self, host: &Host) -> bool {
        self.redirects.iter().any(|line| line.covers_host(host))
    }

    fn reach(&self, authority: &Authority) -> Reach {
        let redirected = self.redirects.iter().any(|line| line.redirect(authority).is_some());
        if redirected || !is_loopback(&authority.host) {
            Reach::World
        } else if self.egress.loopback.contains(&authority.port) {
            Reach::HostLoopback
        } else {
            Reach::ChildLoopback
        }
    }
}

/// RFC 6761 §6.3 for the names.
pub(super) fn is_loopback(host: &Host) -> bool {
    match host {
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Address(IpAddr::V4(address)) => address.is_loopback(),
        Host::Address(IpAddr::V6(address)) => address.is_loopback(),
    }
}

fn compile(binding: &Binding, settings: &Settings) -> Result<Bound, ProxyError> {
    let unknown = || ProxyError::UnknownSecret { name: binding.secret.to_string() };
    let id = settings.secrets.named(&binding.secret).ok_or_else(unknown)?;
    let held = settings.secrets.get(id).ok_or_else(unknown)?;
    let slots = binding.slots.iter().map(Place::of);
    let slots = slots.collect::<Result<Vec<_>, _>>()?;
    let listed = binding.service.as_ref().and_then(|service| settings.credential_headers.get(service));
    let mut credential_headers =
        listed.into_iter().flatten().map(|name| header(name)).collect::<Result<Vec<_>, _>>()?;
    for name in slots.iter().filter_map(Place::header) {
        if !credential_headers.contains(name) {
            credential_headers.push(name.clone());
        }
    }
    let attach = binding.attach.as_ref().map(|attach| {
        let (before, after) = attach.format.split_once("{}").unwrap_or((&attach.format, ""));
        Ok(Attachment { header: header(&attach.header)?, before: before.into(), after: after.into() })
    });
    Ok(Bound {
        id,
        name: held.name.clone(),
        placeholder: held.placeholder.clone(),
        finder: Finder::new(held.placeholder.as_str()).into_owned(),
        value: held.value().map_or_else(|| Arc::new(Secret::new(Vec::new())), Arc::clone),
        deferred: settings.deferred.get(&binding.secret).cloned(),
        slots,
        attach: attach.transpose()?,
        credential_headers,
        binding: binding.clone(),
    })
}

fn header(name: &str) -> Result<HeaderName, ProxyError> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| ProxyError::HeaderName { name: name.escape_debug().to_string() })
}

#[cfg(test)]
pub(super) mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::audit::{RunId, Sink, Start};
    use crate::policy::{Attach, Origin, ServiceId, Slot, Target};
    use crate::proxy::{CertificateAuthority, Token};

    pub(in crate::proxy) const VALUE: &str = "sk_live_the_real_value";
    pub(in crate::proxy) const PLACEHOLDER: &str = "sk_test_placeholder";
    pub(in crate::proxy) const OTHER_PLACEHOLDER: &str = "ghp_placeholder";

    /// Two secrets: `STRIPE_KEY` at api.stripe.com, `GIT_TOKEN` at github.com; one token endpoint.
    pub(in crate::proxy) fn settings() -> Settings {
        let mut table = Table::default();
        let mut hold = |name: &str, value: &str, placeholder: &str| {
            let placeholder = Placeholder::from_minted(placeholder.into());
            let name = SecretName::new(name).unwrap();
            table.insert(name, Secret::new(value.into()), || Ok::<_, Infallible>(placeholder)).unwrap();
        };
        hold("STRIPE_KEY", VALUE, PLACEHOLDER);
        hold("GIT_TOKEN", "ghp_the_other_real_value", OTHER_PLACEHOLDER);
        let binding = |secret: &str, host: &str, rules: &[&str]| Binding {
            secret: SecretName::new(secret).unwrap(),
            service: Some(ServiceId(secret.to_lowercase())),
            targets: vec![Target::parse(host).unwrap(), Target::parse(&format!("{host}:80")).unwrap()],
            slots: vec![Slot::Header("authorization".into()), Slot::Header("x-api-key".into()), Slot::Basic],
            attach: Some(Attach { header: "authorization".into(), format: "Bearer {}".into() }),
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            narrowed_rules: Vec::new(),
            plaintext: false,
            scan: Scan::default(),
            origin: Origin::Flag { flag: "--test".into() },
        };
        let bindings =
            vec![binding("STRIPE_KEY", "api.stripe.com", &[]), binding("GIT_TOKEN", "github.com", &["GET /x"])];
        Settings {
            run_id: "test".into(),
            token: Token::mint().unwrap(),
            token_required: false,
            authority: CertificateAuthority::new().unwrap(),
            secrets: Arc::new(table),
            deferred: std::collections::HashMap::new(),
            egress: Egress {
                allow: bindings.iter().flat_map(|binding| binding.targets.clone()).collect(),
                ..Egress::default()
            },
            bindings,
            token_endpoints: vec![TokenEndpoint {
                target: Target::parse("login.example").unwrap(),
                rule: "POST /oauth/token".parse().unwrap(),
            }],
            credential_headers: std::iter::once((ServiceId("stripe_key".into()), vec!["x-extra-key".into()])).collect(),
            base_paths: std::collections::HashMap::new(),
            inspect_all: false,
            block_stray: false,
            body_memory: crate::proxy::BODY_MEMORY,
            keeps_case: false,
            connect_to: Vec::new(),
            upstream_certificates: Vec::new(),
            own_authorities: Vec::new(),
            upstream_proxy: None,
            names: Arc::default(),
            audit: Arc::new(log()),
            loopback: None,
            notices: tokio::sync::mpsc::channel(8).0,
        }
    }

    /// A log whose file is gone already: tests that read it make their own.
    fn log() -> Sink {
        let place = tempfile::tempdir().unwrap();
        let run = RunId::mint(jiff::Timestamp::now()).unwrap();
        Sink::create(place.path(), &run, Start::default()).unwrap()
    }

    pub(in crate::proxy) fn book() -> Rulebook {
        Rulebook::new(&settings()).unwrap()
    }

    pub(in crate::proxy) fn site(book: &Rulebook, authority: &str) -> Arc<Site> {
        Arc::new(book.site(Authority::parse(authority, None).unwrap()))
    }

    #[test]
    fn terminates_what_is_bound_denied_or_mints_tokens_and_nothing_else() {
        let book = book();
        for (authority, terminate, redact) in [
            ("api.stripe.com:443", true, true),
            ("login.example:443", true, true),
            ("other.example:443", false, false),
            ("other.example:8443", true, false),
            ("127.0.0.1:8443", true, false),
        ] {
            let site = site(&book, authority);
            assert_eq!((site.terminate, site.redact), (terminate, redact), "{authority}");
        }
    }

    #[test]
    fn loopback_is_the_childs_unless_a_flag_says_otherwise() {
        let mut settings = settings();
        settings.egress.loopback = vec![5432];
        settings.connect_to = vec!["localhost:443:127.0.0.1:1".parse().unwrap()];
        let book = Rulebook::new(&settings).unwrap();
        for (authority, reach) in [
            ("127.0.0.1:5432", Reach::HostLoopback),
            ("localhost:5432", Reach::HostLoopback),
            ("[::1]:5433", Reach::ChildLoopback),
            ("a.localhost:80", Reach::ChildLoopback),
            ("127.8.8.8:80", Reach::ChildLoopback),
            ("localhost:443", Reach::World),
            ("a.example:443", Reach::World),
        ] {
            assert_eq!(site(&book, authority).reach, reach, "{authority}");
        }
    }
}

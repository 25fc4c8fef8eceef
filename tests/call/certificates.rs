//! Bad certificates: each is refused in its own words, and nothing was said to the server that has it.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;

use super::raw::{Raw, serve};
use crate::support::{Run, fresh_key};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\nok";

/// An authority and what it signs.
struct Signer {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Signer {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Vec<CertificateDer<'static>> {
        vec![params.signed_by(key, &self.issuer).unwrap().der().clone()]
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn call(raw: &Raw, signer: &Signer, key: &str, words: &[&str]) -> Run {
    let run = Run::new().verb(["call"]).secret("STRIPE_KEY", key).project_file("ca.pem", signer.issuer.pem());
    let ca = run.world().project().join("ca.pem");
    let to = format!("api.stripe.com:443:127.0.0.1:{}", raw.address.port());
    let run = run.flags(["--url", "https://api.stripe.com/x", "--bearer", "STRIPE_KEY", "--connect-to", &to]);
    run.flag("--upstream-ca").flag(ca).flags(words)
}

#[test]
fn each_bad_certificate_is_refused_in_its_own_words() {
    let (known, unknown, key) = (Signer::new("known"), Signer::new("unknown"), KeyPair::generate().unwrap());
    let mut expired = named("api.stripe.com");
    (expired.not_before, expired.not_after) = (rcgen::date_time_ymd(2019, 1, 1), rcgen::date_time_ymd(2020, 1, 1));
    let mut authority = named("api.stripe.com");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let own = |params: &CertificateParams| vec![params.self_signed(&key).unwrap().der().clone()];
    let rows = [
        (known.sign(&expired, &key), "its certificate has expired"),
        (known.sign(&named("other.example"), &key), "its certificate is for other names"),
        (own(&named("api.stripe.com")), "its certificate is self-signed"),
        (own(&authority), "its certificate is self-signed"),
        (unknown.sign(&named("api.stripe.com"), &key), "no trusted authority issued its certificate"),
    ];
    for (chain, wanted) in rows {
        let raw = serve(chain, &key, OK);
        let run = call(&raw, &known, &fresh_key("sk_live_"), &["--include", "--retry", "1"]).run().ended_with(125);
        assert!(run.stderr().contains(wanted) && run.stderr().contains("--upstream-ca"), "{wanted}: {}", run.stderr());
        assert_eq!(run.stdout(), "");
        assert_eq!(raw.heads.recv_timeout(Duration::from_secs(20)).unwrap(), "", "{wanted}");
        assert_eq!(run.audit_of("end")[0]["error"], "upstream_tls");
    }
}

#[test]
fn names_of_headers_and_parameters_keep_their_case() {
    let (signer, key) = (Signer::new("known"), KeyPair::generate().unwrap());
    let raw = serve(signer.sign(&named("api.stripe.com"), &key), &key, OK);
    let value = fresh_key("sk_live_");
    let words = ["--inject-header", "X-API-KEY=STRIPE_KEY", "--query", "Api_KEY=STRIPE_KEY", "-H", "x-lower: 1"];
    let run = call(&raw, &signer, &value, &words).flags(["-H", "SOAPAction: \"x\""]).run().succeeded();
    let head = raw.heads.recv_timeout(Duration::from_secs(20)).unwrap();
    let lines =
        ["X-API-KEY: ", "x-lower: 1", "SOAPAction: \"x\"", "Authorization: Bearer ", "User-Agent: agentsecrets/"];
    for line in lines.iter().map(|line| format!("\r\n{line}")) {
        assert!(head.contains(&line), "{line:?} in {head}");
    }
    assert!(head.starts_with(&format!("GET /x?Api_KEY={value} HTTP/1.1\r\n")), "{head}");
    assert_eq!(run.stdout(), "ok");
}

//! Policy files, and the names and paths that a request brings: nothing panics, and an error says where.

#[path = "../../tests/fuzz/harness.rs"]
mod harness;

use harness::fuzz;

use super::*;

#[test]
fn files() {
    let key = vec!["a"; 60].join(".");
    let deep = format!("{}a = 1{}", format!("{key} = {{").repeat(40), "}".repeat(40));
    let seeds: [&[u8]; 4] = [
        deep.as_bytes(),
        b"workspace = \"acme\"\nisolation = \"guarded\"\non_stray = \"block\"\ninspect = \"all\"\n[egress]\ndefault = \"allowlist\"\n\
          allow = [\"registry.npmjs.org\", \"*.example.com:8443\", \"10.0.0.5:22\", \"[::1]:80\"]\nloopback = [5432]\n",
        b"[env]\nkeep = [\"MY_TOKEN\"]\nscrub = [\"PLAIN\"]\n[files]\nmask = [\"config/*.secrets.json\", \"**/x[a-z]?\"]\nwritable = [\"~/.foo\"]\n",
        b"[secrets.STRIPE_KEY]\nservice = \"stripe\"\nrules = [\"GET /v1/**\", \"/x/*\"]\nplaintext = true\nscan = \"strict\"\ncache = \"5m\"\n\
          [secrets.B]\nhosts = [\"b.example:8443\"]\nsource = { command = [\"op\", \"read\"], environment = [\"T\"] }\n\
          inject = [{ header = \"X-Api-Key\", format = \"k {}\", attach = true }, { json = \"/a~1b/0\" }, { query = \"k\" }, \"basic\"]\n\
          [secrets.C]\nhosts = [\"c.example\"]\nsource = { hashicorp = \"https://v.example:8200\", path = \"s/a\", key = \"t\" }\n",
    ];
    let empty = PolicyText { path: "config.toml".into(), text: String::new() };
    fuzz("policy", &seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let file = PolicyText { path: "agentsecrets.toml".into(), text };
        for (user, project) in [(&file, None), (&empty, Some(&file))] {
            if let Err(error) = Layers::load(Some(user), project, Flags::default()) {
                assert!(!error.to_string().is_empty() && error.to_string().len() < 100_000);
            }
        }
    });
}

#[test]
fn names_and_paths() {
    let seeds: [&[u8]; 5] = [
        b"api.stripe.com:443",
        b"[2001:db8::1%25eth0]:8443",
        b"/a/%2e%2E/../b//c;d=%2F?x=1#y",
        b"xn--mnchen-3ya.example.",
        b"GET /v1/**/x*y",
    ];
    fuzz("names", &seeds, |bytes| {
        let text = &*String::from_utf8_lossy(bytes);
        if let Ok(authority) = Authority::parse(text, Some(443)) {
            assert_eq!(Authority::parse(&authority.to_string(), None).as_ref(), Ok(&authority), "{authority}");
        }
        if let Ok(path) = RequestPath::parse(text) {
            // What was matched is what is sent: it is resolved already.
            assert_eq!(RequestPath::parse(path.as_str()).unwrap().as_str(), path.as_str());
            if let Ok(rule) = "GET /v1/**/x*y*z/*".parse::<Rule>() {
                let _ = rule.matches("GET", &path);
            }
        }
        let _ = (Target::parse(text), text.parse::<Rule>(), FileGlob::parse(text), text.parse::<JsonPointer>());
    });
}

//! What a trusted project file grants, and what no trust makes right.

use super::*;

#[test]
fn a_trusted_project_file_binds_and_still_narrows() {
    let merged = trust(
        "[egress]\nallow = [\"a.example:22\"]\n[secrets.OWN]\nhosts = [\"own.example\", \"b.example\"]",
        r#"
[egress]
default = "allowlist"
allow = ["registry.npmjs.org", "10.0.0.5:8443"]
[secrets.OWN]
hosts = ["own.example"]
[secrets.BILLING]
source = { command = ["op", "read", "op://x"], environment = ["OP_TOKEN"] }
hosts = ["billing.example:8443"]
inject = { header = "X-Key" }
rules = ["GET /v1/**"]
"#,
    )
    .unwrap();
    let layer = merged.project.clone().unwrap();
    let grants: Vec<_> = layer.grants.iter().map(|grant| grant.value.as_str()).collect();
    assert_eq!(
        grants,
        [
            "open `10.0.0.5:8443`",
            "change how `BILLING` is sent: in the header `x-key`",
            "say where the value of `BILLING` comes from: the command [\"op\", \"read\", \"op://x\"] with OP_TOKEN",
            "send `BILLING` to `billing.example:8443`, only for `GET /v1/**`",
        ]
    );
    assert_eq!(layer.grants[0].origin, crate::policy::Origin::File { path: "/p/agentsecrets.toml".into(), line: 4 });
    assert!(merged.scrub.iter().any(|name| name.value == "OP_TOKEN"));
    let billing = bind(&merged, "BILLING", &[]).unwrap();
    assert_eq!(targets(&billing), ["billing.example:8443"]);
    assert_eq!(targets(&bind(&merged, "OWN", &[]).unwrap()), ["own.example"]);
    let egress = merged.egress(&[billing]);
    let judge = |text| egress.judge(&crate::policy::Authority::parse(text, None).unwrap());
    assert_eq!(judge("10.0.0.5:8443"), Verdict::Named);
    assert_eq!(judge("registry.npmjs.org:443"), Verdict::Web);
    assert_eq!(judge("a.example:22"), Verdict::Host);
}

#[test]
fn no_trust_makes_these_right() {
    for (project, said) in [
        ("store = \"file\"", "`store` has no place in this file"),
        ("[secrets.K]\nsource = \"keychain\"", "`source` has no place in this file"),
        ("[secrets.K]\nsource = { command = [\"/p/get\"] }", "lies in the project"),
        ("[secrets.K]\nsource = { command = [\"sh\", \"-c\", \". /p/get\"] }", "lies in the project"),
    ] {
        for error in [trust("", project).unwrap_err(), load("", project).unwrap_err()] {
            assert!(error.to_string().contains(said) || matches!(error, PolicyError::Grant { .. }), "{error}");
        }
        let error = trust("", project).unwrap_err();
        assert!(error.to_string().contains(said), "{project}: {error}");
    }
}

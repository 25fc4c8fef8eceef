//! Layers as tables: what a file says, what comes of it, and how each mistake is told.

use super::*;
use crate::policy::{Binding, DefaultEgress, Scan, Target, Verdict, catalogue};
use crate::secret::SecretName;

fn text(path: &str, text: &str) -> PolicyText {
    PolicyText { path: path.into(), text: text.into() }
}

fn load(user: &str, project: &str) -> Result<Merged, PolicyError> {
    let (user, project) = (text("config.toml", user), text("agentsecrets.toml", project));
    Layers::load(Some(&user), Some(&project), Flags::default())
}

fn trust(user: &str, project: &str) -> Result<Merged, PolicyError> {
    let trusted = ProjectText {
        standing: Standing::Trusted { since: None },
        ..ProjectText::new(text("/p/agentsecrets.toml", project))
    };
    Layers::begin(Some(&text("config.toml", user)))?.end(Some(&trusted), Flags::default())
}

fn bind(merged: &Merged, name: &str, variables: &[(&str, &str)]) -> Option<Binding> {
    let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
    merged.bind(&SecretName::new(name).unwrap(), catalogue().variable(name), &variable)
}

fn targets(binding: &Binding) -> Vec<String> {
    binding.targets.iter().map(ToString::to_string).collect()
}

#[test]
fn a_user_file_holds_in_full() {
    let merged = load(
        r#"
isolation = "guarded"
on_stray = "block"
inspect = "all"
[egress]
default = "allowlist"
allow = ["registry.npmjs.org", "*.example.com:8443"]
loopback = [5432]
[env]
keep = ["MY_TOKEN"]
scrub = ["PLAIN"]
[files]
mask = ["config/*.secrets.json"]
writable = ["~/.foo"]
[secrets.STRIPE_KEY]
service = "stripe"
rules = ["GET /v1/**", "POST /v1/invoices"]
[secrets.BILLING_TOKEN]
hosts = ["billing.example:8443"]
inject = { header = "X-Api-Key", format = "Key {}", attach = true }
plaintext = true
"#,
        "",
    )
    .unwrap();
    assert_eq!(merged.isolation.value, Isolation::Guarded);
    assert_eq!(merged.isolation.origin, crate::policy::Origin::File { path: "config.toml".into(), line: 2 });
    assert_eq!((merged.on_stray.value, merged.inspect.value), (OnStray::Block, Inspect::All));
    let stripe = bind(&merged, "STRIPE_KEY", &[]).unwrap();
    assert_eq!(targets(&stripe), ["api.stripe.com", "files.stripe.com"]);
    assert_eq!(stripe.rules.len(), 2);
    let billing = bind(&merged, "BILLING_TOKEN", &[]).unwrap();
    assert_eq!(targets(&billing), ["billing.example:8443"]);
    assert_eq!(billing.slots, [crate::policy::Slot::Header("x-api-key".into())]);
    assert_eq!(billing.attach.as_ref().unwrap().format, "Key {}");
    assert!(billing.plaintext);
    let egress = merged.egress(&[stripe, billing]);
    assert_eq!((egress.default, egress.allow.len(), egress.loopback), (DefaultEgress::Allowlist, 5, vec![5432]));
}

#[test]
fn one_secret_may_have_several_places() {
    use crate::policy::Slot;
    let slots = |inject: &str| {
        let merged = load(&format!("[secrets.K]\nhosts = [\"a.example\"]\ninject = {inject}\n"), "").unwrap();
        bind(&merged, "K", &[]).unwrap().slots
    };
    assert_eq!(slots("{ query = \"api key\" }"), [Slot::Query("api key".into())]);
    assert_eq!(
        slots(
            r#"["basic", { cookie = "sid" }, { json = "/auth/key" }, { form = "client_secret" }, { header = "X-Key" }]"#
        ),
        [
            Slot::Basic,
            Slot::Cookie("sid".into()),
            Slot::JsonField("/auth/key".parse().unwrap()),
            Slot::FormField("client_secret".into()),
            Slot::Header("x-key".into()),
        ]
    );
}

#[test]
fn without_files_the_catalogue_binds_by_name() {
    let merged = Layers::load(None, None, Flags::default()).unwrap();
    assert_eq!(merged, Merged::default());
    let openai = bind(&merged, "OPENAI_API_KEY", &[("OPENAI_BASE_URL", "https://gateway.example/v1")]).unwrap();
    assert_eq!(targets(&openai).last().unwrap(), "gateway.example");
    assert!(openai.attach.is_some());
    assert_eq!(bind(&merged, "UNKNOWN_TOKEN", &[]), None);
}

#[test]
fn each_mistake_has_its_place_and_its_mend() {
    for (file, message, hint) in [
        ("[egress]\nalow = []", "config.toml:2:1: unknown key `egress.alow`", "did you mean `allow`?"),
        ("allow = [\"a.b\"]", "config.toml:1:1: unknown key `allow`", "did you mean `egress.allow`?"),
        ("[secret.X]", "config.toml:1:2: unknown key `secret`", "did you mean `secrets`?"),
        ("zzz = 1", "config.toml:1:1: unknown key `zzz`", "the keys here are `egress`"),
        ("[secrets.K]\nservice = \"strip\"", "config.toml:2:11: `secrets.K.service` cannot be `strip`", "`stripe`"),
        ("isolation = \"strong\"", "config.toml:1:13: `isolation` cannot be `strong`", "one of `sealed`"),
        ("egress = 1", "config.toml:1:10: `egress` is to be a table", ""),
        ("[egress]\nallow = \"a.b\"", "config.toml:2:9: `egress.allow` is to be a list of texts", ""),
        ("[egress]\nallow = [1]", "config.toml:2:10: `egress.allow` is to be a text in quotes", ""),
        ("[egress]\nallow = []", "config.toml:2:9: `egress.allow` is empty: leave it out instead", ""),
        ("[egress]\nallow = [\"https://a.b/\"]", "config.toml:2:10: `https://a.b/` is not a host", "without scheme"),
        ("[egress]\nallow = [\"*.co.uk\"]", "config.toml:2:10: `*.co.uk` is not a host pattern", ""),
        ("[egress]\nallow = [\"a.b:0\"]", "config.toml:2:10: `a.b:0` has no valid port", ""),
        ("[egress]\nloopback = [70000]", "config.toml:2:13: `egress.loopback` is to be a list of ports", ""),
        ("[secrets.K]\nrules = [\"get /x\"]", "config.toml:2:10: `get /x` is not a rule", ""),
        ("[secrets.K]\nrules = [\"GET /a/../b\"]", "config.toml:2:10: `/a/../b` can match nothing", ""),
        ("[secrets.\"a b\"]", "config.toml:1:10: `a b` is not a secret name", ""),
        ("[secrets.K]\nhosts = [\"a.b\"]\ninject = {}", "config.toml:3:10: `secrets.K.inject` names no `header`", ""),
        ("[secrets.K]\ninject = { header = \"Host\" }", "header` names a header that frames", ""),
        ("[secrets.K]\ninject = { query = \"a\", form = \"b\" }", "names more than one place: write a list", ""),
        ("[secrets.K]\ninject = { query = \"a\", attach = true }", "which only a `header` can have", ""),
        (
            "[secrets.K]\ninject = { json = \"key\" }",
            "config.toml:2:19: `secrets.K.inject.json` is no JSON pointer",
            "",
        ),
        ("[secrets.K]\ninject = { cookie = \"a b\" }", "inject.cookie` is not the name of a cookie", ""),
        ("[secrets.K]\ninject = { form = \"\" }", "inject.form` is not the name of a field", ""),
        ("[secrets.K]\ninject = []", "config.toml:2:10: `secrets.K.inject` is empty", ""),
        ("[secrets.K]\ninject = [\"bearer\", 1]", "config.toml:2:21: `secrets.K.inject` is to be a text", ""),
        (
            "[secrets.K]\nsource = \"x\"",
            "config.toml:2:10: `secrets.K.source` cannot be `x`",
            "`keychain`, `file`, `env`",
        ),
        ("[secrets.K]\nsource = \"file\"", "config.toml:2:10: `source` has no place in this file", "secrets set"),
        ("[secrets.K]\nsource = {}", "config.toml:2:10: `secrets.K.source` is to name one of `env`", ""),
        ("[secrets.K]\nsource = { env = \"A\", dotenv = \"/x\" }", "is to name one of `env`", ""),
        ("[secrets.K]\nsource = { env = \"A=\" }", "`secrets.K.source.env` holds what is not", ""),
        ("[secrets.K]\nsource = { dotenv = \".env\" }", "`secrets.K.source.dotenv` is a path that starts", ""),
        ("[secrets.K]\nsource = { command = \"op\" }", "`secrets.K.source.command` is to be a list", ""),
        ("[secrets.K]\nsource = { command = [] }", "`secrets.K.source.command` is empty", ""),
        ("[secrets.K]\nsource = { comand = [\"x\"] }", "unknown key `secrets.K.source.comand`", "`command`"),
        ("[secrets.K]\ncache = \"5 m\"", "config.toml:2:9: `secrets.K.cache` is neither `run` nor a time", ""),
        ("[secrets.K]\ncache = \"-5m\"", "`secrets.K.cache` is neither", ""),
        ("[secrets.K]\ncache = 5", "config.toml:2:9: `secrets.K.cache` is to be a text in quotes", ""),
        ("workspace = \"../acme\"", "config.toml:1:13: `../acme` is not a workspace name", ""),
        ("workspace = 1", "config.toml:1:13: `workspace` is to be a text in quotes", ""),
        ("store = \"plain\"", "config.toml:1:9: `store` cannot be `plain`", "`keychain`, `file`"),
        ("[files]\nmask = [\"../x\"]", "config.toml:2:9: `../x` can match nothing", ""),
        ("[files]\nmask = [\"a\\\\[b]\"]", "uses more than `*` and `**`", ""),
        ("[files]\nwritable = [\"foo\"]", "config.toml:2:13: `files.writable` holds a path that starts neither", ""),
        ("[env]\nkeep = [\"MY_*\"]", "config.toml:2:9: `env.keep` holds what is not the exact name", ""),
        ("[env]\nkeep = [\"A\"]\nscrub = [\"A\"]", "config.toml:2:9: `env.keep` holds a variable that", ""),
        ("[egress\n", "config.toml:1:8: ", ""),
        ("a = 1\na = 2", "config.toml:2:1: duplicate key", ""),
    ] {
        let error = load(file, "").unwrap_err();
        assert!(error.to_string().contains(message), "{file:?}: {error}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{file:?}: {:?}", error.hint());
    }
}

#[test]
fn a_project_file_grants_nothing() {
    for (user, project, what) in [
        ("", "isolation = \"none\"", "weaken the isolation"),
        ("on_stray = \"block\"", "on_stray = \"inert\"", "let placeholders out"),
        ("inspect = \"all\"", "inspect = \"bound\"", "fewer targets inspected"),
        ("", "[egress]\nallow = [\"evil.example\"]", "open `evil.example`"),
        ("", "[egress]\ndefault = \"allowlist\"\nallow = [\"10.0.0.5:8443\"]", "open `10.0.0.5:8443`"),
        ("[egress]\ndefault = \"allowlist\"", "[egress]\ndefault = \"web\"", "open the web"),
        ("[egress]\ndefault = \"allowlist\"", "[egress]\nallow = [\"evil.example\"]", "open `evil.example`"),
        ("", "[egress]\nloopback = [22]", "open port 22"),
        ("", "workspace = \"acme\"", "choose the workspace `acme`"),
        ("workspace = \"acme\"", "workspace = \"acme\"", "choose the workspace `acme`"),
        ("", "[secrets.OPENAI_API_KEY]\nsource = { command = [\"sh\"] }", "say where the value of `OPENAI_API_KEY`"),
        ("", "[secrets.OPENAI_API_KEY]\nsource = \"env\"", "say where the value of `OPENAI_API_KEY`"),
        ("", "[secrets.OPENAI_API_KEY]\ncache = \"0s\"", "say how long the value of `OPENAI_API_KEY`"),
        ("", "[env]\nkeep = [\"AWS_SECRET_ACCESS_KEY\"]", "keep `AWS_SECRET_ACCESS_KEY` readable"),
        ("", "[files]\nwritable = [\"~/.ssh\"]", "make `~/.ssh` writable"),
        ("", "[secrets.MY_KEY]\nservice = \"stripe\"", "bind `MY_KEY` to `stripe`"),
        ("", "[secrets.OPENAI_API_KEY]\nservice = \"stripe\"", "bind `OPENAI_API_KEY` to `stripe`"),
        ("", "[secrets.OPENAI_API_KEY]\nhosts = [\"evil.example\"]", "send `OPENAI_API_KEY` to `evil.example`"),
        ("", "[secrets.OPENAI_API_KEY]\nhosts = [\"api.openai.com:8443\"]", "send `OPENAI_API_KEY` to"),
        ("", "[secrets.MY_KEY]\nhosts = [\"evil.example\"]", "send `MY_KEY` to `evil.example`"),
        ("", "[secrets.OPENAI_API_KEY]\ninject = \"basic\"", "change how `OPENAI_API_KEY` is sent"),
        ("", "[secrets.OPENAI_API_KEY]\nplaintext = true", "over plaintext http"),
        ("", "[secrets.OPENAI_API_KEY]\nscan = \"off\"", "less strictly"),
        ("[secrets.OPENAI_API_KEY]\nscan = \"strict\"", "[secrets.OPENAI_API_KEY]\nscan = \"on\"", "less strictly"),
        ("[secrets.K]\nhosts = [\"a.example\"]", "[secrets.K]\nhosts = [\"*.example.com\"]", "send `K` to"),
    ] {
        let error = load(user, project).unwrap_err();
        assert!(matches!(error, PolicyError::Grant { .. }), "{project:?}: {error}");
        assert!(error.to_string().starts_with("agentsecrets.toml:"), "{error}");
        assert!(error.to_string().contains(what), "{project:?}: {error}");
        let fingerprint = crate::policy::Fingerprint::of(project.as_bytes()).to_string();
        assert!(error.to_string().contains(&fingerprint), "{error}");
        assert!(
            error.hint().unwrap().starts_with("agentsecrets trust, ") && error.hint().unwrap().contains("config.toml")
        );
        // Trusted, the same is taken and told.
        let merged = trust(user, project).unwrap();
        let layer = merged.project.clone().unwrap();
        assert!(layer.grants.iter().any(|grant| grant.value.contains(what)), "{project:?}: {layer:?}");
        let held = Merged { project: None, ..merged };
        if what.contains("workspace") {
            continue;
        }
        assert_ne!(held, load(user, "").unwrap_or_default(), "{project:?} was taken and changed nothing");
    }
}

#[test]
fn a_workspace_stands_above_the_users_file_but_for_what_that_says_of_its_secrets() {
    let name = WorkspaceName::new("acme").unwrap();
    let with = |user: &str, workspace: &str| {
        let layers = Layers::begin(Some(&text("config.toml", user)))?;
        layers.with_workspace(&name, &text("acme.toml", workspace))?.end(None, Flags::default())
    };
    let merged = with(
        "workspace = \"acme\"\nstore = \"file\"\n[secrets.K]\nhosts = [\"a.example\"]\n[egress]\ndefault = \"web\"",
        "[egress]\ndefault = \"allowlist\"\nallow = [\"b.example\"]\n[secrets.K]\nsource = \"keychain\"\ncache = \"5m\"\nservice = \"stripe\"\n\
         [secrets.L]\nsource = { command = [\"op\", \"read\"], environment = [\"T\"] }\nservice = \"stripe\"",
    )
    .unwrap();
    assert_eq!((merged.workspace.as_ref(), merged.store), (Some(&name), Some(StoreKind::File)));
    assert_eq!(merged.egress.default.value, DefaultEgress::Allowlist);
    assert_eq!(targets(&bind(&merged, "K", &[]).unwrap()), ["a.example"]);
    assert_eq!(merged.secret("K").unwrap().source, Some(SecretSource::Store(StoreKind::Keychain)));
    assert_eq!(merged.secret("K").unwrap().cache, Some(Cache::For(std::time::Duration::from_mins(5))));
    let (argv, environment) = (vec!["op".into(), "read".into()], vec!["T".into()]);
    assert_eq!(merged.secret("L").unwrap().source, Some(SecretSource::Command { argv, environment }));
    for (workspace, key) in [("workspace = \"acme\"", "`workspace`"), ("store = \"file\"", "`store`")] {
        let error = with("", workspace).unwrap_err();
        assert!(error.to_string().contains(key) && error.hint().unwrap().contains("config.toml"), "{error}");
    }
    let begun = Layers::begin(Some(&text("config.toml", "workspace = \"acme\""))).unwrap();
    assert_eq!(begun.workspace(), Some(&name));
}

#[test]
fn a_project_file_narrows() {
    let merged = load(
        "[secrets.K]\nhosts = [\"*.example.com\", \"b.example\"]\nplaintext = true\nrules = [\"GET /**\"]",
        r#"
on_stray = "block"
[egress]
default = "allowlist"
allow = ["registry.npmjs.org"]
[env]
scrub = ["PLAIN"]
[secrets.K]
hosts = ["a.example.com"]
rules = ["/v1/**"]
plaintext = false
scan = "strict"
[secrets.OPENAI_API_KEY]
service = "openai"
hosts = ["api.openai.com"]
"#,
    )
    .unwrap();
    assert_eq!(merged.on_stray.value, OnStray::Block);
    let key = bind(&merged, "K", &[]).unwrap();
    assert_eq!(targets(&key), ["a.example.com"]);
    assert!(!key.plaintext && key.scan == Scan::Strict);
    let path = |text| crate::policy::RequestPath::parse(text).unwrap();
    assert!(
        key.allows("GET", &path("/v1/x")) && !key.allows("POST", &path("/v1/x")) && !key.allows("GET", &path("/x"))
    );
    let openai = bind(&merged, "OPENAI_API_KEY", &[("OPENAI_BASE_URL", "https://gateway.example")]).unwrap();
    assert_eq!(targets(&openai), ["api.openai.com"]);
    let egress = merged.egress(&[key, openai]);
    let judge = |text| egress.judge(&crate::policy::Authority::parse(text, None).unwrap());
    assert_eq!(judge("registry.npmjs.org:443"), Verdict::Web);
    assert_eq!(judge("api.openai.com:443"), Verdict::Named);
    assert_eq!(judge("other.example:443"), Verdict::Host);
}

#[test]
fn two_allowlists_leave_what_both_hold() {
    let merged = load(
        "[egress]\ndefault = \"allowlist\"\nallow = [\"*.example.com\", \"b.example:22\"]",
        "[egress]\ndefault = \"allowlist\"\nallow = [\"a.example.com\", \"other.example\", \"b.example:22\"]",
    )
    .unwrap();
    let allow: Vec<_> = merged.egress.allow.iter().map(|target| target.value.to_string()).collect();
    assert_eq!(allow, ["a.example.com", "b.example:22"]);
    assert_eq!(merged.egress.web, []);
}

#[test]
fn flags_win_over_files() {
    let user = text("config.toml", "[env]\nscrub = [\"A\"]\n[egress]\ndefault = \"allowlist\"");
    let flags = Flags {
        egress: Some(DefaultEgress::Web),
        allow: vec!["db.example:5432".into()],
        keep: vec!["A".into()],
        ..Flags::default()
    };
    let merged = Layers::load(Some(&user), None, flags).unwrap();
    assert_eq!(merged.egress.default.value, DefaultEgress::Web);
    assert_eq!(merged.egress.allow[0].origin, crate::policy::Origin::Flag { flag: "--allow".into() });
    assert_eq!((merged.keep[0].value.as_str(), merged.scrub.len()), ("A", 0));
    for (flags, message) in [
        (Flags { allow: vec!["*".into()], ..Flags::default() }, "--allow: `*` is not a host pattern"),
        (Flags { keep: vec!["A*".into()], ..Flags::default() }, "--keep: "),
        (Flags { loopback: vec![0], ..Flags::default() }, "--loopback: "),
        (Flags { keep: vec!["A".into()], scrub: vec!["A".into()], ..Flags::default() }, "that `--scrub` names too"),
    ] {
        let error = Layers::load(None, None, flags).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

/// Lines of policy from which files are made at random; contradictions within one file are left to the parser.
const LINES: [&[&str]; 4] = [
    &["", "isolation = \"guarded\"", "isolation = \"none\"", "isolation = \"sealed\""],
    &["", "on_stray = \"block\"", "on_stray = \"inert\"\ninspect = \"all\""],
    &[
        "",
        "[egress]\ndefault = \"allowlist\"",
        "[egress]\ndefault = \"web\"\nallow = [\"db.example:5432\"]",
        "[egress]\ndefault = \"allowlist\"\nallow = [\"*.x.example\", \"db.example:5432\"]",
        "[egress]\ndefault = \"allowlist\"\nallow = [\"a.x.example\", \"b.example\"]\nloopback = [22]",
    ],
    &[
        "",
        "[secrets.K]\nhosts = [\"*.x.example\"]\nplaintext = true\nscan = \"strict\"",
        "[secrets.K]\nhosts = [\"a.x.example\"]\nrules = [\"GET /v1/**\"]\nscan = \"on\"",
        "[secrets.K]\nservice = \"stripe\"\nrules = [\"/v1/*\"]\nscan = \"off\"",
        "[secrets.OPENAI_API_KEY]\nhosts = [\"api.openai.com\"]",
    ],
];

fn file(picks: [usize; 4]) -> String {
    LINES.iter().zip(picks).map(|(lines, pick)| lines[pick % lines.len()]).collect::<Vec<_>>().join("\n")
}

/// How much a verdict lets through.
fn breadth(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Named => 2,
        Verdict::Web => 1,
        Verdict::Host | Verdict::Port => 0,
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]

    #[test]
    fn no_project_file_widens_what_the_user_allows(
        user in proptest::array::uniform4(0..8_usize),
        project in proptest::array::uniform4(0..8_usize),
    ) {
        let (user, project) = (file(user), file(project));
        let Ok(own) = load(&user, "") else { return Ok(()) };
        let Ok(both) = load(&user, &project) else { return Ok(()) };
        proptest::prop_assert!(both.isolation.value <= own.isolation.value);
        proptest::prop_assert!(both.on_stray.value == OnStray::Block || own.on_stray.value == OnStray::Inert);
        proptest::prop_assert!(both.egress.loopback.len() <= own.egress.loopback.len());
        for host in ["a.x.example:443", "x.example:443", "b.example:80", "db.example:5432", "c.example:22"] {
            let authority = crate::policy::Authority::parse(host, None).unwrap();
            let breadth = |merged: &Merged| breadth(merged.egress(&[]).judge(&authority));
            proptest::prop_assert!(breadth(&both) <= breadth(&own), "{}", host);
        }
        for name in ["K", "OPENAI_API_KEY"] {
            let Some(narrow) = bind(&both, name, &[]) else { continue };
            let wide = bind(&own, name, &[]).unwrap();
            let covers = |wide: &Target, target: &Target| wide.both(target).as_ref() == Some(target);
            let covered = |target: &Target| wide.targets.iter().any(|wide| covers(wide, target));
            proptest::prop_assert!(narrow.targets.iter().all(covered) && narrow.plaintext <= wide.plaintext);
            proptest::prop_assert!(narrow.scan >= wide.scan);
            proptest::prop_assert_eq!(&narrow.slots, &wide.slots);
            for (method, path) in [("GET", "/v1/a"), ("POST", "/v1/a"), ("GET", "/x")] {
                let path = crate::policy::RequestPath::parse(path).unwrap();
                proptest::prop_assert!(!narrow.allows(method, &path) || wide.allows(method, &path));
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(file in "(\\[?[a-z.\"]{0,8}\\]?( ?= ?[\\[\"{a-z0-9*./:}\\]]{0,12})?\n){0,6}") {
        let _ = load(&file, &file);
    }
}

mod trusted;

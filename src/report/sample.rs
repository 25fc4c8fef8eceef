//! A plan with something of everything, for the tests of this room.

use crate::plan::{Decision, MaskContent, MaskPlan, Plan, SecretPlan, SweepPlan, VariablePlan};
use crate::policy::{Egress, Inspect, Isolation, OnStray, Origin, Scan, ServiceId, Sourced, Target};
use crate::secret::{Placeholder, SecretName};
use crate::supervise::ports::Wanted;

pub(super) fn plan() -> Plan {
    let builtin = |file: &str| Origin::Builtin { file: file.into() };
    let name = |name: &str| SecretName::new(name).unwrap();
    let stripe = Target::parse("api.stripe.com").unwrap();
    let secret = |text: &str, reason: &str, origin, place: &str, is_distinctive| SecretPlan {
        name: name(text),
        placeholder: Placeholder::from_minted(format!("placeholder_of_{text}")),
        service: None,
        hosts: Vec::new(),
        scan: Scan::default(),
        places: vec![place.into()],
        reason: reason.into(),
        origin,
        is_distinctive,
    };
    let variable = |name: &str, decision, reason: &str, origin| VariablePlan {
        name: name.into(),
        decision,
        reason: reason.into(),
        origin,
    };
    let reads = "Stripe reads its credential from it";
    let stripe_file = builtin("services/stripe.toml");
    let mask = |path: &str, content, keys: &[&str], reason: &str| MaskPlan {
        path: path.into(),
        content,
        owners: Vec::new(),
        hidden_because: None,
        keys: keys.iter().map(ToString::to_string).collect(),
        reason: reason.into(),
        origin: builtin("files.toml"),
    };
    Plan {
        run: "run-1".into(),
        level: Sourced { value: Isolation::Sealed, origin: builtin("built-in") },
        arguments: ["python3", "a b.py", "x\u{1b}'y"].map(Into::into).to_vec(),
        agent: None,
        project: "/home/ann/app".into(),
        project_is_bound: true,
        workspace: None,
        working_directory: "/home/ann/app".into(),
        variables: vec![
            variable(
                "STRIPE_KEY",
                Decision::Brokered { secrets: vec![name("STRIPE_KEY")] },
                reads,
                Some(stripe_file.clone()),
            ),
            variable(
                "NOTE",
                Decision::Hidden { secrets: vec![name("MY_PASSWORD"), name("STRIPE_KEY")] },
                "contains them",
                Some(builtin("scrub.toml")),
            ),
            variable("OLD", Decision::Kept, "you asked to keep it", Some(Origin::Flag { flag: "--keep OLD".into() })),
            variable("HOME", Decision::Kept, "", None),
        ],
        secrets: vec![
            SecretPlan {
                service: Some(ServiceId("stripe".into())),
                hosts: vec![stripe.clone()],
                ..secret("STRIPE_KEY", reads, stripe_file, "the environment", true)
            },
            secret(
                "MY_PASSWORD",
                "is secret by the word `PASSWORD`",
                builtin("scrub.toml"),
                "/home/ann/app/.env",
                false,
            ),
        ],
        masks: vec![
            mask("/home/ann/app/.env", MaskContent::File { bytes: Vec::new() }, &["MY_PASSWORD"], "a name like `.env`"),
            mask("/home/ann/.ssh", MaskContent::EmptyDirectory, &[], "ssh credentials"),
        ],
        sweep: SweepPlan::NothingToFind,
        guarded: vec!["/home/ann/app/.git/hooks".into()],
        awaited: Vec::new(),
        watched: Vec::new(),
        sockets: Vec::new(),
        writable: Vec::new(),
        merged: Vec::new(),
        ports: Wanted::default(),
        made: Vec::new(),
        egress: Egress { allow: vec![stripe, Target::parse("db.example:5432").unwrap()], ..Egress::default() },
        inspect: Inspect::default(),
        on_stray: OnStray::default(),
        grants: Vec::new(),
        warnings: vec!["first\u{1b}".into(), "second".into()],
    }
}

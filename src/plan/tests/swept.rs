//! Files that the search for known values found.

use std::collections::HashSet;

use super::*;
use crate::mask::{HeldContent, Holder, MaskError, Swept};

fn holder(path: &str, content: HeldContent) -> Holder {
    Holder { path: path.into(), aliases: Vec::new(), unseen_links: 0, content }
}

fn text(text: &str) -> HeldContent {
    HeldContent::Bytes(Zeroizing::new(text.as_bytes().to_vec()))
}

#[expect(clippy::unnecessary_wraps, reason = "what a search gives")]
fn answer(found: Vec<Holder>) -> Result<SweepAnswer, MaskError> {
    Ok(SweepAnswer::Swept(Swept { found, files: 7, bytes: 8, ..Swept::default() }))
}

#[test]
fn a_known_value_is_a_placeholder_wherever_it_stands() {
    let planned = Case {
        sweep: Some(&|values, judged| {
            assert_eq!(values, [STRIPE.as_bytes()]);
            assert_eq!(*judged, HashSet::from([PathBuf::from("/p/.env")]));
            let alias =
                Holder { aliases: vec!["/q/alias".into()], ..holder("/p/a.py", text(&format!("k = '{STRIPE}'\n"))) };
            answer(vec![
                alias,
                holder("/p/b.db", text(&format!("\0{STRIPE}"))),
                holder("/p/c.bin", HeldContent::Large),
                holder("/p/e", text(&STRIPE[..20])),
                holder("/p/deploy", HeldContent::PrivateKey),
                holder("/p/d", HeldContent::Unsearched("could not be read (x)".into())),
            ])
        }),
        ..Case::default()
    }
    .variable("STRIPE_KEY", STRIPE)
    .variable("SHORT_PASSWORD", "hunter2")
    .dotenv("/p/.env", "A=1\n")
    .plan();
    let shown = format!("k = '{}'\n", planned.placeholder("STRIPE_KEY"));
    assert_eq!([planned.masked("/p/a.py"), planned.masked("/q/alias")], [shown.clone(), shown]);
    for path in ["/p/b.db", "/p/c.bin", "/p/d", "/p/deploy"] {
        assert_eq!(planned.masked(path), "(empty)", "{path}");
    }
    assert_eq!(planned.masked("/p/e"), "(not masked)");
    let warned = planned.plan.warnings.join("\n");
    for path in ["/p/a.py", "/p/b.db", "/p/c.bin", "/p/d"] {
        assert!(warned.contains(path), "{warned}");
    }
    assert_eq!(planned.plan.sweep, SweepPlan::Done { files: 7, bytes: 8, time: std::time::Duration::ZERO });
}

#[test]
fn a_name_that_was_not_found_refuses_the_run() {
    let case = Case {
        sweep: Some(&|_, _| answer(vec![Holder { unseen_links: 1, ..holder("/p/a", text(STRIPE)) }])),
        ..Case::default()
    };
    let case = case.variable("STRIPE_KEY", STRIPE);
    let error = case.try_plan().err().unwrap();
    assert!(matches!(error, PlanError::Mask(MaskError::HardLink { links: 2, found: 1, .. })), "{error}");
}

#[test]
fn without_values_nothing_is_searched() {
    let case = Case { sweep: Some(&|_, _| Err(MaskError::NotText)), ..Case::default() };
    let planned = case.variable("SHORT_PASSWORD", "hunter2").plan();
    assert_eq!(planned.plan.sweep, SweepPlan::NothingToFind);
    let case = Case { sweep: Some(&|_, _| Ok(SweepAnswer::LeftOut { reason: "why" })), ..Case::default() };
    let planned = case.variable("STRIPE_KEY", STRIPE).plan();
    assert_eq!(planned.plan.sweep, SweepPlan::LeftOut { reason: "why" });
}

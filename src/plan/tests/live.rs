//! Files that appear while the child runs.

use super::*;

fn judged(planned: &Planned, text: &str) -> String {
    judged_beside(planned, text, &[])
}

fn judged_beside(planned: &Planned, text: &str, templates: &[&str]) -> String {
    let templates: Vec<Vec<u8>> = templates.iter().map(|text| text.as_bytes().to_vec()).collect();
    let mut case = Case::default().dotenv("/p/.env.new", text);
    let found = case.findings.found.remove(0);
    match planned.live.judge(&found, &templates, "2026-11-23T10:00:00Z".parse().unwrap()) {
        None => "(shown)".into(),
        Some((MaskContent::File { bytes }, _)) => String::from_utf8(bytes).unwrap(),
        Some((other, _)) => format!("{other:?}"),
    }
}

#[test]
fn known_values_keep_their_placeholder_and_new_ones_get_one() {
    let planned = Case::default().variable("STRIPE_KEY", STRIPE).plan();
    let placeholder = planned.placeholder("STRIPE_KEY");
    assert_eq!(judged(&planned, &format!("A={STRIPE}\n")), format!("A={placeholder}\n"));
    let text = judged(&planned, &format!("GITHUB_TOKEN={GITHUB}\nPLAIN=x\nDB_PASSWORD=short\nKEY={placeholder}\n"));
    let (first, rest) = text.split_once('\n').unwrap();
    assert!(first.starts_with("GITHUB_TOKEN=") && !text.contains(GITHUB), "{text}");
    assert_eq!(rest, format!("PLAIN=x\nDB_PASSWORD=short\nKEY={placeholder}\n"));
    // Nobody said where it may go.
    assert!(planned.secrets.iter().all(|(_, held)| !first.contains(held.placeholder.as_str())));
}

#[test]
fn what_the_child_writes_itself_stays_its_own() {
    let planned = Case::default().variable("STRIPE_KEY", STRIPE).plan();
    let placeholder = planned.placeholder("STRIPE_KEY");
    for text in [
        "STRIPE_KEY=\n".to_owned(),
        "POSTGRES_PASSWORD=postgres\nAPI_KEY=changeme\n".into(),
        format!("STRIPE_KEY={placeholder}\n"),
        format!("AUTH_TOKEN='Bearer {placeholder}'\nURL=https://x.example/?k={placeholder}\n"),
    ] {
        assert_eq!(judged(&planned, &text), "(shown)", "{text}");
    }
    assert_eq!(judged(&planned, "API_KEY='unfinished-and-long-enough\n"), "EmptyFile");
}

#[test]
fn what_stands_in_a_template_is_shown_and_known_values_are_not() {
    let planned = Case::default().variable("STRIPE_KEY", STRIPE).plan();
    let template = "API_TOKEN=9f86d081884c7d659a2feaa0c55ad015 # here\nDB_PASSWORD='horse-battery-12'\n";
    assert_eq!(judged_beside(&planned, template, &["A=1\n", template]), "(shown)");
    assert_ne!(judged_beside(&planned, template, &[]), "(shown)");
    // A part of what stands there is something else, and what was known is secret wherever it stands.
    for text in ["API_TOKEN=884c7d659a2feaa0c55ad015\n".to_owned(), format!("STRIPE_KEY={STRIPE}\n")] {
        let templates = [template, &format!("STRIPE_KEY={STRIPE}\n")];
        let seen = judged_beside(&planned, &text, &templates);
        assert!(seen != "(shown)" && seen != text, "{seen}");
    }
}

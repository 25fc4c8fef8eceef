//! What a project's file grants, as people read it before they trust it.

use std::fmt::Write;

use super::{origin, plain};
use crate::policy::{ProjectLayer, Sourced, Standing};

/// What `now` grants, against what was trusted `before`: `+` is new, `-` is gone.
pub fn trust(now: &ProjectLayer, before: &[Sourced<String>]) -> String {
    let has = |list: &[Sourced<String>], what: &str| list.iter().any(|grant| grant.value == what);
    let mut text = format!("{} ({})\n", plain(&now.path), now.sha256);
    for grant in before.iter().filter(|grant| !has(&now.grants, &grant.value)) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {}", plain(&grant.value));
    }
    for grant in &now.grants {
        let mark = if has(before, &grant.value) { ' ' } else { '+' };
        let _ = writeln!(text, "{mark} {}  # {}", plain(&grant.value), origin(&grant.origin));
    }
    text
}

/// Whether a project's file is trusted, in a few words.
pub fn standing(layer: &ProjectLayer) -> String {
    match &layer.standing {
        Standing::Trusted { since: Some(day) } => format!("trusted on {day}, grants {}", layer.grants.len()),
        Standing::Trusted { since: None } => format!("trusted by --trust, grants {}", layer.grants.len()),
        Standing::Untrusted { before: Some(day) } => format!("changed since it was trusted on {day}, narrows only"),
        Standing::Untrusted { before: None } => "narrows only".into(),
    }
}

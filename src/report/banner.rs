//! What `run` says before the child starts: at most four lines.

use super::{count, level, listed, plain};
use crate::plan::{Plan, SecretPlan};
use crate::policy::Isolation;

/// The banner: what is brokered, hidden and masked, and what the user must know.
pub fn banner(plan: &Plan) -> String {
    let mut lines = vec![headline(plan)];
    match plan.level.value {
        Isolation::Sealed => {}
        Isolation::Guarded => {
            lines.push("warning: guarded, not sealed: the child can use the network beside the broker".into());
        }
        Isolation::None => lines.push(
            "warning: isolation none: the child can read every file of yours, and reach every host without the broker"
                .into(),
        ),
    }
    if !plan.project_is_bound && plan.level.value == Isolation::Sealed {
        lines.push("warning: the project is your home or lies above it: changes to it end with the run".into());
    }
    match plan.warnings.as_slice() {
        [] => {}
        [only] => lines.push(format!("warning: {}", plain(only))),
        [first, rest @ ..] => {
            lines.push(format!(
                "warning: {} (and {}: agentsecrets explain)",
                plain(first),
                count(rest.len(), "warning")
            ));
        }
    }
    lines.iter().flat_map(|line| ["agentsecrets: ", line, "\n"]).collect()
}

fn headline(plan: &Plan) -> String {
    let (brokered, hidden): (Vec<&SecretPlan>, Vec<&SecretPlan>) =
        plan.secrets.iter().partition(|secret| !secret.hosts.is_empty());
    let mut parts = Vec::new();
    if !brokered.is_empty() {
        parts.push(format!("brokers {}", listed(brokered.iter().map(|secret| &secret.name), 4)));
    }
    if !hidden.is_empty() {
        parts.push(format!("hides {}", listed(hidden.iter().map(|secret| &secret.name), 3)));
    }
    if parts.is_empty() {
        parts.push("found no secrets".into());
    }
    let masks =
        if plan.masks.is_empty() { String::new() } else { format!(", {} masked", count(plan.masks.len(), "file")) };
    format!("{}: {}{masks}", level(plan.level.value), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn says_what_matters_in_four_lines_at_most() {
        assert_eq!(
            banner(&sample::plan()),
            "agentsecrets: sealed: brokers STRIPE_KEY, hides MY_PASSWORD, 2 files masked\n\
             agentsecrets: warning: first\\u{1b} (and 1 warning: agentsecrets explain)\n"
        );
        let mut plan = sample::plan();
        plan.level.value = Isolation::None;
        assert!(banner(&plan).contains("isolation none"));
        plan.level.value = Isolation::Sealed;
        plan.project_is_bound = false;
        plan.secrets.clear();
        plan.masks.clear();
        let banner = banner(&plan);
        assert!(banner.starts_with("agentsecrets: sealed: found no secrets\n"), "{banner}");
        assert!(banner.contains("is your home") && banner.lines().count() <= 4, "{banner}");
    }
}

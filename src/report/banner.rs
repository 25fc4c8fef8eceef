//! What `run` says before the child starts: at most four lines, and one for each danger that the user asked for.

use std::net::SocketAddr;

use super::{count, level, listed, plain};
use crate::plan::{Plan, SecretPlan, SweepPlan};
use crate::policy::Isolation;
use crate::supervise::ports::Publish;

/// The banner: what is brokered, hidden and masked, and what the user must know. `gaps` are those of a guard on this
/// machine, each as a sentence about the child.
pub fn banner(plan: &Plan, gaps: &[&str]) -> String {
    let mut lines = vec![headline(plan)];
    if !plan.grants.is_empty() {
        let number = count(plan.grants.len(), "thing");
        lines.push(format!("the project's own file is trusted and grants {number}: agentsecrets trust"));
    }
    match plan.level.value {
        Isolation::Sealed => {}
        Isolation::Guarded => {
            lines.push(
                "warning: guarded, not sealed: the child reads what is no known credential, shares /tmp, and reaches any \
                 host that listens on the broker's port"
                    .into(),
            );
            if !gaps.is_empty() {
                lines.push(format!("WARNING: this kernel's Landlock is old: {}", gaps.join("; ")));
            }
        }
        Isolation::None => lines.push(
            "warning: isolation none: the child can read every file of yours, and reach every host without the broker"
                .into(),
        ),
    }
    match plan.level.value {
        Isolation::Sealed if !plan.project_is_bound => {
            lines.push("warning: the project is your home or lies above it: changes to it end with the run".into());
        }
        Isolation::Guarded if !plan.project_is_bound => {
            lines.push("warning: the project is your home or lies above it: it cannot be written".into());
        }
        _ => {}
    }
    if let SweepPlan::LeftOut { reason } = plan.sweep {
        lines.push(format!("warning: the project's files were not searched for known values, {reason}"));
    }
    lines.extend(exposed(plan));
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

/// What is reached across the seal beyond the host's own loopback, and sockets that hand out more than data.
fn exposed(plan: &Plan) -> impl Iterator<Item = String> {
    let published = plan.ports.published.iter().filter_map(|publish| match publish {
        Publish::Port { host, host_port, .. } if !host.is_loopback() => Some(format!(
            "warning: {} is not loopback: every machine that reaches this one reaches the child there",
            SocketAddr::new(*host, *host_port)
        )),
        _ => None,
    });
    let sockets = plan.ports.sockets.iter().filter_map(|socket| {
        let path = plain(&socket.host.to_string_lossy());
        Some(format!("warning: the child is given {path}: {}", socket.power?))
    });
    published.chain(sockets)
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
    let masks = match (plan.masks.len(), plan.level.value) {
        (0, _) => String::new(),
        (number, Isolation::Guarded) => format!(", {} unreadable", count(number, "file")),
        (number, _) => format!(", {} masked", count(number, "file")),
    };
    format!("{}: {}{masks}", level(plan.level.value), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::supervise::ports::HostSocket;

    #[test]
    fn a_danger_that_was_asked_for_has_a_line_of_its_own() {
        let mut plan = sample::plan();
        plan.ports.published = ["3000", "0.0.0.0:8080:3000"].map(|text| text.parse().unwrap()).to_vec();
        plan.ports.sockets = vec![
            HostSocket { host: "/run/db.sock".into(), inside: "/run/db.sock".into(), power: None },
            HostSocket {
                host: "/run/docker.sock".into(),
                inside: "/run/d".into(),
                power: Some("it owns this machine"),
            },
        ];
        let banner = banner(&plan, &[]);
        let lines: Vec<&str> = banner.lines().skip(1).take(2).collect();
        assert_eq!(
            lines,
            [
                "agentsecrets: warning: 0.0.0.0:8080 is not loopback: every machine that reaches this one reaches the child there",
                "agentsecrets: warning: the child is given /run/docker.sock: it owns this machine",
            ]
        );
    }

    #[test]
    fn says_what_matters_in_four_lines_at_most() {
        assert_eq!(
            banner(&sample::plan(), &[]),
            "agentsecrets: sealed: brokers STRIPE_KEY, hides MY_PASSWORD, 2 files masked\n\
             agentsecrets: warning: first\\u{1b} (and 1 warning: agentsecrets explain)\n"
        );
        let mut plan = sample::plan();
        plan.sweep = SweepPlan::LeftOut { reason: "as --no-sweep asks" };
        assert!(banner(&plan, &[]).contains("not searched for known values, as --no-sweep asks\n"));
        let mut plan = sample::plan();
        plan.level.value = Isolation::None;
        assert!(banner(&plan, &[]).contains("isolation none"));
        plan.level.value = Isolation::Guarded;
        let guarded = banner(&plan, &["it can do this", "it can do that"]);
        assert!(guarded.contains("2 files unreadable") && guarded.contains("guarded, not sealed"), "{guarded}");
        assert!(guarded.contains("Landlock is old: it can do this; it can do that\n"), "{guarded}");
        plan.level.value = Isolation::Sealed;
        plan.project_is_bound = false;
        plan.secrets.clear();
        plan.masks.clear();
        let banner = banner(&plan, &[]);
        assert!(banner.starts_with("agentsecrets: sealed: found no secrets\n"), "{banner}");
        assert!(banner.contains("is your home") && banner.lines().count() <= 4, "{banner}");
    }
}

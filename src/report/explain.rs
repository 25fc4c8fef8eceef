//! The plan as people read it.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use super::{level, listed, origin, plain};
use crate::plan::{Decision, MaskContent, MaskPlan, Plan, SecretPlan, SweepPlan, VariablePlan};
use crate::policy::{DefaultEgress, Isolation, Scan, Target};
use crate::supervise::ports::Publish;

/// Every decision of a run, in the order in which they matter: secrets, variables, files, network.
pub fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    head(&mut text, plan);
    secrets(&mut text, plan);
    put_in(&mut text, plan);
    variables(&mut text, plan);
    files(&mut text, plan);
    for (title, paths) in [
        ("read-only", &plan.guarded),
        ("watched: the child can change it, and the summary says so", &plan.watched),
        ("sockets cut off", &plan.sockets),
        ("writable", &plan.writable),
        ("writable with placeholders: merged into yours at the end", &plan.merged),
    ] {
        section(&mut text, title, paths.iter().map(|path| plain(&path.to_string_lossy())));
    }
    ports(&mut text, plan);
    let grants = plan.grants.iter().map(|grant| format!("{} [{}]", plain(&grant.value), origin(&grant.origin)));
    section(&mut text, "granted by the project's trusted file", grants);
    section(&mut text, "warnings", plan.warnings.iter().map(|warning| plain(warning)));
    text
}

fn head(text: &mut String, plan: &Plan) {
    let command: Vec<String> = plan.arguments.iter().map(|argument| quoted(argument.as_bytes())).collect();
    let project = plain(&plan.project.to_string_lossy());
    let bound = match (plan.level.value, plan.project_is_bound) {
        (Isolation::Sealed, false) => " (is your home or lies above it: changes end with the run)",
        _ => "",
    };
    let egress = match plan.egress.default {
        DefaultEgress::Web => "any public host on ports 80 and 443",
        DefaultEgress::Allowlist => "listed hosts only",
    };
    // The hosts of secrets stand beside the secrets.
    let is_bound = |target: &&Target| plan.secrets.iter().any(|secret| secret.hosts.contains(target));
    let allowed: Vec<&Target> = plan.egress.allow.iter().filter(|target| !is_bound(target)).collect();
    let mut named = String::new();
    if plan.secrets.iter().any(|secret| !secret.hosts.is_empty()) {
        named.push_str("; the hosts of brokered secrets");
    }
    if !allowed.is_empty() {
        named.push_str("; ");
        named.push_str(&listed(allowed, 20));
    }
    let loopback = match plan.egress.loopback.len() {
        0 => String::new(),
        _ => format!("; ports of this host {}", listed(&plan.egress.loopback, 20)),
    };
    if let Some(agent) = &plan.agent {
        line(text, &format!("{:<10} {} [{}]", "agent", agent.title, origin(&agent.origin)));
    }
    let rows = [
        ("command", command.join(" ")),
        ("isolation", format!("{} [{}]", level(plan.level.value), origin(&plan.level.origin))),
        ("project", format!("{project}{bound}")),
        ("egress", format!("{egress}{named}{loopback}")),
    ];
    for (label, value) in rows {
        line(text, &format!("{label:<10} {value}"));
    }
}

fn secrets(text: &mut String, plan: &Plan) {
    let brokered = plan.secrets.iter().filter(|secret| !secret.hosts.is_empty());
    section(
        text,
        "brokered: the child holds a placeholder, the broker sends the value",
        brokered.map(|secret| {
            let hosts = listed(&secret.hosts, 8);
            let scan = match secret.scan {
                Scan::Off => "\n      answers that cannot be searched for values pass [scan = \"off\"]",
                Scan::On => "",
                Scan::Strict => "\n      requests for a part of an answer are refused [scan = \"strict\"]",
            };
            format!("{} -> {hosts}{}{scan}", secret.name, why(secret))
        }),
    );
    let hidden = plan.secrets.iter().filter(|secret| secret.hosts.is_empty());
    section(
        text,
        "hidden: the child holds a placeholder that is never swapped",
        hidden.map(|secret| {
            let short =
                if secret.is_distinctive { "" } else { "\n      short or plain: replaced only where it is named" };
            format!("{}{}{short}", secret.name, why(secret))
        }),
    );
    if let Some(unbound) = plan.secrets.iter().find(|secret| secret.hosts.is_empty()) {
        line(
            text,
            &format!(
                "  to broker one, name its hosts in config.toml: [secrets.{}] hosts = [\"api.example.com\"]",
                unbound.name
            ),
        );
    }
}

fn why(secret: &SecretPlan) -> String {
    let places = listed(&secret.places, 3);
    format!("\n      {} [{}]; found in {places}", plain(&secret.reason), origin(&secret.origin))
}

/// Arguments that the user did not write.
fn put_in(text: &mut String, plan: &Plan) {
    let Some(agent) = plan.agent.as_ref().filter(|agent| !agent.arguments.is_empty()) else { return };
    let arguments: Vec<String> = agent.arguments.iter().map(|argument| quoted(argument.as_bytes())).collect();
    let row = format!("{}; {} [{}]", arguments.join(" "), agent.reason, origin(&agent.origin));
    section(text, &format!("put into the command line, for {}", agent.title), std::iter::once(row));
}

fn variables(text: &mut String, plan: &Plan) {
    let rows = plan.variables.iter().filter_map(variable);
    section(text, "variables", rows);
    let is_plainly_kept = |variable: &&VariablePlan| variable.decision == Decision::Kept && variable.reason.is_empty();
    let kept = plan.variables.iter().filter(is_plainly_kept).count();
    line(text, &format!("  {kept} kept as they are"));
}

fn variable(variable: &VariablePlan) -> Option<String> {
    let what = match &variable.decision {
        Decision::Kept if variable.reason.is_empty() => return None,
        Decision::Kept => "kept".to_owned(),
        Decision::Removed => "removed".to_owned(),
        Decision::Set { value } => format!("set to {}", quoted(value.as_bytes())),
        Decision::Added { secret } => format!("added, the placeholder of {secret}"),
        Decision::Hidden { secrets } => as_placeholder("hidden", &variable.name, secrets),
        Decision::Brokered { secrets } => as_placeholder("brokered", &variable.name, secrets),
    };
    let rule = variable.origin.as_ref().map(|rule| format!(" [{}]", origin(rule))).unwrap_or_default();
    Some(format!("{}: {what}; {}{rule}", plain(&variable.name), plain(&variable.reason)))
}

fn as_placeholder(what: &str, name: &str, secrets: &[crate::secret::SecretName]) -> String {
    match secrets {
        [only] if only.as_str() == name => what.to_owned(),
        _ => format!("{what} as {}", listed(secrets, 4)),
    }
}

fn files(text: &mut String, plan: &Plan) {
    let title = if plan.level.value == Isolation::Guarded { "unreadable" } else { "masked" };
    section(text, title, plan.masks.iter().map(mask));
    let swept = match &plan.sweep {
        SweepPlan::Done { files, bytes, time } => {
            let kilobytes = bytes.div_ceil(1000);
            format!("searched for known values: {files} files, {kilobytes} kB, in {} ms", time.as_millis())
        }
        SweepPlan::LeftOut { reason } => format!("not searched for known values, {reason}"),
        SweepPlan::NothingToFind => return,
    };
    section(text, "other files of the project", std::iter::once(swept));
}

fn mask(mask: &MaskPlan) -> String {
    let path = plain(&mask.path.to_string_lossy());
    let what = match (&mask.content, &mask.hidden_because) {
        (MaskContent::File { .. }, _) if mask.keys.is_empty() => "placeholders in it".to_owned(),
        (MaskContent::File { .. }, _) => format!("placeholders for {}", listed(&mask.keys, 6)),
        (MaskContent::EmptyFile, Some(reason)) => format!("hidden whole: {}", plain(reason)),
        (MaskContent::EmptyFile, None) => "an empty file".to_owned(),
        (MaskContent::EmptyDirectory, _) => "an empty directory".to_owned(),
        (MaskContent::Unreadable, _) => "closed".to_owned(),
    };
    let owners: Vec<String> = mask.owners.iter().map(|owner| plain(owner)).collect();
    let owners = if owners.is_empty() { String::new() } else { format!(", for {}", listed(&owners, 6)) };
    format!("{path}: {what}{owners}; {} [{}]", plain(&mask.reason), origin(&mask.origin))
}

/// What is reached across the seal in either direction.
fn ports(text: &mut String, plan: &Plan) {
    let published = plan.ports.published.iter().map(|publish| match publish {
        Publish::Auto => {
            "every port from 1024 that the child opens: on your loopback, under the same number if it is free".into()
        }
        port @ Publish::Port { .. } => port.to_string(),
    });
    section(text, "ports of the child on this host", published);
    let sockets = plan.ports.sockets.iter().map(|socket| {
        let (host, inside) = (plain(&socket.host.to_string_lossy()), plain(&socket.inside.to_string_lossy()));
        let at = if host == inside { host } else { format!("{host} at {inside}") };
        socket.power.map_or_else(|| at.clone(), |power| format!("{at}: {power}"))
    });
    section(text, "sockets of this host inside", sockets);
    if plan.ports.browser {
        line(
            text,
            "\nbrowser\n  http and https links that the child opens go to your own browser (not with --no-browser)",
        );
    }
}

fn section(text: &mut String, title: &str, rows: impl Iterator<Item = String>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    line(text, &format!("\n{title}"));
    rows.for_each(|row| line(text, &format!("  {row}")));
}

fn line(text: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}

/// An argument as a shell would take it.
fn quoted(argument: &[u8]) -> String {
    let text = String::from_utf8_lossy(argument);
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(byte);
    if !argument.is_empty() && argument.iter().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", plain(&text).replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn shows_every_decision_with_reason_and_origin() {
        let expected = r#"command    python3 'a b.py' 'x\u{1b}'\''y'
isolation  sealed [policies/built-in]
project    /home/ann/app
egress     any public host on ports 80 and 443; the hosts of brokered secrets; db.example:5432

brokered: the child holds a placeholder, the broker sends the value
  STRIPE_KEY -> api.stripe.com
      Stripe reads its credential from it [policies/services/stripe.toml]; found in the environment

hidden: the child holds a placeholder that is never swapped
  MY_PASSWORD
      is secret by the word `PASSWORD` [policies/scrub.toml]; found in /home/ann/app/.env
      short or plain: replaced only where it is named
  to broker one, name its hosts in config.toml: [secrets.MY_PASSWORD] hosts = ["api.example.com"]

variables
  STRIPE_KEY: brokered; Stripe reads its credential from it [policies/services/stripe.toml]
  NOTE: hidden as MY_PASSWORD, STRIPE_KEY; contains them [policies/scrub.toml]
  OLD: kept; you asked to keep it [--keep OLD]
  1 kept as they are

masked
  /home/ann/app/.env: placeholders for MY_PASSWORD; a name like `.env` [policies/files.toml]
  /home/ann/.ssh: an empty directory; ssh credentials [policies/files.toml]

read-only
  /home/ann/app/.git/hooks

warnings
  first\u{1b}
  second
"#;
        assert_eq!(explain(&sample::plan()), expected);
    }
}

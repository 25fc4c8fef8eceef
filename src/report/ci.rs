//! What a CI system shows of a run: a summary in Markdown and a line for each refusal.
//!
//! **Invariants.** Names that the child chose (hosts) cannot end a table cell, a code span, a line or a workflow command.

use std::fmt::Write;

use super::{count, level, listed, plain};
use crate::audit::Digest;
use crate::plan::Plan;

/// Rows of each table, and annotations; GitHub shows ten of a step.
const MOST_ROWS: usize = 50;
const MOST_ANNOTATIONS: usize = 10;
/// The longest name that is shown whole.
const LONGEST: usize = 120;

/// The summary in Markdown (GitHub's dialect): what was brokered, where requests went, what was refused.
pub fn ci_summary(plan: &Plan, digest: &Digest) -> String {
    let command = plan.arguments.first().map(|command| command.to_string_lossy().into_owned()).unwrap_or_default();
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut text = format!(
        "### agentsecrets: {}\n\nLevel **{}**; {} to {}, {} refused.\n",
        code(&command),
        level(plan.level.value),
        count(number(digest.requests), "request"),
        count(digest.hosts.len(), "host"),
        digest.refused
    );
    let brokered = plan.secrets.iter().filter(|secret| !secret.hosts.is_empty()).map(|secret| {
        let used = digest.secrets.get(secret.name.as_str()).copied().unwrap_or_default();
        [code(secret.name.as_str()), code(&listed(&secret.hosts, 4)), used.to_string()]
    });
    table(&mut text, ["Brokered secret", "bound to", "requests"], brokered);
    let hosts = digest.hosts.iter().map(|(host, times)| [code(host), times.to_string(), String::new()]);
    table(&mut text, ["Host", "requests", ""], hosts);
    let refusals = digest
        .refusals
        .iter()
        .map(|((host, port, rule), times)| [code(&format!("{host}:{port}")), why(rule), times.to_string()]);
    table(&mut text, ["Refused", "because", "requests"], refusals);
    text.push('\n');
    text
}

fn table(text: &mut String, head: [&str; 3], rows: impl Iterator<Item = [String; 3]>) {
    let rows: Vec<[String; 3]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\n| {} |\n| --- | --- | --- |", head.join(" | "));
    for row in rows.iter().take(MOST_ROWS) {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    if rows.len() > MOST_ROWS {
        let _ = writeln!(text, "\nand {} more", rows.len() - MOST_ROWS);
    }
}

/// A code span that its text cannot leave, in a table cell that it cannot leave either.
fn code(text: &str) -> String {
    let mut shown: String = plain(text).chars().take(LONGEST).map(|one| if one == '`' { '\'' } else { one }).collect();
    shown = shown.replace('|', "\\|");
    if shown.is_empty() { "` `".into() } else { format!("`{shown}`") }
}

fn why(rule: &str) -> String {
    match rule {
        "host_not_allowed" => "it is not on the allowlist".into(),
        "port_not_allowed" => "its port is not open".into(),
        "link_not_allowed" => "the child wanted it opened in a browser".into(),
        other => plain(&other.replace('_', " ")).chars().filter(|one| one.is_alphanumeric() || *one == ' ').collect(),
    }
}

/// One line for each refusal, in the form of the CI system: GitHub's workflow commands, or plain.
pub fn ci_annotations(digest: &Digest, is_github: bool) -> Vec<String> {
    let refusals = digest.refusals.iter().take(MOST_ANNOTATIONS);
    let mut lines: Vec<String> = refusals
        .map(|((host, port, rule), times)| {
            let target: String = format!("{host}:{port}").chars().take(LONGEST).collect();
            let mend = match rule.as_str() {
                "host_not_allowed" | "port_not_allowed" => format!("; `--allow {target}` would let it"),
                _ => String::new(),
            };
            annotation(&format!("{target} ({times}): {}{mend}", why(rule)), is_github)
        })
        .collect();
    if digest.refusals.len() > MOST_ANNOTATIONS {
        let more = digest.refusals.len() - MOST_ANNOTATIONS;
        lines.push(format!("agentsecrets: {more} more refusals: `agentsecrets log show` lists them"));
    }
    lines
}

fn annotation(message: &str, is_github: bool) -> String {
    if is_github {
        format!("::warning title={}::{}", property("agentsecrets: refused"), data(&plain(message)))
    } else {
        format!("agentsecrets: warning: refused {}", plain(message))
    }
}

/// Text of a workflow command, as the runner reads it back.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of a workflow command, which colons and commas would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn digest() -> Digest {
        let mut digest = Digest { requests: 5, refused: 3, ..Digest::default() };
        digest.hosts.insert("api.stripe.com:443".into(), 2);
        digest.secrets.insert("STRIPE_KEY".into(), 2);
        digest.refusals.insert(("evil.example".into(), 443, "host_not_allowed".into()), 2);
        digest.refusals.insert(("a`|\n::b".into(), 1, "rule_not_matched".into()), 1);
        digest
    }

    #[test]
    fn the_summary_says_what_was_brokered_and_refused() {
        assert_eq!(
            ci_summary(&sample::plan(), &digest()),
            "### agentsecrets: `python3`\n\nLevel **sealed**; 5 requests to 1 host, 3 refused.\n\n\
             | Brokered secret | bound to | requests |\n| --- | --- | --- |\n\
             | `STRIPE_KEY` | `api.stripe.com` | 2 |\n\n\
             | Host | requests |  |\n| --- | --- | --- |\n| `api.stripe.com:443` | 2 |  |\n\n\
             | Refused | because | requests |\n| --- | --- | --- |\n\
             | `a'\\|\\n::b:1` | rule not matched | 1 |\n\
             | `evil.example:443` | it is not on the allowlist | 2 |\n\n"
        );
    }

    #[test]
    fn an_annotation_is_one_command_whatever_the_child_named() {
        let lines = ci_annotations(&digest(), true);
        assert_eq!(
            lines,
            [
                "::warning title=agentsecrets%3A refused::a`|\\n::b:1 (1): rule not matched",
                "::warning title=agentsecrets%3A refused::evil.example:443 (2): it is not on the allowlist; `--allow evil.example:443` would let it",
            ]
        );
        assert_eq!((data("50%\r\n"), property("a:b,c")), ("50%25%0D%0A".into(), "a%3Ab%2Cc".into()));
        assert!(
            ci_annotations(&digest(), false).iter().all(|line| line.starts_with("agentsecrets: warning: refused "))
        );
    }
}

//! The demo's report: what the agent saw beside what was outside. Pure.

use std::fmt;

use super::KEY_VARIABLE;
use super::agent::Findings;
use super::api::Api;
use crate::secret::Secret;

/// One line of the report.
struct Row {
    what: &'static str,
    inside: String,
    outside: String,
    held: bool,
}

/// The report.
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Judges the findings. The key's own bytes are compared and never printed.
    pub(super) fn new(findings: &Findings, api: &Api, key: &Secret) -> Self {
        let hidden = |text: &str| memchr::memmem::find(text.as_bytes(), key.expose()).is_none();
        let denied = |text: &str| !text.starts_with("readable") && text != "connected";
        let row = |what, inside: &str, outside: &str, held| Row {
            what,
            inside: inside.into(),
            outside: outside.into(),
            held,
        };
        let used = api.received.only_the_real_key();
        let received = if used { "received the real key" } else { "did not receive the real key" };
        let kept = "the real key";
        Self(vec![
            row(
                "environment",
                &format!("{KEY_VARIABLE}={}", findings.environment),
                kept,
                hidden(&findings.environment),
            ),
            row(".env", &findings.dotenv, kept, hidden(&findings.dotenv)),
            row("/proc of the parent", &findings.parent, "has the real key in memory", denied(&findings.parent)),
            row("/proc/1/environ", &findings.init, "-", denied(&findings.init)),
            row("GET api.demo.test", &findings.answer, received, used && hidden(&findings.answer)),
            row("connect 192.0.2.1:4444", &findings.elsewhere, "nothing was sent", denied(&findings.elsewhere)),
            row(
                "connect host loopback",
                &findings.host_loopback,
                "the API listens there",
                denied(&findings.host_loopback),
            ),
        ])
    }

    /// Whether every line is as promised.
    pub(super) fn all_held(&self) -> bool {
        self.0.iter().all(|row| row.held)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&Row) -> &str, title: &str| {
            self.0.iter().map(|row| column(row).chars().count()).chain([title.len()]).max().unwrap_or_default()
        };
        let what = width(|row| row.what, "");
        let inside = width(|row| &row.inside, "the agent, inside");
        writeln!(formatter, "\n      {:what$}  {:inside$}  outside", "", "the agent, inside")?;
        for row in &self.0 {
            let mark = if row.held { "ok" } else { "LEAK" };
            writeln!(formatter, "{mark:>4}  {:what$}  {:inside$}  {}", row.what, row.inside, row.outside)?;
        }
        let verdict = if self.all_held() {
            "The agent used the key and could not read it."
        } else {
            "Something did not hold: please report this with the output of `agentsecrets doctor`."
        };
        writeln!(formatter, "\n{verdict}")
    }
}

//! What a run did, in one line.

use std::fmt::Write;
use std::path::PathBuf;

use super::{count, listed};
use crate::secret::SecretName;

/// The sums of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests judged, refused ones included.
    pub requests: u64,
    /// Different hosts that something was sent to.
    pub hosts: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests in which a placeholder went out as it was.
    pub inert: u64,
    /// Secrets injected at least once.
    pub secrets: Vec<SecretName>,
    /// Files of the home that the child changed and that did not outlive the run.
    pub discarded: Vec<PathBuf>,
    /// Files that the child changed and that a program of the host's would run or obey.
    pub changed: Vec<PathBuf>,
}

/// One line: requests, hosts, refusals, secrets, and what was lost.
pub fn summary(totals: &Totals) -> String {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut parts = vec![match totals.requests {
        0 => "no requests".to_owned(),
        requests => format!("{} to {}", count(number(requests), "request"), count(number(totals.hosts), "host")),
    }];
    if totals.refused > 0 {
        parts.push(format!("{} refused", totals.refused));
    }
    if totals.inert > 0 {
        parts.push(format!("{} with a placeholder that stayed one", totals.inert));
    }
    if !totals.secrets.is_empty() {
        parts.push(format!("used {}", listed(&totals.secrets, 5)));
    }
    if !totals.discarded.is_empty() {
        let files = listed(totals.discarded.iter().map(|path| path.display()), 3);
        parts.push(format!("discarded changes to {files} (keep such places with --writable DIR)"));
    }
    let mut text = format!("agentsecrets: {}\n", parts.join("; "));
    if !totals.changed.is_empty() {
        // Writing to a String cannot fail.
        let files = listed(totals.changed.iter().map(|path| path.display()), 6);
        let _ = writeln!(text, "agentsecrets: warning: changed {files}: your own tools obey that, look at it first");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_one_line_whatever_happened() {
        assert_eq!(summary(&Totals::default()), "agentsecrets: no requests\n");
        let totals = Totals {
            requests: 12,
            hosts: 1,
            refused: 2,
            inert: 1,
            secrets: vec![SecretName::new("STRIPE_KEY").unwrap()],
            discarded: ["/home/a/.x\n", "/home/a/.y", "/home/a/.z", "/home/a/.w"].map(PathBuf::from).to_vec(),
            changed: vec!["/p/.git/config".into()],
        };
        assert_eq!(
            summary(&totals),
            "agentsecrets: 12 requests to 1 host; 2 refused; 1 with a placeholder that stayed one; used STRIPE_KEY; \
             discarded changes to /home/a/.x\\n, /home/a/.y, /home/a/.z and 1 more (keep such places with --writable DIR)\n\
             agentsecrets: warning: changed /p/.git/config: your own tools obey that, look at it first\n"
        );
    }
}

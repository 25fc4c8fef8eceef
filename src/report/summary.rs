//! What a run did, in one line.

use std::error::Error as _;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{count, listed, plain};
use crate::audit::KeptError;
use crate::run::{Aside, Moved};
use crate::secret::SecretName;

/// The sums of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// The run's id.
    pub run: String,
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
    /// Files of the home that the child changed and that are kept apart.
    pub kept: Vec<PathBuf>,
    /// Files outside writable places that the child changed and that did not outlive the run.
    pub discarded: Vec<PathBuf>,
    /// Whether there were more of those.
    pub discarded_more: bool,
    /// Files that the child changed and that a program of the host's would run or obey.
    pub changed: Vec<PathBuf>,
}

/// The flag that makes a place outlive the run.
const WRITABLE: &str = " (keep such places with --writable DIR)";

/// The most paths that a warning lists.
const MOST: usize = 20;
/// The most bytes of a path that are shown: the child chose its length.
const LONGEST: usize = 200;
/// What stands for its middle.
const CUT: &str = "[…]";

/// A path without its middle where it is long.
fn short(path: &Path) -> String {
    // Escaped first: that makes it longer.
    let text = plain(&path.to_string_lossy());
    if text.len() <= LONGEST {
        return text;
    }
    let half = (LONGEST - CUT.len()) / 2;
    let (begin, end) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    format!("{}{CUT}{}", &text[..begin], &text[end..])
}

/// Why changes of the home were not kept.
pub fn not_kept(error: &KeptError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("agentsecrets: warning: nothing of your home was kept: {}\n", plain(&format!("{error}{cause}")))
}

/// What a child has made that the user's tools obey, and where it is now; empty where it made nothing of the kind.
pub fn set_aside(aside: &Aside) -> String {
    let mut text = String::new();
    let (replaced, moved): (Vec<_>, Vec<_>) = aside.moved.iter().partition(|moved| moved.is_replaced);
    let pairs = |moved: Vec<&Moved>| {
        listed(moved.iter().map(|moved| format!("{} to {}", short(&moved.was), short(&moved.now))), MOST)
    };
    // Writing to a String cannot fail.
    if !moved.is_empty() {
        let _ = writeln!(
            text,
            "agentsecrets: warning: the command made what your own tools obey; set aside {}: look at it before you move it \
             back (--writable PATH keeps it in place)",
            pairs(moved)
        );
    }
    if !replaced.is_empty() {
        let _ = writeln!(
            text,
            "agentsecrets: warning: the command made settings of git that could start a program; set aside {}, and what \
             starts nothing of it stands in its place",
            pairs(replaced)
        );
    }
    let paths = |paths: &[PathBuf]| listed(paths.iter().map(|path| short(path)), MOST);
    if !aside.opened.is_empty() {
        let _ = writeln!(text, "agentsecrets: opened folders that the command had closed: {}", paths(&aside.opened));
    }
    if !aside.unseen.is_empty() {
        let _ = writeln!(
            text,
            "agentsecrets: warning: could not look through {} for what the command made there: use no git in it before you \
             have",
            paths(&aside.unseen)
        );
    }
    text
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
    let has_discarded = !totals.discarded.is_empty() || totals.discarded_more;
    if !totals.kept.is_empty() {
        let files = listed(totals.kept.iter().map(|path| short(path)), 3);
        let (number, run) = (count(totals.kept.len(), "changed file"), &totals.run);
        let flag = if has_discarded { "" } else { WRITABLE };
        parts.push(format!("kept {number} of your home ({files}): agentsecrets log restore {run}{flag}"));
    }
    if has_discarded {
        let mut files = vec![listed(totals.discarded.iter().map(|path| short(path)), 3)];
        files.extend(totals.discarded_more.then(|| "more than are looked at".to_owned()));
        files.retain(|files| !files.is_empty());
        parts.push(format!("discarded changes to {}{WRITABLE}", files.join(" and ")));
    }
    let mut text = format!("agentsecrets: {}\n", parts.join("; "));
    if !totals.changed.is_empty() {
        // Writing to a String cannot fail.
        let files = listed(totals.changed.iter().map(|path| short(path)), MOST);
        let _ = writeln!(text, "agentsecrets: warning: changed {files}: your own tools obey that, look at it first");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_said_by_what_became_of_it() {
        assert_eq!(set_aside(&Aside::default()), "");
        let moved = |was: &str, is_replaced| Moved { was: was.into(), now: "/p/aside".into(), is_replaced };
        let aside = Aside {
            moved: vec![moved("/p/.mcp.json", false), moved("/p/a\nb/.git/config", true)],
            opened: vec!["/p/closed".into()],
            unseen: vec!["/p/deep".into()],
            ..Aside::default()
        };
        let text = set_aside(&aside);
        assert_eq!(text.lines().count(), 4, "{text}");
        for part in [
            "aside /p/.mcp.json to /p/aside: look",
            "aside /p/a\\nb/.git/config to /p/aside, and",
            "/p/closed\n",
            "/p/deep for",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_long_path_is_shown_without_its_middle_and_many_are_counted() {
        let long = format!("/p/{}/.mcp.json", "é\n".repeat(1500));
        let moved = |number: usize| Moved {
            was: format!("{long}{number}").into(),
            now: long.clone().into(),
            is_replaced: false,
        };
        let text = set_aside(&Aside { moved: (0..25).map(moved).collect(), ..Aside::default() });
        assert!(text.len() < 20 * 2 * (LONGEST + 4) + 200, "{}", text.len());
        assert!(
            text.contains("aside /p/é\\n") && text.contains(".mcp.json19 to /p/") && text.contains(" and 5 more"),
            "{text}"
        );
        for length in [LONGEST - 1, LONGEST, LONGEST + 1, 3000] {
            let path = "é".repeat(length / 2) + &"a".repeat(length % 2);
            let shown = short(Path::new(&path));
            assert!(shown.len() <= LONGEST && (length > LONGEST || shown == path), "{shown}");
        }
    }

    #[test]
    fn is_one_line_whatever_happened() {
        assert_eq!(summary(&Totals::default()), "agentsecrets: no requests\n");
        let totals = Totals {
            requests: 12,
            hosts: 1,
            refused: 2,
            inert: 1,
            secrets: vec![SecretName::new("STRIPE_KEY").unwrap()],
            run: "RUN".into(),
            kept: ["/home/a/.x\n", "/home/a/.y", "/home/a/.z", "/home/a/.w"].map(PathBuf::from).to_vec(),
            discarded: vec!["/etc/hosts".into()],
            discarded_more: true,
            changed: vec!["/p/.git/config".into()],
        };
        assert_eq!(
            summary(&totals),
            "agentsecrets: 12 requests to 1 host; 2 refused; 1 with a placeholder that stayed one; used STRIPE_KEY; \
             kept 4 changed files of your home (/home/a/.x\\n, /home/a/.y, /home/a/.z and 1 more): agentsecrets log \
             restore RUN; discarded changes to /etc/hosts and more than are looked at (keep such places with --writable \
             DIR)\n\
             agentsecrets: warning: changed /p/.git/config: your own tools obey that, look at it first\n"
        );
    }
}

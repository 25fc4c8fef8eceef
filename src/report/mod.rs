//! What people read: errors, banner, summary, plan; pure functions to text, and the one writer to stderr.
//!
//! **Invariants.** Text from outside passes [`plain()`], which leaves no control character for a terminal to obey. Nothing
//! here can fail a run: a stderr that is full or gone is ignored.

mod banner;
mod ci;
mod error;
mod explain;
mod known;
mod merged;
mod news;
mod notice;
mod plain;
mod policy;
mod prompt;
#[cfg(test)]
mod sample;
mod summary;
mod terminal;
mod trust;

pub use banner::banner;
pub use ci::{ci_annotations, ci_summary};
pub use error::error;
pub use explain::explain;
pub use known::{agents, services};
pub use merged::{Merged, merged};
pub use news::news;
pub use notice::notice;
pub use plain::plain;
pub use policy::policy;
pub use prompt::{confirm, prompt};
pub use summary::{Totals, not_kept, set_aside, summary};
pub use terminal::Terminal;
pub use trust::{standing, trust};

use crate::policy::{Isolation, Origin};

/// Where a rule stands, in a few characters.
fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Builtin { file } => format!("policies/{file}"),
        Origin::File { path, line } => format!("{}:{line}", plain(path)),
        Origin::Flag { flag } => plain(flag),
    }
}

fn level(level: Isolation) -> &'static str {
    match level {
        Isolation::Sealed => "sealed",
        Isolation::Guarded => "guarded",
        Isolation::None => "none",
    }
}

/// `1 file`, `2 files`.
fn count(number: usize, word: &str) -> String {
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}

/// `1 file`, `2 files`.
pub fn files(number: usize) -> String {
    count(number, "file")
}

/// At most `most` of `items`, and how many more there are.
fn listed<T: ToString>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let items: Vec<String> = items.into_iter().map(|item| plain(&item.to_string())).collect();
    let shown = items.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

//! What became of the masked files that the command was allowed to change.

use std::path::{Path, PathBuf};

use super::plain;

/// What became of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The command's changes stand in the host's file.
    Done {
        /// The file.
        path: PathBuf,
        /// Whether placeholders are left in it, where the command put them.
        has_placeholders: bool,
    },
    /// The host's file stays, and the command's version stands beside it, with placeholders.
    Conflict {
        /// The file.
        path: PathBuf,
        /// The command's version.
        beside: PathBuf,
        /// Why, as the rest of a sentence.
        why: String,
    },
    /// The command deleted it; the host's stays.
    Removed {
        /// The file.
        path: PathBuf,
    },
    /// The command's version could not be taken or put anywhere.
    Lost {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A line for each.
pub fn merged(files: &[Merged]) -> String {
    let shown = |path: &Path| plain(&path.to_string_lossy());
    let line = |file: &Merged| match file {
        Merged::Done { path, has_placeholders } => {
            let rest =
                if *has_placeholders { "; placeholders that it put elsewhere stay, and stand for nothing" } else { "" };
            format!("agentsecrets: merged what the command changed in {}{rest}\n", shown(path))
        }
        Merged::Conflict { path, beside, why } => format!(
            "agentsecrets: warning: {} stays as it is: {}; the command's version, with placeholders, is {}\n",
            shown(path),
            plain(why),
            shown(beside)
        ),
        Merged::Removed { path } => {
            format!("agentsecrets: warning: the command deleted {}; yours stays\n", shown(path))
        }
        Merged::Lost { path, why } => {
            format!("agentsecrets: warning: what the command changed in {} is lost: {}\n", shown(path), plain(why))
        }
    };
    files.iter().map(line).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_where_the_other_version_is() {
        let (path, beside) = (PathBuf::from("/h/a\u{1b}"), PathBuf::from("/h/b"));
        let files = [
            Merged::Done { path: path.clone(), has_placeholders: true },
            Merged::Conflict { path: path.clone(), beside, why: "reasons".into() },
            Merged::Removed { path: path.clone() },
            Merged::Lost { path, why: "no space".into() },
        ];
        let text = merged(&files);
        assert_eq!(text.lines().count(), 4);
        assert!(
            text.contains("stays as it is: reasons") && text.contains("/h/b") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
}

//! Judges git's configuration that somebody untrusted wrote: which of its settings start nothing, and what is left when the
//! others are taken out; and which paths a setting of the user's names. Pure.
//!
//! **Invariants.** Only what git's own commands write is read (git-config(1), "Syntax", one setting a line): a text that two
//! versions of git might read differently is not judged at all. A setting counts as harmless only where its name and its
//! value are known to be (`allowed`), so that what a later git adds is taken out.

mod allowed;
mod words;
mod written;

use std::path::Path;

use written::{Section, Setting, read, render};

pub(super) use words::{Word, words};

/// Whether a setting of the user's starts nothing, whatever git is asked to do. `section` and `key` are in lower case.
pub(super) fn starts_nothing(section: &str, subsection: Option<&[u8]>, key: &str, value: &[u8]) -> bool {
    let section = Section { name: section.to_owned(), sub: subsection.map(<[u8]>::to_vec) };
    let setting = Setting { section, key: key.to_owned(), value: Some(value.to_vec()) };
    // A working tree is no program, wherever it lies.
    allowed::is_harmless(&setting, &|_| true)
}

/// What becomes of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitSettings {
    /// It starts nothing as it is.
    Harmless,
    /// It could start something: the same without.
    Cleaned(Vec<u8>),
    /// It cannot be judged.
    Unknown,
}

impl GitSettings {
    /// Judges a file of git's configuration. `is_own` says whether a place that `core.worktree` names, from git's directory
    /// on, is one that the repository may have.
    pub fn judge(text: &[u8], is_own: &dyn Fn(&Path) -> bool) -> Self {
        let Some(mut settings) = read(text) else { return Self::Unknown };
        let count = settings.len();
        settings.retain(|setting| allowed::is_harmless(setting, is_own));
        if settings.len() == count { Self::Harmless } else { Self::Cleaned(render(&settings)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> GitSettings {
        GitSettings::judge(text.as_bytes(), &|place| place == Path::new("../../../own"))
    }

    #[test]
    fn what_gits_own_commands_write_is_harmless() {
        for text in [
            "",
            // git init, git clone --filter, with a branch.
            "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
             [remote \"origin\"]\n\turl = https://example.com/a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
             \tpromisor = true\n\tpartialclonefilter = blob:none\n\
             [branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n\tvscode-merge-base = origin/main\n",
            // git submodule add, in the module.
            "[core]\n\tworktree = ../../../own\n[remote \"origin\"]\n\turl = git@example.com:a/b\n",
            "[submodule \"a/b\"]\n\turl = ../b\n\tactive = true\n\tupdate = rebase\n",
            "[user]\n\tname = Ann \\\"A.\\\" Bell\n\temail = ann@example.com # hers\n; more\n[extensions]\n\tworktreeConfig\n",
            "[remote \"x\"]\n\ttagOpt = --no-tags\n\tpushurl = /srv/git/x.git\n[branch \"x\"]\n\tremote = .\n",
        ] {
            assert_eq!(judge(text), GitSettings::Harmless, "{text}");
        }
    }

    #[test]
    fn what_could_start_something_is_taken_out_and_the_rest_stays() {
        for setting in [
            "[core]\n\tfsmonitor = ./watch",
            "[core]\n\tfsmonitor",
            "[core]\n\tFSMonitor = true",
            "[core]\n\thooksPath = hooks",
            "[core]\n\tworktree = ../../../../elsewhere",
            "[core]\n\tsshCommand = sh",
            "[core]\n\tpager = sh",
            "[core]\n\tgitProxy = sh",
            "[filter \"x\"]\n\tclean = sh",
            "[diff \"x\"]\n\ttextconv = sh",
            "[diff]\n\texternal = sh",
            "[merge \"x\"]\n\tdriver = sh",
            "[alias]\n\tco = !sh",
            "[include]\n\tpath = ../other",
            "[includeIf \"gitdir:/\"]\n\tpath = ../other",
            "[credential]\n\thelper = !sh",
            "[credential \"https://example.com\"]\n\thelper = x",
            "[gpg]\n\tprogram = sh",
            "[url \"ext::sh -c x\"]\n\tinsteadOf = https://",
            "[remote \"origin\"]\n\turl = ext::sh -c x",
            "[remote \"origin\"]\n\turl = evil://x",
            "[remote \"origin\"]\n\turl = -x",
            "[remote \"origin\"]\n\tvcs = evil",
            "[remote \"origin\"]\n\tuploadpack = sh",
            "[remote \"origin\"]\n\tproxy = http://127.0.0.1",
            "[branch \"main\"]\n\tremote = ext::sh",
            "[branch \"main\"]\n\tmergeOptions = -s evil",
            "[submodule \"x\"]\n\tupdate = !sh",
            "[submodule \"x\"]\n\turl = ext::sh",
            "[protocol \"ext\"]\n\tallow = always",
            "[sequence]\n\teditor = sh",
            "[pager]\n\tlog = sh",
            "[trailer \"x\"]\n\tcommand = sh",
            "[hook \"x\"]\n\tcommand = sh",
            "[user \"x\"]\n\tname = no such",
            "[remote]\n\turl = https://example.com",
            "[some]\n\tthing = 1",
        ] {
            let text = format!("[core]\n\tbare = false\n{setting}\n[user]\n\tname = \"A # \\\\ \\\"B\\\"\"\n");
            let cleaned = "[core]\n\tbare = \"false\"\n[user]\n\tname = \"A # \\\\ \\\"B\\\"\"\n";
            assert_eq!(judge(&text), GitSettings::Cleaned(cleaned.into()), "{setting}");
            assert_eq!(judge(cleaned), GitSettings::Harmless, "{setting}");
        }
    }

    #[test]
    fn what_is_written_otherwise_is_not_judged() {
        for text in [
            "\u{feff}[core]\n",
            "[core]\r\n\tbare = false\r\n",
            "[core]\n\tbare = fal\\\nse\n",
            "[core] fsmonitor = x\n",
            "[core.sub]\n\ta = b\n",
            "[core\n\ta = b\n",
            "[core \"a\n\"]\n",
            "[core \"a\" ]\n",
            "[core]x\n",
            "[]\n",
            "bare = false\n",
            "[core]\n\t= x\n",
            "[core]\n\tbare : x\n",
            "[core]\n\tbare # x\n",
            "[core]\n\ta = \"open\n",
            "[core]\n\ta = \\x\n",
            "[core]\n\ta = b\tc\n",
            "[core]\n\ta = b\0c\n",
            "[core]\n\tfs_monitor = x\n",
            "gitdir: x\n",
        ] {
            assert_eq!(judge(text), GitSettings::Unknown, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_left_is_harmless(text in r#"[\[\]a"\\=# \n\r;.]{0,60}"#, name in "(core|user|remote)", key in "(name|bare|url)") {
            for text in [text.clone(), format!("[{name}]\n\t{key} = {text}\n"), format!("[{name} \"{text}\"]\n\t{key}\n")] {
                if let GitSettings::Cleaned(cleaned) = GitSettings::judge(text.as_bytes(), &|_| false) {
                    proptest::prop_assert_eq!(GitSettings::judge(&cleaned, &|_| false), GitSettings::Harmless);
                }
            }
        }
    }
}

//! The settings that start nothing, by name and value: those that git's own commands write for a repository, and what
//! people set there besides that names neither a program nor a place.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::written::Setting;

/// Which values are harmless.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// A word: yes, no, a number, one of git's own choices.
    Word,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any text: it is shown, compared, or the name of a reference.
    Text,
    /// Where a repository is, or the name of a remote: what asks for a helper program is none.
    Repository,
    /// The working tree.
    Worktree,
}

use Value::{OneOf, Repository, Text, Word, Worktree};

/// Section and key in lower case; `*` in the middle is any subsection, `*` at the end any key.
const ALLOWED: &[(&str, Value)] = &[
    ("core.repositoryformatversion", Word),
    ("core.filemode", Word),
    ("core.bare", Word),
    ("core.logallrefupdates", Word),
    ("core.ignorecase", Word),
    ("core.precomposeunicode", Word),
    ("core.symlinks", Word),
    ("core.autocrlf", Word),
    ("core.eol", Word),
    ("core.safecrlf", Word),
    ("core.abbrev", Word),
    ("core.quotepath", Word),
    ("core.compression", Word),
    ("core.longpaths", Word),
    ("core.preloadindex", Word),
    ("core.sparsecheckout", Word),
    ("core.sparsecheckoutcone", Word),
    ("core.untrackedcache", Word),
    ("core.fsmonitor", OneOf(&["false"])),
    ("core.worktree", Worktree),
    ("extensions.compatobjectformat", Word),
    ("extensions.noop", Word),
    ("extensions.objectformat", Word),
    ("extensions.partialclone", Word),
    ("extensions.preciousobjects", Word),
    ("extensions.refstorage", Word),
    ("extensions.relativeworktrees", Word),
    ("extensions.worktreeconfig", Word),
    ("remote.pushdefault", Repository),
    ("remote.*.url", Repository),
    ("remote.*.pushurl", Repository),
    ("remote.*.fetch", Text),
    ("remote.*.push", Text),
    ("remote.*.followremotehead", Word),
    ("remote.*.gh-resolved", Text),
    ("remote.*.mirror", Word),
    ("remote.*.partialclonefilter", Text),
    ("remote.*.promisor", Word),
    ("remote.*.prune", Word),
    ("remote.*.prunetags", Word),
    ("remote.*.skipdefaultupdate", Word),
    ("remote.*.skipfetchall", Word),
    ("remote.*.tagopt", OneOf(&["--no-tags", "--tags"])),
    ("branch.autosetupmerge", Word),
    ("branch.autosetuprebase", Word),
    ("branch.*.description", Text),
    ("branch.*.gh-merge-base", Text),
    ("branch.*.github-pr-owner-number", Text),
    ("branch.*.merge", Text),
    ("branch.*.pushremote", Repository),
    ("branch.*.rebase", Word),
    ("branch.*.remote", Repository),
    ("branch.*.vscode-merge-base", Text),
    ("submodule.active", Text),
    ("submodule.alternateerrorstrategy", Word),
    ("submodule.alternatelocation", Word),
    ("submodule.fetchjobs", Word),
    ("submodule.recurse", Word),
    ("submodule.*.active", Word),
    ("submodule.*.branch", Text),
    ("submodule.*.fetchrecursesubmodules", Word),
    ("submodule.*.ignore", Word),
    ("submodule.*.shallow", Word),
    ("submodule.*.update", OneOf(&["checkout", "rebase", "merge", "none"])),
    ("submodule.*.url", Repository),
    ("user.email", Text),
    ("user.name", Text),
    ("user.useconfigonly", Word),
    ("author.email", Text),
    ("author.name", Text),
    ("committer.email", Text),
    ("committer.name", Text),
    ("advice.*", Word),
    ("color.*", Word),
    ("commit.gpgsign", Word),
    ("commit.verbose", Word),
    ("diff.algorithm", Word),
    ("diff.colormoved", Word),
    ("diff.renamelimit", Word),
    ("diff.renames", Word),
    ("feature.manyfiles", Word),
    ("fetch.parallel", Word),
    ("fetch.prune", Word),
    ("fetch.prunetags", Word),
    ("gc.auto", Word),
    ("gc.autodetach", Word),
    ("http.postbuffer", Word),
    ("index.version", Word),
    ("init.defaultbranch", Text),
    ("lfs.repositoryformatversion", Word),
    ("maintenance.auto", Word),
    ("merge.conflictstyle", Word),
    ("merge.ff", Word),
    ("merge.renamelimit", Word),
    ("pull.ff", Word),
    ("pull.rebase", Word),
    ("push.autosetupremote", Word),
    ("push.default", Word),
    ("push.followtags", Word),
    ("rebase.autosquash", Word),
    ("rebase.autostash", Word),
    ("rebase.updaterefs", Word),
    ("receive.denycurrentbranch", Word),
    ("receive.denynonfastforwards", Word),
    ("rerere.autoupdate", Word),
    ("rerere.enabled", Word),
    ("status.showuntrackedfiles", Word),
    ("status.submodulesummary", Word),
    ("tag.gpgsign", Word),
];

/// Schemes that git serves itself; for any other it starts `git-remote-SCHEME`.
const SCHEMES: [&str; 7] = ["https", "http", "ssh", "git", "file", "git+ssh", "ssh+git"];

/// Whether a setting starts nothing, whatever git is asked to do.
pub(super) fn is_harmless(setting: &Setting, is_own: &dyn Fn(&Path) -> bool) -> bool {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| names(name, setting)) else { return false };
    let Some(value) = setting.value.as_deref() else { return matches!(allowed, Word) };
    match allowed {
        Word => {
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            value.len() <= 100 && value.iter().all(is_plain) && !value.starts_with(b"-")
        }
        OneOf(choices) => choices.iter().any(|choice| choice.as_bytes() == value),
        Text => is_text(value),
        Repository => is_text(value) && needs_no_helper(value),
        Worktree => is_text(value) && is_own(Path::new(OsStr::from_bytes(value))),
    }
}

fn names(rule: &str, setting: &Setting) -> bool {
    let Some((section, key)) = rule.split_once('.') else { return false };
    let (has_sub, key) = match key.strip_prefix("*.") {
        Some(key) => (true, key),
        None => (false, key),
    };
    setting.section.name == section && setting.section.sub.is_some() == has_sub && (key == "*" || setting.key == key)
}

fn is_text(value: &[u8]) -> bool {
    !value.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t'))
}

/// gitremote-helpers(7), "INVOCATION": `helper::address`, and `helper://address` where git does not know the scheme.
fn needs_no_helper(value: &[u8]) -> bool {
    let is_of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let (name, rest) = value.split_at(value.iter().take_while(is_of_name).count());
    let is_known = || SCHEMES.iter().any(|scheme| name.eq_ignore_ascii_case(scheme.as_bytes()));
    !value.starts_with(b"-") && !rest.starts_with(b"::") && (!rest.starts_with(b"://") || is_known())
}

//! The words of a setting's value that may name a file: those that a shell would make of it, and their parts. Pure.
//!
//! **Invariants.** Nothing is expanded and nothing is looked up. Rather too many words are given than too few, since only what
//! stands for a path that a run could write comes to something.
//!
//! **Trade-off.** A name without a slash is a program on PATH or the name of a subcommand more often than a file: it counts
//! behind a command, in an alias and behind git's own commands with a dot in it alone, and as a whole value where the key
//! says that it is a path.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The most words of one value.
const MOST: usize = 4096;
/// The longest path that the kernel takes (`PATH_MAX`).
const LONGEST: usize = 4096;
/// How often quotes within quotes are looked into.
const DEEPEST: usize = 4;
/// How many changes of the working directory are followed in one value.
const MOST_CHANGES: usize = 4;

/// What keys end with whose value is a directory that git takes programs or settings from.
const DIRECTORIES: [&str; 3] = ["path", "dir", "hooks"];
/// What keys end with besides whose value is one path, with blanks in it too.
const FILES: [&str; 4] = ["file", "list", "template", "program"];
/// What stands before a directory from which the words behind it are seen.
const CHANGES: [&[u8]; 7] = [b"cd", b"pushd", b"-C", b"--prefix", b"--cwd", b"--directory", b"--chdir"];

/// A word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::mask) struct Word {
    /// As it is written, without quotes.
    pub(in crate::mask) path: PathBuf,
    /// What stands before it only a shell knows (`$PWD/x`): its slash is not that of the root.
    pub(in crate::mask) is_behind: bool,
    /// Whether a directory of this name counts, and not only a file.
    pub(in crate::mask) may_be_directory: bool,
    /// Whether it has no slash and is of a command that the user types: more often no file at all.
    pub(in crate::mask) is_doubtful: bool,
}

/// The words of a setting, each once; `None` where they are more than can be looked for. `name` is section and key in lower
/// case.
pub(in crate::mask) fn words(name: &str, subsection: Option<&[u8]>, value: &[u8]) -> Option<Vec<Word>> {
    let value = value.strip_prefix(b":(optional)").unwrap_or(value);
    let key = name.rsplit('.').next().unwrap_or_default();
    let is_alias = name.starts_with("alias.");
    let ends = |ends: &[&str]| !is_alias && ends.iter().any(|end| key.ends_with(end));
    let parts = parts(value);
    let mut words = Words {
        is_alias,
        may_be_directory: ends(&DIRECTORIES),
        is_of_git: false,
        found: Vec::new(),
        seen: HashSet::new(),
        changes: Vec::new(),
    };
    let is_path = words.may_be_directory || ends(&FILES);
    if is_path {
        words.push(value, false, false);
    }
    if !words.may_be_directory {
        words.may_be_directory = !words.is_alias && parts.len() > 1;
    }
    words.split(value.strip_prefix(b"!").unwrap_or(value), 0)?;
    // What git asks another program for is named where other settings have a name.
    if let Some(subsection) = subsection.filter(|_| name.starts_with("url.")) {
        words.split(subsection, 0)?;
    }
    Some(words.found)
}

struct Words {
    is_alias: bool,
    may_be_directory: bool,
    /// Whether git or one of its kin is the command.
    is_of_git: bool,
    found: Vec<Word>,
    seen: HashSet<Word>,
    changes: Vec<Vec<u8>>,
}

impl Words {
    /// Takes in what a shell makes of `text`; `None` where it is too much.
    fn split(&mut self, text: &[u8], depth: usize) -> Option<()> {
        let mut before: Vec<u8> = Vec::new();
        for part in parts(text) {
            if part.is_command {
                self.is_of_git = part.text.starts_with(b"git");
            }
            self.take(&part)?;
            let is_change = CHANGES.contains(&before.as_slice());
            if is_change && self.changes.len() < MOST_CHANGES && !part.text.is_empty() {
                self.changes.push(part.text.clone());
            }
            if depth < DEEPEST && part.text != text && part.text.iter().any(|byte| separates(*byte) || *byte == b'"') {
                self.split(&part.text, depth + 1)?;
            }
            before = part.text;
        }
        Some(())
    }

    /// Takes in a word, and what an option or a list joins to one.
    fn take(&mut self, part: &Part) -> Option<()> {
        let text = part.text.as_slice();
        self.candidate(text, part.is_behind, part.is_command);
        let undashed = text.iter().position(|byte| *byte != b'-').unwrap_or_default();
        match undashed {
            0 => {}
            1 => self.candidate(text.get(2..).unwrap_or_default(), false, false),
            _ => self.candidate(&text[undashed..], false, true),
        }
        let is_joint = |byte: &u8| matches!(byte, b'=' | b':' | b',' | b'@');
        if text.iter().any(is_joint) {
            for piece in text.split(is_joint) {
                self.candidate(piece, part.is_behind && text.starts_with(piece), false);
                if self.found.len() > MOST {
                    return None;
                }
            }
        }
        (self.found.len() <= MOST).then_some(())
    }

    /// Takes in a text, without what only a shell knows.
    fn candidate(&mut self, text: &[u8], is_behind: bool, is_command: bool) {
        let unknown = |byte: &u8| matches!(byte, b'$' | b'*' | b'?' | b'[');
        let Some(first) = text.iter().position(unknown) else {
            return self.judge(text, is_behind, is_command);
        };
        // The directory before it, in which one of the files is meant.
        let known = text[..first].iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &text[..slash]);
        if self.may_be_directory && !known.starts_with(b"-") && (!is_behind || known.starts_with(b"/")) {
            self.push(known, is_behind, false);
        }
        if let Some(last) = text.iter().rposition(|byte| *byte == b'$') {
            let name =
                text[last + 1..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            self.judge(&text[last + 1 + name..], true, true);
        }
    }

    fn judge(&mut self, text: &[u8], is_behind: bool, is_command: bool) {
        let length = text.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let has_slash = text[..length].contains(&b'/') || text.starts_with(b"~");
        let is_word = has_slash
            || !is_command && length == text.len() && (!(self.is_alias || self.is_of_git) || text.contains(&b'.'));
        // An option, or what git puts a name in the place of.
        let is_other = text.starts_with(b"-") || !has_slash && text.starts_with(b"%");
        if is_word && !is_other && (!is_behind || text.starts_with(b"/")) {
            self.add(&text[..length], is_behind);
        }
    }

    fn add(&mut self, text: &[u8], is_behind: bool) {
        let is_bare = !text.contains(&b'/') && !text.starts_with(b"~");
        self.push(text, is_behind, is_bare);
        if !text.starts_with(b"/") && !text.starts_with(b"~") {
            for change in self.changes.clone() {
                let joined = [change.as_slice(), b"/", text].concat();
                let plain =
                    joined.iter().rposition(|byte| *byte == b'$' || *byte == b')' || *byte == b'}' || *byte == b'`');
                let behind = plain.and_then(|at| Some(at + joined[at..].iter().position(|byte| *byte == b'/')?));
                self.push(&joined[behind.unwrap_or_default()..], behind.is_some(), is_bare);
            }
        }
    }

    fn push(&mut self, text: &[u8], is_behind: bool, is_bare: bool) {
        let is_known = matches!(text, b"" | b"." | b".." | b"~") || text.iter().all(|byte| *byte == b'/');
        if is_known || text.len() > LONGEST || text.contains(&0) {
            return;
        }
        let word = Word {
            path: PathBuf::from(OsStr::from_bytes(text)),
            is_behind,
            // A name without a slash that is a part of the value may be anything.
            may_be_directory: self.may_be_directory && !is_bare,
            is_doubtful: is_bare && self.is_alias,
        };
        if self.seen.insert(word.clone()) {
            self.found.push(word);
        }
    }
}

/// A word as a shell sees it.
#[derive(Debug, Default)]
struct Part {
    text: Vec<u8>,
    is_behind: bool,
    is_command: bool,
}

/// What ends a word outside of quotes.
fn separates(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' | b'`' | b'{' | b'}')
}

/// The words of a command line, quotes resolved; what a substitution holds is words as well.
fn parts(text: &[u8]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut part = Part { is_command: true, ..Part::default() };
    let mut quote = None;
    let mut is_begun = false;
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (quote, first) {
            (Some(open), byte) if open == *byte => quote = None,
            (None, b'\'' | b'"') => (quote, is_begun) = (Some(*first), true),
            (None | Some(b'"'), b'\\') => {
                let [escaped, after @ ..] = rest else { break };
                rest = after;
                if quote.is_some() && !matches!(escaped, b'$' | b'`' | b'"' | b'\\') {
                    part.text.push(b'\\');
                }
                part.text.push(*escaped);
                is_begun = true;
            }
            (None, byte) if separates(*byte) => {
                let is_assignment = part.is_command && part.text.contains(&b'=');
                let was_command = part.is_command && (!is_begun || is_assignment || part.text == b"!");
                if is_begun {
                    parts.push(std::mem::take(&mut part));
                }
                part.is_command = was_command || matches!(byte, b';' | b'&' | b'|' | b'(' | b'`' | b'{' | b'\n');
                part.is_behind = matches!(byte, b')' | b'`' | b'}');
                is_begun = false;
            }
            (_, byte) => {
                part.text.push(*byte);
                is_begun = true;
            }
        }
    }
    if is_begun {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words in order; `$` stands before those behind what a shell knows, and `/` behind those that may be directories.
    fn read(name: &str, value: &str) -> Vec<String> {
        let words = words(name, None, value.as_bytes()).unwrap();
        let shown = |word: &Word| {
            let path = word.path.to_str().unwrap();
            format!("{}{path}{}", if word.is_behind { "$" } else { "" }, if word.may_be_directory { "/" } else { "" })
        };
        words.iter().map(shown).collect()
    }

    #[test]
    fn a_program_and_its_arguments_are_words() {
        for (name, value, expected) in [
            ("core.hookspath", "dev/hk", &["dev/hk/"][..]),
            ("core.hookspath", "shared hooks", &["shared hooks/", "hooks"]),
            ("core.hookspath", ".myhooks", &[".myhooks/"]),
            ("core.attributesfile", "attrs", &["attrs"]),
            ("core.attributesfile", ":(optional)a/b", &["a/b"]),
            ("fsck.skiplist", "known", &["known"]),
            ("core.fsmonitor", "true", &[]),
            ("core.pager", "less", &[]),
            ("core.pager", "less -FRX", &["RX"]),
            ("gpg.program", "./s/g p", &["./s/g p", "./s/g/", "p"]),
            ("core.fsmonitor", "./s/f.sh", &["./s/f.sh"]),
            ("filter.clean", "sh clean.sh %f", &["clean.sh"]),
            ("filter.clean", "git-lfs clean -- %f", &[]),
            ("credential.helper", "x.sh", &[]),
            ("filter.clean", "'./my s/c' \"a b\"", &["./my s/c/", "./my/", "s/c/", "a b", "b"]),
            ("core.sshcommand", "ssh -F ./s/conf -F./t -i~/k", &["./s/conf/", "./t/", "~/k/"]),
            ("credential.helper", "!./x; y/z|w", &["./x/", "y/z/"]),
            ("credential.helper", "store --file=~/x/y", &["~/x/y/"]),
            ("diff.external", "A=./b env C=d ./x", &["./b/", "d", "./x/"]),
            ("core.editor", "sh -c \"./e \\\"$@\\\"\" -", &["./e/"]),
            ("core.editor", "sh -c 'exec \"./d/e\" x'", &["./d/e/", "x"]),
            ("core.editor", "s/*.sh x", &["s/", "x"]),
            ("core.editor", "a\\ b/c d", &["a b/c/", "b/c/", "d"]),
        ] {
            let words = read(name, value);
            for word in expected {
                assert!(words.contains(&(*word).to_owned()), "{name} = {value}: {word} is none of {words:?}");
            }
            if expected.is_empty() {
                assert_eq!(words, Vec::<String>::new(), "{name} = {value}");
            }
        }
    }

    #[test]
    fn what_only_a_shell_knows_stands_before_a_path() {
        for (value, expected) in [
            ("sh \"$(git rev-parse --show-toplevel)/s/x\"", "$/s/x/"),
            ("sh `pwd`/s/x", "$/s/x/"),
            ("sh ${PWD}/s/x", "$/s/x/"),
            ("$PWD/s/x -a", "$/s/x/"),
            ("cd s && ./x", "s/./x/"),
            ("cd \"$PWD/s\"; ./x", "$/s/./x/"),
            ("make -C s -f x.mk", "s/x.mk"),
            ("./s/$(uname)/x a", "./s/"),
        ] {
            let words = read("core.editor", value);
            assert!(words.contains(&expected.to_owned()), "{value}: {words:?}");
        }
    }

    #[test]
    fn an_alias_takes_files_that_look_like_some() {
        assert_eq!(read("alias.l", "log --oneline main"), Vec::<String>::new());
        assert_eq!(read("alias.t", "!npm test src"), Vec::<String>::new());
        assert_eq!(read("alias.list", "stash list"), Vec::<String>::new());
        assert_eq!(read("alias.z", "!./x && sh y.sh"), ["./x", "y.sh"]);
        assert_eq!(read("alias.z", "!eslint ./src"), ["./src"]);
        let words = words("alias.z", None, b"!./x y.sh").unwrap();
        assert_eq!(words.iter().map(|word| word.is_doubtful).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_url_may_be_a_program() {
        let words = words("url.insteadof", Some(b"ext::sh -c ./x"), b"x:").unwrap();
        assert!(words.iter().any(|word| word.path.as_os_str() == "./x"), "{words:?}");
        assert!(super::words("core.x", None, &b"a/b ".repeat(9)).is_some());
        let many: Vec<String> = (0..=MOST).map(|number| format!("a/{number}")).collect();
        assert_eq!(super::words("core.x", None, many.join(" ").as_bytes()), None);
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_read(value in r#"[a./~$(){}'"`\\;&|=:,@ \n*-]{0,80}"#, name in "(core.editor|alias.a|core.hookspath)") {
            for word in words(&name, Some(value.as_bytes()), value.as_bytes()).unwrap_or_default() {
                proptest::prop_assert!(!word.path.as_os_str().is_empty());
            }
        }

        #[test]
        fn a_path_between_blanks_is_found(path in "[a-z]{1,3}(/[a-z.]{1,3}){1,3}", before in "[a-z' -]{0,9}", after in "[a-z -]{0,9}") {
            proptest::prop_assume!(before.matches('\'').count() % 2 == 0);
            let words = words("core.editor", None, format!("{before} {path} {after}").as_bytes()).unwrap();
            proptest::prop_assert!(words.iter().any(|word| word.path.as_os_str() == path.as_str()), "{:?}", words);
        }
    }
}

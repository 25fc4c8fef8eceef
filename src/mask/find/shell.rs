//! What a shell's start-up file reads besides: `. ~/.secrets`, `source "$HOME/.tokens"`, `export TOKEN=$(cat ~/.token)`,
//! `done < ~/.tokens`. Pure: text in, words out.
//!
//! **Trade-off.** Only what stands there as it is read is followed: a path behind other variables, or from a loop, is not.
//! Conditions are taken as met.

/// What stands before the path of a file whose text is taken.
const MARKS: [&[u8]; 3] = [b"(cat ", b"`cat ", b"$(<"];

/// The argument of each `.` and `source` where a command may stand, quotes taken off, in order; and of the `others`, which
/// read a file likewise.
pub(super) fn sourced(text: &[u8], others: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut words = Words { line, at: 0 };
        // Whether the next word is a command, and whether it is the argument of one that reads a file.
        let (mut is_command, mut is_argument) = (true, false);
        while let Some(word) = words.next() {
            match word {
                Word::Separator => (is_command, is_argument) = (true, false),
                Word::Text(word) if is_argument => {
                    found.push(word);
                    (is_command, is_argument) = (false, false);
                }
                Word::Text(word) => {
                    let reads = |word: &[u8]| others.iter().any(|other| word == other.as_bytes());
                    is_argument = is_command && (matches!(word.as_slice(), b"." | b"source") || reads(&word));
                    is_command = is_command && leads(&word);
                }
            }
        }
    }
    found
}

/// The files whose text is the value of a variable, with its name: `NAME=$(cat PATH)`, `NAME="$(< PATH)"`, and fish's
/// `set -gx NAME (cat PATH)`.
pub(super) fn printed(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let of_line = |line: &[u8]| {
        let line = line.trim_ascii_start();
        let (at, mark) = MARKS.iter().find_map(|mark| Some((memchr::memmem::find(line, mark)?, mark)))?;
        let mut words = Words { line, at: at + mark.len() };
        let Some(Word::Text(path)) = words.next() else { return None };
        let path = path.strip_suffix(b"`").unwrap_or(&path).to_vec();
        let before = line[..at].trim_ascii_end();
        let before = before.strip_suffix(b"$").unwrap_or(before);
        let before = before.strip_suffix(b"\"").unwrap_or(before);
        let before = before.strip_suffix(b"=").or_else(|| Some(before).filter(|_| line.starts_with(b"set ")))?;
        let before = before.trim_ascii_end();
        let length = before.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let name = std::str::from_utf8(&before[before.len() - length..]).ok().filter(|name| !name.is_empty())?;
        Some((name.to_owned(), path))
    };
    text.split(|byte| *byte == b'\n').filter_map(of_line).collect()
}

/// The files whose text is run as commands: `eval "$(cat PATH)"`, `eval "$(<PATH)"`.
pub(super) fn evaluated(text: &[u8]) -> Vec<Vec<u8>> {
    let of_line = |line: &[u8]| {
        let behind = &line[memchr::memmem::find(line, b"eval ")?..];
        let (at, mark) = MARKS.iter().find_map(|mark| Some((memchr::memmem::find(behind, mark)?, mark)))?;
        let mut words = Words { line: behind, at: at + mark.len() };
        let Some(Word::Text(path)) = words.next() else { return None };
        Some(path.strip_suffix(b"`").unwrap_or(&path).to_vec())
    };
    let is_comment = |line: &&[u8]| line.trim_ascii_start().starts_with(b"#");
    text.split(|byte| *byte == b'\n').filter(|line| !is_comment(line)).filter_map(of_line).collect()
}

/// The files that are fed to a command: `done < PATH`, and `source <(cat PATH)`.
pub(super) fn fed(text: &[u8]) -> Vec<Vec<u8>> {
    /// No path is longer (`PATH_MAX`, limits.h).
    const LONGEST: usize = 4096;
    let mut found = Vec::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#")) {
        // What was read as a word is not read again, or a long one would be read once for each mark in it.
        let mut done = 0;
        for at in memchr::memchr_iter(b'<', line) {
            if at < done {
                continue;
            }
            // `<<` is a text or a word, `$(<` fills a variable, and `<&` names a descriptor.
            let (before, behind) = (line[..at].last(), &line[at + 1..]);
            if matches!(before, Some(b'<' | b'(' | b'\\')) || matches!(behind.first(), None | Some(b'<' | b'&' | b'>'))
            {
                continue;
            }
            let (start, is_printed) = match behind.strip_prefix(b"(cat ") {
                Some(_) => (at + 1 + b"(cat ".len(), true),
                None => (at + 1, false),
            };
            let mut words = Words { line, at: start };
            while let Some(Word::Text(word)) = words.next() {
                found.extend(Some(word).filter(|word| word.len() <= LONGEST));
                if !is_printed {
                    break;
                }
            }
            done = words.at;
        }
    }
    found
}

/// Whether a command follows a word: a word of the language's own, or a program that runs another.
fn leads(word: &[u8]) -> bool {
    const LEADING: [&[u8]; 12] =
        [b"then", b"do", b"else", b"if", b"elif", b"while", b"!", b"{", b"builtin", b"command", b"and", b"or"];
    LEADING.contains(&word)
}

enum Word {
    Separator,
    Text(Vec<u8>),
}

/// The words of a line, as far as shells agree on them.
struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl Words<'_> {
    fn next(&mut self) -> Option<Word> {
        while self.line.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        match self.line.get(self.at)? {
            b';' | b'&' | b'|' | b'(' | b')' => {
                self.at += 1;
                Some(Word::Separator)
            }
            b'#' => None,
            _ => Some(Word::Text(self.text())),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut quote = None;
        while let Some(&byte) = self.line.get(self.at) {
            match (quote, byte) {
                (Some(open), _) if byte == open => quote = None,
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b';' | b'&' | b'|' | b'(' | b')') => break,
                (None, _) if byte.is_ascii_whitespace() => break,
                (None | Some(b'"'), b'\\') => {
                    self.at += 1;
                    text.extend(self.line.get(self.at));
                }
                _ => text.push(byte),
            }
            self.at += 1;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_read_where_a_command_may_stand() {
        for (text, expected) in [
            (". ~/.secrets", &["~/.secrets"][..]),
            ("source \"$HOME/my tokens\" # mine", &["$HOME/my tokens"]),
            ("[ -f ~/.a ] && . ~/.a; source ${HOME}/.b\n\tsource /c", &["~/.a", "${HOME}/.b", "/c"]),
            ("if [ -r x ]; then . ~/x\\ y; else builtin source 'z'; fi", &["~/x y", "z"]),
            ("set -a; . ~/.env; set +a", &["~/.env"]),
            ("test -f ~/.a; and source ~/.a", &["~/.a"]),
            ("find . -name x; cp a . ; grep -r source /etc", &[]),
            ("source_env ./x y\nwatch_file ./z", &["./x"]),
            ("# . ~/.secrets\necho source ~/.a", &[]),
            (". ", &[]),
        ] {
            let found = sourced(text.as_bytes(), &["source_env"]);
            let found: Vec<_> = found.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn finds_the_files_that_variables_are_filled_from() {
        for (text, expected) in [
            ("export A_KEY=$(cat ~/.a_key)", Some(("A_KEY", "~/.a_key"))),
            ("  A_KEY=\"$(cat \"$HOME/a key\" | tr -d x)\"; export A_KEY", Some(("A_KEY", "$HOME/a key"))),
            ("A_KEY=$(< ~/.a_key)", Some(("A_KEY", "~/.a_key"))),
            ("A_KEY=`cat ~/.a_key`", Some(("A_KEY", "~/.a_key"))),
            ("set -gx A_KEY (cat ~/.a_key)", Some(("A_KEY", "~/.a_key"))),
            ("echo $(cat ~/.a_key)", None),
            ("A_KEY=$(pass show a)", None),
            ("A_KEY=$(cat", None),
        ] {
            let found = printed(text.as_bytes());
            let found = found.first().map(|(name, path)| (name.as_str(), std::str::from_utf8(path).unwrap()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn finds_the_files_that_are_fed_to_commands() {
        for (text, expected) in [
            ("while read -r a; do export \"$a\"; done < ~/.secrets", &["~/.secrets"][..]),
            ("done <\"$HOME/my secrets\" # mine", &["$HOME/my secrets"]),
            ("source <(cat ~/.one \"${HOME}/two\")", &["~/.one", "${HOME}/two"]),
            (". <(cat ~/.one); read -r A <~/.two", &["~/.one", "~/.two"]),
            ("cat <<EOF\n<<< ~/.one\nexec 3<&0 <>/dev/tty", &[]),
            ("A=$(< ~/.one)\n# done < ~/.one\nsource <(kubectl completion bash)\n<", &[]),
        ] {
            let found = fed(text.as_bytes());
            let found: Vec<_> = found.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn noise_is_no_panic(text in r#"(\(cat |`cat |\$\(<|<|[.a\\"' \n;&|(#$~/=]){0,60}"#) {
            let _ = (sourced(text.as_bytes(), &["x"]), printed(text.as_bytes()), fed(text.as_bytes()));
            let _ = evaluated(text.as_bytes());
        }
    }
}

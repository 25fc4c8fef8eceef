//! Reads git's configuration as data (git-config(1), "Syntax"): pure.
//!
//! **Trade-off.** A line that git would refuse is passed over: what follows it counts all the same.

use std::sync::Arc;

use crate::mask::git_settings::starts_nothing;

/// So many settings of one file are read, and so many bytes of a name: a hostile file must not fill the memory.
pub(super) const MOST: usize = 1 << 16;
const LONGEST: usize = 256;

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Setting {
    /// Section and key in lower case, without the subsection: `core.hookspath`, `includeif.path`.
    pub(super) name: String,
    /// What stands in quotes beside the section.
    pub(super) subsection: Option<Arc<[u8]>>,
    /// Its value, unquoted.
    pub(super) value: Vec<u8>,
}

impl Setting {
    /// Whether it is known to start nothing.
    pub(super) fn starts_nothing(&self) -> bool {
        let (section, key) = self.name.split_once('.').unwrap_or((&self.name, ""));
        starts_nothing(section, self.subsection.as_deref(), key, &self.value)
    }
}

/// Every setting that has a value, in order: the first [`MOST`].
pub(super) fn settings(text: &[u8]) -> Vec<Setting> {
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let (mut section, mut subsection) = (String::new(), None);
    let mut settings = Vec::new();
    while let Some(&first) = rest.first().filter(|_| settings.len() < MOST) {
        match first {
            b'#' | b';' => rest = after_line(rest),
            b'[' => (section, subsection, rest) = header(&rest[1..]),
            _ if first.is_ascii_alphabetic() => {
                let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
                let (key, after) = rest.split_at(length);
                let after = after_blanks(after);
                let Some(assigned) = after.strip_prefix(b"=") else {
                    rest = after_line(after);
                    continue;
                };
                let (value, after) = value(assigned);
                let key = String::from_utf8_lossy(&key[..key.len().min(LONGEST)]).to_ascii_lowercase();
                let name = format!("{section}.{key}");
                settings.push(Setting { name, subsection: subsection.clone(), value });
                rest = after;
            }
            _ => rest = &rest[1..],
        }
    }
    settings
}

fn after_line(text: &[u8]) -> &[u8] {
    text.iter().position(|byte| *byte == b'\n').map_or(&[], |at| &text[at + 1..])
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    &text[blanks..]
}

/// The name of the section whose header starts before `text`, its subsection, and what follows the header. `[section "sub"]`
/// and the old `[section.sub]` name the same.
fn header(text: &[u8]) -> (String, Option<Arc<[u8]>>, &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let name = String::from_utf8_lossy(&text[..length.min(LONGEST)]).to_ascii_lowercase();
    let mut rest = &text[length..];
    let mut is_quoted = false;
    let mut subsection: Option<Vec<u8>> = None;
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\n' => break,
            b']' if !is_quoted => return (name, subsection.map(Arc::from), after),
            b'"' => {
                is_quoted = !is_quoted;
                subsection.get_or_insert_default();
            }
            b'.' if !is_quoted && subsection.is_none() => subsection = Some(Vec::new()),
            b'\\' if is_quoted && after.first().is_some_and(|next| *next != b'\n') => {
                subsection.get_or_insert_default().extend(after.first());
                rest = &after[1..];
            }
            byte => {
                if let Some(subsection) = &mut subsection {
                    subsection.push(*byte);
                }
            }
        }
    }
    (name, subsection.map(Arc::from), rest)
}

/// The value at the start of `text`, and what follows its line.
fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    // Blanks at the end do not belong to it, unless they are quoted.
    let mut length = 0;
    let mut is_quoted = false;
    let mut rest = after_blanks(text);
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\n' => break,
            b'#' | b';' if !is_quoted => {
                rest = after_line(after);
                break;
            }
            b'"' => {
                is_quoted = !is_quoted;
                length = value.len();
            }
            b'\\' => {
                let after = after.strip_prefix(b"\r").filter(|after| after.starts_with(b"\n")).unwrap_or(after);
                let [escaped, after @ ..] = after else { break };
                rest = after;
                match escaped {
                    b'\n' => continue,
                    b'n' => value.push(b'\n'),
                    b't' => value.push(b'\t'),
                    b'b' => value.push(8),
                    other => value.push(*other),
                }
                length = value.len();
            }
            _ => {
                value.push(*first);
                if is_quoted || !matches!(first, b' ' | b'\t' | b'\r') {
                    length = value.len();
                }
            }
        }
    }
    value.truncate(length);
    (value, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let plain = |setting: Setting| (setting.name, String::from_utf8(setting.value).unwrap());
        settings(text.as_bytes()).into_iter().map(plain).collect()
    }

    #[test]
    fn reads_what_git_reads() {
        for (text, expected) in [
            ("[core]\n\thooksPath = hooks\n", &[("core.hookspath", "hooks")][..]),
            ("[CORE] HooksPath=a b  # why\n[x]y=z;\n", &[("core.hookspath", "a b"), ("x.y", "z")]),
            (
                "[includeIf \"gitdir:~/a]\\\"b\"]\r\n path = \"q # \\\"r\\\" \" \r\n",
                &[("includeif.path", "q # \"r\" ")],
            ),
            (
                "[include]\npath = one\\\n  two\npath = C:\\\\x\\ty\n",
                &[("include.path", "one  two"), ("include.path", "C:\\x\ty")],
            ),
            ("[a.b]\nflag\nc = 1\n; d = 2\n# e = 3\n", &[("a.c", "1")]),
            ("\u{feff}[a]\n = wrong\n=\nb =\n[a \"open\nc = 1", &[("a.b", ""), ("a.c", "1")]),
            ("[a]\nb = \"never closed\nc = 1\n", &[("a.b", "never closed"), ("a.c", "1")]),
            ("[a]\nb = x\\", &[("a.b", "x")]),
        ] {
            let read = read(text);
            let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(read, expected, "{text:?}");
        }
    }

    #[test]
    fn a_subsection_is_read_as_it_is_written() {
        for (text, expected) in [
            ("[url \"ext::sh -c \\\"x\\\"\"]\na = b\n", Some("ext::sh -c \"x\"")),
            ("[url.Old]\na = b\n", Some("Old")),
            ("[url]\na = b\n", None),
        ] {
            let [setting] = settings(text.as_bytes()).try_into().unwrap();
            assert_eq!(setting.subsection.as_deref(), expected.map(str::as_bytes), "{text}");
        }
        assert_eq!(settings("a=\n".repeat(MOST + 9).as_bytes()).len(), MOST);
    }

    proptest::proptest! {
        #[test]
        fn noise_is_no_panic(text in r#"[\[\]a"\\=# \n\r;.]{0,60}"#) {
            let _ = settings(text.as_bytes());
        }

        #[test]
        fn a_quoted_value_is_read_back(value in "[ -~\t\n]{0,40}") {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n");
            let read = read(&format!("[a]\nb = \"{quoted}\"\nc = 1\n"));
            proptest::prop_assert_eq!(read, [("a.b".to_owned(), value), ("a.c".to_owned(), "1".to_owned())]);
        }
    }
}

//! Secrets in command lines: what known programs take as a password, and what stands behind an option with a secret name.

use std::ops::Range;

use super::judge::{Cause, by_scrub_rules};
use super::text::{Stretch, is_reference};
use crate::secret::is_plain_word;

/// How a program's option holds its secret.
#[derive(Clone, Copy)]
enum Takes {
    /// `-pPASS`: in the same word only, for alone it asks.
    Attached,
    /// `-p PASS` or `-pPASS`.
    Either,
    /// `-u user:PASS` or `-uuser:PASS`.
    Pair,
}

/// Programs with their short options.
const PROGRAMS: &[(&str, &str, Takes)] = &[
    ("curl", "-u", Takes::Pair),
    ("curl", "-U", Takes::Pair),
    ("curl", "--user", Takes::Pair),
    ("curl", "--proxy-user", Takes::Pair),
    ("curl", "--oauth2-bearer", Takes::Either),
    ("http", "-a", Takes::Pair),
    ("https", "-a", Takes::Pair),
    ("http", "--auth", Takes::Pair),
    ("https", "--auth", Takes::Pair),
    ("xh", "-a", Takes::Pair),
    ("mysql", "-p", Takes::Attached),
    ("mysqldump", "-p", Takes::Attached),
    ("mysqladmin", "-p", Takes::Attached),
    ("mysqlimport", "-p", Takes::Attached),
    ("mariadb", "-p", Takes::Attached),
    ("mariadb-dump", "-p", Takes::Attached),
    ("mycli", "-p", Takes::Either),
    ("sshpass", "-p", Takes::Either),
    ("redis-cli", "-a", Takes::Either),
    ("valkey-cli", "-a", Takes::Either),
    ("mongo", "-p", Takes::Either),
    ("mongosh", "-p", Takes::Either),
    ("mongodump", "-p", Takes::Either),
    ("mongorestore", "-p", Takes::Either),
    ("ldapsearch", "-w", Takes::Either),
    ("ldapmodify", "-w", Takes::Either),
    ("sqlcmd", "-P", Takes::Either),
    ("7z", "-p", Takes::Attached),
];

/// Programs in whose name a subcommand stands that takes a password as `-p`.
const LOGINS: &[&str] = &["docker", "podman", "buildah", "skopeo", "helm", "az", "oc", "nerdctl"];

/// Runs another program, whose options are its own.
const RUNNER: &str = "sshpass";

/// Programs that ask for a password where `--password` has no `=`.
const ASKING: &[&str] = &[
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mysqlimport",
    "mariadb",
    "mariadb-dump",
    "psql",
    "pg_dump",
    "pg_restore",
    "createdb",
    "dropdb",
];

/// How the name of a long option ends that takes a secret.
const SECRET_OPTIONS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "-pass",
    "-pwd",
    "token",
    "secret",
    "apikey",
    "api-key",
    "access-key",
    "secret-key",
    "auth-key",
    "account-key",
];
/// How the names begin of switches that end alike.
const SWITCHES: &[&str] =
    &["ask", "no", "use", "prompt", "with", "generate", "delete", "revoke", "create", "list", "get"];

/// Secrets of the commands in `text`, one line mostly.
pub(super) fn in_commands(text: &[u8]) -> Vec<Stretch> {
    of_program(None, text)
}

/// Secrets of the options in the value of a variable that is named after a program, as `CURL_OPTS` is.
pub(super) fn in_options(name: &str, value: &[u8]) -> Vec<Stretch> {
    if !value.trim_ascii_start().starts_with(b"-") {
        return Vec::new();
    }
    let name = name.to_ascii_lowercase().replace('_', "-");
    let is_first = |program: &str| name.strip_prefix(program).is_some_and(|rest| rest.starts_with('-'));
    // `redis-cli` before what is shorter.
    let program = programs().filter(|program| is_first(program)).max_by_key(|program| program.len());
    program.map_or_else(Vec::new, |program| of_program(Some(program), value))
}

fn of_program(mut program: Option<&str>, text: &[u8]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let mut is_login = false;
    let mut words = Words { text, at: 0 };
    let mut pending: Option<Pending> = None;
    while let Some(range) = words.next() {
        let word = &text[range.clone()];
        if let Some(pending) = pending.take() {
            let whole = words.whole(range.clone());
            if !word.starts_with(b"-") {
                words.at = whole.end;
                found.extend(pending.stretch(text, whole));
                program = program.filter(|program| *program != RUNNER);
                continue;
            }
        }
        if let Some(name) = known(word) {
            (program, is_login) = (Some(name), false);
        } else if matches!(word[0], b';' | b'&' | b'|') {
            (program, is_login) = (None, false);
        } else if word == b"login" && program.is_some_and(|program| LOGINS.contains(&program)) {
            is_login = true;
        } else if program == Some(RUNNER) && !word.starts_with(b"-") {
            program = None;
        } else if let Some((option, length)) = option(program, is_login, word) {
            let start = range.start + length + usize::from(word.get(length) == Some(&b'='));
            let is_quoted = matches!(text.get(range.end), Some(b'"' | b'\''));
            if start < range.end {
                found.extend(option.stretch(text, start..range.end));
                program = program.filter(|program| *program != RUNNER);
            } else if is_quoted || word.len() == length && !option.is_attached(program) {
                pending = Some(option);
            }
        }
    }
    found
}

/// An option whose secret is the next word.
struct Pending {
    takes: Takes,
    /// Where the option's own name is what says that it takes a secret.
    name: Option<String>,
}

impl Pending {
    /// Whether the secret never is a word of its own.
    fn is_attached(&self, program: Option<&str>) -> bool {
        let is_asked = || self.name.is_some() && program.is_some_and(|program| ASKING.contains(&program));
        matches!(self.takes, Takes::Attached) || is_asked()
    }

    fn stretch(self, text: &[u8], word: Range<usize>) -> Option<Stretch> {
        let range = match self.takes {
            Takes::Pair => word.start + memchr::memchr(b':', &text[word.clone()])? + 1..word.end,
            Takes::Attached | Takes::Either => word,
        };
        let value = &text[range.clone()];
        let says_password = self.name.as_ref().is_none_or(|name| name.contains("pass") || name.contains("pwd"));
        let is_value = !value.is_empty() && (says_password || value.len() >= 4 && !is_plain_word(value));
        let is_path = self.name.is_some() && matches!(value, [b'/' | b'~', ..] | [b'.', b'/', ..]);
        let reason = match self.name {
            Some(name) => format!("stands behind the option `{name}`"),
            None => "is a password of a command".to_owned(),
        };
        let cause = Cause { entry: None, reason, origin: by_scrub_rules() };
        let is_open = memchr::memchr(b'$', value).is_some() || memchr::memchr(b'`', value).is_some();
        (is_value && !is_path && !is_reference(value) && !is_open).then_some(Stretch { range, name: None, cause })
    }
}

/// What a word is as an option, of this program or by its own name, and how long the option itself is.
fn option(program: Option<&str>, is_login: bool, word: &[u8]) -> Option<(Pending, usize)> {
    if !word.starts_with(b"-") {
        return None;
    }
    let mut of_program = PROGRAMS.iter().filter(|(name, ..)| Some(*name) == program);
    let fits = |option: &str| {
        let rest = word.strip_prefix(option.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || !option.starts_with("--") || rest.starts_with(b"="))
    };
    if let Some((_, option, takes)) = of_program.find(|(_, option, _)| fits(option)) {
        return Some((Pending { takes: *takes, name: None }, option.len()));
    }
    if is_login && word == b"-p" {
        return Some((Pending { takes: Takes::Either, name: None }, word.len()));
    }
    let name = word.strip_prefix(b"--")?;
    let name = std::str::from_utf8(&name[..memchr::memchr(b'=', name).unwrap_or(name.len())]).ok()?;
    let plain = format!("-{}", name.to_ascii_lowercase().replace('_', "-"));
    let is_secret = SECRET_OPTIONS.iter().any(|end| plain.ends_with(end))
        && !SWITCHES.iter().any(|switch| plain[1..].split('-').next() == Some(switch));
    is_secret.then(|| (Pending { takes: Takes::Either, name: Some(format!("--{name}")) }, 2 + name.len()))
}

fn known(word: &[u8]) -> Option<&'static str> {
    let name = memchr::memrchr(b'/', word).map_or(word, |slash| &word[slash + 1..]);
    programs().find(|program| program.as_bytes() == name)
}

fn programs() -> impl Iterator<Item = &'static str> {
    PROGRAMS.iter().map(|(program, ..)| *program).chain(LOGINS.iter().copied()).chain(ASKING.iter().copied())
}

/// Words between blanks and quotes, for an alias has a whole command in quotes.
struct Words<'a> {
    text: &'a [u8],
    at: usize,
}

impl Words<'_> {
    /// The word at `range`, to the end of the quotes that it begins in.
    fn whole(&self, range: Range<usize>) -> Range<usize> {
        let quote = range.start.checked_sub(1).map(|before| self.text[before]);
        let Some(quote) = quote.filter(|quote| matches!(quote, b'"' | b'\'')) else { return range };
        let line = memchr::memchr(b'\n', &self.text[range.end..]).map_or(self.text.len(), |length| range.end + length);
        let close = memchr::memchr(quote, &self.text[range.end..line]);
        close.map_or(range.clone(), |length| range.start..range.end + length)
    }

    fn next(&mut self) -> Option<Range<usize>> {
        let is_edge =
            |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'(' | b')' | b'=' | b'`');
        while self.text.get(self.at).is_some_and(&is_edge) {
            self.at += 1;
        }
        let start = self.at;
        self.text.get(start)?;
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b')');
        let rest = &self.text[start..];
        let mut length = rest.iter().position(is_end).unwrap_or(rest.len());
        // `cmd;` ends a command, and so does `a;b`, which few write.
        let separator = matches!(rest[0], b';' | b'&' | b'|');
        if separator {
            length = rest.iter().take_while(|byte| matches!(byte, b';' | b'&' | b'|')).count();
        } else if rest[..length].ends_with(b";") && length > 1 {
            length -= 1;
        }
        self.at = start + length.max(1);
        Some(start..self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        in_commands(text.as_bytes()).into_iter().map(|stretch| &text[stretch.range]).collect()
    }

    #[test]
    fn passwords_of_commands_are_found() {
        for (text, expected) in [
            ("alias api='curl -u ann:hunter2 https://api.example'", vec!["hunter2"]),
            ("curl -sS --user 'ann:horse' https://h", vec!["horse"]),
            ("curl -uann:horse https://h | jq .", vec!["horse"]),
            ("curl --user=ann:horse https://h", vec!["horse"]),
            ("curl -u \"ann:$PASS\" https://h", vec![]),
            ("curl -u ann https://h", vec![]),
            ("alias db=\"mysql -uroot -phorse app\"", vec!["horse"]),
            ("mysql -p app", vec![]),
            ("/usr/bin/mysqldump -h db -phorse", vec!["horse"]),
            ("sshpass -p horse ssh host", vec!["horse"]),
            ("sshpass -phorse ssh -p 22 host", vec!["horse"]),
            ("sshpass -e ssh -p 22 host", vec![]),
            ("deploy() { rsync --password=horse x y; }", vec!["horse"]),
            ("tool --password horse --token abcd1 run", vec!["horse", "abcd1"]),
            ("tool --password --verbose", vec![]),
            ("tool --password-file ~/.pw --token-type short", vec![]),
            ("docker login -u ann -p horse registry.example; docker run -p 80:80 x", vec!["horse"]),
            ("docker run -p 80:80 x && mkdir -p a/b", vec![]),
            ("redis-cli -a horse ping", vec!["horse"]),
            ("psql -p 5432", vec![]),
            ("mysql -uroot -p\"my horse\" app", vec!["my horse"]),
            ("curl -u 'ann:my horse' https://h", vec!["my horse"]),
            ("tool --password='my horse' x", vec!["my horse"]),
            ("docker login --password-stdin registry.example", vec![]),
            ("ansible-playbook --ask-become-pass site.yml", vec![]),
            ("mysql --password app; psql --password app", vec![]),
            ("gpg --default-key 0xDEADBEEF12345678", vec![]),
            ("gh auth login --with-token < file1234", vec![]),
            ("vault login --token short --client-secret a1b2c3", vec!["a1b2c3"]),
            ("tool --token-file x --auth-token=a1b2c3", vec!["a1b2c3"]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn options_in_a_variable_of_a_program_are_judged_as_its_own() {
        for (name, value, expected) in [
            ("CURL_OPTS", "-sS -u ann:horse", vec!["horse"]),
            ("CURL_OPTS", "--silent", vec![]),
            ("REDIS_CLI_ARGS", "-a horse --raw", vec!["horse"]),
            ("MYSQL_FLAGS", "-uroot -phorse", vec!["horse"]),
            ("MYSQL_FLAGS", "-p", vec![]),
            ("DEPLOY_OPTS", "-u ann:horse", vec![]),
            ("CURLY_OPTS", "-u ann:horse", vec![]),
            ("CURL_HOME", "/home/ann -u ann:horse", vec![]),
        ] {
            let found = in_options(name, value.as_bytes());
            let found: Vec<&str> = found.into_iter().map(|stretch| &value[stretch.range]).collect();
            assert_eq!(found, expected, "{name}={value}");
        }
    }

    #[test]
    fn long_lines_take_linear_time() {
        for text in ["curl -u a:", "mysql -p", "--password ", "'\"=(", "sshpass -p ' "] {
            let _ = in_commands(text.repeat(100_000).as_bytes());
        }
    }

    proptest::proptest! {
        #[test]
        fn noise_is_no_panic(text in "(curl|mysql|-u|-p|--token|[a:;&|'\"=$ ]){0,20}") {
            let _ = in_commands(text.as_bytes());
        }
    }
}

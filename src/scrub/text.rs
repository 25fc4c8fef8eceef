//! Secrets within longer text: by their form, and as the value of a secret-like name.

use std::ops::Range;

use super::judge::{Cause, by_scrub_rules, of_form};
use super::{beside, command, weak};
use crate::policy::{self, NameVerdict};
use crate::secret::{is_distinctive, is_plain_word};

/// The words in front of a credential in a header (RFC 9110 §11.4).
const SCHEME_WORDS: [&[u8]; 4] = [b"bearer", b"basic", b"token", b"apikey"];

/// A secret within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Its bytes.
    pub range: Range<usize>,
    /// The name that it is assigned to within the text.
    pub name: Option<Range<usize>>,
    /// Why it is secret.
    pub cause: Cause,
}

/// Secrets within a value that is no secret itself.
pub fn in_value(value: &[u8]) -> Vec<Stretch> {
    merge(
        by_form(value)
            .chain(users_of_urls(value))
            .chain(command::in_commands(value))
            .chain(assigned(value, 12, &|_, _, assigned| is_distinctive(assigned)))
            .collect(),
    )
}

/// Secrets within free text, such as a comment or a line of code: old keys that were commented out lie there.
pub fn in_free_text(text: &[u8]) -> Vec<Stretch> {
    // `PASSWORD=horse` assigns; `--token-type=short` and `token: see the manual` may as well not.
    let is_value = |name: &[u8], separator, assigned: &[u8]| match separator {
        b'=' => name.iter().all(|byte| !byte.is_ascii_lowercase()) || !is_plain_word(assigned) && !is_call(assigned),
        _ => assigned.len() >= 8 && assigned.iter().any(u8::is_ascii_digit),
    };
    // `Authorization: Bearer horse`: what stands behind a scheme word is a credential.
    let is_value = move |name: &[u8], separator, assigned: &[u8]| {
        name.eq_ignore_ascii_case(b"authorization") && assigned.len() >= 8 || is_value(name, separator, assigned)
    };
    let found = merge(
        by_form(text)
            .chain(users_of_urls(text))
            .chain(assigned(text, 4, &is_value))
            .chain(set_by_word(text))
            .chain(beside::beside_names(text))
            .chain(command::in_commands(text))
            .chain(in_elements(text))
            .collect(),
    );
    if found.is_empty() { lonely_token(text).into_iter().collect() } else { found }
}

/// Puts stretches into order; where two overlap, the one that starts first, or is longer, takes in the other.
pub fn merge(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|stretch| (stretch.range.start, usize::MAX - stretch.range.end));
    let mut merged: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if stretch.range.start < last.range.end => {
                last.range.end = last.range.end.max(stretch.range.end);
                last.name = last.name.take().or(stretch.name);
            }
            _ => merged.push(stretch),
        }
    }
    merged
}

fn by_form(text: &[u8]) -> impl Iterator<Item = Stretch> {
    let found = policy::catalogue().keys_within(text).into_iter();
    found.map(|found| Stretch { range: found.range, name: None, cause: of_form(&found.kind) })
}

/// Tokens that stand for the user of a URL, as in `https://0123abcd@git.example/`: with no password, or with the word that
/// GitHub wants in its place.
fn users_of_urls(text: &[u8]) -> impl Iterator<Item = Stretch> + '_ {
    const LONGEST: usize = 512;
    memchr::memmem::find_iter(text, b"://").filter_map(move |separator| {
        let start = separator + 3;
        let rest = &text[start..text.len().min(start + LONGEST)];
        let ends = |byte: &u8| {
            matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>') || byte.is_ascii_whitespace()
        };
        let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        let userinfo = &authority[..memchr::memrchr(b'@', authority)?];
        let user = match memchr::memchr(b':', userinfo) {
            None => userinfo,
            Some(colon) if matches!(&userinfo[colon + 1..], b"" | b"x-oauth-basic") => &userinfo[..colon],
            Some(_) => return None,
        };
        is_token(user).then(|| Stretch {
            range: start..start + user.len(),
            name: None,
            cause: Cause {
                entry: None,
                reason: "is a token in the place of a URL's user".into(),
                origin: by_scrub_rules(),
            },
        })
    })
}

/// Whether a word is long and random.
pub(super) fn is_token(word: &[u8]) -> bool {
    const LEAST: usize = 16;
    let has = |kind: fn(&u8) -> bool| word.iter().any(kind);
    let is_plain = word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'));
    word.len() >= LEAST && is_plain && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !is_plain_word(word)
}

/// Whether what stands behind a name and a separator is a value worth hiding.
type IsValue = dyn Fn(&[u8], u8, &[u8]) -> bool;

/// Values of at least `least` bytes behind a secret-like name: `PASSWORD=…;`, `"token": "…"`, `--api-key=…`.
fn assigned<'a>(text: &'a [u8], least: usize, is_value: &'a IsValue) -> impl Iterator<Item = Stretch> + 'a {
    let mut done = 0;
    memchr::memchr2_iter(b'=', b':', text).filter_map(move |separator| {
        // What was read as a value is not read again, or a long run of names would be read once for each of them.
        if separator < done || !may_be_assigned(text, separator, least) {
            return None;
        }
        let name = name_before(text, separator);
        // `https://x-access-token:abc@host` has a user and a password, and the password has its own form.
        if text[..name.start].ends_with(b"://") {
            return None;
        }
        let named = of_name(std::str::from_utf8(&text[name.clone()]).ok()?)?;
        let range = value_behind(text, separator);
        done = range.end;
        let value = &text[range.clone()];
        let cause = named.cause(value)?;
        let is_secret = value.len() >= least && !is_reference(value);
        (is_secret && is_value(&text[name.clone()], text[separator], value)).then_some(Stretch {
            range,
            name: Some(name),
            cause,
        })
    })
}

/// The texts of XML elements with secret names: `<password>x</password>`, in a comment mostly.
fn in_elements(text: &[u8]) -> impl Iterator<Item = Stretch> + '_ {
    const LONGEST_NAME: usize = 80;
    const LONGEST: usize = 1024;
    memchr::memmem::find_iter(text, b"</").filter_map(|end| {
        let rest = &text[end + 2..text.len().min(end + 2 + LONGEST_NAME)];
        let name = &rest[..memchr::memchr(b'>', rest)?];
        let named = of_name(std::str::from_utf8(name).ok()?)?;
        let before = &text[end.saturating_sub(LONGEST)..end];
        let tag_end = memchr::memrchr(b'>', before)?;
        let tag = &before[memchr::memrchr(b'<', &before[..tag_end])? + 1..tag_end];
        let value = before[tag_end + 1..].trim_ascii();
        let start = text[..end].len() - before[tag_end + 1..].trim_ascii_start().len();
        let is_its_tag = tag.split(u8::is_ascii_whitespace).next() == Some(name);
        let cause = named.cause(value).filter(|_| is_its_tag && !value.is_empty() && !is_reference(value))?;
        Some(Stretch { range: start..start + value.len(), name: Some(end + 2..end + 2 + name.len()), cause })
    })
}

/// `set -gx NAME value`, as fish assigns, and `setenv NAME value`, as csh.
fn set_by_word(text: &[u8]) -> Option<Stretch> {
    let word_at = |from: usize| {
        let start = from + text[from..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let end = text[start..].iter().position(u8::is_ascii_whitespace).map_or(text.len(), |length| start + length);
        Some(start..end)
    };
    let mut word = word_at(0).filter(|word| matches!(&text[word.clone()], b"set" | b"setenv" | b"set-environment"))?;
    word = word_at(word.end)?;
    while text[word.clone()].starts_with(b"-") {
        word = word_at(word.end)?;
    }
    let named = of_name(std::str::from_utf8(&text[word.clone()]).ok()?)?;
    let range = value_behind(text, word.end);
    let cause = named.cause(&text[range.clone()])?;
    let is_secret = range.len() >= 4 && !is_reference(&text[range.clone()]);
    is_secret.then_some(Stretch { range, name: Some(word), cause })
}

/// A name that makes its value secret, or that value alone which is no plain text.
pub(super) struct Named {
    cause: Cause,
    verdict: NameVerdict,
}

impl Named {
    pub(super) fn cause(self, value: &[u8]) -> Option<Cause> {
        let is_weak = matches!(self.verdict, NameVerdict::Weak | NameVerdict::Code);
        (!is_weak || !weak::is_plain(value, self.verdict == NameVerdict::Code)).then_some(self.cause)
    }
}

pub(super) fn of_name(name: &str) -> Option<Named> {
    if name.len() < 2 {
        return None;
    }
    let entry = policy::catalogue().variable(name);
    let verdict = match entry {
        Some(_) => NameVerdict::Secret,
        None => policy::scrub_rules().classify_name(name).verdict,
    };
    matches!(verdict, NameVerdict::Secret | NameVerdict::Weak | NameVerdict::Code).then(|| Named {
        verdict,
        cause: Cause {
            entry,
            reason: format!("stands behind the name `{name}`"),
            origin: entry.map_or_else(by_scrub_rules, |entry| entry.service.origin.clone()),
        },
    })
}

/// The name in front of a separator, quotes and blanks between them apart; bounded, as names are short.
fn name_before(text: &[u8], separator: usize) -> Range<usize> {
    const LONGEST: usize = 80;
    let least = separator.saturating_sub(LONGEST);
    // `ENV["API_KEY"] = "…"`, as languages assign.
    let skipped = |byte: &&u8| matches!(byte, b'"' | b'\'' | b' ' | b'\t' | b']');
    let end = separator - text[least..separator].iter().rev().take_while(skipped).count();
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = end - text[least..end].iter().rev().take_while(is_name).count();
    // `--api-key` is called `api-key`.
    let dashes = text[start..end].iter().take_while(|byte| matches!(byte, b'-' | b'.')).count();
    start + dashes..end
}

/// The cheap half of [`value_behind`]: whether a value of `least` bytes can stand there at all. Text is full of colons,
/// and judging the names in front of them all would cost more than everything else.
fn may_be_assigned(text: &[u8], separator: usize, least: usize) -> bool {
    let rest = text[separator + 1..].trim_ascii_start();
    if let [quote @ (b'"' | b'\'' | b'`'), value @ ..] = rest {
        return value.len() >= least && !is_reference(value) && memchr::memchr(*quote, &value[..least]).is_none();
    }
    let is_word = |word: &&[u8]| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let is_long = || rest.len() >= least && !rest[..least].iter().copied().any(ends_value);
    SCHEME_WORDS.iter().any(is_word) || is_long() && !is_reference(rest)
}

/// Whether a byte ends a value that has no quotes.
fn ends_value(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b';' | b',' | b'&' | b')')
}

/// The value behind a separator: to the end of its quotes, or to the next blank or delimiter.
fn value_behind(text: &[u8], separator: usize) -> Range<usize> {
    let blanks = |from: usize| {
        text.get(from..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    };
    let start = separator + 1 + blanks(separator + 1);
    match text.get(start) {
        Some(&quote @ (b'"' | b'\'' | b'`')) => {
            let length = memchr::memchr2(quote, b'\n', &text[start + 1..]).unwrap_or(text.len() - start - 1);
            start + 1..start + 1 + length
        }
        Some(_) => {
            let end = |from: usize| {
                text[from..].iter().copied().position(ends_value).map_or(text.len(), |length| from + length)
            };
            let first = start..end(start);
            // `Authorization: Bearer abc`: the word names the scheme, the next is the value.
            let is_scheme = SCHEME_WORDS.iter().any(|word| text[first.clone()].eq_ignore_ascii_case(word));
            let next = first.end + 1;
            if is_scheme && next < text.len() { next..end(next) } else { first }
        }
        None => text.len()..text.len(),
    }
}

/// Whether a value stands for another one, or says that one is to be filled in.
pub(super) fn is_reference(value: &[u8]) -> bool {
    matches!(value, [b'$' | b'<' | b'{' | b'*', ..]) || value.starts_with(b"//")
}

/// Whether a value is the beginning of a call in some language: `substr(`.
fn is_call(value: &[u8]) -> bool {
    let name = value.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'_').count();
    name > 0 && value.get(name) == Some(&b'(')
}

/// A line that is nothing but one long random token, as the lines of a key that lost its quotes are.
fn lonely_token(text: &[u8]) -> Option<Stretch> {
    const LEAST: usize = 16;
    let is_frame = |byte: &u8| matches!(byte, b'#' | b'"' | b'\'' | b'`' | b' ' | b'\t' | b',' | b'\\');
    let start = text.iter().position(|byte| !is_frame(byte))?;
    let end = text.len() - text.iter().rev().take_while(|byte| is_frame(byte)).count();
    let token = &text[start..end];
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let has = |kind: fn(&u8) -> bool| token.iter().any(kind);
    let is_random = has(u8::is_ascii_digit) && (has(u8::is_ascii_lowercase) || has(u8::is_ascii_uppercase));
    // `iterm2_precmd_invoke` is the name of a function.
    let is_plain = token.starts_with(b"/") || weak::is_plain(token, false);
    (token.len() >= LEAST && !is_plain && token[..token.len() - padding].iter().all(is_token) && is_random).then(|| {
        Stretch {
            range: start..end,
            name: None,
            cause: Cause {
                entry: None,
                reason: "is a long random token on a line of its own".into(),
                origin: by_scrub_rules(),
            },
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(stretches: Vec<Stretch>, text: &str) -> Vec<&str> {
        stretches.into_iter().map(|stretch| &text[stretch.range]).collect()
    }

    #[test]
    fn free_text_gives_up_old_keys() {
        for (text, expected) in [
            ("# STRIPE_KEY=sk_live_0123456789abcdefghij", vec!["sk_live_0123456789abcdefghij"]),
            ("# DB_PASSWORD='correct horse' # old", vec!["correct horse"]),
            ("#password: hunter2hunter2", vec!["hunter2hunter2"]),
            ("# token: see the documentation", vec![]),
            ("# API_KEY=", vec![]),
            ("# API_KEY=<your key>", vec![]),
            ("# export TOKEN=$(pass show token)", vec![]),
            ("alias k='kubectl --token=abc123def456'", vec!["abc123def456"]),
            ("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", vec!["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"]),
            ("# /usr/local/lib/python3.12/site", vec![]),
            ("set -gx MY_TOKEN abc123def", vec!["abc123def"]),
            ("set -x PATH /usr/bin $PATH", vec![]),
            ("set MY_TOKEN", vec![]),
            ("  iterm2_preexec_invoke_cmd", vec![]),
            ("token=substr($0, start, length)", vec![]),
            ("url=mysql://$USER:$PASSWORD@localhost/x", vec![]),
            ("setenv MY_TOKEN abc123def", vec!["abc123def"]),
            ("ENV['MY_TOKEN'] = 'abc123def'", vec!["abc123def"]),
            ("<!-- <server><password>old</password><id>a</id></server> -->", vec!["old"]),
            ("<password>${env.PASS}</password><token a='b'> x1 </token>", vec!["x1"]),
            ("<b></password>", vec![]),
            ("alias a='curl -H \"Authorization: Bearer correcthorse\" https://h'", vec!["correcthorse"]),
            ("# Authorization: Bearer $TOKEN", vec![]),
            ("alias db='mysql -uroot -phorse'", vec!["horse"]),
            ("# SEED=42", vec![]),
            ("# SEED=9f86d081884c7d659a2feaa0c55ad015", vec!["9f86d081884c7d659a2feaa0c55ad015"]),
            ("use flake", vec![]),
            ("see https://ann:pass@example.com/x", vec!["pass"]),
        ] {
            assert_eq!(found(in_free_text(text.as_bytes()), text), expected, "{text}");
        }
    }

    #[test]
    fn values_give_up_what_is_long_and_odd() {
        for (text, expected) in [
            ("AccountName=a;AccountKey=0123456789abcdef==;X=y", vec!["0123456789abcdef=="]),
            (r#"{"user":"ann","password":"tr0ub4dor&3-tr0ub4dor"}"#, vec!["tr0ub4dor&3-tr0ub4dor"]),
            ("Authorization: Bearer 0123456789abcdef", vec!["0123456789abcdef"]),
            ("rs=0:di=01;34:ln=01;36", vec![]),
            ("key=short", vec![]),
            ("https://x-access-token:0123456789abcdefgh@github.com/a/b", vec!["0123456789abcdefgh"]),
            ("https://0123456789abcdef0123@git.example/a", vec!["0123456789abcdef0123"]),
            ("https://0123456789abcdef0123:x-oauth-basic@github.com/a", vec!["0123456789abcdef0123", "x-oauth-basic"]),
            ("https://ann@git.example/0123456789abcdef0123", vec![]),
            ("ssh://deploy-user-of-production@git.example/a", vec![]),
        ] {
            assert_eq!(found(in_value(text.as_bytes()), text), expected, "{text}");
        }
    }

    #[test]
    fn overlapping_stretches_become_one() {
        let stretch = |range| Stretch { range, name: None, cause: of_form(&policy::ValueKind::Jwt) };
        let merged = merge(vec![stretch(5..9), stretch(0..4), stretch(3..6), stretch(9..10)]);
        assert_eq!(merged.into_iter().map(|stretch| stretch.range).collect::<Vec<_>>(), [0..9, 9..10]);
    }

    #[test]
    fn long_runs_of_names_take_linear_time() {
        let text = b"token=$".repeat(100_000);
        assert!(in_free_text(&text).is_empty());
        let text = b"token=".repeat(100_000);
        assert_eq!(in_free_text(&text).len(), 1);
        let text = b"a:".repeat(100_000);
        assert!(in_value(&text).is_empty());
        for text in ["</password>", "<password></password", "</", "<password>x</"] {
            let _ = in_free_text(text.repeat(100_000).as_bytes());
        }
    }
}

//! Secrets within longer text: by their form, and as the value of a secret-like name.

use std::ops::Range;

use super::judge::{Cause, by_scrub_rules, of_form};
use crate::policy::{self, NameVerdict};
use crate::secret::is_distinctive;

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
    merge(by_form(value).chain(assigned(value, &|_, assigned| is_distinctive(assigned))).collect())
}

/// Secrets within free text, such as a comment: old keys that were commented out lie there.
pub fn in_free_text(text: &[u8]) -> Vec<Stretch> {
    let is_value = |separator, assigned: &[u8]| match separator {
        b'=' => assigned.len() >= 4,
        _ => assigned.len() >= 8 && assigned.iter().any(u8::is_ascii_digit),
    };
    let found = by_form(text).chain(assigned(text, &is_value)).chain(lonely_token(text));
    merge(found.collect())
}

/// Puts stretches into order; where two overlap, the one that starts first, or is longer, takes in the other.
pub fn merge(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by_key(|stretch| (stretch.range.start, usize::MAX - stretch.range.end));
    let mut merged: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if stretch.range.start < last.range.end => {
                last.range.end = last.range.end.max(stretch.range.end)
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

/// Values behind a secret-like name: `PASSWORD=…;`, `"token": "…"`, `--api-key=…`.
fn assigned<'a>(text: &'a [u8], is_value: &'a dyn Fn(u8, &[u8]) -> bool) -> impl Iterator<Item = Stretch> + 'a {
    memchr::memchr2_iter(b'=', b':', text).filter_map(move |separator| {
        let range = value_behind(text, separator);
        if range.is_empty() || !is_value(text[separator], &text[range.clone()]) || is_reference(&text[range.clone()]) {
            return None;
        }
        let name = name_before(text, separator);
        let cause = of_name(std::str::from_utf8(&text[name.clone()]).ok()?)?;
        Some(Stretch { range, name: Some(name), cause })
    })
}

fn of_name(name: &str) -> Option<Cause> {
    if let Some(entry) = policy::catalogue().variable(name) {
        let reason = format!("stands behind the name `{name}`");
        return Some(Cause { entry: Some(entry), reason, origin: entry.service.origin.clone() });
    }
    let judgement = policy::scrub_rules().classify_name(name);
    (judgement.verdict == NameVerdict::Secret).then(|| Cause {
        entry: None,
        reason: format!("stands behind the name `{name}`"),
        origin: by_scrub_rules(),
    })
}

/// The name in front of a separator, quotes and blanks between them apart; bounded, as names are short.
fn name_before(text: &[u8], separator: usize) -> Range<usize> {
    const LONGEST: usize = 80;
    let least = separator.saturating_sub(LONGEST);
    let skipped = |byte: &&u8| matches!(byte, b'"' | b'\'' | b' ' | b'\t');
    let end = separator - text[least..separator].iter().rev().take_while(skipped).count();
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let start = end - text[least..end].iter().rev().take_while(is_name).count();
    start..end
}

/// The value behind a separator: to the end of its quotes, or to the next blank or delimiter.
fn value_behind(text: &[u8], separator: usize) -> Range<usize> {
    let blanks = |from: usize| text[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let start = separator + 1 + blanks(separator + 1);
    match text.get(start) {
        Some(&quote @ (b'"' | b'\'' | b'`')) => {
            let length = memchr::memchr2(quote, b'\n', &text[start + 1..]).unwrap_or(text.len() - start - 1);
            start + 1..start + 1 + length
        }
        _ => {
            let ends = |byte: &u8| {
                byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'`' | b';' | b',' | b'&' | b')')
            };
            let length = text[start..].iter().position(ends).unwrap_or(text.len() - start);
            start..start + length
        }
    }
}

/// Whether a value stands for another one, or says that one is to be filled in.
fn is_reference(value: &[u8]) -> bool {
    matches!(value, [b'$' | b'<' | b'{' | b'*', ..]) || value.starts_with(b"//")
}

/// A line that is nothing but one long random token, as the lines of a key that lost its quotes are.
fn lonely_token(text: &[u8]) -> Option<Stretch> {
    const LEAST: usize = 16;
    let is_frame = |byte: &u8| matches!(byte, b'#' | b'"' | b'\'' | b'`' | b' ' | b'\t' | b',' | b'\\');
    let start = text.iter().position(|byte| !is_frame(byte))?;
    let end = text.len() - text.iter().rev().take_while(|byte| is_frame(byte)).count();
    let token = &text[start..end];
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    let has = |kind: fn(&u8) -> bool| token.iter().any(kind);
    let is_random = has(u8::is_ascii_digit) && (has(u8::is_ascii_lowercase) || has(u8::is_ascii_uppercase));
    let is_path = token.starts_with(b"/");
    (token.len() >= LEAST && !is_path && token.iter().all(is_token) && is_random).then(|| Stretch {
        range: start..end,
        name: None,
        cause: Cause {
            entry: None,
            reason: "is a long random token on a line of its own".into(),
            origin: by_scrub_rules(),
        },
    })
}

//! The redactor of whole runs against a naive reading of what it promises: random secrets that overlap and begin alike,
//! random encodings with any characters escaped, random cuts.
//!
//! Ten thousand texts for 2500 sets of secrets; for as many sets as `PROPTEST_CASES` says where that is more.

use std::collections::BTreeMap;

use super::writers::{Dice, ODDER, TOKEN, hex, placeholder, run_of, secrets, text_of, wide, written};
use super::*;

/// The characters that `value` makes in base64 where it stands, known bits alone; by the definition of RFC 4648 §4.
fn looks(value: &[u8]) -> Vec<Vec<u8>> {
    const ALPHABETS: [&[u8; 2]; 2] = [b"+/", b"-_"];
    let mut looks = Vec::new();
    for offset in 0..3 {
        for before in [None, Some(b':')].into_iter().take(1 + offset) {
            for after in [None, Some(0), Some(b':')] {
                let mut bits: Vec<Option<bool>> = Vec::new();
                let mut add =
                    |byte: Option<u8>| bits.extend((0..8).rev().map(|bit| byte.map(|byte| byte >> bit & 1 == 1)));
                for place in 0..offset {
                    add(before.filter(|_| place + 1 == offset));
                }
                for byte in value {
                    add(Some(*byte));
                }
                add(after);
                let end = 8 * (offset + value.len());
                let groups = (0..bits.len() / 6).map(|group| (6 * group, &bits[6 * group..6 * group + 6]));
                let own = groups.filter(|(begin, group)| {
                    begin + 6 > 8 * offset && *begin < end && group.iter().all(Option::is_some)
                });
                let numbers: Vec<u8> = own
                    .map(|(_, group)| group.iter().fold(0, |number, bit| number << 1 | u8::from(*bit == Some(true))))
                    .collect();
                for last in ALPHABETS {
                    let digit = |number: &u8| match number {
                        0..26 => b'A' + number,
                        26..52 => b'a' + number - 26,
                        52..62 => b'0' + number - 52,
                        _ => last[usize::from(number - 62)],
                    };
                    looks.push(numbers.iter().map(digit).collect());
                }
            }
        }
    }
    looks
}

/// One way of reading escapes: what a unit of a text means and how long it is.
type Reader = fn(&[u8]) -> (Vec<u8>, usize);

fn utf8(number: u32) -> Option<Vec<u8>> {
    char::from_u32(number).map(|character| character.to_string().into_bytes())
}

fn digits(text: &[u8], radix: u32) -> Option<u32> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    if text.is_empty() || !text.iter().all(is_digit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok()
}

fn json_unit(text: &[u8]) -> (Vec<u8>, usize) {
    let number = |begin: usize, end: usize| text.get(begin..end).and_then(|text| digits(text, 16));
    let escape = || {
        let meant = match *text.get(1)? {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            own @ (b'"' | b'\\' | b'/' | b'\'') => own,
            b'x' => return Some((utf8(number(2, 4)?)?, 4)),
            b'u' => {
                let high = number(2, 6)?;
                if !(0xd800..0xdc00).contains(&high) {
                    return Some((utf8(high)?, 6));
                }
                let low = text.get(6..8).filter(|between| between == b"\\u").and_then(|_| number(8, 12))?;
                let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
                return Some((String::from_utf16(&pair).ok()?.into_bytes(), 12));
            }
            _ => return None,
        };
        Some((vec![meant], 2))
    };
    if text[0] == b'\\' { escape() } else { None }.unwrap_or_else(|| (vec![text[0]], 1))
}

fn url_unit(text: &[u8]) -> (Vec<u8>, usize) {
    let escape = || Some((vec![u8::try_from(digits(text.get(1..3)?, 16)?).ok()?], 3));
    if text[0] == b'%' { escape() } else { None }.unwrap_or_else(|| (vec![text[0]], 1))
}

fn page_unit(text: &[u8]) -> (Vec<u8>, usize) {
    let escape = || {
        let end = text.iter().take(12).position(|byte| *byte == b';')?;
        let meant = match &text[1..end] {
            b"amp" => vec![b'&'],
            b"lt" => vec![b'<'],
            b"gt" => vec![b'>'],
            b"quot" => vec![b'"'],
            b"apos" => vec![b'\''],
            [b'#', b'x' | b'X', number @ ..] if number.len() <= 8 => utf8(digits(number, 16)?)?,
            [b'#', number @ ..] if number.len() <= 8 => utf8(digits(number, 10)?)?,
            _ => return None,
        };
        Some((meant, end + 1))
    };
    if text[0] == b'&' { escape() } else { None }.unwrap_or_else(|| (vec![text[0]], 1))
}

/// The end of a line in base64: nothing, but before another one itself.
fn line_unit(text: &[u8]) -> (Vec<u8>, usize) {
    line_end(text, &[b"\r\n", b"\n"], b"\r\n")
}

fn json_line_unit(text: &[u8]) -> (Vec<u8>, usize) {
    line_end(text, &[br"\r\n", br"\n"], br"\")
}

fn line_end(text: &[u8], ends: &[&[u8]], begins: &[u8]) -> (Vec<u8>, usize) {
    let Some(end) = ends.iter().find(|end| text.starts_with(end)) else { return (vec![text[0]], 1) };
    let is_before_another = text.get(end.len()).is_some_and(|next| begins.contains(next));
    (if is_before_another { b"\n".into() } else { Vec::new() }, end.len())
}

/// Each form that can be listed, with what takes its place.
fn listed(values: &[String]) -> Vec<(usize, FormKind, Vec<u8>, Vec<u8>)> {
    let mut listed: Vec<(usize, FormKind, Vec<u8>, Vec<u8>)> = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let text = placeholder(index, value);
        let plain = text.clone().into_bytes();
        listed.push((index, FormKind::Raw, value.clone().into(), plain.clone()));
        for upper in [false, true] {
            listed.push((index, FormKind::Hex, hex(value.as_bytes(), upper).into(), hex(&plain, upper).into()));
        }
        listed.extend(looks(value.as_bytes()).into_iter().map(|look| (index, FormKind::Base64, look, plain.clone())));
        for (kind, outer) in [(FormKind::Utf16, 1), (FormKind::Utf32, 3)] {
            for is_big in [false, true] {
                let look = |text: &str| {
                    let look = wide(text, kind == FormKind::Utf16, is_big);
                    match (value.is_ascii(), is_big) {
                        (false, _) => look,
                        (true, true) => look[outer..].into(),
                        (true, false) => look[..look.len() - outer].into(),
                    }
                };
                listed.push((index, kind, look(value), look(&text)));
            }
        }
    }
    listed
}

/// How long the escaped form of `value` is that `text` begins with; `is_form`: `+` may stand for every space.
fn escaped(text: &[u8], value: &[u8], reader: Reader, is_form: bool) -> Option<usize> {
    let plus = |byte: &u8| if is_form && *byte == b' ' { b'+' } else { *byte };
    let with_plus: Vec<u8> = value.iter().map(plus).collect();
    let (mut read, mut at, mut has_escape) = (Vec::new(), 0, false);
    while read.len() < value.len() && at < text.len() && (value.starts_with(&read) || with_plus.starts_with(&read)) {
        let (meant, length) = reader(&text[at..]);
        if meant.is_empty() && read.is_empty() {
            return None;
        }
        has_escape |= length > 1 || meant.is_empty() || is_form && text[at] == b'+';
        read.extend(meant);
        at += length;
    }
    (has_escape && (read == value || read == with_plus)).then_some(at)
}

/// What is to come out, and how often each form of each value is replaced.
fn wanted(values: &[String], text: &[u8]) -> (Vec<u8>, BTreeMap<(usize, FormKind), u64>) {
    const READERS: [(FormKind, Reader); 5] = [
        (FormKind::Json, json_unit),
        (FormKind::Percent, url_unit),
        (FormKind::Html, page_unit),
        (FormKind::Base64, line_unit),
        (FormKind::Base64, json_line_unit),
    ];
    let has_space = values.iter().any(|value| value.contains(' '));
    let listed = listed(values);
    let (mut out, mut counts, mut at) = (Vec::new(), BTreeMap::new(), 0);
    // Where the next unit of each reader begins.
    let mut next = [0; READERS.len()];
    while at < text.len() {
        let mut best: Option<(usize, usize, FormKind, Vec<u8>)> = None;
        let mut offer = |length: usize, index: usize, kind: FormKind, with: &[u8]| {
            if best.as_ref().is_none_or(|best| length > best.0) {
                best = Some((length, index, kind, with.to_vec()));
            }
        };
        for (index, kind, form, with) in &listed {
            if text[at..].starts_with(form) {
                offer(form.len(), *index, *kind, with);
            }
        }
        for (kind, reader) in READERS.into_iter().zip(next).filter(|(_, next)| *next == at).map(|(reader, _)| reader) {
            let is_read = |form: FormKind| form == if kind == FormKind::Base64 { kind } else { FormKind::Raw };
            for (index, _, value, with) in listed.iter().filter(|(_, form, ..)| is_read(*form)) {
                if kind == FormKind::Base64 && value[0] != text[at] {
                    continue;
                }
                // A `+` is an escape in all values as soon as one has a space.
                let is_form = kind == FormKind::Percent && has_space;
                if let Some(length) = escaped(&text[at..], value, reader, is_form) {
                    offer(length, *index, kind, with);
                }
            }
        }
        if let Some((length, index, kind, with)) = best {
            out.extend_from_slice(&with);
            *counts.entry((index, kind)).or_default() += 1;
            at += length;
            next = [at; READERS.len()];
            continue;
        }
        for (next, (_, reader)) in next.iter_mut().zip(READERS) {
            if *next == at {
                *next += reader(&text[at..]).1;
            }
        }
        out.push(text[at]);
        at += 1;
    }
    (out, counts)
}

/// Sends `text` through in random cuts.
fn cut(dice: &mut Dice, redactor: &Redactor, text: &[u8]) -> (Vec<u8>, BTreeMap<(SecretId, FormKind), u64>) {
    let (mut stream, mut out, mut rest) = (redactor.stream(), Vec::new(), text);
    let most = dice.pick(&[&1, &4, &40, &4000]);
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(rest.len().min(1 + dice.below(*most)));
        out.extend_from_slice(&stream.push(Bytes::copy_from_slice(chunk)));
        assert!(stream.held() <= 12 * 40 * 4, "{} bytes held", stream.held());
        rest = behind;
    }
    out.extend_from_slice(&stream.finish());
    (out, stream.counts().map(|(id, kind, count)| ((id, kind), count)).collect())
}

fn shown(text: &[u8]) -> String {
    text.escape_ascii().to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2500)))]

    #[test]
    fn a_run_redacts_as_the_oracle_says(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let values = secrets(dice);
        let (redactor, ids) = run_of(&values);
        for _ in 0..4 {
            let text = text_of(dice, &values);
            let (expected, counts) = wanted(&values, &text);
            let (found, counted) = cut(dice, &redactor, &text);
            prop_assert_eq!(shown(&found), shown(&expected), "{:?} in {}", values, shown(&text));
            let counts: BTreeMap<_, _> = counts.into_iter().map(|((index, kind), count)| ((ids[index], kind), count)).collect();
            prop_assert_eq!(counted, counts, "{:?} in {}", values, shown(&text));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn values_that_hold_what_begins_an_escape_are_found_among_other_text(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let length = 12 + dice.below(12);
        let value = dice.text(ODDER, length);
        prop_assume!(is_distinctive(value.as_bytes()));
        let values = [value];
        let (redactor, _) = run_of(&values);
        let (before, after) = (dice.text("ghi .:", 5), dice.text("ghi .:", 5));
        let text = [before.as_bytes(), &written(dice, &values[0]), after.as_bytes()].concat();
        let (found, counts) = cut(dice, &redactor, &text);
        prop_assert_eq!(counts.values().sum::<u64>(), 1, "{:?} in {}", values, shown(&text));
        prop_assert!(found.starts_with(before.as_bytes()) && found.ends_with(after.as_bytes()));
    }

    #[test]
    fn a_placeholder_of_the_same_length_keeps_the_length_of_the_text(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let length = 12 + dice.below(12);
        let value = dice.text(TOKEN, length);
        prop_assume!(is_distinctive(value.as_bytes()));
        prop_assert!(!forms::may_change_length(value.as_bytes(), &vec![b'p'; value.len()]));
        let (redactor, _) = with_placeholder(&value, value.len());
        let values = [value];
        let text = text_of(dice, &values);
        let (found, _) = cut(dice, &redactor, &text);
        prop_assert_eq!(found.len(), text.len(), "{:?}: {} became {}", values, shown(&text), shown(&found));
        prop_assert!(redactor.headers(&text).is_none_or(|found| found.len() == text.len()));
    }
}

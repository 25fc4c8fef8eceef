//! The redactor against a naive oracle, with every cut that a network can make.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::forms::{Form, FormKind};
use super::*;
use crate::secret::{Placeholder, Secret, SecretId, SecretName, is_distinctive};

fn table(values: &[&[u8]]) -> Table {
    let mut table = Table::default();
    for (index, value) in values.iter().enumerate() {
        let placeholder = Placeholder::from_minted(format!("<{index}>"));
        let name = SecretName::new(format!("S{index}")).unwrap();
        table.insert::<()>(name, Secret::new(value.to_vec()), || Ok(placeholder)).unwrap();
    }
    table
}

/// A redactor of any values, also of those that a run would not search for.
fn redactor_of(values: &[&[u8]]) -> Redactor {
    let table = table(values);
    let form = |(secret, held): (SecretId, &Held)| Form {
        secret,
        name: held.name.clone(),
        kind: FormKind::Raw,
        value: Arc::clone(held.value().unwrap()),
        replacement: held.placeholder.as_str().as_bytes().to_vec(),
    };
    Redactor::of(table.iter().map(form).collect())
}

/// Leftmost, then longest, by trying every value at every place.
fn oracle(values: &[&[u8]], text: &[u8]) -> Vec<u8> {
    let mut redacted = Vec::new();
    let mut place = 0;
    while place < text.len() {
        let matching = values.iter().enumerate().filter(|(_, value)| text[place..].starts_with(value));
        if let Some((index, value)) = matching.max_by_key(|(_, value)| value.len()) {
            let first = values.iter().position(|other| other == value).unwrap_or(index);
            redacted.extend_from_slice(format!("<{first}>").as_bytes());
            place += value.len();
        } else {
            redacted.push(text[place]);
            place += 1;
        }
    }
    redacted
}

/// Sends `text` through in chunks that end at `cuts`; checks that only what may become a value is held back.
fn streamed(redactor: &Redactor, values: &[&[u8]], text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut redacted = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    let mut begin = 0;
    for cut in cuts {
        redacted.extend_from_slice(&stream.push(Bytes::copy_from_slice(&text[begin..cut])));
        begin = cut;
        let held = &text[cut - stream.held()..cut];
        let may_go_on = |value: &&[u8]| value.len() > held.len() && value.starts_with(held);
        assert!(held.is_empty() || values.iter().any(may_go_on), "held for nothing: {held:?}");
    }
    redacted.extend_from_slice(&stream.finish());
    assert_eq!(stream.held(), 0);
    redacted
}

#[test]
fn values_of_every_relation_are_replaced_across_every_cut() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&["sk_live_0123456789"], "key=sk_live_0123456789;", "key=<0>;"),
        (&["abcdefghijkl", "abcdefghijklmnop"], "abcdefghijklmnop abcdefghijklmnoX", "<1> <0>mnoX"),
        (
            &["abcdefghijklmnop", "efghijklmnop"],
            "abcdefghijklmnop efghijklmnop abcdefghijklmnoX",
            "<0> <1> abcdefghijklmnoX",
        ),
        (&["abcdefghijkl", "ghijklmnopqr"], "abcdefghijklmnopqr", "<0>mnopqr"),
        (&["abcdefghijkX", "ghijklmnopqr"], "abcdefghijklmnopqr", "abcdef<1>"),
        (&["abababababab"], "abababababababababababab", "<0><0>"),
        (&["aaaaaaaaaaaaab"], "aaaaaaaaaaaaaaaaaab", "aaaaa<0>"),
        (&["value-one-1234", "value-two-1234"], "value-one-1234value-two-1234", "<0><1>"),
        (&["sk_live_0123456789"], "sk_live_012345678", "sk_live_012345678"),
        (&[], "anything", "anything"),
    ];
    for (values, text, expected) in cases {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        let redactor = redactor_of(&values);
        assert_eq!(String::from_utf8(oracle(&values, text.as_bytes())).unwrap(), *expected, "the case itself");
        for cut in 0..=text.len() {
            let redacted = streamed(&redactor, &values, text.as_bytes(), &[cut, cut + 1, cut / 2]);
            assert_eq!(String::from_utf8_lossy(&redacted), *expected, "cut at {cut}");
        }
        let all: Vec<usize> = (0..text.len()).collect();
        assert_eq!(streamed(&redactor, &values, text.as_bytes(), &all), expected.as_bytes(), "byte by byte");
    }
}

#[test]
fn what_holds_no_value_passes_as_the_same_bytes() {
    let redactor = redactor_of(&[b"sk_live_0123456789"]);
    let mut stream = redactor.stream();
    let chunk = Bytes::from(vec![b'x'; 10_000]);
    let passed = stream.push(chunk.clone());
    assert_eq!((passed.as_ptr(), passed.len()), (chunk.as_ptr(), chunk.len()));
}

#[test]
fn counts_are_by_secret_over_head_and_body() {
    let values: [&[u8]; 2] = [b"sk_live_0123456789", b"another-value-42"];
    let redactor = redactor_of(&values);
    let mut stream = redactor.stream();
    assert_eq!(stream.headers(b"Bearer sk_live_0123456789").as_deref(), Some(&b"Bearer <0>"[..]));
    assert_eq!(stream.headers(b"nothing"), None);
    assert_eq!(stream.push(Bytes::from_static(b"sk_live_0123456789 another-val")), "<0> ");
    assert_eq!(stream.push(Bytes::from_static(b"ue-42!")), "<1>!");
    let ids: Vec<SecretId> = table(&values).iter().map(|(id, _)| id).collect();
    assert_eq!(stream.counts().collect::<Vec<_>>(), [(ids[0], FormKind::Raw, 2), (ids[1], FormKind::Raw, 1)]);
}

#[test]
fn a_run_searches_only_for_distinct_values() {
    let redactor = Redactor::new(&table(&[b"short", b"Authorization", b"sk_live_0123456789"]));
    assert_eq!(redactor.headers(b"short Authorization"), None);
    assert_eq!(redactor.headers(b"sk_live_0123456789").as_deref(), Some(&b"<2>"[..]));
    assert!(Redactor::new(&table(&[b"short"])).is_empty());
}

#[test]
fn fields_are_compared_without_case() {
    let redactor = Redactor::new(&table(&[b"sk_live_0123456789AbC"]));
    let mut stream = redactor.stream();
    assert_eq!(stream.headers(b"X-SK_LIVE_0123456789abc-y").as_deref(), Some(&b"X-<0>-y"[..]));
    assert!(stream.must_drop(b"x-sk_live_0123456789abc-y"));
    assert!(!stream.must_drop(b"x-sk_live_0123456789ab"));
    assert_eq!(
        stream.push(Bytes::from_static(b"sk_live_0123456789abc;")),
        "sk_live_0123456789abc;",
        "a body is as it is"
    );
    assert_eq!(stream.counts().map(|(.., count)| count).collect::<Vec<_>>(), [2]);
    assert_eq!(redactor.named("a SK_live_0123456789abc b"), "a {S0} b");
    assert_eq!(redactor.named("nothing"), "nothing");
    assert_eq!(redactor.secret_in(b"/sk_live_0123456789ABC/"), SecretName::new("S0").ok());
    assert_eq!(redactor.secret_in(b"/sk_live_0123456789AB/"), None);
}

#[test]
fn what_is_learnt_is_found_and_never_forgotten() {
    let table = table(&[b"sk_live_0123456789", b"another-value-42"]);
    let redactor = Redactor::new(&table);
    let clone = redactor.clone();
    let (id, held) = table.iter().next().unwrap();
    let learn = |value: &str| redactor.learn(id, held, &Arc::new(Secret::new(value.into())));
    learn("sk_live_rotated_1").unwrap();
    learn("sk_live_rotated_2").unwrap();
    for value in [&b"sk_live_0123456789"[..], b"sk_live_rotated_1", b"sk_live_rotated_2"] {
        assert_eq!(clone.headers(value).as_deref(), Some(&b"<0>"[..]));
    }
    assert_eq!(clone.headers(b"another-value-42").as_deref(), Some(&b"<1>"[..]));
    // The same again is nothing new; there is an end to new ones, and short ones are not looked for.
    for number in 3..MOST_VALUES {
        learn(&format!("sk_live_rotated_{number}")).unwrap();
    }
    learn("sk_live_rotated_1").unwrap();
    learn("short").unwrap();
    assert_eq!(learn("sk_live_one_too_many"), Err(TooMany));
    assert_eq!(clone.headers(b"short"), None);
}

#[test]
fn a_stream_that_is_open_finds_what_is_learnt_meanwhile() {
    let table = table(&[b"sk_live_0123456789"]);
    let redactor = Redactor::new(&table);
    let mut stream = redactor.stream();
    let push = |stream: &mut Stream, text: &'static str| stream.push(Bytes::from_static(text.as_bytes()));
    assert_eq!(push(&mut stream, "sk_live_rotated_1 sk_live_ro"), "sk_live_rotated_1 sk_live_ro");
    assert_eq!(push(&mut stream, "x sk_live_"), "x ");
    let (id, held) = table.iter().next().unwrap();
    redactor.learn(id, held, &Arc::new(Secret::new(b"sk_live_rotated_1".into()))).unwrap();
    assert_eq!(push(&mut stream, "rotated_1 sk_live_rotated_1"), "<0> <0>");
    assert_eq!(stream.headers(b"sk_live_rotated_1").as_deref(), Some(&b"<0>"[..]));
    assert_eq!(stream.finish(), "");
}

#[test]
fn every_escape_of_every_character_is_found_in_heads_and_bodies() {
    let value = "sk live/0123=AbC+d";
    let (redactor, placeholder) = with_placeholder(value, 30);
    let each = |write: &dyn Fn(char) -> String| value.chars().map(write).collect::<String>();
    for (kind, text) in [
        (FormKind::Json, each(&|character| format!("\\u{:04x}", u32::from(character)))),
        (FormKind::Json, value.replace('/', "\\/")),
        (FormKind::Percent, each(&|character| format!("%{:02X}", u32::from(character)))),
        (FormKind::Percent, value.replace(' ', "+")),
        (FormKind::Html, each(&|character| format!("&#{};", u32::from(character)))),
    ] {
        let mut stream = redactor.stream();
        assert_eq!(stream.push(text.clone().into()), placeholder, "{text}");
        assert_eq!(
            stream.headers(text.to_ascii_uppercase().replace("\\U", "\\u").as_bytes()),
            Some(placeholder.clone().into()),
            "{text}"
        );
        let kinds: Vec<_> = stream.counts().map(|(_, kind, count)| (kind, count)).collect();
        assert_eq!(kinds, [(kind, 2)], "{text}");
        assert_eq!(redactor.named(&text), "{S}");
    }
}

/// A redactor of one value with a placeholder of `length`, with no byte of which a value here is made.
fn with_placeholder(value: &str, length: usize) -> (Redactor, String) {
    let placeholder = format!("<{}>", ".".repeat(length - 2));
    let minted = Placeholder::from_minted(placeholder.clone());
    let mut table = Table::default();
    table.insert::<()>(SecretName::new("S").unwrap(), Secret::new(value.into()), || Ok(minted)).unwrap();
    (Redactor::new(&table), placeholder)
}

#[test]
fn an_echo_of_basic_credentials_is_what_the_child_sent() {
    let value = "ghp_0123456789AbCdEf";
    let (redactor, placeholder) = with_placeholder(value, value.len());
    for user in ["", "x", "me", "x-access-token"] {
        for behind in ["", "\n", ":x-oauth-basic"] {
            let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}{behind}")));
            let echo = redactor.headers(basic(value).as_bytes()).unwrap();
            assert_eq!(String::from_utf8(echo).unwrap(), basic(&placeholder), "{user} {behind}");
        }
    }
    let basic = |user: &str| STANDARD.encode(format!("{user}:"));
    assert_eq!(redactor.headers(basic(value).as_bytes()).unwrap(), basic(&placeholder).as_bytes());
}

/// Whether six neighbouring bytes of `value` can be decoded from `text`, read from every place and in both alphabets.
fn can_be_decoded(text: &[u8], value: &[u8]) -> bool {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone);
    let reader = GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    let standard = String::from_utf8_lossy(text).replace('-', "+").replace('_', "/");
    let is_foreign = |character: char| !character.is_ascii_alphanumeric() && !"+/".contains(character);
    standard.split(is_foreign).any(|run| {
        (0..run.len().min(4)).any(|begin| {
            let run = &run[begin..];
            let whole = if run.len() % 4 == 1 { &run[..run.len() - 1] } else { run };
            let decoded = reader.decode(whole).unwrap();
            decoded.windows(6).any(|six| value.windows(6).any(|part| part == six))
        })
    })
}

#[test]
fn values_longer_than_what_is_sampled_of_them_are_found_whole() {
    let letters: Vec<u8> = (0..5000_u32).map(|place| b'a' + (place * place % 23).to_le_bytes()[0]).collect();
    let values = [&letters[..3000], &letters[..]];
    let redactor = redactor_of(&values);
    let text = [b"before ", values[1], b" ", values[0], b" ", &letters[..2999], b" ", &letters[1..]].concat();
    for length in [1, 700, 1024, 4096, text.len()] {
        let mut stream = redactor.stream();
        let mut redacted = Vec::new();
        for chunk in text.chunks(length) {
            redacted.extend_from_slice(&stream.push(Bytes::copy_from_slice(chunk)));
        }
        redacted.extend_from_slice(&stream.finish());
        assert!(redacted == oracle(&values, &text), "{length}");
    }
}

#[test]
fn what_waits_can_be_released_as_far_as_it_tells_nothing() {
    let redactor = redactor_of(&[b"sk_live_0123456789"]);
    let mut stream = redactor.stream();
    let mut push = |text: &'static str| (stream.push(Bytes::from_static(text.as_bytes())), stream.release());
    assert_eq!(push("yes"), ("ye".into(), "s".into()), "an answer may depend on it");
    assert_eq!(push("k_li"), ("".into(), "k_l".into()), "four bytes and no more");
    assert_eq!(push("ve_"), ("".into(), "".into()));
    assert_eq!(push("0123456789 s"), ("<0> ".into(), "s".into()), "the value came after all");
    assert_eq!(push("s"), ("".into(), "s".into()), "another beginning");
    assert_eq!(push("!"), ("!".into(), "".into()));
    assert_eq!(stream.finish(), "");
}

/// Values from a small alphabet, so that they overlap, repeat and begin alike.
fn values() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(b'a'..=b'c', 4..24), 1..6)
}

/// A text made of pieces of the values and of noise.
fn text(values: &[Vec<u8>], pieces: &[(usize, usize, usize, u8)]) -> Vec<u8> {
    let mut text = Vec::new();
    for (which, begin, end, noise) in pieces {
        let value = &values[which % values.len()];
        let begin = begin % value.len();
        let end = begin + end % (value.len() - begin + 1);
        text.extend_from_slice(if *noise < 100 { value } else { &value[begin..end] });
        if *noise % 3 == 0 {
            text.push(b'a' + noise % 4);
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn is_as_the_oracle_says(
        values in values(),
        pieces in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<usize>(), any::<u8>()), 0..12),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let text = text(&values, &pieces);
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let redactor = redactor_of(&values);
        let expected = oracle(&values, &text);
        prop_assert_eq!(&streamed(&redactor, &values, &text, &cuts), &expected);
        prop_assert_eq!(redactor.headers(&text).unwrap_or(text), expected);
    }

    #[test]
    fn no_value_can_be_decoded(
        value in "[A-Za-z0-9+/_?~-]{12,40}".prop_filter("distinctive", |value| is_distinctive(value.as_bytes())),
        before in proptest::collection::vec(any::<u8>(), 0..8),
        after in proptest::collection::vec(any::<u8>(), 0..8),
        length in 6_usize..50,
        cuts in proptest::collection::vec(any::<usize>(), 0..4),
    ) {
        let (redactor, _) = with_placeholder(&value, length);
        let text = [&before, value.as_bytes(), &after].concat();
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let encoded = format!("\"{}\"", engine.encode(&text));
            prop_assert!(can_be_decoded(encoded.as_bytes(), value.as_bytes()));
            let mut stream = redactor.stream();
            let mut redacted = Vec::new();
            let mut rest = encoded.as_bytes();
            for cut in &cuts {
                let (chunk, behind) = rest.split_at(cut % (rest.len() + 1));
                redacted.extend_from_slice(&stream.push(Bytes::copy_from_slice(chunk)));
                rest = behind;
            }
            redacted.extend_from_slice(&stream.push(Bytes::copy_from_slice(rest)));
            redacted.extend_from_slice(&stream.finish());
            prop_assert_eq!(stream.counts().map(|(.., count)| count).sum::<u64>(), 1);
            prop_assert!(!can_be_decoded(&redacted, value.as_bytes()));
            prop_assert!(length != value.len() || redacted.len() == encoded.len());
        }
    }

    #[test]
    fn releases_lose_nothing_and_show_no_value(
        values in proptest::collection::vec(proptest::collection::vec(b'a'..=b'c', 6..24), 1..4),
        pieces in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<usize>(), any::<u8>()), 0..12),
        lengths in proptest::collection::vec(1_usize..9, 1..40),
    ) {
        let text = text(&values, &pieces);
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let mut stream = redactor_of(&values).stream();
        let (mut redacted, mut released, mut rest) = (Vec::new(), 0, &text[..]);
        for length in lengths.into_iter().chain([text.len()]) {
            let (chunk, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            redacted.extend_from_slice(&stream.push(Bytes::copy_from_slice(chunk)));
            let given = stream.release();
            prop_assert!(given.len() <= 4);
            released += given.len();
            redacted.extend_from_slice(&given);
        }
        redacted.extend_from_slice(&stream.finish());
        let expected = oracle(&values, &text);
        if expected == text {
            prop_assert_eq!(&redacted, &text);
        }
        prop_assert!((expected.len()..=expected.len() + released).contains(&redacted.len()));
        for value in values {
            prop_assert!(!redacted.windows(value.len()).any(|window| window == value));
        }
    }
}

mod layouts;
mod oracle;
mod writers;

//! What holds for every syntax: nothing panics, nothing takes long, what is replaced is gone, and the rest is the same.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::mask::{ALL, Notation, render as render_as};

pub(super) const PLACEHOLDER: &str = "PLACEHOLDER";

fn hidden(structure: Structure, text: &str, pointer: &str) -> Result<String, MaskError> {
    let decide = &mut |site: &Site<'_>| match site.place {
        Place::Value if site.pointer == pointer => Replacement::Whole(PLACEHOLDER.into()),
        _ => Replacement::Keep,
    };
    render_as(Notation::Structured(structure), text.as_bytes(), decide).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The text with a placeholder in the place of the value at `pointer`.
pub(super) fn hides(structure: Structure, text: &str, pointer: &str) -> String {
    let output = hidden(structure, text, pointer).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    assert_eq!(hidden(structure, &output, pointer).unwrap(), output, "not idempotent");
    output
}

/// Not rendered, or nothing is at `pointer` that a program would read alike.
pub(super) fn refuses(structure: Structure, text: &str, pointer: &str) {
    assert!(hidden(structure, text, pointer).is_err(), "{structure:?}: {text:?}");
}

/// Every leaf but names: its pointer and what is read there.
pub(super) fn all(structure: Structure, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let decide = &mut |site: &Site<'_>| {
        found.push((site.pointer.to_owned(), String::from_utf8(site.value.to_vec()).unwrap()));
        Replacement::Keep
    };
    render_as(Notation::Structured(structure), text.as_bytes(), decide).unwrap();
    found
}

/// A file of each kind with one secret in it.
fn with_secret(structure: Structure, secret: &str) -> Option<String> {
    Some(match structure {
        Structure::FishVariables => format!("# c\nSETUVAR --export password:{secret}\nSETUVAR B:x\n"),
        Structure::PamEnvironment => format!("password DEFAULT=\"{secret}\"\nB DEFAULT=x\n"),
        Structure::Yarnrc => format!("registry \"https://h/\"\n\"//h/:password\" \"{secret}\"\n"),
        Structure::GitConfig => format!("[http \"https://h/\"]\n\tpassword = \"{secret}\"\n[user]\n\tname = Ann\n"),
        Structure::GitCredentials => format!("https://ann:{secret}@h.example\nhttps://bob:x@i.example\n"),
        Structure::Ini => format!("[a]\nuser = ann\npassword = {secret}\n[b]\npassword=\n"),
        Structure::Netrc => format!("machine h.example\n  login ann\n  password {secret}\nmachine i login b\n"),
        Structure::Npmrc => format!("registry=https://h/\n//h/:password={secret}\n"),
        Structure::Pgpass => format!("h:5432:*:ann:{secret}\n"),
        Structure::Properties => format!("# c\nuser=ann\npassword={secret}\n"),
        Structure::Toml => format!("[a]\nuser = \"ann\"\npassword = '{secret}'\n"),
        Structure::Xml => format!("<a><user>ann</user><password>{secret}</password></a>"),
        Structure::Yaml => format!("a:\n  user: ann\n  password: '{secret}'\n"),
        Structure::Pem | Structure::Token => return None,
    })
}

/// What looks like the formats' own marks, and much else.
fn noise() -> impl Strategy<Value = String> {
    let mark = prop_oneof![
        "[a-z]{1,4}",
        proptest::sample::select(vec![
            "\n",
            "\r\n",
            "\r",
            " ",
            "  ",
            "\t",
            "=",
            ":",
            "\"",
            "'",
            "\\",
            "#",
            ";",
            "[",
            "]",
            "{",
            "}",
            ",",
            "- ",
            "|\n",
            ">\n",
            "&a ",
            "*a",
            "!!x ",
            "---\n",
            "? ",
            "<a>",
            "</a>",
            "<a b=\"",
            "/>",
            "&amp;",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "machine ",
            "password ",
            "macdef ",
            "https://",
            "@",
            "%41",
            "\\u0041",
            "\u{feff}",
            "é",
            "\u{2028}",
            "'''",
            "\"\"\"",
            "-----BEGIN ",
            "${a}",
            "\u{b}",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(mark, 0..24).prop_map(|marks| marks.concat())
}

proptest! {
    #[test]
    fn noise_neither_panics_nor_changes(text in noise()) {
        for structure in ALL {
            let notation = Notation::Structured(structure);
            if let Ok(output) = render_as(notation, text.as_bytes(), &mut |_| Replacement::Keep) {
                prop_assert_eq!(output, text.as_bytes(), "{:?}", structure);
            }
        }
    }

    #[test]
    fn what_is_replaced_is_replaced_alone(text in noise(), chosen in 0..8_usize) {
        for structure in ALL {
            let notation = Notation::Structured(structure);
            let mut count = 0;
            let mut values = Vec::new();
            let mut choose = |site: &Site<'_>| {
                values.push((site.place, site.value.to_vec()));
                count += 1;
                let is_chosen = site.place == Place::Value && count == chosen + 1;
                if is_chosen { Replacement::Whole(PLACEHOLDER.into()) } else { Replacement::Keep }
            };
            let Ok(output) = render_as(notation, text.as_bytes(), &mut choose) else { continue };
            let mut after = Vec::new();
            let again = render_as(notation, &output, &mut |site| {
                after.push((site.place, site.value.to_vec()));
                Replacement::Keep
            });
            prop_assert_eq!(again.unwrap(), output);
            if let Some((Place::Value, value)) = values.get_mut(chosen) {
                *value = PLACEHOLDER.into();
            }
            prop_assert_eq!(after, values, "{:?}", structure);
        }
    }

    #[test]
    fn a_secret_is_gone_and_all_else_stays(secret in "[A-Za-z][A-Za-z0-9_.-]{10,30}[A-Za-z]") {
        for structure in ALL {
            let Some(text) = with_secret(structure, &secret) else { continue };
            let mut hidden = 0;
            let output = render_as(Notation::Structured(structure), text.as_bytes(), &mut |site| {
                let is_it = site.place == Place::Value && site.value == secret.as_bytes();
                assert!(!is_it || site.key == b"password", "{structure:?}");
                hidden += usize::from(is_it);
                if is_it { Replacement::Whole(PLACEHOLDER.into()) } else { Replacement::Keep }
            }).unwrap();
            prop_assert_eq!(hidden, 1, "{:?}", structure);
            let output = String::from_utf8(output).unwrap();
            let plain = |text: &str| text.replace(['"', '\''], "");
            prop_assert_eq!(plain(&output), plain(&text.replace(&secret, PLACEHOLDER)), "{:?}", structure);
        }
    }
}

#[test]
fn hostile_files_are_refused_or_kept_in_little_time() {
    let repeated = |text: &str| text.repeat((1 << 20) / text.len());
    let hostile = [
        ("huge line", repeated("a")),
        ("brackets", repeated("[")),
        ("braces", repeated("{")),
        ("deep YAML", repeated("- ")),
        ("keys", repeated("a: ")),
        ("question marks", repeated("? ")),
        ("deep XML", repeated("<a>")),
        ("attributes", format!("<a {}>", repeated("b='c' "))),
        ("comments", repeated("# a\n")),
        ("quotes", repeated("\"")),
        ("backslashes", repeated("\\")),
        ("open quotes", repeated("a = \"\n")),
        ("assignments", repeated("a=b\n")),
        ("colons", repeated("a:b:c:d:e\n")),
        ("deeper lines", repeated("a =\n  b\n")),
        ("anchors", repeated("a: &x [*x, *x]\n")),
        ("entities", format!("<!DOCTYPE a [{}]><a>&e;</a>", repeated("<!ENTITY e '&e;&e;'>"))),
        ("machines", repeated("machine a password b\n")),
        ("URLs", repeated("https://a:b@c\n")),
        ("tables", (0..20_000).fold(String::new(), |text, index| text + &format!("[a.b{index}]\nc = 'd'\n"))),
        ("NUL", "a = \0\n".into()),
        ("a carriage return alone", "a = b\rc = d\n".into()),
    ];
    for (name, text) in &hostile {
        for structure in ALL {
            let start = Instant::now();
            let rendered = render_as(Notation::Structured(structure), text.as_bytes(), &mut |_| Replacement::Keep);
            let took = start.elapsed();
            assert!(took < Duration::from_secs(5), "{name} as {structure:?} took {took:?}");
            assert!(rendered.is_err() || rendered.is_ok_and(|output| output == text.as_bytes()), "{name}");
        }
    }
    for structure in ALL.into_iter().filter(|structure| *structure != Structure::Pem) {
        for bytes in [&b"\xff\xfea\0"[..], b"\x80\x81", b"a = \0"] {
            let rendered = render_as(Notation::Structured(structure), bytes, &mut |_| Replacement::Keep);
            assert!(matches!(rendered, Err(MaskError::NotText)), "{structure:?}");
        }
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_stay() {
    for structure in ALL {
        let Some(text) = with_secret(structure, "s3cret-s3cret") else { continue };
        let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let output = render_as(Notation::Structured(structure), text.as_bytes(), &mut |site| {
            if site.value == b"s3cret-s3cret" { Replacement::Whole(PLACEHOLDER.into()) } else { Replacement::Keep }
        });
        let output = String::from_utf8(output.unwrap()).unwrap();
        let plain = |text: &str| text.replace(['"', '\''], "");
        assert_eq!(plain(&output), plain(&text.replace("s3cret-s3cret", PLACEHOLDER)), "{structure:?}");
    }
}

#[test]
fn parts_count_in_what_is_read() {
    for (structure, text, expected) in [
        (Structure::Xml, "<a>x&amp;s3cret&lt;</a>", "<a>x&amp;P&lt;</a>"),
        (Structure::Yaml, "a: \"x\\u0041s3cret\"\n", "a: \"xAP\"\n"),
        (Structure::Toml, "a = \"x\\u0041s3cret\"\n", "a = \"xAP\"\n"),
        (Structure::Ini, "a = https://u:s3cret@h/\n", "a = https://u:P@h/\n"),
    ] {
        let decide = &mut |site: &Site<'_>| match memchr::memmem::find(site.text, b"s3cret") {
            Some(start) => Replacement::Parts(vec![(start..start + 6, "P".into())]),
            None => Replacement::Keep,
        };
        let output = render_as(Notation::Structured(structure), text.as_bytes(), decide).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}

//! Values whose bytes do not stand side by side: in base64 that is broken into lines, and in wide characters.

use super::writers::wide;
use super::*;

const VALUE: &str = "sk-live/0123=AbC+dEfGhIjKlMnOpQrStUvWx~yz012345678901234567890";

/// Sends `text` through in two chunks; what comes out, and the forms that were found.
fn through(redactor: &Redactor, text: &[u8], cut: usize) -> (Vec<u8>, Vec<(FormKind, u64)>) {
    let mut stream = redactor.stream();
    let mut out = stream.push(Bytes::copy_from_slice(&text[..cut])).to_vec();
    out.extend_from_slice(&stream.push(Bytes::copy_from_slice(&text[cut..])));
    out.extend_from_slice(&stream.finish());
    (out, stream.counts().map(|(_, kind, count)| (kind, count)).collect())
}

fn in_lines(text: &str, length: usize, line_end: &str) -> String {
    let lines: Vec<&str> = text.as_bytes().chunks(length).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join(line_end) + line_end
}

#[test]
fn a_value_in_base64_is_found_across_the_ends_of_lines_and_those_stay() {
    let (redactor, placeholder) = with_placeholder(VALUE, VALUE.len());
    for line_end in ["\n", "\r\n", r"\n", r"\r\n"] {
        for (before, length) in [("", 76), ("x", 76), ("a longer text before it", 76), ("xy", 64), (":", 4), ("", 1)] {
            let text = |value: &str| in_lines(&STANDARD.encode(format!("{before}{value}")), length, line_end);
            let (text, wanted) = (text(VALUE), text(&placeholder));
            for cut in 0..=text.len() {
                let (out, counts) = through(&redactor, text.as_bytes(), cut);
                assert_eq!(counts, [(FormKind::Base64, 1)], "{text} {cut}");
                assert_eq!(out.len(), text.len());
                // A character on the edge holds bits of what stands before, and stays.
                let differing = out.iter().zip(wanted.bytes()).filter(|(one, other)| **one != *other).count();
                assert!(differing <= 2, "{} {wanted}", String::from_utf8_lossy(&out));
            }
        }
    }
    // A field has escaped ends of lines at most; the case of letters tells nothing there.
    let text = in_lines(&STANDARD.encode(VALUE), 30, r"\n");
    let (found, wanted) = (redactor.headers(text.to_ascii_uppercase().as_bytes()), STANDARD.encode(&placeholder));
    assert_eq!(String::from_utf8(found.unwrap()).unwrap(), in_lines(&wanted, 30, r"\N"));
    assert_eq!(redactor.secret_in(in_lines(&STANDARD.encode(VALUE), 30, "\n").as_bytes()), SecretName::new("S").ok());
}

#[test]
fn a_placeholder_of_another_length_stands_in_one_line() {
    for length in [VALUE.len() + 3, VALUE.len() + 1] {
        let (redactor, placeholder) = with_placeholder(VALUE, length);
        let text = in_lines(&STANDARD_NO_PAD.encode(format!("xyz{VALUE}")), 20, "\n");
        let (out, _) = through(&redactor, text.as_bytes(), 7);
        let is_encoded = length.is_multiple_of(3) == VALUE.len().is_multiple_of(3);
        let wanted = if is_encoded { STANDARD_NO_PAD.encode(&placeholder) } else { placeholder };
        assert!(String::from_utf8_lossy(&out).contains(&wanted[..length - 2]), "{}", String::from_utf8_lossy(&out));
    }
}

#[test]
fn an_empty_line_ends_base64_and_is_not_waited_behind() {
    let (redactor, _) = with_placeholder(VALUE, VALUE.len());
    let encoded = STANDARD.encode(VALUE);
    let (before, behind) = encoded.split_at(40);
    for line_end in ["\n\n", "\r\n\r\n", r"\n\n", r"\n\r\n", "\r", "\n ", "\n=", "-\n"] {
        let text = format!("{before}{line_end}{behind}");
        assert_eq!(through(&redactor, text.as_bytes(), 41), (text.clone().into_bytes(), vec![]), "{text}");
    }
    // An event goes on at once, and a line's end alone begins nothing.
    let mut stream = redactor.stream();
    for text in [format!("data: {before}\n\n"), "data: yes\n".into(), "50 %\r".into(), "data: c\r\n\r\n".into()] {
        assert_eq!(stream.push(text.clone().into()), text);
    }
    assert_eq!(stream.push(format!("{before}\n").into()), "");
    assert_eq!(stream.push("\n\n\n\n\n".into()), format!("{before}\n\n\n\n\n\n"));
}

#[test]
fn a_value_in_wide_characters_is_found_in_either_order_of_bytes() {
    for value in [VALUE, "sk-live é 😀 0123456789"] {
        let (redactor, placeholder) = with_placeholder(value, value.len());
        for (kind, is_utf16, is_big) in [
            (FormKind::Utf16, true, false),
            (FormKind::Utf16, true, true),
            (FormKind::Utf32, false, false),
            (FormKind::Utf32, false, true),
        ] {
            let text = |value: &str| wide(&format!("\u{feff}a {value} é\n"), is_utf16, is_big);
            let (text, wanted) = (text(value), text(&placeholder));
            for cut in 0..=text.len() {
                assert_eq!(
                    through(&redactor, &text, cut),
                    (wanted.clone(), vec![(kind, 1)]),
                    "{kind:?} {is_big} {cut}"
                );
            }
            assert_eq!(text.len() == wanted.len(), value.is_ascii());
        }
    }
    // What is no text has no such form.
    let redactor = redactor_of(&[b"\xffsk-live-0123456789"]);
    assert_eq!(redactor.headers(b"\xffsk-live-0123456789").as_deref(), Some(&b"<0>"[..]));
    let table = table(&[b"\xffsk-live-0123456789"]);
    assert!(!Redactor::new(&table).is_empty());
}

#[test]
fn wide_characters_are_compared_without_case_where_the_others_are() {
    let (redactor, placeholder) = with_placeholder("sk-live-0123456789AbC", 30);
    let text = wide("x SK-LIVE-0123456789aBc", true, false);
    assert_eq!(redactor.headers(&text), Some(wide(&format!("x {placeholder}"), true, false)));
}

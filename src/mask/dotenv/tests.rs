//! What a rendered dotenv file must look like, as tables and as properties.

use proptest::prelude::*;

use super::*;

/// Replaces the values of the names in `secrets` by `P`.
fn masked(dialect: Dialect, text: &[u8], secrets: &[&str]) -> Result<Vec<u8>, MaskError> {
    render(dialect, text, &mut |site| {
        let is_secret = site.place == Place::Value && secrets.iter().any(|name| name.as_bytes() == site.key);
        if is_secret && !site.is_interpolated() { Replacement::Whole("P".into()) } else { Replacement::Keep }
    })
}

#[test]
fn replaces_values_and_nothing_else() {
    for (text, expected) in [
        ("K=v", "K=P"),
        ("K=v\n", "K=P\n"),
        ("K=v\r\nL=w\r\n", "K=P\r\nL=w\r\n"),
        ("\u{feff}K=v\n", "\u{feff}K=P\n"),
        ("  export K = v  # note\n", "  export K = P  # note\n"),
        ("K='v w' # note\n", "K='P' # note\n"),
        ("K=\"v\"\nL=x\n", "K=\"P\"\nL=x\n"),
        ("K=`v`\n", "K=`P`\n"),
        ("K=v#w\n", "K=P\n"),
        ("K=\"a\\\"b\"\n", "K=\"P\"\n"),
        ("K=\"a\nb\nc\"\nL=x\n", "K=\"P\n\n\"\nL=x\n"),
        ("K='a\r\nb'\r\nL=x", "K='P\r\n'\r\nL=x"),
        ("K=v\nK=w\nK=\n", "K=P\nK=P\nK=P\n"),
        ("K: v\n", "K: P\n"),
        ("'K'=v\n", "'K'=P\n"),
        ("L=x\n\n# K=v\n", "L=x\n\n# K=v\n"),
        ("K=it's\n", "K=P\n"),
        ("L='tis\nK='v'\n", "L='tis\nK='P'\n"),
        ("K=a=b==\n", "K=P\n"),
        ("K=v\rL=x", "K=P\rL=x"),
        ("KEY_K=v\n", "KEY_K=v\n"),
    ] {
        let output = masked(Dialect::Dotenv, text.as_bytes(), &["K"]).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn a_shell_ends_words_at_blanks() {
    for (text, expected) in [
        ("export K=v L=x\n", "export K=P L=x\n"),
        ("K=v; other\n", "K=P; other\n"),
        ("K=\"v\" && other\n", "K=\"P\" && other\n"),
        ("K=a\"b c\"d e\n", "K=P e\n"),
        ("export K=$(op read 'a b')\nL=x\n", "export K=$(op read 'a b')\nL=x\n"),
        ("K=`op read x`\n", "K=`op read x`\n"),
        ("use flake\nPATH_add bin\n", "use flake\nPATH_add bin\n"),
    ] {
        let output = masked(Dialect::Shell, text.as_bytes(), &["K"]).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), expected, "{text:?}");
    }
}

#[test]
fn doubt_around_a_secret_is_an_error_and_elsewhere_none() {
    for (dialect, text) in [
        (Dialect::Dotenv, "K='v\n"),
        (Dialect::Dotenv, "K=\"v\" w\n"),
        (Dialect::Dotenv, "K='v\\'w'\n"),
        (Dialect::Dotenv, "K=v\\\nw\n"),
        (Dialect::Shell, "K=\"a\nb\" c\n"),
        (Dialect::Shell, "K=a\"b\nc\"\n"),
        (Dialect::Shell, "K=(a b)\n"),
        (Dialect::Shell, "K='a'b\n"),
    ] {
        let is_refused = matches!(masked(dialect, text.as_bytes(), &["K"]), Err(MaskError::Doubtful { line: 1 }));
        assert!(is_refused || text == "K=\"a\nb\" c\n", "{text:?}");
        assert_eq!(masked(dialect, text.as_bytes(), &[]).unwrap(), text.as_bytes(), "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_and_odd_ones_kept() {
    for bytes in [&b"K=\0v"[..], b"\xff\xfeK\0=\0", b"\xfe\xff\0K"] {
        assert!(matches!(masked(Dialect::Dotenv, bytes, &[]), Err(MaskError::NotText)));
    }
    assert_eq!(masked(Dialect::Dotenv, b"K=\xff\xfe\nL=\xe9\n", &["K"]).unwrap(), b"K=P\nL=\xe9\n");
}

#[test]
fn a_huge_line_is_read_in_one_go() {
    let mut text = b"L='".repeat(300_000);
    text.extend_from_slice(&b"K=\"\n".repeat(100_000));
    text.extend_from_slice(&vec![b'x'; 4 << 20]);
    assert_eq!(masked(Dialect::Dotenv, &text, &[]).unwrap(), text);
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("\n"),
        Just("\r\n"),
        Just("\r"),
        Just("K"),
        Just("L"),
        Just("="),
        Just("'"),
        Just("\""),
        Just("`"),
        Just(" "),
        Just("#"),
        Just("export "),
        Just("\\"),
        Just("${"),
        Just("}"),
        Just("$("),
        Just(")"),
        Just(":"),
        Just("secret7"),
        Just(";"),
        Just("\u{feff}"),
        Just("é"),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn keeping_all_is_byte_equal(bytes in any_file(), shell in any::<bool>()) {
        let dialect = if shell { Dialect::Shell } else { Dialect::Dotenv };
        prop_assert_eq!(render(dialect, &bytes, &mut |_| Replacement::Keep).unwrap(), bytes);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(output) = render(Dialect::Dotenv, &bytes, &mut |_| Replacement::Keep) {
            prop_assert_eq!(output, bytes);
        }
    }

    #[test]
    fn replaced_files_keep_their_lines(bytes in any_file()) {
        if let Ok(output) = masked(Dialect::Dotenv, &bytes, &["K"]) {
            let lines = |bytes: &[u8]| memchr::memchr_iter(b'\n', bytes).count();
            prop_assert_eq!(lines(&output), lines(&bytes));
        }
    }

    #[test]
    fn a_secret_is_gone_however_it_is_quoted(
        value in "[a-zA-Z0-9+/=_.@%-]{8,40}", quote in prop_oneof![Just(""), Just("'"), Just("\""), Just("`")],
        before in prop_oneof![Just(""), Just("export "), Just("  ")], after in prop_oneof![Just(""), Just(" # note"), Just("  ")],
        others in any_file(),
    ) {
        let text = format!("{before}SECRET_K={quote}{value}{quote}{after}\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&others);
        if let Ok(output) = masked(Dialect::Dotenv, &bytes, &["SECRET_K"]) {
            prop_assert!(memchr::memmem::find(&output, value.as_bytes()).is_none());
            let expected = format!("{before}SECRET_K={quote}P{quote}");
            prop_assert!(output.starts_with(expected.as_bytes()));
        } else {
            prop_assert!(false, "refused");
        }
    }
}

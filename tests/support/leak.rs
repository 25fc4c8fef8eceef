//! Finds a declared secret in bytes, in whatever form it may have leaked.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// A secret that a test declared, in all the forms that are searched for.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    name: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

impl Needle {
    pub(crate) fn new(name: &str, value: &[u8]) -> Self {
        assert!(value.len() >= 12, "`{name}` is too short: its encoded forms would be found by chance");
        let hex = super::hex(value);
        let mut forms =
            vec![("raw", value.to_vec()), ("hex", hex.clone().into_bytes()), ("hex", hex.to_uppercase().into_bytes())];
        let alphanumeric = |byte: u8| byte.is_ascii_alphanumeric();
        for keep in [unreserved as fn(u8) -> bool, alphanumeric, |_| false] {
            forms.push(("percent", percent(value, keep, false)));
            forms.push(("percent", percent(value, keep, true)));
        }
        let text = String::from_utf8_lossy(value);
        forms.push(("json", serde_json::to_string(&text).unwrap().trim_matches('"').as_bytes().to_vec()));
        let escaped = text.encode_utf16().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));
        forms.push(("json", escaped.into_bytes()));
        for letters in [&alphabet::STANDARD, &alphabet::URL_SAFE] {
            for shift in 0..3 {
                forms.push(("base64", base64(value, letters, shift)));
            }
        }
        forms.dedup_by(|a, b| a.1 == b.1);
        Self { name: name.to_owned(), forms }
    }

    /// The first form of the secret that stands in `bytes`.
    pub(crate) fn find_in(&self, bytes: &[u8]) -> Option<String> {
        let found = self.forms.iter().find(|(_, form)| memchr::memmem::find(bytes, form).is_some());
        found.map(|(form, _)| format!("`{}` in its {form} form", self.name))
    }

    pub(crate) fn forms(&self) -> &[(&'static str, Vec<u8>)] {
        &self.forms
    }
}

/// RFC 3986, section 2.3.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn percent(value: &[u8], keep: impl Fn(u8) -> bool, upper: bool) -> Vec<u8> {
    let write = |byte: &u8| match *byte {
        byte if keep(byte) => char::from(byte).to_string(),
        byte if upper => format!("%{byte:02X}"),
        byte => format!("%{byte:02x}"),
    };
    value.iter().map(write).collect::<String>().into_bytes()
}

/// The characters that depend on the value alone when `shift` bytes stand before it.
fn base64(value: &[u8], letters: &alphabet::Alphabet, shift: usize) -> Vec<u8> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value);
    let encoded = GeneralPurpose::new(letters, NO_PAD).encode(&bytes);
    let first = (shift * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    encoded.as_bytes()[first..last].to_vec()
}

//! In which forms a value may come back.
//!
//! Some are sequences of bytes that can be listed: the value as it is, in UTF-16 and UTF-32, its hexadecimal digits, its looks
//! inside a text in base64. The others, where any of its characters may be escaped or a line may break within base64, are
//! far too many for that and are read by a [`View`](super::view::View).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{encoded, wide};
use crate::secret::{Held, Placeholder, Secret, SecretId, SecretName, is_distinctive};

/// A way of writing a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FormKind {
    /// As it is.
    Raw,
    /// Inside a text in base64, in either alphabet, broken into lines or not.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// In a JSON string, some of its characters escaped.
    Json,
    /// In a URL or a form, some of its bytes escaped.
    Percent,
    /// In a page, some of its characters as entities.
    Html,
    /// In UTF-16, in either order of bytes.
    Utf16,
    /// In UTF-32, likewise.
    Utf32,
}

impl FormKind {
    /// How the log spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Json => "json",
            Self::Percent => "percent",
            Self::Html => "html",
            Self::Utf16 => "utf16",
            Self::Utf32 => "utf32",
        }
    }
}

/// One sequence of bytes to look for and what takes its place.
pub(super) struct Form {
    /// Which secret it is a form of.
    pub(super) secret: SecretId,
    /// What that secret is called.
    pub(super) name: SecretName,
    pub(super) kind: FormKind,
    /// Holds the bytes to look for.
    pub(super) value: Arc<Secret>,
    /// What the child sees instead, in the same encoding.
    pub(super) replacement: Vec<u8>,
}

impl Form {
    /// The bytes to look for.
    pub(super) fn bytes(&self) -> &[u8] {
        self.value.expose()
    }

    /// The same once more.
    pub(super) fn again(&self) -> Self {
        Self { name: self.name.clone(), value: Arc::clone(&self.value), replacement: self.replacement.clone(), ..*self }
    }

    /// The same form for texts whose ASCII letters are all in lower case.
    pub(super) fn folded(&self) -> Self {
        Self {
            secret: self.secret,
            name: self.name.clone(),
            kind: self.kind,
            value: Arc::new(Secret::new(self.bytes().to_ascii_lowercase())),
            replacement: self.replacement.clone(),
        }
    }
}

/// A value that is looked for, and what takes its place.
pub(super) struct Sought {
    pub(super) secret: SecretId,
    pub(super) value: Arc<Secret>,
    name: SecretName,
    placeholder: Placeholder,
}

impl Sought {
    /// A value of the secret `held`; none where it is not distinct enough to be looked for.
    pub(super) fn new(secret: SecretId, held: &Held, value: &Arc<Secret>) -> Option<Self> {
        let (name, placeholder) = (held.name.clone(), held.placeholder.clone());
        is_distinctive(value.expose()).then(|| Self { secret, value: Arc::clone(value), name, placeholder })
    }

    /// The value as it is.
    fn raw(&self) -> Form {
        self.form(FormKind::Raw, Arc::clone(&self.value), self.placeholder.as_str().into())
    }

    /// All of its forms that can be listed.
    pub(super) fn listed(&self) -> Vec<Form> {
        let text = self.placeholder.as_str();
        let placeholder = text.as_bytes();
        let mut forms = vec![self.raw()];
        for upper in [false, true] {
            let look = Secret::new(hexadecimal(self.value.expose(), upper).to_vec());
            forms.push(self.form(FormKind::Hex, Arc::new(look), hexadecimal(placeholder, upper).to_vec()));
        }
        for (look, replacement) in encoded::in_base64(&self.value, placeholder) {
            forms.push(self.form(FormKind::Base64, Arc::new(look), replacement));
        }
        for (kind, look, replacement) in wide::in_wide_units(&self.value, text) {
            forms.push(self.form(kind, Arc::new(look), replacement));
        }
        forms
    }

    fn form(&self, kind: FormKind, value: Arc<Secret>, replacement: Vec<u8>) -> Form {
        Form { secret: self.secret, name: self.name.clone(), kind, value, replacement }
    }
}

/// Whether what takes the place of a form of `value` may have another length than the form.
pub(super) fn may_change_length(value: &[u8], placeholder: &[u8]) -> bool {
    // What has a short escape of its own in some writer's hands; a character of the placeholder has none.
    let has_short_escape = |byte: &u8| !(b' '..0x7f).contains(byte) || b"\"\\/'&<>".contains(byte);
    value.len() != placeholder.len() || value.iter().any(has_short_escape)
}

fn hexadecimal(bytes: &[u8], upper: bool) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
    for byte in bytes {
        text.extend(digits(*byte, upper));
    }
    text
}

/// The two hexadecimal digits of a byte.
pub(super) fn digits(byte: u8, upper: bool) -> [u8; 2] {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
}

//! The one type that holds a real value.
//!
//! **Invariants.** No `Clone`, no `Display`, no `Serialize`; `Debug` prints `[redacted]`; equality takes the same time
//! whatever the bytes; memory is wiped on drop.

use std::fmt;

use zeroize::Zeroizing;

use super::pages::Pages;

/// A real credential value: bytes as their source gave them, without a trailing newline added or removed.
pub struct Secret(Memory);

enum Memory {
    Ordinary(Zeroizing<Vec<u8>>),
    Protected(Pages),
}

impl Secret {
    /// Takes ownership of `value`; the caller keeps no copy.
    pub fn new(value: Vec<u8>) -> Self {
        Self(Memory::Ordinary(Zeroizing::new(value)))
    }

    /// Moves the value to memory that is neither dumped nor, where the limit of locked memory allows, swapped out.
    #[must_use]
    pub fn protected(self) -> Self {
        match Pages::holding(self.expose()) {
            Some(pages) => Self(Memory::Protected(pages)),
            None => self,
        }
    }

    /// Whether the value cannot be swapped out.
    pub fn is_locked(&self) -> bool {
        matches!(&self.0, Memory::Protected(pages) if pages.is_locked())
    }

    /// The bytes themselves. Every call is a place where a leak can happen: pass the slice on, never store it.
    pub fn expose(&self) -> &[u8] {
        match &self.0 {
            Memory::Ordinary(bytes) => bytes,
            Memory::Protected(pages) => pages.bytes(),
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether the value has no bytes. Clients treat an empty credential as absent, and so do we.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.expose(), other.expose()).is_ok()
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_value() {
        let secret = Secret::new(b"sk_live_visible".to_vec());
        assert_eq!(format!("{secret:?} {secret:#?}"), "[redacted] [redacted]");
    }

    #[test]
    fn a_protected_value_is_the_same_value() {
        let secret = Secret::new(b"sk_live_visible".to_vec()).protected();
        assert_eq!(secret, Secret::new(b"sk_live_visible".to_vec()));
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert!(Secret::new(Vec::new()).protected().is_empty());
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(Secret::new(b"a".to_vec()), Secret::new(b"a".to_vec()));
        assert_ne!(Secret::new(b"a".to_vec()), Secret::new(b"ab".to_vec()));
    }
}

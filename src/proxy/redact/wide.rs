//! How a value looks in a text whose characters are of two bytes or four (UTF-16, UTF-32).
//!
//! A character of ASCII is its byte and zeros, which stand before it in one order of bytes and behind it in the other. Between
//! the first character and the last the bytes are the same in both, so one form without the outer zeros is found in either.

use zeroize::Zeroizing;

use super::forms::FormKind;
use crate::secret::Secret;

/// The order of a unit's bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// Each look of `value`, and `placeholder` in the same encoding, which takes its place; none of a value that is no text.
pub(super) fn in_wide_units(value: &Secret, placeholder: &str) -> Vec<(FormKind, Secret, Vec<u8>)> {
    let Ok(text) = std::str::from_utf8(value.expose()) else { return Vec::new() };
    let orders: &[Order] = if text.is_ascii() { &[Order::Little] } else { &[Order::Little, Order::Big] };
    let mut looks = Vec::new();
    for (kind, width) in [(FormKind::Utf16, 2), (FormKind::Utf32, 4)] {
        for order in orders {
            let outer = if text.is_ascii() { width - 1 } else { 0 };
            let look = |text: &str| {
                let mut look = written(text, width, *order);
                let length = look.len().saturating_sub(outer);
                look.truncate(length);
                look
            };
            looks.push((kind, Secret::new(look(text).to_vec()), look(placeholder).to_vec()));
        }
    }
    looks
}

/// `text` in units of `width` bytes.
fn written(text: &str, width: usize, order: Order) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(width * text.len()));
    let mut add = |unit: u32| {
        let (little, big) = (unit.to_le_bytes(), unit.to_be_bytes());
        bytes.extend_from_slice(if order == Order::Little { &little[..width] } else { &big[4 - width..] });
    };
    if width == 2 {
        text.encode_utf16().for_each(|unit| add(unit.into()));
    } else {
        text.chars().for_each(|character| add(character.into()));
    }
    bytes
}

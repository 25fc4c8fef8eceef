//! How a value looks inside a text that was encoded in base64.
//!
//! Base64 turns three bytes into four characters, so a value has three looks, by where it begins. A character on its
//! edge holds bits of the neighbour, too: that one is known only where the neighbour is. The colon of Basic credentials
//! (RFC 7617) and the text's end are looked for with their edges; beside any other neighbour the edge stays, which tells
//! at most four bits of the value's first byte and four of its last.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Where a value stands.
#[derive(Clone, Copy)]
struct Position {
    /// How many bytes of its group of three stand before it.
    offset: usize,
    /// The byte before it, where that matters and is known.
    before: Option<u8>,
    /// The byte behind it, likewise; zero for the text's end.
    after: Option<u8>,
}

/// Each look of `value` in both alphabets (RFC 4648 §4, §5) with what takes its place.
///
/// That is `placeholder` in the same encoding where this leaves what follows decodable, else `placeholder` itself.
pub(super) fn in_base64(value: &Secret, placeholder: &[u8]) -> Vec<(Secret, Vec<u8>)> {
    let keeps_groups = value.len() % 3 == placeholder.len() % 3;
    let mut looks: Vec<(Secret, Vec<u8>)> = Vec::new();
    for position in positions(value.len()) {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let look = position.look(value.expose(), engine);
            if looks.last().is_some_and(|(last, _)| last.expose() == look.as_slice()) {
                continue;
            }
            let replacement =
                if keeps_groups { position.look(placeholder, engine).to_vec() } else { placeholder.to_vec() };
            looks.push((Secret::new(look.to_vec()), replacement));
        }
    }
    looks
}

fn positions(length: usize) -> Vec<Position> {
    let mut positions = Vec::new();
    for offset in 0..3 {
        let befores: &[_] = if offset == 0 { &[None] } else { &[None, Some(b':')] };
        let afters: &[_] = if (offset + length).is_multiple_of(3) { &[None] } else { &[None, Some(0), Some(b':')] };
        for &before in befores {
            positions.extend(afters.iter().map(|&after| Position { offset, before, after }));
        }
    }
    positions
}

impl Position {
    /// The characters of `value` here: those that it makes alone, and the edges beside known neighbours.
    fn look(self, value: &[u8], engine: &GeneralPurpose) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(value.len() + 5));
        text.resize(self.offset, self.before.unwrap_or_default());
        text.extend_from_slice(value);
        let bits = 8 * text.len();
        text.extend([self.after.unwrap_or_default(), 0, 0]);
        let encoded = Zeroizing::new(engine.encode(&*text));
        let begin = if self.before.is_some() { 8 * self.offset / 6 } else { (8 * self.offset).div_ceil(6) };
        let end = if self.after.is_some() { bits.div_ceil(6) } else { bits / 6 };
        Zeroizing::new(encoded.as_bytes()[begin..end].to_vec())
    }
}

//! Finds where escapes stand in a text in which most of what may begin one begins none.
//!
//! **Trade-off.** A search for one byte is fastest where few of them stand. Where they stand at every turn, as in what is
//! binary or noise, starting it anew behind each costs more than a look at all pairs of neighbours, many at once and without
//! a branch. So the search comes first, and the look at pairs behind what it found in vain.

use super::escape::{Escape, Unit};

/// How many places are looked at together, and how often behind one that seemed to begin an escape and did not.
const BLOCK: usize = 32;
const BLOCKS: usize = 16;

/// The next place from `from` on where a unit of `escape` stands that is not plain.
///
/// `search` finds the bytes that units begin with; one and its neighbour for which `begins` is false are plain.
#[expect(clippy::inline_always, reason = "where the escape is known, nothing is left of the choice")]
#[inline(always)]
pub(super) fn next_unit(
    escape: Escape,
    text: &[u8],
    from: usize,
    search: impl Fn(&[u8]) -> Option<usize>,
    begins: impl Fn(u8, u8) -> bool,
) -> Option<(usize, Unit)> {
    let found = |place| match escape.unit(text, place) {
        Unit::Plain => None,
        unit => Some((place, unit)),
    };
    let mut at = from;
    loop {
        at += search(text.get(at..)?)?;
        if let Some(found) = found(at) {
            return Some(found);
        }
        at += 1;
        for _ in 0..BLOCKS {
            let Some((bytes, next)) = text.get(at..at + BLOCK).zip(text.get(at + 1..at + 1 + BLOCK)) else { break };
            let mut marks = [0; BLOCK];
            for ((mark, byte), next) in marks.iter_mut().zip(bytes).zip(next) {
                *mark = u8::from(begins(*byte, *next));
            }
            if marks.iter().fold(0, |any, mark| any | mark) == 0 {
                at += BLOCK;
                continue;
            }
            for (index, marks) in marks.as_chunks().0.iter().enumerate() {
                let mut marks = u64::from_le_bytes(*marks);
                while marks != 0 {
                    if let Some(found) = found(at + 8 * index + marks.trailing_zeros() as usize / 8) {
                        return Some(found);
                    }
                    marks &= marks - 1;
                }
            }
            at += BLOCK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some bytes of all that escapes are made of, in no order.
    fn text(seed: u64, length: usize) -> Vec<u8> {
        const BYTES: &[u8] = b"\\\\%%&&+#uxbfnrt\"/'0129aAfFglqmp;\0\xff";
        let mut state = seed * 2 + 1;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Most texts have long stretches without.
            if (state >> 40) & (seed % 8) == 0 { BYTES[(state >> 33) as usize % BYTES.len()] } else { b'~' }
        };
        (0..length).map(next).collect()
    }

    #[test]
    fn what_is_found_is_what_a_look_at_each_place_finds() {
        let mut found = 0;
        for seed in 0..4000 {
            let text = text(seed, usize::try_from(seed % 300).unwrap());
            for escape in [Escape::Json, Escape::Percent { plus: false }, Escape::Percent { plus: true }, Escape::Html]
            {
                let units = (0..text.len()).map(|place| (place, escape.unit(&text, place)));
                let wanted: Vec<_> = units.filter(|(_, unit)| *unit != Unit::Plain).collect();
                let mut from = 0;
                for wanted in &wanted {
                    assert_eq!(escape.next(&text, from), Some(*wanted), "{escape:?} in {text:?} from {from}");
                    from = wanted.0 + 1;
                }
                assert_eq!(escape.next(&text, from), None);
                found += wanted.len();
            }
        }
        assert!(found > 10_000, "{found}");
    }

    #[test]
    fn every_pair_that_may_begin_an_escape_is_read() {
        for escape in [Escape::Json, Escape::Percent { plus: false }, Escape::Percent { plus: true }, Escape::Html] {
            for (first, second) in (0..=255).flat_map(|first| (0..=255).map(move |second| (first, second))) {
                // One in vain, so that pairs are looked at behind it.
                let begin = match escape {
                    Escape::Json | Escape::JsonLines | Escape::Lines => b'\\',
                    Escape::Percent { .. } => b'%',
                    Escape::Html => b'&',
                };
                for rest in [b"41;quot;".as_slice(), b"amp;xxxx", b"0041xxxx", b"x41;xxxx"] {
                    let mut text = vec![begin, b'~', first, second];
                    text.extend_from_slice(rest);
                    text.resize(80, b'~');
                    let each = (0..text.len()).map(|place| (place, escape.unit(&text, place)));
                    let wanted = each.into_iter().find(|(_, unit)| *unit != Unit::Plain);
                    assert_eq!(escape.next(&text, 0), wanted, "{escape:?} in {text:?}");
                }
            }
        }
    }
}

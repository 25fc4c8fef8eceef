//! Turns what a child made of a masked file back into a file of the host's: values stand again where their placeholders
//! stood, and all else is as the child wrote it.
//!
//! **Invariants.** A value goes back to the place where it was, and only if that place holds the same text as at the start: a
//! placeholder that the child moved, or wrote a URL around, stays one. A file in which a value would be lost is an
//! error. The result is read again: it is the child's file with those texts alone changed, in the file's own notation.
//!
//! **Trade-off.** Renderers take the texts that they write as plain strings, so a value is in memory that is not wiped, of a
//! process that nobody can read, for the time of one call.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{MaskError, Notation, Place, Replacement, Site, render};

/// A file that the child may change although it is masked: what it was, and what the child was shown.
pub struct Masked {
    /// How its values are written.
    pub notation: Notation,
    /// The host's bytes at the start.
    pub original: Zeroizing<Vec<u8>>,
    /// The bytes that the child was shown.
    pub masked: Vec<u8>,
}

/// Why a file cannot be turned back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The file cannot be read in its notation, or a value cannot be written where it should stand.
    #[error("{0}")]
    Mask(#[from] MaskError),
    /// A value would be lost.
    #[error("the value of `{key}` has no place in it any more, or the text around it is another")]
    Lost {
        /// The key that it stood under, control characters escaped.
        key: String,
    },
}

/// A value or stretch of text of a file.
struct Spot {
    place: Place,
    key: Vec<u8>,
    pointer: String,
    text: Zeroizing<Vec<u8>>,
    /// Where the text stands in a file whose texts are its own bytes.
    range: Range<usize>,
    /// The quote in front of it there.
    quote: Option<u8>,
}

/// A text that the child saw otherwise than it is.
struct Swap {
    shown: Spot,
    original: Zeroizing<Vec<u8>>,
    /// The placeholders in it.
    placeholders: Vec<usize>,
    is_used: bool,
}

impl Masked {
    /// Turns `child` back. `placeholders` tells which of the run's stand in a text.
    pub fn turn_back(
        &self,
        child: &[u8],
        placeholders: &dyn Fn(&[u8]) -> Vec<usize>,
    ) -> Result<Zeroizing<Vec<u8>>, MergeError> {
        let mut swaps = self.swaps(placeholders)?;
        let spots = spots(self.notation, child)?;
        let chosen: Vec<Option<usize>> = spots.iter().map(|spot| choose(&mut swaps, spot)).collect();
        let stands = |id: &usize| swaps.iter().any(|swap| swap.is_used && swap.placeholders.contains(id));
        let lost = swaps.iter().find(|swap| !swap.placeholders.iter().all(stands));
        if let Some(lost) = lost {
            return Err(MergeError::Lost { key: String::from_utf8_lossy(&lost.shown.key).escape_debug().to_string() });
        }
        let texts: Vec<Option<&[u8]>> =
            chosen.iter().map(|swap| swap.map(|index| swaps[index].original.as_slice())).collect();
        let turned = match self.notation {
            Notation::Dotenv(_) => spliced(child, &spots, &texts),
            Notation::Json | Notation::Structured(_) => self.rendered(child, &texts)?,
        };
        let again = self::spots(self.notation, &turned)?;
        if is_faithful(&spots, &texts, &again) { Ok(turned) } else { Err(MaskError::Unfaithful.into()) }
    }

    fn swaps(&self, placeholders: &dyn Fn(&[u8]) -> Vec<usize>) -> Result<Vec<Swap>, MaskError> {
        let (before, shown) = (spots(self.notation, &self.original)?, spots(self.notation, &self.masked)?);
        let is_alike =
            before.len() == shown.len() && before.iter().zip(&shown).all(|(one, two)| one.place == two.place);
        let pairs = before.into_iter().zip(shown).filter(|(before, shown)| before.text != shown.text);
        let swap = |(before, shown): (Spot, Spot)| {
            let placeholders = placeholders(&shown.text);
            Swap { original: before.text, placeholders, is_used: false, shown }
        };
        let swaps: Vec<Swap> = pairs.map(swap).collect();
        let is_told = !swaps.is_empty() || *self.original == self.masked;
        if is_alike && is_told { Ok(swaps) } else { Err(MaskError::Unfaithful) }
    }

    fn rendered(&self, child: &[u8], texts: &[Option<&[u8]>]) -> Result<Zeroizing<Vec<u8>>, MaskError> {
        let mut texts = texts.iter();
        let mut is_text = true;
        let turned = render(self.notation, child, &mut |site| {
            let Some(Some(text)) = texts.next() else { return Replacement::Keep };
            let Ok(text) = std::str::from_utf8(text) else {
                is_text = false;
                return Replacement::Keep;
            };
            match site.place {
                Place::Text => Replacement::Parts(vec![(0..site.text.len(), text.to_owned())]),
                _ => Replacement::Whole(text.to_owned()),
            }
        })?;
        if is_text { Ok(Zeroizing::new(turned)) } else { Err(MaskError::Unfaithful) }
    }
}

/// Every stretch of a file that a renderer asks about.
fn spots(notation: Notation, bytes: &[u8]) -> Result<Vec<Spot>, MaskError> {
    let mut spots = Vec::new();
    let is_raw = matches!(notation, Notation::Dotenv(_));
    // A rendering of nothing: what comes out is what went in.
    drop(Zeroizing::new(render(notation, bytes, &mut |site: &Site<'_>| {
        let start = site.text.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
        let range = if is_raw { start..start.saturating_add(site.text.len()) } else { 0..0 };
        let before = start.checked_sub(1).filter(|_| is_raw && site.place == Place::Value);
        spots.push(Spot {
            place: site.place,
            key: site.key.to_vec(),
            pointer: site.pointer.to_owned(),
            text: Zeroizing::new(site.text.to_vec()),
            range,
            quote: before.and_then(|at| bytes.get(at)).copied().filter(|byte| matches!(byte, b'"' | b'\'' | b'`')),
        });
        Replacement::Keep
    })?));
    Ok(spots)
}

/// The swap that a spot of the child's file is for: one of the very place, else one whose place differs by indices alone,
/// since the child may have put something in front.
fn choose(swaps: &mut [Swap], spot: &Spot) -> Option<usize> {
    let fits = |swap: &Swap| {
        let shown = &swap.shown;
        (shown.place, &shown.key, &shown.text, shown.quote) == (spot.place, &spot.key, &spot.text, spot.quote)
    };
    let exact = swaps.iter().position(|swap| fits(swap) && swap.shown.pointer == spot.pointer);
    let moved = || {
        let is_moved = |swap: &Swap| !swap.is_used && fits(swap) && without_indices(swap, spot);
        swaps.iter().position(is_moved)
    };
    let index = exact.or_else(moved)?;
    swaps[index].is_used = true;
    Some(index)
}

fn without_indices(swap: &Swap, spot: &Spot) -> bool {
    let is_index = |segment: &str| !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
    let mut one = swap.shown.pointer.split('/');
    let mut other = spot.pointer.split('/');
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other || is_index(one) && is_index(other) => {}
            _ => return false,
        }
    }
}

/// Puts texts in the place of others, byte for byte.
fn spliced(bytes: &[u8], spots: &[Spot], texts: &[Option<&[u8]>]) -> Zeroizing<Vec<u8>> {
    let added: usize = texts.iter().flatten().map(|text| text.len()).sum();
    let mut turned = Zeroizing::new(Vec::with_capacity(bytes.len() + added));
    let mut copied = 0;
    for (spot, text) in spots.iter().zip(texts) {
        let Some(text) = text else { continue };
        turned.extend_from_slice(bytes.get(copied..spot.range.start).unwrap_or_default());
        turned.extend_from_slice(text);
        copied = spot.range.end;
    }
    turned.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    turned
}

/// Whether `after` is `before` with these texts changed. A changed key is part of the pointers below it.
fn is_faithful(before: &[Spot], texts: &[Option<&[u8]>], after: &[Spot]) -> bool {
    let keys_stay = before.iter().zip(texts).all(|(spot, text)| text.is_none() || spot.place != Place::Key);
    let is_alike = |((old, text), new): ((&Spot, Option<&[u8]>), &Spot)| {
        let is_there = !keys_stay || old.pointer == new.pointer && old.key == new.key;
        old.place == new.place && is_there && old.quote == new.quote && *new.text == text.unwrap_or(&old.text)
    };
    before.len() == after.len() && before.iter().zip(texts.iter().copied()).zip(after).all(is_alike)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Dialect, Structure};
    use super::*;

    const DOTENV: Notation = Notation::Dotenv(Dialect::Dotenv);

    fn turned(notation: Notation, original: &str, masked: &str, child: &str) -> Result<String, String> {
        let (original, masked) = (Zeroizing::new(original.into()), masked.into());
        let holds = |text: &[u8]| {
            let stands = |id: &usize| memchr::memmem::find(text, format!("PLACE{id}").as_bytes()).is_some();
            (1..3).filter(stands).collect()
        };
        let turned = Masked { notation, original, masked }.turn_back(child.as_bytes(), &holds);
        turned.map(|turned| String::from_utf8(turned.to_vec()).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_stand_again_where_they_stood() {
        for (notation, original, masked, child, expected) in [
            (DOTENV, "A=s#c$t\nB=x\n", "A=PLACE1\nB=x\n", "# new\nB=y\nA=PLACE1\nC=z\n", "# new\nB=y\nA=s#c$t\nC=z\n"),
            (
                DOTENV,
                "A=\"s \\\" $c\"\n",
                "A=\"PLACE1\"\n",
                "X=1\nexport A=\"PLACE1\"\n",
                "X=1\nexport A=\"s \\\" $c\"\n",
            ),
            (DOTENV, "# s\nA=s\n", "# PLACE1\nA=PLACE1\n", "A=PLACE1\n", "A=s\n"),
            (
                Notation::Json,
                r#"{"a":{"k":"s\"\\é"},"t":5,"l":["x","s2"]}"#,
                r#"{"a":{"k":"PLACE1"},"t":9,"l":["x","PLACE2"]}"#,
                r#"{ "n": 1, "l":["new","x","PLACE2"], "a":{"k":"PLACE1","o":2},"t":9}"#,
                r#"{ "n": 1, "l":["new","x","s2"], "a":{"k":"s\"\\é","o":2},"t":5}"#,
            ),
            (Notation::Json, r#"{"t":5,"u":1}"#, r#"{"t":9,"u":1}"#, r#"{"t":7,"u":9}"#, r#"{"t":7,"u":9}"#),
            (
                Notation::Structured(Structure::Yaml),
                "a:\n  token: 's: it''s'\nb: 1\n",
                "a:\n  token: 'PLACE1'\nb: 1\n",
                "a:\n  # c\n  token: 'PLACE1'\nb: 2\n",
                "a:\n  # c\n  token: 's: it''s'\nb: 2\n",
            ),
        ] {
            assert_eq!(turned(notation, original, masked, child).as_deref(), Ok(expected), "{child}");
        }
    }

    #[test]
    fn a_placeholder_elsewhere_stays_one_and_no_value_is_lost() {
        let json = |child| {
            turned(Notation::Json, r#"{"k":"s","h":"Bearer t"}"#, r#"{"k":"PLACE1","h":"Bearer PLACE2"}"#, child)
        };
        assert_eq!(
            json(r#"{"k":"PLACE1","h":"Bearer PLACE2","u":"https://evil/?k=PLACE1","PLACE2":"PLACE2"}"#).as_deref(),
            Ok(r#"{"k":"s","h":"Bearer t","u":"https://evil/?k=PLACE1","PLACE2":"PLACE2"}"#)
        );
        for child in [
            r#"{"k":"PLACE1"}"#,
            r#"{"k":"PLACE1","h":"Basic PLACE2"}"#,
            r#"{"k":"PLACE1","x":{"h":"Bearer PLACE2"}}"#,
            r#"{"k":"PLACE2","h":"Bearer PLACE1"}"#,
            r#"{"k":"https://evil/PLACE1","h":"Bearer PLACE2"}"#,
        ] {
            assert!(json(child).unwrap_err().contains("has no place"), "{child}");
        }
        assert!(json("{").is_err());
        for child in ["A=x\n", "", "A='PLACE1'\n", "B=PLACE1\n", "A=PLACE1/x\n"] {
            let error = turned(DOTENV, "A=s s\n", "A=PLACE1\n", child).unwrap_err();
            assert!(error.contains("`A`"), "{child}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_child_writes_a_value_stands_under_its_own_key(child in "(A|B|#|=|PLACE1|\"|'|\n| |x){0,30}") {
            let value = "secret value $1";
            if let Ok(turned) = turned(DOTENV, &format!("A='{value}'\n"), "A='PLACE1'\n", &child) {
                for line in turned.lines().filter(|line| line.contains(value)) {
                    prop_assert!(line.trim_start().starts_with("A="), "{child:?} became {turned:?}");
                }
                prop_assert!(turned.contains(value));
                prop_assert_eq!(turned.replace(value, "PLACE1"), child);
            }
        }
    }
}

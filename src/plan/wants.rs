//! What is secret at one site of a file or of the environment.

use std::ops::Range;

use super::claims::{Claim, Claims, name_of};
use super::coded::Coded;
use crate::mask::{Place, Site};
use crate::policy::{Form, Merged, Target};
use crate::scrub::{self, Cause, Judgement, Stretch};

/// One secret of a site.
#[derive(Debug, Clone)]
pub(super) struct Want {
    /// Its bytes in the site's text.
    pub(super) range: Range<usize>,
    /// What it is called.
    pub(super) name: Vec<u8>,
    pub(super) cause: Cause,
    pub(super) form: Form,
    pub(super) hide_only: bool,
    /// What the bytes are a coding of, where they are not the secret themselves.
    pub(super) coded: Option<Coded>,
    /// Where its file says that it goes.
    pub(super) told: Vec<Target>,
}

/// The judgement of a site.
pub(super) enum Wants {
    /// Nothing is secret; known values may stand in it all the same.
    Nothing,
    /// The user wants it kept, known values included.
    KeepAsTold(Cause),
    /// It is taken away.
    Remove(Cause),
    /// These are secret; never empty.
    Secrets(Vec<Want>),
}

impl Want {
    /// A secret of the ordinary kind.
    pub(super) fn new(range: Range<usize>, name: &[u8], cause: Cause) -> Self {
        let name = name.to_vec();
        Self { range, name, cause, form: Form::Plain, hide_only: false, coded: None, told: Vec::new() }
    }

    /// The secret's value as a program reads it: escapes resolved where the secret is the whole value.
    pub(super) fn value<'a>(&'a self, site: &Site<'a>) -> &'a [u8] {
        if let Some(coded) = &self.coded {
            return &coded.value;
        }
        if self.range == (0..site.text.len()) { site.value } else { &site.text[self.range.clone()] }
    }

    /// Records the sighting.
    pub(super) fn claim(&self, site: &Site<'_>, place: &str, claims: &mut Claims) {
        claims.push(Claim {
            name: name_of(&self.name),
            value: Some(zeroize::Zeroizing::new(self.value(site).to_vec())),
            cause: self.cause.clone(),
            form: self.form,
            place: place.to_owned(),
            hide_only: self.hide_only,
            told: self.told.clone(),
        });
    }
}

/// Judges a site by name and value.
pub(super) fn wants(site: &Site<'_>, policy: &Merged) -> Wants {
    match site.place {
        Place::Number | Place::Key | Place::Switch => Wants::Nothing,
        Place::Text => in_text(site),
        Place::Value if crate::secret::referred(site.value).is_some() => {
            Wants::Secrets(vec![Want::new(0..site.text.len(), site.key, refers())])
        }
        Place::Value if site.is_interpolated() => in_interpolated(site, policy),
        Place::Value => match scrub::judge(site.key, site.value, policy) {
            Judgement::Keep => Wants::Nothing,
            Judgement::KeepAsTold(cause) => Wants::KeepAsTold(cause),
            Judgement::Remove(cause) => Wants::Remove(cause),
            Judgement::Whole(cause) => Wants::Secrets(vec![core_of(site, cause)]),
            // Ranges count in the text, so it is judged again where escapes make it another one.
            Judgement::Parts(parts) if site.text == site.value => secrets(parts, site),
            Judgement::Parts(_) => match scrub::judge(site.key, site.text, policy) {
                Judgement::Parts(parts) => secrets(parts, site),
                _ => Wants::Secrets(vec![Want::new(0..site.text.len(), site.key, hidden_in_escapes())]),
            },
        },
    }
}

fn secrets(stretches: Vec<Stretch>, site: &Site<'_>) -> Wants {
    let want = |stretch: Stretch| {
        let name = stretch.name.map_or(site.key, |name| &site.text[name]);
        Want::new(stretch.range, name, stretch.cause)
    };
    let wants: Vec<Want> = stretches.into_iter().map(want).collect();
    if wants.is_empty() { Wants::Nothing } else { Wants::Secrets(wants) }
}

/// Old keys lie in comments. They are hidden and never used: nobody asked for them.
fn in_text(site: &Site<'_>) -> Wants {
    // What else has no key is code, in which a random word may be what it is for.
    const MARKS: [&[u8]; 6] = [b"#", b";", b"//", b"/*", b"<!--", b"!"];
    let is_comment = MARKS.iter().any(|mark| site.text.trim_ascii_start().starts_with(mark));
    let found = if is_comment { scrub::in_comment(site.text) } else { scrub::in_free_text(site.text) };
    match secrets(found, site) {
        Wants::Secrets(wants) => {
            let hidden = |want: Want| Want {
                hide_only: true,
                name: if want.name.is_empty() { b"comment".to_vec() } else { want.name },
                ..want
            };
            Wants::Secrets(wants.into_iter().map(hidden).collect())
        }
        other => other,
    }
}

/// The secret of a value that is secret whole, without what only surrounds it: blanks, and the scheme word of a header
/// as in `Bearer abc`, so that the value still reads as one.
fn core_of(site: &Site<'_>, cause: Cause) -> Want {
    const WORDS: [&[u8]; 4] = [b"bearer ", b"basic ", b"token ", b"apikey "];
    let start = site.text.len() - site.text.trim_ascii_start().len();
    let end = site.text.trim_ascii_end().len();
    let is_word =
        |word: &&&[u8]| site.text[start..end].get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
    let Some(word) = WORDS.iter().find(is_word) else { return Want::new(start..end, site.key, cause) };
    let range = start + word.len()..end;
    let entry = crate::policy::catalogue().recognise(&String::from_utf8_lossy(site.key), &site.text[range.clone()]);
    Want::new(range, site.key, Cause { entry, ..cause })
}

/// A value that refers to others: the references stay, since they resolve to placeholders, and literals are judged.
fn in_interpolated(site: &Site<'_>, policy: &Merged) -> Wants {
    let mut wants = Vec::new();
    let whole = match scrub::judge(site.key, site.text, policy) {
        Judgement::KeepAsTold(cause) => return Wants::KeepAsTold(cause),
        Judgement::Remove(cause) => return Wants::Remove(cause),
        other => other,
    };
    for literal in site.literals {
        let text = &site.text[literal.range.clone()];
        let name = literal.default_of.clone().map_or(site.key, |name| &site.text[name]);
        let shift = |range: Range<usize>| literal.range.start + range.start..literal.range.start + range.end;
        let own = if literal.default_of.is_some() { scrub::judge(name, text, policy) } else { Judgement::Keep };
        match (own, &whole) {
            (Judgement::Whole(cause), _) => wants.push(Want::new(literal.range.clone(), name, cause)),
            (Judgement::Parts(parts), _) => {
                wants.extend(parts.into_iter().map(|part| Want::new(shift(part.range), name, part.cause)));
            }
            (_, Judgement::Whole(cause)) if !is_scaffold(text) => {
                let want = Want::new(literal.range.clone(), site.key, cause.clone());
                wants.push(Want { hide_only: true, ..want });
            }
            (_, Judgement::Parts(parts)) => wants.extend(parts.iter().filter_map(|part| {
                let range = part.range.start.max(literal.range.start)..part.range.end.min(literal.range.end);
                (!range.is_empty()).then(|| Want::new(range, site.key, part.cause.clone()))
            })),
            _ => {}
        }
    }
    if wants.is_empty() { Wants::Nothing } else { Wants::Secrets(wants) }
}

/// Whether a literal beside a reference is no part of a secret: punctuation, or the scheme word of a header.
fn is_scaffold(text: &[u8]) -> bool {
    const WORDS: [&[u8]; 5] = [b"", b"bearer", b"basic", b"token", b"apikey"];
    let core: Vec<u8> = text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    WORDS.contains(&core.as_slice())
}

/// Why a text in the place of a value is replaced.
fn refers() -> Cause {
    Cause { reason: "refers to a secret of the workspace".into(), ..hidden_in_escapes() }
}

fn hidden_in_escapes() -> Cause {
    Cause {
        entry: None,
        reason: "holds a secret behind escapes".into(),
        origin: crate::policy::Origin::Builtin { file: "scrub.toml".into() },
    }
}

//! Files with a structure: what their renderers share.
//!
//! A syntax reads a text into leaves, each with its place in the text and what a program reads there, and writes a value
//! as that place can hold it. Rendering is the same for all: ask about each leaf, replace, copy the rest.
//!
//! **Invariants.** Every byte outside a replaced leaf is copied. The rendered text is read again, and must have the same
//! leaves in the same places, with the decided values alone changed. What a program may read in two ways is doubtful: it
//! may stay and is never replaced. Reading takes linear time and bounded depth.

mod fish;
mod git_config;
mod git_credentials;
mod ini;
mod leaf;
mod netrc;
mod pam;
mod pem;
mod pgpass;
mod properties;
mod token;
mod toml;
mod xml;
mod yaml;
mod yarnrc;

use zeroize::Zeroizing;

use super::interpolation::{Expansion, cut};
use super::{Literal, MaskError, Place, Replacement, Site, Structure};
use leaf::{Leaf, Text};

type Read = fn(&Text<'_>) -> Result<Vec<Leaf>, MaskError>;
/// The source of a leaf with another value; `None` where that place cannot hold it.
type Write = fn(&Leaf, &str) -> Option<String>;

/// How a kind of file is read and written.
struct Syntax {
    read: Read,
    write: Write,
    /// Whether programs expand `${NAME}` in values.
    expands: bool,
}

fn syntax(structure: Structure) -> Syntax {
    let (read, write, expands): (Read, Write, bool) = match structure {
        Structure::FishVariables => (fish::read, fish::write, false),
        Structure::GitConfig => (git_config::read, git_config::write, false),
        Structure::GitCredentials => (git_credentials::read, git_credentials::write, false),
        Structure::Ini => (ini::read, ini::write, true),
        Structure::Netrc => (netrc::read, netrc::write, false),
        Structure::Npmrc => (ini::read_npmrc, ini::write, true),
        Structure::PamEnvironment => (pam::read, pam::write, true),
        Structure::Pem => (pem::read, leaf::write_as_is, false),
        Structure::Pgpass => (pgpass::read, pgpass::write, false),
        Structure::Properties => (properties::read, properties::write, true),
        Structure::Token => (token::read, leaf::write_as_is, false),
        Structure::Toml => (toml::read, toml::write, true),
        Structure::Xml => (xml::read, xml::write, true),
        Structure::Yaml => (yaml::read, yaml::write, true),
        Structure::Yarnrc => (yarnrc::read, yarnrc::write, true),
    };
    Syntax { read, write, expands }
}

/// Renders a file, see [`super::render`].
pub(super) fn render(
    structure: Structure,
    bytes: &[u8],
    decide: &mut dyn FnMut(&Site<'_>) -> Replacement,
) -> Result<Vec<u8>, MaskError> {
    if structure == Structure::Pem && pem::is_harmless(bytes)? {
        return Ok(bytes.to_vec());
    }
    let syntax = syntax(structure);
    let text = Text::new(bytes)?;
    let leaves = read(&syntax, &text)?;
    let mut output = Zeroizing::new(String::with_capacity(text.source.len()));
    let mut changes: Vec<(usize, Zeroizing<String>)> = Vec::new();
    let mut copied = 0;
    for (index, leaf) in leaves.iter().enumerate() {
        let Some(value) = changed(leaf, &ask(&syntax, leaf, decide))? else { continue };
        if leaf.is_doubtful {
            return Err(text.doubtful(leaf.range.start));
        }
        output.push_str(&text.source[copied..leaf.range.start]);
        output.push_str(&(syntax.write)(leaf, &value).ok_or(MaskError::Unfaithful)?);
        copied = leaf.range.end;
        changes.push((index, value));
    }
    output.push_str(&text.source[copied..]);
    if !changes.is_empty() {
        let again = read(&syntax, &Text::new(output.as_bytes())?)?;
        if !is_faithful(&leaves, &again, &changes) {
            return Err(MaskError::Unfaithful);
        }
    }
    Ok([&bytes[..text.before], output.as_bytes()].concat())
}

/// The leaves in the order of the text, which none of them may share.
fn read(syntax: &Syntax, text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let mut leaves = (syntax.read)(text)?;
    leaves.sort_by_key(|leaf| (leaf.range.start, leaf.range.end));
    let overlaps = leaves.windows(2).any(|pair| pair[1].range.start < pair[0].range.end);
    let is_outside = leaves.iter().any(|leaf| text.source.get(leaf.range.clone()).is_none());
    if overlaps || is_outside { Err(MaskError::Unfaithful) } else { Ok(leaves) }
}

fn ask(syntax: &Syntax, leaf: &Leaf, decide: &mut dyn FnMut(&Site<'_>) -> Replacement) -> Replacement {
    let text = leaf.value.as_bytes();
    let whole = Literal { range: 0..text.len(), default_of: None };
    let is_cut = syntax.expands && leaf.place == Place::Value;
    let literals = if is_cut { cut(text, Expansion::Everywhere).literals } else { vec![whole] };
    decide(&Site {
        place: leaf.place,
        key: leaf.key.as_bytes(),
        pointer: &leaf.pointer,
        text,
        value: text,
        literals: &literals,
        refers_to: None,
    })
}

/// The new value of a leaf; `None` where it stays.
fn changed(leaf: &Leaf, replacement: &Replacement) -> Result<Option<Zeroizing<String>>, MaskError> {
    let parts = match replacement {
        Replacement::Keep => return Ok(None),
        Replacement::Whole(text) => return Ok(Some(Zeroizing::new(text.clone()))),
        Replacement::Parts(parts) => parts,
    };
    let mut value = Zeroizing::new(String::with_capacity(leaf.value.len()));
    let mut copied = 0;
    for (range, text) in parts {
        value.push_str(leaf.value.get(copied..range.start).ok_or(MaskError::Unfaithful)?);
        value.push_str(text);
        copied = range.end;
    }
    value.push_str(leaf.value.get(copied..).ok_or(MaskError::Unfaithful)?);
    Ok(Some(value))
}

/// Whether `after` is `before` with these leaves changed. A changed key is part of the pointers below it.
fn is_faithful(before: &[Leaf], after: &[Leaf], changes: &[(usize, Zeroizing<String>)]) -> bool {
    let keys_stay = changes.iter().all(|(index, _)| before[*index].place != Place::Key);
    let mut changes = changes.iter().peekable();
    let is_alike = |(index, (old, new)): (usize, (&Leaf, &Leaf))| {
        let change = changes.next_if(|(changed, _)| *changed == index);
        let value = change.map_or(&old.value, |(_, value)| value);
        let is_elsewhere = keys_stay && (old.pointer != new.pointer || old.key != new.key);
        old.place == new.place && !is_elsewhere && *new.value == **value
    };
    before.len() == after.len() && before.iter().zip(after).enumerate().all(is_alike)
}

#[cfg(test)]
mod tests;

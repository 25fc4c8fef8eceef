//! Where lines end in base64: `\n` and `\r\n` (RFC 2045 §6.8, RFC 7468), and the same escaped in a JSON string.
//!
//! **Invariants.** An end of a line means nothing, and so is no part of a value, only in the middle of one. Behind an empty
//! line nothing goes on.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::escape::{Meant, Unit};

/// What ends a line in a JSON string.
static ESCAPED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br"\n"));

/// The next place in `text` where a line ends.
#[inline]
pub(super) fn find(text: &[u8]) -> Option<usize> {
    begin(text, memchr::memchr(b'\n', text), b"\r", &[b"\r"])
}

/// The same in a JSON string.
#[inline]
pub(super) fn find_escaped(text: &[u8]) -> Option<usize> {
    begin(text, ESCAPED.find(text), br"\r", &[br"\r\", br"\r", br"\"])
}

/// Where a break begins that ends in the `found` line feed: at the `before` that belongs to it; or one that may be cut by the
/// end of `text`, which has one of `cuts` there.
#[inline]
fn begin(text: &[u8], found: Option<usize>, before: &[u8], cuts: &[&[u8]]) -> Option<usize> {
    match found {
        Some(place) if text[..place].ends_with(before) => Some(place - before.len()),
        Some(place) => Some(place),
        None => cuts.iter().find(|cut| text.ends_with(cut)).map(|cut| text.len() - cut.len()),
    }
}

/// What the end of a line at the beginning of `text` is.
#[inline]
pub(super) fn unit(text: &[u8]) -> Unit {
    match text {
        // A cut one goes on only where something waits for it, and is read again then.
        [b'\r', b'\n', behind @ ..] => end(2, behind, b"\r\n"),
        [b'\r'] => end(1, &[], b"\r\n"),
        [b'\n', behind @ ..] => end(1, behind, b"\r\n"),
        _ => Unit::Plain,
    }
}

/// What stands behind a backslash where only ends of lines count.
pub(super) fn escaped_unit(rest: &[u8]) -> Unit {
    match rest {
        [b'n', behind @ ..] => end(2, behind, br"\"),
        [b'r', b'\\', b'n', behind @ ..] => end(4, behind, br"\"),
        [] | [b'r'] | [b'r', b'\\'] => Unit::Partial,
        _ => Unit::Plain,
    }
}

/// An end of a line, `length` bytes long. Before another one, which begins with one of `begins`, it means itself, which is
/// no character of base64: what could go on behind any number of empty lines would have to be held back with them all.
#[inline]
fn end(length: usize, behind: &[u8], begins: &[u8]) -> Unit {
    let is_before_another = behind.first().is_some_and(|byte| begins.contains(byte));
    Unit::Whole { length, meant: if is_before_another { Meant::byte(b'\n') } else { Meant::NOTHING } }
}

/// `placeholder`, which has as many bytes as the value in base64 has whose lines break in `text`, with the same breaks at the
/// same places.
pub(super) fn rewritten(text: &[u8], placeholder: &[u8]) -> Vec<u8> {
    let (mut written, mut rest, mut own) = (Vec::with_capacity(text.len()), text, placeholder.iter());
    while let Some(first) = rest.first() {
        let length = match first {
            b'\\' => 2.min(rest.len()),
            b'\n' | b'\r' => 1,
            _ => {
                written.extend(own.next());
                rest = &rest[1..];
                continue;
            }
        };
        written.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    written
}

//! Secrets with a structure rather than a prefix: JSON web tokens, private keys in PEM, passwords in URLs.
//!
//! Each reader stores how far it read, so that the caller never asks again within that stretch.

use std::ops::Range;

use crate::policy::characters::Characters;

/// What starts a PEM block (RFC 7468 §2).
pub(super) const BEGIN: &str = "-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// `header.claims.signature` (RFC 7515 §7.1), header and claims being JSON objects in base64url.
pub(super) fn token(text: &[u8], start: usize, read: &mut usize) -> Option<Range<usize>> {
    let run_end = |from: usize| from + Characters::BASE64URL.run(&text[from..]);
    let header_end = run_end(start);
    *read = header_end;
    let claims_start = header_end + 1;
    let is_token_so_far = header_end - start >= 10
        && text.get(header_end) == Some(&b'.')
        && text.get(claims_start..).is_some_and(|claims| claims.starts_with(b"eyJ"));
    if !is_token_so_far {
        return None;
    }
    let claims_end = run_end(claims_start);
    if text.get(claims_end) != Some(&b'.') {
        return None;
    }
    let end = run_end(claims_end + 1);
    *read = end;
    (end > claims_end + 1).then_some(start..end)
}

/// From `-----BEGIN … PRIVATE KEY-----` to the end of its END line, or of the text where that is cut.
pub(super) fn private_key(text: &[u8], start: usize, read: &mut usize) -> Option<Range<usize>> {
    const LONGEST_LABEL: usize = 64;
    let label_start = start + BEGIN.len();
    let label = &text[label_start..text.len().min(label_start + LONGEST_LABEL)];
    let label_end = memchr::memmem::find(label, DASHES)?;
    let label = &label[..label_end];
    if !label.ends_with(b"PRIVATE KEY") && !label.ends_with(b"PRIVATE KEY BLOCK") {
        return None;
    }
    let find = |from: usize, what: &[u8]| memchr::memmem::find(&text[from..], what).map(|at| from + at + what.len());
    let body = label_start + label_end + DASHES.len();
    let end = find(body, END).and_then(|end| find(end, DASHES)).unwrap_or(text.len());
    *read = end;
    Some(start..end)
}

/// The password in `scheme://user:password@host`, `start` being where the authority starts. References such as
/// `${PASSWORD}` and `{{password}}` are none.
pub(super) fn password(text: &[u8], start: usize, read: &mut usize) -> Option<Range<usize>> {
    let ends = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`') || *byte <= b' ';
    let length = text[start..].iter().position(ends).unwrap_or(text.len() - start);
    *read = start + length;
    let userinfo = &text[start..start + memchr::memrchr(b'@', &text[start..start + length])?];
    let colon = memchr::memchr(b':', userinfo)?;
    let password = &userinfo[colon + 1..];
    let is_reference = password.starts_with(b"$") || password.starts_with(b"{") || password.starts_with(b"%(");
    (!password.is_empty() && !is_reference).then_some(start + colon + 1..start + userinfo.len())
}

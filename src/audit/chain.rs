//! The hash chain: what a line of the log looks like and how it hangs on the one before it.
//!
//! A line is `{BODY,"prev":"P","hash":"H"}` where `{BODY}` is the event as JSON, P the hash of the line before (64
//! zeros in the first) and H = SHA-256(P as 32 bytes || the line's bytes up to `,"prev"`), both in lower-case hex. So
//! every byte of a line is either hashed or fixed by its form, and nothing has to be put into canonical form.

use aws_lc_rs::digest::{Context, SHA256};

/// A SHA-256 hash.
pub(super) type Hash = [u8; 32];

/// What stands for the hash before the first line.
pub(super) const GENESIS: Hash = [0; 32];

/// `,"prev":"` + 64 + `","hash":"` + 64 + `"}`.
pub(super) const SEAL_LENGTH: usize = 9 + 64 + 10 + 64 + 2;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The hash of a line with this body after a line with this hash.
pub(super) fn hash(previous: &Hash, body: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(body);
    let mut hash = GENESIS;
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Turns `line`, the JSON object of an event, into a sealed line with its newline; returns its hash.
pub(super) fn seal(line: &mut Vec<u8>, previous: &Hash) -> Hash {
    line.pop();
    let hash = hash(previous, line);
    line.extend_from_slice(&seal_text(previous, &hash));
    line.push(b'\n');
    hash
}

fn seal_text(previous: &Hash, hash: &Hash) -> Vec<u8> {
    let mut text = Vec::with_capacity(SEAL_LENGTH);
    text.extend_from_slice(b",\"prev\":\"");
    push_hex(&mut text, previous);
    text.extend_from_slice(b"\",\"hash\":\"");
    push_hex(&mut text, hash);
    text.extend_from_slice(b"\"}");
    text
}

fn push_hex(text: &mut Vec<u8>, hash: &Hash) {
    for byte in hash {
        text.push(HEX[usize::from(byte >> 4)]);
        text.push(HEX[usize::from(byte & 15)]);
    }
}

/// A hash in lower-case hex.
pub(super) fn hex(hash: &Hash) -> String {
    let mut text = Vec::with_capacity(64);
    push_hex(&mut text, hash);
    text.into_iter().map(char::from).collect()
}

/// A line taken apart: its body, and the two hashes that it claims.
pub(super) struct Sealed<'a> {
    /// The JSON object without its closing brace.
    pub(super) body: &'a [u8],
    /// The hash that it says the line before has.
    pub(super) previous: Hash,
    /// The hash that it says it has.
    pub(super) hash: Hash,
}

/// Takes apart a line without its newline; `None` when it has not the exact form.
pub(super) fn open(line: &[u8]) -> Option<Sealed<'_>> {
    let (body, seal) = line.split_at_checked(line.len().checked_sub(SEAL_LENGTH)?)?;
    let previous = parse_hex(seal.get(9..73)?)?;
    let hash = parse_hex(seal.get(83..147)?)?;
    (seal == seal_text(&previous, &hash)).then_some(Sealed { body, previous, hash })
}

fn parse_hex(text: &[u8]) -> Option<Hash> {
    let mut hash = GENESIS;
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |character: u8| HEX.iter().position(|digit| *digit == character);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_opens_and_is_json() {
        let mut line = br#"{"seq":1}"#.to_vec();
        let hash = seal(&mut line, &GENESIS);
        let line = line.strip_suffix(b"\n").unwrap();
        let sealed = open(line).unwrap();
        assert_eq!((sealed.body, sealed.previous, sealed.hash), (&br#"{"seq":1"#[..], GENESIS, hash));
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        assert_eq!(value["hash"], hex(&hash));
        assert_eq!(value["prev"], "0".repeat(64));
    }

    #[test]
    fn the_hash_is_sha_256_of_previous_and_body() {
        // head -c 32 /dev/zero | cat - <(printf '{"seq":1') | sha256sum
        let expected = "9f186e4202fb2b3f60caaf20c0eab567a648a0bf63b6105e2794fa624c0dd11d";
        assert_eq!(hex(&hash(&GENESIS, br#"{"seq":1"#)), expected);
    }

    #[test]
    fn a_line_of_another_form_does_not_open() {
        let mut line = br#"{"seq":1}"#.to_vec();
        seal(&mut line, &GENESIS);
        line.pop();
        for position in line.len() - SEAL_LENGTH..line.len() {
            let mut edited = line.clone();
            edited[position] = edited[position].to_ascii_uppercase();
            if edited != line {
                assert!(open(&edited).is_none(), "{position}");
            }
        }
        assert!(open(b"").is_none() && open(b"{}").is_none());
    }
}

//! Redaction of WebSocket messages (RFC 6455 §5) from upstream to the child.
//!
//! **Invariants.** What goes on is valid framing: a placeholder of another length makes a frame of another length, and a
//! message may come in other fragments than it was sent in, as §5.4 allows where no extension was negotiated. A value
//! that lies across fragments is found.

use bytes::{Buf as _, Bytes, BytesMut};

use super::RedactionStream;

/// The longest payload of a control frame (§5.5).
const CONTROL: usize = 125;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;
const CONTINUATION: u8 = 0;

/// Upstream broke the framing rules, so nothing behind this point can be scanned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Scans the frames of one connection.
pub(super) struct Frames {
    redaction: RedactionStream,
    /// Bytes of a header, or of a control frame, that is not whole yet.
    pending: BytesMut,
    frame: Option<Frame>,
    /// The opcode for the first frame that goes on of a message; a continuation after that.
    opcode: u8,
}

/// A data frame whose payload is passing.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: u64,
    is_final: bool,
}

/// What the start of a frame says (§5.2).
struct Header {
    length: usize,
    opcode: u8,
    is_final: bool,
    payload: u64,
}

impl Frames {
    pub(super) fn new(redaction: RedactionStream) -> Self {
        Self { redaction, pending: BytesMut::new(), frame: None, opcode: CONTINUATION }
    }

    /// What was replaced so far.
    pub(super) fn redaction(&self) -> &RedactionStream {
        &self.redaction
    }

    /// Takes the next bytes and appends to `out` what may go on.
    pub(super) fn push(&mut self, bytes: Bytes, out: &mut BytesMut) -> Result<(), Malformed> {
        let mut bytes = bytes;
        loop {
            if let Some(frame) = self.frame {
                if bytes.is_empty() && frame.left > 0 {
                    return Ok(());
                }
                let length = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
                let payload = bytes.split_to(length);
                self.pass(payload, frame, out);
                continue;
            }
            if bytes.is_empty() && self.pending.is_empty() {
                return Ok(());
            }
            self.pending.extend_from_slice(&bytes);
            bytes.clear();
            let Some(header) = header(&self.pending)? else { return Ok(()) };
            if header.opcode >= 8 {
                if !self.control(&header, out)? {
                    return Ok(());
                }
            } else {
                self.pending.advance(header.length);
                if header.opcode != CONTINUATION {
                    self.opcode = header.opcode;
                }
                self.frame = Some(Frame { left: header.payload, is_final: header.is_final });
            }
            bytes = self.pending.split().freeze();
        }
    }

    /// Passes a piece of a data frame on.
    fn pass(&mut self, payload: Bytes, frame: Frame, out: &mut BytesMut) {
        let left = frame.left - payload.len() as u64;
        let mut passed = self.redaction.push(payload);
        let ends_message = left == 0 && frame.is_final;
        if ends_message {
            let rest = self.redaction.finish();
            if !rest.is_empty() {
                passed = [passed, rest].concat().into();
            }
        }
        if ends_message || !passed.is_empty() {
            write(out, self.opcode, ends_message, &passed);
            self.opcode = CONTINUATION;
        }
        self.frame = (left > 0).then_some(Frame { left, ..frame });
    }

    /// Passes a control frame on, if it is here whole.
    fn control(&mut self, header: &Header, out: &mut BytesMut) -> Result<bool, Malformed> {
        let payload = usize::try_from(header.payload).map_err(|_| Malformed)?;
        if payload > CONTROL || !header.is_final {
            return Err(Malformed);
        }
        if self.pending.len() < header.length + payload {
            return Ok(false);
        }
        self.pending.advance(header.length);
        let payload = self.pending.split_to(payload);
        match self.redaction.headers(&payload) {
            Some(mut replaced) => {
                replaced.truncate(CONTROL);
                write(out, header.opcode, true, &replaced);
            }
            None => write(out, header.opcode, true, &payload),
        }
        Ok(true)
    }
}

/// Reads a frame's start; `None` where it is not here whole. A server's frame is not masked (§5.1), and without an
/// extension its reserved bits are 0.
fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 || second & MASKED != 0 {
        return Err(Malformed);
    }
    let (length, payload) = match second {
        126 => match rest.first_chunk::<2>() {
            Some(length) => (4, u64::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(length) => (10, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        short => (2, u64::from(*short)),
    };
    Ok(Some(Header { length, opcode: first & 0x0f, is_final: first & FINAL != 0, payload }))
}

fn write(out: &mut BytesMut, opcode: u8, is_final: bool, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    out.extend_from_slice(&[opcode | if is_final { FINAL } else { 0 }]);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => out.extend_from_slice(&[length]),
        (_, Ok(length)) => {
            out.extend_from_slice(&[126]);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[127]);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Redactor;
    use super::super::rulebook::tests::{PLACEHOLDER, VALUE, settings};
    use super::*;

    fn frames() -> Frames {
        Frames::new(Redactor::new(&settings().secrets).stream())
    }

    fn wire(messages: &[(u8, bool, &str)]) -> Vec<u8> {
        let mut out = BytesMut::new();
        for (opcode, is_final, text) in messages {
            write(&mut out, *opcode, *is_final, text.as_bytes());
        }
        out.to_vec()
    }

    /// Whole messages with their opcodes, control frames where they came.
    fn messages(mut bytes: &[u8]) -> Vec<(u8, String)> {
        let (mut found, mut open) = (Vec::new(), None::<(u8, Vec<u8>)>);
        while !bytes.is_empty() {
            let header = header(bytes).unwrap().unwrap();
            let end = header.length + usize::try_from(header.payload).unwrap();
            let payload = &bytes[header.length..end];
            bytes = &bytes[end..];
            if header.opcode >= 8 {
                found.push((header.opcode, String::from_utf8(payload.to_vec()).unwrap()));
                continue;
            }
            let message = open.get_or_insert_with(|| (header.opcode, Vec::new()));
            message.1.extend_from_slice(payload);
            if header.is_final {
                let (opcode, text) = open.take().unwrap();
                found.push((opcode, String::from_utf8(text).unwrap()));
            }
        }
        assert!(open.is_none());
        found
    }

    fn scan(bytes: &[u8], size: usize) -> Vec<(u8, String)> {
        let (mut frames, mut out) = (frames(), BytesMut::new());
        for chunk in bytes.chunks(size) {
            frames.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
        }
        messages(&out)
    }

    #[test]
    fn values_become_placeholders_in_valid_frames() {
        let (begin, end) = VALUE.split_at(5);
        let long = "x".repeat(70_000);
        let bytes = wire(&[
            (1, true, &format!("<{VALUE}>")),
            (2, false, &format!("<{begin}")),
            (9, true, "ping"),
            (0, true, &format!("{end}>")),
            (1, true, ""),
            (1, true, &format!("{long}{VALUE}")),
            (8, true, &format!("xx{VALUE}")),
        ]);
        for size in [1, 3, 1000, 100_000] {
            let expected = [
                (1, format!("<{PLACEHOLDER}>")),
                (9, "ping".to_owned()),
                (2, format!("<{PLACEHOLDER}>")),
                (1, String::new()),
                (1, format!("{long}{PLACEHOLDER}")),
                (8, format!("xx{PLACEHOLDER}")),
            ];
            let found = scan(&bytes, size);
            assert_eq!(found.len(), expected.len());
            for message in &expected {
                assert!(found.contains(message), "{size}: {:?}", message.1.get(..40));
            }
        }
    }

    #[test]
    fn a_whole_message_stays_one_frame() {
        let (mut frames, mut out) = (frames(), BytesMut::new());
        let bytes = wire(&[(1, true, "hello")]);
        frames.push(bytes.clone().into(), &mut out).unwrap();
        assert_eq!(out, bytes);
    }

    #[test]
    fn broken_framing_ends_the_scan() {
        for bytes in [&[0xc1, 0][..], &[0x81, 0x80], &[0x09, 0], &[0x89, 126, 0, 200]] {
            assert_eq!(frames().push(Bytes::copy_from_slice(bytes), &mut BytesMut::new()), Err(Malformed), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..20) {
            let (mut frames, mut out) = (frames(), BytesMut::new());
            for chunk in bytes.chunks(size) {
                if frames.push(Bytes::copy_from_slice(chunk), &mut out).is_err() {
                    break;
                }
            }
        }
    }
}

//! Content codings (RFC 9110 §8.4) taken off an answer, so that the redactor reads what the child would.
//!
//! **Invariants.** What comes out is bounded by what went in: memory by the windows of the codings, work by a ratio that
//! no honest answer reaches. All that can be decoded of the bytes so far comes out before more are asked for, so an event
//! is not held up. An answer that ends within its coding is broken, never short (L3); bytes behind its end are no content
//! and are dropped.

mod engine;
mod layer;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

use super::memory::Share;
use engine::Engine;
use layer::Layer;

/// The most codings on top of each other.
const MOST_CODINGS: usize = 3;
/// What comes out at once.
const PIECE: usize = 32 << 10;
/// How much may come out of any bytes, and of each byte beyond it: deflate reaches 1032 (RFC 1951).
const FREE: u64 = 16 << 20;
const MOST_RATIO: u64 = 2048;

/// A content coding that can be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Codings that cannot be taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The coding, where it is a common one. The field's own text is upstream's, and may hold a value.
    pub(super) named: &'static str,
}

/// The body cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undecodable {
    #[error("the compressed answer is broken")]
    Broken,
    #[error("the compressed answer ends too early")]
    Short,
    #[error("the compressed answer is a decompression bomb")]
    Bomb,
}

/// The codings of a body, in the order in which they were put on; none for `identity`.
pub(super) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Unknown> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for word in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            codings.push(match word.to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"br" => Coding::Brotli,
                b"zstd" => Coding::Zstd,
                b"compress" | b"x-compress" => return Err(Unknown { named: "compress" }),
                _ => return Err(Unknown { named: "unknown" }),
            });
        }
    }
    if codings.len() > MOST_CODINGS {
        return Err(Unknown { named: "more than three in a row" });
    }
    Ok(codings)
}

/// The most memory that a decoder of `codings` holds: windows, tables and what waits between two of them.
pub(super) fn most_memory(codings: &[Coding]) -> usize {
    let each = |coding: &Coding| match coding {
        Coding::Gzip | Coding::Deflate => 64 << 10,
        Coding::Brotli => 18 << 20,
        Coding::Zstd => 9 << 20,
    };
    codings.iter().map(each).sum::<usize>() + (codings.len() + 1) * PIECE
}

/// Takes the codings off one body as it passes.
pub(super) struct Decoder {
    /// The coding that was put on last comes first.
    layers: Vec<Layer>,
    received: u64,
    piece: Box<[u8]>,
    /// What it takes of the run's memory.
    _share: Option<Share>,
}

impl Decoder {
    pub(super) fn new(codings: &[Coding]) -> Result<Self, Undecodable> {
        let layers = codings.iter().rev().map(|coding| Ok(Layer::new(Engine::new(*coding)?)));
        let layers = layers.collect::<Result<_, Undecodable>>()?;
        Ok(Self { layers, received: 0, piece: vec![0; PIECE].into(), _share: None })
    }

    /// Gives `share` back when it is dropped.
    pub(super) fn holding(self, share: Share) -> Self {
        Self { _share: Some(share), ..self }
    }

    /// Takes the next bytes; [`next`](Self::next) has given all of those before.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.received += bytes.len() as u64;
        if let Some(layer) = self.layers.first_mut() {
            layer.give(bytes);
        }
    }

    /// The next decoded bytes, never empty; `None` when more are needed.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Undecodable> {
        while let Some(at) = self.layers.iter().rposition(|layer| !layer.is_starved()) {
            let bytes = self.layers[at].step(&mut self.piece)?;
            if self.layers[at].produced() > FREE + MOST_RATIO.saturating_mul(self.received) {
                return Err(Undecodable::Bomb);
            }
            if bytes.is_empty() {
                continue;
            }
            let bytes = Bytes::copy_from_slice(bytes);
            match self.layers.get_mut(at + 1) {
                Some(inner) => inner.give(bytes),
                None => return Ok(Some(bytes)),
            }
        }
        Ok(None)
    }

    /// Says whether the body may end here.
    pub(super) fn finish(&self) -> Result<(), Undecodable> {
        if self.layers.iter().all(Layer::may_end) { Ok(()) } else { Err(Undecodable::Short) }
    }
}

#[cfg(test)]
pub(super) mod tests;

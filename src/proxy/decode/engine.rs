//! The decoders of the single codings behind one face.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation as _};

use super::{Coding, Undecodable};

/// The largest window of zstd in the web, as a power of two (RFC 9659).
const ZSTD_WINDOW: u32 = 23;
/// The window of deflate, as a power of two.
const DEFLATE_WINDOW: u8 = 15;

/// The decoder of one coding.
pub(super) enum Engine {
    /// RFC 1952, members in a row.
    Gzip(Box<Decompress>),
    /// `deflate` before its first two bytes: zlib (RFC 1950) as RFC 9110 §8.4.1.2 says, or bare as some servers send it.
    Deflate,
    Inflate(Box<Decompress>),
    /// RFC 7932; windows beyond 16 MiB are no part of it.
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    /// RFC 8878, frames in a row.
    Zstd(Zstd<'static>),
}

/// Where a run has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Within,
    End,
}

/// What a run did.
pub(super) struct Ran {
    pub(super) read: usize,
    pub(super) written: usize,
    pub(super) reach: Reach,
}

impl Engine {
    pub(super) fn new(coding: Coding) -> Result<Self, Undecodable> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(Box::new(Decompress::new_gzip(DEFLATE_WINDOW))),
            Coding::Deflate => Self::Deflate,
            Coding::Brotli => {
                let alloc = StandardAlloc::default;
                Self::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Coding::Zstd => {
                let mut decoder = Zstd::new().map_err(|_| Undecodable::Broken)?;
                let window = DParameter::WindowLogMax(ZSTD_WINDOW);
                decoder.set_parameter(window).map_err(|_| Undecodable::Broken)?;
                Self::Zstd(decoder)
            }
        })
    }

    /// Whether `input` is enough to tell how the data begin.
    pub(super) fn can_begin(&mut self, input: &[u8]) -> bool {
        if let Self::Deflate = self {
            let [first, second, ..] = input else { return false };
            // RFC 1950 §2.2: the method, and a check over both bytes.
            let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31);
            *self = Self::Inflate(Box::new(Decompress::new(is_zlib)));
        }
        true
    }

    /// Whether another member may follow one that has ended.
    pub(super) fn may_go_on(&self) -> bool {
        matches!(self, Self::Gzip(_) | Self::Zstd(_))
    }

    /// Whether a member may begin with `first`; what begins otherwise behind a member is no content.
    pub(super) fn goes_on_with(&self, first: u8) -> bool {
        match self {
            Self::Gzip(_) => first == 0x1f,
            // A frame, or one that is skipped (RFC 8878 §3.1).
            Self::Zstd(_) => first == 0x28 || first & 0xf0 == 0x50,
            Self::Deflate | Self::Inflate(_) | Self::Brotli(_) => false,
        }
    }

    /// Makes ready for another member.
    pub(super) fn begin_again(&mut self) {
        if let Self::Gzip(decompress) = self {
            **decompress = Decompress::new_gzip(DEFLATE_WINDOW);
        }
    }

    /// Decodes `input` into `output` as far as either goes.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Ran, Undecodable> {
        match self {
            Self::Deflate => Err(Undecodable::Broken),
            Self::Gzip(decompress) | Self::Inflate(decompress) => {
                let (read, written) = (decompress.total_in(), decompress.total_out());
                let status = decompress.decompress(input, output, FlushDecompress::None);
                let status = status.map_err(|_| Undecodable::Broken)?;
                let since = |now: u64, then: u64| usize::try_from(now - then).map_err(|_| Undecodable::Broken);
                let reach = if status == Status::StreamEnd { Reach::End } else { Reach::Within };
                let (read, written) = (since(decompress.total_in(), read)?, since(decompress.total_out(), written)?);
                Ok(Ran { read, written, reach })
            }
            Self::Brotli(state) => {
                let (mut left, mut read, mut room, mut written) = (input.len(), 0, output.len(), 0);
                let result =
                    BrotliDecompressStream(&mut left, &mut read, input, &mut room, &mut written, output, &mut 0, state);
                let reach = match result {
                    BrotliResult::ResultFailure => return Err(Undecodable::Broken),
                    BrotliResult::ResultSuccess => Reach::End,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => Reach::Within,
                };
                Ok(Ran { read, written, reach })
            }
            Self::Zstd(decoder) => {
                let ran = decoder.run_on_buffers(input, output).map_err(|_| Undecodable::Broken)?;
                let reach = if ran.remaining == 0 { Reach::End } else { Reach::Within };
                Ok(Ran { read: ran.bytes_read, written: ran.bytes_written, reach })
            }
        }
    }
}

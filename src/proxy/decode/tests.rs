//! Each coding, alone and on top of each other, in chunks of any size, broken in every way.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// `deflate` is `bare` where a server sends it without the wrapping of zlib.
pub(in crate::proxy) fn encoded(coding: Coding, bare: bool, bytes: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Deflate if bare => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Brotli => {
            let mut out = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 4, 20);
            encoder.write_all(bytes).unwrap();
            drop(encoder);
            out
        }
        Coding::Zstd => zstd::encode_all(bytes, 3).unwrap(),
    }
}

fn decoded(codings: &[Coding], bytes: &[u8], size: usize) -> Result<Vec<u8>, Undecodable> {
    let mut decoder = Decoder::new(codings)?;
    let mut out = Vec::new();
    for chunk in bytes.chunks(size.max(1)) {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(piece) = decoder.next()? {
            assert!(!piece.is_empty() && piece.len() <= PIECE);
            out.extend_from_slice(&piece);
        }
    }
    decoder.finish().map(|()| out)
}

const ALL: [(Coding, bool); 5] = [
    (Coding::Gzip, false),
    (Coding::Deflate, false),
    (Coding::Deflate, true),
    (Coding::Brotli, false),
    (Coding::Zstd, false),
];

#[test]
fn fields_name_the_codings_in_their_order() {
    let of = |lines: &[&str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_ENCODING, HeaderValue::from_str(line).unwrap());
        }
        codings(&headers).map_err(|unknown| unknown.named)
    };
    assert_eq!(of(&[]), Ok(vec![]));
    assert_eq!(of(&["identity", ""]), Ok(vec![]));
    assert_eq!(of(&["GZip, br", "zstd"]), Ok(vec![Coding::Gzip, Coding::Brotli, Coding::Zstd]));
    assert_eq!(of(&["x-gzip,,deflate "]), Ok(vec![Coding::Gzip, Coding::Deflate]));
    assert_eq!(of(&["gzip, x-mine"]), Err("unknown"));
    assert_eq!(of(&["compress"]), Err("compress"));
    assert_eq!(of(&["gzip, gzip", "gzip, gzip"]), Err("more than three in a row"));
}

#[test]
fn every_cut_is_found_and_what_stands_behind_is_dropped() {
    let text = b"a text that is long enough to be coded, long enough, long enough".repeat(3);
    for (coding, bare) in ALL {
        let bytes = encoded(coding, bare, &text);
        assert_eq!(decoded(&[coding], &bytes, 1), Ok(text.clone()), "{coding:?}");
        assert_eq!(decoded(&[coding], b"", 1), Ok(vec![]), "{coding:?}: nothing is nothing");
        for cut in 1..bytes.len() {
            assert!(decoded(&[coding], &bytes[..cut], 7).is_err(), "{coding:?} {bare} cut at {cut}");
        }
        for behind in [&b"\0\0\0\0"[..], b"garbage", b"<html>"] {
            for size in [1, 5, 10_000] {
                let bytes = [&bytes, behind].concat();
                assert_eq!(decoded(&[coding], &bytes, size), Ok(text.clone()), "{coding:?} {size}");
            }
        }
    }
    // Members and frames in a row are one content, empty ones too.
    for coding in [Coding::Gzip, Coding::Zstd] {
        let parts = [encoded(coding, false, b""), encoded(coding, false, b"one "), encoded(coding, false, b"two")];
        assert_eq!(decoded(&[coding], &parts.concat(), 3).as_deref(), Ok(&b"one two"[..]), "{coding:?}");
    }
    let mut wrong = encoded(Coding::Gzip, false, &text);
    let last = wrong.len() - 6;
    wrong[last] ^= 1;
    assert_eq!(decoded(&[Coding::Gzip], &wrong, 9), Err(Undecodable::Broken), "the check fails");
}

#[test]
fn what_was_flushed_comes_out_at_once() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut zlib = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 20);
    let codings = [Coding::Gzip, Coding::Zstd, Coding::Brotli];
    let mut decoders = codings.map(|coding| (Decoder::new(&[coding]).unwrap(), 0));
    for event in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        gzip.write_all(event.as_bytes()).unwrap();
        gzip.flush().unwrap();
        zlib.write_all(event.as_bytes()).unwrap();
        zlib.flush().unwrap();
        brotli.write_all(event.as_bytes()).unwrap();
        brotli.flush().unwrap();
        let written = [gzip.get_ref(), zlib.get_ref(), brotli.get_ref()];
        for ((decoder, sent), written) in decoders.iter_mut().zip(written) {
            decoder.push(Bytes::copy_from_slice(&written[*sent..]));
            *sent = written.len();
            let mut out = Vec::new();
            while let Some(piece) = decoder.next().unwrap() {
                out.extend_from_slice(&piece);
            }
            assert_eq!(out, event.as_bytes());
        }
    }
}

#[test]
fn bombs_end_early_and_large_windows_are_refused() {
    let zeros = vec![0; 64 << 20];
    let once = encoded(Coding::Gzip, false, &zeros);
    assert!(decoded(&[Coding::Gzip], &once, 1000).is_ok(), "what deflate does to zeros is no bomb");
    let twice = encoded(Coding::Gzip, false, &once);
    assert_eq!(decoded(&[Coding::Gzip, Coding::Gzip], &twice, 1000), Err(Undecodable::Bomb));
    for coding in [Coding::Brotli, Coding::Zstd] {
        let bytes = encoded(coding, false, &zeros);
        assert_eq!(decoded(&[coding], &bytes, 1000), Err(Undecodable::Bomb), "{coding:?}");
    }
    // RFC 9659: no window beyond 8 MiB.
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.set_parameter(zstd::stream::raw::CParameter::WindowLog(27)).unwrap();
    encoder.write_all(&zeros[..30 << 20]).unwrap();
    assert_eq!(decoded(&[Coding::Zstd], &encoder.finish().unwrap(), 1000), Err(Undecodable::Broken));
}

proptest! {
    #[test]
    fn what_was_coded_comes_back(
        text in proptest::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..600),
        chain in proptest::collection::vec(proptest::sample::select(&ALL[..]), 1..4),
        size in 1_usize..200,
    ) {
        let bytes = chain.iter().fold(text.clone(), |bytes, (coding, bare)| encoded(*coding, *bare, &bytes));
        let codings: Vec<Coding> = chain.iter().map(|(coding, _)| *coding).collect();
        prop_assert_eq!(decoded(&codings, &bytes, size), Ok(text));
    }

    #[test]
    fn no_bytes_are_trouble(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        head in 0_usize..20,
        which in proptest::sample::select(&ALL[..]),
        size in 1_usize..50,
    ) {
        let valid = encoded(which.0, which.1, b"a beginning that is right");
        let _ = decoded(&[which.0], &[&valid[..head.min(valid.len())], &bytes].concat(), size);
    }
}

//! Bodies in content codings, as servers send them that compress whatever they were asked for.

use std::io::Write as _;

/// `bytes` in the codings that `names` lists, in their order; a coding that nobody knows leaves them as they are.
pub(crate) fn coded(names: &str, bytes: Vec<u8>) -> Vec<u8> {
    names.split(',').fold(bytes, |bytes, name| match name.trim() {
        "gzip" | "x-gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&bytes).unwrap();
            encoder.finish().unwrap()
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            encoder.write_all(&bytes).unwrap();
            encoder.into_inner()
        }
        "zstd" => zstd::encode_all(bytes.as_slice(), 3).unwrap(),
        _ => bytes,
    })
}

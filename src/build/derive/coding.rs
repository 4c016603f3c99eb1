//! Contents → the same in a content coding, as small as it gets.

use brotli::enc::BrotliEncoderParams;
use libdeflater::{CompressionLvl, Compressor};

/// Brotli's highest level, and the largest window that every decoder must take (RFC 7932, section 9.1).
const BROTLI: (i32, i32) = (11, 24);
/// The highest level of Zstandard that is meant for general use. Its window of 8 MiB is what clients take (RFC 9659).
const ZSTANDARD: i32 = 19;

/// A content coding (RFC 9110, section 8.4.1) in which contents are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstandard,
    /// gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// All of them, in the order in which variants are made of a content.
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstandard, Coding::Gzip];

    /// Its registered name, which is that in settings, too.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstandard => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The extension of its file names.
    pub fn extension(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstandard => "zst",
            Coding::Gzip => "gz",
        }
    }
}

/// `content` in a coding. A failure, which only want of memory can cause, leaves it as it is: then nothing is gained and
/// nothing kept.
pub fn encoded(content: &[u8], coding: Coding) -> Vec<u8> {
    match coding {
        Coding::Brotli => brotli(content),
        Coding::Zstandard => zstd::bulk::compress(content, ZSTANDARD).unwrap_or_else(|_| content.to_vec()),
        Coding::Gzip => gzip(content),
    }
}

fn brotli(content: &[u8]) -> Vec<u8> {
    let parameters =
        BrotliEncoderParams { quality: BROTLI.0, lgwin: BROTLI.1, size_hint: content.len(), ..Default::default() };
    let mut out = Vec::with_capacity(content.len() / 3);
    match brotli::BrotliCompress(&mut &content[..], &mut out, &parameters) {
        Ok(_) => out,
        Err(_) => content.to_vec(),
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::best());
    let mut out = vec![0; compressor.gzip_compress_bound(content.len())];
    match compressor.gzip_compress(content, &mut out) {
        Ok(length) => {
            out.truncate(length);
            out
        }
        Err(_) => content.to_vec(),
    }
}

/// Whether contents of this type get smaller by a coding.
pub fn is_compressible(media_type: &[u8]) -> bool {
    const OTHERS: [&[u8]; 22] = [
        b"application/javascript",
        b"application/json",
        b"application/jsonl",
        b"application/n-quads",
        b"application/n-triples",
        b"application/rtf",
        b"application/sql",
        b"application/toml",
        b"application/trig",
        b"application/vnd.ms-fontobject",
        b"application/wasm",
        b"application/x-javascript",
        b"application/x-sh",
        b"application/x-tar",
        b"application/xml",
        b"application/xml-dtd",
        b"application/yaml",
        b"font/otf",
        b"font/ttf",
        b"image/bmp",
        b"image/vnd.microsoft.icon",
        b"image/x-icon",
    ];
    let structured = [&b"+json"[..], b"+xml", b"+yaml"];
    media_type.starts_with(b"text/")
        || structured.iter().any(|suffix| media_type.ends_with(suffix))
        || OTHERS.contains(&media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::decode::decode;

    #[test]
    fn what_is_coded_is_decoded() {
        let text = "the quick brown fox jumps over the lazy dog, and so do others; ".repeat(2000);
        let noise: Vec<u8> = (0..70_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for content in [text.as_bytes(), b"", b"x", &noise] {
            for coding in Coding::ALL {
                let coded = encoded(content, coding);
                assert_eq!(decode(&coded, coding.name().as_bytes()).as_deref(), Some(content), "{coding:?}");
                assert_eq!(coded, encoded(content, coding));
            }
        }
    }

    #[test]
    fn no_window_is_larger_than_clients_take() {
        let content = vec![b'x'; 20 << 20];
        let coded = encoded(&content, Coding::Zstandard);
        // RFC 8878, section 3.1.1.1: the window descriptor, unless the frame is a single segment.
        assert_eq!(&coded[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        assert_eq!(coded[4] & 0x20, 0, "a single segment would make the whole content the window");
        assert!(10 + (coded[5] >> 3) <= 23, "{:#x}", coded[5]);
    }

    #[test]
    fn types_that_are_compressed_already_are_left() {
        for media_type in ["text/css", "image/svg+xml", "application/ld+json", "application/wasm", "font/ttf"] {
            assert!(is_compressible(media_type.as_bytes()), "{media_type}");
        }
        for media_type in ["image/png", "font/woff2", "application/zip", "video/mp4", "application/octet-stream", ""] {
            assert!(!is_compressible(media_type.as_bytes()), "{media_type}");
        }
    }
}

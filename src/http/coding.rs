//! Content codings undone (RFC 9110, section 8.4.1).

use std::io::Read;

use crate::resource::coding_names;

/// `content` with its `codings` undone, the last first; those of RFC 9110, `br` and `zstd` are known. `None` if that is not
/// possible, or if it makes more than `most` bytes of it on the way.
pub fn decode(content: &[u8], codings: &[u8], most: u64) -> Option<Vec<u8>> {
    let names: Vec<_> = coding_names(codings).collect();
    names.iter().rev().try_fold(content.to_vec(), |coded, name| {
        let mut plain = Vec::new();
        let read = match *name {
            b"gzip" | b"x-gzip" => flate2::read::MultiGzDecoder::new(&coded[..]).take(most + 1).read_to_end(&mut plain),
            b"deflate" => flate2::read::ZlibDecoder::new(&coded[..]).take(most + 1).read_to_end(&mut plain),
            b"br" => brotli::Decompressor::new(&coded[..], 4096).take(most + 1).read_to_end(&mut plain),
            b"zstd" => zstd::Decoder::new(&coded[..]).ok()?.take(most + 1).read_to_end(&mut plain),
            _ => return None,
        };
        read.ok().filter(|_| plain.len() as u64 <= most).map(|_| plain)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const MOST: u64 = 1 << 20;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn codings_are_undone_in_reverse() {
        let once = gzip(b"hello");
        assert_eq!(decode(&once, b"gzip", MOST).as_deref(), Some(&b"hello"[..]));
        assert_eq!(decode(&gzip(&once), b"gzip, x-gzip", MOST).as_deref(), Some(&b"hello"[..]));
        for (content, codings) in
            [(&b"hello"[..], &b"gzip"[..]), (&once, b"br"), (&once, b"zstd"), (&once, b"compress")]
        {
            assert_eq!(decode(content, codings, MOST), None, "{:?}", String::from_utf8_lossy(codings));
        }
    }

    #[test]
    fn what_grows_beyond_measure_is_left_coded() {
        let whole = gzip(&vec![0; MOST as usize]);
        assert_eq!(decode(&whole, b"gzip", MOST).map(|plain| plain.len() as u64), Some(MOST));
        assert_eq!(decode(&gzip(&vec![0; MOST as usize + 1]), b"gzip", MOST), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_decoded_or_not(content: Vec<u8>) {
            for coding in [&b"gzip"[..], b"deflate", b"br", b"zstd"] {
                let _ = decode(&content, coding, MOST);
            }
        }
    }
}

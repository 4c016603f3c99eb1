//! The bytes of a text → its characters: by a byte order mark, by what is declared, by what a page says of itself.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How far into a page its own declaration of a charset is looked for, in bytes (HTML, section 13.2.3.2).
const PRESCANNED: usize = 1024;

/// The text of `content`, whose charset is `declared` by its name or type. Bytes that mean nothing become U+FFFD.
pub fn decoded<'c>(content: &'c [u8], declared: Option<&[u8]>) -> Cow<'c, str> {
    let encoding = match Encoding::for_bom(content) {
        Some((encoding, _)) => encoding,
        None => declared
            .and_then(Encoding::for_label)
            .or_else(|| std::str::from_utf8(content).is_ok().then_some(UTF_8))
            .or_else(|| own_declaration(content))
            .unwrap_or(WINDOWS_1252),
    };
    encoding.decode(content).0
}

/// The charset that a page declares in a `meta` element, roughly: the first `charset=` there is.
fn own_declaration(content: &[u8]) -> Option<&'static Encoding> {
    const KEY: &[u8] = b"charset=";
    let beginning = content[..content.len().min(PRESCANNED)].to_ascii_lowercase();
    let start = beginning.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let label = beginning[start..].trim_ascii_start();
    let label = label.strip_prefix(b"\"").or(label.strip_prefix(b"'")).unwrap_or(label);
    let end =
        label.iter().position(|&byte| matches!(byte, b'"' | b'\'' | b'>' | b';' | b' ' | b'/')).unwrap_or(label.len());
    Encoding::for_label(&label[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_are_found_out() {
        for (content, declared, expected) in [
            (&b"caf\xc3\xa9"[..], None, "café"),
            (b"caf\xe9", None, "café"),
            (b"caf\xe9 \xa4", Some(&b"iso-8859-15"[..]), "café €"),
            (b"<meta charset=iso-8859-15>\xa4", None, "<meta charset=iso-8859-15>€"),
            (
                b"<meta content=\"text/html; charset=KOI8-R\">\xc1",
                None,
                "<meta content=\"text/html; charset=KOI8-R\">а",
            ),
            (b"\xef\xbb\xbfx", Some(b"iso-8859-1"), "x"),
            (b"\xff\xfex\0", None, "x"),
            (b"x", Some(b"no-such"), "x"),
        ] {
            assert_eq!(decoded(content, declared), expected);
        }
    }
}

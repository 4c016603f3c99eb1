//! Escaping of names: for URI references in fields, and for HTML text and attributes.

/// Appends `name` with every byte percent-encoded that R93 does not list as safe.
///
/// Letters, digits and `$ - _ . + ! * ' ( ) , : @ & = ~` stay; hexadecimal digits are lower-case, as
/// Apache's. `keep_slash` keeps `/` too, for whole paths.
pub fn push_uri(out: &mut Vec<u8>, name: &[u8], keep_slash: bool) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in name {
        let safe = byte.is_ascii_alphanumeric() || b"$-_.+!*'(),:@&=~".contains(&byte) || (keep_slash && byte == b'/');
        if safe {
            out.push(byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// `file_name` as a relative reference to a sibling: a colon would make `h:i.html` an absolute one (B10),
/// so such a name gets `./` in front.
pub fn sibling_reference(file_name: &[u8]) -> Vec<u8> {
    let mut reference = Vec::with_capacity(file_name.len() + 2);
    if file_name.contains(&b':') {
        reference.extend(b"./");
    }
    push_uri(&mut reference, file_name, false);
    reference
}

/// `uri`, a relative reference from a type map, as it stands but for bytes that no URI may have
/// (RFC 3986, section 2).
pub fn reference(uri: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len());
    for &byte in uri {
        match byte {
            b'%' | b'/' | b'?' | b'#' | b';' | b'[' | b']' => out.push(byte),
            _ => push_uri(&mut out, &[byte], false),
        }
    }
    out
}

/// Appends `text` so that HTML shows it as it is, in text and in quoted attributes. Bytes that are not
/// UTF-8 are shown as U+FFFD.
pub fn push_html(out: &mut String, text: &[u8]) {
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_as_apache_does() {
        let mut out = Vec::new();
        push_uri(&mut out, "p[q]{r}|s^t`u%v#w xü;/.html".as_bytes(), false);
        assert_eq!(out, b"p%5bq%5d%7br%7d%7cs%5et%60u%25v%23w%20x%c3%bc%3b%2f.html");
    }

    #[test]
    fn a_colon_does_not_make_a_scheme() {
        assert_eq!(sibling_reference(b"h:i.html"), b"./h:i.html");
        assert_eq!(sibling_reference(b"a b.html"), b"a%20b.html");
        assert_eq!(reference(b"../a%20b.html?x=\xff<"), b"../a%20b.html?x=%ff%3c");
    }

    #[test]
    fn html_is_shown_not_run() {
        let mut out = String::new();
        push_html(&mut out, b"<script>'\"&\xff");
        assert_eq!(out, "&lt;script&gt;&#39;&quot;&amp;\u{fffd}");
    }
}

//! Preconditions (RFC 9110, section 13) on the selected representation.

/// Whether an If-None-Match field value matches `etag`, by weak comparison (RFC 9110, sections 8.8.3.2
/// and 13.1.2): then the client's copy is current and the answer is 304.
///
/// What is not a well-formed entity tag ends the reading; what was matched before counts.
pub fn none_match_hits(field_value: &[u8], etag: &[u8]) -> bool {
    let mut rest = field_value.trim_ascii();
    if rest == b"*" {
        return true;
    }
    let wanted = etag.strip_prefix(b"W/").unwrap_or(etag);
    loop {
        while let [b',' | b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        let tag = rest.strip_prefix(b"W/").unwrap_or(rest);
        let Some(end) = tag.strip_prefix(b"\"").and_then(|inner| inner.iter().position(|&byte| byte == b'"')) else {
            return false;
        };
        let (tag, tail) = tag.split_at(end + 2);
        if tag == wanted {
            return true;
        }
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use super::none_match_hits;

    #[test]
    fn weak_comparison_over_a_list() {
        for (field, hit) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("\"b\",,  W/\"a\" , \"c\"", true),
            ("*", true),
            (" * ", true),
            ("\"b,a\"", false),
            ("a", false),
            ("\"a", false),
            ("w/\"a\"", false),
            ("\"A\"", false),
            ("", false),
            ("\"a\" garbage", true),
            ("garbage \"a\"", false),
        ] {
            assert_eq!(none_match_hits(field.as_bytes(), b"\"a\""), hit, "{field:?}");
        }
        assert!(none_match_hits(b"\"a\"", b"W/\"a\""));
    }
}

//! `[headers]` and `[cache]`: which fields the author wants with which files.

use super::extensions::is_token;
use super::globs::Files;
use crate::http::response::push_field;

/// The field that `[cache]` sets.
pub const CACHE_CONTROL: &str = "Cache-Control";

/// A field of the files that a glob matches.
#[derive(Clone, Debug)]
pub struct FieldRule {
    files: Files,
    name: String,
    /// An empty one takes the field out.
    value: String,
}

impl FieldRule {
    /// A rule for `files`; name and value must have been checked.
    pub fn new(files: Files, name: String, value: String) -> FieldRule {
        FieldRule { files, name, value }
    }
}

/// The field lines that `rules` want with the file that has this key. The last rule for a name wins.
pub fn lines(rules: &[FieldRule], key: &[u8]) -> Vec<u8> {
    rendered(rules.iter().filter(|rule| rule.files.contain(key)))
}

/// The field lines that `rules` want with the whole site, and therefore with answers that no file holds. How long such an
/// answer may be kept is not for a file's rule to say.
pub fn lines_of_site(rules: &[FieldRule]) -> Vec<u8> {
    let of_site = |rule: &&FieldRule| {
        rule.files.are_all() && rule.name != CACHE_CONTROL && !rule.name.eq_ignore_ascii_case("Expires")
    };
    rendered(rules.iter().filter(of_site))
}

fn rendered<'r>(rules: impl Iterator<Item = &'r FieldRule>) -> Vec<u8> {
    let mut last: Vec<&FieldRule> = Vec::new();
    for rule in rules {
        match last.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&rule.name)) {
            Some(known) => *known = rule,
            None => last.push(rule),
        }
    }
    let mut lines = Vec::new();
    for FieldRule { name, value, .. } in last {
        push_field(&mut lines, name, value.as_bytes());
    }
    lines
}

/// Whether `[headers]` may set a field of this name.
///
/// # Errors
///
/// Says why not, and what to do instead where there is something.
pub fn check_name(name: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("{name:?} is not a field name; expected one such as \"X-Content-Type-Options\""));
    }
    let lower = name.to_ascii_lowercase();
    let instead = match &lower[..] {
        "cache-control" => "it is set in [cache]",
        "content-type" => "types are declared in [types], charsets in [charsets]",
        "content-language" => "languages are declared in [languages]",
        "content-encoding" => "codings are declared in [encodings]",
        "location" => "redirects are declared in [redirects]",
        "repr-digest" | "content-digest" | "digest" => "digests are made if repr-digest is true in [digests]",
        "accept-ranges" | "allow" | "alternates" | "content-location" | "content-range" | "date" | "etag"
        | "last-modified" | "server" | "tcn" | "vary" => "connegd sets it itself",
        "connection" | "content-length" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" => {
            "it is about the connection, not about a file"
        }
        _ if lower.starts_with("proxy-") => "it is about the connection, not about a file",
        _ => return Ok(()),
    };
    Err(format!("{name} cannot be set here: {instead}"))
}

/// Whether a field may have this value (RFC 9110, section 5.5).
///
/// # Errors
///
/// Says what no value may have.
pub fn check_value(value: &str) -> Result<(), String> {
    if value.starts_with(' ') || value.ends_with(' ') {
        return Err(format!("{value:?} begins or ends with a space, which no field value does"));
    }
    match value.chars().find(|character| !matches!(character, ' '..='~')) {
        Some(other) => Err(format!("{value:?} holds {other:?}; a field value consists of printable ASCII characters")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_for_a_name_wins_and_an_empty_value_takes_it_out() {
        let rule = |pattern: &str, name: &str, value: &str| {
            FieldRule::new(Files::new(pattern, b"/").unwrap(), name.into(), value.into())
        };
        let rules =
            [rule("/**", "X-A", "1"), rule("/**", "X-B", "2"), rule("*.html", "x-a", "3"), rule("/d/**", "X-B", "")];
        for (key, expected) in [
            ("/a", "X-A: 1\r\nX-B: 2\r\n"),
            ("/a.html", "x-a: 3\r\nX-B: 2\r\n"),
            ("/d/a.html", "x-a: 3\r\n"),
            ("/d/a", "X-A: 1\r\n"),
        ] {
            assert_eq!(String::from_utf8(lines(&rules, key.as_bytes())).unwrap(), expected, "{key}");
        }
        assert_eq!(lines_of_site(&rules), b"X-A: 1\r\nX-B: 2\r\n");
        let below = FieldRule::new(Files::new("/**", b"/d/").unwrap(), "X-A".into(), "1".into());
        assert_eq!(lines_of_site(&[below]), b"");
        let freshness = [rule("/**", CACHE_CONTROL, "no-cache"), rule("/**", "expires", "0")];
        assert_eq!(lines_of_site(&freshness), b"");
        assert_eq!(lines(&freshness, b"/a"), b"Cache-Control: no-cache\r\nexpires: 0\r\n");
    }

    #[test]
    fn names_that_mean_something_to_the_server_are_its_own() {
        for (name, instead) in [
            ("", "is not a field name"),
            ("X Y", "is not a field name"),
            ("X:", "is not a field name"),
            ("ETAG", "sets it itself"),
            ("content-type", "[types]"),
            ("Cache-Control", "[cache]"),
            ("Repr-Digest", "[digests]"),
            ("Location", "[redirects]"),
            ("Transfer-Encoding", "the connection"),
            ("Proxy-Authenticate", "the connection"),
        ] {
            assert!(check_name(name).unwrap_err().contains(instead), "{name}");
        }
        for name in ["X-Frame-Options", "Expires", "Link", "Set-Cookie"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn values_are_printable() {
        for value in ["", "a b", "default-src 'self'; \"x\""] {
            assert_eq!(check_value(value), Ok(()), "{value:?}");
        }
        for value in [" a", "a ", "a\r\nX-B: c", "a\tb", "a\0", "é", "\x7f"] {
            assert!(check_value(value).is_err(), "{value:?}");
        }
    }
}

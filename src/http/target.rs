//! The request target (RFC 9112, section 3.2) → the key of a resource.
//!
//! A key is an absolute path of decoded bytes without empty and dot segments. It is only ever compared
//! with the keys of the index, so no target can reach anything that was not packed.

use super::Status;

/// A request target taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path as sent, percent-encoded.
    pub path: &'a [u8],
    /// What follows the first `?`, if there is one.
    pub query: Option<&'a [u8]>,
}

/// Takes a target in origin-form or absolute-form apart; the authority of the latter is dropped.
///
/// # Errors
///
/// 400 for the other forms and for a fragment, which no client may send.
pub fn parse(target: &[u8]) -> Result<Target<'_>, Status> {
    let path_and_query = match target {
        [b'/', ..] => target,
        _ => after_authority(target).ok_or(Status::BadRequest)?,
    };
    let end = path_and_query.iter().position(|&byte| byte == b'?' || byte == b'#').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(end);
    if query.contains(&b'#') {
        return Err(Status::BadRequest);
    }
    Ok(Target { path: if path.is_empty() { b"/" } else { path }, query: query.get(1..) })
}

/// What follows `http://authority` or `https://authority`.
fn after_authority(target: &[u8]) -> Option<&[u8]> {
    let colon = target.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let rest = rest.strip_prefix(b"://").filter(|_| known)?;
    let authority = rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len());
    (authority > 0).then(|| &rest[authority..])
}

/// The key of `path`: `path` itself if it is in normal form, as nearly all are, else its normal form,
/// written to `scratch`.
///
/// # Errors
///
/// - 400: a percent sign without two hexadecimal digits, `%00`, or `..` above the root;
/// - 404: `%2F`, since no file name holds a slash.
pub fn key<'a>(path: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Status> {
    if is_normal(path) {
        return Ok(path);
    }
    scratch.clear();
    scratch.push(b'/');
    // A path that ends in a slash or a dot segment names a directory; any other keeps no final slash.
    let mut names_directory = true;
    for segment in path.split(|&byte| byte == b'/') {
        let start = scratch.len();
        decode(segment, scratch)?;
        names_directory = true;
        match &scratch[start..] {
            b"" => {}
            b"." => scratch.truncate(start),
            b".." => {
                scratch.truncate(start);
                scratch.pop();
                let parent = scratch.iter().rposition(|&byte| byte == b'/').ok_or(Status::BadRequest)?;
                scratch.truncate(parent + 1);
            }
            _ => {
                scratch.push(b'/');
                names_directory = false;
            }
        }
    }
    if !names_directory {
        scratch.pop();
    }
    Ok(scratch)
}

/// Whether nothing in `path` needs decoding, merging or resolving.
fn is_normal(path: &[u8]) -> bool {
    let mut after_slash = false;
    for &byte in path {
        match byte {
            b'%' => return false,
            b'/' | b'.' if after_slash => return false,
            _ => after_slash = byte == b'/',
        }
    }
    path.first() == Some(&b'/')
}

/// Appends `segment`, percent-decoded once.
fn decode(segment: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
    let mut bytes = segment.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|&byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Status::BadRequest) };
        match (high * 16 + low) as u8 {
            0 => return Err(Status::BadRequest),
            b'/' => return Err(Status::NotFound),
            byte => out.push(byte),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_target() {
        let parts = |target: &'static str| {
            parse(target.as_bytes()).map(|Target { path, query }| {
                (std::str::from_utf8(path).unwrap(), query.map(|query| std::str::from_utf8(query).unwrap()))
            })
        };
        assert_eq!(parts("/a?b?c"), Ok(("/a", Some("b?c"))));
        assert_eq!(parts("/a?"), Ok(("/a", Some(""))));
        assert_eq!(parts("http://host/a?b"), Ok(("/a", Some("b"))));
        assert_eq!(parts("HTTPS://host:1?b"), Ok(("/", Some("b"))));
        assert_eq!(parts("http://host"), Ok(("/", None)));
        for bad in ["", "a", "*", "host:80", "http:///a", "ftp://host/a", "/a#b", "/a?b#c"] {
            assert_eq!(parts(bad), Err(Status::BadRequest), "{bad:?}");
        }
    }

    #[test]
    fn normal_forms() {
        for (path, expected) in [
            ("/", Ok("/")),
            ("/a", Ok("/a")),
            ("/a/", Ok("/a/")),
            ("//", Ok("/")),
            ("/a//b", Ok("/a/b")),
            ("/./a", Ok("/a")),
            ("/a/.", Ok("/a/")),
            ("/a/..", Ok("/")),
            ("/a/../", Ok("/")),
            ("/a/b/../c", Ok("/a/c")),
            ("/a/%2e%2E/c", Ok("/c")),
            ("/a/b/%2e%2e", Ok("/a/")),
            ("/%64/%61", Ok("/d/a")),
            ("/a%20b", Ok("/a b")),
            ("/a%25b", Ok("/a%b")),
            ("/.a", Ok("/.a")),
            ("/...", Ok("/...")),
            ("/a/.../b", Ok("/a/.../b")),
            ("/..", Err(Status::BadRequest)),
            ("/a/../..", Err(Status::BadRequest)),
            ("/%2e%2e/a", Err(Status::BadRequest)),
            ("/a%", Err(Status::BadRequest)),
            ("/a%2", Err(Status::BadRequest)),
            ("/a%zz", Err(Status::BadRequest)),
            ("/a%00", Err(Status::BadRequest)),
            ("/a%2fb", Err(Status::NotFound)),
        ] {
            let mut scratch = Vec::new();
            let key = key(path.as_bytes(), &mut scratch).map(|key| String::from_utf8_lossy(key).into_owned());
            assert_eq!(key, expected.map(str::to_string), "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn keys_are_absolute_and_have_no_dot_or_empty_segments(path in "/[a./%2eE]{0,24}") {
            let mut scratch = Vec::new();
            if let Ok(key) = key(path.as_bytes(), &mut scratch) {
                proptest::prop_assert_eq!(key[0], b'/');
                let segments: Vec<_> = key[1..].split(|&byte| byte == b'/').collect();
                let (last, inner) = segments.split_last().unwrap();
                proptest::prop_assert!(inner.iter().all(|segment| !matches!(*segment, b"" | b"." | b"..")));
                proptest::prop_assert!(!matches!(*last, b"." | b".."));
            }
        }
    }
}

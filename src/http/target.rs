//! The request target (RFC 9112, section 3.2) → the key of a resource.
//!
//! A key is an absolute path of decoded bytes without empty and dot segments. It is only ever compared
//! with the keys of the index, so no target can reach anything that was not packed.

use std::net::Ipv6Addr;

use super::Status;
use super::request::Method;

/// What a request target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A resource (origin-form, or absolute-form, of which the authority makes no difference).
    Resource {
        /// The path as sent, percent-encoded.
        path: &'a [u8],
        /// What follows the first `?`, if there is one.
        query: Option<&'a [u8]>,
    },
    /// The server as a whole (asterisk-form).
    Server,
    /// Where a tunnel should end (authority-form).
    Tunnel,
}

/// Takes the target of a request apart.
///
/// # Errors
///
/// 400 for a form that is not the method's (`*` is for OPTIONS only, CONNECT takes nothing but a host and a port), for
/// an invalid authority, and for a fragment, which no client may send.
pub fn parse(method: Method, target: &[u8]) -> Result<Target<'_>, Status> {
    if method == Method::Connect {
        return if is_host_and_port(target) { Ok(Target::Tunnel) } else { Err(Status::BadRequest) };
    }
    let path_and_query = match target {
        [b'/', ..] => target,
        b"*" if method == Method::Options => return Ok(Target::Server),
        _ => absolute_form(target).ok_or(Status::BadRequest)?.1,
    };
    let end = first_of(&PATH_ENDS, path_and_query).unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at(end);
    if query.contains(&b'#') {
        return Err(Status::BadRequest);
    }
    Ok(Target::Resource { path: if path.is_empty() { b"/" } else { path }, query: query.get(1..) })
}

/// The authority of a target in absolute-form, by which a Host field besides it is overruled (RFC 9112, section 3.2.2).
pub fn authority(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") { None } else { absolute_form(target).map(|(authority, _)| authority) }
}

/// The authority in `http://authority` or `https://authority`, and what follows. It must name a host (RFC 9110, section
/// 4.2.1), and no user: that is how addresses lie about where they lead (section 4.2.4).
fn absolute_form(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = target.iter().position(|&byte| byte == b':')?;
    let (scheme, rest) = target.split_at(colon);
    let known = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let rest = rest.strip_prefix(b"://").filter(|_| known)?;
    let (authority, rest) = rest.split_at(rest.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(rest.len()));
    host_and_port(authority).filter(|(host, _)| !host.is_empty()).map(|_| (authority, rest))
}

/// The path of a target and its query, without the authority that some have before it.
pub fn path_and_query(target: &[u8]) -> &[u8] {
    let rest = if target.starts_with(b"/") { target } else { absolute_form(target).map_or(&b""[..], |(_, rest)| rest) };
    if rest.starts_with(b"/") { rest } else { b"/" }
}

/// Whether `value` can be that of a Host field (RFC 9110, section 7.2): `uri-host [ ":" port ]`, both of RFC 3986. A
/// host may be empty, as may a port.
pub fn is_valid_host(value: &[u8]) -> bool {
    host_and_port(value).is_some()
}

/// Whether `authority` is what CONNECT needs: a host and a port that there can be (RFC 9110, section 9.3.6).
fn is_host_and_port(authority: &[u8]) -> bool {
    let port = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u16>().ok();
    host_and_port(authority).is_some_and(|(host, digits)| !host.is_empty() && port(digits).is_some_and(|port| port > 0))
}

/// A host and the digits of a port, which may be missing (RFC 3986, sections 3.2.2 and 3.2.3).
pub(super) fn host_and_port(authority: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = match authority {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|&byte| byte == b']')?;
            is_ip_literal(&rest[..end]).then_some(end + 2)?
        }
        _ => registered_name(authority)?,
    };
    let (host, port) = authority.split_at(end);
    match port {
        [] => Some((host, port)),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Some((host, digits)),
        _ => None,
    }
}

/// The length of a registered name, which every IPv4 address looks like, up to a colon or the end.
fn registered_name(authority: &[u8]) -> Option<usize> {
    let mut end = 0;
    loop {
        let rest = &authority[end..];
        end += first_of(&NO_NAME_BYTES, rest).unwrap_or(rest.len());
        match authority[end..] {
            [] | [b':', ..] => return Some(end),
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => end += 3,
            _ => return None,
        }
    }
}

/// What stands between brackets: an address of IPv6, or of a version to come.
fn is_ip_literal(literal: &[u8]) -> bool {
    if let [b'v' | b'V', future @ ..] = literal {
        let Some(dot) = future.iter().position(|&byte| byte == b'.') else { return false };
        let (version, address) = (&future[..dot], &future[dot + 1..]);
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(|&byte| byte == b':' || is_name_byte(byte));
    }
    std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Whether a byte is unreserved or a delimiter within components of a URI (RFC 3986, sections 2.2 and 2.3).
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// For each byte whether it is one that is looked for. Tables, since the target and the Host of every request come by here.
type Bytes = [bool; 256];

macro_rules! bytes {
    ($byte:ident => $condition:expr) => {{
        let mut table = [false; 256];
        let mut place = 0;
        while place < 256 {
            let $byte = place as u8;
            table[place] = $condition;
            place += 1;
        }
        table
    }};
}

/// The bytes that end a path.
static PATH_ENDS: Bytes = bytes!(byte => matches!(byte, b'?' | b'#'));
/// The bytes by which a path may have to be decoded or resolved.
static NOT_PLAIN: Bytes = bytes!(byte => matches!(byte, b'%' | b'/'));
/// The bytes that do not belong to a name by themselves.
static NO_NAME_BYTES: Bytes = bytes!(byte => !is_name_byte(byte));

/// The place of the first of `wanted` in `bytes`.
#[inline]
fn first_of(wanted: &Bytes, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| wanted[usize::from(byte)])
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
    let Some(mut rest) = path.strip_prefix(b"/") else { return false };
    while !matches!(rest, [b'/' | b'.', ..]) {
        rest = match first_of(&NOT_PLAIN, rest) {
            None => return true,
            Some(at) if rest[at] == b'%' => return false,
            Some(slash) => &rest[slash + 1..],
        };
    }
    false
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
        let parts = |target: &'static str| match parse(Method::Get, target.as_bytes()) {
            Ok(Target::Resource { path, query }) => {
                Ok((std::str::from_utf8(path).unwrap(), query.map(|query| std::str::from_utf8(query).unwrap())))
            }
            Ok(other) => panic!("{target:?}: {other:?}"),
            Err(status) => Err(status),
        };
        assert_eq!(parts("/a?b?c"), Ok(("/a", Some("b?c"))));
        assert_eq!(parts("/a?"), Ok(("/a", Some(""))));
        assert_eq!(parts("//host/a"), Ok(("//host/a", None)));
        assert_eq!(parts("http://host/a?b"), Ok(("/a", Some("b"))));
        assert_eq!(parts("HTTPS://host:1?b"), Ok(("/", Some("b"))));
        assert_eq!(parts("http://host"), Ok(("/", None)));
        assert_eq!(parts("http://[::1]:80/a"), Ok(("/a", None)));
        for bad in [
            "",
            "a",
            "*",
            "host:80",
            "http:/a",
            "http:///a",
            "http://:80/a",
            "http://user@host/a",
            "http://user:secret@host/a",
            "http://ho st/a",
            "http://ho\\st/a",
            "http://host:8x/a",
            "http://[::1/a",
            "ftp://host/a",
            "/a#b",
            "/a?b#c",
            "http://host#",
        ] {
            assert_eq!(parts(bad), Err(Status::BadRequest), "{bad:?}");
        }
    }

    #[test]
    fn forms_that_only_one_method_takes() {
        assert_eq!(parse(Method::Options, b"*"), Ok(Target::Server));
        assert_eq!(parse(Method::Head, b"*"), Err(Status::BadRequest));
        assert_eq!(parse(Method::Options, b"**"), Err(Status::BadRequest));
        for good in ["host:80", "1.2.3.4:1", "[::1]:65535"] {
            assert_eq!(parse(Method::Connect, good.as_bytes()), Ok(Target::Tunnel), "{good:?}");
            assert_eq!(parse(Method::Get, good.as_bytes()), Err(Status::BadRequest), "{good:?}");
        }
        for bad in ["host", "host:", "host:0", "host:65536", "host:+1", ":80", "/", "*", "http://host:80", "u@host:80"]
        {
            assert_eq!(parse(Method::Connect, bad.as_bytes()), Err(Status::BadRequest), "{bad:?}");
        }
    }

    #[test]
    fn hosts() {
        for good in [
            "",
            "a",
            "a:",
            "a:80",
            ":80",
            "a.example.",
            "A-b_c~",
            "%41b",
            "a%2Fb",
            "1.2.3.4:99999",
            "999.1",
            "a,b=(c)!",
            "[::1]",
            "[::]:80",
            "[2001:DB8::1.2.3.4]:",
            "[v1.a:b]",
            "[vF0.+]:1",
        ] {
            assert!(is_valid_host(good.as_bytes()), "{good:?}");
        }
        for bad in [
            " ",
            "a b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a@b",
            "@",
            "a:b",
            "a:8 ",
            "a:80:80",
            "::1",
            "%",
            "%4",
            "%4g",
            "a\"b",
            "<a>",
            "a|b",
            "a^b",
            "\u{e9}",
            "a\0",
            "[",
            "[]",
            "[::1",
            "[::1]a",
            "[::1]80",
            "a[::1]",
            "[1.2.3.4]",
            "[::1%25a]",
            "[:::]",
            "[1:2:3:4:5:6:7:8:9]",
            "[12345::]",
            "[v.a]",
            "[v1.]",
            "[v1a]",
            "[vg.a]",
            "[v1.a/b]",
            "http://a",
        ] {
            assert!(!is_valid_host(bad.as_bytes()), "{bad:?}");
        }
        assert!(!is_valid_host(b"\xff"));
    }

    #[test]
    fn what_only_looks_like_a_dot_or_a_slash_is_a_name() {
        for (path, expected) in [
            (&b"/%c0%ae%c0%ae/%c0%afa"[..], &b"/\xc0\xae\xc0\xae/\xc0\xafa"[..]),
            (b"/\xc0\xae\xc0\xae/a", b"/\xc0\xae\xc0\xae/a"),
            (b"/..\\..\\a", b"/..\\..\\a"),
            (b"/%5c..%5C", b"/\\..\\"),
            (b"/%252e%252e/%252f", b"/%2e%2e/%2f"),
            (b"/%u002e%u002e/", b""),
            (b"/c:/a;b/.. /a", b"/c:/a;b/.. /a"),
        ] {
            let mut scratch = Vec::new();
            assert_eq!(key(path, &mut scratch).unwrap_or_default(), expected, "{:?}", String::from_utf8_lossy(path));
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

//! Request targets, hosts, and the keys that come of them, beside plain models.
#![no_main]

use std::net::Ipv6Addr;

use connegd::http::Status;
use connegd::http::escape::push_uri;
use connegd::http::request::Method;
use connegd::http::target::{Target, is_valid_host, key, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let is_host = is_valid_host(bytes);
    assert_eq!(is_host, host_model(bytes));
    let named = is_host && !bytes.is_empty() && bytes[0] != b':';
    if !bytes.iter().any(|byte| b"/?#".contains(byte)) {
        let expected = Target::Resource { path: b"/a", query: Some(b"b") };
        let absolute = [b"http://", bytes, b"/a?b"].concat();
        assert_eq!(parse(Method::Get, &absolute), if named { Ok(expected) } else { Err(Status::BadRequest) });
    }
    if let Ok(target) = parse(Method::Connect, bytes) {
        assert!(target == Target::Tunnel && named);
    }
    let tunnel = [bytes, b":65535"].concat();
    assert_eq!(parse(Method::Connect, &tunnel).is_ok(), is_valid_host(&tunnel) && bytes != b"");

    let found = parse(Method::Get, bytes);
    match parse(Method::Options, bytes) {
        Ok(Target::Server) => assert!(bytes == b"*" && found == Err(Status::BadRequest)),
        other => assert_eq!(other, found),
    }
    let Ok(Target::Resource { path, query }) = found else { return };
    assert!(path.starts_with(b"/") && !path.contains(&b'?') && !bytes.contains(&b'#'));
    if bytes.starts_with(b"/") {
        let absolute = [b"http://host", bytes].concat();
        assert_eq!(parse(Method::Get, &absolute), found, "the authority makes no difference");
        assert_eq!([path, query.map_or(&b""[..], |_| b"?"), query.unwrap_or_default()].concat(), bytes);
    }

    let mut scratch = Vec::new();
    let found = key(path, &mut scratch).map(<[u8]>::to_vec);
    assert_eq!(found, model(path));
    let Ok(found) = found else { return };
    assert_eq!(found[0], b'/');
    let segments: Vec<_> = found[1..].split(|&byte| byte == b'/').collect();
    let (last, inner) = segments.split_last().expect("a segment");
    assert!(inner.iter().all(|segment| !matches!(*segment, b"" | b"." | b"..")) && !matches!(*last, b"." | b".."));
    // A NUL that is not escaped cannot come through the parser of heads.
    if !found.contains(&0) {
        let mut escaped = Vec::new();
        push_uri(&mut escaped, &found, true);
        assert_eq!(key(&escaped, &mut scratch), Ok(&found[..]), "a key is its own key");
    }
});

/// Whether bytes are a host and perhaps a port, cut at the last colon that is not of an address.
fn host_model(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let in_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(c));
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    if !port.chars().all(|c| c.is_ascii_digit()) {
        return false;
    }
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let Some(future) = literal.strip_prefix(['v', 'V']) else { return literal.parse::<Ipv6Addr>().is_ok() };
        return future.split_once('.').is_some_and(|(version, address)| {
            let hexadecimal = !version.is_empty() && version.chars().all(|c| c.is_ascii_hexdigit());
            hexadecimal && !address.is_empty() && address.split(':').all(in_name)
        });
    }
    let mut parts = host.split('%');
    in_name(parts.next().unwrap_or_default())
        && parts.all(|part| {
            let mut chars = part.chars();
            let mut digit = || chars.next().is_some_and(|c| c.is_ascii_hexdigit());
            digit() && digit() && in_name(chars.as_str())
        })
}

/// The key of a path, worked out segment by segment on a stack.
fn model(path: &[u8]) -> Result<Vec<u8>, Status> {
    let mut stack: Vec<Vec<u8>> = Vec::new();
    let mut is_directory = true;
    for segment in path.split(|&byte| byte == b'/') {
        let segment = unescaped(segment)?;
        is_directory = matches!(&segment[..], b"" | b"." | b"..");
        match &segment[..] {
            b"" | b"." => {}
            b".." => drop(stack.pop().ok_or(Status::BadRequest)?),
            _ => stack.push(segment),
        }
    }
    let mut key = stack.iter().flat_map(|segment| [b"/", &segment[..]].concat()).collect::<Vec<_>>();
    if is_directory || key.is_empty() {
        key.push(b'/');
    }
    Ok(key)
}

fn unescaped(segment: &[u8]) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    let mut rest = segment;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let digits =
            tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit)).ok_or(Status::BadRequest)?;
        let text = std::str::from_utf8(digits).expect("digits");
        match u8::from_str_radix(text, 16).expect("a number") {
            0 => return Err(Status::BadRequest),
            b'/' => return Err(Status::NotFound),
            byte => out.push(byte),
        }
        rest = &tail[2..];
    }
    Ok(out)
}

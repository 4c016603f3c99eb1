//! Request targets and the keys that come of them, beside a plain model of both.
#![no_main]

use connegd::http::Status;
use connegd::http::escape::push_uri;
use connegd::http::target::{key, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(parts) = parse(bytes) else { return };
    assert!(parts.path.starts_with(b"/") && !parts.path.contains(&b'?') && !parts.path.contains(&b'#'));
    if bytes.starts_with(b"/") {
        let absolute = [b"http://host", bytes].concat();
        assert_eq!(parse(&absolute), Ok(parts), "the authority makes no difference");
    }

    let mut scratch = Vec::new();
    let found = key(parts.path, &mut scratch).map(<[u8]>::to_vec);
    assert_eq!(found, model(parts.path));
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

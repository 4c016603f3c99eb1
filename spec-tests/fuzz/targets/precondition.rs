//! Preconditions and If-Range, beside RFC 9110, section 13.2.2, as it is written there.
//!
//! The first byte says which method and which fields there are; the fields follow, parted by NUL. The representation
//! has the entity tag `"a"`, or a weak one, and may have a date.
#![no_main]

use connegd::http::date;
use connegd::http::precondition::{Validators, Verdict, if_range_holds, judge};
use connegd::http::request::{Method, RequestHead};
use libfuzzer_sys::fuzz_target;

const CHANGED: u64 = 784_111_777;
const DATED: &[u8] = b"ETag: \"a\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: a/b\r\n";

fuzz_target!(|input: &[u8]| {
    let Some((&what, rest)) = input.split_first() else { return };
    let has = |bit: u8| what & (1 << bit) != 0;
    let mut given = rest.split(|&byte| byte == 0);
    let mut next = |bit: u8| given.next().filter(|_| has(bit));
    let [if_match, if_none_match, modified, unmodified, if_range] = [next(0), next(1), next(2), next(3), next(4)];
    let method = [Method::Get, Method::Post][usize::from(has(5))];
    let etag: &[u8] = if has(6) { b"\"a\"" } else { b"W/\"a\"" };
    let dated = has(7);
    let request = RequestHead {
        method,
        if_match: if_match.map(Into::into),
        if_none_match: if_none_match.map(Into::into),
        if_modified_since: modified.map(Into::into),
        if_unmodified_since: unmodified.map(Into::into),
        ..RequestHead::get(b"/")
    };
    let validators = Validators { etag, fields: if dated { DATED } else { b"" } };
    let verdict = judge(&request, validators);
    let expected = model(method == Method::Get, if_match, if_none_match, modified, unmodified, etag, dated);
    assert_eq!(verdict, expected);
    if method == Method::Get {
        assert_eq!(judge(&RequestHead { method: Method::Head, ..request }, validators), verdict);
    }

    if let Some(field) = if_range {
        let strong = field.trim_ascii() == b"\"a\"" && etag == b"\"a\"";
        let exact = dated && date::parse(field) == Some(CHANGED);
        assert_eq!(if_range_holds(field, validators), strong || exact);
    }
});

fn model(
    reads: bool,
    if_match: Option<&[u8]>,
    if_none_match: Option<&[u8]>,
    modified: Option<&[u8]>,
    unmodified: Option<&[u8]>,
    etag: &[u8],
    dated: bool,
) -> Verdict {
    let date = |field: Option<&[u8]>| field.and_then(date::parse).filter(|_| dated);
    if let Some(field) = if_match {
        let hit = is_any(field) || tags(field).iter().any(|tag| tag == etag && !etag.starts_with(b"W/"));
        if !hit {
            return Verdict::Failed;
        }
    } else if date(unmodified).is_some_and(|date| CHANGED > date) {
        return Verdict::Failed;
    }
    if let Some(field) = if_none_match {
        let hit = is_any(field) || tags(field).iter().any(|tag| tag == b"\"a\"" || tag == b"W/\"a\"");
        return match (hit, reads) {
            (false, _) => Verdict::Proceed,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::Failed,
        };
    }
    match date(modified) {
        Some(date) if reads && CHANGED <= date => Verdict::NotModified,
        _ => Verdict::Proceed,
    }
}

fn is_any(field: &[u8]) -> bool {
    field.trim_ascii() == b"*"
}

/// The entity tags that a list begins with, read byte by byte.
fn tags(list: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut tag: Vec<u8> = Vec::new();
    for &byte in list.trim_ascii() {
        let begun = tag.contains(&b'"');
        match byte {
            b'"' if begun => {
                tag.push(byte);
                found.push(std::mem::take(&mut tag));
            }
            _ if begun => tag.push(byte),
            b'"' if tag.is_empty() || tag == b"W/" => tag.push(byte),
            b'W' if tag.is_empty() => tag.push(byte),
            b'/' if tag == b"W" => tag.push(byte),
            b',' | b' ' | b'\t' if tag.is_empty() => {}
            _ => break,
        }
    }
    found
}

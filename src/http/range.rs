//! Range (RFC 9110, section 14): which bytes of a representation are asked for, and how several parts are sent.

use std::ops::Range;

use smallvec::SmallVec;

use super::response::push_field;

/// Most ranges that are followed in one field; no honest client asks for as many.
const MOST_SPECS: usize = 200;
/// Ranges with fewer bytes than this between them are sent as one: the head of another part takes about as many.
const GAP: u64 = 80;

/// Places in a representation, in bytes from its beginning.
pub type Parts = SmallVec<[Range<u64>; 4]>;

/// What a Range field comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everything, as if the field were not there.
    Whole,
    /// These parts, at least one, none of them empty, apart from each other, in the order in which they were asked for.
    Parts(Parts),
    /// Nothing that is there: 416.
    Unsatisfiable,
}

/// What `field` asks for of a representation of `length` bytes.
///
/// A field is ignored if its unit is not `bytes`, if it is malformed, if any of its ranges ends before it begins, or if
/// it has more than 200. White space around the ranges and empty elements are tolerated, and numbers can be of any
/// length. Ranges that overlap or nearly touch become one, in the place of the first of them. Takes time n log n.
pub fn select(field: &[u8], length: u64) -> Selection {
    let Some(specs) = specs(field) else { return Selection::Whole };
    let found: Parts = specs.iter().filter_map(|spec| spec.of(length)).collect();
    match found.first() {
        None => Selection::Unsatisfiable,
        // The end of what is empty is all of it.
        Some(_) if length == 0 => Selection::Whole,
        Some(_) => Selection::Parts(coalesced(found)),
    }
}

/// One range as it is asked for.
#[derive(Clone, Copy)]
enum Spec {
    /// From the first to the last byte, both included.
    Positions(u64, u64),
    /// So many bytes at the end.
    Suffix(u64),
}

impl Spec {
    /// The bytes of a representation of this length, or `None` if it is too short.
    fn of(&self, length: u64) -> Option<Range<u64>> {
        match *self {
            Spec::Positions(first, last) => (first < length).then(|| first..last.saturating_add(1).min(length)),
            Spec::Suffix(count) => (count > 0).then(|| length.saturating_sub(count)..length),
        }
    }
}

/// The ranges of a field, of which there is at least one; `None` if the field is to be ignored.
fn specs(field: &[u8]) -> Option<SmallVec<[Spec; 4]>> {
    let field = field.trim_ascii();
    let (unit, set) = field.split_at(field.iter().position(|&byte| byte == b'=')?);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = SmallVec::new();
    for element in set[1..].split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty()) {
        if specs.len() == MOST_SPECS {
            return None;
        }
        specs.push(spec(element)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(element: &[u8]) -> Option<Spec> {
    let (first, last) = element.split_at(element.iter().position(|&byte| byte == b'-')?);
    match (first, &last[1..]) {
        (b"", count) => Some(Spec::Suffix(number(count)?)),
        (first, b"") => Some(Spec::Positions(number(first)?, u64::MAX)),
        (first, last) => Some(Spec::Positions(number(first)?, number(last)?)).filter(|spec| match spec {
            Spec::Positions(first, last) => first <= last,
            Spec::Suffix(_) => true,
        }),
    }
}

/// A number of any length; one that is too great for any file stays so.
fn number(digits: &[u8]) -> Option<u64> {
    let value = |value: u64, &byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(value.saturating_mul(10).saturating_add(digit))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, value) }
}

/// The same parts, those as one that overlap or nearly touch.
fn coalesced(parts: Parts) -> Parts {
    if parts.len() == 1 {
        return parts;
    }
    let mut numbered: SmallVec<[(Range<u64>, usize); 4]> =
        parts.into_iter().enumerate().map(|(number, part)| (part, number)).collect();
    numbered.sort_unstable_by_key(|(part, _)| part.start);
    numbered.dedup_by(|(part, number), (before, first)| {
        let joins = part.start.saturating_sub(before.end) < GAP;
        if joins {
            before.end = before.end.max(part.end);
            *first = (*first).min(*number);
        }
        joins
    });
    numbered.sort_unstable_by_key(|(_, number)| *number);
    numbered.into_iter().map(|(part, _)| part).collect()
}

/// The value of Content-Range for `part`, which must not be empty, of a representation of `length` bytes, or for what
/// could not be satisfied.
pub fn content_range(part: Option<&Range<u64>>, length: u64) -> String {
    match part {
        Some(part) => format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1)),
        None => format!("bytes */{length}"),
    }
}

/// What goes around the parts of a multipart/byteranges content (RFC 9110, section 14.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// The media type, with the boundary.
    pub content_type: Vec<u8>,
    /// What goes before each part.
    pub heads: Vec<Vec<u8>>,
    /// What goes behind the last one.
    pub end: Vec<u8>,
    /// Length of the whole content in bytes, parts included.
    pub length: u64,
}

/// Puts `parts` of a representation of `length` bytes together; `None` if the representation is no longer than that.
///
/// The entity tag must be a digest of the representation: it makes the boundary, which the content then cannot hold.
pub fn multipart(parts: &Parts, length: u64, etag: &[u8], media_type: &[u8]) -> Option<Multipart> {
    let tag = etag.iter().filter(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)).take(60);
    let boundary: Vec<u8> = b"part-".iter().chain(tag).copied().collect();
    let head = |part: &Range<u64>| {
        let mut head = [b"\r\n--", &boundary[..], b"\r\n"].concat();
        push_field(&mut head, "Content-Type", media_type);
        push_field(&mut head, "Content-Range", content_range(Some(part), length).as_bytes());
        head.extend(b"\r\n");
        head
    };
    let mut heads: Vec<_> = parts.iter().map(head).collect();
    if let Some(first) = heads.first_mut() {
        first.drain(..2);
    }
    let end = [b"\r\n--", &boundary[..], b"--\r\n"].concat();
    let around = heads.iter().map(Vec::len).sum::<usize>() + end.len();
    let total = parts.iter().map(|part| part.end - part.start).sum::<u64>().saturating_add(around as u64);
    let content_type = [b"multipart/byteranges; boundary=", &boundary[..]].concat();
    (total < length).then_some(Multipart { content_type, heads, end, length: total })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a field selects of so many bytes, as text.
    fn selected(field: &str, length: u64) -> String {
        match select(field.as_bytes(), length) {
            Selection::Whole => "whole".into(),
            Selection::Unsatisfiable => "nothing".into(),
            Selection::Parts(parts) => {
                parts.iter().map(|part| format!("{}..{}", part.start, part.end)).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn one_range() {
        for (field, expected) in [
            ("bytes=0-0", "0..1"),
            ("bytes=0-9", "0..10"),
            ("bytes=0-", "0..1000"),
            ("bytes=999-", "999..1000"),
            ("bytes=999-5000", "999..1000"),
            ("bytes=1000-", "nothing"),
            ("bytes=1000-1001", "nothing"),
            ("bytes=-1", "999..1000"),
            ("bytes=-1000", "0..1000"),
            ("bytes=-5000", "0..1000"),
            ("bytes=-0", "nothing"),
            ("BYTES=0-0", "0..1"),
            ("bytes=000-0009", "0..10"),
            (" bytes=0-0\t", "0..1"),
            ("bytes= 0-0 ", "0..1"),
            ("bytes=,,0-0 ,", "0..1"),
            ("bytes=0-99999999999999999999999", "0..1000"),
            ("bytes=99999999999999999999999-", "nothing"),
            ("bytes=18446744073709551615-18446744073709551616", "nothing"),
            ("bytes=-99999999999999999999999", "0..1000"),
        ] {
            assert_eq!(selected(field, 1000), expected, "{field:?}");
        }
    }

    #[test]
    fn what_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=0",
            "bytes=0-1x",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=0--1",
            "bytes=0 - 1",
            "bytes=0- 1",
            "bytes =0-1",
            "bytes:0-1",
            "bytes 0-1",
            "bytes 0-1/1000",
            "bytes=0-1;2-3",
            "byte=0-1",
            "items=0-1",
            "=0-1",
            "none",
            "bytes=2-1",
            "bytes=0-1,5-4",
            "bytes=0-1,x",
            "bytes=5000-4000",
            "bytes=0-1, bytes=2-3",
            "bytes=0x1-2",
            "bytes=\u{661}-2",
        ] {
            assert_eq!(selected(field, 1000), "whole", "{field:?}");
        }
    }

    #[test]
    fn several_ranges() {
        for (field, expected) in [
            ("bytes=0-0,500-500", "0..1 500..501"),
            ("bytes=500-500 , 0-0", "500..501 0..1"),
            ("bytes=0-0,80-80", "0..81"),
            ("bytes=0-0,81-81", "0..1 81..82"),
            ("bytes=0-9,5-14", "0..15"),
            ("bytes=0-9,10-19", "0..20"),
            ("bytes=0-99,10-19", "0..100"),
            ("bytes=500-509,0-9,505-600", "500..601 0..10"),
            ("bytes=900-,0-9,300-309,200-299", "900..1000 0..10 200..310"),
            ("bytes=0-,-1", "0..1000"),
            ("bytes=2000-,0-0,-0", "0..1"),
            ("bytes=2000-,-0", "nothing"),
            ("bytes=0-0,0-0,0-0", "0..1"),
        ] {
            assert_eq!(selected(field, 1000), expected, "{field:?}");
        }
    }

    #[test]
    fn nothing_of_an_empty_representation() {
        for (field, expected) in [
            ("bytes=0-", "nothing"),
            ("bytes=0-0", "nothing"),
            ("bytes=-0", "nothing"),
            ("bytes=-1", "whole"),
            ("bytes=0-,-1", "whole"),
        ] {
            assert_eq!(selected(field, 0), expected, "{field:?}");
        }
        assert_eq!(selected("bytes=18446744073709551614-", u64::MAX), "18446744073709551614..18446744073709551615");
        assert_eq!(selected("bytes=0-18446744073709551615", u64::MAX), "0..18446744073709551615");
    }

    #[test]
    fn two_hundred_ranges_are_followed_and_no_more() {
        let of = |count: u64| {
            let specs: Vec<_> = (0..count).map(|number| format!("{0}-{0}", (count - number) * 1000)).collect();
            match select(format!("bytes={}", specs.join(",")).as_bytes(), 1 << 20) {
                Selection::Parts(parts) => parts.len(),
                _ => 0,
            }
        };
        assert_eq!((of(200), of(201)), (200, 0));
    }

    #[test]
    fn a_multipart_is_framed_as_the_rfc_has_it() {
        let parts = Parts::from_vec(vec![5000..7000, 500..1000]);
        let multipart = multipart(&parts, 8000, b"W/\"a/b-c\"", b"text/plain").unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!(text(&multipart.content_type), "multipart/byteranges; boundary=part-Wab-c");
        let heads: Vec<_> = multipart.heads.iter().map(|head| text(head)).collect();
        let first = "--part-Wab-c\r\nContent-Type: text/plain\r\nContent-Range: bytes 5000-6999/8000\r\n\r\n";
        let second = "\r\n--part-Wab-c\r\nContent-Type: text/plain\r\nContent-Range: bytes 500-999/8000\r\n\r\n";
        assert_eq!(heads, [first, second]);
        assert_eq!(text(&multipart.end), "\r\n--part-Wab-c--\r\n");
        let around = first.len() + second.len() + multipart.end.len();
        assert_eq!(multipart.length, 2500 + around as u64);

        let small = |length| super::multipart(&Parts::from_vec(vec![0..1, 100..101]), length, b"\"a\"", b"").is_some();
        let around = "--part-a\r\nContent-Range: bytes 0-0/500\r\n\r\n".len() * 2 + 2 + 4 + "\r\n--part-a--\r\n".len();
        assert_eq!((small(around as u64 + 2), small(around as u64 + 3)), (false, true));
    }

    #[test]
    fn content_ranges() {
        assert_eq!(content_range(Some(&(0..1)), 10), "bytes 0-0/10");
        assert_eq!(content_range(None, 10), "bytes */10");
    }

    proptest::proptest! {
        #[test]
        fn parts_are_what_was_asked_for_and_little_more(
            length in 1u64..3000,
            specs in proptest::collection::vec((0u64..3200, 0u64..400, 0u8..5), 1..12),
        ) {
            let text: Vec<_> = specs.iter().map(|(first, count, form)| match form {
                0 => format!("{first}-"),
                1 => format!("-{count}"),
                _ => format!("{first}-{}", first + count),
            }).collect();
            let wanted = |place: u64| specs.iter().any(|&(first, count, form)| match form {
                0 => place >= first,
                1 => place + count >= length,
                _ => (first..=first + count).contains(&place),
            });
            let asked: Vec<bool> = (0..length).map(wanted).collect();
            match select(format!("bytes={}", text.join(",")).as_bytes(), length) {
                Selection::Whole => proptest::prop_assert!(false, "{:?}", text),
                Selection::Unsatisfiable => proptest::prop_assert!(!asked.contains(&true)),
                Selection::Parts(parts) => {
                    let mut sent = vec![0u8; length as usize];
                    for part in &parts {
                        proptest::prop_assert!(part.start < part.end && part.end <= length);
                        // Both ends were asked for, and nothing in between is far from what was.
                        let part = part.start as usize..part.end as usize;
                        proptest::prop_assert!(asked[part.start] && asked[part.end - 1]);
                        proptest::prop_assert!(!asked[part.clone()].split(|&asked| asked).any(|gap| gap.len() >= 80));
                        sent[part].iter_mut().for_each(|times| *times += 1);
                    }
                    proptest::prop_assert!(sent.iter().all(|&times| times <= 1), "they overlap");
                    proptest::prop_assert!(asked.iter().zip(&sent).all(|(&asked, &times)| !asked || times == 1));
                    let mut sorted = parts.clone();
                    sorted.sort_by_key(|part| part.start);
                    proptest::prop_assert!(sorted.windows(2).all(|pair| pair[1].start - pair[0].end >= 80));
                    // In the order of the first range that each holds.
                    let first_of = |part: &Range<u64>| specs.iter().position(|&(first, count, form)| match form {
                        1 => count > 0 && part.contains(&length.saturating_sub(count)),
                        _ => part.contains(&first),
                    });
                    let order: Vec<_> = parts.iter().map(first_of).collect();
                    proptest::prop_assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{:?}", order);
                }
            }
        }

        #[test]
        fn a_multipart_gives_the_parts_back(
            content in proptest::collection::vec(0u8..4, 200..4000),
            starts in proptest::collection::vec((0usize..4000, 1usize..300), 2..6),
        ) {
            let length = content.len() as u64;
            let specs: Vec<_> = starts.iter().map(|(first, count)| format!("{first}-{}", first + count - 1)).collect();
            let field = format!("bytes={}", specs.join(","));
            let Selection::Parts(parts) = select(field.as_bytes(), length) else { return Ok(()) };
            let Some(multipart) = multipart(&parts, length, b"\"tag\"", b"a/b") else { return Ok(()) };
            let mut bytes = Vec::new();
            for (head, part) in multipart.heads.iter().zip(&parts) {
                bytes.extend(head);
                bytes.extend(&content[part.start as usize..part.end as usize]);
            }
            bytes.extend(&multipart.end);
            proptest::prop_assert_eq!(bytes.len() as u64, multipart.length);
            proptest::prop_assert!(multipart.length < length);

            // Cut at the delimiters, as a client does.
            let text = String::from_utf8(bytes).unwrap();
            let text = format!("\r\n{text}");
            let cut: Vec<_> = text.split("\r\n--part-tag").collect();
            proptest::prop_assert_eq!((cut[0], *cut.last().unwrap(), cut.len()), ("", "--\r\n", parts.len() + 2));
            for (piece, part) in cut[1..].iter().zip(&parts) {
                let (head, inner) = piece.split_once("\r\n\r\n").unwrap();
                let range = content_range(Some(part), length);
                proptest::prop_assert_eq!(head, format!("\r\nContent-Type: a/b\r\nContent-Range: {range}"));
                proptest::prop_assert_eq!(inner.as_bytes(), &content[part.start as usize..part.end as usize]);
            }
        }

        #[test]
        fn any_bytes_select_something(field: Vec<u8>, length: u64) {
            if let Selection::Parts(parts) = select(&[b"bytes=", &field[..]].concat(), length) {
                proptest::prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
            }
        }
    }
}

//! Range, beside a plain model that marks bytes one by one. The first two bytes tell how long the representation is.
#![no_main]

use std::ops::Range;

use connegd::http::range::{Selection, content_range, multipart, select};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((length, field)) = input.split_first_chunk::<2>() else { return };
    let length = u64::from(u16::from_le_bytes(*length) % 4096);
    is_as_the_model_has_it(field, length);
    is_as_the_model_has_it(&[b"bytes=", field].concat(), length);

    // Of what is longer than anything can be.
    if let Selection::Parts(parts) = select(&[b"bytes=", field].concat(), u64::MAX) {
        assert!(parts.iter().all(|part| part.start < part.end));
        assert!(multipart(&parts, u64::MAX, b"\"tag\"", b"a/b").is_none_or(|multipart| multipart.length < u64::MAX));
    }
});

fn is_as_the_model_has_it(field: &[u8], length: u64) {
    let selection = select(field, length);
    let expected = model(field, length);
    let Selection::Parts(parts) = &selection else {
        return assert_eq!(selection, expected);
    };
    assert_eq!(selection, expected);
    let Some(multipart) = multipart(parts, length, b"\"tag\"", b"a/b") else { return };
    let mut content = Vec::new();
    for (head, part) in multipart.heads.iter().zip(parts) {
        content.extend(head);
        assert!(head.ends_with(format!("{}\r\n\r\n", content_range(Some(part), length)).as_bytes()));
        content.extend((part.start..part.end).map(|place| place as u8));
    }
    content.extend(&multipart.end);
    assert!(content.len() as u64 == multipart.length && multipart.length < length);
}

fn model(field: &[u8], length: u64) -> Selection {
    let Some(specs) = specs(field) else { return Selection::Whole };
    let ranges = specs.into_iter().filter_map(|(first, last)| match (first, last) {
        (Some(first), last) if first < length => {
            Some(first..last.map_or(length, |last| length.min(last.saturating_add(1))))
        }
        (None, Some(count)) if count > 0 => Some(length - length.min(count)..length),
        _ => None,
    });
    let ranges: Vec<Range<u64>> = ranges.collect();
    if ranges.is_empty() {
        return Selection::Unsatisfiable;
    }
    if length == 0 {
        return Selection::Whole;
    }
    let mut asked = vec![false; length as usize];
    for range in &ranges {
        asked[range.start as usize..range.end as usize].fill(true);
    }
    let mut parts: Vec<Range<u64>> = Vec::new();
    for place in (0..length).filter(|&place| asked[place as usize]) {
        match parts.last_mut() {
            Some(part) if place - part.end < 80 => part.end = place + 1,
            _ => parts.push(place..place + 1),
        }
    }
    parts.sort_by_key(|part| ranges.iter().position(|range| part.contains(&range.start)));
    Selection::Parts(parts.into())
}

/// First and last numbers of each range.
#[allow(clippy::type_complexity)]
fn specs(field: &[u8]) -> Option<Vec<(Option<u64>, Option<u64>)>> {
    let (unit, set) = std::str::from_utf8(field).ok()?.trim_ascii().split_once('=')?;
    if unit.to_ascii_lowercase() != "bytes" {
        return None;
    }
    let elements = set.split(',').map(str::trim_ascii).filter(|element| !element.is_empty());
    let specs: Option<Vec<_>> = elements
        .map(|element| {
            let (first, last) = element.split_once('-')?;
            let [first, last] = [number(first)?, number(last)?];
            match (first, last) {
                (None, None) => None,
                (Some(first), Some(last)) if first > last => None,
                spec => Some(spec),
            }
        })
        .collect();
    specs.filter(|specs| (1..=200).contains(&specs.len()))
}

/// A number that may be absent; one that is not digits is `None`.
fn number(text: &str) -> Option<Option<u64>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = text.trim_start_matches('0');
    Some(match (text, digits) {
        ("", _) => None,
        (_, "") => Some(0),
        _ => Some(digits.parse().unwrap_or(u64::MAX)),
    })
}

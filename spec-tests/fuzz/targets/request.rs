//! Heads of requests, and the answers that a small site has for them.
#![no_main]

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use connegd::answer::{Content, Part, answer, rejection};
use connegd::http::request::{self, Limits, Parsed, RequestHead};
use connegd::http::response::{field_lines, field_value};
use connegd::resource::Policy;
use connegd::webroot::Mapped;
use libfuzzer_sys::fuzz_target;

static SITES: LazyLock<[Mapped; 2]> = LazyLock::new(|| [Policy::Modern, Policy::Apache].map(connegd_fuzz::webroot));

const LIMITS: Limits = Limits { target: 8 * 1024, head: 64 * 1024, fields: 100 };

fn parse(bytes: &[u8]) -> Parsed<'_> {
    request::parse(bytes, &LIMITS)
}

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes) {
        Parsed::Head(head, length) => {
            assert!(length <= bytes.len() && length <= LIMITS.head && head.target.len() <= LIMITS.target);
            let Parsed::Head(alone, _) = parse(&bytes[..length]) else {
                panic!("what follows a head is no part of it")
            };
            assert_eq!(format!("{head:?}"), format!("{alone:?}"));
            assert!(matches!(parse(&bytes[..length - 1]), Parsed::NeedMore));
            renders_and_reads_back(&head);
            SITES.iter().for_each(|site| is_answered(site, &head));
        }
        Parsed::NeedMore => assert!(bytes.len() < LIMITS.head),
        Parsed::Reject(status) => {
            assert!(matches!(parse(&[bytes, b"\r\n\r\n"].concat()), Parsed::Reject(_)), "{status:?} is the last word");
            let answer = rejection(Some(SITES[0].webroot()), status, None);
            assert_eq!(answer.status, status);
        }
    }
});

/// The fields that matter, in the order in which they are rendered here.
fn fields<'h, 'a>(head: &'h RequestHead<'a>) -> [(&'static str, &'h Option<Cow<'a, [u8]>>); 12] {
    [
        ("Accept", &head.accept),
        ("accept-language", &head.accept_language),
        ("ACCEPT-CHARSET", &head.accept_charset),
        ("Accept-Encoding", &head.accept_encoding),
        ("If-Match", &head.if_match),
        ("If-None-Match", &head.if_none_match),
        ("If-Modified-Since", &head.if_modified_since),
        ("If-Unmodified-Since", &head.if_unmodified_since),
        ("If-Range", &head.if_range),
        ("Range", &head.range),
        ("Negotiate", &head.negotiate),
        ("User-Agent", &head.user_agent),
    ]
}

fn renders_and_reads_back(head: &RequestHead<'_>) {
    let mut text = [b"GET ", head.target, b" HTTP/1.1\r\nHost: x\r\n"].concat();
    for (name, value) in fields(head) {
        if let Some(value) = value {
            text.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
        }
    }
    text.extend(b"\r\n");
    if text.len() > LIMITS.head {
        return;
    }
    let Parsed::Head(again, _) = parse(&text) else { panic!("{:?}", String::from_utf8_lossy(&text)) };
    assert_eq!(again.target, head.target);
    for ((name, value), (_, again)) in fields(head).into_iter().zip(fields(&again)) {
        // An empty last line of a field leaves a space behind the comma.
        assert_eq!(
            value.as_deref().map(<[u8]>::trim_ascii_end),
            again.as_deref().map(<[u8]>::trim_ascii_end),
            "{name}"
        );
    }
}

fn is_answered(site: &Mapped, head: &RequestHead<'_>) {
    let answer = answer(site.webroot(), head);
    let lines = answer.fields.bytes();
    assert!(lines.is_empty() || lines.ends_with(b"\r\n"));
    assert!(!lines.windows(4).any(|bytes| bytes == b"\r\n\r\n"), "a field ends the head");
    assert_eq!(field_lines(lines).len(), lines.iter().filter(|&&byte| byte == b'\n').count());
    let is_there = |range: &Range<u64>| {
        assert_eq!(site.webroot().bytes(range.clone()).len() as u64, range.end - range.start);
    };
    match &answer.content {
        Content::Stored(range) => is_there(range),
        Content::Parts(parts) => parts.iter().for_each(|part| match part {
            Part::Stored(range) => is_there(range),
            Part::Generated(bytes) => assert!(!bytes.is_empty()),
        }),
        Content::None | Content::Generated(_) => {}
    }
    if answer.content != Content::None {
        let length = field_value(lines, "Content-Length").expect("a length");
        assert_eq!(length, answer.content.length().to_string().as_bytes());
    }
}

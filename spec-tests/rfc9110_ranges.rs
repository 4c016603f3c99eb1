//! RFC 9110, section 14: ranges, each case with its section.

use std::ops::Range;

use crate::support::table::{Case, FURTHER, check};
use crate::support::{Response, Server, Workshop};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const SECONDS: u64 = 784_111_777;

/// 1 000 bytes of which no two stretches are the same.
fn thousand() -> Vec<u8> {
    (0..250).flat_map(|number| format!("{number:04}").into_bytes()).collect()
}

/// Long enough for sendfile, and its parts, too.
fn long() -> Vec<u8> {
    (0..150_000u32).flat_map(|number| (number as u16 ^ 0x5aa5).to_be_bytes()).collect()
}

fn site() -> Workshop {
    let workshop = Workshop::with_site(&[("thousand.txt", &thousand()), ("long.bin", &long()), ("empty.txt", b"")]);
    let workshop =
        workshop.and("ten.txt", "0123456789").and("doc.en.html", "<p>english").and("doc.fr.html", "<p>francais");
    workshop.and("style.css.gz", "not really gzip, but labelled so").and(FURTHER.0, FURTHER.1).changed_at(SECONDS)
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    ("14.1.2", "the first bytes", "GET /ten | Range: bytes=0-3", "206 | Content-Range: bytes 0-3/10 | Content-Length: 4 | = 0123"),
    ("14.1.2", "one byte", "GET /ten | Range: bytes=5-5", "206 | Content-Range: bytes 5-5/10 | = 5"),
    ("14.1.2", "to the end", "GET /ten | Range: bytes=7-", "206 | Content-Range: bytes 7-9/10 | = 789"),
    ("14.1.2", "beyond the end", "GET /ten | Range: bytes=7-100", "206 | Content-Range: bytes 7-9/10 | = 789"),
    ("14.1.2", "a suffix", "GET /ten | Range: bytes=-3", "206 | Content-Range: bytes 7-9/10 | = 789"),
    ("14.1.2", "a suffix longer than all", "GET /ten | Range: bytes=-30", "206 | Content-Range: bytes 0-9/10 | = 0123456789"),
    ("14.1.2", "all of it", "GET /ten | Range: bytes=0-", "206 | Content-Range: bytes 0-9/10 | = 0123456789"),
    ("14.1.2", "numbers beyond 64 bits", "GET /ten | Range: bytes=8-99999999999999999999999", "206 | = 89"),
    ("14.1.2", "leading zeros", "GET /ten | Range: bytes=0007-00008", "206 | = 78"),
    ("14.1", "the unit in any case", "GET /ten | Range: Bytes=0-0", "206 | = 0"),
    ("5.6.1", "empty elements and white space", "GET /ten | Range: bytes= ,, 0-0 ,\t", "206 | = 0"),
    ("14.1.2", "begins at the end", "GET /ten | Range: bytes=10-", "416 | Content-Range: bytes */10"),
    ("14.1.2", "begins beyond the end", "GET /ten | Range: bytes=20-30", "416 | Content-Range: bytes */10"),
    ("14.1.2", "a suffix of nothing", "GET /ten | Range: bytes=-0", "416 | Content-Range: bytes */10"),
    ("14.1.2", "several, none of them there", "GET /ten | Range: bytes=10-11,20-", "416 | Content-Range: bytes */10"),
    ("14.1.2", "several, one of them there", "GET /ten | Range: bytes=10-11,2-3", "206 | Content-Range: bytes 2-3/10 | = 23"),
    ("14.1.2", "of what is empty", "GET /empty | Range: bytes=0-", "416 | Content-Range: bytes */0"),
    ("14.1.2", "the end of what is empty", "GET /empty | Range: bytes=-5", "200 | Content-Length: 0"),
    ("14.1.1", "ends before it begins", "GET /ten | Range: bytes=5-4", "200 | = 0123456789"),
    ("14.1.1", "one of several does", "GET /ten | Range: bytes=0-1,5-4", "200"),
    ("14.2", "an unknown unit", "GET /ten | Range: lines=0-1", "200 | !Content-Range"),
    ("14.2", "no unit", "GET /ten | Range: 0-1", "200"),
    ("14.2", "no ranges", "GET /ten | Range: bytes=", "200"),
    ("14.2", "only a hyphen", "GET /ten | Range: bytes=-", "200"),
    ("14.2", "no hyphen", "GET /ten | Range: bytes=5", "200"),
    ("14.2", "a sign", "GET /ten | Range: bytes=+0-1", "200"),
    ("14.2", "two hyphens", "GET /ten | Range: bytes=0--1", "200"),
    ("14.2", "letters", "GET /ten | Range: bytes=a-b", "200"),
    ("14.2", "hexadecimal digits", "GET /ten | Range: bytes=0x0-0x1", "200"),
    ("14.2", "white space within", "GET /ten | Range: bytes=0 - 1", "200"),
    ("14.2", "white space before the sign", "GET /ten | Range: bytes =0-1", "200"),
    ("14.2", "a semicolon", "GET /ten | Range: bytes=0-1;2-3", "200"),
    ("14.2", "a colon", "GET /ten | Range: bytes:0-1", "200"),
    ("14.2", "the field of an answer", "GET /ten | Range: bytes 0-1/10", "200"),
    ("14.2", "two fields", "GET /ten | Range: bytes=0-1 | Range: bytes=2-3", "200"),
    ("14.2", "one good, one bad", "GET /ten | Range: bytes=0-1,x", "200"),
    ("14.2", "an empty field", "GET /ten | Range:", "200"),
    ("14.2", "HEAD has none", "HEAD /ten | Range: bytes=0-1", "200 | Content-Length: 10 | !Content-Range"),
    ("14.2", "HEAD beyond the end has none", "HEAD /ten | Range: bytes=20-", "200 | Content-Length: 10"),
    ("14.2", "OPTIONS has none", "OPTIONS /ten | Range: bytes=0-1", "200 | !Content-Range"),
    ("14.2", "nor has what is missing", "GET /none | Range: bytes=0-1", "404 | !Content-Range"),
    ("14.2", "nor a redirect", "GET http://h/ten.txt/ | Range: bytes=0-1", "404 | !Content-Range"),
    ("14.2", "nor what is not acceptable", "GET /ten | Accept: image/png | Range: bytes=0-1", "406 | !Content-Range"),
    ("14.3", "said of a negotiated resource", "GET /ten", "200 | Accept-Ranges: bytes"),
    ("14.3", "of a file by its whole name", "GET /ten.txt", "200 | Accept-Ranges: bytes"),
    ("14.3", "in answer to HEAD", "HEAD /ten", "200 | Accept-Ranges: bytes"),
    ("14.3", "with a part", "GET /ten | Range: bytes=0-1", "206 | Accept-Ranges: bytes"),
    ("14.3", "not of an error", "GET /none", "404 | !Accept-Ranges"),
    ("15.3.7", "a part has the fields of the whole", "GET /doc | Accept-Language: fr | Range: bytes=3-10",
        "206 | ETag: {fr} | Last-Modified: {same} | Vary: Accept, Accept-Language | Content-Location: doc.fr.html | Content-Language: fr | Content-Type: text/html | = francais"),
    ("15.3.7", "of a coded one, the bytes as they are sent", "GET /style.css.gz | Range: bytes=0-9", "206 | Content-Encoding: gzip | Content-Range: bytes 0-9/32 | = not really"),
    ("15.5.17", "416 tells of the representation that is there", "GET /doc | Accept-Language: fr | Range: bytes=99-",
        "416 | Content-Range: bytes */11 | ETag: {fr} | Vary: Accept, Accept-Language | Content-Location: doc.fr.html | Content-Type: text/html; charset=utf-8 | !Last-Modified | !Accept-Ranges"),
    ("15.5.17", "in plain text", "GET /ten | Accept: text/plain | Range: bytes=99-", "416 | Content-Type: text/plain; charset=utf-8"),
    ("13.1.5", "a tag that is current", "GET /ten | If-Range: {ten} | Range: bytes=0-1", "206 | = 01"),
    ("13.1.5", "a tag that is not", "GET /ten | If-Range: \"x\" | Range: bytes=0-1", "200 | = 0123456789"),
    ("13.1.5", "comparison is strong", "GET /ten | If-Range: W/{ten} | Range: bytes=0-1", "200"),
    ("13.1.5", "a list is no tag", "GET /ten | If-Range: {ten}, \"x\" | Range: bytes=0-1", "200"),
    ("13.1.5", "* is no tag", "GET /ten | If-Range: * | Range: bytes=0-1", "200"),
    ("13.1.5", "the date of the last change", "GET /ten | If-Range: {same} | Range: bytes=0-1", "206 | = 01"),
    ("13.1.5", "the same in the format of RFC 850", "GET /ten | If-Range: Sunday, 06-Nov-94 08:49:37 GMT | Range: bytes=0-1", "206"),
    ("13.1.5", "an earlier date", "GET /ten | If-Range: Sun, 06 Nov 1994 08:49:36 GMT | Range: bytes=0-1", "200"),
    ("13.1.5", "a later date", "GET /ten | If-Range: Sun, 06 Nov 1994 08:49:38 GMT | Range: bytes=0-1", "200"),
    ("13.1.5", "what is no date", "GET /ten | If-Range: x | Range: bytes=0-1", "200"),
    ("13.1.5", "the tag of another variant", "GET /doc | Accept-Language: fr | If-Range: {en} | Range: bytes=0-1", "200 | ETag: {fr} | = <p>francais"),
    ("13.1.5", "of the one that is selected", "GET /doc | Accept-Language: fr | If-Range: {fr} | Range: bytes=0-1", "206 | = <p"),
    ("13.1.5", "a stale tag makes 416 impossible", "GET /ten | If-Range: \"x\" | Range: bytes=99-", "200"),
    ("13.1.5", "an empty field", "GET /ten | If-Range: | Range: bytes=0-1", "200"),
];

#[test]
fn ranges() {
    let server = Server::start(&site().pack());
    let etag = |target: &str| server.get(target, &[]).field("ETag").expect("an entity tag").to_string();
    let words =
        [("ten", etag("/ten")), ("en", etag("/doc.en.html")), ("fr", etag("/doc.fr.html")), ("same", MODIFIED.into())];
    check(&server, CASES, &words);
}

/// The parts of a multipart/byteranges content: their ranges as Content-Range tells them, and their bytes.
fn parts(response: &Response, length: usize, media_type: &str) -> Vec<(Range<usize>, Vec<u8>)> {
    let content_type = response.field("Content-Type").expect("a type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
    assert!(!boundary.is_empty() && boundary.len() <= 70);
    assert_eq!(response.field("Content-Range"), None, "15.3.7.2: it is the parts that have one");
    let mut rest = &response.content[..];
    let mut parts = Vec::new();
    let mut delimiter = format!("--{boundary}");
    loop {
        rest = rest.strip_prefix(delimiter.as_bytes()).expect("a delimiter");
        if rest == b"--\r\n" {
            return parts;
        }
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of a head");
        let head = std::str::from_utf8(&rest[..end]).expect("a head");
        let fields: Vec<_> = head.trim().lines().map(|line| line.split_once(": ").expect("a field")).collect();
        let range = fields.iter().find(|(name, _)| *name == "Content-Range").expect("a range").1;
        let (first, last) = range
            .strip_prefix("bytes ")
            .and_then(|range| range.strip_suffix(&format!("/{length}")))
            .and_then(|range| range.split_once('-'))
            .expect("a range");
        let range = first.parse().unwrap()..last.parse::<usize>().unwrap() + 1;
        assert_eq!(fields, [("Content-Type", media_type), ("Content-Range", fields[1].1)]);
        rest = &rest[end + 4..];
        parts.push((range.clone(), rest[..range.len()].to_vec()));
        rest = &rest[range.len()..];
        delimiter = format!("\r\n--{boundary}");
    }
}

/// Section, words, ranges, the parts that are to be sent (first and last byte); none for the whole.
type Several = (&'static str, &'static str, &'static str, &'static [(usize, usize)]);

#[rustfmt::skip]
pub const SEVERAL: &[Several] = &[
    ("14.6", "two", "0-0,500-509", &[(0, 0), (500, 509)]),
    ("15.3.7.2", "in the order of the request", "500-509,0-0", &[(500, 509), (0, 0)]),
    ("14.6", "a suffix and an open one", "-5,0-2,300-310", &[(995, 999), (0, 2), (300, 310)]),
    ("15.3.7.2", "without those that are not there", "0-0,2000-,200-201", &[(0, 0), (200, 201)]),
    ("15.3.7.2", "overlapping ones are one", "0-9,300-310,5-14", &[(0, 14), (300, 310)]),
    ("15.3.7.2", "so are near ones", "0-9,89-90,300-301", &[(0, 90), (300, 301)]),
    ("15.3.7.2", "but not those with a gap of 80 bytes", "0-9,90-90,300-301", &[(0, 9), (90, 90), (300, 301)]),
    ("15.3.7.2", "one within another", "0-99,300-400,310-320,5-6", &[(0, 99), (300, 400)]),
    ("14.2", "as long as the whole: the whole", "0-400,500-990", &[]),
    ("14.2", "white space", "0-0 , 500-500", &[(0, 0), (500, 500)]),
];

#[test]
fn several_ranges() {
    let server = Server::start(&site().pack());
    let whole = thousand();
    for (section, words, ranges, expected) in SEVERAL {
        let response = server.get("/thousand", &[&format!("Range: bytes={ranges}")]);
        if expected.is_empty() {
            assert_eq!((response.status, &response.content), (200, &whole), "{section}, {words}");
            continue;
        }
        assert_eq!(response.status, 206, "{section}, {words}");
        let found = parts(&response, whole.len(), "text/plain");
        assert_eq!(response.field("ETag"), server.get("/thousand", &[]).field("ETag"), "{section}, {words}");
        let places: Vec<_> = found.iter().map(|(range, _)| (range.start, range.end - 1)).collect();
        assert_eq!(places, *expected, "{section}, {words}");
        assert!(found.iter().all(|(range, bytes)| *bytes == whole[range.clone()]), "{section}, {words}");
    }
}

#[test]
fn what_becomes_one_range_is_sent_as_one() {
    let server = Server::start(&site().pack());
    let response = server.get("/thousand", &["Range: bytes=0-9,5-14,20-29"]);
    assert_eq!((response.status, response.field("Content-Range")), (206, Some("bytes 0-29/1000")));
    assert_eq!(response.content, &thousand()[..30]);
}

#[test]
fn two_hundred_ranges_and_no_more() {
    let server = Server::start(&site().pack());
    let field = |count: usize| {
        let ranges: Vec<_> = (0..count).map(|number| format!("{0}-{0}", number * 1000)).collect();
        format!("Range: bytes={}", ranges.join(","))
    };
    let response = server.get("/long", &[&field(200)]);
    assert_eq!(response.status, 206);
    assert_eq!(parts(&response, 300_000, "application/octet-stream").len(), 200);
    let response = server.get("/long", &[&field(201)]);
    assert_eq!((response.status, response.content.len()), (200, 300_000));
}

#[test]
fn long_parts_are_sent_from_the_file() {
    let server = Server::start(&site().pack());
    let whole = long();
    let mut connection = server.connect();
    let cases: [(&str, &[(usize, usize)]); 4] = [
        ("100-250000", &[(100, 250_001)]),
        ("1-99999,150000-250000", &[(1, 100_000), (150_000, 250_001)]),
        ("200000-299999,5-5,1000-90000", &[(200_000, 300_000), (5, 6), (1000, 90_001)]),
        ("-70000", &[(230_000, 300_000)]),
    ];
    for (ranges, places) in cases {
        let places: Vec<_> = places.iter().map(|&(start, end)| start..end).collect();
        connection.send(crate::support::head("GET", "/long", &[&format!("Range: bytes={ranges}")]));
        let response = connection.receive(false);
        assert_eq!(response.status, 206, "{ranges}");
        let found = match &places[..] {
            [range] => vec![(range.clone(), response.content.clone())],
            _ => parts(&response, whole.len(), "application/octet-stream"),
        };
        assert_eq!(found.iter().map(|(range, _)| range.clone()).collect::<Vec<_>>(), places, "{ranges}");
        assert!(found.iter().all(|(range, bytes)| bytes[..] == whole[range.clone()]), "{ranges}");
    }
}

//! RFC 9110, section 13: preconditions on the selected representation, each case with its section.

use crate::support::table::{Case, FURTHER, check};
use crate::support::{Server, Workshop};

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const SECONDS: u64 = 784_111_777;

const MAP: &str = "URI: doc.en.html\nContent-Type: text/html\nContent-Language: en\n\n\
    URI: doc.fr.html\nContent-Type: text/html\nContent-Language: fr\n";

fn site() -> Workshop {
    let names = ["doc.en.html", "doc.fr.html", "doc.en.txt", "plain.txt", "d/index.html", FURTHER.0];
    let workshop = names.iter().fold(Workshop::with_site(&[]), |workshop, name| workshop.and(name, *name));
    workshop.and(FURTHER.0, FURTHER.1).and("map.var", MAP).changed_at(SECONDS)
}

/// `{en}`, `{fr}` and so on are entity tags.
fn words(server: &Server) -> Vec<(&'static str, String)> {
    let etag = |target: &str| server.get(target, &[]).field("ETag").expect("an entity tag").to_string();
    vec![
        ("en", etag("/doc.en.html")),
        ("fr", etag("/doc.fr.html")),
        ("text", etag("/doc.en.txt")),
        ("plain", etag("/plain.txt")),
        ("same", MODIFIED.into()),
        ("before", "Sun, 06 Nov 1994 08:49:36 GMT".into()),
        ("after", "Sun, 06 Nov 1994 08:49:38 GMT".into()),
    ]
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    ("13.1.1", "a tag that is current", "GET /plain | If-Match: {plain}", "200 | = plain.txt"),
    ("13.1.1", "a tag that is not", "GET /plain | If-Match: \"x\"", "412 | ETag: {plain} | Vary: Accept"),
    ("13.1.1", "one of a list", "GET /plain | If-Match: \"x\", {plain}", "200"),
    ("13.1.1", "one of two lines", "GET /plain | If-Match: \"x\" | If-Match: {plain}", "200"),
    ("13.1.1", "none of a list", "GET /plain | If-Match: \"x\", \"y\"", "412"),
    ("13.1.1", "* is any representation", "GET /plain | If-Match: *", "200"),
    ("13.1.1", "* of what is not there", "GET /none | If-Match: *", "404"),
    ("13.1.1", "comparison is strong", "GET /plain | If-Match: W/{plain}", "412"),
    ("13.1.1", "an empty field names nothing", "GET /plain | If-Match:", "412"),
    ("13.1.1", "a file by its whole name", "GET /plain.txt | If-Match: \"x\"", "412 | ETag: {plain}"),
    ("13.1.1", "HEAD as GET", "HEAD /plain | If-Match: \"x\"", "412 | = "),
    ("13.1.1", "the tag of another variant", "GET /doc | Accept-Language: fr | If-Match: {en}", "412 | ETag: {fr}"),
    ("13.1.2", "a tag that is current", "GET /plain | If-None-Match: {plain}", "304 | ETag: {plain} | = "),
    ("13.1.2", "a tag that is not", "GET /plain | If-None-Match: \"x\"", "200 | = plain.txt"),
    ("13.1.2", "one of a list", "GET /plain | If-None-Match: \"x\",, {plain}", "304"),
    ("13.1.2", "one of two lines", "GET /plain | If-None-Match: \"x\" | If-None-Match: {plain}", "304"),
    ("13.1.2", "a comma within a tag", "GET /plain | If-None-Match: \"a,b\", {plain}", "304"),
    ("13.1.2", "* is any representation", "GET /plain | If-None-Match: *", "304"),
    ("13.1.2", "* in quotes is a tag", "GET /plain | If-None-Match: \"*\"", "200"),
    ("13.1.2", "comparison is weak", "GET /plain | If-None-Match: W/{plain}", "304"),
    ("13.1.2", "a tag without quotes is none", "GET /plain | If-None-Match: x", "200"),
    ("13.1.2", "HEAD as GET", "HEAD /plain | If-None-Match: {plain}", "304 | ETag: {plain} | !Content-Length"),
    ("13.1.2", "the variant that is selected", "GET /doc | Accept-Language: fr | If-None-Match: {fr}", "304 | ETag: {fr} | Content-Location: doc.fr.html"),
    ("13.1.2", "another variant, by language", "GET /doc | Accept-Language: fr | If-None-Match: {en}", "200 | ETag: {fr} | = doc.fr.html"),
    ("13.1.2", "another variant, by type", "GET /doc | Accept: text/plain | If-None-Match: {en}, {fr}", "200 | ETag: {text} | = doc.en.txt"),
    ("13.1.2", "all variants", "GET /doc | Accept: text/plain | If-None-Match: {en}, {fr}, {text}", "304 | ETag: {text}"),
    ("13.1.2", "of a type map", "GET /map.var | Accept-Language: fr | If-None-Match: {fr}", "304 | Content-Location: doc.fr.html"),
    ("13.1.2", "another one of a type map", "GET /map.var | Accept-Language: fr | If-None-Match: {en}", "200 | = doc.fr.html"),
    ("13.1.2", "of a directory's index", "GET /d/ | If-None-Match: *", "304"),
    ("13.1.3", "not changed since", "GET /plain | If-Modified-Since: {same}", "304 | ETag: {plain}"),
    ("13.1.3", "changed since", "GET /plain | If-Modified-Since: {before}", "200 | Last-Modified: {same}"),
    ("13.1.3", "a later date", "GET /plain | If-Modified-Since: {after}", "304"),
    ("13.1.3", "the format of RFC 850", "GET /plain | If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", "304"),
    ("13.1.3", "the same, a second before", "GET /plain | If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT", "200"),
    ("13.1.3", "the format of asctime", "GET /plain | If-Modified-Since: Sun Nov  6 08:49:37 1994", "304"),
    ("13.1.3", "the same, a second before", "GET /plain | If-Modified-Since: Sun Nov  6 08:49:36 1994", "200"),
    ("13.1.3", "what is no date is ignored", "GET /plain | If-Modified-Since: tomorrow", "200"),
    ("13.1.3", "a date in another zone is none", "GET /plain | If-Modified-Since: Sun, 06 Nov 1994 08:49:37 +0000", "200"),
    ("13.1.3", "two dates are none", "GET /plain | If-Modified-Since: {same} | If-Modified-Since: {same}", "200"),
    ("13.1.3", "an empty field is none", "GET /plain | If-Modified-Since:", "200"),
    ("13.1.3", "HEAD as GET", "HEAD /plain | If-Modified-Since: {same}", "304"),
    ("13.1.4", "not changed since", "GET /plain | If-Unmodified-Since: {same}", "200"),
    ("13.1.4", "changed since", "GET /plain | If-Unmodified-Since: {before}", "412 | ETag: {plain} | Vary: Accept"),
    ("13.1.4", "a later date", "GET /plain | If-Unmodified-Since: {after}", "200"),
    ("13.1.4", "the format of RFC 850", "GET /plain | If-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT", "412"),
    ("13.1.4", "the format of asctime", "GET /plain | If-Unmodified-Since: Sun Nov  6 08:49:36 1994", "412"),
    ("13.1.4", "what is no date is ignored", "GET /plain | If-Unmodified-Since: x", "200"),
    ("13.1.4", "two dates are none", "GET /plain | If-Unmodified-Since: {before} | If-Unmodified-Since: {before}", "200"),
    ("13.1.5", "without Range it means nothing", "GET /plain | If-Range: \"x\"", "200"),
    ("13.2.1", "what is not there has no conditions", "GET /none | If-None-Match: *", "404"),
    ("13.2.1", "nor has what is not acceptable", "GET /doc | Accept: image/png | If-Match: \"x\"", "406"),
    ("13.2.1", "nor has a redirect", "GET /d | If-Match: \"x\"", "301"),
    ("13.2.1", "nor has a method that is refused", "PUT /plain | If-Match: \"x\"", "405"),
    ("13.2.1", "nor has one that is not known", "BREW /plain | If-None-Match: *", "501"),
    ("13.2.1", "OPTIONS selects nothing", "OPTIONS /plain | If-Match: \"x\"", "200 | Allow: GET, HEAD, OPTIONS"),
    ("13.2.2", "If-Match comes before If-Unmodified-Since", "GET /plain | If-Match: {plain} | If-Unmodified-Since: {before}", "200"),
    ("13.2.2", "and decides alone", "GET /plain | If-Match: \"x\" | If-Unmodified-Since: {after}", "412"),
    ("13.2.2", "If-Match before If-None-Match", "GET /plain | If-Match: \"x\" | If-None-Match: {plain}", "412"),
    ("13.2.2", "both hold", "GET /plain | If-Match: {plain} | If-None-Match: {plain}", "304"),
    ("13.2.2", "If-Unmodified-Since before If-None-Match", "GET /plain | If-Unmodified-Since: {before} | If-None-Match: {plain}", "412"),
    ("13.2.2", "both hold", "GET /plain | If-Unmodified-Since: {same} | If-None-Match: {plain}", "304"),
    ("13.2.2", "If-None-Match before If-Modified-Since", "GET /plain | If-None-Match: \"x\" | If-Modified-Since: {same}", "200"),
    ("13.2.2", "and decides alone", "GET /plain | If-None-Match: {plain} | If-Modified-Since: {before}", "304"),
    ("13.2.2", "If-Unmodified-Since before If-Modified-Since", "GET /plain | If-Unmodified-Since: {before} | If-Modified-Since: {same}", "412"),
    ("13.2.2", "If-None-Match before Range", "GET /plain | If-None-Match: {plain} | Range: bytes=0-1", "304 | !Content-Range"),
    ("13.2.2", "If-Match before Range", "GET /plain | If-Match: \"x\" | Range: bytes=0-1", "412 | !Content-Range"),
    ("13.2.2", "If-Match and Range", "GET /plain | If-Match: {plain} | Range: bytes=0-1", "206 | = pl"),
    ("15.4.5", "304 has what a cache needs and nothing else", "GET /doc | If-None-Match: *",
        "304 | ETag: {en} | Vary: Accept, Accept-Language | Content-Location: doc.en.html | !Content-Type | !Content-Length | !Content-Language | !Last-Modified | !Accept-Ranges"),
    ("15.4.5", "of a file by its whole name", "GET /doc.en.html | If-None-Match: *", "304 | ETag: {en} | !Vary | !Content-Location | !Content-Type"),
    ("15.5.13", "412 tells of the representation that is there", "GET /doc | If-Match: \"x\"",
        "412 | ETag: {en} | Content-Location: doc.en.html | Vary: Accept, Accept-Language | Content-Type: text/html; charset=utf-8 | !Last-Modified | !Accept-Ranges"),
    ("15.5.13", "in plain text", "GET /plain | Accept: text/plain | If-Match: \"x\"", "412 | Content-Type: text/plain; charset=utf-8"),
];

#[test]
fn preconditions() {
    let server = Server::start(&site().pack());
    check(&server, CASES, &words(&server));
}

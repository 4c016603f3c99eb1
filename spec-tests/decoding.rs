//! Files that are there only coded are also had plain (D3), by whoever accepts no coding.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::support::{Response, Workshop};

const PAGE: &[u8] = b"<p>hello, hello, hello</p>\n";
/// The page, as the programs of that name code it.
const BROTLI: &[u8] = b"\x1f\x1a\x00\xf8\x1d\xa9Q\x9f;\xa6\x1a\x84\x07\x0dN\xb2\xb1\xbc\x95OY\x15\x12T%\x00S\xb8r\x10s";
const ZSTD: &[u8] = b"(\xb5/\xfd\x04h\xad\x00\x00x<p>hello, </p>\x0a\x01\x00\xe2\x0a\x12\xd0\xfe\x9a\x94";
/// `gzip`, then `brotli`.
const BOTH: &[u8] =
    b"\x8f\x11\x80\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xb3)\xb0\xcbH\xcd\xc9\xc9\xd7Q@\xa6l\xf4\x0b\
    \xec\xb8\x00U#i\xf2\x1b\x00\x00\x00\x03";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("room");
    encoder.finish().expect("room")
}

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("room");
    encoder.finish().expect("room")
}

fn tag(response: &Response) -> String {
    response.field("ETag").expect("an entity tag").to_string()
}

#[test]
fn who_accepts_no_coding_gets_the_content_without_it() {
    // Extensions, content, what Content-Encoding says; Accept-Encoding of clients that take it so.
    for (extensions, coded, coding, takers) in [
        ("gz", &gzip(PAGE)[..], "gzip", &["gzip", "x-gzip", "GZIP", "gzip;q=0.001", "br, gzip;q=0.5"][..]),
        ("br", BROTLI, "br", &["br", "gzip, deflate, br, zstd", "*;q=0.1, br"]),
        ("zst", ZSTD, "zstd", &["zstd", "identity;q=0, *"]),
        ("zz", &deflate(PAGE), "deflate", &["deflate", "gzip, deflate"]),
        ("gz.br", BOTH, "gzip, br", &["gzip, br", "br;q=0.5, gzip"]), // D4
    ] {
        let file = format!("page.html.{extensions}");
        let server =
            Workshop::with_site(&[(&file, coded)]).and(".mkroot.toml", "[encodings]\nzz = \"deflate\"\n").serve();
        let literal = server.get(&format!("/{file}"), &["Accept-Encoding: identity"]);
        assert_eq!((literal.status, literal.field("Content-Encoding")), (200, Some(coding)), "{file}");
        assert!(literal.content == coded && literal.field("Vary").is_none(), "{file}: who asks for it gets it");
        for target in ["/page", "/page.html"] {
            for taker in takers {
                let response = server.get(target, &[&format!("Accept-Encoding: {taker}")]);
                let called = if *taker == "x-gzip" { "x-gzip" } else { coding }; // R75
                assert_eq!(
                    (response.status, response.field("Content-Encoding")),
                    (200, Some(called)),
                    "{file} {taker}"
                );
                assert!(response.content == coded, "{file} {taker}");
                assert_eq!(response.field("Vary"), Some("Accept, Accept-Encoding"), "{file} {taker}");
                assert_eq!(response.field("Content-Location"), Some(file.as_str()), "{file} {taker}");
                assert_eq!(tag(&response), tag(&literal), "{file} {taker}");
            }
            for other in ["", "identity", "compress", "gzip;q=0, br;q=0, zstd;q=0, deflate;q=0", "*;q=0, identity"] {
                let response = server.get(target, &[&format!("Accept-Encoding: {other}")]);
                plain(&response, &format!("{file} {other}"));
                assert_ne!(tag(&response), tag(&literal), "{file} {other}");
            }
            let response = server.get(target, &[]);
            plain(&response, &file);
            assert_eq!(server.request("HEAD", target, &[]).undated(), response.undated(), "{file}");
            assert_eq!(response.field("Last-Modified"), literal.field("Last-Modified"), "{file}");
            for (known, status) in [(tag(&response), 304), (tag(&literal), 200)] {
                assert_eq!(server.get(target, &[&format!("If-None-Match: {known}")]).status, status, "{file}");
            }
            for none in ["identity;q=0", "*;q=0"] {
                let response = server.get(target, &[&format!("Accept-Encoding: {none}")]);
                assert_eq!(
                    (response.status, response.field("Vary")),
                    (406, Some("Accept, Accept-Encoding")),
                    "{file} {none}"
                );
            }
        }
    }
}

/// Checks that this is the page without a coding.
fn plain(response: &Response, about: &str) {
    assert_eq!(response.status, 200, "{about}");
    assert!(response.content == PAGE, "{about}");
    assert_eq!(response.field("Content-Encoding"), None, "{about}");
    assert_eq!(response.field("Content-Type"), Some("text/html"), "{about}");
    assert_eq!(response.field("Vary"), Some("Accept, Accept-Encoding"), "{about}");
    assert_eq!(response.field("Content-Location"), None, "{about}: it has no address of its own");
}

#[test]
fn one_plain_form_is_made_of_each_type_and_language() {
    let (english, french) = (gzip(b"english"), gzip(b"french"));
    let server = Workshop::with_site(&[
        ("a.html.en.gz", &english),
        ("a.html.en.br", BROTLI),
        ("a.html.fr.gz", &french),
        ("a.html.de", b"german"),
        ("a.html.de.gz", b"no gzip"),
    ])
    .serve();
    for (language, encoding, content) in [
        ("de", "identity", &b"german"[..]),
        ("de", "gzip", b"no gzip"),
        ("en", "identity", PAGE), // of .br, which comes first
        ("en", "gzip", &english),
        ("en", "br", BROTLI),
        ("fr", "identity", b"french"),
        ("fr", "br", b"french"),
        ("fr", "gzip", &french),
    ] {
        let response =
            server.get("/a", &[&format!("Accept-Language: {language}"), &format!("Accept-Encoding: {encoding}")]);
        assert!(response.status == 200 && response.content == content, "{language} {encoding}");
        assert_eq!(response.field("Content-Language"), Some(language), "{encoding}");
    }
}

#[test]
fn a_directory_index_is_had_plain_too() {
    let server = Workshop::with_site(&[("index.html.gz", &gzip(PAGE))]).serve();
    plain(&server.get("/", &[]), "/");
    assert_eq!(server.get("/", &["Accept-Encoding: gzip"]).field("Content-Encoding"), Some("gzip"));
}

#[test]
fn what_cannot_be_decoded_is_refused() {
    let mut cut = gzip(PAGE);
    cut.truncate(cut.len() - 9);
    for (extension, content) in [("gz", &cut[..]), ("br", PAGE), ("zst", PAGE), ("Z", PAGE)] {
        let server = Workshop::with_site(&[(&format!("page.html.{extension}"), content)]).serve();
        for (accepted, status) in [("identity", 406), ("*", 200)] {
            let response = server.get("/page", &[&format!("Accept-Encoding: {accepted}")]);
            assert_eq!(response.status, status, "{extension} {accepted}");
            assert_eq!(response.field("Vary"), Some("Accept, Accept-Encoding"), "{extension} {accepted}");
        }
    }
}

#[test]
fn apache_makes_no_plain_form() {
    let coded = gzip(PAGE);
    let server = Workshop::with_site(&[("page.html.gz", &coded)])
        .and(".mkroot.toml", "[negotiation]\npolicy = \"apache\"\n")
        .serve();
    for fields in [&["Accept-Encoding: identity"][..], &["Accept-Encoding: deflate"], &["Accept-Encoding:"]] {
        assert_eq!(server.get("/page", fields).status, 406, "{fields:?}");
    }
    assert!(server.get("/page", &[]).content == coded);
}

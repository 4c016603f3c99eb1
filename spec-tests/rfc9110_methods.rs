//! RFC 9110, sections 9 and 10: methods, and what a request expects, each case with its section.

use crate::support::table::{Case, FURTHER, check};
use crate::support::{Server, Workshop};

fn site() -> Workshop {
    let workshop =
        Workshop::with_site(&[("a.html", b"<p>a"), ("d/index.html", b"<p>d"), (FURTHER.0, FURTHER.1.as_bytes())]);
    workshop.and("long.bin", vec![b'x'; 100_000])
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    ("9.3.1", "GET", "GET /a", "200 | = <p>a | Content-Length: 4 | Vary: Accept | Content-Location: a.html"),
    ("9.3.2", "HEAD sends no content", "HEAD /a", "200 | Content-Length: 4 | ETag: * | Content-Type: text/html"),
    ("9.3.2", "nor of a long file", "HEAD /long.bin", "200 | Content-Length: 100000"),
    ("9.3.2", "nor of what is missing", "HEAD /none", "404 | Content-Length: * | Content-Type: text/html; charset=utf-8"),
    ("9.3.2", "nor of what is not acceptable", "HEAD /a | Accept: image/png", "406 | Content-Length: *"),
    ("9.3.2", "nor of a redirect", "HEAD /d", "301 | Location: /d/"),
    ("9.3.3", "POST", "POST /a", "405 | Allow: GET, HEAD, OPTIONS"),
    ("9.3.4", "PUT", "PUT /a", "405 | Allow: GET, HEAD, OPTIONS"),
    ("9.3.5", "DELETE", "DELETE /a", "405 | Allow: GET, HEAD, OPTIONS"),
    ("9.3.6", "CONNECT to a host", "CONNECT example.org:443", "405 | Allow: GET, HEAD, OPTIONS"),
    ("9.3.6", "CONNECT to a path", "CONNECT /a", "400"),
    ("9.3.6", "CONNECT without a port", "CONNECT example.org", "400"),
    ("9.3.7", "OPTIONS", "OPTIONS /a", "200 | Allow: GET, HEAD, OPTIONS | Content-Length: 0 | = "),
    ("9.3.7", "OPTIONS of the server", "OPTIONS *", "200 | Allow: GET, HEAD, OPTIONS | Content-Length: 0"),
    ("9.3.7", "OPTIONS of what is missing", "OPTIONS /none", "404"),
    ("9.3.7", "* is for nothing else", "GET *", "400"),
    ("9.3.8", "TRACE is refused", "TRACE /a | Secret: x", "405 | Allow: GET, HEAD, OPTIONS"),
    ("RFC 5789", "PATCH", "PATCH /a", "405 | Allow: GET, HEAD, OPTIONS"),
    ("9.1", "a method nobody knows", "BREW /a", "501"),
    ("9.1", "names are case-sensitive", "get /a", "501"),
    ("9.1", "a longer name", "GETS /a", "501"),
    ("15.5.6", "405 in plain text", "PUT /a | Accept: text/plain", "405 | Content-Type: text/plain; charset=utf-8"),
    ("15.5.5", "404 in HTML", "GET /none | Accept: text/html", "404 | Content-Type: text/html; charset=utf-8 | Vary: Accept"),
    ("15.5.5", "404 in plain text", "GET /none | Accept: text/plain, text/html;q=0.5", "404 | Content-Type: text/plain; charset=utf-8 | Vary: Accept"),
    ("15.5.7", "406 names what refused", "GET /a | Accept: image/png", "406 | Vary: Accept"),
    ("10.1.1", "who waits for a word gets it", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", "100"),
    ("10.1.1", "a word in any case", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-CONTINUE\r\n\r\n", "100"),
    ("10.1.1", "who does not wait gets none", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", "200 | = <p>a"),
    ("10.1.1", "without content there is nothing to wait for", "GET /a | Expect: 100-continue", "200 | = <p>a"),
    ("10.1.1", "who need not send is told at once", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n", "405 | Connection: close"),
    ("10.1.1", "who would send too much as well", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\nExpect: 100-continue\r\n\r\n", "413 | Connection: close"),
    ("10.1.1", "another expectation", "GET /a | Expect: 200-maybe", "417 | Connection: close"),
    ("10.1.1", "both", "GET /a | Expect: 100-continue, more", "417"),
    ("10.1.1", "HTTP/1.0 knows no expectations", "GET /a HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc", "200 | Connection: close | = <p>a"),
];

#[test]
fn methods() {
    let server = Server::start(&site().pack());
    // Those that wait for a word are told by it that they may send.
    let (waiting, others): (Vec<_>, Vec<_>) = CASES.iter().copied().partition(|case| case.3.starts_with("100"));
    check(&server, &others, &[]);
    for (section, shows, request, _) in waiting {
        let mut connection = server.connect();
        connection.send(request);
        let interim = connection.try_receive(false, true).unwrap_or_else(|wrong| panic!("{section}, {shows}: {wrong}"));
        assert_eq!((interim.status, interim.fields.len()), (100, 0), "{section}, {shows}");
        connection.send("abc");
        assert_eq!(connection.receive(false).text(), "<p>a", "{section}, {shows}");
        connection.send(crate::support::head("GET", "/a", &[]));
        assert_eq!(connection.receive(false).text(), "<p>a", "{section}, {shows}");
    }
}

#[test]
fn head_has_the_fields_of_get() {
    let server = Server::start(&site().pack());
    for (target, fields) in [
        ("/a", &[][..]),
        ("/a.html", &[]),
        ("/long", &[]),
        ("/d", &[]),
        ("/d/", &[]),
        ("/none", &[]),
        ("/none", &["Accept: text/plain"]),
        ("/a", &["Accept: image/png"]),
        ("/a", &["If-Match: \"x\""]),
        ("/a", &["If-None-Match: *"]),
        ("/%zz", &[]),
    ] {
        let (get, head) = (server.get(target, fields), server.request("HEAD", target, fields));
        assert_eq!((get.status, get.undated()), (head.status, head.undated()), "{target} {fields:?}");
    }
}

#[test]
fn what_a_client_sends_is_never_shown_as_it_is() {
    let server = Server::start(&site().pack());
    for target in ["/<script>alert(1)</script>", "/a?<script>", "/d?<script>\"'", "/%3Cscript%3E"] {
        for method in ["GET", "PUT", "BREW"] {
            let response = server.request(method, target, &["Accept: text/html", "Accept: <script>"]);
            assert!(!response.text().contains("<script"), "{method} {target}: {}", response.text());
            let location = response.field("Location").unwrap_or_default();
            assert!(!location.contains(['\r', '\n']), "{location:?}");
        }
    }
}

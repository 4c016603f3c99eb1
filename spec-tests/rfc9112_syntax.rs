//! RFC 9112, sections 2, 3 and 5: the syntax of heads, in raw bytes, each case with its section.

use crate::support::table::{Case, FURTHER, check};
use crate::support::{Server, Workshop};

fn site() -> Workshop {
    Workshop::with_site(&[("a.html", b"<p>a"), ("d/b c.txt", b"b c"), (FURTHER.0, FURTHER.1.as_bytes())])
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    ("2.2", "an empty line before a request", "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ("2.2", "several", "\r\n\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ("2.2", "an empty line without CR", "\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.2", "a bare LF behind the request line", "GET /a HTTP/1.1\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.2", "behind a field", "GET /a HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "400 | Connection: close"),
    ("2.2", "behind the last field", "GET /a HTTP/1.1\r\nHost: x\n\r\n", "400 | Connection: close"),
    ("2.2", "at the end", "GET /a HTTP/1.1\r\nHost: x\r\n\n", "400 | Connection: close"),
    ("2.2", "everywhere", "GET /a HTTP/1.1\nHost: x\n\n", "400 | Connection: close"),
    ("2.2", "a bare CR in a field", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", "400 | Connection: close"),
    ("2.2", "a bare CR in the request line", "GET /a\r HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.2", "white space before the first field", "GET /a HTTP/1.1\r\n Host: x\r\n\r\n", "400 | Connection: close"),
    ("2.2", "two CRs", "GET /a HTTP/1.1\r\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.3", "HTTP/1.0", "GET /a HTTP/1.0\r\n\r\n", "200 | Connection: close"),
    ("2.3", "HTTP/2 in plain text", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 | Connection: close"),
    ("2.3", "HTTP/3.0", "GET /a HTTP/3.0\r\nHost: x\r\n\r\n", "505 | Connection: close"),
    ("2.3", "HTTP/0.9 with its version", "GET /a HTTP/0.9\r\nHost: x\r\n\r\n", "505 | Connection: close"),
    ("2.3", "HTTP/0.9 without", "GET /a\r\n\r\n", "400 | Connection: close"),
    ("2.3", "the name in lower case", "GET /a http/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.3", "a version of one number", "GET /a HTTP/1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.3", "another protocol", "GET /a HTCPCP/1.0\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("2.3", "TLS", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", "400 | Connection: close"),
    ("3", "two spaces", "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3", "two spaces before the version", "GET /a  HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3", "a tab", "GET\t/a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3", "a space at the end", "GET /a HTTP/1.1 \r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3", "a space at the beginning", " GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3", "a space in the target", "GET /d/b c.txt HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3", "no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.1", "a method that is no token", "G[T /a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.1", "a quote in it", "\"GET\" /a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.1", "a NUL in it", "GE\0T /a HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.2.1", "origin-form", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = <p>a"),
    ("3.2.1", "with a query", "GET /a?b=/../c HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = <p>a"),
    ("3.2.1", "an encoded space", "GET /d/b%20c.txt HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = b c"),
    ("3.2.1", "a fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "no slash", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "a NUL", "GET /a\0 HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.2.1", "a control character", "GET /a\x07 HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.2.1", "DEL", "GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.2.1", "an encoded NUL", "GET /a%00 HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "half an escape", "GET /a%2 HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "an escape of other letters", "GET /%G1 HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "above the root", "GET /../a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "above the root, encoded", "GET /%2e%2E/a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.1", "an encoded slash is no slash", "GET /d%2fb%20c.txt HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    ("3.2.1", "a backslash is no slash", "GET /d\\b%20c.txt HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    ("3.2.1", "decoded once", "GET /%2561 HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    ("3.2.1", "dots of overlong UTF-8", "GET /d/%c0%ae%c0%ae/a HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    ("3.2.2", "absolute-form", "GET http://example.org/a HTTP/1.1\r\nHost: example.org\r\n\r\n", "200 | = <p>a"),
    ("3.2.2", "another Host does not matter", "GET http://example.org/a HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ("3.2.2", "but there must be one", "GET http://example.org/a HTTP/1.1\r\n\r\n", "400 | Connection: close"),
    ("3.2.2", "https", "GET HTTPS://example.org:8443/a HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ("3.2.2", "without a path", "GET http://example.org HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
    ("3.2.2", "without a host", "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.2", "with a user", "GET http://a@example.org/a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.2", "of another scheme", "GET ftp://example.org/a HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.2", "with a fragment", "GET http://example.org/a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.3", "authority-form", "CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
    ("3.2.3", "is for CONNECT only", "GET example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2.4", "asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
    ("3.2.4", "is for OPTIONS only", "HEAD * HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
    ("3.2", "no Host", "GET /a HTTP/1.1\r\n\r\n", "400 | Connection: close"),
    ("3.2", "no Host in HTTP/1.0", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 | Connection: keep-alive"),
    ("3.2", "two Hosts", "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 | Connection: close"),
    ("3.2", "twice the same", "GET /a HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", "400 | Connection: close"),
    ("3.2", "two in HTTP/1.0", "GET /a HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a list of Hosts", "GET /a HTTP/1.1\r\nHost: x, y z\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a space in it", "GET /a HTTP/1.1\r\nHost: x y\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a slash in it", "GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a user in it", "GET /a HTTP/1.1\r\nHost: a@x\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a port of letters", "GET /a HTTP/1.1\r\nHost: x:http\r\n\r\n", "400 | Connection: close"),
    ("3.2", "two ports", "GET /a HTTP/1.1\r\nHost: x:80:81\r\n\r\n", "400 | Connection: close"),
    ("3.2", "half an IPv6 address", "GET /a HTTP/1.1\r\nHost: [::1\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a quote in it", "GET /a HTTP/1.1\r\nHost: \"x\"\r\n\r\n", "400 | Connection: close"),
    ("3.2", "other letters than ASCII", "GET /a HTTP/1.1\r\nHost: x\u{e9}\r\n\r\n", "400 | Connection: close"),
    ("3.2", "a port", "GET /a HTTP/1.1\r\nHost: x:80\r\n\r\n", "200"),
    ("3.2", "an empty port", "GET /a HTTP/1.1\r\nHost: x:\r\n\r\n", "200"),
    ("3.2", "an IPv4 address", "GET /a HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n", "200"),
    ("3.2", "an IPv6 address", "GET /a HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n", "200"),
    ("3.2", "an underscore", "GET /a HTTP/1.1\r\nHost: a_b.example\r\n\r\n", "200"),
    ("3.2", "an empty one", "GET /a HTTP/1.1\r\nHost:\r\n\r\n", "200"),
    ("5", "no white space behind the colon", "GET /a HTTP/1.1\r\nHost:x\r\n\r\n", "200"),
    ("5", "much white space around the value", "GET /a HTTP/1.1\r\nHost: \t x \t \r\n\r\n", "200"),
    ("5", "an empty value", "GET /a HTTP/1.1\r\nHost: x\r\nA:\r\n\r\n", "200"),
    ("5", "names in any case", "GET /a HTTP/1.1\r\nhOsT: x\r\naccept: image/png\r\n\r\n", "406"),
    ("5", "a tab within a value", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\tc\r\n\r\n", "200"),
    ("5", "other letters than ASCII in a value", "GET /a HTTP/1.1\r\nHost: x\r\nA: \u{e9}\r\n\r\n", "200"),
    ("5.1", "white space before the colon", "GET /a HTTP/1.1\r\nHost : x\r\n\r\n", "400 | Connection: close"),
    ("5.1", "a tab before the colon", "GET /a HTTP/1.1\r\nHost: x\r\nA\t: b\r\n\r\n", "400 | Connection: close"),
    ("5.1", "no colon", "GET /a HTTP/1.1\r\nHost: x\r\nA\r\n\r\n", "400 | Connection: close"),
    ("5.1", "no name", "GET /a HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", "400 | Connection: close"),
    ("5.1", "a space within a name", "GET /a HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "400 | Connection: close"),
    ("5.1", "a parenthesis within a name", "GET /a HTTP/1.1\r\nHost: x\r\nA(b): c\r\n\r\n", "400 | Connection: close"),
    ("5.1", "a NUL within a name", "GET /a HTTP/1.1\r\nHost: x\r\nA\0: c\r\n\r\n", "400 | Connection: close"),
    ("5.1", "other letters than ASCII", "GET /a HTTP/1.1\r\nHost: x\r\n\u{e9}: c\r\n\r\n", "400 | Connection: close"),
    ("5.5", "a NUL within a value", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", "400 | Connection: close"),
    ("5.5", "a control character within a value", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n", "400 | Connection: close"),
    ("5.5", "DEL within a value", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\x7fc\r\n\r\n", "400 | Connection: close"),
    ("5.2", "a folded line", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", "400 | Connection: close"),
    ("5.2", "folded by a tab", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n", "400 | Connection: close"),
    ("5.2", "a fold with nothing in it", "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n \r\n\r\n", "400 | Connection: close"),
];

#[test]
fn syntax() {
    let server = Server::start(&site().pack());
    check(&server, CASES, &[]);
}

/// What is there, what may be, and what is said to more.
#[test]
fn sizes() {
    let server = Server::start(&site().pack());
    let long = "x".repeat(70_000);
    let request = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
    for (section, shows, bytes, status) in [
        ("3", "a target of 8192 bytes", request(&format!("/{}", &long[..8191]), ""), 404),
        ("3", "and one more", request(&format!("/{}", &long[..8192]), ""), 414),
        ("3", "a query counts", request(&format!("/a?{}", &long[..8190]), ""), 414),
        ("3", "a request line without end", format!("GET /{long}"), 414),
        ("5.4", "100 fields", request("/a", &"A: b\r\n".repeat(99)), 200),
        ("5.4", "101 fields", request("/a", &"A: b\r\n".repeat(100)), 431),
        ("5.4", "1 000 fields", request("/a", &"A: b\r\n".repeat(999)), 431),
        ("5.4", "a field of 60 000 bytes", request("/a", &format!("A: {}\r\n", &long[..60_000])), 200),
        ("5.4", "a head of more than 65 536 bytes", request("/a", &format!("A: {long}\r\n")), 431),
        ("5.4", "a field without end", format!("GET /a HTTP/1.1\r\nHost: x\r\nA: {long}"), 431),
        ("5.4", "a name without end", format!("GET /a HTTP/1.1\r\nHost: x\r\n{long}"), 431),
        ("3.1", "a method without end", long.clone(), 414),
    ] {
        let mut connection = server.connect();
        connection.send_as_far_as_possible(&bytes);
        let response = connection.receive(false);
        assert_eq!(response.status, status, "{section}, {shows}");
        assert_eq!(
            response.field("Connection"),
            (status == 414 || status == 431).then_some("close"),
            "{section}, {shows}"
        );
    }
}

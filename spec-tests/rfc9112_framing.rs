//! RFC 9112, sections 6, 7 and 9: where a message ends and the next begins, each case with its section.
//!
//! Every case that keeps its connection has a further request answered on it, so a content that were taken for a
//! request, or the other way round, would be seen.

use crate::support::table::{Case, FURTHER, check};
use crate::support::{Server, Workshop, head};

fn site() -> Workshop {
    Workshop::with_site(&[("a.html", b"<p>a"), ("b.html", b"<p>b"), (FURTHER.0, FURTHER.1.as_bytes())])
}

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    ("6.2", "content of a GET is passed over", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "200 | = <p>a | !Connection"),
    ("6.2", "even if it looks like a request", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = <p>a"),
    ("6.2", "of a HEAD", "HEAD /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "200 | = "),
    ("6.2", "of a method that is refused", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405 | !Connection"),
    ("6.2", "of one that nobody knows", "BREW /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "501 | !Connection"),
    ("6.2", "of an OPTIONS", "OPTIONS /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "200"),
    ("6.2", "a length of 0", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405"),
    ("6.2", "leading zeros", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0003\r\n\r\nabc", "200"),
    ("6.2", "a request follows in the same piece", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = <p>a >> 200 | = <p>b"),
    ("2.2", "an empty line behind content", "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "405 >> 200 | = <p>b"),
    ("6.3", "two lengths", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "400 | Connection: close"),
    ("6.3", "twice the same", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400 | Connection: close"),
    ("6.3", "a list", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", "400 | Connection: close"),
    ("6.3", "none", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", "400 | Connection: close"),
    ("6.3", "a sign", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", "400 | Connection: close"),
    ("6.3", "a negative one", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", "400 | Connection: close"),
    ("6.3", "hexadecimal digits", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\nabc", "400 | Connection: close"),
    ("6.3", "a fraction", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3.0\r\n\r\nabc", "400 | Connection: close"),
    ("6.3", "a space within", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1 3\r\n\r\nabc", "400 | Connection: close"),
    ("6.3", "more than 64 bits", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n", "400 | Connection: close"),
    ("6.3", "64 bits", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n", "413 | Connection: close"),
    ("6.3", "a content that ends early", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 70001\r\n\r\nabc", "413 | Connection: close"),
    ("6.1", "chunks", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "200 | = <p>a | !Connection"),
    ("6.1", "the name in any case", "GET /a HTTP/1.1\r\nHost: x\r\nTRANSFER-encoding: CHUNKED\r\n\r\n0\r\n\r\n", "200"),
    ("6.1", "a request follows in the same piece", "PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "405 >> 200 | = <p>b"),
    ("6.1", "with a length, too", "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("6.1", "the other way round", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("6.1", "in HTTP/1.0", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "an unknown coding", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501 | Connection: close"),
    ("6.1", "in a field before it", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501 | Connection: close"),
    ("6.1", "identity", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", "501 | Connection: close"),
    ("6.1", "something like it", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501 | Connection: close"),
    ("6.1", "with a parameter", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", "501 | Connection: close"),
    ("6.3", "chunked, but not last", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "chunked twice", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "in two fields", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "an empty field", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n", "400 | Connection: close"),
    ("6.1", "behind a vertical tab", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "with white space before the colon", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "folded", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400 | Connection: close"),
    ("6.1", "in quotes", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "501 | Connection: close"),
    ("7.1", "sizes in both cases", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "200"),
    ("7.1", "leading zeros", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0003\r\nabc\r\n000\r\n\r\n", "200"),
    ("7.1.1", "extensions", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", "200"),
    ("7.1.2", "trailers", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", "200"),
    ("7.1.2", "trailers frame nothing", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", "200"),
    ("7.1", "content that looks like the end", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n", "200"),
    ("7.1", "no size", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a sign", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a negative size", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "0x", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a space before the size", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a space behind it", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a bare LF behind the size", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a bare LF behind the chunk", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1.1", "a bare LF in an extension", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1.1", "a NUL in an extension", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;\0\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a chunk longer than its size", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a chunk shorter than its size", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc\r\n0\r\n\r\n", "400 | Connection: close"),
    ("7.1", "a size beyond 64 bits", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", "413 | Connection: close"),
    ("7.1", "a size beyond the bound", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n", "413 | Connection: close"),
    ("7.1.2", "a trailer without a colon", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n", "400 | Connection: close"),
    ("7.1.2", "a folded trailer", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", "400 | Connection: close"),
    ("7.1.2", "a request in place of the trailer", "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "400 | Connection: close"),
    ("9.3", "HTTP/1.1 goes on", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "200 | !Connection"),
    ("9.6", "close", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "200 | Connection: close"),
    ("9.6", "in any case, among others", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, CLOSE\r\n\r\n", "200 | Connection: close"),
    ("9.6", "in a second field", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "200 | Connection: close"),
    ("9.6", "something like it", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", "200 | !Connection"),
    ("9.6", "nothing is answered behind it", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "200 | Connection: close"),
    ("9.3", "HTTP/1.0 ends", "GET /a HTTP/1.0\r\n\r\n", "200 | Connection: close"),
    ("9.3", "unless it is asked not to", "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "200 | Connection: keep-alive"),
    ("9.3", "close is the last word", "GET /a HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n", "200 | Connection: close"),
    ("9.3", "errors go on as well", "GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "404 | !Connection"),
    ("9.3.2", "several in one piece", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\nPUT /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = <p>a >> 404 >> 405 >> 200 | = <p>b"),
    ("9.3.2", "what cannot be understood ends it", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /a\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n", "200 | = <p>a >> 400 | Connection: close"),
    ("6.3", "content beyond what a request says is the next request", "GET /a HTTP/1.1\r\nHost: x\r\n\r\nabc\r\n\r\n", "200 >> 400 | Connection: close"),
];

#[test]
fn framing() {
    let server = Server::start(&site().pack());
    check(&server, CASES, &[]);
}

#[test]
fn content_up_to_the_bound_in_any_pieces() {
    let server = Server::start(&site().pack());
    let content = "x".repeat(65_536);
    let mut connection = server.connect();
    for piece in [1usize, 1000, 65_536] {
        connection.send(format!("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len()));
        // Byte by byte only at the beginning.
        for _ in 0..(if piece == 1 { 100 } else { 0 }) {
            connection.send("x");
        }
        let rest = &content[if piece == 1 { 100 } else { 0 }..];
        for part in rest.as_bytes().chunks(piece.max(1000)) {
            connection.send(part);
        }
        assert_eq!(connection.receive(false).status, 405);
    }
    for byte in
        "GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nA: b\r\n\r\n".bytes()
    {
        connection.send([byte]);
    }
    assert_eq!(connection.receive(false).text(), "<p>a");
    connection.send(head("GET", "/b", &[]));
    assert_eq!(connection.receive(false).text(), "<p>b");
}

#[test]
fn an_answer_is_not_lost_to_a_reset() {
    let server = Server::start(&site().pack());
    let content = vec![b'x'; 3 << 20];
    for (head, status) in [
        (format!("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len()), 413),
        ("GET /a\r\n".into(), 400),
        ("PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".into(), 400),
    ] {
        let mut connection = server.connect();
        connection.send(&head);
        // All of it is sent before anything is read, as simple clients do.
        connection.send(&content);
        connection.finish_sending();
        assert_eq!(connection.receive(false).status, status, "{head:?}");
        assert!(connection.is_closed());
    }
    // Who is refused before anything of the content has come may send it all the same.
    let mut connection = server.connect();
    connection.send(format!("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", content.len()));
    assert_eq!(connection.receive(false).status, 413);
    connection.send(&content);
    connection.finish_sending();
    assert!(connection.is_closed());
}

#[test]
fn at_least_two_hundred_cases() {
    let count = crate::rfc9110_preconditions::CASES.len()
        + crate::rfc9110_ranges::CASES.len()
        + crate::rfc9110_ranges::SEVERAL.len()
        + crate::rfc9110_methods::CASES.len()
        + crate::rfc9112_syntax::CASES.len()
        + CASES.len();
    println!("{count} cases of RFC 9110 and RFC 9112");
    assert!(count >= 300);
}

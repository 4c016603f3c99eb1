//! RFC 9112: messages and connections, in raw bytes.

use std::io::{Read, Write};

use crate::support::{Server, Workshop, head};

fn site() -> Workshop {
    Workshop::with_site(&[
        ("a.txt", b"first"),
        ("b.txt", b"second"),
        ("d/index.html", b"<p>d"),
        ("d/a b.txt", b"space"),
    ])
}

#[test]
fn targets_are_normalised_and_never_leave_the_site() {
    let workshop = site();
    std::fs::write(workshop.path().join("secret.txt"), "secret").unwrap();
    let server = Server::start(&workshop.pack());
    for (target, expected) in [
        ("/a.txt", Ok("first")),
        ("//a.txt", Ok("first")),
        ("/./a.txt", Ok("first")),
        ("/d/../a.txt", Ok("first")),
        ("/d/%2e%2E/a%2Etxt", Ok("first")),
        ("/%61.txt", Ok("first")),
        ("/a.txt?q=/../x", Ok("first")),
        ("http://example.org/a.txt", Ok("first")),
        ("/d/a%20b.txt", Ok("space")),
        ("/d//", Ok("<p>d")),
        ("/d/.", Ok("<p>d")),
        ("/d", Err(301)),
        ("/../secret.txt", Err(400)),
        ("/d/../../secret.txt", Err(400)),
        ("/%2e%2e/secret.txt", Err(400)),
        ("/..%2fsecret.txt", Err(404)),
        ("/d%2f", Err(404)),
        ("/..\\secret.txt", Err(404)),
        ("/%c0%ae%c0%ae/secret.txt", Err(404)),
        ("/a.txt%00", Err(400)),
        ("/a.txt%", Err(400)),
        ("/a.txt/", Err(404)),
        ("/A.txt", Err(404)),
        ("a.txt", Err(400)),
        ("*", Err(400)),
    ] {
        let response = server.get(target, &[]);
        match expected {
            Ok(content) => assert_eq!((response.status, response.text().as_str()), (200, content), "{target}"),
            Err(status) => assert_eq!(response.status, status, "{target}"),
        }
    }
}

#[test]
fn a_directory_is_redirected_to_its_slash_with_its_query() {
    let workshop = Workshop::with_site(&[("d é/x.txt", b"x")]);
    let server = Server::start(&workshop.pack());
    let response = server.get("/d%20%C3%A9?q=1&r", &[]);
    assert_eq!((response.status, response.field("Location")), (301, Some("/d%20%c3%a9/?q=1&r")));
}

#[test]
fn methods() {
    let server = Server::start(&site().pack());
    let allow = "GET, HEAD, OPTIONS";
    for (method, target, status, allowed) in [
        ("GET", "/a", 200, None),
        ("HEAD", "/a", 200, None),
        ("OPTIONS", "/a", 200, Some(allow)),
        ("OPTIONS", "*", 200, Some(allow)),
        ("OPTIONS", "/none", 404, None),
        ("POST", "/a", 405, Some(allow)),
        ("PUT", "/a", 405, Some(allow)),
        ("DELETE", "/a", 405, Some(allow)),
        ("TRACE", "/a", 405, Some(allow)),
        ("POST", "/none", 404, None),
        ("get", "/a", 501, None),
        ("BREW", "/a", 501, None),
        ("CONNECT", "host:80", 405, Some(allow)),
        ("CONNECT", "host", 400, None),
        ("CONNECT", "/a", 400, None),
        ("GET", "http://user@host/a", 400, None),
        ("GET", "http://host/a", 200, None),
    ] {
        let response = server.request(method, target, &[]);
        assert_eq!((response.status, response.field("Allow")), (status, allowed), "{method} {target}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&site().pack());
    let mut connection = server.connect();
    let mut requests = String::new();
    for number in 0..200 {
        requests += &head(if number % 5 == 4 { "HEAD" } else { "GET" }, if number % 2 == 0 { "/a" } else { "/b" }, &[]);
    }
    connection.send(&requests);
    for number in 0..200 {
        let response = connection.receive(number % 5 == 4);
        let expected = match (number % 5 == 4, number % 2 == 0) {
            (true, _) => "",
            (false, true) => "first",
            (false, false) => "second",
        };
        assert_eq!((response.status, response.text().as_str()), (200, expected), "request {number}");
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = Server::start(&site().pack());
    let mut connection = server.connect();
    for byte in head("GET", "/a", &["Accept: text/plain"]).bytes() {
        connection.send([byte]);
    }
    assert_eq!(connection.receive(false).text(), "first");
    // Between two requests empty lines are ignored (RFC 9112, section 2.2).
    connection.send("\r\n");
    connection.send(head("GET", "/b", &[]));
    assert_eq!(connection.receive(false).text(), "second");
}

#[test]
fn who_keeps_the_connection_and_who_closes_it() {
    let server = Server::start(&site().pack());
    for (request, keeps, says) in [
        ("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", true, None),
        ("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false, Some("close")),
        ("GET /a HTTP/1.0\r\n\r\n", false, Some("close")),
        ("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, Some("keep-alive")),
        ("GET /none HTTP/1.1\r\nHost: x\r\n\r\n", true, None),
        ("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", true, None),
    ] {
        let mut connection = server.connect();
        connection.send(request);
        let response = connection.receive(false);
        assert_eq!(response.field("Connection"), says, "{request:?}");
        assert!(response.status_line.starts_with("HTTP/1.1 "), "{request:?}");
        if keeps {
            connection.send(head("GET", "/b", &[]));
            assert_eq!(connection.receive(false).text(), "second", "{request:?}");
        } else {
            assert!(connection.is_closed(), "{request:?}");
        }
    }
}

#[test]
fn what_cannot_be_understood_is_refused_and_the_connection_closed() {
    let server = Server::start(&site().pack());
    let long = "x".repeat(70_000);
    for (request, status) in [
        ("GET /a HTTP/1.1\r\n\r\n".to_string(), 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n".into(), 400),
        ("GET  /a HTTP/1.1\r\nHost: x\r\n\r\n".into(), 400),
        ("GET /a\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nbad field: 1\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n".into(), 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n".into(), 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".into(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", &long[..9000]), 414),
        (format!("GET /{long}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(101)), 431),
    ] {
        let mut connection = server.connect();
        connection.send(&request);
        let response = connection.receive(false);
        assert_eq!(response.status, status, "{:?}", &request[..request.len().min(60)]);
        assert_eq!(response.field("Connection"), Some("close"));
        connection.finish_sending();
        assert!(connection.is_closed());
    }
}

#[test]
fn long_contents_arrive_whole_however_slowly_they_are_read() {
    let content: Vec<_> = (0..3_000_000u32).flat_map(|number| (number as u16).to_le_bytes()).collect();
    let lengths = [0, 1, 65_535, 65_536, 65_537, 1 << 20, content.len()];
    let names = lengths.map(|length| format!("{length}.bin"));
    let files: Vec<_> = names.iter().zip(lengths).map(|(name, length)| (name.as_str(), &content[..length])).collect();
    let workshop = Workshop::with_site(&files);
    let server = Server::start(&workshop.pack());
    // All at once on one connection, none of which is read until all are asked for.
    let mut connection = server.connect();
    for name in &names {
        connection.send(head("GET", &format!("/{name}"), &[]));
    }
    for (name, length) in names.iter().zip(lengths) {
        let response = connection.receive(false);
        assert!(response.content == content[..length], "{name}");
    }
}

#[test]
fn a_request_that_arrives_while_the_server_waits_to_send_is_answered() {
    let content = vec![b'x'; 32 << 20];
    let workshop = Workshop::with_site(&[("long.bin", &content), ("a.txt", b"first")]);
    let server = Server::start(&workshop.pack());
    let mut connection = server.connect();
    connection.send(head("GET", "/long.bin", &[]));
    // The answer has begun and does not fit into the sockets' buffers: the server waits for room.
    connection.peek(&mut [0; 1]);
    connection.send(head("GET", "/a", &[]));
    assert!(connection.receive(false).content == content);
    assert_eq!(connection.receive(false).text(), "first");
}

#[test]
fn peers_that_vanish_in_the_middle_harm_nobody() {
    let workshop = Workshop::with_site(&[("a.txt", b"first"), ("long.bin", &vec![1; 8 << 20])]);
    let server = Server::start(&workshop.pack());
    for cut in 0..20 {
        let mut stream = std::net::TcpStream::connect(server.address).unwrap();
        let request = head("GET", "/long.bin", &[]);
        stream.write_all(&request.as_bytes()[..request.len() - cut]).unwrap();
        if cut == 0 {
            stream.read_exact(&mut [0; 1000]).unwrap();
        }
    }
    assert_eq!(server.get("/a", &[]).text(), "first");
}

#[test]
fn a_request_followed_by_the_end_of_the_connection_is_answered() {
    let server = Server::start(&site().pack());
    let mut connection = server.connect();
    connection.send(head("GET", "/a", &[]));
    connection.finish_sending();
    assert_eq!(connection.receive(false).text(), "first");
    assert!(connection.is_closed());
}

#[test]
fn an_answer_that_was_begun_is_finished_after_sigterm() {
    let content = vec![b'x'; 32 << 20];
    let workshop = Workshop::with_site(&[("long.bin", &content)]);
    let mut server = Server::start(&workshop.pack());
    let mut connection = server.connect();
    connection.send(head("GET", "/long.bin", &[]));
    // The head has arrived: the answer has begun, and cannot have been buffered to its end.
    let mut first = [0; 10];
    connection.peek(&mut first);
    assert_eq!(&first, b"HTTP/1.1 2");
    server.terminate();
    assert!(connection.receive(false).content == content);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn dates_are_current_and_in_the_one_format() {
    let server = Server::start(&site().pack());
    let response = server.get("/a", &[]);
    let date = httpdate::parse_http_date(response.field("Date").expect("a date")).expect("a valid date");
    let age = std::time::SystemTime::now().duration_since(date).expect("not in the future");
    assert!(age.as_secs() < 60, "{age:?}");
    assert_eq!(response.field("Date").map(str::len), Some(29));
    assert!(httpdate::parse_http_date(response.field("Last-Modified").expect("a date")).is_ok());
}

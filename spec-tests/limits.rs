//! docs/limits.md: what happens at each limit. The server's own time-outs are waited for by reading to the end.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Server, Workshop, head};

fn site() -> Workshop {
    Workshop::with_site(&[("a.html", b"<p>a"), ("long.bin", &vec![b'x'; 32 << 20])])
}

#[test]
fn a_head_that_does_not_come() {
    let server = Server::start_with_flags(&site().pack(), &["--header-timeout", "1"]);
    let began = Instant::now();
    let mut silent = server.connect();
    let mut half = server.connect();
    half.send("GET /a HTTP/1.1\r\nHost: x\r\n");
    let mut trickling = server.connect();
    let until = Instant::now() + Duration::from_secs(30);
    // A byte now and then buys no time: the client is told, or finds that it has been told.
    while Instant::now() < until && !trickling.try_send("x") {
        std::thread::yield_now();
    }
    assert_eq!(silent.drain(), 0, "who has said nothing is told nothing");
    assert!(began.elapsed() >= Duration::from_secs(1));
    let response = half.receive(false);
    assert_eq!((response.status, response.field("Connection")), (408, Some("close")));
    half.finish_sending();
    assert!(half.is_closed());
    assert!(Instant::now() < until);
}

#[test]
fn a_request_that_does_not_follow() {
    let server = Server::start_with_flags(&site().pack(), &["--keep-alive-timeout", "1", "--header-timeout", "600"]);
    let mut connection = server.connect();
    connection.send(head("GET", "/a", &[]));
    assert_eq!(connection.receive(false).status, 200);
    // Empty lines are no request.
    connection.send("\r\n");
    let began = Instant::now();
    assert_eq!(connection.drain(), 0);
    assert!(began.elapsed() >= Duration::from_millis(500));
}

#[test]
fn content_that_does_not_come() {
    let server = Server::start_with_flags(&site().pack(), &["--content-timeout", "1"]);
    let mut connection = server.connect();
    connection.send("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc");
    let response = connection.receive(false);
    assert_eq!((response.status, response.field("Connection")), (408, Some("close")));
}

#[test]
fn a_client_that_does_not_read() {
    let server = Server::start_with_flags(&site().pack(), &["--send-timeout", "1", "--keep-alive-timeout", "600"]);
    let mut stalled = server.connect();
    stalled.send(head("GET", "/long", &[]));
    stalled.peek(&mut [0; 1]);
    // Others, meanwhile, take their time but read: half a second of that buys them the next second, whether the server
    // finds much room for more by then, or a little, or none.
    let mut steady: Vec<_> = [1, 2, 4, 6, 8, 12, 16].map(|pace| (pace, server.connect(), 0)).into();
    for (_, connection, _) in &mut steady {
        connection.send(head("GET", "/long", &[]));
    }
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        for (pace, connection, received) in &mut steady {
            *received += connection.read_at_most(*pace << 14);
        }
        // To be slow is the point here.
        std::thread::sleep(Duration::from_millis(50));
    }
    for (pace, connection, received) in &mut steady {
        assert!(*received < 32 << 20);
        while *received < 32 << 20 {
            let count = connection.read_at_most(1 << 20);
            assert_ne!(count, 0, "who reads steadily gets it all, but {pace} had only {received} bytes");
            *received += count;
        }
    }
    assert!(stalled.drain() < 32 << 20, "who does not is cut off");
}

#[test]
fn connections_of_one_address() {
    let server = Server::start_with_flags(&site().pack(), &["--max-connections-per-address", "2"]);
    let mut first = server.connect();
    let mut second = server.connect();
    for connection in [&mut first, &mut second] {
        connection.send(head("GET", "/a", &[]));
        assert_eq!(connection.receive(false).status, 200);
    }
    let mut third = server.connect();
    let response = third.receive(false);
    assert_eq!((response.status, response.field("Connection")), (503, Some("close")));
    let mut elsewhere = server.connect_from([127, 0, 0, 2]);
    elsewhere.send(head("GET", "/a", &[]));
    assert_eq!(elsewhere.receive(false).status, 200);
    drop(first);
    // The place is free as soon as the server has seen the end.
    let served = (0..1000).any(|_| {
        let mut connection = server.connect();
        connection.send_as_far_as_possible(head("GET", "/a", &[]));
        connection.try_receive(false, false).is_ok_and(|response| response.status == 200)
    });
    assert!(served);
}

#[test]
fn connections_in_all() {
    let server = Server::start_with_flags(&site().pack(), &["--max-connections", "4"]);
    let mut idle: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for connection in &mut idle {
        connection.send(head("GET", "/a", &[]));
        assert_eq!(connection.receive(false).status, 200);
    }
    // Those that wait longest give way to who comes.
    let mut fifth = server.connect();
    fifth.send(head("GET", "/a", &[]));
    assert_eq!(fifth.receive(false).status, 200);
    assert!(idle[0].is_closed());
    idle[3].send(head("GET", "/a", &[]));
    assert_eq!(idle[3].receive(false).status, 200);
}

#[test]
fn fewer_descriptors_than_connections() {
    let site = site();
    let inner = Server::command(&site.pack(), &[]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    command.stderr(Stdio::piped());
    let server = Server::run(command);
    // Far more clients than descriptors: each is served, and older ones give way.
    let kept: Vec<_> = (0..200)
        .map(|number| {
            let mut connection = server.connect();
            connection.send(head("GET", "/a", &[]));
            assert_eq!(connection.receive(false).status, 200, "client {number}");
            connection
        })
        .collect();
    assert_eq!(kept.len(), 200);
    let messages = server.messages();
    assert!(messages.contains("23 connections instead of 16384, since it may have 64 files open"), "{messages}");
}

#[test]
fn a_file_of_settings() {
    let workshop = site();
    let file = workshop.path().join("connegd.toml");
    fs::write(&file, "workers = 1\n[limits]\nmax-target = 20\nmax-fields = 3\nmax-content = 10\nmax-head = 200\n")
        .unwrap();
    let server = Server::start_with_flags(&workshop.pack(), &["--config", file.to_str().unwrap()]);
    for (request, status) in [
        ("GET /aaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        ("GET /aaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\nA: b\r\n\r\n", 200),
        ("GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\nA: b\r\nA: b\r\n\r\n", 431),
        ("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789", 200),
        ("GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n0123456789x", 413),
    ] {
        let mut connection = server.connect();
        connection.send(request);
        assert_eq!(connection.receive(false).status, status, "{request:?}");
    }
    let mut connection = server.connect();
    connection.send(format!("GET /a HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "b".repeat(200)));
    assert_eq!(connection.receive(false).status, 431);
}

//! Connections that have been idle for a while wait without a coroutine; a client notices nothing of that. Whether they do is
//! asked of the kernel: it tells of a descriptor that is watched by epoll(7) until one event comes.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Connection, Server, Workshop, eventually, head};

fn server(flags: &[&str]) -> Server {
    Server::start_with_flags(&Workshop::with_site(&[("a.html", b"<p>a")]).pack(), flags)
}

/// How many connections of the server are in the waiting room.
pub fn waiting(server: &Server) -> usize {
    const ONE_EVENT: u64 = 1 << 30;
    const READABLE: u64 = 1;
    let directory = fs::read_dir(format!("/proc/{}/fdinfo", server.id())).expect("a process");
    let texts = directory.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let watches: Vec<_> = texts.flat_map(|text| text.lines().map(str::to_string).collect::<Vec<_>>()).collect();
    let events = watches.iter().filter(|line| line.starts_with("tfd:")).filter_map(|line| {
        let (_, behind) = line.split_once("events:")?;
        u64::from_str_radix(behind.split_whitespace().next()?, 16).ok()
    });
    events.filter(|events| events & ONE_EVENT != 0 && events & READABLE != 0).count()
}

fn ask(connection: &mut Connection, times: usize) {
    connection.send(head("GET", "/a", &[]).repeat(times));
    for _ in 0..times {
        assert_eq!(connection.receive(false).status, 200);
    }
}

#[test]
fn who_comes_back_is_served_as_before() {
    let server = server(&[]);
    let (mut one, mut silent) = (server.connect(), server.connect());
    ask(&mut one, 1);
    for times in [1, 3] {
        eventually("both wait", || waiting(&server) == 2);
        ask(&mut one, times);
        ask(&mut silent, times);
        assert_eq!(waiting(&server), 0);
    }
    eventually("both wait again", || waiting(&server) == 2);
    one.send("GET /a HT");
    eventually("half a request is one", || waiting(&server) == 1);
    one.send("TP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(one.receive(false).status, 200);
    one.finish_sending();
    assert!(one.is_closed());
}

#[test]
fn its_time_goes_on() {
    let server = server(&["--keep-alive-timeout", "2", "--header-timeout", "1"]);
    let began = Instant::now();
    let (mut idle, mut silent) = (server.connect(), server.connect());
    ask(&mut idle, 1);
    eventually("both wait", || waiting(&server) == 2);
    assert_eq!((silent.drain(), idle.drain()), (0, 0), "there is nobody to say anything to");
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1900) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(waiting(&server), 0);
}

#[test]
fn its_place_is_given_to_others() {
    let server = server(&["--max-connections", "2"]);
    let mut idle: Vec<_> = (0..2).map(|_| server.connect()).collect();
    idle.iter_mut().for_each(|connection| ask(connection, 1));
    eventually("both wait", || waiting(&server) == 2);
    let mut newcomer = server.connect();
    ask(&mut newcomer, 1);
    assert!(idle[0].is_closed());
    ask(&mut idle[1], 1);
}

#[test]
fn its_descriptor_is_given_back_when_the_client_leaves() {
    let server = server(&[]);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.id())).expect("a process").count();
    ask(&mut server.connect(), 1);
    eventually("it is closed", || waiting(&server) == 0);
    let before = descriptors();
    let clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    eventually("all wait", || waiting(&server) == 100);
    drop(clients);
    eventually("all are closed", || descriptors() <= before);
}

#[test]
fn the_end_of_the_server_is_its_end() {
    let mut server = server(&[]);
    let mut idle = server.connect();
    ask(&mut idle, 1);
    eventually("it waits", || waiting(&server) == 1);
    let began = Instant::now();
    server.terminate();
    assert_eq!((idle.drain(), server.wait()), (0, Some(0)));
    assert!(began.elapsed() < Duration::from_secs(5));
}

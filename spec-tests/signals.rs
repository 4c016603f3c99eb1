//! Signals, from the first moment to the last: SIGTERM and SIGINT end the server, SIGHUP asks for a look at everything.

use std::fs::{self, File};
use std::process::{Child, Stdio};

use rustix::process::Signal;

use crate::support::manager::Manager;
use crate::support::{Server, Workshop, eventually, head, signal};

/// Waits until a process hears signals; before that moment any would be its end.
fn hears(child: &Child) {
    let path = format!("/proc/{}/status", child.id());
    let bit = |signal: Signal| 1 << (signal.as_raw() - 1);
    let all = bit(Signal::TERM) | bit(Signal::INT) | bit(Signal::HUP);
    eventually("it hears signals", || {
        let status = fs::read_to_string(&path).expect("the process is there");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("signals");
        u64::from_str_radix(caught.trim(), 16).expect("a number") & all == all
    });
}

#[test]
fn who_waits_for_a_webroot_can_be_told_to_end() {
    let workshop = Workshop::of_names(&["a.html"]);
    let out = workshop.pack();
    let _writer = File::options().write(true).open(&out).unwrap();
    for to_end in [Signal::TERM, Signal::INT] {
        let mut child = Server::begin(Server::command(&out, &[]));
        hears(&child);
        signal(&child, Signal::HUP);
        signal(&child, to_end);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn who_packs_a_site_can_be_told_to_end() {
    let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 64 << 20])]);
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Server::command(&workshop.site(), &[]);
    command.env("TMPDIR", temporary.path());
    let mut child = Server::begin(command);
    hears(&child);
    signal(&child, Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn a_look_that_is_asked_for_at_the_start_is_taken_once_it_is_over() {
    let workshop = Workshop::of_names(&["a.html"]);
    let out = workshop.pack();
    let writer = File::options().write(true).open(&out).unwrap();
    let manager = Manager::new();
    let child = manager.begin(Server::command(&out, &[]));
    hears(&child);
    signal(&child, Signal::HUP);
    drop(writer);
    let _server = Server::ready(child);
    for expected in ["READY=1", "RELOADING=1", "READY=1"] {
        manager.wait_for(expected);
    }
}

#[test]
fn one_look_is_taken_at_a_time() {
    // Enough of a site for a look to take a while.
    let names: Vec<_> = (0..3000).map(|number| format!("{number}.html")).collect();
    let workshop = Workshop::of_names(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let manager = Manager::new();
    let mut command = Server::command(&workshop.site(), &[]);
    command.stderr(Stdio::null());
    let mut server = manager.start(command);
    server.signal(Signal::HUP);
    manager.wait_for("RELOADING=1");
    for _ in 0..50 {
        server.signal(Signal::HUP);
        std::thread::yield_now();
    }
    manager.wait_for("READY=1");
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    // Those who asked meanwhile share few looks, one behind the other, and the last may not be over.
    let rest: Vec<_> = std::iter::repeat_with(|| manager.hear()).take_while(|news| news != "STOPPING=1\n").collect();
    let is_begun = |news: &String| news.starts_with("RELOADING=1");
    assert!(rest.iter().enumerate().all(|(number, news)| is_begun(news) == (number % 2 == 0)), "{rest:?}");
    assert!(rest.len() < 10, "{rest:?}");
}

#[test]
fn who_is_told_a_second_time_does_not_wait_for_answers() {
    let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 32 << 20])]);
    for second in [Signal::TERM, Signal::INT] {
        let manager = Manager::new();
        let mut command = Server::command(&workshop.pack(), &["--grace", "3600"]);
        command.stderr(Stdio::piped());
        let server = manager.start(command);
        let mut download = server.connect();
        download.send(head("GET", "/long.bin", &[]));
        download.peek(&mut [0]);
        server.signal(Signal::INT);
        manager.wait_for("STOPPING=1");
        server.signal(second);
        // Not read before the server has ended: on a busy machine all of it could be had until the server hears the signal.
        let messages = server.last_messages();
        assert!(messages.contains("1 answer was still on the way after "), "{messages}");
        assert!(download.drain() < 32 << 20);
    }
}

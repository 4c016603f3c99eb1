//! Ending, and taking over from another process: nobody who connects is lost.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::manager::Manager;
use crate::support::{Connection, Server, Workshop, connegd_command, head};

fn site() -> Workshop {
    Workshop::of_names(&["a.html"]).and("long.bin", vec![7; 32 << 20])
}

/// Clients that ask all the time, each connection several times, until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    fn on(address: SocketAddr) -> Load {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |number: usize| {
            let (stop, answered) = (stop.clone(), answered.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Refused or reset, this panics.
                    let mut connection = Connection::to(address);
                    for _ in 0..=number * 20 {
                        connection.send(head("GET", "/a.html", &[]));
                        let response = connection.receive(false);
                        assert_eq!((response.status, &response.content[..]), (200, &b"a.html"[..]));
                        answered.fetch_add(1, Ordering::Relaxed);
                        if response.field("Connection") == Some("close") {
                            break;
                        }
                    }
                }
            })
        };
        let clients = (0..4).map(client).collect();
        Load { stop, answered, clients }
    }

    /// Waits until so many more requests have been answered.
    fn go_on(&self, count: usize) {
        let goal = self.answered.load(Ordering::Relaxed) + count;
        while self.answered.load(Ordering::Relaxed) < goal {
            assert!(!self.clients.iter().any(|client| client.is_finished()), "a client was let down");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("every request is answered");
        }
    }
}

/// A port that nobody has at the moment.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address")
}

#[test]
fn a_new_process_takes_over_a_shared_port() {
    let webroot = site().pack_bytes();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.webroot");
    std::fs::write(&path, webroot).unwrap();
    let address = free_port().to_string();
    let start = || {
        let mut command = connegd_command(&["--listen", &address, "--reuse-port", "--workers", "2"]);
        command.arg(&path);
        Server::run(command)
    };
    let mut old = start();
    let load = Load::on(old.address);
    for _ in 0..5 {
        load.go_on(200);
        let new = start();
        old.terminate();
        assert_eq!(old.wait(), Some(0));
        load.go_on(200);
        old = new;
    }
    load.end();
}

#[test]
fn without_being_told_nobody_shares_a_port() {
    let workshop = site();
    let server = workshop.serve();
    let address = server.address.to_string();
    for flags in [&["--listen", &address][..], &["--listen", &address, "--reuse-port"]] {
        let output = connegd_command(flags).arg(workshop.out()).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2));
        assert!(message.contains(&format!("{address}: Address already in use")), "{message}");
    }
}

/// As systemd does it: the sockets are opened by somebody else, who keeps them.
#[test]
fn sockets_can_be_given() {
    let workshop = site();
    workshop.pack();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let manager = Manager::new();
    let start = || {
        let inner = connegd_command(&["--workers", "2"]);
        let mut command = Command::new("sh");
        // The shell's own number becomes connegd's.
        command.args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
        command.arg(inner.get_program()).args(inner.get_args()).arg(workshop.out());
        command.stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())));
        manager.start(command)
    };
    let mut old = start();
    assert_eq!(old.address, address);
    let load = Load::on(address);
    for _ in 0..3 {
        load.go_on(200);
        let new = start();
        old.terminate();
        manager.wait_for("STOPPING=1");
        assert_eq!(old.wait(), Some(0));
        load.go_on(200);
        old = new;
    }
    load.end();
    // While nobody serves, connections wait.
    old.terminate();
    manager.wait_for("STOPPING=1");
    assert_eq!(old.wait(), Some(0));
    let mut waiting = Connection::to(address);
    waiting.send(head("GET", "/a.html", &[]));
    let _new = start();
    assert_eq!(waiting.receive(false).status, 200);
}

#[test]
fn what_is_no_socket_is_refused() {
    let workshop = site();
    workshop.pack();
    let inner = connegd_command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
    command.arg(inner.get_program()).arg(workshop.out()).stdin(File::open("/dev/null").unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("descriptor 3: "), "{message}");
}

#[test]
fn a_download_and_a_late_request_are_answered_when_it_ends() {
    let workshop = site();
    let mut server = workshop.serve();
    let mut download = server.connect();
    download.send(head("GET", "/long.bin", &[]));
    download.peek(&mut [0]);
    // A connection that has just been used is not idle: its client may be asking at this moment.
    let mut recent = server.connect();
    recent.send(head("GET", "/a.html", &[]));
    assert_eq!(recent.receive(false).status, 200);
    server.terminate();
    recent.send(head("GET", "/a.html", &[]));
    let last = recent.receive(false);
    assert_eq!(last.status, 200);
    let length = download.receive(false).content.len();
    assert_eq!(length, 32 << 20);
    assert!(download.is_closed());
    assert_eq!(server.wait(), Some(0));
}

//! What a worker can do that somebody has taken over: a program of its own, since what a thread has given up it does not get
//! back.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::channel;

use connegd::runtime::confine::{Needs, forbid_calls, need_only};
use connegd::runtime::start_workers;
use connegd::sys;

/// Lets a worker do something, and returns what came of it.
fn on_worker<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    sys::spawn(Some(1), move || sender.send(body()).expect("somebody waits")).expect("a coroutine");
    receiver.recv().expect("a worker")
}

#[test]
fn a_worker_can_open_nothing_and_nobody_can_run_anything() {
    let directory = tempfile::tempdir().expect("a directory");
    let (inside, outside) = (directory.path().join("logs"), directory.path().join("elsewhere"));
    fs::create_dir(&inside).expect("a directory");
    fs::write(&outside, "x").expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let served = File::open("/etc/passwd").expect("a file that everybody can read");

    // The process: it writes to its logs and to nothing else.
    let needs = Needs { read: None, write: vec![inside.clone()] };
    if !need_only(&needs).expect("a rule") {
        return eprintln!("left out: this kernel has no Landlock");
    }
    let denied =
        |result: std::io::Result<File>| result.expect_err("it must not be").kind() == ErrorKind::PermissionDenied;
    let log = inside.join("access.log");
    let create = |path: &_| File::options().append(true).create(true).open(path);
    create(&log).expect("a log");
    fs::rename(&log, inside.join("access.log.1")).expect("renamed");
    create(&log).expect("a log");
    assert!(denied(create(&outside)) && denied(create(&directory.path().join("new"))));
    assert!(File::open(&outside).is_ok());

    // It runs nothing, whether that is a file of the system or one without a name.
    let run = || Command::new("/bin/true").status().expect_err("it must not be").kind();
    assert_eq!(run(), ErrorKind::PermissionDenied);
    forbid_calls().expect("a filter");
    assert_eq!(run(), ErrorKind::PermissionDenied);
    let status = fs::read_to_string("/proc/thread-self/status").expect("a status");
    assert!(status.contains("Seccomp:\t2\n") && status.contains("NoNewPrivs:\t1\n"), "{status}");

    // Its workers: they have what is open, and can open nothing.
    start_workers(2, true).expect("workers");
    for path in ["/etc/passwd", "/", "/proc/self/maps"] {
        assert!(on_worker(move || denied(File::open(path))), "{path}");
    }
    let path = log.clone();
    assert!(on_worker(move || denied(create(&path))));
    let refused = on_worker(move || TcpStream::connect(address).expect_err("it must not be").kind());
    assert_eq!(refused, ErrorKind::PermissionDenied);
    assert!(on_worker(move || TcpListener::bind("127.0.0.1:0").is_err()));
    assert!(on_worker(move || std::io::read_to_string(served).is_ok_and(|text| !text.is_empty())));
    assert!(on_worker(move || listener.set_nonblocking(true).is_ok()
        && listener.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)));
    // That it sends nowhere it may.
    assert!(on_worker(|| File::options().write(true).open("/dev/null").is_ok()));

    // The process again: of the rest it reads what it said.
    std::thread::spawn(move || {
        let needs = Needs { read: Some(vec![inside.clone()]), write: vec![inside] };
        assert!(need_only(&needs).expect("a rule"));
        assert!(File::open(&log).is_ok() && denied(File::open(&outside)) && denied(File::open("/etc/passwd")));
    })
    .join()
    .expect("all of that");
}

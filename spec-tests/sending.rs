//! docs/sending.md: whatever the model, the same bytes. One table of requests runs over every way of sending.
//!
//! A model that this kernel does not offer is named and left out, unless CONNEGD_MODELS names it, too: there those stand
//! that must be there. With CONNEGD_WHOLE the 5 GB are received from the first byte to the last.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use connegd::http::response::Representation;
use connegd::resource::{Settings, Variant};
use connegd::webroot::writer::{Origin, TargetDraft, VariantDraft, Writer};
use tempfile::TempDir;

use crate::support::{Server, Workshop, connegd_command, head, text};

const MODELS: [&str; 7] = ["auto", "sync", "sendfile", "mmap", "aio", "dio", "async-sendfile"];
const SIZES: [u64; 10] = [0, 1, 4095, 4096, 30_000, 65_535, 65_536, 65_537, 1 << 20, (1 << 20) + 1];
/// A file with nothing in it but a few marks.
const SPARSE: u64 = 5 << 30;
/// How far the marks are apart, and how long they are.
const MARKS: (u64, u64) = ((512 << 20) - 3, 8);

/// The byte at a place of the content that has so many.
fn byte(length: u64, at: u64) -> u8 {
    if length < SPARSE {
        return (at * 31 + at / 251 + length) as u8;
    }
    if at % MARKS.0 < MARKS.1 || at + 1 == length { (at % 255) as u8 + 1 } else { 0 }
}

fn bytes(length: u64, from: u64, to: u64) -> Vec<u8> {
    (from..to).map(|at| byte(length, at)).collect()
}

/// A webroot with a content of each length, called /LENGTH.
fn write_webroot(path: &Path) {
    let mut writer = Writer::new(File::create_new(path).expect("a file")).expect("a writer");
    let settings = writer.add_settings(&Settings::default()).expect("settings");
    let mut resources = Vec::new();
    for length in SIZES.into_iter().chain([SPARSE]) {
        let body = if length == SPARSE {
            writer.add_former_body(0..length, [1; 32]).expect("a body")
        } else {
            let content = bytes(length, 0, length);
            writer.add_body(&content, *blake3::hash(&content).as_bytes()).expect("a body")
        };
        let name = length.to_string();
        let etag = format!("\"{length}\"");
        let block = Representation {
            etag: etag.as_bytes(),
            content_type: b"application/octet-stream",
            content_length: Some(length),
            ..Representation::default()
        }
        .render();
        let variant = Variant::of_type(name.as_bytes(), b"application/octet-stream", length);
        let run = writer.add_run([VariantDraft {
            variant,
            block: &block,
            body: Some(body),
            entry: None,
            origin: Origin::Author,
        }]);
        resources.push((format!("/{name}").into_bytes(), TargetDraft::File(run.expect("a run"), settings)));
    }
    let start = writer.take()[0].to;
    resources.sort_by(|a, b| a.0.cmp(&b.0));
    let (_, file) = writer.finish(&resources, &[], None).expect("a webroot");
    for from in (0..SPARSE).step_by(MARKS.0 as usize).chain([SPARSE - 1]) {
        let mark = bytes(SPARSE, from, SPARSE.min(from + MARKS.1));
        file.write_all_at(&mark, start + from).expect("a file");
    }
}

/// The models that this kernel offers, all that must be among them.
fn models() -> Vec<&'static str> {
    let output = connegd_command(&["--io", "list"]).output().expect("connegd runs");
    assert!(output.status.success());
    let list = text(&output.stdout);
    let mut offered = Vec::new();
    for (line, model) in list.lines().zip(MODELS) {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some(model), "{list}");
        match words.next() {
            Some("yes") => offered.push(model),
            Some("no") => eprintln!("not offered by this kernel: {line}"),
            other => panic!("{other:?} in {list}"),
        }
    }
    let wanted = std::env::var("CONNEGD_MODELS").unwrap_or_default();
    for model in wanted.split_whitespace() {
        assert!(offered.contains(&model), "{model} must be offered here:\n{list}");
    }
    offered
}

struct Sending {
    _directory: TempDir,
    server: Server,
}

impl Sending {
    fn by(model: &str) -> Sending {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("sizes.webroot");
        write_webroot(&path);
        let flags = ["--io", model, "--verify", "off"];
        Sending { server: Server::start_with_flags(&path, &flags), _directory: directory }
    }
}

/// A request and what must come: a status and these stretches of the content.
struct Case {
    length: u64,
    method: &'static str,
    range: Option<String>,
    status: u16,
    parts: Vec<(u64, u64)>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in SIZES {
        let whole =
            |method, parts: &[(u64, u64)]| Case { length, method, range: None, status: 200, parts: parts.into() };
        cases.push(whole("GET", &[(0, length)]));
        cases.push(whole("HEAD", &[]));
    }
    let mut ranges = |length: u64, wanted: &[(u64, u64)]| {
        let shown: Vec<_> = wanted.iter().map(|(from, to)| format!("{from}-{}", to - 1)).collect();
        let range = Some(format!("Range: bytes={}", shown.join(", ")));
        cases.push(Case { length, method: "GET", range, status: 206, parts: wanted.into() });
    };
    let all = 1 << 20;
    for wanted in [(0, 1), (1, all), (4095, 4097), (262_143, 262_145), (1, 65_538), (777, 700_001), (all - 1, all)] {
        ranges(all, &[wanted]);
    }
    ranges(all, &[(0, 10), (5000, 105_000), (200_001, 600_001), (all - 70_000, all)]);
    let far = 4 << 30;
    for wanted in [(0, 3 << 20), (far - 5, far + 5), (far - 100_000, far + 300_001), (SPARSE - 2_000_003, SPARSE)] {
        ranges(SPARSE, &[wanted]);
    }
    ranges(SPARSE, &[(0, 100_000), (far - 1, far + 100_000), (SPARSE - 1, SPARSE)]);
    cases
}

/// What a content in parts has between the parts is left out.
fn parts_of(content: &[u8], content_type: &str) -> Vec<Vec<u8>> {
    let boundary = content_type.split("boundary=").nth(1).expect("a boundary").trim_matches('"');
    let (delimiter, close) = (format!("\r\n--{boundary}\r\n"), format!("\r\n--{boundary}--"));
    let mut parts = Vec::new();
    let mut rest = [b"\r\n", content].concat();
    while rest.starts_with(delimiter.as_bytes()) {
        let start = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("fields") + 4;
        let ends = |mark: &str| rest[start..].windows(mark.len()).position(|bytes| bytes == mark.as_bytes());
        let end = start + ends(&delimiter).or_else(|| ends(&close)).expect("a delimiter");
        parts.push(rest[start..end].to_vec());
        rest = rest.split_off(end);
    }
    parts
}

#[test]
fn every_model_sends_the_same_bytes() {
    for model in models() {
        let sending = Sending::by(model);
        let mut connection = sending.server.connect();
        // All at once: answers come in the order of the requests, whatever each of them takes.
        let requests: String = cases()
            .iter()
            .map(|case| head(case.method, &format!("/{}", case.length), &Vec::from_iter(case.range.as_deref())))
            .collect();
        connection.send(requests);
        for case in cases() {
            let Case { length, method, range, status, parts } = case;
            let what = format!("{model} {method} {length} {range:?}");
            let response = connection.receive(method == "HEAD");
            assert_eq!(response.status, status, "{what}");
            let found = match response.field("Content-Type") {
                Some(several) if several.starts_with("multipart/") => parts_of(&response.content, several),
                _ if method == "HEAD" => vec![],
                _ => vec![response.content.clone()],
            };
            assert_eq!(found.len(), parts.len(), "{what}");
            for (found, (from, to)) in found.iter().zip(parts) {
                assert!(*found == bytes(length, from, to), "{what}: bytes {from} to {to} differ");
            }
        }
        if std::env::var_os("CONNEGD_WHOLE").is_some() {
            receive_whole(&sending.server, model);
        }
    }
}

/// All 5 GB.
fn receive_whole(server: &Server, model: &str) {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.write_all(head("GET", &format!("/{SPARSE}"), &["Connection: close"]).as_bytes()).expect("a request");
    let mut input = BufReader::with_capacity(1 << 20, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        input.read_exact(&mut byte).expect("a head");
        head.extend(byte);
    }
    let (zeros, mut piece, mut at) = (vec![0; 1 << 20], vec![0; 1 << 20], 0);
    while at < SPARSE {
        let length = (SPARSE - at).min(1 << 20);
        let piece = &mut piece[..length as usize];
        input.read_exact(piece).expect("all of it");
        let is_marked = at % MARKS.0 < MARKS.1 || at / MARKS.0 != (at + length) / MARKS.0 || at + length == SPARSE;
        let same = if is_marked { piece == bytes(SPARSE, at, at + length) } else { *piece == zeros[..piece.len()] };
        assert!(same, "{model}: something differs between {at} and {}", at + length);
        at += length;
    }
    assert_eq!(input.read(&mut [0]).expect("the end"), 0);
}

#[test]
fn an_answer_goes_on_from_the_webroot_that_it_began_with() {
    let long = |letter: u8| vec![letter; 24 << 20];
    let workshop = Workshop::with_site(&[("long.bin", &long(b'a'))]);
    let other = Workshop::with_site(&[("long.bin", &long(b'b'))]);
    for model in models() {
        let served = workshop.path().join("served.webroot");
        let put = |webroot: &Path| {
            let new = workshop.path().join("new.webroot");
            fs::copy(webroot, &new).expect("a copy");
            fs::rename(new, &served).expect("a name");
        };
        put(&workshop.pack());
        let server = Server::start_with_flags(&served, &["--io", model]);
        let mut begun = server.connect();
        begun.send(head("GET", "/long", &[]));
        begun.peek(&mut [0; 1000]);
        put(&other.pack());
        crate::support::eventually("the other is served", || {
            server.get("/long", &["Range: bytes=5-5"]).content == b"b"
        });
        assert!(begun.receive(false).content == long(b'a'), "{model}");
        begun.send(head("GET", "/long", &["Range: bytes=1000000-1999999"]));
        assert!(begun.receive(false).content == vec![b'b'; 1_000_000], "{model}");
    }
}

#[test]
fn clients_that_leave_in_the_middle_leave_nothing_behind() {
    let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 16 << 20]), ("a.html", b"<p>a")]);
    workshop.pack();
    for model in models() {
        let server = Server::start_with_flags(&workshop.out(), &["--io", model]);
        let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.id())).expect("descriptors").count();
        // What a way of sending keeps for the next client is there afterwards.
        assert_eq!(server.get("/long", &[]).content.len(), 16 << 20);
        let before = descriptors();
        for round in 0..200 {
            let mut connection = server.connect();
            connection.send(head("GET", "/long", &[]));
            connection.read_at_most(1 << (round % 20));
        }
        let kept = if model == "async-sendfile" { 2 * 2 * 64 } else { 0 };
        crate::support::eventually("all are gone", || descriptors() <= before + kept);
        assert_eq!(server.get("/a", &[]).outcome(), "<p>a", "{model}");
        assert_eq!(server.get("/long", &[]).content.len(), 16 << 20, "{model}");
    }
}

#[test]
fn a_webroot_cut_short_in_the_middle_of_an_answer_ends_that_and_nothing_else() {
    for model in models() {
        let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 64 << 20])]);
        let hosts = workshop.path().join("hosts");
        fs::create_dir(&hosts).expect("a directory");
        let (bad, sound) = (hosts.join("bad.example"), hosts.join("sound.example"));
        fs::copy(workshop.pack(), &bad).expect("a copy");
        fs::copy(workshop.out(), &sound).expect("a copy");
        let mut command = connegd_command(&[
            "--listen",
            "127.0.0.1:0",
            "--workers",
            "2",
            "--io",
            model,
            "--verify",
            "off",
            "--vhosts",
        ]);
        command.arg(&hosts).stderr(Stdio::piped());
        let server = Server::run(command);
        let ask = |host: &str| format!("GET /long HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut begun = server.connect();
        begun.send(ask("bad.example"));
        begun.peek(&mut [0; 1000]);
        let file = File::options().write(true).open(&bad).expect("a file");
        file.set_len(1 << 20).expect("a length");
        assert!(begun.drain() < 64 << 20, "{model}");
        let mut other = server.connect();
        other.send(ask("sound.example"));
        assert!(other.receive(false).content == vec![b'x'; 64 << 20], "{model}");
        let messages = server.messages();
        // Who sends notices, or who watches the directory, whoever comes first.
        let said = ["cut short", "written to"].map(|what| format!("bad.example: it was {what} while it was served"));
        assert!(said.iter().any(|said| messages.contains(said)), "{model}: {messages}");
    }
}

/// A kernel or a container that refuses system calls: what remains does the work, and one line says so.
#[cfg(target_arch = "x86_64")]
#[test]
fn what_the_kernel_refuses_is_done_otherwise() {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

    let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 3 << 20])]);
    workshop.pack();
    // Who is started by a thread has its filters.
    let inside = |command: std::process::Command| {
        let refused = [libc::SYS_io_setup, libc::SYS_io_uring_setup].map(|call| (call, vec![]));
        let (allow, refuse) = (SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32));
        let filter = SeccompFilter::new(refused.into_iter().collect(), allow, refuse, TargetArch::x86_64);
        let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
        let start = move || {
            seccompiler::apply_filter(&program).expect("filters are allowed");
            Server::begin(command)
        };
        std::thread::spawn(start).join().expect("a child")
    };
    let mut command = connegd_command(&["--io", "list"]);
    command.stderr(Stdio::piped());
    let list = text(&inside(command).wait_with_output().expect("connegd runs").stdout);
    for model in ["aio", "dio", "async-sendfile"] {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(model)).expect("a line");
        assert!(line.contains(" no ") && line.contains("Operation not permitted"), "{line}");
        let mut command = Server::command(&workshop.out(), &["--io", model]);
        command.stderr(Stdio::piped());
        let server = Server::ready(inside(command));
        assert!(server.get("/long", &[]).content == vec![b'x'; 3 << 20], "{model}");
        let messages = server.messages();
        let expected = format!("connegd: --io {model}: this kernel or container refuses ");
        assert!(messages.starts_with(&expected) && messages.lines().count() == 1, "{model}: {messages}");
        assert!(messages.ends_with("long contents are sent as by auto\n"), "{messages}");
    }
}

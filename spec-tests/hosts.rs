//! `connegd --vhosts DIR`: which webroot answers for which host, and what becomes of it while it is served.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::manager::Manager;
use crate::support::{Response, Server, Workshop, connegd_command, eventually, head, text};

/// A directory of webroots, and one for what is not there yet.
struct Hosts {
    directory: TempDir,
}

impl Hosts {
    /// With webroots under these names, each of a page that holds its name.
    fn of(names: &[&str]) -> Hosts {
        let hosts = Hosts { directory: tempfile::tempdir().expect("a temporary directory") };
        for directory in ["hosts", "elsewhere"] {
            fs::create_dir(hosts.directory.path().join(directory)).expect("a directory");
        }
        for name in names {
            hosts.put(name, name);
        }
        hosts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("hosts").join(name)
    }

    fn elsewhere(&self, name: &str) -> PathBuf {
        self.directory.path().join("elsewhere").join(name)
    }

    /// Lets a name be that of a new file with the webroot of a page with this content.
    fn put(&self, name: &str, content: &str) {
        rename_over(&webroot(content), &self.path(name));
    }

    fn command(&self) -> Command {
        let mut command = connegd_command(&["--listen", "127.0.0.1:0", "--workers", "2", "--vhosts"]);
        command.arg(self.directory.path().join("hosts"));
        command
    }

    fn start(&self, manager: &Manager) -> Server {
        let mut command = self.command();
        command.stderr(Stdio::piped());
        manager.start(command)
    }
}

/// The webroot of a site with one page.
fn webroot(content: &str) -> Vec<u8> {
    Workshop::with_site(&[("index.html", content.as_bytes())]).pack_bytes()
}

fn rename_over(content: &[u8], path: &Path) {
    let temporary = path.with_file_name(".new");
    fs::write(&temporary, content).expect("a file");
    fs::rename(&temporary, path).expect("a new name");
}

fn get(server: &Server, host: &str) -> Response {
    let mut connection = server.connect();
    connection.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    connection.receive(false)
}

/// What is answered for a host: the content, or the status.
fn found(server: &Server, host: &str) -> String {
    let response = get(server, host);
    if response.status == 200 { text(&response.content) } else { response.status.to_string() }
}

#[test]
fn the_most_specific_name_answers() {
    let names = ["example.com", "*.example.com", "*.b.example.com", "bücher.example", "[::1]", "127.0.0.1", "*.0.0.2"];
    let hosts = Hosts::of(&names);
    let manager = Manager::new();
    let server = hosts.start(&manager);
    for (host, expected) in [
        ("example.com", "example.com"),
        ("EXAMPLE.Com:81", "example.com"),
        ("example.com.", "example.com"),
        ("example.com.:80", "example.com"),
        ("www.example.com", "*.example.com"),
        ("x.y.example.com", "*.example.com"),
        ("x.b.example.com", "*.b.example.com"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("[::1]:8080", "[::1]"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("127.0.0.2", "421"),
        ("example.org", "421"),
        ("", "421"),
    ] {
        assert_eq!(found(&server, host), expected, "{host}");
    }
    hosts.put("__default__", "default");
    manager.reload(&server);
    for host in ["example.org", "", "localhost:80"] {
        assert_eq!(found(&server, host), "default", "{host}");
    }
}

#[test]
fn the_target_overrules_the_host_field() {
    let hosts = Hosts::of(&["a.test", "b.test"]);
    let server = hosts.start(&Manager::new());
    let mut connection = server.connect();
    for (request, expected) in [
        ("GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "a.test"),
        ("GET HTTP://B.test:80/ HTTP/1.1\r\nHost: a.test\r\n\r\n", "b.test"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "a.test"),
    ] {
        connection.send(request);
        assert_eq!(text(&connection.receive(false).content), expected, "{request:?}");
    }
    connection.send("HEAD / HTTP/1.1\r\nHost: c.test\r\n\r\n");
    assert_eq!(connection.receive(true).status, 421);
    // The connection is good for other hosts.
    connection
        .send("GET / HTTP/1.1\r\nHost: c.test\r\nAccept: text/plain\r\n\r\nGET / HTTP/1.1\r\nHost: b.test\r\n\r\n");
    let refused = connection.receive(false);
    assert_eq!((refused.status, refused.field("Content-Type")), (421, Some("text/plain; charset=utf-8")));
    assert_eq!(text(&connection.receive(false).content), "b.test");
    connection.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(connection.receive(false).status, 421);
}

#[test]
fn what_happens_is_noticed() {
    let hosts = Hosts::of(&["a.test"]);
    let server = hosts.start(&Manager::new());
    let becomes = |host: &str, expected: &str| {
        eventually(&format!("{host} is {expected}"), || found(&server, host) == expected);
    };
    hosts.put("b.test", "new");
    becomes("b.test", "new");
    hosts.put("b.test", "newer");
    becomes("b.test", "newer");
    // A link, one that points elsewhere, a file that takes the place of where it leads, and a link on the way.
    rename_over(&webroot("first"), &hosts.elsewhere("1.webroot"));
    rename_over(&webroot("second"), &hosts.elsewhere("2.webroot"));
    symlink("1.webroot", hosts.elsewhere("current")).unwrap();
    symlink("../elsewhere/current", hosts.path("c.test")).unwrap();
    becomes("c.test", "first");
    rename_over(&webroot("first again"), &hosts.elsewhere("1.webroot"));
    becomes("c.test", "first again");
    symlink("2.webroot", hosts.elsewhere("next")).unwrap();
    fs::rename(hosts.elsewhere("next"), hosts.elsewhere("current")).unwrap();
    becomes("c.test", "second");
    fs::remove_file(hosts.elsewhere("2.webroot")).unwrap();
    becomes("c.test", "421");
    fs::write(hosts.elsewhere("2.webroot"), webroot("back")).unwrap();
    becomes("c.test", "back");
    fs::remove_file(hosts.path("c.test")).unwrap();
    becomes("c.test", "421");
    fs::remove_file(hosts.path("b.test")).unwrap();
    becomes("b.test", "421");
    // The directory itself goes and comes back.
    let directory = hosts.path("");
    fs::rename(&directory, directory.with_file_name("away")).unwrap();
    becomes("a.test", "421");
    fs::create_dir(&directory).unwrap();
    hosts.put("d.test", "d");
    becomes("d.test", "d");
    hosts.put("d.test", "d2");
    becomes("d.test", "d2");
}

#[test]
fn directories_on_the_way_may_be_exchanged() {
    let hosts = Hosts::of(&[]);
    let server = hosts.start(&Manager::new());
    let becomes = |host: &str, expected: &str| {
        eventually(&format!("{host} is {expected}"), || found(&server, host) == expected);
    };
    let release = |name: &str, content: &str| {
        let path = hosts.elsewhere(name).join("site/packed.webroot");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        rename_over(&webroot(content), &path);
    };
    // Directories that are not there yet.
    symlink("../elsewhere/app/site/packed.webroot", hosts.path("a.test")).unwrap();
    release("app", "first");
    becomes("a.test", "first");
    for number in 0..5 {
        let content = format!("release {number}");
        release("app.new", &content);
        fs::rename(hosts.elsewhere("app"), hosts.elsewhere(&format!("app.{number}"))).unwrap();
        fs::rename(hosts.elsewhere("app.new"), hosts.elsewhere("app")).unwrap();
        becomes("a.test", &content);
        // And what it leads to then is followed, too.
        release("app", "again");
        becomes("a.test", "again");
    }
}

#[test]
fn links_into_one_directory_are_followed_each_for_itself() {
    let hosts = Hosts::of(&[]);
    let server = hosts.start(&Manager::new());
    let names: Vec<_> = (0..4).map(|number| format!("h{number}.test")).collect();
    for name in &names {
        rename_over(&webroot("first"), &hosts.elsewhere(name));
        symlink(Path::new("../elsewhere").join(name), hosts.path(name)).unwrap();
    }
    let (gone, left) = names.split_first().unwrap();
    eventually("all are served", || names.iter().all(|name| found(&server, name) == "first"));
    // An event about the directory itself, and one of those that lead into it goes.
    fs::set_permissions(hosts.elsewhere(""), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::remove_file(hosts.path(gone)).unwrap();
    eventually("one is gone", || found(&server, gone) == "421");
    for name in left {
        rename_over(&webroot("second"), &hosts.elsewhere(name));
        eventually("the new one is served", || found(&server, name) == "second");
    }
}

#[test]
fn the_directory_itself_may_be_where_a_link_leads() {
    let hosts = Hosts::of(&[]);
    for release in ["1", "2"] {
        fs::create_dir(hosts.elsewhere(release)).unwrap();
        rename_over(&webroot(release), &hosts.elsewhere(release).join("a.test"));
    }
    symlink("elsewhere/1", hosts.path("").with_file_name("current")).unwrap();
    let link = hosts.path("").with_file_name("current");
    let mut command = connegd_command(&["--listen", "127.0.0.1:0", "--vhosts"]);
    command.arg(&link).stderr(Stdio::null());
    let many = Server::run(command);
    let one = Server::start_in_silence(&link.join("a.test"));
    assert_eq!((found(&many, "a.test"), found(&one, "a.test")), ("1".into(), "1".into()));
    symlink("elsewhere/2", link.with_file_name("next")).unwrap();
    fs::rename(link.with_file_name("next"), &link).unwrap();
    eventually("the other is served", || found(&many, "a.test") == "2" && found(&one, "a.test") == "2");
    rename_over(&webroot("3"), &hosts.elsewhere("2").join("a.test"));
    eventually("it is followed", || found(&many, "a.test") == "3" && found(&one, "a.test") == "3");
}

#[test]
fn a_host_whose_file_is_renamed_is_always_served() {
    let hosts = Hosts::of(&["a.test"]);
    let server = hosts.start(&Manager::new());
    let mut name = hosts.path("a.test");
    for number in 0..10 {
        let next = hosts.path(if number % 2 == 0 { "A.test" } else { "a.test" });
        fs::rename(&name, &next).unwrap();
        name = next;
        // As many requests as there is time for until it is known under that name.
        rename_over(&webroot(&format!("{number}")), &name);
        let is_served = || match found(&server, "a.test") {
            content if content == format!("{number}") => true,
            content => {
                assert_ne!(content, "421");
                false
            }
        };
        eventually("it is served", is_served);
    }
}

#[test]
fn what_cannot_be_looked_at_is_not_gone() {
    let hosts = Hosts::of(&["a.test"]);
    let manager = Manager::new();
    let server = hosts.start(&manager);
    // A link to itself.
    symlink("a.test", hosts.path(".loop")).unwrap();
    fs::rename(hosts.path(".loop"), hosts.path("a.test")).unwrap();
    for _ in 0..2 {
        manager.reload(&server);
        assert_eq!(found(&server, "a.test"), "a.test");
    }
    hosts.put("a.test", "back");
    eventually("it is served", || found(&server, "a.test") == "back");
    let messages = server.messages();
    assert!(messages.contains("Too many levels of symbolic links"), "{messages}");
    assert!(messages.contains("the former one is served on"), "{messages}");
}

#[test]
fn the_first_host_is_announced_as_others_are() {
    let hosts = Hosts::of(&[]);
    let server = hosts.start(&Manager::new());
    for name in ["a.test", "b.test"] {
        hosts.put(name, name);
        eventually("it is served", || found(&server, name) == name);
    }
    let messages = server.messages();
    assert!(messages.contains("a.test: serving build ") && messages.contains("b.test: serving build "), "{messages}");
}

#[test]
fn what_is_no_sound_webroot_is_refused_and_the_former_one_serves_on() {
    let hosts = Hosts::of(&["a.test"]);
    let manager = Manager::new();
    let server = hosts.start(&manager);
    let sound = webroot("sound");
    let mut damaged = sound.clone();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    for content in [&b"junk"[..], b"", &sound[..sound.len() - 1], &sound[..4096], &damaged] {
        rename_over(content, &hosts.path("a.test"));
        rename_over(content, &hosts.path("b.test"));
        manager.reload(&server);
        assert_eq!((found(&server, "a.test"), found(&server, "b.test")), ("a.test".into(), "421".into()));
    }
    fs::create_dir(hosts.path("c.test")).unwrap();
    symlink("c.test", hosts.path("d.test")).unwrap();
    symlink("e.test", hosts.path("e.test")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, hosts.path("f.test"), rustix::fs::Mode::RUSR).unwrap();
    hosts.put("no host", "x");
    hosts.put("A.test", "x");
    hosts.put(".hidden.test", "x");
    manager.reload(&server);
    for host in ["c.test", "d.test", "e.test", "f.test", "hidden.test", ".hidden.test"] {
        assert_eq!(found(&server, host), "421", "{host}");
    }
    assert_eq!(found(&server, "a.test"), "a.test");
    // Whoever had the name first has it until it is gone.
    fs::remove_file(hosts.path("a.test")).unwrap();
    eventually("the other file has the name", || found(&server, "a.test") == "x");
    let messages = server.messages();
    for expected in [
        "a.test: it does not begin as a webroot does",
        "the former one is served on",
        "b.test: its index, from byte",
        "it is not served",
        "no host is no name of a host; name it example.com, *.example.com or __default__",
        "A.test is for the same host as a.test, which is served",
    ] {
        assert!(messages.contains(expected), "{expected:?} is not in {messages}");
    }
    assert_eq!(messages.matches("a.test: it does not begin as a webroot does").count(), 1, "{messages}");
}

#[test]
fn a_file_that_is_being_written_is_left_alone() {
    let hosts = Hosts::of(&["a.test"]);
    let manager = Manager::new();
    let server = hosts.start(&manager);
    let content = webroot("whole");
    let mut file = fs::File::create(hosts.path("b.test")).unwrap();
    let (first, second) = content.split_at(content.len() / 2);
    for part in [first, second] {
        file.write_all(part).unwrap();
        manager.reload(&server);
        assert_eq!(found(&server, "b.test"), "421");
    }
    drop(file);
    eventually("b.test is served", || found(&server, "b.test") == "whole");
}

#[test]
fn a_webroot_that_is_written_to_is_taken_out_of_service() {
    let hosts = Hosts::of(&["a.test", "b.test", "c.test"]);
    let manager = Manager::new();
    let server = hosts.start(&manager);
    let file = |name: &str| fs::File::options().write(true).open(hosts.path(name)).unwrap();
    let mut kept = server.connect();
    kept.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(kept.receive(false).status, 200);
    file("a.test").set_len(5000).unwrap();
    let overwritten = file("b.test");
    overwritten.write_all_at(b"junk", 4096).unwrap();
    manager.reload(&server);
    assert_eq!((found(&server, "a.test"), found(&server, "b.test")), ("503".into(), "503".into()));
    kept.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let refused = kept.receive(false);
    assert_eq!((refused.status, refused.field("Connection")), (503, Some("close")));
    assert!(kept.is_closed());
    assert_eq!(found(&server, "c.test"), "c.test");
    drop(overwritten);
    hosts.put("a.test", "revived");
    fs::write(hosts.path("b.test"), webroot("revived in place")).unwrap();
    eventually("a.test is served", || found(&server, "a.test") == "revived");
    eventually("b.test is served", || found(&server, "b.test") == "revived in place");
    let messages = server.messages();
    assert!(messages.contains("its site is not served until there is a sound one"), "{messages}");
}

/// The kernel tells only who reads beyond the end of a map, by SIGBUS: before anybody has noticed anything else.
#[test]
fn a_request_survives_that_the_file_is_cut_short_under_it() {
    let content = "x".repeat(40_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("site.webroot");
    let other = Workshop::of_names(&["a.html"]);
    let files: Vec<_> = (0..50).map(|number| (format!("{number}.html"), format!("{number} {content}"))).collect();
    let files: Vec<_> = files.iter().map(|(name, content)| (name.as_str(), content.as_bytes())).collect();
    let workshop = Workshop::with_site(&files);
    fs::copy(workshop.pack(), &path).unwrap();
    let server = Server::start_in_silence(&path);
    let mut connections: Vec<_> = (0..50).map(|_| server.connect()).collect();
    fs::File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
    for (number, connection) in connections.iter_mut().enumerate() {
        connection.send_as_far_as_possible(head("GET", &format!("/{number}.html"), &[]));
    }
    for connection in &mut connections {
        // The connection ends, with or without a word, but never with bytes that are not there any more.
        if let Ok(response) = connection.try_receive(false, false) {
            assert_eq!(response.status, 503);
        }
    }
    fs::copy(other.pack(), directory.path().join("new")).unwrap();
    fs::rename(directory.path().join("new"), &path).unwrap();
    eventually("a sound webroot is served", || server.get("/a.html", &[]).status == 200);
}

#[test]
fn a_file_that_is_cut_short_while_it_is_opened_is_refused() {
    let content = vec![b'x'; 192 << 20];
    let workshop = Workshop::with_site(&[("long.bin", &content)]);
    let out = workshop.pack();
    let mut command = Server::command(&out, &["--verify", "open"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let maps = format!("/proc/{}/maps", child.id());
    eventually("it is being read", || fs::read_to_string(&maps).unwrap_or_default().contains("out.webroot"));
    fs::File::options().write(true).open(&out).unwrap().set_len(8192).unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{message}");
    assert!(message.contains("out.webroot: "), "{message}");
}

#[test]
fn a_download_ends_when_its_file_is_cut_short() {
    let content = vec![b'x'; 64 << 20];
    let workshop = Workshop::with_site(&[("long.bin", &content)]);
    let server = Server::start_in_silence(&workshop.pack());
    let mut connection = server.connect();
    connection.send(head("GET", "/long.bin", &[]));
    assert!(connection.read_at_most(1000) > 0);
    fs::File::options().write(true).open(workshop.out()).unwrap().set_len(8192).unwrap();
    assert!(connection.drain() < content.len());
}

/// Descriptors and maps of a process that have to do with webroots.
fn held(server: &Server) -> usize {
    let process = PathBuf::from(format!("/proc/{}", server.id()));
    let leads_there = |path: PathBuf| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().contains("/hosts/"));
    let descriptors = fs::read_dir(process.join("fd")).unwrap().flatten().filter(|entry| leads_there(entry.path()));
    let maps = fs::read_to_string(process.join("maps")).unwrap();
    descriptors.count() + maps.lines().filter(|line| line.contains("/hosts/")).count()
}

#[test]
fn an_answer_finishes_from_the_webroot_it_began_with_which_then_goes() {
    let hosts = Hosts::of(&[]);
    let long = |letter: u8| Workshop::with_site(&[("index.html", &vec![letter; 8 << 20])]).pack_bytes();
    rename_over(&long(b'a'), &hosts.path("a.test"));
    let manager = Manager::new();
    let server = hosts.start(&manager);
    assert_eq!(held(&server), 2);
    let mut downloads: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for download in &mut downloads {
        download.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
        download.peek(&mut [0]);
    }
    for _ in 0..5 {
        rename_over(&long(b'b'), &hosts.path("a.test"));
        manager.reload(&server);
    }
    assert_eq!(get(&server, "a.test").content[0], b'b');
    for download in &mut downloads {
        let content = download.receive(false).content;
        assert!(content.len() == 8 << 20 && content.iter().all(|&byte| byte == b'a'));
    }
    // The connections are still there, and idle.
    eventually("only the last webroot is held", || held(&server) == 2);
}

#[test]
fn damaged_contents_are_not_sent_again() {
    let site: [(&str, &[u8]); 3] = [("a.html", b"sound"), ("b.html", b"will be damaged"), ("b.txt", b"sound as well")];
    for verify in ["open", "background", "off"] {
        let workshop = Workshop::with_site(&site);
        let mut bytes = workshop.pack_bytes();
        let place = bytes.windows(4).position(|part| part == b"will").unwrap();
        bytes[place] = b'W';
        fs::write(workshop.out(), bytes).unwrap();
        let mut command = Server::command(&workshop.out(), &["--verify", verify]);
        command.stderr(Stdio::piped());
        if verify == "open" {
            let output = command.output().unwrap();
            let message = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2));
            assert!(message.contains("out.webroot: the content of /b, /b.html is damaged"), "{message}");
            continue;
        }
        let server = Server::run(command);
        let status = |method: &str, target: &str, field: &str| server.request(method, target, &[field]).status;
        if verify == "off" {
            assert_eq!(status("GET", "/b.html", "A: b"), 200);
            continue;
        }
        eventually("the damage is found", || status("GET", "/b.html", "A: b") == 500);
        assert_eq!(status("HEAD", "/b.html", "A: b"), 500);
        assert_eq!(status("GET", "/b.html", "Range: bytes=0-1"), 500);
        assert_eq!((status("GET", "/b", "Accept: text/html"), status("GET", "/b", "Accept: text/plain")), (500, 200));
        assert_eq!(status("GET", "/a.html", "A: b"), 200);
        let messages = server.messages();
        let expected = format!("out.webroot:{place}: the content of /b, /b.html is damaged");
        assert!(messages.contains(&expected) && messages.contains("it is not sent any more"), "{messages}");
    }
}

#[test]
fn a_damaged_page_of_an_error_is_the_same_to_head_and_get() {
    let settings = b"[errors]\n404 = \"/lost.html\"\n";
    let workshop = Workshop::with_site(&[("lost.html", b"will be damaged"), (".mkroot.toml", settings)]);
    let mut bytes = workshop.pack_bytes();
    let place = bytes.windows(4).position(|part| part == b"will").unwrap();
    bytes[place] = b'W';
    fs::write(workshop.out(), bytes).unwrap();
    let server = Server::start_in_silence(&workshop.out());
    eventually("the damage is found", || server.get("/nothing", &[]).status == 500);
    assert_eq!(server.request("HEAD", "/nothing", &[]).status, 500);
}

#[test]
fn a_site_that_is_withdrawn_has_no_part_in_refusals() {
    let hosts = Hosts::of(&[]);
    let settings = b"[headers]\n\"/**\" = { X-Site = \"default\" }\n";
    let site = Workshop::with_site(&[("index.html", b"a"), (".mkroot.toml", settings)]);
    rename_over(&site.pack_bytes(), &hosts.path("__default__"));
    let manager = Manager::new();
    let server = hosts.start(&manager);
    let refused = || {
        let mut connection = server.connect();
        connection.send("nonsense\r\n\r\n");
        let response = connection.receive(false);
        (response.status, response.field("X-Site").map(str::to_string))
    };
    assert_eq!(refused(), (400, Some("default".into())));
    fs::File::options().write(true).open(hosts.path("__default__")).unwrap().set_len(5000).unwrap();
    manager.reload(&server);
    assert_eq!(refused(), (400, None));
}

#[test]
fn connections_give_way_to_webroots() {
    let hosts = Hosts::of(&["first.test"]);
    let (manager, inner) = (Manager::new(), hosts.command());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 110 && exec \"$0\" \"$@\" --keep-alive-timeout 3600"]);
    command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null()).stderr(Stdio::piped());
    let server = manager.start(command);
    // As many as there may be besides one webroot, all idle.
    let mut idle: Vec<_> = (0..69).map(|_| server.connect()).collect();
    for connection in &mut idle {
        connection.send("GET / HTTP/1.1\r\nHost: first.test\r\n\r\n");
        assert_eq!(connection.receive(false).status, 200);
    }
    let one = webroot("one");
    (0..60).for_each(|number| rename_over(&one, &hosts.path(&format!("h{number}.test"))));
    // Nobody else connects meanwhile.
    eventually("there is room for as many as may be", || held(&server) == 2 * 33);
    for _ in 0..69 {
        assert_eq!(found(&server, "first.test"), "first.test");
    }
    let messages = server.messages();
    assert!(messages.contains("33 webroots are served, and there is room for no more"), "{messages}");
}

/// Who starts a server with a pipe that nobody reads does not stop it.
#[test]
fn nobody_waits_for_who_should_read_the_messages() {
    let long = Workshop::with_site(&[("index.html", &vec![b'x'; 8 << 20])]).pack_bytes();
    let hosts = Hosts::of(&["a.test"]);
    let cut_short: Vec<_> = (0..4).map(|number| format!("long{number}.test")).collect();
    cut_short.iter().for_each(|name| rename_over(&long, &hosts.path(name)));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    filler.write_all(&[b'-'; 1 << 16]).unwrap();
    drop(filler);
    let mut command = hosts.command();
    command.stderr(writer);
    let manager = Manager::new();
    let mut server = manager.start(command);
    // The thread that follows changes has something to say, and goes on.
    rename_over(b"junk", &hosts.path("b.test"));
    manager.reload(&server);
    hosts.put("c.test", "c.test");
    manager.reload(&server);
    assert_eq!(found(&server, "c.test"), "c.test");
    // So have those who serve, on either worker.
    let mut downloads: Vec<_> = cut_short
        .iter()
        .map(|name| {
            let mut download = server.connect();
            download.send(format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n"));
            download.peek(&mut [0]);
            fs::File::options().write(true).open(hosts.path(name)).unwrap().set_len(8192).unwrap();
            download
        })
        .collect();
    downloads.iter_mut().for_each(|download| assert!(download.drain() < 8 << 20));
    for _ in 0..8 {
        assert_eq!(found(&server, "a.test"), "a.test");
    }
    // Whoever reads at last finds it all, also what is said in the end.
    let reading = std::thread::spawn(move || {
        let mut messages = String::new();
        reader.read_to_string(&mut messages).map(|_| messages).unwrap()
    });
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let messages = reading.join().unwrap();
    for expected in ["b.test: it does not begin as a webroot does", "c.test: serving build", "long3.test: it was "] {
        assert!(messages.contains(expected), "{expected:?} is not in {messages}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let mut child = connegd_command(&["--listen", "127.0.0.1:0", "--vhosts", "/nonexistent/hosts"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(message.contains("--vhosts /nonexistent/hosts: No such file or directory"), "{message}");
}

#[test]
fn where_there_are_more_webroots_than_may_be_open_the_others_are_served() {
    let names: Vec<_> = (0..60).map(|number| format!("h{number}.test")).collect();
    let hosts = Hosts::of(&[]);
    let one = webroot("one");
    names.iter().for_each(|name| rename_over(&one, &hosts.path(name)));
    let (manager, inner) = (Manager::new(), hosts.command());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 110 && exec \"$0\" \"$@\""]).arg(inner.get_program()).args(inner.get_args());
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    let server = manager.start(command);
    let served = |server: &Server| names.iter().filter(|name| found(server, name) == "one").count();
    // Three quarters of what 64 others leave.
    assert_eq!(served(&server), 33);
    let refused: Vec<_> = names.iter().filter(|name| found(&server, name) == "421").collect();
    assert_eq!(refused.len(), 27);
    // One that is replaced needs no more room than it had; one that goes makes room.
    let first = names.iter().find(|name| !refused.contains(name)).expect("a host that is served");
    hosts.put(first, "two");
    eventually("it is replaced", || found(&server, first) == "two");
    fs::remove_file(hosts.path(first)).expect("a file");
    eventually("another takes its place", || served(&server) == 33);
    for _ in 0..5 {
        // At the same moment one goes and the others are looked at, for which there was no room a moment before.
        let (yes, no): (Vec<_>, Vec<_>) = names.iter().partition(|name| found(&server, name) != "421");
        no.iter().filter(|name| hosts.path(name).exists()).for_each(|name| rename_over(&one, &hosts.path(name)));
        fs::remove_file(hosts.path(yes[0])).expect("a file");
        eventually("another takes its place", || served(&server) + 1 >= 33 && found(&server, yes[0]) == "421");
        eventually("another takes its place", || {
            names.iter().filter(|name| found(&server, name) != "421").count() == 33
        });
    }
    let messages = server.messages();
    let reason = "33 webroots are served, and there is room for no more, since this process may have 110 files open";
    assert!(messages.matches(reason).count() >= 27, "{messages}");
}

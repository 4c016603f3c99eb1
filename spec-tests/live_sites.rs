//! Sites that are edited while they are served, or packed, and webroots that are replaced.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use crate::support::manager::Manager;
use crate::support::{Server, Workshop, eventually, mkroot, mkroot_command, text};

fn content(server: &Server, target: &str) -> String {
    let response = server.get(target, &["Accept: text/html"]);
    if response.status == 200 { text(&response.content) } else { response.status.to_string() }
}

fn start(workshop: &Workshop) -> Server {
    let mut command = Server::command(&workshop.site(), &[]);
    command.stderr(Stdio::piped());
    Server::run(command)
}

#[test]
fn what_is_edited_is_served() {
    let workshop = Workshop::with_site(&[("a.html", b"first"), ("d/b.html", b"b")]);
    let server = start(&workshop);
    let becomes = |target: &str, expected: &str| {
        eventually(&format!("{target} is {expected}"), || content(&server, target) == expected);
    };
    assert_eq!(content(&server, "/a"), "first");
    workshop.write("a.html", b"second");
    becomes("/a", "second");
    workshop.write("new/deep/c.html", b"c");
    becomes("/new/deep/c", "c");
    // A directory that was not there at first is watched as well.
    workshop.write("new/deep/c.html", b"cc");
    becomes("/new/deep/c", "cc");
    fs::rename(workshop.site().join("new"), workshop.site().join("old")).unwrap();
    becomes("/new/deep/c", "404");
    becomes("/old/deep/c", "cc");
    fs::remove_dir_all(workshop.site().join("d")).unwrap();
    becomes("/d/b", "404");
    // With the same length, and a date that is set back.
    let path = workshop.site().join("a.html");
    let date = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "SECOND").unwrap();
    fs::File::options().append(true).open(&path).unwrap().set_modified(date).unwrap();
    becomes("/a", "SECOND");
    // The site as a whole goes and comes back.
    fs::rename(workshop.site(), workshop.path().join("away")).unwrap();
    fs::create_dir(workshop.site()).unwrap();
    workshop.write("a.html", b"another");
    becomes("/a", "another");
    workshop.write("a.html", b"and another");
    becomes("/a", "and another");
    let messages = server.messages();
    for expected in ["packed again in ", "1 changed (/a.html)", "1 added (/new/deep/c.html)", "1 removed (/d/b.html)"] {
        assert!(messages.contains(expected), "{expected:?} is not in {messages}");
    }
}

#[test]
fn a_mistake_in_the_settings_leaves_the_site_as_it_was() {
    let workshop = Workshop::with_site(&[("a.html", b"a"), ("a.txt", b"plain")]);
    let manager = Manager::new();
    let mut command = Server::command(&workshop.site(), &[]);
    command.stderr(Stdio::piped());
    let server = manager.start(command);
    let status = || server.get("/gone", &[]).status;
    assert_eq!(status(), 404);
    workshop.write(".mkroot.toml", b"[redirects]\n\"/gone\" = \"/a\"\n");
    eventually("the redirect is there", || status() == 301);
    workshop.write(".mkroot.toml", b"[redirects]\n\"/gone\" = 1\n");
    workshop.write("a.html", b"changed");
    workshop.write("b.html", b"b");
    manager.reload(&server);
    assert_eq!((status(), content(&server, "/a")), (301, "a".into()));
    let refused = mkroot(&[workshop.site(), workshop.out()]);
    assert_eq!(refused.status.code(), Some(2));
    workshop.write(".mkroot.toml", b"[redirects]\n\"/gone\" = \"/b\"\n");
    eventually("the site is served again", || content(&server, "/a") == "changed");
    let messages = server.messages();
    assert!(messages.contains(".mkroot.toml:2:11: ") && messages.contains("the site is left as it was"), "{messages}");
    assert!(messages.contains("no file changed, but the settings"), "{messages}");
}

#[test]
fn settings_elsewhere_are_watched_too() {
    let workshop = Workshop::with_site(&[("a.html", b"a")]);
    let settings = workshop.path().join("settings.toml");
    fs::write(&settings, "").unwrap();
    let server = Server::run({
        let mut command = Server::command(&workshop.site(), &["--site-config", settings.to_str().unwrap()]);
        command.stderr(Stdio::null());
        command
    });
    assert_eq!(server.get("/b", &[]).status, 404);
    fs::write(&settings, "[redirects]\n\"/b\" = \"/a\"\n").unwrap();
    eventually("the redirect is there", || server.get("/b", &[]).status == 301);
}

#[test]
fn one_webroot_is_replaced_and_outlives_its_name() {
    let workshop = Workshop::with_site(&[("a.html", b"first")]);
    let server = Server::start_in_silence(&workshop.pack());
    assert_eq!(content(&server, "/a"), "first");
    workshop.write("a.html", b"second");
    workshop.pack();
    eventually("the new one is served", || content(&server, "/a") == "second");
    fs::remove_file(workshop.out()).unwrap();
    workshop.write("a.html", b"third");
    assert_eq!(content(&server, "/a"), "second");
    workshop.pack();
    eventually("the third is served", || content(&server, "/a") == "third");
}

#[test]
fn one_webroot_is_followed_where_a_link_leads() {
    let workshop = Workshop::with_site(&[("a.html", b"first")]);
    let releases = workshop.path().join("releases");
    fs::create_dir(&releases).unwrap();
    fs::rename(workshop.pack(), releases.join("1")).unwrap();
    let link = workshop.path().join("current.webroot");
    std::os::unix::fs::symlink("releases/1", &link).unwrap();
    let server = Server::start_in_silence(&link);
    workshop.write("a.html", b"second");
    fs::rename(workshop.pack(), releases.join("1")).unwrap();
    eventually("the new one is served", || content(&server, "/a") == "second");
}

/// A `mkroot --watch`, ended by SIGTERM with status 0.
struct Watcher(Child);

impl Drop for Watcher {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("SIGTERM");
        let status = self.0.wait().expect("mkroot ends");
        if !std::thread::panicking() {
            assert_eq!(status.code(), Some(0));
        }
    }
}

#[test]
fn a_webroot_is_kept_up_to_date() {
    let workshop = Workshop::with_site(&[("a.html", b"first")]);
    // Within the site: what it writes must not wake it.
    let out = workshop.site().join("out.webroot");
    let arguments = [workshop.site(), out.clone()];
    let mut command = mkroot_command(&arguments);
    command.args(["--negotiate", "--watch"]).stderr(Stdio::piped());
    let mut child = command.spawn().expect("mkroot starts");
    let mut messages = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("a line"));
    let _watcher = Watcher(child);
    eventually("there is a webroot", || out.exists());
    let server = Server::start_in_silence(&out);
    for (number, expected) in ["second", "third", "fourth"].into_iter().enumerate() {
        workshop.write("a.html", expected.as_bytes());
        eventually("it is served", || content(&server, "/a") == expected);
        let message = messages.next().expect("a message");
        assert!(message.contains(": packed again in ") && message.ends_with("1 changed (/a.html)"), "{message}");
        // One more is none.
        let check = mkroot(&["check".as_ref(), out.as_os_str()]);
        assert!(check.status.success(), "{number}: {}", text(&check.stdout));
    }
    workshop.write(".mkroot.toml", b"[negotiation]\npolicy = 1\n");
    let message = messages.next().expect("a message");
    assert!(message.contains(".mkroot.toml:2:10: "), "{message}");
}

//! Sites that are edited while they are served, or packed, and webroots that are replaced.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

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
fn settings_within_the_site_and_behind_links_are_watched_too() {
    let workshop = Workshop::with_site(&[("a.html", b"a"), ("sub/b.html", b"b")]);
    let redirects = |from: &str| format!("[redirects]\n\"{from}\" = \"/a\"\n");
    let (within, without) = (workshop.site().join("settings.toml"), workshop.path().join("settings.toml"));
    fs::write(&within, redirects("/1")).unwrap();
    let server = Server::run({
        let mut command = Server::command(&workshop.site(), &["--site-config", within.to_str().unwrap()]);
        command.stderr(Stdio::null());
        command
    });
    let leads = |from: &str| server.get(from, &[]).status == 301;
    assert!(leads("/1"));
    // Directories that are made later are still watched.
    workshop.write("new/deep/c.html", b"c");
    eventually("it is served", || content(&server, "/new/deep/c") == "c");
    workshop.write("new/deep/c.html", b"cc");
    eventually("it is served", || content(&server, "/new/deep/c") == "cc");
    fs::write(&within, redirects("/2")).unwrap();
    eventually("the redirect is there", || leads("/2"));
    // Now what it says is said elsewhere, and so is what holds in a directory.
    fs::write(&without, redirects("/3")).unwrap();
    fs::remove_file(&within).unwrap();
    std::os::unix::fs::symlink(&without, &within).unwrap();
    eventually("the redirect is there", || leads("/3"));
    fs::write(&without, redirects("/4")).unwrap();
    eventually("the redirect is there", || leads("/4"));
    let of_directory = workshop.path().join("directory.toml");
    fs::write(&of_directory, "[redirects]\n\"/5\" = \"/a\"\n").unwrap();
    std::os::unix::fs::symlink(&of_directory, workshop.site().join("sub/.mkroot.toml")).unwrap();
    eventually("the redirect is there", || leads("/sub/5"));
    fs::write(&of_directory, "[redirects]\n\"/6\" = \"/a\"\n").unwrap();
    eventually("the redirect is there", || leads("/sub/6"));
}

#[test]
fn a_site_is_where_a_link_leads() {
    let workshop = Workshop::with_site(&[]);
    let release = |name: &str, content: &str| {
        fs::create_dir_all(workshop.path().join(name).join("site")).unwrap();
        fs::write(workshop.path().join(name).join("site/a.html"), content).unwrap();
    };
    let point = |name: &str| {
        std::os::unix::fs::symlink(name, workshop.path().join("next")).unwrap();
        fs::rename(workshop.path().join("next"), workshop.path().join("current")).unwrap();
    };
    release("1", "first");
    release("2", "second");
    point("1");
    let server = Server::start_in_silence(&workshop.path().join("current/site"));
    assert_eq!(content(&server, "/a"), "first");
    point("2");
    eventually("the second is served", || content(&server, "/a") == "second");
    release("2", "second again");
    eventually("it is followed", || content(&server, "/a") == "second again");
    // A directory above it is exchanged.
    release("3", "third");
    fs::rename(workshop.path().join("2"), workshop.path().join("2.old")).unwrap();
    fs::rename(workshop.path().join("3"), workshop.path().join("2")).unwrap();
    eventually("the third is served", || content(&server, "/a") == "third");
    release("2", "third again");
    eventually("it is followed", || content(&server, "/a") == "third again");
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

/// Starts `mkroot --watch`, and waits for the first webroot. Returns what it says besides.
fn watch(workshop: &Workshop, out: &Path) -> (Watcher, impl Iterator<Item = String>) {
    let mut command = mkroot_command(&[workshop.site(), out.to_path_buf()]);
    command.args(["--negotiate", "--watch"]).stderr(Stdio::piped());
    let mut child = command.spawn().expect("mkroot starts");
    let messages = BufReader::new(child.stderr.take().expect("a pipe")).lines().map(|line| line.expect("a line"));
    let watcher = Watcher(child);
    eventually("there is a webroot", || out.exists());
    (watcher, messages)
}

#[test]
fn a_site_that_does_not_change_is_not_packed() {
    let workshop = Workshop::with_site(&[("a.html", b"first")]);
    let out = workshop.site().join("out.webroot");
    let _watcher = watch(&workshop, &out);
    // Each packing makes another file, and so does whoever keeps notes in the site.
    let identity = || fs::metadata(&out).expect("a webroot").ino();
    let (first, mut last, mut since) = (identity(), identity(), Instant::now());
    workshop.write("a.html", b"second");
    let comes_to_rest = || {
        fs::write(workshop.site().join(".notes"), "").unwrap();
        let now = identity();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        last != first && since.elapsed() > Duration::from_millis(500)
    };
    eventually("it comes to rest", comes_to_rest);
}

#[test]
fn a_webroot_that_is_cut_short_is_made_anew() {
    let content = vec![b'x'; 1 << 20];
    let workshop = Workshop::with_site(&[("a.html", b"first"), ("long.txt", &content)]);
    let out = workshop.path().join("kept.webroot");
    let (_watcher, mut messages) = watch(&workshop, &out);
    for number in 0..3 {
        // The files must be old enough to be taken over.
        let settled = Instant::now() + Duration::from_millis(2100);
        eventually("the files are settled", || Instant::now() > settled);
        fs::File::options().write(true).open(&out).unwrap().set_len(8192).unwrap();
        workshop.write("a.html", format!("changed {number}").as_bytes());
        assert!(messages.next().expect("a message").contains(": packed again in "));
        let check = mkroot(&["check".as_ref(), out.as_os_str()]);
        assert!(check.status.success(), "{}", text(&check.stdout));
    }
}

#[test]
fn what_could_not_be_written_is_tried_again() {
    let workshop = Workshop::with_site(&[("a.html", b"first")]);
    let directory = workshop.path().join("packed");
    fs::create_dir(&directory).unwrap();
    let out = directory.join("out.webroot");
    let (_watcher, mut messages) = watch(&workshop, &out);
    let first = fs::metadata(&out).unwrap().ino();
    fs::rename(&directory, directory.with_file_name("away")).unwrap();
    workshop.write("a.html", b"second");
    let message = messages.next().expect("a message");
    assert!(message.contains("No such file or directory"), "{message}");
    fs::rename(directory.with_file_name("away"), &directory).unwrap();
    eventually("there is a new one", || fs::metadata(&out).is_ok_and(|metadata| metadata.ino() != first));
}

#[test]
fn a_webroot_is_kept_up_to_date() {
    let workshop = Workshop::with_site(&[("a.html", b"first")]);
    // Within the site: what it writes must not wake it.
    let out = workshop.site().join("out.webroot");
    let (_watcher, mut messages) = watch(&workshop, &out);
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

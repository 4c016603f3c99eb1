//! Packing: what becomes of a tree, and of the old webroot when something goes wrong.

use std::cell::Cell;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use connegd::build::{self, BuildError, Config, Options, Report, Warning};
use connegd::webroot::{Mapped, Target, check};

use crate::support::{Server, Workshop, mkroot, mkroot_command, text};

/// The keys of a webroot, sorted.
fn keys(out: &Path) -> Vec<String> {
    let mapped = Mapped::open(out).expect("a sound webroot");
    let mut keys: Vec<_> = mapped.webroot().resources().map(|resource| text(resource.key())).collect();
    keys.sort();
    keys
}

#[test]
fn without_negotiation_there_are_literal_paths_indexes_and_redirects() {
    let workshop = Workshop::with_site(&[("index.html", b"home"), ("d/index.html.en", b"d"), ("a.html.gz", b"a")]);
    assert!(mkroot(&[workshop.site(), workshop.out()]).status.success());
    assert_eq!(keys(&workshop.out()), ["/", "/a.html.gz", "/d", "/d/index.html.en", "/index.html"]);
}

#[test]
fn dot_files_are_left_out() {
    let workshop =
        Workshop::with_site(&[("a.txt", b"a"), (".secret", b"s"), (".git/config", b"c"), ("d/.x/y.txt", b"y")]);
    assert_eq!(keys(&workshop.pack()), ["/a", "/a.txt", "/d"]);
}

#[test]
fn links_are_followed_inside_the_site_only() {
    let workshop = Workshop::with_site(&[("a.txt", b"a"), ("d/b.txt", b"b")]);
    let site = workshop.site();
    fs::write(workshop.path().join("outside.txt"), "outside").unwrap();
    fs::create_dir(workshop.path().join("elsewhere")).unwrap();
    fs::write(workshop.path().join("elsewhere/x.txt"), "x").unwrap();
    symlink("a.txt", site.join("link.txt")).unwrap();
    symlink("d", site.join("e")).unwrap();
    symlink("..", site.join("d/loop")).unwrap();
    symlink("nothing", site.join("dangling")).unwrap();
    symlink("../outside.txt", site.join("out.txt")).unwrap();
    symlink("../elsewhere", site.join("out")).unwrap();
    symlink("self", site.join("self")).unwrap();
    workshop.write(".hidden/secret.txt", b"secret");
    symlink("../.hidden", site.join("d/shown")).unwrap();
    symlink("../.hidden/secret.txt", site.join("d/shown.txt")).unwrap();
    let output = mkroot(&[site.clone(), workshop.out()]);
    assert!(output.status.success());
    let site = site.display();
    let mut warnings: Vec<_> = text(&output.stderr).lines().map(|line| line.replace(&format!("{site}/"), "")).collect();
    warnings.sort();
    assert_eq!(
        warnings,
        [
            "mkroot: warning: d/loop is a symbolic link to a directory it lies in; skipped",
            "mkroot: warning: d/shown is a symbolic link to a dot file or into a dot directory; skipped",
            "mkroot: warning: d/shown.txt is a symbolic link to a dot file or into a dot directory; skipped",
            "mkroot: warning: dangling is a symbolic link to nothing; skipped",
            "mkroot: warning: e/loop is a symbolic link to a directory it lies in; skipped",
            "mkroot: warning: e/shown is a symbolic link to a dot file or into a dot directory; skipped",
            "mkroot: warning: e/shown.txt is a symbolic link to a dot file or into a dot directory; skipped",
            "mkroot: warning: out is a symbolic link that leads out of the site; skipped",
            "mkroot: warning: out.txt is a symbolic link that leads out of the site; skipped",
            "mkroot: warning: self is a symbolic link to nothing; skipped",
        ]
    );
    assert_eq!(keys(&workshop.out()), ["/a.txt", "/d", "/d/b.txt", "/e", "/e/b.txt", "/link.txt"]);
}

#[test]
fn the_same_tree_gives_the_same_bytes_however_many_threads_read_it() {
    let contents: Vec<_> = (0..300)
        .map(|number| (format!("d{}/f{number}.html.en", number % 7), vec![number as u8; number * 37]))
        .collect();
    let files: Vec<_> = contents.iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
    let workshop = Workshop::with_site(&files);
    workshop.write("long.bin", &vec![7; 17 << 20]);
    let one = fs::read(workshop.pack()).unwrap();
    for threads in ["1", "5"] {
        let status = mkroot_command(&[Path::new("--negotiate"), &workshop.site(), &workshop.out()])
            .env("RAYON_NUM_THREADS", threads)
            .status()
            .unwrap();
        assert!(status.success());
        assert!(fs::read(workshop.out()).unwrap() == one, "{threads} threads give other bytes");
    }
}

#[test]
fn equal_contents_are_stored_once_and_long_ones_on_pages() {
    let long = vec![b'l'; 17 << 20];
    let workshop = Workshop::with_site(&[
        ("a.txt", b"same"),
        ("b.txt", b"same"),
        ("c.txt", b"other"),
        ("l1.bin", &long),
        ("l2.bin", &long),
        ("m.bin", &vec![b'm'; 65_536]),
        ("z.txt", b"last"),
    ]);
    let out = workshop.pack();
    let mapped = Mapped::open(&out).unwrap();
    let webroot = mapped.webroot();
    assert_eq!(webroot.bodies().len(), 5);
    assert!(check::verify(&webroot).is_empty());
    for body in webroot.bodies() {
        assert!(body.length.get() < 65_536 || body.offset.get().is_multiple_of(4096));
    }
    assert!(fs::metadata(&out).unwrap().len() < (17 << 20) + 150_000);
    let server = Server::start(&out);
    assert!(server.get("/l2.bin", &[]).content == long);
    assert_eq!(server.get("/z.txt", &[]).text(), "last");
}

#[test]
fn a_webroot_may_lie_in_its_own_site() {
    let workshop = Workshop::with_site(&[("a.txt", b"a")]);
    let out = workshop.site().join("out.webroot");
    for _ in 0..2 {
        assert!(mkroot(&[workshop.site(), out.clone()]).status.success());
        assert_eq!(keys(&out), ["/a.txt"]);
    }
}

#[test]
fn names_need_not_be_utf_8_nor_pretty() {
    let workshop = Workshop::with_site(&[("a b.txt", b"space"), ("100%.txt", b"percent"), ("q?.txt", b"question")]);
    fs::write(workshop.site().join(std::ffi::OsStr::from_bytes(b"\xff.txt")), "latin").unwrap();
    let server = Server::start(&workshop.pack());
    for (target, content) in [
        ("/a%20b", "space"),
        ("/a%20b.txt", "space"),
        ("/100%25.txt", "percent"),
        ("/q%3F.txt", "question"),
        ("/%FF.txt", "latin"),
        ("/%fF", "latin"),
    ] {
        assert_eq!(server.get(target, &[]).text(), content, "{target}");
    }
    assert_eq!(server.get("/%ff", &[]).field("Content-Location"), Some("%ff.txt"));
}

/// Does something to the site between listing and reading it.
struct Meddler<F> {
    act: F,
    warnings: Cell<usize>,
}

impl<F: Fn()> Report for Meddler<F> {
    fn begin(&self, _: u64, _: u64) {
        (self.act)();
    }
    fn warn(&self, _: &Warning) {
        self.warnings.set(self.warnings.get() + 1);
    }
}

fn pack_while(workshop: &Workshop, act: impl Fn()) -> Result<build::Summary, BuildError> {
    let options = Options { negotiate: true, config: Config::of_site(&workshop.site())? };
    let meddler = Meddler { act, warnings: Cell::new(0) };
    build::pack_to(&workshop.site(), &workshop.out(), &options, None, &meddler).map(|(summary, _)| summary)
}

#[test]
fn a_file_that_changes_or_vanishes_is_named_and_the_old_webroot_stays() {
    let workshop = Workshop::with_site(&[("a.txt", b"a"), ("b.txt", b"b"), ("long.bin", &vec![0; 17 << 20])]);
    let old = fs::read(workshop.pack()).unwrap();
    let site = workshop.site();
    let append = |name: &str| {
        use std::io::Write;
        fs::File::options().append(true).open(site.join(name)).unwrap().write_all(b"+").unwrap();
    };
    for name in ["b.txt", "long.bin"] {
        match pack_while(&workshop, || append(name)) {
            Err(BuildError::Changed { path }) => assert_eq!(path, site.join(name)),
            other => panic!("{other:?}"),
        }
    }
    match pack_while(&workshop, || fs::write(site.join("a.txt"), "A").unwrap()) {
        Err(BuildError::Changed { path }) => assert_eq!(path, site.join("a.txt")),
        other => panic!("{other:?}"),
    }
    match pack_while(&workshop, || fs::remove_file(site.join("b.txt")).unwrap()) {
        Err(BuildError::Vanished { path }) => assert_eq!(path, site.join("b.txt")),
        other => panic!("{other:?}"),
    }
    assert!(fs::read(workshop.out()).unwrap() == old);
    assert_eq!(workshop.entries(), ["out.webroot"]);
    let summary = pack_while(&workshop, || {}).expect("it is quiet again");
    assert_eq!(summary.files, 2);
}

#[test]
fn an_empty_site_is_a_site() {
    let workshop = Workshop::with_site(&[]);
    let server = Server::start(&workshop.pack());
    assert_eq!(server.get("/", &[]).status, 404);
}

#[test]
fn directory_index_tries_its_names_in_order() {
    let config = b"[negotiation]\ndirectory-index = [\"one\", \"two\", \"sub\"]\n";
    let workshop = Workshop::with_site(&[
        (".mkroot.toml", config),
        ("one.html", b"one"),
        ("two.png", b"two"),
        ("literal/two", b"literal"),
        ("literal/one.txt", b"text"),
        ("redirect/sub/x.txt", b"x"),
        ("none/x.txt", b"x"),
    ]);
    let server = Server::start(&workshop.pack());
    for (target, accept, status, content) in [
        ("/", "text/html", 200, "one"),
        ("/", "image/png", 200, "two"),
        ("/", "image/gif", 406, ""),
        ("/literal/", "text/plain", 200, "text"),
        ("/literal/", "text/html", 200, "literal"),
        ("/redirect/", "*/*", 301, ""),
        ("/none/", "*/*", 404, ""),
    ] {
        let response = server.get(target, &[&format!("Accept: {accept}")]);
        assert_eq!(response.status, status, "{target} {accept}");
        if status == 200 {
            assert_eq!(response.text(), content, "{target} {accept}");
            assert_eq!(response.field("Vary"), Some("Accept"), "{target} {accept}");
        }
    }
    assert_eq!(server.get("/redirect/", &[]).field("Location"), Some("/redirect/sub/"));
    let mapped = Mapped::open(&workshop.out()).unwrap();
    let root = mapped.webroot().find(b"/").unwrap();
    assert!(matches!(root.target(), Target::Index(alternatives, _) if alternatives.iter().len() == 2));
}

#[test]
fn a_directory_called_index_does_not_hide_the_page() {
    let files: [(&str, &[u8]); 3] = [("d/index.html", b"page"), ("d/index/x.txt", b"x"), ("e/index/x.txt", b"x")];
    let server = Server::start(&Workshop::with_site(&files).pack());
    assert_eq!(server.get("/d/", &[]).text(), "page");
    assert_eq!(server.get("/d/index", &[]).field("Location"), Some("/d/index/"));
    assert_eq!(server.get("/e/", &[]).field("Location"), Some("/e/index/"));
    let apache = Workshop::with_site(&files);
    apache.write(".mkroot.toml", b"[negotiation]\npolicy = \"apache\"\n");
    assert_eq!(Server::start(&apache.pack()).get("/d/", &[]).field("Location"), Some("/d/index/"));
}

#[test]
fn names_are_shown_whole_and_cannot_command_the_terminal() {
    let workshop = Workshop::with_site(&[]);
    symlink("nothing", workshop.site().join("a; b\x1b[31m")).unwrap();
    let output = mkroot(&[workshop.site(), workshop.out()]);
    let expected = format!(
        "mkroot: warning: {}/a; b\\u{{1b}}[31m is a symbolic link to nothing; skipped\n",
        workshop.site().display()
    );
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn types_of_files_whose_names_say_nothing() {
    let png = fs::read(crate::support::chart_site().join("2005/chart.png")).unwrap();
    let workshop = Workshop::with_site(&[
        ("README", b"plain text\n"),
        ("data", b"\x00\x01\x02\xfe"),
        ("empty", b""),
        ("picture", &png),
    ]);
    let server = Server::start(&workshop.pack());
    assert_eq!(server.get("/README", &[]).field("Content-Type"), Some("text/plain"));
    assert_eq!(server.get("/data", &[]).field("Content-Type"), Some("application/octet-stream"));
    assert_eq!(server.get("/empty", &[]).field("Content-Type"), Some("application/octet-stream"));
    let picture = server.get("/picture", &[]);
    // With a shared-mime-info database on the machine the picture is recognised.
    assert!(matches!(picture.field("Content-Type"), Some("image/png" | "application/octet-stream")), "{picture:?}");
    let bare =
        Workshop::with_site(&[(".mkroot.toml", b"[negotiation]\nbuiltin-extensions = false\n"), ("README", b"text")]);
    assert_eq!(Server::start(&bare.pack()).get("/README", &[]).field("Content-Type"), None);
}

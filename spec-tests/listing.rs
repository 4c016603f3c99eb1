//! `[listing]`: directories at which nothing else answers are listed as HTML, JSON and Markdown.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Response, Server, Workshop, mkroot, resolve, run, text};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const PUB: &str = "[listing]\ndirectories = [\"/pub/**\"]\n";
/// 1994-11-06T08:49:37Z
const CHANGED: u64 = 784_111_777;

/// A site of files that hold their own paths, with these settings in its root.
fn site(paths: &[&str], settings: &str) -> Workshop {
    Workshop::of_names(paths).and(".mkroot.toml", settings)
}

fn html(server: &Server, target: &str) -> Response {
    server.get(target, &["Accept: text/html"])
}

fn markdown(server: &Server, target: &str) -> String {
    server.get(target, &["Accept: text/markdown"]).outcome()
}

fn json(server: &Server, target: &str) -> Value {
    let response = server.get(target, &["Accept: application/json"]);
    assert_eq!((response.status, response.field("Content-Type")), (200, Some("application/json")), "{target}");
    serde_json::from_slice(&response.content).expect("JSON")
}

/// The values of a key in all entries of a directory's listing.
fn all(server: &Server, target: &str, key: &str) -> Vec<Value> {
    let listing = json(server, target);
    let entries = listing["entries"].as_array().expect("a list");
    entries.iter().map(|entry| entry[key].clone()).collect()
}

#[test]
fn each_client_gets_the_form_it_asks_for() {
    let server = site(&["pub/a.txt", "pub/d/b.txt"], PUB).serve();
    let [html, json, markdown] = ["text/html; charset=utf-8", "application/json", "text/markdown; charset=utf-8"];
    for (accept, expected) in [
        (BROWSER, html),
        ("*/*", html), // curl, crawlers
        ("", html),
        ("text/html, */*", html),
        ("application/json", json),
        ("application/json, text/html;q=0.9", json),
        ("text/markdown, text/html, */*", markdown),
        ("text/markdown, text/plain;q=0.9, */*;q=0.8", markdown),
        ("text/*;q=0.5, text/markdown", markdown),
    ] {
        let accept = format!("Accept: {accept}");
        let response = server.get("/pub/", &[&accept]);
        assert_eq!((response.status, response.field("Content-Type")), (200, Some(expected)), "{accept}");
        assert_eq!(response.field("Vary"), Some("Accept"), "{accept}");
        assert_eq!(response.field("Accept-Ranges"), Some("bytes"), "{accept}");
        for absent in ["Content-Location", "Last-Modified", "TCN", "Alternates"] {
            assert_eq!(response.field(absent), None, "{accept}");
        }
        assert_eq!(server.request("HEAD", "/pub/", &[&accept]).undated(), response.undated(), "{accept}");
    }
    let plain = server.get("/pub/", &[]);
    assert_eq!((plain.status, plain.field("Content-Type")), (200, Some(html)));
    let redirect = server.get("/pub?x", &[]);
    assert_eq!((redirect.status, redirect.field("Location")), (301, Some("/pub/?x")));
    assert_eq!(server.request("POST", "/pub/", &[]).status, 405);
    assert_eq!(server.get("/pub/.listing.html", &[]).status, 404, "a form has no address of its own");
}

#[test]
fn conditions_and_ranges_are_those_of_the_form() {
    let server = site(&["pub/a.txt"], PUB).changed_at(CHANGED).serve();
    let [one, other] = ["application/json", "text/markdown"].map(|accept| format!("Accept: {accept}"));
    let response = server.get("/pub/", &[&one]);
    let tag = response.field("ETag").expect("a tag").to_string();
    assert!(tag.starts_with('"'), "{tag} is not strong");
    let matched = format!("If-None-Match: {tag}");
    let unchanged = server.get("/pub/", &[&one, &matched]);
    assert_eq!((unchanged.status, unchanged.field("Vary")), (304, Some("Accept")));
    assert_eq!(server.get("/pub/", &[&other, &matched]).status, 200, "that is the tag of another form");
    assert_eq!(server.get("/pub/", &[&one, &format!("If-Match: {tag}")]).status, 200);
    assert_eq!(server.get("/pub/", &[&other, &format!("If-Match: {tag}")]).status, 412);
    let dated = ["If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", &one];
    assert_eq!(server.get("/pub/", &dated).status, 200, "no date tells that an entry is gone");
    let part = server.get("/pub/", &[&one, "Range: bytes=1-6"]);
    assert_eq!((part.status, part.text()), (206, "\"path\"".into()));
}

#[test]
fn nothing_is_listed_unless_it_is_said() {
    for settings in [
        "",
        "[listing]\n",
        "[listing]\nhide = [\"*~\"]\n",
        "[listing]\ndirectories = []\n",
        "[listing]\ndirectories = [\"/d\"]\n",
    ] {
        let server = site(&["pub/a.txt", "a.txt"], settings).serve();
        for target in ["/", "/pub/"] {
            assert_eq!(server.get(target, &[]).status, 404, "{settings:?} {target}");
        }
    }
}

#[test]
fn globs_are_for_directories_and_a_nearer_file_wins() {
    let paths = ["a.txt", "pub/a.txt", "pub/d/a.txt", "pub/d/e/a.txt", "q/pub/a.txt", "q/a.txt"];
    for (root, nearer, listed) in [
        ("\"/\"", None, &["/"][..]),
        ("\"/pub\"", None, &["/pub/"]),
        ("\"/pub/\"", None, &["/pub/"]),
        ("\"/pub/*\"", None, &["/pub/d/"]),
        ("\"/pub/**\"", None, &["/pub/", "/pub/d/", "/pub/d/e/"]),
        ("\"pub\"", None, &["/pub/", "/q/pub/"]),
        ("\"/**\"", None, &["/", "/pub/", "/pub/d/", "/pub/d/e/", "/q/", "/q/pub/"]),
        ("\"/**\"", Some("directories = []"), &["/", "/pub/", "/q/", "/q/pub/"]),
        ("\"/**\"", Some("directories = [\"/\"]"), &["/", "/pub/", "/pub/d/", "/q/", "/q/pub/"]),
        ("\"/**\"", Some("hide = []"), &["/", "/pub/", "/pub/d/", "/pub/d/e/", "/q/", "/q/pub/"]),
        ("", Some("directories = [\"/**\"]"), &["/pub/d/", "/pub/d/e/"]),
        ("\"/q\", \"e\"", None, &["/q/", "/pub/d/e/"]),
    ] {
        let mut workshop = site(&paths, &format!("[listing]\ndirectories = [{root}]\n"));
        if let Some(nearer) = nearer {
            workshop = workshop.and("pub/d/.mkroot.toml", format!("[listing]\n{nearer}\n"));
        }
        let server = workshop.serve();
        for target in ["/", "/pub/", "/pub/d/", "/pub/d/e/", "/q/", "/q/pub/"] {
            let expected = if listed.contains(&target) { 200 } else { 404 };
            assert_eq!(server.get(target, &[]).status, expected, "{root} {nearer:?} {target}");
        }
    }
}

#[test]
fn whatever_else_answers_wins() {
    let settings = "[listing]\ndirectories = [\"/**\"]\n[redirects]\n\"/moved/\" = \"/new/\"\n\"/gone/\" = { status = 410 }\n\
                    \"/below/*\" = \"/new/*\"\n\"/f/a.txt\" = \"/f/b.txt\"\n\"/f/c.txt\" = { status = 410 }\n";
    let paths = [
        "own/index.html",
        "own/a.txt",
        "moved/a.txt",
        "gone/a.txt",
        "below/d/a.txt",
        "f/a.txt",
        "f/b.txt",
        "f/c.txt",
        "f/d.txt",
    ];
    let server = site(&paths, settings).serve();
    assert_eq!(server.get("/own/", &[]).outcome(), "own/index.html");
    assert_eq!(server.get("/own/", &["Accept: application/json"]).status, 406, "its own index decides");
    for (target, location) in [("/moved/", "/new/"), ("/below/", "/new/"), ("/below/d/", "/new/d/")] {
        let response = server.get(target, &[]);
        assert_eq!((response.status, response.field("Location")), (301, Some(location)), "{target}");
    }
    assert_eq!(server.get("/gone/", &[]).status, 410);
    assert_eq!(all(&server, "/f/", "name"), ["b.txt", "d.txt"], "what is redirected is not what would be shown");
    assert_eq!(all(&server, "/", "name"), ["f", "moved", "own"], "a link must lead somewhere");
}

#[test]
fn only_what_answers_is_linked() {
    let server = site(
        &["pub/a.txt", "pub/shut/a.txt", "pub/open/a.txt", "pub/page/index.html"],
        "[listing]\ndirectories = [\"/pub\", \"open\"]\n",
    )
    .and("pub/.secret", "x")
    .serve();
    assert_eq!(all(&server, "/pub/", "href"), ["open/", "page/", "a.txt"]);
    let page = html(&server, "/pub/").text();
    assert!(!page.contains("\"../\"") && page.contains("<li>Root</li>"), "nothing answers in the root: {page}");
    assert_eq!(json(&server, "/pub/")["parent"], Value::Null);
    assert_eq!(json(&server, "/pub/open/")["parent"], "../");
    assert!(html(&server, "/pub/open/").text().contains("<a href=\"../\">Parent directory</a>"));
    assert!(markdown(&server, "/pub/open/").contains("[Parent directory](../)"));
}

#[test]
fn hidden_names_are_not_shown_but_served() {
    let server = site(
        &["pub/a.txt", "pub/a.txt.sha256", "pub/b~", "pub/old/a.txt", "pub/d/old/a.txt", "pub/d/c~"],
        "[listing]\ndirectories = [\"/pub/**\"]\nhide = [\"*.sha256\", \"*~\", \"/pub/old\"]\n",
    )
    .and("pub/d/.mkroot.toml", "[listing]\nhide = [\"old\"]\n")
    .serve();
    assert_eq!(all(&server, "/pub/", "name"), ["d", "a.txt"]);
    assert_eq!(all(&server, "/pub/d/", "name"), ["c~"]);
    for page in [html(&server, "/pub/").text(), markdown(&server, "/pub/")] {
        assert!(!page.contains("sha256") && !page.contains("b~") && !page.contains("old"), "{page}");
    }
    assert_eq!(server.get("/pub/a.txt.sha256", &[]).outcome(), "pub/a.txt.sha256");
    assert_eq!(server.get("/pub/old/", &[]).status, 200);
}

#[test]
fn entries_are_sorted_as_people_count() {
    let names = ["v10.zip", "v2.zip", "V9.zip", "a.txt", "B.txt", "z/x.txt", "D2/x.txt", "d10/x.txt", "_.txt", "1.txt"];
    let paths = names.map(|name| format!("pub/{name}"));
    let server = site(&paths.iter().map(String::as_str).collect::<Vec<_>>(), PUB).serve();
    let expected = ["D2", "d10", "z", "1.txt", "_.txt", "a.txt", "B.txt", "v2.zip", "V9.zip", "v10.zip"];
    assert_eq!(all(&server, "/pub/", "name"), expected);
    for (page, before) in [(html(&server, "/pub/").text(), "href=\""), (markdown(&server, "/pub/"), "](")] {
        let place = |name: &&str| page.find(&format!("{before}{name}")).expect("the link");
        let places: Vec<_> = expected.iter().map(place).collect();
        assert!(places.is_sorted(), "{places:?}");
    }
}

#[test]
fn lengths_dates_and_types_are_those_of_the_files() {
    let workshop = Workshop::with_site(&[
        ("pub/zero.bin", b""),
        ("pub/a.fr.html", &[b'a'; 1434]),
        ("pub/long.tar.gz", &vec![0; 14_345_210]),
        ("pub/d/e/new.txt", b"new"),
    ])
    .and(".mkroot.toml", PUB)
    .changed_at(CHANGED);
    let new = fs::File::options().append(true).open(workshop.site().join("pub/d/e/new.txt")).expect("a file");
    new.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(CHANGED + 86_400))
        .expect("a time");
    let server = Server::start_in_silence(&workshop.site());
    let expected = serde_json::json!({
        "path": "/pub/", "parent": null, "entries": [
            {"name": "d", "href": "d/", "kind": "directory", "size": null, "modified": "1994-11-07T08:49:37Z",
             "type": null, "language": null, "encoding": null},
            {"name": "a.fr.html", "href": "a.fr.html", "kind": "file", "size": 1434, "modified": "1994-11-06T08:49:37Z",
             "type": "text/html", "language": "fr", "encoding": null},
            {"name": "long.tar.gz", "href": "long.tar.gz", "kind": "file", "size": 14_345_210,
             "modified": "1994-11-06T08:49:37Z", "type": "application/x-tar", "language": null, "encoding": "gzip"},
            {"name": "zero.bin", "href": "zero.bin", "kind": "file", "size": 0, "modified": "1994-11-06T08:49:37Z",
             "type": "application/octet-stream", "language": null, "encoding": null},
        ]
    });
    assert_eq!(json(&server, "/pub/"), expected);
    let page = html(&server, "/pub/").text();
    for part in [
        "<data value=\"14345210\" title=\"14345210 bytes\">14 MB</data>",
        "<data value=\"1434\" title=\"1434 bytes\">1.4 kB</data>",
        "<data value=\"0\" title=\"0 bytes\">0 B</data>",
        "<time datetime=\"1994-11-07T08:49:37Z\">1994-11-07 08:49</time>",
        "<td>text/html, fr</td>",
        "1 directory, 3 files, 14 MB",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = markdown(&server, "/pub/");
    assert!(page.contains("| 14 MB | 14345210 | 1994-11-06T08:49:37Z | application/x-tar, gzip |"), "{page}");
}

/// What stands between two marks in a line of `page` that has the first; of each such line.
fn between<'p>(page: &'p str, start: &str, end: &str) -> Vec<&'p str> {
    let lines = page.lines().filter_map(|line| line.split_once(start));
    lines.map(|(_, rest)| rest.split_once(end).expect("the end").0).collect()
}

/// Markdown without backslashes and what they take the meaning from.
fn without_escapes(page: &str) -> String {
    let mut characters = page.chars();
    let mut out = String::new();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            other => out.push(other),
        }
    }
    out
}

#[test]
fn names_are_shown_as_they_are_and_lead_where_they_should() {
    let names: [&[u8]; 24] = [
        b"\"quoted\" & 'single'.txt",
        b"<script>alert(1)<b>",
        b"a b.txt",
        b"line\nfeed\r.txt",
        b"tab\t.txt",
        b"latin-\xe9.txt",
        b"-rf",
        b"--",
        b"a|b\\|c.txt",
        b"[x](http:evil)",
        b"`code``.txt",
        b"*bold* _it_ __b__ ~~s~~ $m$",
        b"# head",
        b"![img](x)",
        b"javascript:alert(1)",
        b"http:",
        b"a?b#c%20d;e",
        b"%2e%2e",
        b"&amp;&lt;&copy=",
        b"(paren",
        b"paren)",
        b"\\\\server",
        "\u{202e}gpj.exe".as_bytes(),
        "\u{e9}t\u{e9} \u{1f600}.txt".as_bytes(),
    ];
    let workshop = site(&[], PUB);
    for name in names {
        for directory in ["pub/f", "pub/d"] {
            fs::create_dir_all(workshop.site().join(directory)).expect("a directory");
        }
        fs::write(workshop.site().join("pub/f").join(OsStr::from_bytes(name)), name).expect("a file");
        let directory = workshop.site().join("pub/d").join(OsStr::from_bytes(name));
        fs::create_dir(&directory).expect("a directory");
        fs::write(directory.join("index.html"), name).expect("a file");
    }
    let server = Server::start_in_silence(&workshop.site());
    for (target, rows, links) in [("/pub/f/", "<tr><th", "| ["), ("/pub/d/", "<tr class=\"directory\"><th", "| [")] {
        let expected: Vec<_> = {
            let mut names = names.to_vec();
            names.sort_unstable();
            names
        };
        let lead_back = |references: Vec<String>, form: &str| {
            let mut found: Vec<_> = references
                .iter()
                .map(|reference| {
                    let response = server.get(&resolve(target, reference), &["Accept: */*"]);
                    assert_eq!(response.status, 200, "{form}: {reference}");
                    response.content
                })
                .collect();
            found.sort_unstable();
            assert!(found == expected, "{form} {target}: {references:?}");
        };
        let hrefs = all(&server, target, "href");
        lead_back(hrefs.iter().map(|href| href.as_str().expect("a string").to_string()).collect(), "JSON");

        let page = html(&server, target).text();
        let table: String =
            page.lines().filter(|line| line.starts_with(rows)).map(|line| format!("{line}\n")).collect();
        let unescape = |text: &&str| text.replace("&#39;", "'").replace("&amp;", "&");
        lead_back(between(&table, "<a href=\"", "\"").iter().map(unescape).collect(), "HTML");
        assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains('\u{202e}'), "{page}");
        assert!(page.is_ascii() || std::str::from_utf8(page.as_bytes()).is_ok());

        let page = markdown(&server, target);
        let table: String =
            page.lines().filter(|line| line.starts_with(links)).map(|line| format!("{line}\n")).collect();
        assert_eq!(table.lines().count(), names.len(), "{page}");
        let table = without_escapes(&table);
        lead_back(between(&table, "](", ")").iter().map(ToString::to_string).collect(), "Markdown");
        // Five cells a row: no bar of a name parts one.
        let mut cells = table.lines().map(|line| line.matches('|').count());
        assert!(cells.all(|count| count == 6), "{page}");
        assert!(!page.contains('\r') && !page.contains('\t') && !page.contains('\u{202e}'), "{page}");
    }
    let page = html(&server, "/pub/f/").text();
    for shown in [
        "&quot;quoted&quot; &amp; &#39;single&#39;.txt",
        "&lt;script&gt;alert(1)&lt;b&gt;",
        "line\u{240a}feed\u{240d}.txt",
        "latin-\u{fffd}.txt",
        "&amp;amp;&amp;lt;&amp;copy=",
        "\u{fffd}gpj.exe",
    ] {
        assert!(page.contains(&format!("<bdi>{shown}</bdi>")), "{shown}: {page}");
    }
    let names = all(&server, "/pub/f/", "name");
    assert!(names.contains(&Value::from("line\nfeed\r.txt")) && names.contains(&Value::from("latin-\u{fffd}.txt")));
}

#[test]
fn a_page_needs_nothing_besides_itself() {
    let server = site(&["pub/a.txt"], PUB).serve();
    let page = html(&server, "/pub/").text();
    for part in
        ["<!DOCTYPE html>", "<html lang=\"en\">", "name=\"viewport\"", "<caption>", "scope=\"col\"", "scope=\"row\""]
    {
        assert!(page.contains(part), "{part}");
    }
    for foreign in ["<script", "<link", "<img", "url(", "@import", "http", " style="] {
        assert!(!page.contains(foreign), "{foreign}: {page}");
    }
    let handlers = page.split_whitespace().filter(|word| word.starts_with("on") && word.contains('='));
    assert_eq!(handlers.count(), 0, "{page}");
}

#[test]
fn the_same_site_gives_the_same_bytes() {
    let workshop = site(&["pub/a.txt", "pub/d/b.txt", "pub/c.txt"], PUB).changed_at(CHANGED);
    let first = fs::read(workshop.pack()).expect("a webroot");
    // What was there for a while changes the directory's own date, and nothing that is served.
    workshop.write("pub/.temporary", b"x");
    fs::remove_file(workshop.site().join("pub/.temporary")).expect("the file");
    assert!(fs::read(workshop.pack()).expect("a webroot") == first);
    let server = workshop.serve();
    let tag = server.get("/pub/", &[]).field("ETag").expect("a tag").to_string();
    fs::remove_file(workshop.site().join("pub/c.txt")).expect("the file");
    let server = workshop.serve();
    assert_eq!(server.get("/pub/", &[&format!("If-None-Match: {tag}")]).status, 200);
}

#[test]
fn fields_are_those_of_a_dot_file_in_the_directory() {
    let server = site(
        &["pub/a.txt", "pub/d/b.txt"],
        "[listing]\ndirectories = [\"/pub/**\"]\n[digests]\nrepr-digest = true\n\
         [headers]\n\"/**\" = { X-All = \"1\" }\n\"*.html*\" = { X-Html = \"2\" }\n\"/pub/*\" = { X-Pub = \"3\" }\n\
         \".listing.*\" = { X-Listing = \"4\" }\n[cache]\n\"*.json\" = \"no-cache\"\n",
    )
    .and("pub/d/.mkroot.toml", "[headers]\n\"/.listing.md\" = { X-All = \"5\" }\n")
    .serve();
    let names = ["X-All", "X-Html", "X-Pub", "X-Listing", "Cache-Control"];
    for (target, accept, expected) in [
        ("/pub/", "text/html", [Some("1"), Some("2"), Some("3"), Some("4"), None]),
        ("/pub/", "application/json", [Some("1"), None, Some("3"), Some("4"), Some("no-cache")]),
        ("/pub/", "text/markdown", [Some("1"), None, Some("3"), Some("4"), None]),
        ("/pub/d/", "text/html", [Some("1"), Some("2"), None, Some("4"), None]),
        ("/pub/d/", "text/markdown", [Some("5"), None, None, Some("4"), None]),
    ] {
        let response = server.get(target, &[&format!("Accept: {accept}")]);
        let found: Vec<_> = names.iter().map(|name| response.field(name)).collect();
        assert_eq!(found, expected, "{target} {accept}");
        let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(&response.content)));
        assert_eq!(response.field("Repr-Digest"), Some(&digest[..]), "{target} {accept}");
    }
}

#[test]
fn without_negotiation_it_is_html() {
    let workshop = site(&["pub/a.txt"], PUB);
    assert!(mkroot(&[workshop.site(), workshop.out()]).status.success());
    let server = Server::start(&workshop.out());
    for accept in [BROWSER, "application/json", "text/markdown"] {
        let response = server.get("/pub/", &[&format!("Accept: {accept}")]);
        assert_eq!((response.status, response.field("Vary")), (200, None), "{accept}");
        assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"), "{accept}");
    }
}

#[test]
fn who_accepts_no_form_is_told_which_there_are() {
    for policy in ["modern", "apache"] {
        let negotiation = format!("[negotiation]\npolicy = \"{policy}\"\ntransparent = true\n");
        let server = site(&["pub/a.txt"], &format!("{PUB}{negotiation}")).serve();
        let response = server.get("/pub/", &["Accept: application/pdf, text/plain;q=0.1"]);
        assert_eq!(response.status, 406, "{policy}");
        let list = response.text();
        for form in [".listing.html", ".listing.json", ".listing.md", "application/json"] {
            assert!(list.contains(form), "{policy}: {list}");
        }
        assert!(!list.contains("href"), "{policy}: they have no addresses: {list}");
        assert_eq!(response.field("Alternates"), None, "{policy}");
    }
}

/// Whatever the policy, what is chosen of the forms is what would be chosen of three files like them.
#[test]
fn forms_are_negotiated_as_files_are() {
    const ACCEPTS: [&str; 16] = [
        BROWSER,
        "*/*",
        "",
        "text/html",
        "application/json",
        "text/markdown",
        "text/markdown, text/html, */*",
        "application/json, */*;q=0.1",
        "application/json;q=0.5, text/html;q=0.5",
        "text/*",
        "application/*, text/*;q=0.9",
        "text/html;level=1",
        "text/html;q=0, */*",
        "application/pdf",
        "*/*;q=0",
        "text/html;q=0.3, text/markdown;q=0.3, application/json;q=0.2",
    ];
    let policy = |policy: &str| format!("[negotiation]\npolicy = \"{policy}\"\n");
    for (settings, index) in
        [(policy("modern"), "application/json; charset=utf-8"), (policy("apache"), "application/json")]
    {
        let listed = site(&["pub/a.txt", "pub/b.txt"], &format!("{settings}{PUB}")).serve();
        let form = |accept: &str| listed.get("/pub/", &[&format!("Accept: {accept}")]).content;
        let [html, json, markdown] = ["text/html", "application/json", "text/markdown"].map(form);
        let types = format!(
            "[types]\nhtml = \"text/html; charset=utf-8\"\njson = \"{index}\"\nmd = \"text/markdown; charset=utf-8\"\n"
        );
        let files = Workshop::with_site(&[
            ("pub/index.html", &html),
            ("pub/index.json", &json),
            ("pub/index.md", &markdown),
            (".mkroot.toml", format!("{settings}{types}").as_bytes()),
        ])
        .serve();
        for accept in ACCEPTS {
            for charset in ["Accept-Charset: utf-8", "Accept-Charset: iso-8859-1", "X-None: 1"] {
                let fields = [&format!("Accept: {accept}")[..], charset];
                let (of_listing, of_files) = (listed.get("/pub/", &fields), files.get("/pub/", &fields));
                assert_eq!(of_listing.status, of_files.status, "{settings} {fields:?}");
                assert_eq!(of_listing.field("Vary"), of_files.field("Vary"), "{settings} {fields:?}");
                let same = of_listing.content == of_files.content;
                assert!(same || of_listing.status == 406, "{settings} {fields:?}");
            }
        }
    }
}

#[test]
fn mkroot_shows_what_is_listed() {
    let workshop = site(&["pub/a.txt", "d/index.html"], PUB);
    workshop.pack();
    let (status, listing, _) = run(&workshop, "ls @/out.webroot");
    assert_eq!(status, 0);
    let (_, of_pub) = listing.split_once("/pub/  listing\n").expect("the listing");
    let forms: Vec<_> = of_pub.lines().take(3).map(|line| line.split_whitespace().next().unwrap_or_default()).collect();
    assert_eq!(forms, [".listing.html", ".listing.json", ".listing.md"]);
    assert!(listing.contains("/d/  index\n"), "{listing}");
    let (_, json, _) = run(&workshop, "ls --json @/out.webroot");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let kinds =
        json["resources"].as_array().expect("resources").iter().filter(|resource| resource["kind"] == "listing");
    assert_eq!(kinds.map(|resource| &resource["path"]).collect::<Vec<_>>(), ["/pub/"]);
    let (status, explained, _) = run(&workshop, "explain @/out.webroot /pub/ -H Accept:application/json");
    assert_eq!(status, 0);
    assert!(explained.contains("/pub/: 3 variants, policy modern") && explained.contains("\n200 .listing.json\n"));
    workshop.write("../cases", b"200 .listing.md accept /pub/ | Accept: text/markdown\n");
    let (status, _, errors) = run(&workshop, "explain --cases @/cases @/out.webroot");
    assert_eq!((status, errors.as_str()), (0, ""));
    assert_eq!(run(&workshop, "check @/out.webroot").0, 0);
}

#[test]
fn mistakes_have_their_place() {
    for (directory, settings, place, part) in [
        ("", "[listing]\ndirectories = [\"pub/*\"]\n", "2:16", "\"/pub/*\""),
        ("", "[listing]\ndirectories = true\n", "2:15", "boolean"),
        ("", "[listing]\nhidden = []\n", "2:1", "hide"),
        ("pub/", "[listing]\nhide = [\"*~\",\n\"{\"]\n", "3:1", "{"),
    ] {
        let workshop = Workshop::of_names(&["pub/a.txt"]).and(&format!("{directory}.mkroot.toml"), settings);
        let (status, _, errors) = run(&workshop, "--negotiate @/site @/out.webroot");
        assert_eq!(status, 2, "{errors}");
        let expected = format!("mkroot: @/site/{directory}.mkroot.toml:{place}: ");
        assert!(errors.starts_with(&expected) && errors.contains(part), "{errors}");
    }
}

#[test]
fn an_empty_directory_says_so() {
    let workshop = site(&["a.txt"], "[listing]\ndirectories = [\"/**\"]\n");
    fs::create_dir(workshop.site().join("empty")).expect("a directory");
    let server = workshop.serve();
    assert_eq!(all(&server, "/", "name"), ["empty", "a.txt"]);
    assert_eq!(json(&server, "/empty/"), serde_json::json!({"path": "/empty/", "parent": "../", "entries": []}));
    assert!(html(&server, "/empty/").text().contains("Nothing is here"));
    assert!(text(html(&server, "/").text().as_bytes()).contains("<h1><bdi>/</bdi></h1>"));
}

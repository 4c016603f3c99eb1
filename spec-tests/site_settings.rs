//! What a site's author says in `.mkroot.toml` about its answers: fields, how long they may be kept, pages of errors,
//! redirects, digests.

use std::fs;
use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine};
use connegd::build::Config;
use sha2::{Digest, Sha256};

use crate::support::{Response, Server, Workshop, mkroot, run, text};

/// Serves a site of files that hold their own paths, with these settings in its root.
fn serve(paths: &[&str], settings: &str) -> Server {
    Workshop::of_names(paths).and(".mkroot.toml", settings).serve()
}

fn fields<'r>(response: &'r Response, names: &[&str]) -> Vec<Option<&'r str>> {
    names.iter().map(|name| response.field(name)).collect()
}

#[test]
fn fields_go_with_the_files_that_a_glob_matches() {
    let map = "Content-Type: text/css\nBody: E\ninline\nE\n\nURI: chart.svg\nContent-Type: image/svg+xml\n";
    let server =
        Workshop::of_names(&["chart.svg", "chart.png", "d/a.html", "d/e/a.html", "assets/x.css", "index.html"])
            .and("m.var", map)
            .and(
                ".mkroot.toml",
                "[headers]\n\"/**\" = { X-All = \"1\" }\n\"*.svg\" = { X-Svg = \"2\", x-all = \"3\" }\n\
             \"/d/*\" = { X-D = \"4\" }\n\"*.var\" = { X-Var = \"5\" }\n\
             [headers.\"index.*\"]\nX-All = \"\"\nX-Index = \"6\"\n\
             [cache]\n\"/assets/**\" = \"public, max-age=31536000, immutable\"\n\"*.html\" = \"no-cache\"\n",
            )
            .serve();
    let names = ["X-All", "X-Svg", "X-D", "X-Var", "X-Index", "Cache-Control"];
    for (target, accept, expected) in [
        ("/chart.svg", "*/*", [Some("3"), Some("2"), None, None, None, None]),
        ("/chart", "image/svg+xml", [Some("3"), Some("2"), None, None, None, None]),
        ("/chart", "image/png", [Some("1"), None, None, None, None, None]),
        ("/d/a.html", "*/*", [Some("1"), None, Some("4"), None, None, Some("no-cache")]),
        ("/d/a", "*/*", [Some("1"), None, Some("4"), None, None, Some("no-cache")]),
        ("/d/e/a", "*/*", [Some("1"), None, None, None, None, Some("no-cache")]),
        ("/m", "text/css", [Some("1"), None, None, Some("5"), None, None]),
        ("/m", "image/svg+xml", [Some("3"), Some("2"), None, None, None, None]),
        ("/", "*/*", [None, None, None, None, Some("6"), Some("no-cache")]),
        ("/assets/x.css", "*/*", [Some("1"), None, None, None, None, Some("public, max-age=31536000, immutable")]),
    ] {
        let accept = format!("Accept: {accept}");
        let response = server.get(target, &[&accept]);
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(fields(&response, &names), expected, "{target} {accept}");
        // The same without content, and where nothing has changed: fields for safety and freshness can be renewed.
        let head = server.request("HEAD", target, &[&accept]);
        assert_eq!(head.undated(), response.undated(), "{target}");
        let etag = format!("If-None-Match: {}", response.field("ETag").expect("a tag"));
        let unchanged = server.get(target, &[&accept, &etag]);
        assert_eq!(unchanged.status, 304, "{target}");
        assert_eq!(fields(&unchanged, &names), expected, "{target} {accept}");
        for absent in ["Content-Type", "Content-Length", "Last-Modified", "Accept-Ranges"] {
            assert_eq!(unchanged.field(absent), None, "{target}");
            assert!(absent == "Last-Modified" || response.field(absent).is_some(), "{target}: no {absent}");
        }
    }
}

#[test]
fn nearer_files_win_and_are_anchored_where_they_are() {
    let server = Workshop::of_names(&["a.html", "d/a.html", "d/e/a.html", "d/e/b.html", "d/f/a.html"])
        .and(
            ".mkroot.toml",
            "[headers]\n\"*.html\" = { X-A = \"root\", X-B = \"root\" }\n[cache]\n\"/**\" = \"max-age=1\"\n",
        )
        .and("d/.mkroot.toml", "[headers]\n\"/*.html\" = { X-A = \"d\" }\n\"/**\" = { X-C = \"d\" }\n")
        .and(
            "d/e/.mkroot.toml",
            "[headers]\n\"/a.*\" = { x-b = \"\", X-C = \"e\" }\n[cache]\n\"*\" = \"\"\n\"/b.html\" = \"no-store\"\n",
        )
        .serve();
    for (target, expected) in [
        ("/a.html", [Some("root"), Some("root"), None, Some("max-age=1")]),
        ("/d/a.html", [Some("d"), Some("root"), Some("d"), Some("max-age=1")]),
        ("/d/e/a.html", [Some("root"), None, Some("e"), None]),
        ("/d/e/b.html", [Some("root"), Some("root"), Some("d"), Some("no-store")]),
        ("/d/f/a.html", [Some("root"), Some("root"), Some("d"), Some("max-age=1")]),
        ("/d/f/a", [Some("root"), Some("root"), Some("d"), Some("max-age=1")]),
    ] {
        let response = server.get(target, &[]);
        assert_eq!(fields(&response, &["X-A", "X-B", "X-C", "Cache-Control"]), expected, "{target}");
    }
}

#[test]
fn a_plain_form_has_the_fields_of_the_file_it_was_made_of() {
    let gzip = {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"<p>plain").expect("bytes");
        encoder.finish().expect("bytes")
    };
    let server = Workshop::with_site(&[("a.html.gz", &gzip)])
        .and(".mkroot.toml", "[headers]\n\"a.html.gz\" = { X-A = \"1\" }\n[digests]\nrepr-digest = true\n")
        .serve();
    let plain = server.get("/a", &["Accept-Encoding: identity"]);
    assert_eq!((plain.outcome().as_str(), plain.field("X-A")), ("<p>plain", Some("1")));
    assert_eq!(plain.field("Repr-Digest"), Some(&digest(b"<p>plain")[..]));
    let coded = server.get("/a", &["Accept-Encoding: gzip"]);
    assert_eq!((&coded.content, coded.field("X-A")), (&gzip, Some("1")));
    assert_eq!(coded.field("Repr-Digest"), Some(&digest(&gzip)[..]));
}

#[test]
fn fields_for_all_go_with_what_no_file_holds() {
    let settings = |policy: &str| {
        format!(
            "[negotiation]\npolicy = \"{policy}\"\n[headers]\n\"/**\" = {{ X-A = \"1\", Expires = \"0\" }}\n\"*\" = {{ X-B = \"2\" }}\n\
             [cache]\n\"/**\" = \"no-cache\"\n[redirects]\n\"/old\" = \"/new\"\n"
        )
    };
    for policy in ["modern", "apache"] {
        let workshop = Workshop::of_names(&["a.html", "d/a.html"])
            .and("d/.mkroot.toml", "[headers]\n\"/**\" = { X-C = \"3\" }\n")
            .and(".mkroot.toml", settings(policy));
        let server = workshop.serve();
        for (method, target, field, status) in [
            ("GET", "/none", "", 404),
            ("HEAD", "/none", "", 404),
            ("GET", "/d/none", "", 404),
            ("GET", "/a", "Accept: image/png", 406),
            ("PUT", "/a", "", 405),
            ("FOO", "/a", "", 501),
            ("GET", "/%00", "", 400),
            ("GET", "/old", "", 301),
            ("GET", "/d", "", 301),
            ("OPTIONS", "/a", "", 200),
            ("OPTIONS", "/a.html", "", 200),
            ("OPTIONS", "*", "", 200),
            ("GET", "/a", "Host: second", 400), // no head that can be understood
        ] {
            let about = format!("{policy} {method} {target} {field}");
            let lines: Vec<_> = [field].into_iter().filter(|field| !field.is_empty()).collect();
            let response = server.request(method, target, &lines);
            assert_eq!(response.status, status, "{about}");
            assert_eq!(response.field("X-A"), Some("1"), "{about}");
            assert_eq!((response.field("Cache-Control"), response.field("Expires")), (None, None), "{about}");
            let of_file = method == "OPTIONS" && target.starts_with("/a") && policy == "apache";
            assert_eq!(response.field("X-B"), of_file.then_some("2"), "{about}");
            assert_eq!(response.field("X-C"), None, "{about}");
            assert_eq!((response.field("Accept-Ranges"), response.field("Repr-Digest")), (None, None), "{about}");
        }
    }
}

const PAGES: [&str; 5] = ["page.html", "404.html.en", "404.html.fr", "404.md.en", "gone.html.en"];

/// Pages for errors, in two languages and types.
fn with_error_pages(policy: &str) -> Workshop {
    Workshop::of_names(&PAGES).and(
        ".mkroot.toml",
        format!(
            "[negotiation]\npolicy = \"{policy}\"\nlanguage-priority = [\"en\"]\n\
             [errors]\n404 = \"/404\"\n405 = \"/404.html.fr\"\n406 = \"/404\"\n410 = \"/gone\"\n412 = \"/gone\"\n501 = \"/404\"\n400 = \"/404\"\n\
             [redirects]\n\"/gone.txt\" = {{ status = 410 }}\n\
             [headers]\n\"/**\" = {{ X-A = \"1\" }}\n\"*.fr\" = {{ X-A = \"2\", X-Fr = \"3\", expires = \"0\" }}\n\
             [cache]\n\"*\" = \"max-age=5\"\n[digests]\nrepr-digest = true\n"
        ),
    )
}

#[test]
fn pages_of_errors_are_negotiated_and_keep_the_errors_status_and_fields() {
    let server = with_error_pages("modern").serve();
    // Method, target and field; the status, the content (a file, or what the built-in page begins with), its type and
    // language.
    for (method, target, field, status, content, content_type, language) in [
        ("GET", "/none", "Accept: */*", 404, "404.html.en", "text/html", Some("en")),
        ("GET", "/none?q", "Accept-Language: fr", 404, "404.html.fr", "text/html", Some("fr")),
        ("GET", "/none", "Accept: text/markdown", 404, "404.md.en", "text/markdown", Some("en")),
        ("GET", "/page.html/more", "Accept-Language: fr", 404, "404.html.fr", "text/html", Some("fr")),
        ("GET", "/none", "Range: bytes=0-1", 404, "404.html.en", "text/html", Some("en")),
        ("GET", "/none", "If-None-Match: *", 404, "404.html.en", "text/html", Some("en")),
        ("GET", "/none", "Accept: image/png", 404, "<!DOCTYPE", "text/html; charset=utf-8", None),
        ("GET", "/none", "Accept: text/plain", 404, "404 Not Found", "text/plain; charset=utf-8", None),
        ("GET", "/page", "Accept: text/markdown", 406, "404.md.en", "text/markdown", Some("en")),
        ("PUT", "/page", "Accept-Language: en", 405, "404.html.fr", "text/html", Some("fr")),
        ("FOO", "/page", "Accept-Language: fr", 501, "404.html.fr", "text/html", Some("fr")),
        ("GET", "/%zz", "Accept-Language: fr", 400, "404.html.fr", "text/html", Some("fr")),
        ("GET", "/gone.txt", "Accept-Language: fr", 410, "gone.html.en", "text/html", Some("en")),
        ("POST", "/gone.txt", "Accept-Language: fr", 405, "404.html.fr", "text/html", Some("fr")),
    ] {
        let about = format!("{method} {target} {field}");
        let response = server.request(method, target, &[field]);
        assert_eq!(response.status, status, "{about}");
        assert!(response.text().starts_with(content), "{about}: {}", response.text());
        assert_eq!(response.field("Content-Type"), Some(content_type), "{about}");
        assert_eq!(response.field("Content-Language"), language, "{about}");
        assert_eq!(response.field("Content-Length"), Some(&response.content.len().to_string()[..]), "{about}");
        assert_eq!(response.field("Allow"), (status == 405).then_some("GET, HEAD, OPTIONS"), "{about}");
        let french = language == Some("fr");
        assert_eq!(response.field("X-A"), Some(if french { "2" } else { "1" }), "{about}");
        assert_eq!(response.field("X-Fr"), french.then_some("3"), "{about}");
        for absent in
            ["ETag", "Last-Modified", "Accept-Ranges", "Content-Location", "Cache-Control", "Expires", "Repr-Digest"]
        {
            assert_eq!(response.field(absent), None, "{about}: {absent}");
        }
        let vary = response.field("Vary").expect("Vary");
        assert!(vary.contains("Accept"), "{about}: {vary}");
        let by_language = content.starts_with("404.") && method != "PUT" && target != "/gone.txt";
        assert_eq!(vary.contains("Accept-Language"), by_language, "{about}: {vary}");
        // The names in Vary are there once.
        let mut named: Vec<_> = vary.split(", ").collect();
        named.dedup();
        assert_eq!(named.join(", "), vary);
        if method == "GET" {
            let head = server.request("HEAD", target, &[field]);
            assert_eq!((head.status, head.undated()), (status, response.undated()), "{about}");
        }
    }
    // The page itself is a page like any other.
    let page = server.get("/404", &[]);
    assert_eq!((page.status, page.field("Cache-Control")), (200, Some("max-age=5")));
    // Several errors on one connection, so that no length is wrong.
    let mut connection = server.connect();
    for _ in 0..3 {
        connection.send(crate::support::head("GET", "/none", &[]));
        connection.send(crate::support::head("HEAD", "/none", &[]));
        assert_eq!(connection.receive(false).text(), "404.html.en");
        assert_eq!(connection.receive(true).status, 404);
    }
}

#[test]
fn pages_of_errors_under_apaches_policy() {
    let server = with_error_pages("apache").serve();
    for (method, target, field, status, content, vary) in [
        ("GET", "/none", "Accept-Language: fr", 404, "404.html.fr", Some("negotiate,accept,accept-language")),
        ("GET", "/page", "Accept: text/markdown", 406, "404.md.en", Some("negotiate,accept,accept-language")),
        ("DELETE", "/page.html", "Accept: */*", 405, "404.html.fr", None),
    ] {
        let response = server.request(method, target, &[field]);
        assert_eq!((response.status, response.text().as_str()), (status, content), "{method} {target}");
        let vary = vary.map(|vary| vary.replace("negotiate,", ""));
        assert_eq!(response.field("Vary"), vary.as_deref(), "{method} {target}");
    }
}

#[test]
fn explain_shows_the_error_and_not_how_its_page_was_chosen() {
    let workshop = with_error_pages("modern");
    let (status, stdout, stderr) = run(&workshop, "explain @/site /none -H Accept-Language:fr");
    assert_eq!((status, stderr.as_str()), (1, ""));
    assert_eq!(
        stdout,
        "/none: nothing to negotiate\n\n404 Not Found\n  Vary: Accept, Accept-Language\n  X-A: 2\n  X-Fr: 3\n  \
         Content-Type: text/html\n  Content-Length: 11\n  Content-Language: fr\n"
    );
}

#[test]
fn redirects_lead_where_they_say() {
    let server = Workshop::of_names(&["new.html", "news/index.html", "d/x.html", "blog/kept.html", "old.html"])
        .and(
            ".mkroot.toml",
            "[redirects]\n\"/old\" = \"/new\"\n\"/temp\" = { to = \"https://example.org/\", status = 302 }\n\
             \"/see\" = { to = \"/new#part\", status = 303 }\n\"/q\" = { to = \"/new?a=1#part\", status = 307 }\n\
             \"/perm\" = { to = \"/new\", status = 308 }\n\"/gone\" = { status = 410 }\n\
             \"/a%20b\" = \"/new\"\n\"/é\" = \"/new\"\n\"/old.html\" = \"/new\"\n\"/dir/\" = \"/d/\"\n\
             \"/blog/*\" = \"/news/*\"\n\"/blog/deep/*\" = { to = \"https://example.org/?p=*&x#y\", status = 302 }\n\
             \"/all/*\" = \"/new\"\n\"/dead/*\" = { status = 410 }\n",
        )
        .and("d/.mkroot.toml", "[redirects]\n\"/y\" = \"/new\"\n\"/z/*\" = \"/d/*\"\n")
        .serve();
    for (target, status, location) in [
        ("/old", 301, "/new"),
        ("/old?x=1&y", 301, "/new?x=1&y"),
        ("/./%6fld", 301, "/new"),
        ("http://localhost/old?", 301, "/new?"),
        ("/temp?x", 302, "https://example.org/?x"),
        ("/see?x", 303, "/new?x#part"),
        ("/q?x", 307, "/new?a=1#part"),
        ("/perm", 308, "/new"),
        ("/a%20b", 301, "/new"),
        ("/%C3%A9", 301, "/new"),
        ("/old.html", 301, "/new"),
        ("/dir/", 301, "/d/"),
        ("/gone", 410, ""),
        ("/old/more", 404, ""),
        ("/gone/more", 404, ""),
        ("/dir", 404, ""),
        // All below.
        ("/blog/2005/a", 301, "/news/2005/a"),
        ("/blog/2005/?q=1", 301, "/news/2005/?q=1"),
        ("/blog/", 301, "/news/"),
        ("/blog/a%20b%2525/%3F;%C3%A9", 301, "/news/a%20b%2525/%3f%3b%c3%a9"),
        ("/blog//x/../y", 301, "/news/y"),
        ("/blog/%2F", 404, ""),
        ("/blog/kept", 200, ""),
        ("/blog/kept.html/x", 301, "/news/kept.html/x"),
        ("/blog/deep/a?q", 302, "https://example.org/?p=a&x#y"),
        ("/blog/deep/", 302, "https://example.org/?p=&x#y"),
        ("/blog/deep", 301, "/news/deep"),
        ("/all/x/y?q", 301, "/new?q"),
        ("/dead/x", 410, ""),
        ("/dead", 404, ""),
        // Anchored where they are declared.
        ("/d/y", 301, "/new"),
        ("/y", 404, ""),
        ("/d/z/1/2", 301, "/d/1/2"),
        ("/z/1", 404, ""),
    ] {
        for method in ["GET", "HEAD"] {
            let response = server.request(method, target, &[]);
            assert_eq!(response.status, status, "{method} {target}");
            assert_eq!(response.field("Location").unwrap_or_default(), location, "{method} {target}");
            assert_eq!(response.content.is_empty(), method == "HEAD", "{method} {target}");
        }
    }
    let deep = "x/".repeat(4000);
    assert_eq!(server.get(&format!("/blog/{deep}"), &[]).field("Location"), Some(&format!("/news/{deep}")[..]));
    assert_eq!(server.get(&format!("/none/{deep}"), &[]).status, 404);
    let page = server.get("/see?<x>", &["Accept: text/html"]);
    assert!(page.text().contains("<a href=\"/new?&lt;x&gt;#part\">"), "{}", page.text());
    assert_eq!(server.request("POST", "/old", &[]).status, 405);
    let options = server.request("OPTIONS", "/blog/x", &[]);
    assert_eq!((options.status, options.field("Location")), (200, None));
}

#[test]
fn redirects_under_apaches_policy() {
    let server = serve(
        &["a.html", "d/index.html"],
        "[negotiation]\npolicy = \"apache\"\n[redirects]\n\"/old\" = { to = \"/a\", status = 302 }\n\"/d/*\" = \"/e/*\"\n",
    );
    for (method, target, status, location) in [
        ("GET", "/old?x", 302, Some("/a?x")),
        ("GET", "/d/x", 301, Some("/e/x")),
        ("GET", "/d", 301, Some("/d/")),
        ("GET", "/d/index", 200, None),
        ("GET", "/a.html/x", 404, None),
    ] {
        let response = server.request(method, target, &[]);
        assert_eq!((response.status, response.field("Location")), (status, location), "{method} {target}");
    }
}

#[test]
fn what_a_redirect_hides_is_noted() {
    let workshop = Workshop::of_names(&["a.html", "b.html", "d/index.html", "e/x.html"])
        .and(
            ".mkroot.toml",
            "[redirects]\n\"/a.html\" = \"/b\"\n\"/b\" = { status = 410 }\n\"/d/\" = \"/b\"\n\"/e\" = \"/b\"\n\"/c/*\" = \"/c/new/*\"\n\
             \"/e/x.html\" = \"/b\"\n",
        )
        .and("e/.mkroot.toml", "[redirects]\n\"/x.html\" = \"/nearer\"\n");
    let (status, _, stderr) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 0);
    let mut expected: Vec<_> = ["a.html", "b", "d/", "e/x.html"]
        .iter()
        .map(|path| format!("mkroot: warning: @/site/{path} is redirected, so nobody gets what is there"))
        .collect();
    let on = "leads below itself, so who asks there for what does not exist is redirected again and again";
    expected.insert(2, format!("mkroot: warning: @/site/c/ {on}"));
    assert_eq!(stderr.lines().collect::<Vec<_>>(), expected);
    let (_, stdout, _) = run(&workshop, "check @/out.webroot");
    assert!(stdout.contains("/b is redirected") && stdout.ends_with("contents\n"), "{stdout}");
    let (_, listed, _) = run(&workshop, "ls @/out.webroot");
    for line in ["/a.html -> /b\n", "/b  gone\n", "/c/* -> /c/new/*\n", "/e/x.html -> /nearer\n", "/e -> /b\n"] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    // The negotiated /d/index, /a and /e/x are left.
    let summary = mkroot(&["ls".as_ref(), "--json".as_ref(), workshop.out().as_os_str()]);
    let json: serde_json::Value = serde_json::from_slice(&summary.stdout).expect("JSON");
    let gone = json["resources"].as_array().expect("a list").iter().find(|resource| resource["path"] == "/c/*");
    assert_eq!(gone.map(|resource| &resource["status"]), Some(&301.into()));
}

#[test]
fn mistakes_that_only_the_whole_site_shows_are_reported_with_their_place() {
    for (toml, negotiate, message) in [
        ("[errors]\n404 = \"/none\"\n", true, ":2:7: /none names nothing in this site"),
        ("[errors]\n404 = \"/a\"\n", false, ":2:7: /a names nothing in this site; without --negotiate"),
        ("[errors]\n404 = \"/d\"\n", true, ":2:7: /d is redirected, to /d/; expected what has a page"),
        ("[errors]\n404 = \"/x\"\n[redirects]\n\"/x\" = \"/a\"\n", true, ":2:7: /x is redirected, to /a;"),
        ("[errors]\n404 = \"/x\"\n[redirects]\n\"/x\" = { status = 410 }\n", true, ":2:7: /x answers 410 Gone;"),
        ("[redirects]\n\"/x/*\" = \"/x/y\"\n", true, ":2:1: this leads to itself, since there is nothing at /x/y"),
        ("[headers]\n\"*\" = { ETag = \"x\" }\n", true, ":2:9: ETag cannot be set here: connegd sets it itself"),
    ] {
        let workshop = Workshop::of_names(&["a.html", "d/index.html"]).and(".mkroot.toml", toml);
        let line = if negotiate { "--negotiate @/site @/out.webroot" } else { "@/site @/out.webroot" };
        let (status, _, stderr) = run(&workshop, line);
        assert_eq!(status, 2, "{toml}");
        assert!(stderr.starts_with(&format!("mkroot: @/site/.mkroot.toml{message}")), "{toml}: {stderr}");
        assert!(workshop.entries().is_empty(), "{toml}");
    }
    let below = Workshop::of_names(&["d/404.html"]).and("d/.mkroot.toml", "[errors]\n404 = \"/404\"\n");
    let (status, _, stderr) = run(&below, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 2);
    assert!(stderr.starts_with("mkroot: @/site/d/.mkroot.toml:2:1: the pages of errors"), "{stderr}");
    // What is right packs, also without negotiation.
    let right = Workshop::of_names(&["a.html", "x/y"])
        .and(".mkroot.toml", "[errors]\n404 = \"/a.html\"\n[redirects]\n\"/x/*\" = \"/x/y\"\n");
    assert_eq!(run(&right, "@/site @/out.webroot"), (0, String::new(), String::new()));
    let server = Server::start(&right.out());
    assert_eq!(server.get("/none", &[]).text(), "a.html");
    assert_eq!(server.get("/x/z", &[]).field("Location"), Some("/x/y"));
    assert_eq!(server.get("/x/y", &[]).text(), "x/y");
}

/// Repr-Digest as RFC 9530 has it.
fn digest(content: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(content)))
}

#[test]
fn digests_are_those_of_the_bytes_that_are_sent() {
    let long: Vec<u8> = (0..17 << 20).map(|number: u32| (number % 251) as u8).collect();
    let map = "Content-Type: text/css\nBody: E\ninline\nE\n";
    let workshop = Workshop::with_site(&[("a.html", b"<p>a"), ("empty.txt", b""), ("same.txt", b"<p>a")])
        .and("long.bin", &long)
        .and("m.var", map)
        .and("d/a.html", "<p>d")
        .and("d/.mkroot.toml", "[digests]\nrepr-digest = false\n");
    let arguments: [&Path; 4] = ["--negotiate".as_ref(), "--repr-digest".as_ref(), &workshop.site(), &workshop.out()];
    let output = mkroot(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let server = Server::start(&workshop.out());
    for (target, content) in [
        ("/a", &b"<p>a"[..]),
        ("/a.html", b"<p>a"),
        ("/empty", b""),
        ("/same", b"<p>a"),
        ("/long", &long),
        ("/m", b"inline\n"),
    ] {
        let response = server.get(target, &[]);
        assert!(response.content == content, "{target}");
        assert_eq!(response.field("Repr-Digest"), Some(&digest(content)[..]), "{target}");
        let head = server.request("HEAD", target, &[]);
        assert_eq!(head.field("Repr-Digest"), response.field("Repr-Digest"), "{target}");
        let etag = format!("If-None-Match: {}", response.field("ETag").expect("a tag"));
        let unchanged = server.get(target, &[&etag]);
        assert_eq!((unchanged.status, unchanged.field("Repr-Digest")), (304, None), "{target}");
    }
    assert_eq!(server.get("/d/a", &[]).field("Repr-Digest"), None);
    // Without being asked for there are none, and a site can ask for itself.
    let without = Workshop::of_names(&["a.html"]).serve();
    assert_eq!(without.get("/a", &[]).field("Repr-Digest"), None);
    let with = serve(&["a.html"], "[digests]\nrepr-digest = true\n");
    assert_eq!(with.get("/a", &[]).field("Repr-Digest"), Some(&digest(b"a.html")[..]));
}

#[test]
fn every_stored_representation_says_that_it_can_be_had_in_ranges() {
    let server = Server::start_in_silence(&crate::support::chart_site());
    for target in ["/", "/2005/chart", "/2005/chart.png", "/style"] {
        for method in ["GET", "HEAD"] {
            assert_eq!(server.request(method, target, &[]).field("Accept-Ranges"), Some("bytes"), "{method} {target}");
        }
    }
    assert_eq!(server.get("/none", &[]).field("Accept-Ranges"), None);
}

#[test]
fn the_guide_for_authors_knows_every_table_and_its_examples_are_right() {
    let guide =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/site-settings.md")).expect("the guide");
    let (_, _, stderr) = run(&Workshop::of_names(&["a"]).and(".mkroot.toml", "[x]\n"), "@/site @/out.webroot");
    let tables: Vec<_> = stderr.split('`').skip(3).step_by(2).collect();
    assert!(tables.contains(&"errors") && tables.contains(&"negotiation"), "{stderr}");
    for table in tables {
        assert!(guide.contains(&format!("[{table}]")), "docs/site-settings.md does not mention [{table}]");
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("README.md");
    let examples = [&guide[..], &readme].into_iter().flat_map(|text| text.split("```toml\n").skip(1));
    let examples: Vec<_> = examples.filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() > 6);
    for example in examples {
        if let Err(error) = Config::default().refined(example, Path::new("example"), b"/") {
            panic!("{error}\n{example}");
        }
    }
}

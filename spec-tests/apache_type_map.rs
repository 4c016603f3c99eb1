//! Type maps (R33-R49) through the modern policy: found by their short names (D19), read as Apache documents them, and
//! without the bugs that Apache has there (B5, B7-B11, B14).

use std::fs;

use crate::support::{Server, Workshop, mkroot, resolve, run};

/// A map of variants: URI, Content-Type, one more header or nothing.
fn map(records: &[(&str, &str, &str)]) -> String {
    let record =
        |(uri, media_type, more): &(&str, &str, &str)| format!("URI: {uri}\nContent-Type: {media_type}\n{more}\n\n");
    records.iter().map(record).collect()
}

/// A site with a map for each URI, `d/m0.var`, `d/m1.var`, …, and these files. `@` in a URI is the map's own name.
fn maps_of_one(uris: &[&str], files: &[&str]) -> Workshop {
    let workshop = Workshop::of_names(files);
    for (number, uri) in uris.iter().enumerate() {
        let uri = uri.replace('@', &format!("m{number}"));
        workshop.write(&format!("d/m{number}.var"), map(&[(&uri, "text/html", "")]).as_bytes());
    }
    workshop
}

/// Checks that the map at `/d/m{number}`, under both of its names, answers with the file at `path`, and says where that
/// is.
fn leads_to(server: &Server, number: usize, path: &str) {
    for target in [format!("/d/m{number}.var"), format!("/d/m{number}")] {
        let response = server.get(&target, &[]);
        assert_eq!(response.outcome(), path, "{target}");
        let location = response.field("Content-Location").expect("Content-Location");
        assert!(!location.contains('#'), "{target} {location}: a representation has no fragment (RFC 9110, 8.7)");
        assert_eq!(server.get(&resolve(&target, location), &[]).outcome(), path, "{target} {location}");
    }
}

#[test]
fn a_map_chooses_under_its_name_with_and_without_extension() {
    let map = map(&[
        ("x.en.html", "text/html", "Content-Language: en"),
        ("x.fr.html", "text/html", "Content-Language: fr"),
        ("x.en.txt", "text/plain", "Content-Language: en"),
    ]);
    let server = Workshop::of_names(&["x.en.html", "x.fr.html", "x.en.txt"]).and("m.var", map).serve();
    for (fields, expected) in [
        (&[][..], "x.en.html"),
        (&["Accept-Language: fr"], "x.fr.html"),
        (&["Accept-Language: fr-CH, en;q=0.5"], "x.en.html"),
        (&["Accept: text/plain"], "x.en.txt"),
        (&["Accept: text/plain", "Accept-Language: fr"], "x.en.txt"),
        (&["Accept: text/html;q=0.9, text/plain", "Accept-Language: fr"], "x.en.txt"),
        (&["Accept: image/png"], "406"),
    ] {
        for target in ["/m.var", "/m"] {
            let response = server.get(target, fields);
            assert_eq!(response.outcome(), expected, "{target} {fields:?}");
            assert_eq!(response.field("Vary"), Some("Accept, Accept-Language"), "{target} {fields:?}");
            let location = (response.status == 200).then_some(expected);
            assert_eq!(response.field("Content-Location"), location, "{target} {fields:?}");
            let head = server.request("HEAD", target, fields);
            assert_eq!((head.status, head.undated()), (response.status, response.undated()), "{target} {fields:?}");
        }
    }
    for target in ["/m.var/x", "/m/", "/m.v"] {
        assert_eq!(server.get(target, &[]).status, 404, "{target}: nothing lies behind a map (B12)");
    }
}

#[test]
fn a_body_in_the_map_is_sent_with_what_the_map_says_of_it() {
    let map = "Content-Type: text/html; charset=utf-8\nContent-Language: en\nBody:--en--\n<p>Hello</p>\n--en--\n\n\
               Content-Type: text/plain\nContent-Language: fr\nBody:END\nBonjour\n\nURI: no header\nEND of it\n";
    let server = Workshop::with_site(&[("m.var", map.as_bytes())]).serve();
    for (field, content, content_type, language) in [
        ("Accept-Language: en", "<p>Hello</p>\n", "text/html; charset=utf-8", "en"),
        ("Accept: text/plain", "Bonjour\n\nURI: no header\n", "text/plain", "fr"),
    ] {
        for target in ["/m.var", "/m"] {
            let response = server.get(target, &[field]);
            assert_eq!(response.outcome(), content, "{target} {field}");
            assert_eq!(response.field("Content-Type"), Some(content_type));
            assert_eq!(response.field("Content-Language"), Some(language));
            assert_eq!(response.field("Content-Location"), None, "it has no address of its own");
            assert_eq!(response.field("Vary"), Some("Accept, Accept-Language, Accept-Charset"));
            assert_eq!(server.request("HEAD", target, &[field]).undated(), response.undated());
            assert_eq!(server.request("OPTIONS", target, &[field]).status, 200, "B11");
            let known = format!("If-None-Match: {}", response.field("ETag").expect("an entity tag"));
            assert_eq!(server.get(target, &[field, &known]).status, 304);
        }
    }
}

#[test]
fn a_uri_leads_where_a_reference_would() {
    let cases = [
        ("x.html", "d/x.html"),
        ("./x.html", "d/x.html"),
        ("e/x.html", "d/e/x.html"),
        ("../x.html", "x.html"),
        ("/x.html", "x.html"), // B9
        ("/d/x.html", "d/x.html"),
        ("%78.html", "d/x.html"),
        ("a%20b.html", "d/a b.html"),
        ("100%25.html", "d/100%.html"),
        ("é.html", "d/é.html"),
        ("x.html?lang=en", "d/x.html"),
        ("../d/./e/../x.html", "d/x.html"),
    ];
    let server = maps_of_one(&cases.map(|(uri, _)| uri), &cases.map(|(_, path)| path)).serve();
    for (number, (_, path)) in cases.into_iter().enumerate() {
        leads_to(&server, number, path);
    }
}

/// B10 and its kin: what stands in the map is not always what a client may be told.
#[test]
fn content_location_is_never_another_address() {
    let cases = [("h:i.html", "d/h:i.html"), ("x.html#top", "d/x.html"), ("//x.html", "x.html")];
    let server = maps_of_one(&cases.map(|(uri, _)| uri), &cases.map(|(_, path)| path)).serve();
    for (number, (_, path)) in cases.into_iter().enumerate() {
        leads_to(&server, number, path);
    }
}

/// A URI with a slash makes a map non-transparent (R86), and then it may lead on to another negotiation (R48), whose
/// references are relative to another directory.
#[test]
fn where_one_negotiation_leads_to_another_content_location_holds_for_the_first() {
    let cases = [("e/", "d/e/index.html"), ("../n", "n.html"), ("../o.var", "n.html"), ("e/i", "d/e/i.html")];
    let server = maps_of_one(&cases.map(|(uri, _)| uri), &cases.map(|(_, path)| path))
        .and("o.var", map(&[("n.html", "text/html", "")]))
        .serve();
    for (number, (_, path)) in cases.into_iter().enumerate() {
        leads_to(&server, number, path);
    }
}

#[test]
fn the_map_chooses_and_the_file_says_what_it_is() {
    let map = map(&[("x.fr.html.utf8", "text/plain; charset=iso-8859-1; qs=0.5", "Content-Language: de")]);
    let server = Workshop::of_names(&["x.fr.html.utf8"]).and("m.var", map).serve();
    let response = server.get("/m", &["Accept: text/plain", "Accept-Language: de"]);
    assert_eq!(response.outcome(), "x.fr.html.utf8");
    assert_eq!(response.field("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(response.field("Content-Language"), Some("fr"));
    assert_eq!(server.get("/m", &["Accept: text/html"]).status, 406);
}

#[test]
fn names_of_codings_in_a_map_have_no_case() {
    let coded = "Content-Encoding: GZIP"; // B7
    let map = map(&[("x.html", "text/html", ""), ("x.html.gz", "text/html", coded)]);
    let server = Workshop::of_names(&["x.html", "x.html.gz"]).and("m.var", map).serve();
    for (field, expected, coding) in [
        ("Accept-Encoding: gzip", "x.html.gz", Some("gzip")),
        ("Accept-Encoding: GZip", "x.html.gz", Some("gzip")),
        ("Accept-Encoding: br", "x.html", None),
        ("Accept-Encoding: gzip;q=0", "x.html", None),
    ] {
        let response = server.get("/m", &[field]);
        assert_eq!((response.outcome().as_str(), response.field("Content-Encoding")), (expected, coding), "{field}");
        assert_eq!(response.field("Vary"), Some("Accept, Accept-Encoding"), "{field}");
    }
}

#[test]
fn a_map_can_be_the_index_of_a_directory() {
    let map = map(&[("a.html", "text/html", "Content-Language: en"), ("b.html", "text/html", "Content-Language: fr")]);
    let files = ["d/a.html", "d/b.html", "d/index.html", "e/a.html", "e/b.html"];
    let server = Workshop::of_names(&files)
        .and("d/index.var", &map)
        .and("e/start.var", &map)
        .and("e/.mkroot.toml", "[negotiation]\ndirectory-index = [\"none\", \"start.var\"]\n")
        .serve();
    for (target, language, expected) in
        [("/d/", "en", "d/a.html"), ("/d/", "fr", "d/b.html"), ("/e/", "en", "e/a.html"), ("/e/", "fr", "e/b.html")]
    {
        let response = server.get(target, &[&format!("Accept-Language: {language}")]);
        assert_eq!(response.outcome(), expected);
        assert_eq!(response.field("Vary"), Some("Accept, Accept-Language"));
        let location = resolve(target, response.field("Content-Location").expect("Content-Location"));
        assert_eq!(location, format!("/{expected}"));
    }
}

#[test]
fn a_map_takes_the_place_of_the_files_beside_it() {
    let server =
        Workshop::of_names(&["m.html", "m.png", "x.txt"]).and("m.var", map(&[("x.txt", "text/plain", "")])).serve();
    for (target, accept, expected) in [
        ("/m", "*/*", "x.txt"),
        ("/m", "image/png", "406"), // R29
        ("/m.png", "image/png", "m.png"),
        ("/m.html", "image/png", "m.html"),
    ] {
        assert_eq!(server.get(target, &[&format!("Accept: {accept}")]).outcome(), expected, "{target} {accept}");
    }
}

#[test]
fn quality_and_length_are_what_the_map_declares() {
    let server = Workshop::of_names(&["long.html", "s.html", "p.png"])
        .and("qs.var", map(&[("p.png", "image/png; qs=0.9", ""), ("s.html", "text/html; qs=0.5", "")]))
        .and("zero.var", map(&[("p.png", "image/png; qs=0", ""), ("s.html", "text/html; qs=0.001", "")]))
        .and("undeclared.var", map(&[("long.html", "text/html", ""), ("s.html", "text/html", "")]))
        .and("one.var", map(&[("s.html", "text/html", ""), ("long.html", "text/html", "Content-Length: 5")]))
        .and("equal.var", map(&[("long.html", "text/html", "Content-Length: 6"), ("s.html", "text/html", "")]))
        .serve();
    for (target, accept, expected) in [
        ("/qs", "*/*", "p.png"),
        ("/qs", "text/html, image/png;q=0.6", "p.png"), // 0.5 and 0.54
        ("/qs", "text/html, image/png;q=0.5", "s.html"),
        ("/zero", "*/*", "s.html"),
        ("/zero", "image/png", "406"),
        ("/undeclared", "*/*", "s.html"), // the lengths of the files: 9 and 6
        ("/one", "*/*", "long.html"),
        ("/equal", "*/*", "long.html"), // the order in the map
    ] {
        assert_eq!(server.get(target, &[&format!("Accept: {accept}")]).outcome(), expected, "{target} {accept}");
    }
    assert_eq!(server.get("/qs", &[]).field("Content-Type"), Some("image/png"));
}

/// R47 has the length of a file of that very name, and none counts as the least (B5).
#[test]
fn a_length_that_is_not_declared_is_that_of_the_file_a_uri_leads_to() {
    let server = Workshop::of_names(&["s.html", "long.html", "d/x.html"])
        .and("d/escaped.var", map(&[("x.html", "text/html", ""), ("../%6cong.html", "text/html", "")]))
        .and("d/query.var", map(&[("x.html", "text/html", ""), ("../long.html?x", "text/html", "")]))
        .and("d/root.var", map(&[("x.html", "text/html", ""), ("/long.html", "text/html", "")]))
        .serve();
    for target in ["/d/escaped", "/d/query", "/d/root"] {
        assert_eq!(server.get(target, &[]).outcome(), "d/x.html", "{target}: 8 bytes are less than 9");
    }
}

#[test]
fn entries_that_lead_to_no_file() {
    let cases = [
        ("sub", "301"),
        ("x", "506"), // RFC 2295, section 8.1
        ("./x", "d/x.en.html"),
        ("@.var", "506"),
        ("@", "506"),
    ];
    let server = maps_of_one(&cases.map(|(uri, _)| uri), &["d/x.en.html", "d/x.fr.html", "d/sub/y.html"]).serve();
    for (number, (uri, expected)) in cases.into_iter().enumerate() {
        for target in [format!("/d/m{number}.var"), format!("/d/m{number}")] {
            assert_eq!(server.get(&target, &[]).outcome(), expected, "{uri} {target}");
            assert_eq!(server.request("HEAD", &target, &[]).status, server.get(&target, &[]).status, "{uri} {target}");
        }
    }
    let redirect = server.get("/d/m0?q=1", &[]);
    assert_eq!((redirect.field("Location"), redirect.field("Vary")), (Some("/d/sub/?q=1"), Some("Accept"))); // B8
}

/// These are followed, since a slash makes a map non-transparent (R86), but not for ever (R48).
#[test]
fn a_map_that_leads_back_to_itself_gets_a_finite_answer() {
    let server = maps_of_one(&["./@.var", "./@", "./m3.var", "./m2"], &["x.html"]).serve();
    for target in ["/d/m0.var", "/d/m0", "/d/m1.var", "/d/m1", "/d/m2.var", "/d/m2", "/d/m3.var", "/d/m3"] {
        assert_eq!(server.get(target, &[]).outcome(), "506", "{target}");
    }
}

#[test]
fn a_broken_map_answers_500_and_packing_says_where() {
    let workshop = Workshop::of_names(&["x.html", "m.html"]).and("m.var", "URI: x.html\nContent-Type text/html\n");
    let (status, _, stderr) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 0);
    assert!(stderr.contains("mkroot: warning: @/site/m.var:2: expected a header such as `URI: x.html`"), "{stderr}");
    let server = Server::start(&workshop.out());
    for (target, expected) in [("/m.var", "500"), ("/m", "500"), ("/m.html", "m.html")] {
        assert_eq!(server.get(target, &[]).outcome(), expected, "{target}");
    }
}

#[test]
fn reading_that_ends_early_leaves_what_was_read() {
    let first = map(&[("x.html", "text/html", "")]);
    let workshop = Workshop::of_names(&["x.html", "x.txt"])
        .and("length.var", format!("{first}URI: x.txt\nContent-Type: text/plain\nContent-Length: 1k\n"))
        .and("body.var", format!("{first}Content-Type: text/plain\nBody:END\nno end\n"));
    let (status, _, stderr) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!((status, stderr.matches("do not count").count()), (0, 2), "{stderr}");
    let server = Server::start(&workshop.out());
    for target in ["/length", "/body"] {
        assert_eq!(server.get(target, &[]).outcome(), "x.html", "{target}");
        assert_eq!(server.get(target, &["Accept: text/plain"]).status, 406, "{target}");
    }
}

const MISSING: &str = "# Here is one, there is none.\n\nURI: a.html\nContent-Type: text/html\n\n\
                       URI: x.txt\nContent-Type: text/plain\n";

#[test]
fn a_map_that_names_a_missing_file_is_refused_and_the_old_webroot_stays() {
    let workshop = Workshop::of_names(&["a.html"]);
    let old = fs::read(workshop.pack()).expect("a webroot");
    workshop.write("m.var", MISSING.as_bytes());
    let message = "mkroot: @/site/m.var:6: names x.txt, which is not there\n";
    for line in ["--negotiate @/site @/out.webroot", "--negotiate @/site @/new.webroot", "explain @/site /m"] {
        let (status, stdout, stderr) = run(&workshop, line);
        assert_eq!((status, stdout.as_str()), (2, ""), "{line}: {stderr}");
        assert!(stderr.starts_with(message), "{line}: {stderr}");
    }
    assert_eq!(workshop.entries(), ["out.webroot"]);
    assert!(fs::read(workshop.out()).expect("a webroot") == old);
}

#[test]
fn as_with_apache_a_missing_file_is_missed_when_it_is_chosen() {
    let workshop = Workshop::of_names(&["a.html"])
        .and("m.var", MISSING)
        .and(".mkroot.toml", "[negotiation]\npolicy = \"apache\"\n");
    let (status, _, stderr) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 0);
    assert!(stderr.contains("mkroot: warning: @/site/m.var:6: names x.txt, which is not there\n"), "{stderr}");
    let server = Server::start(&workshop.out());
    for (accept, expected) in [("text/html", "a.html"), ("text/plain", "404"), ("image/png", "406")] {
        assert_eq!(server.get("/m.var", &[&format!("Accept: {accept}")]).outcome(), expected, "{accept}");
    }
}

#[test]
fn which_files_are_maps() {
    let map = map(&[("x.html", "text/html", "")]);
    let whole = map.as_str();
    // Settings, name of the map; outcome of that name, of the name without extension.
    for (settings, name, literal, short) in [
        ("", "m.var", "x.html", "x.html"),
        ("", "m.VAR", "x.html", "x.html"),
        ("", "m.var.en", "x.html", "x.html"),
        ("", "m.zzq", whole, "404"),
        ("[negotiation]\ntype-maps = []\n", "m.var", whole, "404"),
        ("[negotiation]\ntype-maps = [\"*.zzq\"]\n", "m.zzq", "x.html", "x.html"),
        ("[negotiation]\ntype-maps = [\"m.*t\"]\n", "m.txt", "x.html", "x.html"),
        ("[negotiation]\ntype-maps = [\"m.*t\"]\n", "m.var", whole, "404"),
        ("[types]\nzzq = \"application/x-type-map\"\n", "m.zzq", "x.html", "x.html"),
    ] {
        let server = Workshop::of_names(&["x.html"]).and(".mkroot.toml", settings).and(name, whole).serve();
        assert_eq!(server.get(&format!("/{name}"), &[]).outcome(), literal, "{settings} {name}");
        assert_eq!(server.get("/m", &[]).outcome(), short, "{settings} {name}");
    }
}

#[test]
fn without_negotiation_a_map_is_a_file() {
    let workshop = Workshop::of_names(&["a.html"]).and("m.var", MISSING);
    assert!(mkroot(&[workshop.site(), workshop.out()]).status.success());
    let server = Server::start(&workshop.out());
    let response = server.get("/m.var", &["Accept: image/png"]);
    assert_eq!((response.outcome().as_str(), response.field("Vary")), (MISSING, None));
    assert_eq!(server.get("/m", &[]).status, 404);
}

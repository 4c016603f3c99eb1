//! `.mkroot.toml` in directories: the nearer file wins, key by key, and what it leaves unsaid comes from those above.

use std::fs;

use crate::support::{Server, Workshop, run};

const PAGES: [&str; 3] = ["a.html.de", "a.html.en", "a.html.fr"];

/// A site with the same pages in each directory, and these settings.
fn site(settings: &[(&str, &str)]) -> Workshop {
    let paths = ["", "d/", "d/e/", "d/e/f/", "g/"].into_iter().flat_map(|d| PAGES.map(|page| format!("{d}{page}")));
    let paths: Vec<_> = paths.collect();
    let workshop = Workshop::of_names(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    settings
        .iter()
        .fold(workshop, |workshop, (directory, toml)| workshop.and(&format!("{directory}.mkroot.toml"), toml))
}

fn negotiation(line: &str) -> String {
    format!("[negotiation]\n{line}\n")
}

#[test]
fn the_nearest_file_wins_and_reaches_down() {
    let server = site(&[
        ("", "[negotiation]\nlanguage-priority = [\"fr\"]\nforce-language-priority = [\"prefer\"]\n"),
        ("d/", &negotiation("language-priority = [\"en\"]")),
        ("d/e/f/", &negotiation("force-language-priority = [\"prefer\", \"fallback\"]")),
    ])
    .serve();
    for (target, language, expected) in [
        ("/a", "de", "a.html.de"),
        ("/a", "*", "a.html.fr"),
        ("/g/a", "*", "g/a.html.fr"),
        ("/d/a", "*", "d/a.html.en"),
        ("/d/e/a", "*", "d/e/a.html.en"),
        ("/d/e/f/a", "*", "d/e/f/a.html.en"), // said two levels above
        ("/d/a", "ja", "406"),                // said in the root
        ("/d/e/f/a", "ja", "d/e/f/a.html.en"),
    ] {
        let outcome = server.get(target, &[&format!("Accept-Language: {language}")]).outcome();
        assert_eq!(outcome, expected, "{target} {language}");
    }
}

#[test]
fn tables_are_merged_by_extension() {
    let server =
        Workshop::of_names(&["a.one", "a.two", "d/a.one", "d/a.two", "d/a.three", "d/e/a.one", "d/e/a.html.swiss"])
            .and(".mkroot.toml", "[types]\none = \"x/root\"\ntwo = \"x/two\"\n[languages]\nswiss = \"de-CH\"\n")
            .and("d/.mkroot.toml", "[types]\none = \"x/d\"\nthree = \"x/three\"\n")
            .and(
                "d/e/.mkroot.toml",
                "[languages]\nswiss = \"fr-CH\"\n[charsets]\nhtml = \"utf-8\"\n[encodings]\none = \"gzip\"\n",
            )
            .serve();
    for (target, content_type, language) in [
        ("/a.one", Some("x/root"), None),
        ("/a.two", Some("x/two"), None),
        ("/d/a.one", Some("x/d"), None),
        ("/d/a.two", Some("x/two"), None),
        ("/d/a.three", Some("x/three"), None),
        ("/d/e/a.one", Some("x/d"), None),
        ("/d/e/a.html.swiss", None, Some("fr-ch")),
    ] {
        let response = server.get(target, &[]);
        assert_eq!(response.field("Content-Language"), language, "{target}");
        if content_type.is_some() {
            assert_eq!(response.field("Content-Type"), content_type, "{target}");
        }
    }
    assert_eq!(server.get("/d/e/a.one", &[]).field("Content-Encoding"), Some("gzip"));
    assert_eq!(server.get("/d/a.one", &[]).field("Content-Encoding"), None);
}

#[test]
fn every_setting_can_be_a_directorys_own() {
    let page = ["a.html.en", "b.html", "a.zzq", "start.txt", "m.list"];
    let paths: Vec<_> = ["", "d/", "d/e/"].into_iter().flat_map(|d| page.map(|name| format!("{d}{name}"))).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    // A line of settings for /d/; target, field, and what of the answer is looked at: `""` for its status, else a
    // field; what that is in the root, and what in /d/ and below.
    for (line, target, field, looked_at, in_root, below) in [
        ("default-language = \"ja\"", "b.html", "", "Content-Language", None, Some("ja")),
        ("directory-index = [\"start.txt\"]", "", "", "Content-Type", None, Some("text/plain")),
        ("policy = \"apache\"", "a", "Accept: text/html", "Vary", Some("Accept"), None),
        ("policy = \"apache\"", "a", "Accept:", "", Some("200"), Some("406")), // D2
        ("transparent = true", "a", "Negotiate: trans", "TCN", None, Some("list")),
        ("builtin-extensions = false", "a.html.en", "", "Content-Language", Some("en"), None),
        ("force-language-priority = []", "a", "Accept-Language: ja", "", Some("200"), Some("406")),
        ("type-maps = [\"*.list\"]", "m.list", "", "", Some("200"), Some("500")),
        ("[types]\nzzq = \"text/css\"", "a.zzq", "", "Content-Type", Some("text/plain"), Some("text/css")),
    ] {
        let server = Workshop::of_names(&paths).and("d/.mkroot.toml", negotiation(line)).serve();
        let found = |target: String| {
            let fields: Vec<_> = [field].into_iter().filter(|field| !field.is_empty()).collect();
            let response = server.get(&target, &fields);
            match looked_at {
                "" => Some(response.status.to_string()),
                name => response.field(name).map(str::to_string).filter(|_| response.status < 400),
            }
        };
        for (directory, expected) in [("/", in_root), ("/d/", below), ("/d/e/", below)] {
            assert_eq!(found(format!("{directory}{target}")).as_deref(), expected, "{line}: {directory}{target}");
        }
    }
}

#[test]
fn a_mistake_is_reported_with_its_own_file_line_and_column() {
    for (directory, toml, message) in [
        ("d/", "[negotiation]\npolicy = \"modem\"\n", "@/site/d/.mkroot.toml:2:10: unknown variant `modem`"),
        ("d/e/", "\n[types]\nhtml = \"html\"\n", "@/site/d/e/.mkroot.toml:3:8: \"html\" is not a media type; expected"),
        (
            "g/",
            "[negotiation]\nlanguage-priority = [\"en\", \"en_US\"]\n",
            "@/site/g/.mkroot.toml:2:28: \"en_US\" is not",
        ),
        ("g/", "[negotation]\n", "@/site/g/.mkroot.toml:1:2: unknown field `negotation`"),
    ] {
        let workshop = site(&[("", "[types]\nfoo = \"x/foo\"\n"), (directory, toml)]);
        for line in ["--negotiate @/site @/out.webroot", "@/site @/out.webroot", "explain @/site /a"] {
            let (status, stdout, stderr) = run(&workshop, line);
            assert_eq!((status, stdout.as_str()), (2, ""), "{line}");
            assert!(stderr.starts_with(&format!("mkroot: {message}")), "{line}: {stderr}");
        }
        assert!(workshop.entries().is_empty());
    }
}

#[test]
fn config_takes_the_place_of_the_roots_file_only() {
    let workshop = site(&[
        ("", &negotiation("language-priority = [\"fr\"]")),
        ("d/", &negotiation("language-priority = [\"en\"]")),
        ("g/", &negotiation("transparent = true")),
    ]);
    let other = negotiation("language-priority = [\"de\"]\nforce-language-priority = [\"prefer\"]");
    fs::write(workshop.path().join("other.toml"), other).expect("a file");
    assert_eq!(run(&workshop, "--negotiate --config @/other.toml @/site @/out.webroot").0, 0);
    let server = Server::start(&workshop.out());
    for (target, language, expected) in
        [("/a", "*", "a.html.de"), ("/g/a", "*", "g/a.html.de"), ("/d/a", "*", "d/a.html.en"), ("/d/e/a", "ja", "406")]
    {
        let outcome = server.get(target, &[&format!("Accept-Language: {language}")]).outcome();
        assert_eq!(outcome, expected, "{target} {language}");
    }
    assert_eq!(server.get("/g/a", &[]).field("TCN"), Some("choice"));
    assert_eq!(server.get("/d/.mkroot.toml", &[]).status, 404);
}

//! What packing warns of, and `mkroot check` lists: all about a site that its author may not expect.

use crate::support::{Workshop, run};

/// Packs the site; the warnings and the list of `check`, without what all lines have in common, must be the same.
fn notes(workshop: &Workshop) -> Vec<String> {
    let (status, stdout, stderr) = run(workshop, "--negotiate @/site @/out.webroot");
    assert_eq!((status, stdout.as_str()), (0, ""), "{stderr}");
    let warned: Vec<_> = stderr.lines().map(|line| line.replacen("mkroot: warning: @/site", "", 1)).collect();
    assert_eq!(warned, listed(workshop));
    warned
}

/// What `check` lists of the webroot, which must be sound.
fn listed(workshop: &Workshop) -> Vec<String> {
    let (status, stdout, stderr) = run(workshop, "check @/out.webroot");
    assert_eq!((status, stderr.as_str()), (0, ""));
    let mut lines: Vec<_> = stdout.lines().map(|line| line.replacen("@/out.webroot: ", "", 1)).collect();
    assert!(lines.pop().is_some_and(|last| last.starts_with("sound: ")), "{stdout}");
    lines
}

#[test]
fn a_name_that_surprises_is_named_with_the_reason() {
    let no_language = "[negotiation]\nforce-language-priority = [\"prefer\"]\n";
    let no_png = "[types]\npng = \"image/png; qs=0\"\n";
    for (settings, files, expected) in [
        (
            "",
            &["a.html", "a.htm"][..],
            "/a can never answer with a.html: a.htm says the same of itself and is preferred",
        ),
        (
            "",
            &["a.html.en", "a.en.html"],
            "/a can never answer with a.html.en: a.en.html says the same of itself and is preferred",
        ),
        (no_png, &["a.png", "a.svg"], "/a can never answer with a.png: its source quality is 0"),
        (
            no_png,
            &["a.png"],
            "/a can never answer with a.png: its source quality is 0\n\
             /a has no default: even who takes any type (*/*) gets 406",
        ),
        (
            no_language,
            &["a.html.en"],
            "/a has no default: who takes any type (*/*) but none of its languages gets 406\n\
             /a.html has no default: who takes any type (*/*) but none of its languages gets 406",
        ),
        (
            no_language,
            &["a.html.en", "a.txt"],
            "/a.html has no default: who takes any type (*/*) but none of its languages gets 406",
        ),
        // D17
        ("", &["a.zzq.html"], "/a answers 404 although there is a.zzq.html: nothing says what its extension zzq means"),
        (
            "",
            &["a.zzq.html", "a.yyq.txt"],
            "/a answers 404 although there is a.yyq.txt and another file: \
             nothing says what its extension yyq means",
        ),
        (
            "",
            &["a.yyq.zzq.html", "a.zzq.css", "a.zzq.txt"],
            "/a answers 404 although there is a.yyq.zzq.html and 2 other files: \
             nothing says what its extensions yyq and zzq mean",
        ),
        ("", &["a.en"], "/a answers 404 although there is a.en: its extensions give no media type"),
        (
            "[negotiation]\nbuiltin-extensions = false\n",
            &["a.html"],
            "/a answers 404 although there is a.html: nothing says what its extension html means",
        ),
        // D18
        (
            "",
            &["a.html", "a.html.en", "a.html.fr"],
            "/a.html is a file, so who asks for it gets that and never a.html.en, a.html.fr",
        ),
        // D3; these contents are not what their names say.
        (
            "",
            &["a.html.gz"],
            "/a.html.gz is there only with the coding gzip, \
             and it cannot be undone; who does not accept that gets 406",
        ),
        (
            "",
            &["a.html.Z"],
            "/a.html.Z is there only with the coding compress, \
             and it cannot be undone; who does not accept that gets 406",
        ),
        ("", &["index.html", "a.html.en", "a.html.fr", "a.txt.en", "b.svg", "b.png", "LICENSE", "d/b.txt"], ""),
        ("", &["a.html.en", "a/b.html", "a.zzq"], ""), // who asks for /a wants the directory
        (no_language, &["a.html.en", "a.html.utf8"], ""),
    ] {
        let workshop = Workshop::of_names(files).and(".mkroot.toml", settings);
        assert_eq!(notes(&workshop).join("\n"), expected, "{settings}{files:?}");
    }
}

#[test]
fn a_type_map_that_surprises_is_named_with_the_line() {
    const D19: &str = "/m answers 404 although there is m.var: nothing says what its extension var means";
    let apache = "[negotiation]\npolicy = \"apache\"\n";
    for (settings, map, expected) in [
        ("", "\nURI: x.html\nContent-Language: en\n", "/m.var:2: has no Content-Type, so it can never be chosen"),
        (
            "",
            "# c\n\nURI: x.html\nno colon\n",
            "/m.var:4: expected a header such as `URI: x.html`; this map answers 500",
        ),
        ("", "URI: x.html\nContent-Type:\n", "/m.var:2: the header has no value; this map answers 500"),
        (
            "",
            "URI: x.html\nContent-Type: text/html\nContent-Length: 1k\n",
            "/m.var:3: the length is no number; this record and those after it do not count",
        ),
        (
            "",
            "Content-Type: text/html\nBody: END\nhello\n",
            "/m.var:2: the end of the body is not found; this record and those after it do not count",
        ),
        (
            "",
            "\nURI: d\nContent-Type: text/html\n",
            "/m.var:2: names d, which is a directory; who is given it is redirected",
        ),
        (
            "",
            "URI: n\nContent-Type: text/html\n",
            "/m.var:1: names n, which is negotiated itself; who is given it gets 506 (RFC 2295, section 8.1)",
        ),
        // Without D19; and what is missing is no error.
        (apache, "URI: none\nContent-Type: text/html\n", &format!("{D19}\n/m.var:1: names none, which is not there")),
        (
            apache,
            "URI: ../x\nContent-Type: text/html\n",
            &format!("{D19}\n/m.var:1: names ../x, which is no path within the site"),
        ),
        ("", "URI: x.html\nContent-Type: text/html\n\nURI: d/\nContent-Type: text/css\n", ""),
        ("", "URI: x.html\nContent-Type: text/html\nBody: END\nhello\nEND\n", ""),
        (
            "",
            "\nURI: x.html\n\nURI: x.html\nContent-Type: text/html\n",
            "/m.var:2: this record does not count: it needs a URI or a body, and besides it a Content-Type, -Language, \
             -Encoding or -Length",
        ),
        ("", "# nothing\n", "/m.var:1: lists nothing, so nobody can get anything by this map"),
    ] {
        let files = ["x.html", "n.html", "n.txt", "d/index.html"];
        let workshop = Workshop::of_names(&files).and("m.var", map).and(".mkroot.toml", settings);
        assert_eq!(notes(&workshop).join("\n"), expected, "{map}");
    }
    let beside =
        Workshop::of_names(&["m.html", "m.png.en", "x.html"]).and("m.var", "URI: x.html\nContent-Type: text/html\n");
    let expected = ["/m is decided by the type map m.var, which does not list m.html, m.png.en"];
    assert_eq!(notes(&beside), expected, "R29");
}

/// A slash makes a map non-transparent (R86), and there what is negotiated itself is negotiated (R48).
#[test]
fn nobody_is_threatened_with_a_506_that_does_not_come() {
    let map = "URI: ./n\nContent-Type: text/html\n";
    let workshop = Workshop::of_names(&["n.html", "n.txt"]).and("m.var", map);
    assert_eq!(workshop.serve().get("/m", &[]).outcome(), "n.html");
    assert!(!notes(&workshop).concat().contains("506"), "{:?}", notes(&workshop));
}

#[test]
fn packing_shows_ten_and_check_shows_all() {
    let names: Vec<_> = (10..22).map(|number| format!("a{number}.zzq.html")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(notes(&Workshop::of_names(&names[..10])).len(), 10);
    let workshop = Workshop::of_names(&names);
    let (status, _, stderr) = run(&workshop, "--negotiate @/site @/out.webroot");
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!((status, lines.len()), (0, 11), "{stderr}");
    assert_eq!(lines[10], "mkroot: warning: there are 2 more; mkroot check lists them all");
    assert_eq!(listed(&workshop).len(), 12);
}

#[test]
fn only_packing_with_negotiation_warns() {
    let workshop = Workshop::of_names(&["a.zzq.html", "b.html", "b.htm"]);
    assert_eq!(notes(&workshop).len(), 2);
    let (_, _, quiet) = run(&workshop, "--quiet --negotiate @/site @/out.webroot");
    assert_eq!(quiet.lines().count(), 2, "{quiet}");
    for line in ["explain @/site /b", "explain @/out.webroot /b", "ls @/out.webroot", "@/site @/out.webroot"] {
        let (status, _, stderr) = run(&workshop, line);
        assert_eq!((status, stderr.as_str()), (0, ""), "{line}");
    }
    assert!(listed(&workshop).is_empty(), "the webroot is now that of the last line");
}

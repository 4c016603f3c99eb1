//! Golden traces: each file of fixtures/explain holds arguments for `mkroot explain`, one a line, then a line
//! of dashes, then what is to be printed. Last-Modified is left out, it is that of the checkout.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Workshop, chart_site, mkroot, text};

const RULER: &str = "----------\n";

#[test]
fn traces_are_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/explain");
    let mut cases: Vec<_> =
        fs::read_dir(directory).expect("cases").map(|entry| entry.expect("a case").path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    for path in cases {
        let case = fs::read_to_string(&path).expect("a case");
        let (arguments, expected) = case.split_once(RULER).expect("a ruler");
        let site = chart_site();
        let mut line = vec!["explain".to_string(), site.display().to_string()];
        line.extend(arguments.lines().flat_map(|argument| match argument.strip_prefix("-H ") {
            Some(field) => vec!["-H".to_string(), field.to_string()],
            None => vec![argument.to_string()],
        }));
        let output = mkroot(&line);
        assert!(output.stderr.is_empty(), "{}: {}", path.display(), text(&output.stderr));
        let printed = text(&output.stdout);
        let printed: String =
            printed.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("Last-Modified:")).collect();
        assert_eq!(printed, expected, "{} differs; if that is intended, record it again", path.display());
    }
}

/// What `explain --json` says of a request to a site.
fn explained(workshop: &Workshop, target: &str, fields: &[&str]) -> Value {
    let site = workshop.site();
    let mut line = vec!["explain", "--json", site.to_str().expect("a path in UTF-8"), target];
    line.extend(fields.iter().flat_map(|field| ["-H", field]));
    serde_json::from_slice(&mkroot(&line).stdout).expect("JSON")
}

#[test]
fn json_tells_how_the_choice_was_made() {
    let map = "URI: a.html.en\nContent-Type: text/html\nContent-Language: en\n\n\
               URI: a.html.fr\nContent-Type: text/html\nContent-Language: fr\n";
    let workshop = Workshop::of_names(&["a.html.en", "a.html.fr"])
        .and("m.var", map)
        .and(".mkroot.toml", "[negotiation]\ntransparent = true\n");
    let (definite, unsure) = (&["Accept: text/html", "Accept-Language: fr"][..], &["Accept: text/html"][..]);
    for (negotiate, fields, algorithm, status, selected, indefinite) in [
        ("", definite, "local", 200, Some(1), None),
        ("foo", definite, "local", 200, Some(1), None),
        ("trans", definite, "none", 300, None, None),
        ("1.0", definite, "remote", 200, Some(1), None),
        ("1.0", unsure, "remote", 300, None, Some(0)), // R89
        ("*", definite, "local-strict", 200, Some(1), None),
    ] {
        for target in ["/a", "/m", "/m.var"] {
            let negotiate = format!("Negotiate: {negotiate}");
            let json = explained(&workshop, target, &[fields, &[&negotiate]].concat());
            let negotiation = &json["negotiations"][0];
            let about = format!("{target} {negotiate} {fields:?}");
            assert_eq!((&json["status"], &negotiation["algorithm"]), (&status.into(), &algorithm.into()), "{about}");
            assert_eq!((&negotiation["selected"], &negotiation["indefinite"]), (&selected.into(), &indefinite.into()));
            let file = selected.map(|number| ["a.html.en", "a.html.fr"][number]);
            assert_eq!(json["file"], Value::from(file), "{about}");
        }
    }
}

#[test]
fn json_tells_what_apache_would_have_chosen() {
    let workshop = Workshop::of_names(&["a.html.en", "a.md.en", "b.html.fr"])
        .and("m.var", "URI: a.html.en\nContent-Type: text/html\nContent-Language: en\n");
    // Target, field; the number that Apache would have selected (`Some(None)`: 406), and a word of the reason.
    for (target, field, apache) in [
        ("/a", "Accept: */*", Some((Some(1), "shorter"))),
        ("/a", "Accept: text/html, text/markdown", Some((Some(1), "shorter"))),
        ("/a", "Accept: text/html", None),
        ("/a", "Accept:", Some((None, "type"))),                 // D2
        ("/b", "Accept-Language: de", Some((None, "language"))), // D6
        ("/m", "Accept-Language: de", Some((None, "language"))),
        ("/m", "Accept-Language: en", None),
    ] {
        let json = explained(&workshop, target, &[field]);
        let found = &json["negotiations"][0]["apache"];
        assert_eq!(json["status"], 200, "{target} {field}");
        match apache {
            None => assert!(found.is_null(), "{target} {field}: {found}"),
            Some((selected, reason)) => {
                assert_eq!(found["selected"], Value::from(selected), "{target} {field}");
                assert!(found["why"].as_str().is_some_and(|why| why.contains(reason)), "{target} {field}: {found}");
            }
        }
    }
    let apache = workshop.and(".mkroot.toml", "[negotiation]\npolicy = \"apache\"\n");
    assert!(explained(&apache, "/a", &[])["negotiations"][0]["apache"].is_null(), "there is nothing to compare with");
}

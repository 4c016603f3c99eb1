//! RFC 9110, section 12, on the site that ships with the project: who asks for what, and gets it.

use std::fs;

use crate::support::{Response, Server, chart_site};

/// Checks that a response is a file of the site, with the fields that its name promises.
fn is_file(response: &Response, path: &str) {
    let content = fs::read(chart_site().join(path)).expect("the fixture");
    assert!(response.content == content, "{path}: other content ({} bytes)", response.content.len());
    assert_eq!(response.field("Content-Length"), Some(content.len().to_string().as_str()));
    let name = path.rsplit('/').next().unwrap_or_default();
    let language = ["en", "fr", "de", "ja"].into_iter().find(|tag| name.contains(&format!(".{tag}.")));
    assert_eq!(response.field("Content-Language"), language, "{path}");
    let coding = [("br", ".br"), ("gzip", ".gz"), ("zstd", ".zst")].into_iter().find(|(_, end)| name.ends_with(end));
    assert_eq!(response.field("Content-Encoding"), coding.map(|(coding, _)| coding), "{path}");
}

const CHROME: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
    application/signed-exchange;v=b3;q=0.7";

#[test]
fn one_url_many_representations() {
    let server = Server::start(&chart_site());
    // Target, fields, file (or a status without one), Vary.
    for (target, fields, expected, vary) in [
        ("/2005/chart", &["Accept: image/svg+xml; q=1, image/*; q=0.5"][..], "2005/chart.svg", "Accept"),
        ("/2005/chart", &["Accept: image/png"], "2005/chart.png", "Accept"),
        ("/2005/chart", &["accept: IMAGE/PNG"], "2005/chart.png", "Accept"),
        ("/2005/chart", &["Accept: image/png;q=0.1", "Accept: image/svg+xml;q=0.2"], "2005/chart.svg", "Accept"),
        ("/2005/chart", &[], "2005/chart.svg", "Accept"),
        ("/2005/chart?year=2005", &[], "2005/chart.svg", "Accept"),
        ("/2005/chart", &["Accept: text/html"], "406", "Accept"),
        ("/2005/chart", &["Accept: image/*;q=0"], "406", "Accept"),
        ("/2005/chart", &["Accept-Encoding: identity;q=0"], "406", "Accept, Accept-Encoding"),
        ("/", &[CHROME], "index.en.html", "Accept, Accept-Language"),
        ("/", &[CHROME, "Accept-Language: fr-FR,fr;q=0.9,en;q=0.5"], "index.fr.html", "Accept, Accept-Language"),
        ("/", &["Accept: text/markdown, text/html, */*"], "index.en.md", "Accept, Accept-Language"),
        (
            "/",
            &["Accept: text/markdown, text/plain;q=0.9, */*;q=0.8", "Accept-Language: de"],
            "index.de.md",
            "Accept, Accept-Language",
        ),
        ("/", &["Accept: text/html, */*"], "index.en.html", "Accept, Accept-Language"),
        ("/", &["Accept: */*"], "index.en.html", "Accept, Accept-Language"),
        ("/", &["Accept-Language: ja"], "index.ja.html", "Accept, Accept-Language"),
        ("/", &["Accept-Language: sw"], "index.en.html", "Accept, Accept-Language"),
        ("/index.fr", &["Accept: text/markdown"], "index.fr.md", "Accept"),
        ("/docs/intro", &["Accept-Language: de, en;q=0.5"], "docs/intro.de.html", "Accept, Accept-Language"),
        ("/images/harbour", &[CHROME], "images/harbour.avif", "Accept"),
        ("/images/harbour", &["Accept: image/webp, */*;q=0.1"], "images/harbour.webp", "Accept"),
        ("/vocab/terms", &[CHROME], "vocab/terms.html", "Accept, Accept-Charset"),
        (
            "/vocab/terms",
            &["Accept: text/turtle, application/rdf+xml;q=0.9, application/ld+json;q=0.8"],
            "vocab/terms.ttl",
            "Accept, Accept-Charset",
        ),
        ("/vocab/terms", &["Accept: application/rdf+xml"], "vocab/terms.rdf", "Accept, Accept-Charset"),
        ("/vocab/terms", &["Accept: application/ld+json"], "vocab/terms.jsonld", "Accept, Accept-Charset"),
        ("/style", &["Accept-Encoding: gzip, deflate, br, zstd"], "style.css.br", "Accept, Accept-Encoding"),
        ("/style", &["Accept-Encoding: gzip"], "style.css.gz", "Accept, Accept-Encoding"),
        ("/style", &["Accept-Encoding: gzip;q=0"], "style.css", "Accept, Accept-Encoding"),
        ("/style", &[], "style.css", "Accept, Accept-Encoding"),
        ("/style.css", &["Accept-Encoding: br"], "style.css", ""),
        ("/letters/greeting", &["Accept-Charset: iso-8859-1"], "letters/greeting.txt.latin1", "Accept, Accept-Charset"),
        ("/letters/greeting", &[], "letters/greeting.txt.utf8", "Accept, Accept-Charset"),
        ("/robots.txt", &["Accept: image/png"], "robots.txt", ""),
        ("/LICENSE", &[], "LICENSE", ""),
        ("/2005/", &[], "404", "Accept"),
        ("/2005/chart.gif", &[], "404", "Accept"),
        ("/2005/char", &[], "404", "Accept"),
        ("/.mkroot.toml", &[], "404", "Accept"),
    ] {
        let response = server.get(target, fields);
        let about = format!("{target} {fields:?}: {:?}", response.fields);
        match expected.parse::<u16>() {
            Ok(status) => assert_eq!(response.status, status, "{about}"),
            Err(_) => {
                assert_eq!(response.status, 200, "{about}");
                is_file(&response, expected);
                let name = expected.rsplit('/').next();
                let negotiated = !vary.is_empty();
                assert_eq!(response.field("Content-Location"), name.filter(|_| negotiated), "{about}");
            }
        }
        assert_eq!(response.field("Vary").unwrap_or_default(), vary, "{about}");
    }
}

#[test]
fn a_406_lists_the_variants_for_people_and_for_programs() {
    let server = Server::start(&chart_site());
    let html = server.get("/2005/chart", &["Accept: text/html"]);
    assert_eq!(html.field("Content-Type"), Some("text/html; charset=utf-8"));
    for part in ["<a href=\"chart.svg\">", "<a href=\"chart.png\">", "image/svg+xml, 1083 bytes"] {
        assert!(html.text().contains(part), "{part}\n{}", html.text());
    }
    let plain = server.get("/2005/chart", &["Accept: text/plain"]);
    assert_eq!(plain.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(plain.text().contains("chart.png  (image/png, 15102 bytes)"), "{}", plain.text());
}

#[test]
fn types_are_what_the_registry_calls_them() {
    let server = Server::start(&chart_site());
    for (target, content_type) in [
        ("/2005/chart.svg", "image/svg+xml"),
        ("/2005/chart.png", "image/png"),
        ("/index.en.html", "text/html; charset=utf-8"),
        ("/index.en.md", "text/markdown; charset=utf-8"),
        ("/images/harbour.webp", "image/webp"),
        ("/images/harbour.avif", "image/avif"),
        ("/vocab/terms.ttl", "text/turtle"),
        ("/vocab/terms.rdf", "application/rdf+xml"),
        ("/vocab/terms.jsonld", "application/ld+json"),
        ("/letters/greeting.txt.latin1", "text/plain; charset=iso-8859-1"),
        ("/letters/greeting.txt.utf8", "text/plain; charset=utf-8"),
        ("/style.css.br", "text/css"),
        ("/favicon.ico", "image/x-icon"),
        ("/LICENSE", "text/plain"),
    ] {
        assert_eq!(server.get(target, &[]).field("Content-Type"), Some(content_type), "{target}");
    }
}

#[test]
fn a_validator_is_that_of_the_selected_representation() {
    let server = Server::start(&chart_site());
    let tag = |accept: &str| {
        let response = server.get("/2005/chart", &[&format!("Accept: {accept}")]);
        response.field("ETag").expect("an entity tag").to_string()
    };
    let (svg, png) = (tag("image/svg+xml"), tag("image/png"));
    assert_ne!(svg, png);
    for (accept, field, status) in [
        ("image/svg+xml", svg.as_str(), 304),
        ("image/png", &svg, 200),
        ("image/png", &format!("\"x\", W/{png}"), 304),
        ("image/svg+xml", "*", 304),
        ("image/svg+xml", "\"x\"", 200),
    ] {
        let response = server.get("/2005/chart", &[&format!("Accept: {accept}"), &format!("If-None-Match: {field}")]);
        assert_eq!(response.status, status, "{accept} {field}");
        assert_eq!(response.field("Vary"), Some("Accept"));
        assert!(response.field("Content-Location").is_some());
        if status == 304 {
            assert_eq!(response.field("ETag"), Some(if accept == "image/png" { &*png } else { &svg }));
            assert_eq!((response.field("Content-Type"), response.field("Content-Length")), (None, None));
        }
    }
}

#[test]
fn head_says_what_get_says() {
    let server = Server::start(&chart_site());
    for (target, fields) in [
        ("/2005/chart", &["Accept: image/png"][..]),
        ("/2005/chart", &["Accept: text/html"]),
        ("/", &["Accept-Language: fr"]),
        ("/style", &["Accept-Encoding: br"]),
        ("/docs", &[]),
        ("/nothing", &[]),
    ] {
        let (get, head) = (server.get(target, fields), server.request("HEAD", target, fields));
        assert_eq!((get.status, get.undated()), (head.status, head.undated()), "{target}");
    }
}

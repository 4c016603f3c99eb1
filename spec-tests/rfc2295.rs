//! Transparent negotiation (RFC 2295; R86-R99): what a Negotiate field gets where `transparent = true`, and that
//! it gets nothing anywhere else. And the pages that list variants, which every negotiated name has.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::support::{Response, Workshop, chart_site, resolve};

const TRANSPARENT: &str = "[negotiation]\ntransparent = true\n";

/// Reads an Alternates field by the grammar of RFC 2295, section 8.3: URI, source quality, attributes in order.
fn variants(field: &str) -> Vec<(String, String, Vec<String>)> {
    let mut variants = Vec::new();
    let mut rest = field;
    loop {
        let (uri, tail) = rest.strip_prefix("{\"").expect("{\"").split_once("\" ").expect("the end of a URI");
        let is_uri = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
        assert!(!uri.is_empty() && uri.bytes().all(is_uri), "not a URI: {uri}");
        let (quality, mut tail) = tail.split_at(tail.find([' ', '}']).expect("the end of a quality"));
        let (whole, thousandths) = quality.split_once('.').unwrap_or((quality, ""));
        assert!(thousandths.len() <= 3 && thousandths.bytes().all(|byte| byte.is_ascii_digit()), "{quality}");
        assert!(whole == "0" || whole == "1" && thousandths.bytes().all(|byte| byte == b'0'), "{quality}");
        let mut attributes = Vec::new();
        while let Some(attribute) = tail.strip_prefix(" {") {
            let (attribute, after) = attribute.split_once('}').expect("the end of an attribute");
            let (name, value) = attribute.split_once(' ').expect("an attribute");
            let is_token = |text: &str| {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
                !text.is_empty() && text.bytes().all(is_plain)
            };
            let sound = match name {
                "type" => value.split('/').count() == 2 && value.split('/').all(is_token),
                "charset" => is_token(value),
                "language" | "encoding" => value.split(',').map(str::trim).all(is_token),
                "length" => value.bytes().all(|byte| byte.is_ascii_digit()),
                _ => false,
            };
            assert!(sound, "{attribute}");
            attributes.push(attribute.to_string());
            tail = after;
        }
        variants.push((uri.to_string(), quality.to_string(), attributes));
        match tail.strip_prefix('}').expect("}") {
            "" => return variants,
            more => rest = more.strip_prefix(", ").expect("a comma"),
        }
    }
}

/// The names of the fields that only transparent negotiation sends.
fn transparent_fields(response: &Response) -> Vec<&str> {
    let fields = response.fields.iter().map(|(name, _)| name.as_str());
    fields.filter(|name| ["TCN", "Alternates", "Negotiate"].contains(name)).collect()
}

#[test]
fn a_client_gets_the_list_a_choice_or_both() {
    let server = Workshop::of_names(&["a.html.en", "a.html.fr", "a.txt.en"]).and(".mkroot.toml", TRANSPARENT).serve();
    const LYNX: &str = "User-Agent: Lynx/2.8";
    const DEFINITE: [&str; 2] = ["Accept: text/html", "Accept-Language: en"];
    const REFUSING: &str = "Accept: image/png";
    // Negotiate, other fields; outcome, whether Alternates is there. TCN follows from the status.
    for (negotiate, fields, expected, alternates) in [
        ("trans", &DEFINITE[..], "300", true),
        ("TRANS", &DEFINITE, "300", true),
        ("vlist", &DEFINITE, "300", true),
        ("guess-small", &DEFINITE, "300", true),
        ("2.0", &DEFINITE, "300", true),
        ("foo, vlist", &DEFINITE, "300", true),
        ("trans", &[REFUSING], "300", true),
        ("trans", &[LYNX], "a.html.en", false), // R87
        ("1.0", &DEFINITE, "a.html.en", true),
        ("trans, 1.0", &DEFINITE, "a.html.en", true),
        (
            "1.0",
            &["Accept: text/html;q=0.5, text/plain;q=0.9", "Accept-Language: en;q=0.4, fr;q=0.8"],
            "a.html.fr",
            true,
        ),
        ("1.0", &["Accept: text/html", "Accept-Language: fr, en;q=0.9"], "a.html.fr", true),
        ("1.0", &["Accept: text/html"], "300", true), // R89, here and below
        ("1.0", &["Accept-Language: en"], "300", true),
        ("1.0", &["Accept: text/*", "Accept-Language: en"], "300", true),
        ("1.0", &["Accept: text/html", "Accept-Language: *"], "300", true),
        ("1.0", &["Accept: text/html", "Accept-Language: de"], "300", true),
        ("1.0", &[REFUSING], "300", true),
        ("*", &[], "a.html.en", true),
        ("*", &["Accept-Language: fr"], "a.html.fr", true),
        ("*", &[REFUSING], "300", true),
        ("foo", &DEFINITE, "a.html.en", false), // D12, here and below
        ("", &DEFINITE, "a.html.en", false),
        ("trans;x=1", &DEFINITE, "a.html.en", false),
        ("foo", &[REFUSING], "406", true),
    ] {
        let negotiate = format!("Negotiate: {negotiate}");
        let about = format!("{negotiate}; {fields:?}");
        let fields = [fields, &[&negotiate]].concat();
        let response = server.get("/a", &fields);
        assert_eq!(response.outcome(), expected, "{about}");
        assert_eq!(response.field("TCN"), Some(if response.status == 200 { "choice" } else { "list" }), "{about}");
        assert_eq!(response.field("Alternates").is_some(), alternates, "{about}");
        assert_eq!(response.field("Vary"), Some("Negotiate, Accept, Accept-Language"), "{about}");
        let chosen = (response.status == 200).then_some(expected);
        assert_eq!(response.field("Content-Location"), chosen, "{about}");
        let head = server.request("HEAD", "/a", &fields);
        assert_eq!((head.status, head.undated()), (response.status, response.undated()), "{about}");
    }
    let unasked = server.get("/a", &[]);
    assert_eq!(transparent_fields(&unasked), ["TCN"], "the resource is transparent for whoever asks (R90)");
    assert_eq!(transparent_fields(&server.get("/a", &[REFUSING])), ["TCN", "Alternates"]);
    // Neither a file, nor what lies behind one, nor a method that reads nothing is negotiated.
    for (method, target, status) in [("GET", "/a.html.en", 200), ("GET", "/a/x", 404), ("POST", "/a", 405)] {
        let response = server.request(method, target, &["Negotiate: trans"]);
        assert_eq!((response.status, transparent_fields(&response).len()), (status, 0), "{method} {target}");
    }
}

#[test]
fn a_304_to_a_capable_client_says_as_much() {
    let server = Workshop::of_names(&["a.html.en", "a.html.fr"]).and(".mkroot.toml", TRANSPARENT).serve();
    let tag = server.get("/a", &[]).field("ETag").expect("an entity tag").to_string();
    let response = server.get("/a", &["Negotiate: *", &format!("If-None-Match: {tag}")]);
    assert_eq!((response.status, response.field("TCN")), (304, Some("choice")));
    assert_eq!(response.field("Vary"), Some("Negotiate, Accept, Accept-Language"));
}

#[test]
fn alternates_describes_every_variant() {
    let types = "[types]\nsvg = \"image/svg+xml; qs=0.12\"\ntxt = \"text/plain; qs=0\"\n";
    let map = "URI: p.png\nContent-Type: image/png; qs=0.5\n\nURI: a+b\nContent-Language: en\nContent-Length: 7\n";
    let server = Workshop::of_names(&["a b.html.en.fr", "a b.txt.utf8", "a b.svg", "a b.zip.gz", "p.png", "a+b"])
        .and(".mkroot.toml", format!("{TRANSPARENT}{types}"))
        .and("m.var", map)
        .serve();
    // The variants in scan order: the better source quality first.
    for (target, expected) in [
        (
            "/a%20b",
            &[
                ("a%20b.html.en.fr", "1", "type text/html|language en,fr|length 14"),
                ("a%20b.zip.gz", "1", "type application/zip|encoding gzip|length 10"),
                ("a%20b.svg", "0.12", "type image/svg+xml|length 7"),
                ("a%20b.txt.utf8", "0", "type text/plain|charset utf-8|length 12"),
            ][..],
        ),
        ("/m", &[("p.png", "0.5", "type image/png|length 5"), ("a+b", "0", "language en|length 7")]), // R39
    ] {
        let response = server.get(target, &["Negotiate: vlist"]);
        let found = variants(response.field("Alternates").expect("Alternates"));
        let found: Vec<_> = found.iter().map(|(uri, qs, more)| (uri.as_str(), qs.as_str(), more.join("|"))).collect();
        let expected: Vec<_> = expected.iter().map(|(uri, qs, more)| (*uri, *qs, more.to_string())).collect();
        assert_eq!(found, expected, "{target}");
    }
}

/// Checks the URIs in Alternates: they lead to the variants, which are not negotiated themselves (RFC 2295, section
/// 8.1). Returns how many there are.
fn alternates_lead_to_variants(workshop: &Workshop, target: &str) -> usize {
    let server = workshop.serve();
    let mut count = 0;
    for fields in [["Negotiate: trans", "Accept: video/*"], ["Accept: video/*", "Accept-Encoding: identity"]] {
        let response = server.get(target, &fields);
        let variants = response.field("Alternates").map(variants).unwrap_or_default();
        count = variants.len();
        for (uri, ..) in variants {
            let variant = server.get(&resolve(target, &uri), &[]);
            assert_eq!((variant.status, variant.field("TCN")), (200, None), "{target} {uri}");
        }
    }
    count
}

#[test]
fn what_alternates_names_is_there_and_not_negotiated() {
    let workshop = Workshop::of_names(&["a b.html", "a b.txt", "x.html", "a+b.txt"])
        .and("m.var", "URI: x.html\nContent-Type: text/html\n\nURI: a+b.txt\nContent-Type: text/plain\n")
        .and(".mkroot.toml", TRANSPARENT);
    for target in ["/a%20b", "/m", "/m.var"] {
        assert_eq!(alternates_lead_to_variants(&workshop, target), 2, "{target}");
    }
}

/// B10 and its kin.
#[test]
fn alternates_names_no_other_address() {
    let map = "URI: a%20b.txt\nContent-Type: text/plain\nContent-Length: 1\n\nURI: x.html?a\nContent-Type: text/html\n";
    let workshop =
        Workshop::of_names(&["h:i.html", "a b.txt", "x.html"]).and("m.var", map).and(".mkroot.toml", TRANSPARENT);
    for (target, count) in [("/m", 2), ("/h:i", 1)] {
        assert_eq!(alternates_lead_to_variants(&workshop, target), count, "{target}");
    }
}

/// A body in a map, or a variant in another directory, makes a resource non-transparent (R86). Whether its 406 has
/// Alternates is left open.
#[test]
fn where_a_map_is_not_transparent_alternates_leads_no_one_astray() {
    let workshop = Workshop::of_names(&["x.html", "e/y.html"])
        .and("far.var", "URI: x.html\nContent-Type: text/html\n\nURI: e/y.html\nContent-Type: text/html\n")
        .and("body.var", "Content-Type: text/html\nBody:END\nhello\nEND\n")
        .and(".mkroot.toml", TRANSPARENT);
    for target in ["/far", "/body"] {
        alternates_lead_to_variants(&workshop, target);
    }
}

/// What was only made when the site was packed (D3) has no URI.
#[test]
fn a_plain_form_is_not_in_the_list() {
    let gzip = fs::read(chart_site().join("style.css.gz")).expect("the fixture");
    let workshop = Workshop::with_site(&[("coded.css.gz", &gzip)]).and(".mkroot.toml", TRANSPARENT);
    assert_eq!(alternates_lead_to_variants(&workshop, "/coded"), 1);
}

#[test]
fn unless_a_site_says_so_negotiate_changes_nothing() {
    let map = "URI: a.html.en\nContent-Type: text/html\n";
    for settings in ["", "[negotiation]\ntransparent = false\n"] {
        let files = ["a.html.en", "a.html.fr", "d/index.html.en", "d/index.txt"];
        let server = Workshop::of_names(&files).and("m.var", map).and(".mkroot.toml", settings).serve();
        for target in ["/a", "/a.html", "/a.html.en", "/m", "/m.var", "/d/", "/d", "/none"] {
            for field in ["Accept: text/html", "Accept: image/png", "Accept-Language: fr"] {
                let plain = server.get(target, &[field]);
                assert!(
                    transparent_fields(&plain).is_empty() && !plain.field("Vary").unwrap_or_default().contains("Neg")
                );
                for negotiate in ["trans", "vlist", "1.0", "*", "foo", ""] {
                    let other = server.get(target, &[field, &format!("Negotiate: {negotiate}")]);
                    assert_eq!(
                        (plain.status, plain.undated()),
                        (other.status, other.undated()),
                        "{target} {negotiate}"
                    );
                    assert!(plain.content == other.content, "{target} {negotiate}");
                }
            }
        }
    }
}

/// The links of a page in HTML: reference, name and notes of each, unescaped.
fn links(html: &str) -> Vec<[String; 3]> {
    let unescaped = |raw: &str| {
        assert!(!raw.contains(['<', '>', '"']), "{raw}");
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        entities.iter().fold(raw.to_string(), |text, (entity, character)| text.replace(entity, character))
    };
    let items = html.split("<li>").skip(1).map(|item| item.split_once("</li>").expect("</li>").0);
    items
        .map(|item| {
            let (href, rest) = item.strip_prefix("<a href=\"").expect("a link").split_once("\">").expect("its end");
            let (name, notes) = rest.split_once("</a>").expect("</a>");
            let notes = notes.strip_prefix(" <small>").and_then(|notes| notes.strip_suffix("</small>"));
            [href, name, notes.unwrap_or_default()].map(unescaped)
        })
        .collect()
}

#[test]
fn a_list_is_a_page_with_what_is_known_of_each_variant() {
    let map = "URI: a%26b.html?x=1&y=%22\nContent-Type: text/html; charset=utf-8\nContent-Language: en, fr\n\
               Content-Length: 8\nDescription: <b>Tom</b> & \"Jerry\"\n\n\
               URI: c.txt.gz\nContent-Type: text/plain\nContent-Encoding: gzip\nContent-Length: 8\n\
               Description: 'last'\n";
    let workshop = Workshop::of_names(&["a&b.html", "c.txt.gz"]).and("m.var", map).and(".mkroot.toml", TRANSPARENT);
    let name = b"<i>&\"'\xff";
    for extension in [&b".html.en"[..], b".svg"] {
        let file = [&name[..], extension].concat();
        fs::write(workshop.site().join(OsStr::from_bytes(&file)), "file").expect("a file");
    }
    let server = workshop.serve();
    let escaped = "%3ci%3e&%22'%ff";
    let of_map = [
        [
            "a&b.html",
            "a%26b.html?x=1&y=%22",
            "<b>Tom</b> & \"Jerry\", text/html, language en,fr, charset utf-8, 8 bytes",
        ],
        ["c.txt.gz", "c.txt.gz", "'last', text/plain, encoding gzip, 8 bytes"],
    ];
    let of_files = [
        [&format!("{escaped}.html.en"), "<i>&\"'\u{fffd}.html.en", "text/html, language en, 4 bytes"],
        [&format!("{escaped}.svg"), "<i>&\"'\u{fffd}.svg", "image/svg+xml, 4 bytes"],
    ];
    for (target, expected) in [("/m", of_map), ("/m.var", of_map), (&format!("/{escaped}"), of_files)] {
        for (field, status, lead) in [
            ("Negotiate: trans", 300, "300 Multiple Choices"),
            ("Accept: video/*", 406, "406 Not Acceptable"),
            ("Accept: text/html;q=0, video/*", 406, "406 Not Acceptable"),
        ] {
            let page = server.get(target, &[field]);
            assert_eq!((page.status, page.field("Content-Type")), (status, Some("text/html; charset=utf-8")));
            assert!(page.text().contains(&format!("<h1>{lead}</h1>")), "{target} {field}");
            let links = links(&page.text());
            assert_eq!(links, expected, "{target} {field}");
            for [reference, ..] in &links {
                assert_eq!(server.get(&resolve(target, reference), &[]).status, 200, "{target} {reference}");
            }
        }
        let plain = server.get(target, &["Negotiate: trans", "Accept: text/plain"]);
        assert_eq!(plain.field("Content-Type"), Some("text/plain; charset=utf-8"), "{target}");
        assert!(plain.text().starts_with("300 Multiple Choices\n"), "{target}");
        let lines = expected.map(|[reference, _, notes]| format!("{reference}  ({notes})"));
        assert!(plain.text().ends_with(&format!("\n{}\n", lines.join("\n"))), "{target}: {}", plain.text());
    }
}

#[test]
fn a_406_without_transparent_negotiation_is_the_same_page() {
    let server = Workshop::of_names(&["a.svg", "a.png"]).serve();
    for (accept, content_type, part) in [
        ("text/html", "text/html; charset=utf-8", "<a href=\"a.png\">a.png</a> <small>image/png, 5 bytes</small>"),
        ("text/plain", "text/plain; charset=utf-8", "\na.png  (image/png, 5 bytes)\n"),
        ("text/html;q=0.5, text/plain", "text/plain; charset=utf-8", "\na.svg  (image/svg+xml, 5 bytes)\n"),
        ("video/*", "text/html; charset=utf-8", "<a href=\"a.svg\">"),
    ] {
        let page = server.get("/a", &[&format!("Accept: {accept}")]);
        assert_eq!((page.status, page.field("Content-Type")), (406, Some(content_type)), "{accept}");
        assert!(page.text().contains(part), "{accept}: {}", page.text());
        assert_eq!(page.field("ETag").or(page.field("Content-Location")).or(page.field("Last-Modified")), None); // R98
    }
}

/// B14: there the last character is lost.
#[test]
fn a_description_needs_no_line_end() {
    let map = "URI: x.html\nContent-Type: text/html\nDescription: whole";
    let server = Workshop::of_names(&["x.html"]).and("m.var", map).serve();
    let page = server.get("/m", &["Accept: image/png"]);
    assert!(page.text().contains("<small>whole, text/html"), "{}", page.text());
}

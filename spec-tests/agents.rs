//! What agents ask for, and what they get of a site that has nothing but HTML: the table of clients, and the clauses by which
//! checkers of "Accept: text/markdown" judge a server, one test each.

use crate::support::{Response, Server, Workshop, mkroot_command, run, text};

const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
                      application/signed-exchange;v=b3;q=0.7";
const FIREFOX: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const CLAUDE_CODE: &str = "text/markdown, text/html, */*";
const CURSOR: &str = "text/markdown, text/plain;q=0.9, */*;q=0.8";
const CODEX: &str = "text/html, */*";
const RDF: &str = "text/turtle, application/rdf+xml;q=0.9, application/ld+json;q=0.8";

const PAGE: &str = "<!DOCTYPE html>\n<html lang=en><head><title>Intro</title><meta name=description content='How to begin'>\
    <style>p { color: red }</style></head><body><nav><a href=/>Home</a></nav><main><h1>Intro</h1><p>Read the \
    <a href=install.html>manual</a> first.</main><footer>imprint</footer><script>track()</script></body></html>";

fn workshop(settings: &str) -> Workshop {
    Workshop::with_site(&[("index.html", PAGE.as_bytes()), ("docs/index.html", PAGE.as_bytes())])
        .and("docs/intro.html", PAGE)
        .and(".mkroot.toml", format!("[derive]\nmarkdown = true\n{settings}"))
}

fn accepting(server: &Server, target: &str, accept: &str) -> Response {
    server.get(target, &[&format!("Accept: {accept}")])
}

/// `html`, `markdown` or a status.
fn kind(response: &Response) -> String {
    match (response.status, response.field("Content-Type")) {
        (200, Some("text/html")) => "html".into(),
        (200, Some("text/markdown; charset=utf-8")) => "markdown".into(),
        (200, other) => panic!("{other:?}"),
        (status, _) => status.to_string(),
    }
}

/// The addresses of pages: of directories, without extension, whole names.
const PAGES: [&str; 5] = ["/", "/docs/", "/docs/intro", "/docs/intro.html", "/docs/index"];

#[test]
fn every_client_gets_what_it_wants() {
    let server = workshop("").serve();
    for target in PAGES {
        for (accept, expected) in [
            (CHROME, "html"),
            (FIREFOX, "html"),
            (CLAUDE_CODE, "markdown"),
            (CURSOR, "markdown"),
            (CODEX, "html"),
            ("*/*", "html"),
            ("text/*", "html"),
            (RDF, "406"),
        ] {
            assert_eq!(kind(&accepting(&server, target, accept)), expected, "{target} {accept}");
        }
        assert_eq!(kind(&server.get(target, &[])), "html", "{target}");
    }
}

#[test]
fn clause_markdown_has_its_type_and_is_markdown() {
    let server = workshop("").serve();
    for target in PAGES {
        let response = accepting(&server, target, "text/markdown");
        assert_eq!(response.field("Content-Type"), Some("text/markdown; charset=utf-8"), "{target}");
        let content = response.text();
        let expected = format!(
            "---\ntitle: \"Intro\"\ndescription: \"How to begin\"\nurl: \"{}\"\n---\n\n# Intro\n\nRead the [manual]({}) first.\n",
            if target.starts_with("/docs/intro") {
                "/docs/intro"
            } else if target == "/" {
                "/"
            } else {
                "/docs/"
            },
            if target == "/" { "/install.html" } else { "/docs/install.html" },
        );
        assert_eq!(content, expected, "{target}");
    }
}

#[test]
fn clause_vary_names_accept_in_every_answer() {
    let server = workshop("").serve();
    for target in PAGES {
        for accept in [CHROME, CLAUDE_CODE, "*/*", "text/turtle", "text/markdown;q=0.1"] {
            let response = accepting(&server, target, accept);
            assert_eq!(response.field("Vary"), Some("Accept"), "{target} {accept} {}", response.status);
        }
        assert_eq!(server.get(target, &[]).field("Vary"), Some("Accept"), "{target}");
        let tag = accepting(&server, target, CURSOR).field("ETag").expect("an entity tag").to_string();
        let again = server.get(target, &[&format!("Accept: {CURSOR}"), &format!("If-None-Match: {tag}")]);
        assert_eq!((again.status, again.field("Vary")), (304, Some("Accept")), "{target}");
        // What HTML is called does not do for Markdown.
        let html = server.get(target, &["Accept: text/html", &format!("If-None-Match: {tag}")]);
        assert_eq!(kind(&html), "html", "{target}");
    }
}

#[test]
fn clause_quality_values_decide() {
    let server = workshop("").serve();
    for (accept, expected) in [
        ("text/markdown;q=1.0, text/html;q=0.8, */*;q=0.1", "markdown"),
        ("text/html;q=0.9, text/markdown;q=1.0", "markdown"),
        ("text/markdown;q=0.5, text/html;q=0.9", "html"),
        ("text/markdown;q=0.5, text/html;q=0.5", "markdown"),
        ("text/html;q=0.5, text/markdown;q=0.5", "html"),
        ("text/html;q=0.1, text/*;q=0.9", "markdown"),
        ("text/markdown;q=0, */*", "html"),
        ("text/html;q=0, */*", "markdown"),
        ("text/markdown;q=0", "406"),
        ("TEXT/Markdown", "markdown"),
        ("text/markdown;q=0.001", "markdown"),
        ("text/markdown; charset=utf-8", "markdown"),
    ] {
        for target in PAGES {
            assert_eq!(kind(&accepting(&server, target, accept)), expected, "{target} {accept}");
        }
    }
}

#[test]
fn clause_what_cannot_be_satisfied_is_406() {
    let server = workshop("").serve();
    for target in PAGES {
        for accept in ["application/vnd.pandoc", "application/json", "image/*", "text/plain"] {
            let response = accepting(&server, target, accept);
            assert_eq!(response.status, 406, "{target} {accept}");
            let page = response.text();
            assert!(page.contains("index.html.md") || page.contains("intro.html.md"), "it lists what there is: {page}");
        }
    }
}

#[test]
fn clause_who_accepts_only_markdown_never_gets_html() {
    let server = workshop("").serve();
    for target in PAGES.into_iter().chain(["/docs/intro.html.md", "/docs/intro.md", "/index.md", "/docs/index.html.md"])
    {
        for method in ["GET", "HEAD"] {
            let response = server.request(method, target, &["Accept: text/markdown"]);
            assert_eq!(kind(&response), "markdown", "{method} {target}");
        }
    }
}

#[test]
fn clause_every_page_has_a_markdown_address_too() {
    let server = workshop("").serve();
    for (page, address) in [
        ("/", "/index.html.md"),
        ("/docs/", "/docs/index.html.md"),
        ("/docs/intro", "/docs/intro.html.md"),
        ("/docs/intro.html", "/docs/intro.html.md"),
    ] {
        let negotiated = accepting(&server, page, "text/markdown");
        assert_eq!(negotiated.field("Content-Location"), address.rsplit('/').next(), "{page}");
        for accept in ["*/*", CHROME, "text/html"] {
            let literal = accepting(&server, address, accept);
            assert_eq!(kind(&literal), "markdown", "{address} {accept}");
            assert!(literal.content == negotiated.content && literal.field("Vary").is_none(), "{address}");
        }
    }
    // As many sites have it: the name of the page, and .md.
    for (address, same) in [("/index.md", "/"), ("/docs/index.md", "/docs/"), ("/docs/intro.md", "/docs/intro")] {
        let response = accepting(&server, address, "*/*");
        assert_eq!(kind(&response), "markdown", "{address}");
        assert!(response.content == accepting(&server, same, "text/markdown").content, "{address}");
    }
}

#[test]
fn clause_links_tell_of_the_other_form() {
    let server = workshop("").serve();
    for (page, canonical, markdown) in [
        ("/", "/", "/index.html.md"),
        ("/docs/", "/docs/", "/docs/index.html.md"),
        ("/docs/index.html", "/docs/", "/docs/index.html.md"),
        ("/docs/intro", "/docs/intro", "/docs/intro.html.md"),
        ("/docs/intro.html", "/docs/intro", "/docs/intro.html.md"),
    ] {
        let link = accepting(&server, page, CHROME).field("Link").map(String::from);
        assert_eq!(link, Some(format!("<{markdown}>; rel=\"alternate\"; type=\"text/markdown\"")), "{page}");
        for target in [page, markdown] {
            let response = accepting(&server, target, "text/markdown");
            assert_eq!(response.field("Link"), Some(&format!("<{canonical}>; rel=\"canonical\"")[..]), "{target}");
        }
    }
    // Where the site is known, whole URLs; what a page says of itself wins.
    let named = workshop("site-url = \"https://example.org/sub\"\n")
        .and("own.html", "<link rel=canonical href=https://example.org/there><main>x")
        .serve();
    for (target, canonical) in
        [("/docs/intro", "https://example.org/sub/docs/intro"), ("/own", "https://example.org/there")]
    {
        let response = accepting(&named, target, "text/markdown");
        assert_eq!(response.field("Link"), Some(&format!("<{canonical}>; rel=\"canonical\"")[..]), "{target}");
        assert!(response.text().contains(&format!("url: \"{canonical}\"")), "{target}");
    }
    assert!(accepting(&named, "/", "text/markdown").text().contains("(https://example.org/sub/install.html)"));
    let alternate = "</sub/docs/intro.html.md>; rel=\"alternate\"; type=\"text/markdown\"";
    assert_eq!(accepting(&named, "/docs/intro", "text/html").field("Link"), Some(alternate));
}

#[test]
fn clause_tokens_are_estimated_unless_that_is_not_wanted() {
    for (settings, expected) in [("", true), ("tokens = false\n", false)] {
        let server = workshop(settings).serve();
        let response = accepting(&server, "/docs/intro", "text/markdown");
        let tokens = response.field("X-Markdown-Tokens").map(|value| value.parse().expect("a number"));
        assert_eq!(tokens, expected.then_some(response.content.len().div_ceil(4)));
        assert_eq!(accepting(&server, "/docs/intro", "text/html").field("X-Markdown-Tokens"), None);
    }
}

#[test]
fn the_author_s_own_markdown_wins() {
    for (page, own, target) in [
        ("a/page.html", "a/page.md", "/a/page"),
        ("a/page.html", "a/page.html.md", "/a/page"),
        ("a/index.html", "a/index.md", "/a/"),
        ("a/index.html", "a/index.html.md", "/a/"),
        ("a/page.en.html", "a/page.md", "/a/page"),
        ("a/page.en.html", "a/page.en.md", "/a/page"),
        ("a/page.html", "a/page.en.md", "/a/page"),
    ] {
        let workshop = workshop("").and(page, PAGE).and(own, "# My own\n");
        let server = workshop.serve();
        for target in [target, &format!("/{page}")] {
            let response = accepting(&server, target, CLAUDE_CODE);
            assert_eq!(response.text(), "# My own\n", "{own} {target}");
            assert!(
                response.field("Content-Location").is_some_and(|location| own.ends_with(location)),
                "{own} {target}"
            );
            let html = accepting(&server, target, CHROME);
            assert_eq!(html.text(), PAGE, "{own} {target}");
            let link = format!("</{own}>; rel=\"alternate\"; type=\"text/markdown\"");
            assert_eq!(html.field("Link"), Some(&link[..]), "{own} {target}");
        }
        let (_, listed, _) = run(&workshop, "ls @/out.webroot");
        let derived = listed.lines().filter(|line| line.contains("derived") && line.contains("page"));
        assert_eq!(derived.count(), 0, "{own}: {listed}");
    }
    // One language's does not do for another one.
    let server = workshop("").and("p.en.html", PAGE).and("p.fr.html", PAGE).and("p.en.md", "# My own\n").serve();
    for (language, expected) in [("en", true), ("fr", false)] {
        let response = server.get("/p", &["Accept: text/markdown", &format!("Accept-Language: {language}")]);
        assert_eq!((response.text() == "# My own\n", response.field("Content-Language")), (expected, Some(language)));
    }
}

#[test]
fn pages_may_keep_their_whole_names_to_themselves() {
    let server = workshop("literal-pages = false\n").serve();
    let literal = accepting(&server, "/docs/intro.html", "text/markdown");
    assert_eq!((kind(&literal).as_str(), literal.field("Vary")), ("html", None));
    assert_eq!(kind(&accepting(&server, "/docs/intro", "text/markdown")), "markdown");
}

#[test]
fn without_negotiation_of_names_pages_are_negotiated_all_the_same() {
    let workshop = workshop("");
    let output = mkroot_command(&[&workshop.site(), &workshop.out()]).output().expect("mkroot runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let server = Server::start(&workshop.out());
    for (target, expected) in
        [("/", "markdown"), ("/docs/", "markdown"), ("/docs/intro.html", "markdown"), ("/docs/intro", "404")]
    {
        assert_eq!(kind(&accepting(&server, target, CLAUDE_CODE)), expected, "{target}");
    }
    let link = accepting(&server, "/docs/intro.html", CLAUDE_CODE).field("Link").map(String::from);
    assert_eq!(link.as_deref(), Some("</docs/intro.html>; rel=\"canonical\""));
}

#[test]
fn a_page_of_an_error_is_markdown_for_who_wants_that() {
    let server = workshop("[errors]\n404 = \"/404\"\n").and("404.html", "<main><h1>Not here</h1></main>").serve();
    let response = accepting(&server, "/nothing", CLAUDE_CODE);
    assert_eq!((response.status, response.field("Content-Type")), (404, Some("text/markdown; charset=utf-8")));
    assert!(response.text().ends_with("# Not here\n"), "{}", response.text());
}

#[test]
fn a_site_is_summed_up() {
    let site = |settings: &str| {
        workshop(&format!("llms-txt = true\n{settings}"))
            .and("blog/a.html", "<title>A [b]</title><main><h1>A</h1><p>first")
            .and("blog/b.md", "# B\n\nsecond\n")
            .and("moved.html", "<meta http-equiv=refresh content='0;url=/'>")
    };
    let server = site("site-url = \"https://example.org\"\n").serve();
    let short = server.get("/llms.txt", &[]);
    assert_eq!((short.status, short.field("Content-Type")), (200, Some("text/plain; charset=utf-8")));
    assert_eq!(
        short.text(),
        "# Intro\n\n> How to begin\n\n## Pages\n\n- [Intro](https://example.org/index.html.md): How to begin\n\n## blog\n\n\
         - [A b](https://example.org/blog/a.html.md)\n- [B](https://example.org/blog/b.md)\n\n## docs\n\n\
         - [Intro](https://example.org/docs/index.html.md): How to begin\n\
         - [Intro](https://example.org/docs/intro.html.md): How to begin\n"
    );
    let full = server.get("/llms-full.txt", &[]).text();
    assert_eq!(full.matches("Read the [manual]").count(), 3, "{full}");
    assert!(full.contains("Source: https://example.org/blog/a\n\n# A\n\nfirst\n"), "{full}");
    assert!(full.contains("Source: https://example.org/blog/b.md\n\n# B\n\nsecond\n"), "{full}");
    assert!(!full.contains("moved"), "{full}");
    // Every link leads to Markdown.
    for link in short.text().lines().filter_map(|line| line.strip_prefix("- [")?.split_once("](https://example.org")) {
        let target = link.1.split(')').next().expect("an end");
        let response = server.get(target, &[]);
        assert!(response.field("Content-Type").is_some_and(|known| known.starts_with("text/markdown")), "{target}");
    }
    // Without knowing where the site is, paths; the author's own is not replaced.
    let server = site("").and("llms.txt", "mine").serve();
    assert_eq!(server.get("/llms.txt", &[]).text(), "mine");
    assert!(server.get("/llms-full.txt", &[]).text().contains("Source: /docs/intro\n"));
    let server = site("gzip = true\nmin-size = 10\n").serve();
    assert!(server.get("/llms.txt", &[]).text().contains("- [Intro](/index.html.md)"));
    let coded = server.get("/llms.txt", &["Accept-Encoding: gzip"]);
    assert_eq!((coded.field("Content-Encoding"), coded.field("Vary")), (Some("gzip"), Some("Accept-Encoding")));
}

#[test]
fn what_defeats_the_converter_is_named_and_served_without() {
    let deep = "<div>".repeat(5000) + "x";
    let workshop = workshop("").and("deep.html", &deep).and("empty.html", "<div id=root></div><script>go()</script>");
    let (status, _, messages) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 0, "{messages}");
    for (page, why) in [("deep.html", "nested"), ("empty.html", "no text")] {
        let named = messages
            .lines()
            .any(|line| line.contains(&format!("@/site/{page} has no form in Markdown")) && line.contains(why));
        assert!(named, "{page}: {messages}");
    }
    assert_eq!(messages.lines().count(), 2, "{messages}");
    let server = Server::start(&workshop.out());
    assert_eq!(accepting(&server, "/deep", CLAUDE_CODE).text(), deep);
    assert_eq!(kind(&accepting(&server, "/empty", "text/markdown")), "406");
    assert_eq!(kind(&accepting(&server, "/docs/intro", CLAUDE_CODE)), "markdown");
}

#[test]
fn pages_of_any_charset_become_utf_8() {
    let server = workshop("")
        .and("a.html", b"<title>caf\xe9</title><main>caf\xe9 \x96".as_slice())
        .and("b.html", b"<meta charset=koi8-r><main>\xf0\xd2\xc9\xd7\xc5\xd4")
        .and("c.html.latin2", b"<main>\xb1")
        .serve();
    for (target, expected) in [("/a", "café –"), ("/b", "Привет"), ("/c", "ą")] {
        let response = accepting(&server, target, "text/markdown");
        assert_eq!(response.field("Content-Type"), Some("text/markdown; charset=utf-8"), "{target}");
        assert!(response.text().ends_with(&format!("{expected}\n")), "{target}: {}", response.text());
    }
}

#[test]
fn a_directory_that_is_served_as_it_is_has_its_markdown() {
    let workshop = workshop("");
    let server = Server::start(&workshop.site());
    assert_eq!(kind(&accepting(&server, "/docs/", CLAUDE_CODE)), "markdown");
}

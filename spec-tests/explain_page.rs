//! The page that explains a decision: it tells all that `mkroot explain` tells, and is sound HTML whatever it is asked.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;

use connegd::answer::explain::explain;
use connegd::http::Status;
use connegd::http::request::{RequestHead, join_field};
use connegd::ops::explain::{Page, Subject, page};
use connegd::webroot::Mapped;
use html5ever::ParseOpts;
use html5ever::tendril::TendrilSink;
use html5ever::tokenizer::TokenizerOpts;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use proptest::prelude::*;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::support::Workshop;
use crate::support::packed::packed;

fn fixture(name: &str) -> Mapped {
    packed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites").join(name))
}

static CHART: LazyLock<Mapped> = LazyLock::new(|| fixture("chart"));
static AGENTS: LazyLock<Mapped> = LazyLock::new(|| fixture("agents"));
/// A site that means ill.
static HOSTILE: LazyLock<Mapped> = LazyLock::new(|| {
    let workshop = Workshop::with_site(&[
        ("a\"><script>x.html", b"\"><script>alert(1)</script></iframe></textarea>\0\xff".as_slice()),
        ("a\"><script>x.md", b"</pre><script>alert(1)</script>\x1b"),
        ("b.html", b"<p>b"),
        ("b.svg", b"<svg onload='alert(1)'/>"),
        ("c.html.fr", b"c"),
        ("c.html.en", b"cc"),
        ("c.var", b"URI: c.html.fr\nContent-Type: text/html;qs=0\n\nURI: c.html.en\nContent-Type: te<b>/xt\n"),
        (".mkroot.toml", b"[headers]\n\"/**\" = { X-A = \"<script>\" }\n[negotiation]\ntransparent = true\n"),
    ]);
    let site = workshop.site();
    for name in [&b"\xffd.html"[..], b"\xffd.txt"] {
        std::fs::write(site.join(OsStr::from_bytes(name)), name).expect("a file");
    }
    packed(&site)
});

const HOSTS: [&str; 3] = ["chart.example", "*.agents.example", "__default__"];

fn asked(query: &str) -> Page {
    page(Some(query.as_bytes()), &HOSTS, |name| {
        let place = HOSTS.iter().position(|host| *host == name)?;
        let mapped = [&CHART, &AGENTS, &HOSTILE][place];
        Some(Subject { name: HOSTS[place], webroot: mapped.webroot(), origin: Some("http://127.0.0.1:8080") })
    })
}

/// The page of which it was asked; it must be there, and sound.
fn sound(query: &str) -> String {
    let page = asked(query);
    assert_eq!(page.status, Status::Ok, "{query}\n{}", page.html);
    assert_eq!(faults(&page.html), [""; 0], "{query}\n{}", page.html);
    page.html
}

/// That a page has no icon; a browser that is told nothing asks for one.
const NO_ICON: &str = "<link rel=\"icon\" href=\"data:,\">";

/// What is wrong with a document: what a parser finds, and what could run or load something.
fn faults(html: &str) -> Vec<String> {
    let tokenizer = TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() };
    let options = ParseOpts { tokenizer, ..ParseOpts::default() };
    let dom = html5ever::parse_document(RcDom::default(), options).one(html.replacen(NO_ICON, "", 1));
    let mut faults: Vec<_> = dom.errors.borrow().iter().map(ToString::to_string).collect();
    let mut nodes: Vec<Handle> = vec![dom.document.clone()];
    while let Some(node) = nodes.pop() {
        nodes.extend(node.children.borrow().iter().cloned());
        let NodeData::Element { name, attrs, .. } = &node.data else { continue };
        let element = &*name.local;
        if matches!(element, "script" | "object" | "embed" | "link" | "base" | "svg" | "math") {
            faults.push(format!("<{element}>"));
        }
        for attribute in attrs.borrow().iter() {
            let (name, value) = (&*attribute.name.local, &*attribute.value);
            let wrong = match name {
                "href" => !value.starts_with('?') && !value.starts_with("http://127.0.0.1:8080/"),
                "src" => !value.starts_with("data:image/"),
                "style" | "action" | "formaction" => true,
                _ => name.starts_with("on"),
            };
            if wrong {
                faults.push(format!("<{element} {name}={value:?}>"));
            }
        }
        let is_caged = |name: &str| attrs.borrow().iter().any(|attribute| &*attribute.name.local == name);
        if element == "iframe" && !(is_caged("sandbox") && is_caged("srcdoc")) {
            faults.push("a frame without a sandbox".into());
        }
    }
    faults
}

/// `text` as it stands in the page.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn query(pairs: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

#[test]
fn faults_are_found() {
    let sound = "<!DOCTYPE html><html lang=en><title>a</title><p>b";
    assert_eq!(faults(sound), [""; 0]);
    for bad in [
        "<script>",
        "<p onclick=a>",
        "<p a=1 a=2>",
        "</b>",
        "<a href='javascript:a'>",
        "&#0;",
        "<iframe src=a>",
        "\u{1}",
    ] {
        assert!(!faults(&format!("{sound}{bad}")).is_empty(), "{bad:?}");
    }
}

#[test]
fn clients_get_what_the_documentation_says() {
    let [chart, agents, _] = HOSTS;
    for (host, url, client, verdict) in [
        (
            chart,
            "/2005/chart",
            "chrome",
            "<strong>200</strong> <bdi>chart.svg</bdi> <span>image/svg+xml, 1083 bytes</span>",
        ),
        (chart, "/2005/chart", "curl", "<strong>200</strong> <bdi>chart.svg</bdi>"),
        (chart, "/2005/chart", "rdf", "<strong>406</strong> Not Acceptable"),
        (chart, "/docs", "curl", "<strong>301</strong> Moved Permanently <span>to</span> <bdi>/docs/</bdi>"),
        (chart, "/none", "curl", "<strong>404</strong> Not Found"),
        (chart, "/%", "curl", "<strong>400</strong> Bad Request"),
        (chart, "nowhere", "curl", "<strong>400</strong> Bad Request"),
        (chart, "/style", "chrome", "<bdi>style.css.br</bdi>"),
        (agents, "/page", "chrome", "<bdi>page.html</bdi>"),
        (agents, "/page", "firefox", "<bdi>page.html</bdi>"),
        (agents, "/page", "safari", "<bdi>page.html</bdi>"),
        (agents, "/page", "claude-code", "<bdi>page.md</bdi>"),
        (agents, "/page", "cursor", "<bdi>page.md</bdi>"),
        (agents, "/page", "codex", "<bdi>page.html</bdi>"),
        (agents, "/page", "curl", "<bdi>page.html</bdi>"),
        (agents, "/page", "rdf", "<bdi>page.ttl</bdi>"),
        (agents, "/picture", "chrome-image", "<bdi>picture.avif</bdi>"),
    ] {
        let html = sound(&query(&[("host", host), ("url", url), ("client", client)]));
        let start = html.find("<p class=\"verdict").expect("a verdict");
        let found = html[start..].lines().next().expect("a line");
        assert!(found.contains(verdict), "{url} {client}: {found}");
    }
}

/// What the text of `mkroot explain` says must be on the page as well.
#[test]
fn the_page_tells_all_that_the_text_tells() {
    for (host, mapped) in HOSTS.into_iter().zip([&*CHART, &*AGENTS, &*HOSTILE]) {
        for url in
            ["/", "/2005/chart", "/docs/intro", "/letters/greeting", "/style", "/vocab/terms", "/page", "/b", "/c"]
        {
            for fields in [
                "Accept: */*",
                "Accept: image/png;q=0, text/html, */*;q=0.1\nAccept-Language: fr-ch, ja;q=0\nAccept-Encoding: gzip;q=0.5",
                "Accept: x/y\nAccept-Charset: utf-8;q=0, *\nAccept-Encoding:\nRange: bytes=0-3",
                "Accept: text/html\nNegotiate: 1.0\nAccept-Language: de;q=0, *;q=0.001",
                "Accept-Encoding: identity;q=0\nNegotiate: trans",
            ] {
                let mut request = RequestHead::get(url.as_bytes());
                for (name, value) in fields.lines().filter_map(|line| line.split_once(':')) {
                    let place = request.field_mut(name.as_bytes()).expect("a field that decides");
                    join_field(place, value.trim().as_bytes());
                }
                let explanation = explain(mapped.webroot(), &request);
                let html = sound(&query(&[("host", host), ("url", url), ("client", "own"), ("fields", fields)]));
                let mut facts = vec![format!("<strong>{}</strong>", explanation.status)];
                facts.extend(
                    explanation.fields.iter().map(|(name, value)| format!("<span>{name}:</span> {}", escaped(value))),
                );
                for negotiation in &explanation.negotiations {
                    facts.push(negotiation.summary());
                    facts.extend(negotiation.comparisons.iter().map(|comparison| format!(": {}</li>", comparison.by)));
                    facts.extend(negotiation.apache_in_words().map(|sentence| escaped(&sentence)));
                    facts.extend(negotiation.outcome().map(|sentence| escaped(&sentence)[1..].to_string()));
                    for parsed in &negotiation.preferences {
                        facts.push(format!("<dt>{}</dt>", parsed.name));
                        let items = parsed.items.iter().flatten();
                        facts
                            .extend(items.map(|(item, quality)| format!("{} <small>{quality}</small>", escaped(item))));
                    }
                    for variant in &negotiation.variants {
                        facts.push(format!("<bdi>{}</bdi>", escaped(&variant.file)));
                        let told = |(place, _): (usize, _)| variant.qualities.get(place);
                        for quality in negotiation.telling_dimensions().filter_map(told) {
                            let why = quality.why.strip_suffix(&format!(", {}", quality.rule)).unwrap_or(&quality.why);
                            facts.push(format!(
                                "<b>{}</b> <small>{}, {}</small>",
                                quality.quality,
                                escaped(why),
                                quality.rule
                            ));
                            if variant.rejected_by.contains(&quality.dimension) {
                                facts.push(format!("its {}: ", quality.dimension));
                            }
                        }
                    }
                }
                for fact in facts {
                    assert!(html.contains(&fact), "{url} {fields:?}: {fact}\n{html}");
                }
            }
        }
    }
}

#[test]
fn what_is_refused_is_refused_by_a_rule() {
    for (host, url, fields, expected) in [
        (0, "/2005/chart", "Accept: text/html", "refused (R77) for its type: nothing in Accept fits (R59)"),
        (0, "/2005/chart", "Accept: image/png;q=0", "refused (R77) for its type: Accept gives it 0 (named, R59)"),
        (0, "/style", "Accept-Encoding: *;q=0, gzip", "its coding: Accept-Encoding gives it 0 (by *, R74)"),
        (
            0,
            "/style",
            "Accept: a/b\nAccept-Encoding: br",
            "(R59); for its coding: nothing in Accept-Encoding fits (R74)",
        ),
        (2, "/c", "", "refused (R77) for its source quality: it is 0</td>"),
        (2, "/c", "Negotiate: 1.0", "refused (R88) for its source quality: it is 0"),
        (2, "/c", "Negotiate: trans", "<td>listed (R87)</td>"),
        (2, "/a%22%3E%3Cscript%3Ex", "Negotiate: 1.0", "best, but the client decides (R89)"),
    ] {
        let html = sound(&query(&[("host", HOSTS[host]), ("url", url), ("client", "own"), ("fields", fields)]));
        assert!(html.contains(expected), "{url} {fields}: {expected}\n{html}");
    }
}

#[test]
fn a_query_that_makes_no_request_leaves_the_form_as_it_was() {
    for (query, status, expected) in [
        ("host=other.example&url=/", Status::NotFound, "There is no host called &quot;other.example&quot; here."),
        ("url=/a&client=x", Status::BadRequest, "There is no client called &quot;x&quot;."),
        ("url=/a&fields=Accept", Status::BadRequest, "Line 1 is no field"),
        (
            "url=/a&fields=A:b%0AB%20C:d",
            Status::BadRequest,
            "rows=\"5\" autocapitalize=\"off\" autocomplete=\"off\" spellcheck=\"false\">\nA:b\nB C:d</textarea>",
        ),
        ("url=/a&language=%0D%0AX:", Status::Ok, "<option value=\"chrome\" selected>"),
        ("url=/a&language=x%0D%0AX:", Status::BadRequest, "is no value of Accept-Language"),
        ("url=/a%23b&method=HEAD", Status::Ok, "<option value=\"HEAD\" selected>"),
    ] {
        let page = asked(query);
        assert_eq!(page.status, status, "{query}");
        assert!(page.html.contains(expected), "{query}\n{}", page.html);
        assert_eq!(faults(&page.html), [""; 0], "{query}");
    }
    let nothing = page(None, &[], |_| None);
    assert_eq!(nothing.status, Status::Ok);
    assert!(nothing.html.contains("No host is served"), "{}", nothing.html);
}

#[test]
fn there_is_something_to_try() {
    let html = page(None, &HOSTS, |_| Some(Subject { name: HOSTS[0], webroot: CHART.webroot(), origin: None })).html;
    assert!(html.contains("<a href=\"?host=chart.example&amp;url=%2F2005%2Fchart&amp;client=chrome\">"), "{html}");
    assert!(!html.contains("%2Fchart.svg"), "only what is negotiated: {html}");
    let html = sound("host=chart.example&url=/2005/chart&client=own&fields=Accept:+image/png");
    assert!(html.contains("<bdi>chart.png</bdi> <span>"), "{html}");
    let other = "<a href=\"?host=chart.example&amp;url=%2F2005%2Fchart&amp;client=rdf\">an RDF tool</a></dt><dd><bdi>406 Not Acceptable";
    assert!(html.contains(other), "others have no fields of one's own: {html}");
    let html = sound("host=chart.example&url=/2005/charts&client=curl");
    assert!(html.contains("<a href=\"?host=chart.example&amp;url=%2F2005%2Fchart.svg&amp;client=curl\">"), "{html}");
}

#[test]
fn contents_are_shown_as_the_client_gets_them() {
    let long = "x".repeat((1 << 20) + 1);
    let mut coded = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    coded.write_all(long.as_bytes()).expect("a coded content");
    let workshop = Workshop::with_site(&[
        ("d/page.html", b"<link rel=stylesheet href=s.css><p title='a&quot;b'>"),
        ("d/long.txt", long.as_bytes()),
        ("d/bomb.txt.gz", &coded.finish().expect("a coded content")),
        ("d/latin.txt.latin1", b"caf\xe9"),
    ]);
    let mapped = packed(&workshop.site());
    for (host, url, fields, expected) in [
        (
            "",
            "/d/page",
            "",
            "srcdoc=\"&lt;base target=&quot;_blank&quot; href=&quot;http://a:1/d/page&quot;&gt;&lt;link rel=stylesheet href=s.css&gt;\
             &lt;p title=&#39;a&amp;quot;b&#39;&gt;\"",
        ),
        ("", "/d/long", "", "It is longer than what is shown here."),
        ("", "/d/long", "", "<a href=\"http://a:1/d/long.txt\" rel=\"noreferrer\">open it</a>"),
        ("", "/d/bomb.txt.gz", "", "It is compressed (gzip), and cannot be shown unpacked."),
        ("", "/d/latin", "", ">\ncafé</pre>"),
        ("", "/d/long", "Range: bytes=0-2", ">\nxxx</pre>"),
        ("", "/d/long", "Range: bytes=0-2,900000-900001", "It is of no type that is shown here."),
        ("chart", "/style", "Accept-Encoding: br", "shown without its coding br: "),
        ("chart", "/2005/chart", "Accept: image/png", "<img src=\"data:image/png;base64,iVBORw0KGgo"),
        ("chart", "/2005/chart", "If-None-Match: *", "<p>There is none.</p>"),
    ] {
        let query = query(&[("url", url), ("client", "own"), ("fields", fields)]);
        let webroot = if host.is_empty() { mapped.webroot() } else { CHART.webroot() };
        let page =
            page(Some(query.as_bytes()), &["a"], |_| Some(Subject { name: "a", webroot, origin: Some("http://a:1") }));
        assert!(page.html.contains(expected), "{url} {fields}: {expected}\n{}", page.html);
        assert!(page.html.len() < 200_000, "{url}: {}", page.html.len());
    }
}

#[test]
fn the_command_asks_the_same() {
    for (query, expected) in [
        (
            "host=chart.example&url=/2005/chart&client=own",
            "curl -i --globoff --path-as-is 'http://127.0.0.1:8080/2005/chart' \\\n  -H 'Host: chart.example' \\\n  -H 'Accept:'\n",
        ),
        (
            "host=*.agents.example&url=*&method=OPTIONS&client=own&fields=Accept:",
            "curl -i -X OPTIONS --request-target '*' 'http://127.0.0.1:8080' \\\n  -H 'Host: any.agents.example' \\\n  -H 'Accept;'\n",
        ),
        (
            "host=__default__&url=/a'b&method=HEAD&client=own&fields=Accept:+$(x)'y",
            "curl -I --globoff --path-as-is 'http://127.0.0.1:8080/a'\\''b' \\\n  -H 'Accept: $(x)'\\''y'\n",
        ),
    ] {
        let html = sound(query);
        let expected = escaped(expected.trim_end()) + "</pre>";
        assert!(html.contains(&expected), "{query}: {expected}\n{html}");
    }
}

#[test]
fn what_is_hostile_is_shown_not_run() {
    for url in ["/a%22%3E%3Cscript%3Ex", "/b", "/c", "/%ffd", "/%ffd.html", "/%22%3E%3Cscript%3E", "//127.0.0.1/x"] {
        for fields in
            ["", "Accept: text/markdown", "Accept: \"><script>alert(1)</script>", "Negotiate: trans", "Accept: image/*"]
        {
            let url = byte_serialize(url.as_bytes()).collect::<String>();
            let fields = byte_serialize(fields.as_bytes()).collect::<String>();
            let html = sound(&format!("host=__default__&url={url}&client=own&fields={fields}"));
            assert!(!html.contains("<script"), "{url} {fields}\n{html}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 128 } else { 1024 }))]

    #[test]
    fn no_query_makes_unsound_html(
        host in "chart.example|[*].agents.example|__default__|.{0,9}",
        url in "/(2005/chart|page|b|c|%ffd|a\"><script>x|docs|)?|.{0,20}|(/|%[0-9a-f]{2}|[a-z.]){0,9}",
        client in "chrome|own|curl|rdf|.{0,3}",
        method in "GET|HEAD|OPTIONS|POST|.{0,3}",
        fields in "((Accept|Accept-Language|Negotiate|Range|Host|.{0,3})?: ?(</textarea>|\"><script>|[*]/[*]|.{0,12})(\r\n)?){0,3}",
        language in "|.{0,9}",
    ) {
        let query = query(&[
            ("host", &host), ("url", &url), ("client", &client), ("method", &method), ("fields", &fields),
            ("language", &language),
        ]);
        let page = asked(&query);
        prop_assert_eq!(faults(&page.html), [""; 0], "{}\n{}", query, page.html);
    }

    #[test]
    fn no_bytes_make_unsound_html(bytes in "(host=|url=|&|=|%|[0-9a-f+]|\\PC){0,40}", raw: Vec<u8>) {
        for query in [bytes.as_bytes(), &raw] {
            let page = page(Some(query), &HOSTS, |_| Some(Subject { name: HOSTS[0], webroot: CHART.webroot(), origin: None }));
            prop_assert_eq!(faults(&page.html), [""; 0], "{:?}\n{}", query, page.html);
        }
    }
}

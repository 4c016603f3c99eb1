//! What mkroot makes of a site's files besides Markdown: contents in codings, images in newer formats; how that is kept
//! from one packing to the next, and that nothing goes wrong by it.

use std::io::Read;
use std::path::{Path, PathBuf};

use connegd::build::{self, Config, Left, Options, Report, Summary, Warning};
use connegd::webroot::{Mapped, Negotiated, StoredVariant, Target};

use crate::support::{Response, Server, Workshop, run, text};

/// A style sheet that is long enough to be coded.
fn style(seed: u32) -> String {
    (0..100).map(|number| format!(".c{number} {{ color: #{:06x} }}\n", (number + seed) * 7919)).collect()
}

fn undone(content: &[u8], coding: Option<&str>) -> Vec<u8> {
    let mut plain = Vec::new();
    let read = match coding {
        None => return content.to_vec(),
        Some("br") => brotli::Decompressor::new(content, 4096).read_to_end(&mut plain),
        Some("zstd") => zstd::Decoder::new(content).and_then(|mut decoder| decoder.read_to_end(&mut plain)),
        Some("gzip") => flate2::read::MultiGzDecoder::new(content).read_to_end(&mut plain),
        Some(other) => panic!("{other}"),
    };
    read.expect("a sound content");
    plain
}

fn coding(response: &Response) -> Option<&str> {
    response.field("Content-Encoding")
}

const CODINGS: &str = "[derive]\nbr = true\nzstd = true\ngzip = true\n";

#[test]
fn a_literal_path_negotiates_its_codings() {
    let workshop = Workshop::with_site(&[("style.css", style(0).as_bytes()), (".mkroot.toml", CODINGS.as_bytes())]);
    let server = workshop.serve();
    let get = |fields: &[&str]| server.get("/style.css", fields);
    let mut tags = Vec::new();
    for (field, expected) in [
        (None, None),
        (Some(""), None),
        (Some("identity"), None),
        (Some("deflate"), None),
        (Some("gzip"), Some("gzip")),
        (Some("x-gzip"), Some("x-gzip")),
        (Some("gzip, deflate, br, zstd"), Some("br")),
        (Some("gzip, deflate, zstd"), Some("zstd")),
        (Some("br;q=0.5, gzip"), Some("gzip")),
        (Some("br;q=0, *"), Some("zstd")),
        (Some("identity;q=0, gzip"), Some("gzip")),
        (Some("*;q=0, gzip"), Some("gzip")),
        (Some("*"), Some("br")),
    ] {
        let field = field.map(|field| format!("Accept-Encoding: {field}"));
        let response = get(&field.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!((response.status, coding(&response)), (200, expected), "{field:?}");
        assert_eq!(response.field("Vary"), Some("Accept-Encoding"), "{field:?}");
        assert_eq!(response.field("Content-Location"), None, "{field:?}");
        assert_eq!(response.field("Content-Type"), Some("text/css"), "{field:?}");
        let known = expected.map(|name| name.trim_start_matches("x-"));
        assert!(undone(&response.content, known) == style(0).as_bytes(), "{field:?}");
        tags.push((known, response.field("ETag").expect("an entity tag").to_string()));
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 4, "each coding has one entity tag: {tags:?}");
    let mut values: Vec<_> = tags.iter().map(|(_, tag)| tag).collect();
    values.dedup();
    assert!(values.len() == 4 && values.iter().all(|tag| tag.starts_with('"')), "they are strong: {tags:?}");
    // RFC 9110, section 12.5.3: who refuses all gets nothing.
    for field in ["identity;q=0", "*;q=0", "identity;q=0, deflate", "br;q=0, *;q=0"] {
        let response = get(&[&format!("Accept-Encoding: {field}")]);
        assert_eq!((response.status, response.field("Vary")), (406, Some("Accept, Accept-Encoding")), "{field}");
        assert_eq!(
            response.text().matches("<li>").count(),
            1,
            "what has no address is not listed: {}",
            response.text()
        );
    }
    // Nothing but the coding is negotiated under a whole name.
    for field in ["Accept: application/json", "Accept-Language: tlh", "Accept-Charset: x"] {
        assert_eq!(get(&[field, "Accept-Encoding: br"]).status, 200, "{field}");
    }
    // Conditions and ranges are about the bytes of the coding.
    let coded = get(&["Accept-Encoding: br"]);
    let tag = coded.field("ETag").expect("an entity tag").to_string();
    assert_eq!(get(&["Accept-Encoding: br", &format!("If-None-Match: {tag}")]).status, 304);
    assert_eq!(get(&["Accept-Encoding: gzip", &format!("If-None-Match: {tag}")]).status, 200);
    let part = get(&["Accept-Encoding: br", "Range: bytes=3-9"]);
    assert_eq!((part.status, coding(&part)), (206, Some("br")));
    assert!(part.content == coded.content[3..10]);
    let head = server.request("HEAD", "/style.css", &["Accept-Encoding: br"]);
    assert_eq!(head.undated(), coded.undated());
    // What was made has no address of its own.
    assert_eq!(server.get("/style.css.br", &[]).status, 404);
    assert_eq!(server.get("/style", &["Accept-Encoding: br"]).field("Content-Location"), Some("style.css"));
}

#[test]
fn what_is_not_worth_it_is_left_alone() {
    let noise: Vec<u8> = (0..4000_u32).flat_map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[..4].to_vec()).collect();
    let workshop = Workshop::with_site(&[
        ("short.css", b"p { color: red }"),
        ("noise.txt", &noise),
        ("style.css", style(0).as_bytes()),
        ("image.png", style(0).as_bytes()),
        ("private/style.css", style(0).as_bytes()),
        ("none/style.css", style(0).as_bytes()),
        ("none/.mkroot.toml", b"[derive]\nbr = false\nzstd = false\ngzip = false\n"),
    ])
    .and(".mkroot.toml", format!("{CODINGS}exclude = [\"/private/**\"]\n"));
    let server = workshop.serve();
    for (target, expected) in [
        ("/style.css", Some("br")),
        ("/short.css", None),
        ("/noise.txt", None),
        ("/image.png", None),
        ("/private/style.css", None),
        ("/none/style.css", None),
    ] {
        let response = server.get(target, &["Accept-Encoding: br"]);
        assert_eq!((response.status, coding(&response)), (200, expected), "{target}");
        assert_eq!(response.field("Vary"), expected.map(|_| "Accept-Encoding"), "{target}");
    }
    // The margin is what the settings say, in per cent.
    let repeated = [&noise[..8000], &noise[..800]].concat();
    for (margin, expected) in [(5, Some("br")), (20, None)] {
        let server = Workshop::with_site(&[("a.txt", &repeated)])
            .and(".mkroot.toml", format!("[derive]\nbr = true\nmargin = {margin}\n"))
            .serve();
        assert_eq!(coding(&server.get("/a.txt", &["Accept-Encoding: br"])), expected, "{margin}");
    }
}

#[test]
fn what_is_too_long_is_named() {
    let workshop = Workshop::with_site(&[
        ("long.css", style(0).as_bytes()),
        ("long.html", "<p>long</p>".repeat(1000).as_bytes()),
        ("long.bin", &[1; 10_000]),
        ("short.txt", "short ".repeat(100).as_bytes()),
    ])
    .and(".mkroot.toml", "[derive]\nbr = true\nmarkdown = true\navif = true\nmax-size = 1000\n");
    let (status, _, messages) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(status, 0);
    let line = |name| {
        format!("mkroot: warning: @/site/{name} has more than 1000 bytes (max-size), so nothing was made of it\n")
    };
    assert_eq!(messages, line("long.css") + &line("long.html"));
    let server = Server::start(&workshop.out());
    assert_eq!(server.get("/long", &["Accept: text/markdown, */*;q=0.1"]).field("Content-Type"), Some("text/html"));
    assert_eq!(coding(&server.get("/long.css", &["Accept-Encoding: br"])), None);
    assert_eq!(coding(&server.get("/short.txt", &["Accept-Encoding: br"])), Some("br"));
}

#[test]
fn what_the_author_has_coded_answers_if_it_is_the_same() {
    let gzip = |content: &str| {
        let mut coder = flate2::read::GzEncoder::new(content.as_bytes(), flate2::Compression::fast());
        let mut coded = Vec::new();
        coder.read_to_end(&mut coded).expect("room");
        coded
    };
    let (style, other) = (style(0), style(1));
    let site = |settings: &str| {
        Workshop::with_site(&[("a.css", style.as_bytes()), ("a.css.gz", &gzip(&style)), ("b.css", style.as_bytes())])
            .and("b.css.gz", gzip(&other))
            .and(".mkroot.toml", settings)
    };
    let workshop = site("[derive]\nprecompressed = true\nbr = true\n");
    let (status, _, messages) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!(
        (status, messages.as_str()),
        (
            0,
            "mkroot: warning: @/site/b.css.gz is not b.css in its coding, so it does not answer for that\n\
             mkroot: warning: @/site/b.css is a file, so who asks for it gets that and never b.css.gz\n"
        )
    );
    let server = Server::start(&workshop.out());
    let get = |target: &str, coding: &str| server.get(target, &[&format!("Accept-Encoding: {coding}")]);
    let own = get("/a.css", "gzip");
    assert_eq!((coding(&own), own.field("Content-Location")), (Some("gzip"), Some("a.css.gz")));
    assert!(own.content == gzip(&style));
    assert_eq!(coding(&get("/a.css", "gzip, br")), Some("br"));
    let stale = get("/b.css", "gzip");
    assert!(coding(&stale).is_none() && stale.content == style.as_bytes());
    assert_eq!(coding(&get("/b.css", "br")), Some("br"));
    // Also if that is known from the last time.
    let (status, _, again) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert_eq!((status, again), (0, messages));
    // Otherwise it is a name of its own and nothing else, as ever.
    let server = site("").serve();
    assert!(coding(&server.get("/a.css", &["Accept-Encoding: gzip"])).is_none());
    assert_eq!(coding(&server.get("/a", &["Accept-Encoding: gzip"])), Some("gzip"));
    // What the author has is not made once more, under no name.
    let workshop = site("[derive]\nprecompressed = true\ngzip = true\n");
    run(&workshop, "--negotiate @/site @/out.webroot");
    let (_, listed, _) = run(&workshop, "ls @/out.webroot");
    let of = |target: &str| {
        let lines = listed.lines().skip_while(|line| !line.starts_with(&format!("{target}  ")));
        lines.skip(1).take_while(|line| line.starts_with(' ')).filter(|line| line.contains("gzip")).count()
    };
    assert_eq!((of("/a.css"), of("/b.css"), of("/a"), of("/b")), (1, 1, 1, 1), "{listed}");
}

/// Every variant that was made, with the one that stands first beside it and every name it stands for.
fn derived(webroot: &Path) -> Vec<(String, String, bool)> {
    let mapped = Mapped::open(webroot).expect("a webroot");
    let webroot = mapped.webroot();
    let name = |stored: &StoredVariant<'_>| text(stored.file_name());
    let mut found = Vec::new();
    for resource in webroot.resources() {
        let Target::Negotiated(Negotiated { run, .. }) = resource.target() else { continue };
        let all: Vec<_> = run.iter().collect();
        for stored in all.iter().filter(|stored| stored.is_derived() && stored.codings().is_some()) {
            let coding = text(stored.codings().unwrap_or_default());
            // Its source is beside it, of the same type and with the rest of its name.
            let source = all.iter().find(|source| {
                source.codings().is_none()
                    && source.variant().media_type == stored.variant().media_type
                    && stored.file_name().starts_with(source.file_name())
            });
            let source = source.unwrap_or_else(|| panic!("{}: {}", text(resource.key()), name(stored)));
            let plain = undone(webroot.bytes(stored.body()), Some(&coding));
            let is_same = plain == webroot.bytes(source.body());
            found.push((text(resource.key()), name(stored), is_same));
        }
    }
    found
}

/// All that is made decodes to what it was made of. `CONNEGD_TREE` names a tree to try that on; by default it is the
/// project's own sites.
#[test]
fn every_derived_content_decodes_to_its_source() {
    let tree = std::env::var_os("CONNEGD_TREE").map_or_else(|| fixture("chart"), PathBuf::from);
    let workshop = Workshop::with_site(&[]);
    let out = workshop.out();
    let output = crate::support::mkroot_command(&["--negotiate", "--quiet", "--derive", "markdown,br,zstd,gzip"])
        .args([&tree, &out])
        .output()
        .expect("mkroot runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let all = derived(&out);
    let wrong: Vec<_> = all.iter().filter(|(.., is_same)| !is_same).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(all.len() > 50, "{}", all.len());
    eprintln!("{} derived contents under all their names decode to their sources", all.len());
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites").join(name)
}

/// Hears of warnings, and of nothing else.
#[derive(Default)]
struct Warnings(std::cell::RefCell<Vec<String>>);

impl Report for Warnings {
    fn warn(&self, warning: &Warning) {
        self.0.borrow_mut().push(warning.what.clone());
    }
}

/// Packs the site, from what lies at its place.
fn pack(workshop: &Workshop, fresh: bool) -> Summary {
    let (site, out) = (workshop.site(), workshop.out());
    let options = Options { negotiate: true, config: Config::of_site(&site).expect("settings") };
    let left = if fresh { None } else { Left::at(&out, &site).expect("a webroot or none") };
    let prior = left.as_ref().map(Left::prior);
    let report = Warnings::default();
    let (summary, _) = build::pack_to(&site, &out, &options, prior.as_ref(), &report).expect("a packing");
    assert_eq!(report.0.take(), [""; 0]);
    summary
}

fn pages(count: u32) -> Workshop {
    let workshop = Workshop::with_site(&[]);
    for number in 0..count {
        workshop.write(&format!("p{number}.html"), page(number).as_bytes());
    }
    workshop
        .and("style.css", style(0))
        .and("copy.css", style(0))
        .and(".mkroot.toml", "[derive]\nmarkdown = true\nbr = true\nzstd = true\ngzip = true\n")
}

fn page(number: u32) -> String {
    let text: String = (0..300).map(|word| format!("word{} ", (word * number + 7) % 97)).collect();
    format!("<title>{number}</title><main><h1>Page {number}</h1><p>{text}</main>")
}

#[test]
fn only_what_changed_is_made_again_and_nobody_can_tell() {
    let workshop = pages(12);
    let cold = pack(&workshop, true);
    // Markdown of 12 pages; three codings of these, of the pages and of the style sheet.
    assert!(cold.derived == 12 + 12 * 3 * 2 + 3 && cold.derived_reused == 0, "{cold:?}");
    let bytes = std::fs::read(workshop.out()).expect("a webroot");
    let again = pack(&workshop, false);
    assert_eq!((again.derived, again.derived_reused), (cold.derived, cold.derived));
    assert!(std::fs::read(workshop.out()).expect("a webroot") == bytes);

    workshop.write("p7.html", page(100).as_bytes());
    let changed = pack(&workshop, false);
    let made = changed.derived - changed.derived_reused;
    assert!((4..=7).contains(&made), "one page and what is made of it: {changed:?}");
    let incremental = std::fs::read(workshop.out()).expect("a webroot");
    let fresh = pack(&workshop, true);
    assert_eq!(fresh.derived_reused, 0);
    assert!(std::fs::read(workshop.out()).expect("a webroot") == incremental, "the same site gives the same bytes");

    // A copy without the attributes that a packing leaves is of use all the same: contents are known by their digests.
    let copy = std::fs::read(workshop.out()).expect("a webroot");
    std::fs::remove_file(workshop.out()).expect("a webroot");
    std::fs::write(workshop.out(), copy).expect("a copy");
    let from_copy = pack(&workshop, false);
    assert_eq!((from_copy.reused, from_copy.derived_reused), (0, fresh.derived));
    assert!(std::fs::read(workshop.out()).expect("a webroot") == incremental);

    // Other settings make other forms, of what they are about.
    workshop.write(".mkroot.toml", b"[derive]\nmarkdown = true\nbr = true\ncontent = \"p\"\n");
    let other = pack(&workshop, false);
    assert!(other.derived_reused >= 13 && other.derived - other.derived_reused >= 12, "{other:?}");
}

#[test]
fn summaries_are_taken_over_whole() {
    let workshop = pages(3);
    workshop.write(".mkroot.toml", b"[derive]\nmarkdown = true\ngzip = true\nllms-txt = true\nmin-size = 10\n");
    let cold = pack(&workshop, true);
    let bytes = std::fs::read(workshop.out()).expect("a webroot");
    let again = pack(&workshop, false);
    assert_eq!((again.derived, again.derived_reused), (cold.derived, cold.derived));
    assert!(std::fs::read(workshop.out()).expect("a webroot") == bytes);
    let (status, found, _) = run(&workshop, "check @/out.webroot");
    assert_eq!(status, 0, "{found}");
}

#[test]
fn what_was_damaged_is_made_again() {
    let workshop = pages(2);
    pack(&workshop, true);
    let bytes = std::fs::read(workshop.out()).expect("a webroot");
    let range = {
        let mapped = Mapped::open(&workshop.out()).expect("a webroot");
        let derived = mapped.webroot().derivations().filter_map(|derivation| derivation.result);
        derived.map(|body| body.range()).next().expect("a derived content")
    };
    let mut damaged = bytes.clone();
    damaged[range.start as usize] ^= 1;
    std::fs::write(workshop.out(), damaged).expect("a webroot");
    let summary = pack(&workshop, false);
    assert_eq!(summary.derived - summary.derived_reused, 1, "{summary:?}");
    assert!(std::fs::read(workshop.out()).expect("a webroot") == bytes);
}

#[test]
fn what_was_made_is_marked() {
    let workshop = pages(1);
    workshop.pack();
    let (_, listed, _) = run(&workshop, "ls @/out.webroot");
    assert!(
        listed.contains("    p0.html.md  text/markdown  utf-8  ") && listed.contains(" bytes  derived\n"),
        "{listed}"
    );
    let (_, json, _) = run(&workshop, "ls --json @/out.webroot");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let of = |path: &str| {
        let resource = json["resources"].as_array().expect("a list").iter().find(|resource| resource["path"] == path);
        let variants = resource.expect("a resource")["variants"].as_array().expect("a list").clone();
        let derived = variants.iter().map(|variant| (variant["file"].clone(), variant["derived"].clone()));
        derived.map(|(file, derived)| format!("{} {derived}", file.as_str().expect("a name"))).collect::<Vec<_>>()
    };
    assert!(
        of("/p0").contains(&"p0.html false".into()) && of("/p0").contains(&"p0.html.md true".into()),
        "{:?}",
        of("/p0")
    );
    let output = crate::support::mkroot_command(&["explain".as_ref(), workshop.out().as_os_str(), "/p0".as_ref()])
        .args(["-H", "Accept: text/markdown"])
        .output()
        .expect("mkroot runs");
    assert!(text(&output.stdout).contains("  p0.html.md (derived)  "), "{}", text(&output.stdout));
}

#[test]
fn where_apache_decides_nothing_is_made() {
    for settings in ["policy = \"apache\"", "transparent = true"] {
        let workshop = pages(1);
        workshop.write(
            ".mkroot.toml",
            format!("[negotiation]\n{settings}\n[derive]\nmarkdown = true\nbr = true\n").as_bytes(),
        );
        assert_eq!(pack(&workshop, true).derived, 0, "{settings}");
    }
}

#[test]
fn a_type_map_lists_what_it_lists() {
    let server = Workshop::with_site(&[("page.html", page(1).as_bytes())])
        .and("page.var", "URI: page.html\nContent-Type: text/html\n")
        .and(".mkroot.toml", "[derive]\nmarkdown = true\nbr = true\n")
        .serve();
    assert_eq!(server.get("/page", &["Accept: text/markdown"]).status, 406);
    let response = server.get("/page", &["Accept-Encoding: br"]);
    assert_eq!((response.status, coding(&response)), (200, None));
    assert_eq!(server.get("/page.html", &["Accept: text/markdown"]).field("Content-Location"), Some("page.html.md"));
}

#[test]
fn digests_are_those_of_what_was_made() {
    let server = Workshop::with_site(&[("a.css", style(0).as_bytes())])
        .and(".mkroot.toml", "[derive]\nbr = true\n[digests]\nrepr-digest = true\n")
        .serve();
    let response = server.get("/a.css", &["Accept-Encoding: br"]);
    use base64::prelude::{BASE64_STANDARD, Engine};
    use sha2::{Digest, Sha256};
    let expected = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(&response.content)));
    assert_eq!((coding(&response), response.field("Repr-Digest")), (Some("br"), Some(&expected[..])));
}

#[test]
fn fields_of_files_go_with_what_was_made_of_them() {
    let server = Workshop::with_site(&[("a.css", style(0).as_bytes()), ("p.html", page(1).as_bytes())])
        .and(
            ".mkroot.toml",
            "[derive]\nbr = true\nmarkdown = true\n[cache]\n\"*.css\" = \"max-age=9\"\n\"*.md\" = \"max-age=8\"\n\"*.html\" = \"max-age=7\"\n",
        )
        .serve();
    for (target, fields, expected) in [
        ("/a.css", ["Accept-Encoding: br", "Accept: */*"], "max-age=9"),
        ("/p", ["Accept-Encoding: br", "Accept: text/markdown"], "max-age=8"),
        ("/p", ["Accept-Encoding: br", "Accept: text/html"], "max-age=7"),
    ] {
        assert_eq!(server.get(target, &fields).field("Cache-Control"), Some(expected), "{target} {fields:?}");
    }
}

#[test]
fn what_cannot_be_meant_is_an_error_with_its_place() {
    for (settings, expected) in [
        ("[derive]\nmarkdwon = true\n", ":2:1: unknown field `markdwon`"),
        ("[derive]\ncontent = \"a:hover\"\n", ":2:11: \"a:hover\" is not a selector"),
        ("[derive]\navif-quality = 0\n", ":2:16: 0 is out of range; expected 1 to 100"),
        ("[derive]\nmin-size = -1\n", ":2:12: -1 is out of range; expected 0 or more"),
        ("[derive]\nsite-url = \"example.org\"\n", ":2:12: \"example.org\" is not where a site can be"),
        ("[derive]\nexclude = [\"a/\"]\n", ":2:12: \"a/\" matches no file"),
    ] {
        let workshop = Workshop::of_names(&["a.html"]).and(".mkroot.toml", settings);
        let (status, _, message) = run(&workshop, "@/site @/out.webroot");
        assert_eq!(status, 2);
        assert!(message.contains(expected), "{settings}: {message}");
    }
    let workshop = Workshop::of_names(&["d/a.html"]).and("d/.mkroot.toml", "[derive]\nllms-txt = true\n");
    let (status, _, message) = run(&workshop, "@/site @/out.webroot");
    assert!(status == 2 && message.contains(":2:12: ") && message.contains("root"), "{message}");
    let (status, _, message) = run(&workshop, "--derive markdown,pdf @/site @/out.webroot");
    assert!(status == 2 && message.contains("markdown, br, zstd, gzip, avif, webp"), "{message}");
}

#[test]
fn any_bytes_are_no_reason_to_fail() {
    let mut random = crate::support::random::Random::new(8);
    let workshop = Workshop::with_site(&[]);
    let whole = std::fs::read(fixture("chart").join("images/harbour.png")).expect("an image");
    for number in 0..60 {
        let bytes: Vec<u8> = (0..random.below(3000)).map(|_| random.below(256) as u8).collect();
        for extension in ["html", "css", "png", "jpg", "html.gz", "css.br", "css.zst"] {
            workshop.write(&format!("f{number}.{extension}"), &bytes);
        }
        let mut damaged = whole[..4000].to_vec();
        let place = random.below(damaged.len());
        damaged[place] ^= 1 << random.below(8);
        workshop.write(&format!("d{number}.png"), &damaged);
    }
    workshop.write(
        ".mkroot.toml",
        b"[derive]\nmarkdown = true\nbr = true\nzstd = true\ngzip = true\nwebp = true\nprecompressed = true\n",
    );
    let (status, _, messages) = run(&workshop, "--negotiate @/site @/out.webroot");
    assert!(status == 0 && !messages.contains("panicked"), "{messages}");
}

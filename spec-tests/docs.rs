//! The pages for readers: links lead somewhere, examples of settings are read, and connegd serves the pages as a site.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use connegd::build::Config;
use connegd::cli::args::Connegd;
use connegd::cli::settings::ServerSettings;
use connegd::webroot::{Mapped, check};

use crate::support::{Server, Workshop};

/// What Chrome says of a page.
const CHROME: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
                      application/signed-exchange;v=b3;q=0.7";

/// Pages that others link to before they are written.
const COMING: [&str; 0] = [];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of `docs` that are pages, sorted.
fn pages() -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("docs")).expect("docs");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a page in Markdown, and of each whether it is text: not a block of code, nor its fences.
fn lines(page: &str) -> Vec<(&str, bool)> {
    let mut fence = 0;
    let mut lines = Vec::new();
    for line in page.lines() {
        let backticks = line.bytes().take_while(|&byte| byte == b'`').count();
        let was_text = fence == 0;
        if was_text && backticks >= 3 {
            fence = backticks;
        } else if !was_text && backticks >= fence && line.len() == backticks {
            fence = 0;
        }
        lines.push((line, was_text && fence == 0));
    }
    assert_eq!(fence, 0, "a block of code does not end");
    lines
}

/// `text` without what stands between backticks, which stay.
fn without_code(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some(start) = rest.find('`') {
        let length = rest[start..].bytes().take_while(|&byte| byte == b'`').count();
        let (before, behind) = rest.split_at(start + length);
        kept += before;
        // What is not closed is no code.
        rest = behind.find(&before[start..]).map_or(behind, |end| &behind[end..][length..]);
    }
    kept + rest
}

/// Where the links and images of a page lead to.
fn links(page: &str) -> Vec<String> {
    let text: Vec<_> = lines(page).into_iter().filter(|(_, is_text)| *is_text).map(|(line, _)| line).collect();
    let text = without_code(&text.join("\n"));
    text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap_or_default().to_string()).collect()
}

/// The anchors of a page's headings, as code-hosting sites make them: letters and digits in lower case, hyphens for
/// blanks, nothing else; of equal ones the second gets `-1`.
fn anchors(page: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (line, is_text) in lines(page) {
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if !is_text || !(1..=6).contains(&level) || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let numbered = (1..).map(|number| format!("{anchor}-{number}"));
        let free = std::iter::once(anchor.clone()).chain(numbered).find(|one| !anchors.contains(one));
        anchors.extend(free);
    }
    anchors
}

/// What is wrong with the links of the page at `path`.
fn broken_links(path: &Path) -> Vec<String> {
    let page = read(path);
    let mut broken = Vec::new();
    for link in links(&page) {
        if link.starts_with("https://") || link.starts_with("http://") {
            continue;
        }
        let (file, anchor) = link.split_once('#').map_or((&link[..], None), |(file, anchor)| (file, Some(anchor)));
        let target = if file.is_empty() { path.to_path_buf() } else { path.parent().expect("a directory").join(file) };
        let is_coming = COMING.iter().any(|page| root().join(page) == target);
        let wrong = match anchor {
            _ if file.starts_with('/') => Some("it begins with a slash, which is another place on each server"),
            _ if !target.is_file() => (!is_coming).then_some("there is no such file"),
            Some(anchor) if !anchors(&read(&target)).iter().any(|one| one == anchor) => {
                Some("there is no such heading")
            }
            _ => None,
        };
        broken.extend(wrong.map(|wrong| format!("{}: {link}: {wrong}", path.display())));
    }
    broken
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let mut looked_at = 0;
    let others = ["README.md", "benches/README.md"].map(|page| root().join(page));
    let broken: Vec<_> = pages()
        .iter()
        .chain(&others)
        .inspect(|page| looked_at += links(&read(page)).len())
        .flat_map(|page| broken_links(page))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(looked_at > 80, "{looked_at} links are few");
}

#[test]
fn a_broken_link_would_be_noticed() {
    let workshop = Workshop::with_site(&[("other.md", b"# A heading, `code` & more\n# Twice\n## Twice\n")]).and(
        "page.md",
        "# Here\n[a](other.md) [b](other.md#a-heading-code--more) [c](#here) ![d](other.md#twice-1)\n[wrapped\ntext](gone.md)\n\
         `[code](none.md)` [e](https://example.org/none) [f](other.md#twice-2) [g](#there) [h](/other.md) [i](other)\n\
         ````\n```\n[j](none.md)\n# There\n````\n",
    );
    let page = workshop.site().join("page.md");
    let broken = broken_links(&page);
    let shown: Vec<_> = broken.iter().filter_map(|line| line.rsplit("/page.md: ").next()).collect();
    let expected = [
        "gone.md: there is no such file",
        "other.md#twice-2: there is no such heading",
        "#there: there is no such heading",
        "/other.md: it begins with a slash, which is another place on each server",
        "other: there is no such file",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn the_index_lists_every_page() {
    let listed = links(&read(&root().join("docs/index.md")));
    for page in pages() {
        let name = page.file_name().expect("a name").to_str().expect("UTF-8");
        assert!(name == "index.md" || listed.iter().any(|link| link == name), "docs/index.md does not list {name}");
    }
}

#[test]
fn connegd_serves_its_own_pages_without_extensions() {
    let server = Server::start(&root().join("docs"));
    let index = read(&root().join("docs/index.md"));
    let names: Vec<_> = links(&index).into_iter().filter(|link| !link.starts_with("..")).collect();
    assert!(names.len() > 12, "{names:?}");
    let listed = names.iter().map(|file| (format!("/{}", file.strip_suffix(".md").expect("a page")), file.as_str()));
    for (target, file) in listed.chain([("/".into(), "index.md")]) {
        let path = root().join("docs").join(file);
        if !path.exists() && COMING.contains(&&*format!("docs/{file}")) {
            continue;
        }
        for accept in [CHROME, "Accept: text/markdown, text/html, */*", "Accept: */*"] {
            let response = server.get(&target, &[accept]);
            assert_eq!(response.status, 200, "{target}");
            assert_eq!(response.field("Content-Type"), Some("text/markdown; charset=utf-8"), "{target}");
            assert_eq!(response.field("Content-Location"), Some(file), "{target}");
            assert!(response.content == fs::read(&path).expect("a page"), "{target} is not {file}");
        }
        // As the links have it.
        assert_eq!(server.get(&format!("/{file}"), &[CHROME]).status, 200, "{file}");
    }
}

/// The settings in blocks of TOML, each with the line of its fence.
fn settings(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut inside = false;
    for (number, (line, is_text)) in (1..).zip(lines(page)) {
        if line == "```toml" && !inside {
            inside = true;
            blocks.push((number, String::new()));
        } else if is_text || line.starts_with("```") {
            inside = false;
        } else if let Some((_, block)) = blocks.last_mut().filter(|_| inside) {
            *block += line;
            *block += "\n";
        }
    }
    blocks
}

/// What is wrong with `block` as settings of a site, and as settings of the server; nothing if it is one of both.
fn complaint(block: &str) -> Option<String> {
    let of_site = Config::default().refined(block, Path::new(".mkroot.toml"), b"/").err()?;
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), block).expect("a file");
    let arguments = ["connegd", "--config", file.path().to_str().expect("UTF-8"), "x.webroot"];
    let of_server = ServerSettings::of(&Connegd::try_parse_from(arguments).expect("arguments")).err()?;
    Some(format!("{of_site}\n{of_server}"))
}

#[test]
fn every_example_of_settings_is_right() {
    for page in pages() {
        let content = read(&page);
        let blocks = settings(&content);
        assert_eq!(blocks.len(), content.lines().filter(|line| *line == "```toml").count(), "{}", page.display());
        for (line, block) in blocks {
            if let Some(complaint) = complaint(&block) {
                panic!(
                    "{}:{line}: these are settings neither of a site nor of the server\n{complaint}",
                    page.display()
                );
            }
        }
    }
    for page in ["apache.md", "nginx.md", "getting-started.md", "site-settings.md"] {
        assert!(!settings(&read(&root().join("docs").join(page))).is_empty(), "{page} has no example");
    }
    assert!(complaint("[negotiation]\npolicy = \"modem\"\n").is_some());
    assert!(complaint("workers = 2\n[limits]\nmax-head = 100\n").is_none());
}

#[test]
fn the_tour_of_the_format_shows_what_its_webroot_has() {
    let path = root().join("fixtures/webroots/tour.webroot");
    let mapped = Mapped::open(&path).expect("a webroot of the present format");
    assert!(check::verify(&mapped.webroot()).is_empty());
    let webroot = fs::read(&path).expect("a webroot");
    let page = read(&root().join("docs/webroot.md"));
    assert!(page.contains(&format!("It has {} bytes", webroot.len())));
    let mut rows = 0;
    for line in page.lines() {
        let Some((offset, row)) = line.split_once(": ").filter(|(offset, _)| offset.len() == 8) else { continue };
        let Ok(offset) = usize::from_str_radix(offset, 16) else { continue };
        let shown = row.split("  ").next().unwrap_or_default().replace(' ', "");
        let bytes = webroot.get(offset..offset + shown.len() / 2).unwrap_or_default();
        assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), shown, "{line}");
        rows += 1;
    }
    assert!(rows > 30, "{rows} rows are few");
}

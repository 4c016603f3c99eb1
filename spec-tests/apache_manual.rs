//! A real site: the manual of Apache httpd, some 240 pages in up to eleven languages and three charsets, which its
//! authors serve with type maps. Whoever asks for a page must get from connegd what they get from Apache.
//!
//! Needs Apache and the manual. `spec-tests/apache-manual.sh` gets the manual; the environment variable
//! `CONNEGD_APACHE_MANUAL` says where it is. Without one of them the test is skipped, and says so.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use crate::support::apache_server::Apache;
use crate::support::{Connection, Response, Server, Workshop, head, mkroot, text};

/// Where the package installs it.
const INSTALLED: &str = "/usr/share/doc/apache2-doc/manual";

/// The manual's languages, in the order in which its authors prefer them.
const LANGUAGES: [&str; 11] = ["en", "da", "de", "es", "fr", "ja", "ko", "pt-br", "ru", "tr", "zh-cn"];

/// Its charsets, and by which extension the name of a file tells them. ISO-8859-1 goes without saying.
const CHARSETS: [(&str, &str); 2] = [("UTF-8", "utf8"), ("EUC-KR", "euc-kr")];

/// What browsers and programs send as Accept-Language; `None` is no such field.
const READERS: [Option<&str>; 24] = [
    None,
    Some("en-US,en;q=0.9"),
    Some("en-GB,en-US;q=0.9,en;q=0.8"),
    Some("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"),
    Some("de-AT"),
    Some("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"),
    Some("fr-FR,en-US;q=0.8,de;q=0.8"),
    Some("es-419,es"),
    Some("es-MX,es;q=0.9,en-US;q=0.8"),
    Some("pt-BR,pt;q=0.9"),
    Some("pt-PT,pt;q=0.8,en;q=0.5,en-US;q=0.3"),
    Some("ja,en-US;q=0.9"),
    Some("ko-KR"),
    Some("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"),
    Some("zh-TW"),
    Some("zh-CN,zh;q=0.9"),
    Some("zh-Hans-CN,zh-CN;q=0.9,en;q=0.1"),
    Some("tr"),
    Some("tr-TR,tr;q=0.9,ru;q=0.9"),
    Some("ru,uk;q=0.8,en;q=0"),
    Some("da, en-gb;q=0.8"),
    Some("sw, mi-NZ;q=0.5"),
    Some("*"),
    Some(""),
];

/// What has to agree besides status and content.
const FIELDS: [&str; 5] = ["Content-Type", "Content-Language", "Content-Location", "Vary", "TCN"];

#[test]
fn every_page_in_every_language_is_as_apache_serves_it() {
    let Some(manual) = manual() else { return };
    let workshop = Workshop::with_site(&[]);
    let pages = lay_out(&manual, &workshop);
    workshop.write(".mkroot.toml", settings().as_bytes());
    let packed = mkroot(&[Path::new("--negotiate"), &workshop.site(), &workshop.out()]);
    assert!(packed.status.success(), "mkroot: {}", text(&packed.stderr));
    let connegd = Server::start(&workshop.out());
    let apache = Apache::start(&workshop.site(), &directives());

    let targets: Vec<_> = pages.iter().flat_map(|page| targets(page)).collect();
    let differences: Vec<_> = READERS
        .par_iter()
        .flat_map_iter(|reader| {
            let (mut ours, mut theirs) = (connegd.connect(), apache.connect());
            let fields = reader.map(|languages| format!("Accept-Language: {languages}"));
            let workshop = &workshop;
            targets.iter().filter_map(move |target| {
                let expected = get(&mut theirs, target, fields.as_deref());
                let got = get(&mut ours, target, fields.as_deref());
                let (expected, got) = (shown(&expected, target, workshop), shown(&got, target, workshop));
                let asked = fields.as_deref().unwrap_or("no Accept-Language");
                (expected != got).then(|| format!("{target}  {asked}\n  Apache   {expected}\n  connegd  {got}"))
            })
        })
        .collect();
    let count = differences.len();
    let asked = targets.len() * READERS.len();
    let first = differences.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(count == 0, "{count} of {asked} answers differ, the first:\n{first}\n");
}

/// The manual's directory, if there is one and an Apache to compare with.
fn manual() -> Option<PathBuf> {
    let manual = std::env::var_os("CONNEGD_APACHE_MANUAL").map_or_else(|| INSTALLED.into(), PathBuf::from);
    let missing = if !Apache::is_installed() {
        "there is no Apache"
    } else if !manual.join("en/index.html").exists() {
        "there is no manual; spec-tests/apache-manual.sh gets it"
    } else {
        return Some(manual);
    };
    // Written past the test runner, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED apache_manual: {missing}");
    None
}

/// Makes the site as the manual's authors have it from what Debian's package holds. There every language has a
/// directory of its own, with links where a page is not translated. The authors have the translations of a page side
/// by side, as `page.html.LANGUAGE` or `page.html.LANGUAGE.CHARSET`, and a type map `page.html` that lists them.
/// Returns the paths of the maps.
fn lay_out(manual: &Path, workshop: &Workshop) -> Vec<String> {
    let mut maps: BTreeMap<String, String> = BTreeMap::new();
    for language in LANGUAGES {
        let directory = manual.join(language);
        for entry in WalkDir::new(&directory).sort_by_file_name() {
            let entry = entry.expect("the manual can be read");
            let page = entry.path().strip_prefix(&directory).expect("it is inside").to_str().expect("UTF-8");
            // A link is a page that is not translated.
            if !entry.file_type().is_file() || !page.ends_with(".html") {
                continue;
            }
            let content = fs::read(entry.path()).expect("a page");
            let charset = charset(&content).unwrap_or_else(|| panic!("{language}/{page}: of what charset?"));
            let mut variant = format!("{page}.{language}");
            if let Some((_, extension)) = CHARSETS.iter().find(|(known, _)| *known == charset) {
                variant = format!("{variant}.{extension}");
            }
            workshop.write(&variant, &content);
            let name = variant.rsplit('/').next().unwrap_or_default();
            *maps.entry(page.to_string()).or_default() +=
                &format!("URI: {name}\nContent-Language: {language}\nContent-type: text/html; charset={charset}\n\n");
        }
    }
    for (page, map) in &maps {
        workshop.write(page, map.as_bytes());
    }
    let pages: Vec<_> = maps.into_keys().collect();
    assert!(pages.len() > 200, "the manual has only {} pages", pages.len());
    pages
}

/// The charset that a page says it has.
fn charset(page: &[u8]) -> Option<String> {
    let start = text(&page[..page.len().min(1000)]);
    let value = start.split_once("; charset=")?.1;
    Some(value.split_once('"')?.0.to_string())
}

/// How a page can be asked for: by the name of its map, without extension, and as its directory.
fn targets(page: &str) -> Vec<String> {
    let path = format!("/{page}");
    let bare = path.trim_end_matches(".html").to_string();
    let directory = bare.strip_suffix("/index").map(|directory| format!("{directory}/"));
    [path, bare].into_iter().chain(directory).collect()
}

/// connegd's settings.
fn settings() -> String {
    let languages: String = LANGUAGES.iter().map(|language| format!("{language} = \"{language}\"\n")).collect();
    let charsets: String = CHARSETS.iter().map(|(name, extension)| format!("{extension} = \"{name}\"\n")).collect();
    format!(
        "[negotiation]\npolicy = \"apache\"\nbuiltin-extensions = false\ntransparent = true\n\
         language-priority = {LANGUAGES:?}\nforce-language-priority = [\"prefer\", \"fallback\"]\n\
         directory-index = [\"index.html\"]\ntype-maps = [\"?*.html\"]\n\
         [types]\nhtml = \"text/html\"\n[languages]\n{languages}[charsets]\n{charsets}"
    )
}

/// The same for Apache.
fn directives() -> String {
    let languages: String = LANGUAGES.iter().map(|language| format!("AddLanguage {language} .{language}\n")).collect();
    let charsets: String =
        CHARSETS.iter().map(|(name, extension)| format!("AddCharset {name} .{extension}\n")).collect();
    format!(
        "Options MultiViews\nAddType text/html .html\n{languages}{charsets}DirectoryIndex index.html\n\
         LanguagePriority {}\nForceLanguagePriority Prefer Fallback\n\
         <Files \"*.html\">\nSetHandler type-map\n</Files>",
        LANGUAGES.join(" ")
    )
}

fn get(connection: &mut Connection, target: &str, field: Option<&str>) -> Response {
    connection.send(head("GET", target, field.as_slice()));
    connection.receive(false)
}

/// A response as one line: status, the file whose content it has, and fields. What a server writes itself when it has
/// nothing to send is its own affair.
fn shown(response: &Response, target: &str, workshop: &Workshop) -> String {
    if response.status != 200 {
        return response.status.to_string();
    }
    let directory = target.rsplit_once('/').map_or("", |(directory, _)| directory).trim_start_matches('/');
    let location = response.field("Content-Location").unwrap_or_default();
    let content = match fs::read(workshop.site().join(directory).join(location)) {
        Ok(content) if content == response.content => format!("content of {location}"),
        _ => format!("{} other bytes, {}", response.content.len(), blake3::hash(&response.content).to_hex()),
    };
    let fields = FIELDS.map(|name| response.field(name).unwrap_or("-").to_ascii_lowercase().replace(", ", ","));
    format!("200 {content} [{}]", fields.join(" | "))
}

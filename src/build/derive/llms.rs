//! `/llms.txt` and `/llms-full.txt`: what a site has to say, for language models (llmstxt.org).

use std::fmt::Write;

use url::Url;

use super::front_matter::FrontMatter;
use super::settings::url_of;
use super::text::one_line;
use crate::build::group::escaped;
use crate::build::walk::directory_of;

/// How long `llms-full.txt` may be, in bytes: nobody reads more at once.
pub const MOST: usize = 32 << 20;

/// A page that there is in Markdown.
pub struct Page {
    /// The key under which it is Markdown, whatever is asked for.
    pub key: Vec<u8>,
    /// The number of the file.
    pub file: usize,
    /// What stands before it.
    pub front_matter: FrontMatter,
    /// What comes then, if it is known.
    pub text: Option<String>,
}

impl Page {
    /// A file of the author's.
    pub fn of_author(key: &[u8], file: usize, markdown: &str) -> Page {
        let (mut front_matter, text) = FrontMatter::of(markdown);
        if front_matter.title.is_none() {
            let heading = text.lines().find_map(|line| line.strip_prefix("# "));
            front_matter.title = heading.map(|heading| heading.trim_matches([' ', '#']).to_string());
        }
        Page { key: key.to_vec(), file, front_matter, text: Some(text.to_string()) }
    }

    /// By what pages are sorted: those of the root first, then by directory and name; an index is the first of its directory.
    pub fn order(&self) -> (&[u8], bool, &[u8]) {
        let directory = directory_of(&self.key);
        let name = &self.key[directory.len()..];
        (directory, !name.starts_with(b"index."), name)
    }

    fn title(&self) -> String {
        let title = self.front_matter.title.clone();
        title.unwrap_or_else(|| String::from_utf8_lossy(&self.key).into_owned())
    }

    fn reference(&self, url: Option<&Url>) -> String {
        match url {
            Some(root) => url_of(root, &self.key).into(),
            None => String::from_utf8_lossy(&escaped(&self.key)).into_owned(),
        }
    }

    /// The first segment of its path, if it lies in a directory.
    fn section(&self) -> Option<String> {
        let path = self.key.strip_prefix(b"/").unwrap_or(&self.key);
        let slash = path.iter().position(|&byte| byte == b'/')?;
        Some(String::from_utf8_lossy(&path[..slash]).into_owned())
    }

    fn is_index_of_site(&self) -> bool {
        self.section().is_none() && !self.order().1
    }
}

/// The list of all pages, which are sorted, and there always is one: title and description of the site, then links, by the directories of its root.
pub fn short(pages: &[Page], url: Option<&Url>) -> Option<String> {
    let home = pages.iter().find(|page| page.is_index_of_site());
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# {}\n", one_line(&home.map_or_else(|| site_name(url), Page::title)));
    if let Some(description) = home.and_then(|page| page.front_matter.description.as_ref()) {
        let _ = writeln!(out, "> {}\n", one_line(description));
    }
    let mut current = None;
    for page in pages {
        let section = page.section().unwrap_or_else(|| "Pages".into());
        if current.as_ref() != Some(&section) {
            let before = if current.is_some() { "\n" } else { "" };
            let _ = writeln!(out, "{before}## {}\n", one_line(&section));
            current = Some(section);
        }
        let _ = write!(out, "- [{}]({})", one_line(&page.title()).replace(['[', ']'], ""), page.reference(url));
        match &page.front_matter.description {
            Some(description) => drop(writeln!(out, ": {}", one_line(description))),
            None => out.push('\n'),
        }
    }
    Some(out)
}

/// All pages, one behind the other, if their texts are known and not too long together.
pub fn full(pages: &[Page], url: Option<&Url>) -> Option<String> {
    let length: usize = pages.iter().map(|page| page.text.as_ref().map(String::len)).sum::<Option<usize>>()?;
    if length > MOST {
        return None;
    }
    let mut out = String::with_capacity(length + pages.len() * 100);
    for page in pages {
        let text = page.text.as_deref().unwrap_or_default().trim();
        if !out.is_empty() {
            out.push_str("\n---\n\n");
        }
        let title = page.title();
        // What begins with its title says it.
        if !text.starts_with("# ") {
            let _ = writeln!(out, "# {}\n", one_line(&title));
        }
        let _ =
            writeln!(out, "Source: {}\n\n{text}", page.front_matter.url.clone().unwrap_or_else(|| page.reference(url)));
    }
    Some(out)
}

fn site_name(url: Option<&Url>) -> String {
    url.and_then(Url::host_str).unwrap_or("This site").to_string()
}

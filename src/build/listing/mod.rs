//! Directory listings: a page for a directory at which nothing else answers, as HTML, JSON and Markdown.
//!
//! What stands in it is known from the tree and from packing; no file is read for it. This file finds out which
//! directories are listed, and what is in each; `html`, `json` and `markdown` write a page down, and are pure.

mod html;
mod json;
mod markdown;
mod order;
mod shown;

use std::collections::{HashMap, HashSet};

use super::config::Configs;
use super::paths::Leads;
use super::site::Site;
use super::walk::{last_segment, parent};
use crate::http::escape;
use crate::resource::{Policy, Variant};

/// A form of a listing.
pub struct Form {
    /// The name that it has instead of a file's. Dot files are not served, so no file has it.
    pub name: &'static str,
    /// Content-Type.
    pub content_type: &'static str,
    media_type: &'static str,
    /// The charset that the type tells.
    charset: Option<&'static str>,
    /// Writes a page down.
    pub render: fn(&Page<'_>) -> String,
}

/// The forms, in scan order; the first is the one for people.
pub const FORMS: [Form; 3] = [
    Form {
        name: ".listing.html",
        content_type: "text/html; charset=utf-8",
        media_type: "text/html",
        charset: Some("utf-8"),
        render: html::render,
    },
    Form {
        name: ".listing.json",
        content_type: "application/json",
        media_type: "application/json",
        charset: None,
        render: json::render,
    },
    Form {
        name: ".listing.md",
        content_type: "text/markdown; charset=utf-8",
        media_type: "text/markdown",
        charset: Some("utf-8"),
        render: markdown::render,
    },
];

impl Form {
    /// This form, of `length` bytes, as selection will see it. JSON is UTF-8 without saying so, which Apache would not
    /// know.
    pub fn variant(&self, length: usize, policy: Policy) -> Variant<'static> {
        let charset = if policy == Policy::Modern { Some("utf-8") } else { self.charset };
        Variant {
            charset: charset.map(str::as_bytes),
            ..Variant::of_type(self.name.as_bytes(), self.media_type.as_bytes(), length as u64)
        }
    }
}

/// What a listing shows.
pub struct Page<'a> {
    /// The key of the directory.
    pub directory: &'a [u8],
    /// The directories that it lies in, the root first, and whether something answers there.
    ancestors: Vec<(&'a [u8], bool)>,
    /// Directories, then files, each in natural order.
    entries: Vec<Entry<'a>>,
}

/// What lies in a directory.
struct Entry<'a> {
    name: &'a [u8],
    /// When it was last changed, in seconds since 1970: a directory, when the newest file below it was.
    modified: Option<u64>,
    /// What is known of a file; `None` for a directory.
    file: Option<File<'a>>,
}

struct File<'a> {
    /// In bytes.
    length: u64,
    media_type: Option<&'a str>,
    /// Joined by `,`.
    languages: Option<&'a str>,
    /// Joined by `", "`.
    codings: Option<&'a str>,
}

impl Page<'_> {
    /// Whether there is a parent directory, and something answers there.
    fn has_parent(&self) -> bool {
        self.ancestors.last().is_some_and(|(_, answers)| *answers)
    }

    fn directories_and_files(&self) -> (usize, usize) {
        let files = self.entries.iter().filter(|entry| entry.file.is_some()).count();
        (self.entries.len() - files, files)
    }

    /// The lengths of all files together, in bytes.
    fn length(&self) -> u64 {
        self.entries.iter().filter_map(|entry| entry.file.as_ref()).map(|file| file.length).sum()
    }
}

impl Entry<'_> {
    /// A reference from the directory's own URL. A name can neither become another scheme, nor another server.
    fn reference(&self) -> String {
        let mut reference = escape::sibling_reference(self.name);
        if self.file.is_none() {
            reference.push(b'/');
        }
        String::from_utf8_lossy(&reference).into_owned()
    }

    /// What kind of thing it is, in words.
    fn kind(&self) -> String {
        let Some(file) = &self.file else { return "directory".into() };
        let parts = [file.media_type, file.languages, file.codings];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The listings of a site.
pub struct Listings<'a> {
    site: &'a Site<'a>,
    /// The directories that are listed, in the order of the tree.
    directories: Vec<&'a [u8]>,
    contents: HashMap<&'a [u8], Contents<'a>>,
    /// The directories at which something answers.
    answering: HashSet<&'a [u8]>,
    /// Of each directory, when the newest file below it was changed.
    newest: HashMap<&'a [u8], u64>,
}

/// What lies in a directory and is shown.
#[derive(Default)]
struct Contents<'a> {
    directories: Vec<&'a [u8]>,
    files: Vec<usize>,
}

impl<'a> Listings<'a> {
    /// The listings that the author wants; `answers` tells of a directory whether it has an index. Takes time linear in
    /// the size of the tree, and none if nothing is listed.
    pub fn of(site: &'a Site<'a>, configs: &'a Configs, answers: impl Fn(&[u8]) -> bool) -> Listings<'a> {
        let elsewhere = Elsewhere::of(configs);
        let is_listed = |directory: &&[u8]| {
            let wanted = configs.get(directory).listed.iter().any(|listed| listed.contain(directory));
            wanted && !answers(directory) && !elsewhere.takes(directory)
        };
        let all = || site.tree.directories.iter().map(Vec::as_slice);
        let directories: Vec<_> = all().filter(is_listed).collect();
        let contents: HashMap<_, _> = directories.iter().map(|&directory| (directory, Contents::default())).collect();
        let mut listings = Listings { site, directories, contents, answering: HashSet::new(), newest: HashMap::new() };
        if listings.directories.is_empty() {
            return listings;
        }
        let answers_now = |directory: &&[u8]| match elsewhere.paths.get(directory) {
            Some(leads) => *leads,
            None => answers(directory) || listings.contents.contains_key(directory),
        };
        listings.answering = all().filter(answers_now).collect();
        listings.newest = newest(site);
        listings.fill(configs, &elsewhere);
        listings
    }

    /// Puts into each listing what lies in its directory: nothing that is hidden, and nothing whose link would lead
    /// nowhere.
    fn fill(&mut self, configs: &Configs, elsewhere: &Elsewhere<'_>) {
        let hides =
            |directory: &[u8], key: &[u8]| configs.get(directory).unlisted.iter().any(|files| files.contain(key));
        for directory in &self.site.tree.directories {
            let Some(parent) = parent(directory) else { continue };
            let Some(contents) = self.contents.get_mut(parent) else { continue };
            let hidden = hides(parent, &directory[..directory.len() - 1]);
            if !hidden && self.answering.contains(&directory[..]) {
                contents.directories.push(directory);
            }
        }
        for (number, file) in self.site.tree.files.iter().enumerate() {
            let Some(contents) = self.contents.get_mut(file.directory()) else { continue };
            // What is redirected is not what would be shown of it.
            if !hides(file.directory(), &file.key) && !elsewhere.paths.contains_key(&file.key[..]) {
                contents.files.push(number);
            }
        }
    }

    /// The pages, one after the other: all of them at once may be much longer than the tree.
    pub fn pages(&self) -> impl Iterator<Item = Page<'a>> {
        self.directories.iter().map(|directory| self.page(directory))
    }

    fn page(&self, directory: &'a [u8]) -> Page<'a> {
        let mut ancestors: Vec<_> = std::iter::successors(parent(directory), |directory| parent(directory))
            .map(|directory| (directory, self.answering.contains(directory)))
            .collect();
        ancestors.reverse();
        let contents = &self.contents[directory];
        let mut directories: Vec<_> = contents.directories.iter().map(|key| self.directory(key)).collect();
        let mut files: Vec<_> = contents.files.iter().map(|&number| self.file(number)).collect();
        let by_name = |a: &Entry<'_>, b: &Entry<'_>| order::natural(a.name, b.name);
        directories.sort_unstable_by(by_name);
        files.sort_unstable_by(by_name);
        directories.append(&mut files);
        Page { directory, ancestors, entries: directories }
    }

    fn directory(&self, key: &'a [u8]) -> Entry<'a> {
        Entry { name: last_segment(key), modified: self.newest.get(key).copied(), file: None }
    }

    fn file(&self, number: usize) -> Entry<'a> {
        let known = &self.site.files[number];
        // They come from tables and settings, which are UTF-8.
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty());
        let metadata = &known.metadata;
        let file = File {
            length: known.length,
            media_type: metadata.content_type.as_ref().and_then(|known| text(&known.media_type)),
            languages: metadata.languages.as_deref().and_then(text),
            codings: metadata.codings.as_deref().and_then(text),
        };
        Entry { name: self.site.tree.files[number].name(), modified: known.modified, file: Some(file) }
    }
}

/// Paths that the author leads elsewhere.
struct Elsewhere<'a> {
    /// Single paths, and whether they lead anywhere.
    paths: HashMap<&'a [u8], bool>,
    /// Those below which all that is not there leads elsewhere.
    below: HashSet<&'a [u8]>,
}

impl<'a> Elsewhere<'a> {
    fn of(configs: &'a Configs) -> Elsewhere<'a> {
        let (below, single): (Vec<_>, Vec<_>) = configs.redirects().partition(|redirect| redirect.below);
        Elsewhere {
            paths: single.iter().map(|path| (&path.key[..], matches!(path.leads, Leads::To(..)))).collect(),
            below: below.iter().map(|redirect| &redirect.key[..]).collect(),
        }
    }

    /// Whether a directory without an index leads elsewhere.
    fn takes(&self, directory: &[u8]) -> bool {
        let mut above = std::iter::successors(Some(directory), |directory| parent(directory));
        self.paths.contains_key(directory) || above.any(|directory| self.below.contains(directory))
    }
}

/// Of each directory, when the newest file below it was changed. What the file system says of a directory itself tells
/// when something was last created or removed in it, temporary files included.
fn newest<'a>(site: &'a Site<'_>) -> HashMap<&'a [u8], u64> {
    let mut newest: HashMap<&[u8], u64> = HashMap::new();
    let raise = |newest: &mut HashMap<&'a [u8], u64>, directory: &'a [u8], seconds: u64| {
        let known = newest.entry(directory).or_insert(seconds);
        *known = seconds.max(*known);
    };
    for (file, known) in site.tree.files.iter().zip(site.files) {
        if let Some(modified) = known.modified {
            raise(&mut newest, file.directory(), modified);
        }
    }
    // Each directory comes before those in it.
    for directory in site.tree.directories.iter().rev() {
        if let (Some(parent), Some(&seconds)) = (parent(directory), newest.get(&directory[..])) {
            raise(&mut newest, parent, seconds);
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of `/d é/e/` with these entries.
    pub fn page(entries: Vec<Entry<'static>>) -> Page<'static> {
        Page { directory: "/d é/e/".as_bytes(), ancestors: vec![(b"/", false), ("/d é/".as_bytes(), true)], entries }
    }

    /// A file of 1234 bytes that was changed at a well-known time.
    pub fn file(name: &'static [u8]) -> Entry<'static> {
        let file = File { length: 1234, media_type: Some("text/plain"), languages: None, codings: Some("gzip") };
        Entry { name, modified: Some(784_111_777), file: Some(file) }
    }

    pub fn directory(name: &'static [u8]) -> Entry<'static> {
        Entry { name, modified: None, file: None }
    }

    #[test]
    fn references_stay_where_they_are() {
        for (name, expected) in [
            (&b"javascript:alert(1)"[..], "./javascript:alert(1)"),
            (b"http:", "./http:"),
            (b"a b?c#d%e&f", "a%20b%3fc%23d%25e&f"),
            (b"\\x", "%5cx"),
            (b"-\n\xff\"<", "-%0a%ff%22%3c"),
        ] {
            assert_eq!(file(name).reference(), expected);
            assert_eq!(directory(name).reference(), format!("{expected}/"));
        }
    }
}

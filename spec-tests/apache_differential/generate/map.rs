//! Random type maps: records of real and broken headers about the files of a site, and some more.

use super::site::Vocabulary;
use super::{MAP_BASES, TYPES, random_case, type_parameter};
use crate::apache_differential::case::{Site, split};
use crate::support::random::Random;

/// The lines of the type map at `path`.
pub fn lines(random: &mut Random, vocabulary: &Vocabulary, path: &str, site: &Site) -> Vec<String> {
    let end = if random.percent(12) { "\r\n" } else { "\n" };
    let directory = split(path).0;
    let mut author = Author { random, vocabulary, directory, site, end, lines: Vec::new() };
    if author.random.percent(80) {
        author.write(&format!("# [{path}]")); // no two maps are the same
    }
    for _ in 0..author.random.pick(&[0, 1, 2, 2, 3, 3, 4, 5]) {
        author.record();
        if author.random.percent(95) {
            let blank = author.random.pick(&["", "", "", " \t"]);
            author.write(blank);
        }
    }
    let Author { random, mut lines, .. } = author;
    // Sometimes something goes wrong.
    if random.percent(6) {
        let wrong = ["bogus", "URI:", "Content-Language: \n", "X-Other: y", "Content-Length: 12x", " indented: x"];
        lines.insert(random.below(lines.len() + 1), format!("{}\n", random.pick(&wrong)));
    }
    if random.percent(15)
        && let Some(last) = lines.last_mut()
    {
        last.truncate(last.trim_end().len());
    }
    lines
}

struct Author<'a> {
    random: &'a mut Random,
    vocabulary: &'a Vocabulary,
    directory: &'a str,
    site: &'a Site,
    end: &'static str,
    lines: Vec<String>,
}

impl Author<'_> {
    fn write(&mut self, text: &str) {
        self.lines.extend(text.split('\n').map(|line| format!("{line}{}", self.end)));
    }

    fn record(&mut self) {
        let has_body = self.random.percent(9);
        let mut headers = Vec::new();
        for (chance, name, value) in [
            (if has_body { 10 } else { 99 }, "URI", Self::uri as fn(&mut Self) -> String),
            (92, "Content-Type", Self::media_type),
            (if self.vocabulary.languages.is_empty() { 0 } else { 65 }, "Content-Language", Self::languages),
            (25, "Content-Encoding", Self::coding),
            (25, "Content-Length", |author| author.random.pick(&["10", "40", "41", "0", "40 ", "007"]).to_string()),
            (10, "Description", |_| "\"some (old) text\"".to_string()),
        ] {
            if self.random.percent(chance) {
                headers.push((name, value(self)));
            }
            if chance > 0 && self.random.percent(1) {
                headers.push((name, value(self)));
            }
        }
        if self.random.percent(20) {
            self.random.shuffle(&mut headers);
        }
        for (name, value) in headers {
            if self.random.percent(5) {
                self.write("# a remark");
            }
            let name = random_case(self.random, name, 5);
            let colon = if self.random.percent(1) {
                " : "
            } else {
                self.random.pick(&[": ", ": ", ": ", ": ", ": ", ":", ":\n ", ":  (note) "])
            };
            let more =
                if self.random.percent(92) { "" } else { self.random.pick(&[" (note)", "\n more", " # no remark"]) };
            self.write(&format!("{name}{colon}{value}{more}"));
        }
        if has_body {
            self.body();
        }
    }

    fn body(&mut self) {
        let tag = self.random.pick(&["----x----", "END", "<!-- -->"]);
        let space = self.random.pick(&["", " "]);
        self.write(&format!("Body:{space}{tag}"));
        let number = self.random.below(10);
        self.write(&format!("{space}hello {number}"));
        if self.random.percent(30) {
            self.write("URI: no\n");
        }
        if self.random.percent(3) {
            // About as much as Apache reads.
            let length = self.random.between(8150, 8200);
            self.write(&"x".repeat(length));
        }
        if self.random.percent(95) {
            let (before, behind) = (self.random.pick(&["", "", "and "]), self.random.pick(&["", "", " cruft"]));
            self.write(&format!("{before}{tag}{behind}"));
        }
    }

    fn uri(&mut self) -> String {
        // We have no files whose names begin with a dot.
        let files = self.site.files.keys().map(String::as_str).filter(|path| !split(path).1.starts_with('.'));
        let files: Vec<_> = files.chain(["none.html"]).collect();
        let beside: Vec<_> = files.iter().copied().filter(|path| split(path).0 == self.directory).collect();
        let is_beside = !beside.is_empty() && self.random.percent(80);
        let path = self.random.pick(if is_beside { &beside } else { &files });
        let relative = match path.strip_prefix(self.directory) {
            Some(relative) => relative.to_string(),
            None => "../".repeat(self.directory.matches('/').count()) + path,
        };
        // A space ends it.
        let escaped = relative.replace('%', "%25").replace(' ', "%20");
        let mut uri = if self.random.percent(97) { escaped } else { relative };
        match self.random.below(40) {
            0 => uri.insert(0, '/'),
            1 => uri.insert_str(0, "../"),
            2 => uri += "?q=1",
            3 => uri = "nope.html".to_string(),
            4 => uri = format!("\"{uri}\""),
            5 => uri = uri.replace('h', "%68"),
            // Not to nothing but dots, which is a directory.
            6 | 7 => {
                let name = uri.len() - split(&uri).1.len();
                uri.truncate(uri[name..].rfind('.').map_or(uri.len(), |dot| name + dot));
            }
            8 => uri = format!("{}.var", self.random.pick(&MAP_BASES)),
            // No directories: Apache compares their size on disk, and redirects without saying where (B8).
            9 => uri = "http://localhost/a.html".to_string(),
            10 => uri = uri.split('.').next().unwrap_or_default().to_string(),
            11 => uri.insert_str(0, "./"),
            _ => {}
        }
        // A header without a value is another matter.
        if uri.is_empty() { "x.html".to_string() } else { uri }
    }

    fn media_type(&mut self) -> String {
        let types = if self.random.percent(85) { &self.vocabulary.types[..] } else { &TYPES };
        let mut value = self.random.pick(types).1.to_string();
        if self.random.percent(35) {
            value += self.random.pick(&[";", "; ", " ; ", ";\n  "]);
            value += &type_parameter(self.random);
        }
        random_case(self.random, &value, 8)
    }

    fn languages(&mut self) -> String {
        let mut value = self.random.pick(&self.vocabulary.languages).1.to_string();
        if self.random.percent(15) {
            value += self.random.pick(&[", ", ",", " ", ";", " , "]);
            value += self.random.pick(&self.vocabulary.languages).1;
        }
        if self.random.percent(2) {
            value.push(',');
        }
        value
    }

    fn coding(&mut self) -> String {
        let has_x = self.vocabulary.codings.iter().any(|(_, coding)| coding.to_ascii_lowercase().starts_with("x-"));
        let gzip = if has_x { "x-gzip" } else { "gzip" };
        self.random.pick(&["gzip", gzip, "br", "GZIP", "deflate", "identity", "7bit", "compress, gzip"]).to_string()
    }
}

//! Type maps (`*.var`) → the variants they list (R34-R42).
//!
//! A type map is text: records of headers, parted by blank lines, each of which describes one variant by its
//! URI or by a body that stands in the map itself. The parsing is as tolerant, and as strict, as Apache's.

use std::ops::Range;

use crate::http::grammar::{self, is_space};
use crate::resource::{Level, Policy, Quality};

/// What a type map lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeMap {
    /// The variants, in the order of the map.
    pub entries: Vec<Entry>,
    /// The lines at which records begin that say too little to count (R42).
    pub uncounted: Vec<usize>,
    /// Where and why reading ended before the map did (R40, R41).
    pub ended_early: Option<Fault>,
}

/// A place in a map and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// What is wrong, as a sentence.
    pub what: String,
}

/// One variant in a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Where its record begins, from 1.
    pub line: usize,
    /// The URI as written, which is only a name where there is a body.
    pub uri: Vec<u8>,
    /// Where in the map its body stands.
    pub body: Option<Range<usize>>,
    /// What Content-Type says; without one the variant can never be chosen (R39).
    pub content_type: Option<Type>,
    /// Language tags joined by `,`, if Content-Language is there.
    pub languages: Option<Vec<u8>>,
    /// The content coding, as written, or in lower case: Apache compares what is written (B7).
    pub coding: Option<Vec<u8>>,
    /// The length declared, in bytes.
    pub length: Option<u64>,
    /// What lists say about it.
    pub description: Vec<u8>,
}

/// A Content-Type in a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// `type/subtype` in lower case.
    pub media_type: Vec<u8>,
    /// Its charset, in lower case.
    pub charset: Option<Vec<u8>>,
    /// Its level.
    pub level: Level,
    /// `qs`, or `q`.
    pub source_quality: Quality,
}

impl Type {
    /// What a field value, perhaps with further lines, says. `None` if it is empty.
    pub fn read(value: &[u8]) -> Option<Type> {
        let item = grammar::items(value).next()?;
        let media_type = item.name.to_ascii_lowercase();
        let (mut charset, mut level, mut source_quality) = (None, None, Quality::FULL);
        for (key, value) in item.parameters() {
            if key.eq_ignore_ascii_case(b"charset") {
                charset = Some(value.to_ascii_lowercase()).filter(|charset| !charset.is_empty());
            } else if key.eq_ignore_ascii_case(b"level") {
                level = Some(grammar::atoi(value));
            } else if key.eq_ignore_ascii_case(b"q") || key.eq_ignore_ascii_case(b"qs") {
                source_quality = Quality::parse(value);
            }
        }
        Some(Type { level: Level::of(&media_type, level), media_type, charset, source_quality })
    }
}

/// Longest line, and farthest end tag, in bytes (R41, R49).
const PIECE: usize = 8191;

/// Reads the map that `content` holds; names of codings are put in lower case unless `policy` is Apache's.
///
/// # Errors
///
/// If a header has no colon or no value, which makes Apache answer 500 (R36).
pub fn parse(content: &[u8], policy: Policy) -> Result<TypeMap, Fault> {
    let mut lines = Lines { content, position: 0, line: 1 };
    let mut map = TypeMap::default();
    let mut entry = Entry::default();
    let mut described = false;
    loop {
        let line = lines.line;
        let header = match lines.next_header() {
            None | Some(Header::Blank) => {
                // R42: what has no name or says nothing does not count.
                let finished = std::mem::take(&mut entry);
                if described && (!finished.uri.is_empty() || finished.body.is_some()) {
                    map.entries.push(finished);
                } else if finished.line > 0 {
                    map.uncounted.push(finished.line);
                }
                described = false;
                match header_ended(&lines) {
                    true => return Ok(map),
                    false => continue,
                }
            }
            Some(Header::Text(text)) => text,
        };
        let fault = |what: &str| Fault { line, what: what.to_string() };
        let colon =
            header.iter().position(|&byte| byte == b':').ok_or(fault("expected a header such as `URI: x.html`"))?;
        let name = header[..colon].to_ascii_lowercase();
        let value = &header[colon + 1..];
        let value = &value[value.iter().position(|&byte| !is_space(byte)).unwrap_or(value.len())..];
        if value.is_empty() {
            return Err(fault("the header has no value"));
        }
        let value = without_comments(value);
        if entry == Entry::default() {
            entry.line = line;
        }
        match &name[..] {
            b"uri" => entry.uri = grammar::first_token(&value).to_vec(),
            b"content-type" => {
                entry.content_type = Type::read(&value);
                described = true;
            }
            b"content-language" => {
                entry.languages = Some(languages(&value));
                described = true;
            }
            b"content-encoding" => {
                let mut coding = grammar::first_token(&value).to_vec();
                if policy == Policy::Modern {
                    coding.make_ascii_lowercase();
                }
                entry.coding = Some(coding).filter(|coding| !coding.is_empty());
                described = true;
            }
            b"content-length" => {
                let digits = std::str::from_utf8(grammar::first_token(&value)).unwrap_or_default();
                match digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())) {
                    // Apache sends as much of the map from where the body begins.
                    Some(length) => match (&mut entry.body, policy) {
                        (Some(_), Policy::Modern) => {}
                        (Some(body), Policy::Apache) => {
                            body.end = content.len().min(body.start.saturating_add(length as usize));
                            entry.length = Some(body.len() as u64);
                        }
                        (None, _) => entry.length = Some(length),
                    },
                    None => {
                        let what = "the length is no number; this record and those after it do not count";
                        return Ok(TypeMap { ended_early: Some(fault(what)), ..map });
                    }
                }
                described = true;
            }
            b"description" => {
                // What is dropped is the line's end, or without one the last character (B14).
                let end = match value.last() {
                    Some(b'\n') => value.len() - 1,
                    _ if policy == Policy::Apache => value.len() - 1,
                    _ => value.len(),
                };
                let text = value[..end].iter().map(|&byte| if byte == b'\n' { b' ' } else { byte });
                entry.description = text.collect();
            }
            b"body" => {
                let tag = value.trim_ascii_end();
                match lines.body(tag) {
                    Some(body) => {
                        entry.length = Some(body.len() as u64);
                        entry.uri.clear();
                        entry.body = Some(body);
                    }
                    None => {
                        let what = "the end of the body is not found; this record and those after it do not count";
                        return Ok(TypeMap { ended_early: Some(fault(what)), ..map });
                    }
                }
            }
            _ => {}
        }
    }
}

fn header_ended(lines: &Lines<'_>) -> bool {
    lines.position >= lines.content.len()
}

/// What the lines of a map hold, one after the other.
struct Lines<'a> {
    content: &'a [u8],
    position: usize,
    /// Number of the line at `position`, from 1.
    line: usize,
}

enum Header {
    /// A line of white space.
    Blank,
    /// A header with the lines that continue it.
    Text(Vec<u8>),
}

impl<'a> Lines<'a> {
    /// The next line with its end, cut if it is too long.
    fn peek(&self) -> Option<&'a [u8]> {
        let rest = self.content.get(self.position..).filter(|rest| !rest.is_empty())?;
        let most = &rest[..rest.len().min(PIECE)];
        let end = most.iter().position(|&byte| byte == b'\n').map_or(most.len(), |newline| newline + 1);
        Some(&most[..end])
    }

    fn advance(&mut self, length: usize) {
        let passed = &self.content[self.position..self.position + length];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.position += length;
    }

    /// The next line that is no comment (R34).
    fn next_line(&mut self) -> Option<&'a [u8]> {
        loop {
            let line = self.peek()?;
            self.advance(line.len());
            if !line.starts_with(b"#") {
                return Some(line);
            }
        }
    }

    fn next_header(&mut self) -> Option<Header> {
        let first = self.next_line()?;
        if first.iter().all(|&byte| is_space(byte)) {
            return Some(Header::Blank);
        }
        let mut text = first.to_vec();
        if first.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"body:")) {
            return Some(Header::Text(text));
        }
        while let Some(line) = self.peek() {
            let Some(start) = line.iter().position(|&byte| !is_space(byte)) else { break };
            if !line.starts_with(b"#") {
                if start == 0 {
                    break;
                }
                text.extend(&line[start..]);
            }
            self.advance(line.len());
        }
        Some(Header::Text(text))
    }

    /// What stands before the first `tag`, which must be near; the rest of the tag's line is dropped (R41).
    fn body(&mut self, tag: &[u8]) -> Option<Range<usize>> {
        let near = &self.content[self.position..self.content.len().min(self.position + PIECE)];
        let length = near.windows(tag.len().max(1)).position(|window| window == tag)?;
        let body = self.position..self.position + length;
        self.advance(length + tag.len());
        let rest = &near[length + tag.len()..];
        self.advance(rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |newline| newline + 1));
        Some(body)
    }
}

/// The value with every `(`…`)` replaced by spaces, not nested; one that is not closed takes all the rest (R37).
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let blank = |&byte: &u8| {
        inside |= byte == b'(';
        let shown = if inside { b' ' } else { byte };
        inside &= byte != b')';
        shown
    };
    value.iter().map(blank).collect()
}

/// Tokens in lower case, joined by `,`; each ends at `,`, `;` or white space, and one separator is skipped (R38).
fn languages(mut value: &[u8]) -> Vec<u8> {
    let mut tags: Vec<u8> = Vec::new();
    let mut first = true;
    while !value.is_empty() {
        let start = value.iter().position(|&byte| !is_space(byte)).unwrap_or(value.len());
        let token = grammar::first_token(value);
        value = &value[start + token.len()..];
        value = &value[value.iter().position(|&byte| !is_space(byte)).unwrap_or(value.len())..];
        if let [b',' | b';', rest @ ..] = value {
            value = rest;
        }
        if !std::mem::take(&mut first) {
            tags.push(b',');
        }
        tags.extend(token.to_ascii_lowercase());
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(bytes.as_ref()).into_owned()
    }

    /// URI or body, type, languages, coding, length of each entry.
    fn listed(content: &str) -> Vec<String> {
        let map = parse(content.as_bytes(), Policy::Modern).unwrap();
        let entry = |entry: &Entry| {
            let name = entry.body.clone().map_or(text(&entry.uri), |body| format!("{:?}", &content[body]));
            let media_type = entry.content_type.as_ref().map(|content_type| text(&content_type.media_type));
            let optional = |value: &Option<Vec<u8>>| value.as_ref().map_or("-".into(), text);
            format!(
                "{name} {} {} {} {}",
                media_type.unwrap_or("-".into()),
                optional(&entry.languages),
                optional(&entry.coding),
                entry.length.map_or("-".into(), |length| length.to_string())
            )
        };
        map.entries.iter().map(entry).collect()
    }

    #[test]
    fn records_are_read_as_apache_reads_them() {
        for (content, entries) in [
            ("", &[][..]),
            ("URI: x.html\nContent-Type: text/html\n", &["x.html text/html - - -"]),
            (
                "URI: x.html\r\nContent-type: Text/HTML; qs=0.5\r\n\r\nURI: y\r\nContent-Length: 7",
                &["x.html text/html - - -", "y - - - 7"],
            ),
            (
                "# c\n\nURI: x.en.html (note)\n# mid\nContent-Type: (a) text/html;\n  qs=0.9\nContent-Language: en,fr ; de\nX-Other: y\n \t\nURI:\n x.txt\nContent-Type: text/plain;\n# z\n q=0.5",
                &["x.en.html text/html en,fr,de - -", "x.txt text/plain - - -"],
            ),
            (
                "URI: x.html\n\nContent-Type: text/css\n\nURI: x.txt\nContent-Type: text/plain\n",
                &["x.txt text/plain - - -"],
            ),
            (" URI: x.html\nContent-Type: text/html\n", &[]),
            ("URI : x.html\nContent-Type: text/html\n", &[]),
            ("URI: x(1).html\nContent-Type: text/plain (open\n more", &["x text/plain - - -"]),
            ("URI: a\nURI: b\nContent-Encoding: x-gzip, compress\n", &["b - - x-gzip -"]),
            ("URI: a\nContent-Language: EN-us,\n", &["a - en-us, - -"]),
            (
                "Content-Type: a/b\nBody:--x--\nhello\n\nURI: no\n--x-- cruft\nContent-Language: en\n",
                &["\"hello\\n\\nURI: no\\n\" a/b en - 15"],
            ),
            ("Content-Type: a/b\nBody: E\n indented\nE\n", &["\" indented\\n\" a/b - - 10"]),
        ] {
            assert_eq!(listed(content), entries, "{content:?}");
        }
    }

    #[test]
    fn what_ends_the_reading_leaves_what_was_read() {
        let before = "URI: x\nContent-Type: a/b\n\n";
        for bad in ["URI: y\nContent-Length: 12x\n\nURI: z\nContent-Type: a/b\n", "Content-Type: a/b\nBody: E\nno end"]
        {
            let map = parse(format!("{before}{bad}").as_bytes(), Policy::Modern).unwrap();
            assert_eq!(map.entries.len(), 1, "{bad}");
            assert_eq!(map.ended_early.map(|fault| fault.line), Some(5), "{bad}");
        }
    }

    #[test]
    fn faults_have_their_lines() {
        for (content, line) in [("URI: x\nbogus\n", 2), ("URI: x\n\n\nContent-Language: \n\n", 4), ("x\n", 1)] {
            assert_eq!(parse(content.as_bytes(), Policy::Modern).unwrap_err().line, line, "{content:?}");
        }
        let content = "# c\n\nURI: x\nContent-Type: a/b\n\n\nContent-Type: a/b\nURI: y\n";
        let lines: Vec<_> =
            parse(content.as_bytes(), Policy::Modern).unwrap().entries.iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [3, 7]);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(content: Vec<u8>) {
            let _ = parse(&content, Policy::Apache);
        }

        #[test]
        fn any_lines_are_read_or_refused(lines in proptest::collection::vec("(URI|Body|Content-(Type|Length|Language)|X|#|  )?:? ?[a-z/;,()=\"0-9\n]{0,12}", 0..12)) {
            let content = lines.join("\n");
            if let Ok(map) = parse(content.as_bytes(), Policy::Modern) {
                proptest::prop_assert!(map.entries.len() <= lines.len() * 13);
            }
        }
    }
}

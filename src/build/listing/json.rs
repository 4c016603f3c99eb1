//! A listing for programs. Every entry has every key, on a line of its own; what is not known is null.

use serde::Serialize;

use super::{Entry, Page};
use crate::http::date;

#[derive(Serialize)]
struct Line<'a> {
    name: String,
    href: String,
    kind: &'static str,
    size: Option<u64>,
    modified: Option<String>,
    #[serde(rename = "type")]
    media_type: Option<&'a str>,
    language: Option<&'a str>,
    encoding: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(entry: &Entry<'a>) -> Line<'a> {
        let file = entry.file.as_ref();
        Line {
            name: String::from_utf8_lossy(entry.name).into_owned(),
            href: entry.reference(),
            kind: if file.is_some() { "file" } else { "directory" },
            size: file.map(|file| file.length),
            modified: entry.modified.map(date::rfc3339),
            media_type: file.and_then(|file| file.media_type),
            language: file.and_then(|file| file.languages),
            encoding: file.and_then(|file| file.codings),
        }
    }
}

/// `page` as a JSON object.
pub fn render(page: &Page<'_>) -> String {
    let path = serde_json::Value::from(String::from_utf8_lossy(page.directory));
    let parent = if page.has_parent() { "\"../\"" } else { "null" };
    let mut out = format!("{{\"path\":{path},\"parent\":{parent},\"entries\":[");
    for (number, entry) in page.entries.iter().enumerate() {
        out += if number == 0 { "\n" } else { ",\n" };
        // Strings and numbers always have a form in JSON.
        out += &serde_json::to_string(&Line::of(entry)).unwrap_or_default();
    }
    out += "\n]}\n";
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{directory, file, page};
    use super::*;

    #[test]
    fn every_key_is_there() {
        let text = render(&page(vec![directory(b"old"), file(b"\"\n\xff:.gz")]));
        assert_eq!(text.lines().count(), 4);
        let expected = json!({
            "path": "/d é/e/", "parent": "../", "entries": [
                {"name": "old", "href": "old/", "kind": "directory", "size": null, "modified": null, "type": null,
                 "language": null, "encoding": null},
                {"name": "\"\n\u{fffd}:.gz", "href": "./%22%0a%ff:.gz", "kind": "file", "size": 1234,
                 "modified": "1994-11-06T08:49:37Z", "type": "text/plain", "language": null, "encoding": "gzip"},
            ]
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        let empty: Value = serde_json::from_str(&render(&page(vec![]))).unwrap();
        assert_eq!(empty["entries"], json!([]));
    }
}

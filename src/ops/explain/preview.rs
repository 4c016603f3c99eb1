//! The content of an answer, as far as a page can show it.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine};

use super::html::{count, text};
use crate::answer::{Content, Part};
use crate::http::response::field_value;
use crate::http::{charset, coding};
use crate::webroot::Webroot;

/// More is not shown, in bytes; neither is what becomes more when its codings are undone.
const MOST: u64 = 1 << 20;

/// The ways of showing a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Frame,
    Image,
    Text,
    Nothing,
}

impl Way {
    /// The way for a media type, in lower case and without parameters.
    fn of(media_type: &str) -> Way {
        match media_type {
            "text/html" | "application/xhtml+xml" => Way::Frame,
            "application/json"
            | "application/xml"
            | "application/javascript"
            | "application/yaml"
            | "application/toml"
            | "application/n-triples"
            | "application/n-quads"
            | "application/trig" => Way::Text,
            _ if media_type.starts_with("image/") => Way::Image,
            _ if media_type.starts_with("text/") => Way::Text,
            _ if ["+json", "+xml", "+yaml"].iter().any(|suffix| media_type.ends_with(suffix)) => Way::Text,
            _ => Way::Nothing,
        }
    }
}

/// The bytes of a content; `None` if there are too many.
pub fn bytes<'w>(webroot: Webroot<'w>, content: &Content) -> Option<Cow<'w, [u8]>> {
    if content.length() > MOST {
        return None;
    }
    Some(match content {
        Content::None => Cow::Borrowed(&[]),
        Content::Stored(range) => Cow::Borrowed(webroot.bytes(range.clone())),
        Content::Generated(bytes) => Cow::Owned(bytes.clone()),
        Content::Parts(parts) => {
            let bytes = parts.iter().flat_map(|part| match part {
                Part::Stored(range) => webroot.bytes(range.clone()),
                Part::Generated(bytes) => bytes,
            });
            Cow::Owned(bytes.copied().collect())
        }
    })
}

/// Writes a content: its `length`, its `bytes` unless they are too many, and the field `lines` that tell what it is.
/// `address` is where it can be had, `base` the address that its references are relative to.
pub fn push(
    out: &mut String,
    length: u64,
    bytes: Option<&[u8]>,
    lines: &[u8],
    address: Option<&str>,
    base: Option<&str>,
) {
    let content_type = String::from_utf8_lossy(field_value(lines, "Content-Type").unwrap_or_default()).into_owned();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let way = Way::of(&media_type);
    let codings = field_value(lines, "Content-Encoding");
    let plain = bytes.and_then(|bytes| match codings {
        Some(codings) => coding::decode(bytes, codings, MOST).map(Cow::Owned),
        None => Some(Cow::Borrowed(bytes)),
    });
    let mut notes = vec![if content_type.is_empty() { "no media type".into() } else { content_type.clone() }];
    notes.push(count(length, "byte"));
    let why_not = match (&plain, way, codings) {
        _ if bytes.is_none() => Some("It is longer than what is shown here.".to_string()),
        (None, _, Some(codings)) => {
            Some(format!("It is compressed ({}), and cannot be shown unpacked.", String::from_utf8_lossy(codings)))
        }
        (_, Way::Nothing, _) => Some("It is of no type that is shown here.".to_string()),
        _ => None,
    };
    if let (Some(codings), Some(plain)) = (codings, &plain) {
        notes.push(format!(
            "shown without its coding {}: {}",
            String::from_utf8_lossy(codings),
            count(plain.len() as u64, "byte")
        ));
    }
    *out += &format!("<p class=\"about\">{}", text(&notes.join(", ")));
    if let Some(address) = address {
        *out += &format!(" · <a href=\"{}\" rel=\"noreferrer\">open it</a>", text(address));
    }
    *out += "</p>\n";
    match (why_not, plain) {
        (None, Some(plain)) => push_shown(out, way, &plain, &content_type, &media_type, base),
        (why_not, _) => *out += &format!("<p>{}</p>\n", text(&why_not.unwrap_or_default())),
    }
}

fn push_shown(out: &mut String, way: Way, plain: &[u8], content_type: &str, media_type: &str, base: Option<&str>) {
    if plain.is_empty() {
        *out += "<p>It is empty.</p>\n";
        return;
    }
    match way {
        Way::Image => {
            *out += &format!(
                "<p class=\"image\"><img src=\"data:{};base64,{}\" alt=\"The image that the client gets\"></p>\n",
                text(media_type),
                BASE64_STANDARD.encode(plain)
            );
        }
        Way::Frame => {
            let page = charset::decoded(plain, parameter(content_type, "charset").as_deref());
            // Before all else, so that everything is relative to it; frames of this kind have no quirks mode. What a link
            // leads to would open elsewhere, which the sandbox forbids: nothing takes the place of what is shown.
            let href = base.map(|base| format!(" href=\"{}\"", text(base))).unwrap_or_default();
            let base = format!("<base target=\"_blank\"{href}>");
            *out += &format!(
                "<iframe sandbox title=\"The page that the client gets\" srcdoc=\"{}{}\"></iframe>\n",
                text(&base),
                text(&*page)
            );
        }
        Way::Text | Way::Nothing => {
            let page = charset::decoded(plain, parameter(content_type, "charset").as_deref());
            // A line feed behind the tag is not part of the text.
            *out += &format!("<pre class=\"content\" tabindex=\"0\">\n{}</pre>\n", text(&*page));
        }
    }
}

/// The value of a media type's parameter.
fn parameter(content_type: &str, name: &str) -> Option<Vec<u8>> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').as_bytes().to_vec())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn shown(fields: &str, content: &[u8]) -> String {
        let mut out = String::new();
        let bytes = (content.len() as u64 <= MOST).then_some(content);
        let lines = fields.replace('\n', "\r\n") + "\r\n";
        push(&mut out, content.len() as u64, bytes, lines.as_bytes(), Some("http://a/b.html"), Some("http://a/\"b"));
        out
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn contents_are_shown_by_their_type() {
        for (fields, content, expected) in [
            (
                "Content-Type: text/plain",
                &b"a <b>\n"[..],
                "<pre class=\"content\" tabindex=\"0\">\na &lt;b&gt;\n</pre>",
            ),
            ("Content-Type: text/markdown; charset=iso-8859-1", b"caf\xe9", ">\ncafé</pre>"),
            ("Content-Type: Application/LD+JSON", b"{}", ">\n{}</pre>"),
            ("Content-Type: image/png", b"\x89PNG", "<img src=\"data:image/png;base64,iVBORw==\""),
            (
                "Content-Type: text/html; charset=\"koi8-r\"",
                b"<p title=\"\xc1\">",
                "srcdoc=\"&lt;base target=&quot;_blank&quot; href=&quot;http://a/&amp;quot;b&quot;&gt;&lt;p title=&quot;а&quot;&gt;\"",
            ),
            ("Content-Type: text/html", b"", "<p>It is empty.</p>"),
            ("Content-Type: application/pdf", b"%PDF", "<p>It is of no type that is shown here.</p>"),
            ("Vary: Accept", b"x", "no media type, 1 byte"),
            ("Content-Type: text/css\nContent-Encoding: compress", b"x", "It is compressed (compress)"),
            ("Content-Type: image/\"><script>", b"x", "data:image/&quot;&gt;&lt;script&gt;;base64"),
        ] {
            let out = shown(fields, content);
            assert!(out.contains(expected), "{fields}\n{out}");
        }
    }

    #[test]
    fn codings_are_undone_within_bounds() {
        let fields = "Content-Type: text/css\nContent-Encoding: gzip";
        assert!(shown(fields, &gzip(b"a{}")).contains(">\na{}</pre>"));
        let bomb = gzip(&vec![b'x'; MOST as usize + 1]);
        let out = shown(fields, &bomb);
        assert!(out.contains("It is compressed (gzip)") && out.len() < 1000, "{out}");
        let long = vec![b'x'; MOST as usize + 1];
        let out = shown("Content-Type: text/plain", &long);
        assert!(out.contains("longer than what is shown") && out.contains("href=\"http://a/b.html\""), "{out}");
    }
}

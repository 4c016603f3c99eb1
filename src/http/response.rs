//! Heads of responses: the only place that writes them.
//!
//! `mkroot` renders the fields of every representation once, as a [`Block`]; the server puts a status
//! line, `Date` and `Connection` in front of it and sends the whole.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::{Status, date};

/// The fields of a representation, ready to send, and where in them the server must find something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    /// Field lines, each ended by CRLF.
    pub bytes: Vec<u8>,
    /// How many of the bytes go into a 304 as well (RFC 9110, section 15.4.5).
    pub not_modified_length: u32,
    /// Where in the bytes the entity tag stands, quotes included.
    pub etag: std::ops::Range<u32>,
}

/// What a representation's fields say. An empty value means that the field is not sent.
#[derive(Clone, Debug, Default)]
pub struct Representation<'a> {
    /// Entity tag, quotes included.
    pub etag: &'a [u8],
    /// A reference to the selected variant, relative to the resource.
    pub content_location: &'a [u8],
    /// Names of the request fields that selection depends on.
    pub vary: &'a [u8],
    /// `choice` where the server chose transparently (RFC 2295, section 8.5).
    pub tcn: &'a [u8],
    /// Further field lines, each ended by CRLF: those that the site's author wants.
    pub further: &'a [u8],
    /// When the content was last changed, in seconds since 1970.
    pub last_modified: Option<u64>,
    /// Media type with parameters.
    pub content_type: &'a [u8],
    /// Length of the content in bytes; `None` for what has no content of its own.
    pub content_length: Option<u64>,
    /// Language tags joined by commas.
    pub content_language: &'a [u8],
    /// Content codings joined by commas.
    pub content_encoding: &'a [u8],
    /// SHA-256 of the content as it is sent (RFC 9530, section 3).
    pub repr_digest: Option<[u8; 32]>,
}

impl Representation<'_> {
    /// Renders the fields; those of a 304 come first, and the author's are among them: a cache that asks whether it is
    /// still right shall also learn how long it may go on without asking. What has content can be had in ranges
    /// (RFC 9110, section 14.3).
    pub fn render(&self) -> Block {
        let mut bytes = Vec::with_capacity(320);
        push_field(&mut bytes, "ETag", self.etag);
        push_field(&mut bytes, "Content-Location", self.content_location);
        push_field(&mut bytes, "Vary", self.vary);
        push_field(&mut bytes, "TCN", self.tcn);
        bytes.extend_from_slice(self.further);
        let not_modified_length = bytes.len() as u32;
        if let Some(seconds) = self.last_modified {
            push_field(&mut bytes, "Last-Modified", &date::imf_fixdate(seconds));
        }
        if self.content_length.is_some() {
            push_field(&mut bytes, "Accept-Ranges", b"bytes");
        }
        push_field(&mut bytes, "Content-Type", self.content_type);
        if let Some(length) = self.content_length {
            push_field(&mut bytes, "Content-Length", length.to_string().as_bytes());
        }
        push_field(&mut bytes, "Content-Language", self.content_language);
        push_field(&mut bytes, "Content-Encoding", self.content_encoding);
        if let Some(digest) = self.repr_digest {
            push_field(&mut bytes, "Repr-Digest", format!("sha-256=:{}:", BASE64_STANDARD.encode(digest)).as_bytes());
        }
        let etag_start = if self.etag.is_empty() { 0 } else { b"ETag: ".len() as u32 };
        Block { bytes, not_modified_length, etag: etag_start..etag_start + self.etag.len() as u32 }
    }
}

/// Appends a field line, unless `value` is empty. Bytes that would end the line become spaces.
pub fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    out.extend(name.as_bytes());
    out.extend(b": ");
    out.extend(value.iter().map(|&byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte }));
    out.extend(b"\r\n");
}

/// Rendered field lines, some of them changed: `change` is asked for each name and gives a new value, an empty one
/// to take the field out, or `None` to leave it.
pub fn changed_fields(lines: &[u8], mut change: impl FnMut(&str) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len() + 64);
    for line in lines.split_inclusive(|&byte| byte == b'\n') {
        let name = line.split(|&byte| byte == b':').next().and_then(|name| std::str::from_utf8(name).ok());
        match name.and_then(|name| Some((name, change(name)?))) {
            Some((name, value)) => push_field(&mut out, name, &value),
            None => out.extend(line),
        }
    }
    out
}

/// Appends those of the field lines `more` whose names `lines` do not have yet.
pub fn push_missing_fields(lines: &mut Vec<u8>, more: &[u8]) {
    let name = |line: &[u8]| line.split(|&byte| byte == b':').next().map(<[u8]>::to_ascii_lowercase);
    let known: Vec<_> = lines.split_inclusive(|&byte| byte == b'\n').map(name).collect();
    for line in more.split_inclusive(|&byte| byte == b'\n').filter(|line| !known.contains(&name(line))) {
        lines.extend(line);
    }
}

/// The value of a field in rendered field lines.
pub fn field_value<'b>(lines: &'b [u8], name: &str) -> Option<&'b [u8]> {
    let value = |line: &'b [u8]| line.strip_prefix(name.as_bytes())?.strip_prefix(b": ")?.strip_suffix(b"\r\n");
    lines.split_inclusive(|&byte| byte == b'\n').find_map(value)
}

/// Two lists of names of fields as one, without what the second says again.
pub fn joined(first: &[u8], second: &[u8], separator: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    for item in first.split(|&byte| byte == b',').chain(second.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii) {
        if !item.is_empty() && !out.iter().any(|known| known.eq_ignore_ascii_case(item)) {
            out.push(item);
        }
    }
    out.join(separator)
}

/// The names and values of rendered field lines, for showing them.
pub fn field_lines(block: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(block);
    text.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect()
}

/// What the Connection field of a response says (RFC 9110, section 7.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: HTTP/1.1 keeps the connection.
    Implied,
    /// `keep-alive`, for a client that speaks HTTP/1.0.
    KeepAlive,
    /// `close`: this is the last response.
    Close,
}

/// Appends a whole head: status line, Date, Server, Connection, `fields`, and the empty line.
pub fn push_head(out: &mut Vec<u8>, status: Status, date: &[u8; date::LENGTH], connection: Connection, fields: &[u8]) {
    out.extend_from_slice(status.line().as_bytes());
    out.extend_from_slice(b"Server: connegd\r\nDate: ");
    out.extend_from_slice(date);
    out.extend_from_slice(match connection {
        Connection::Implied => b"\r\n".as_slice(),
        Connection::KeepAlive => b"\r\nConnection: keep-alive\r\n",
        Connection::Close => b"\r\nConnection: close\r\n",
    });
    out.extend_from_slice(fields);
    out.extend_from_slice(b"\r\n");
}

/// Adds a field to a head that has just been [appended](push_head).
pub fn push_to_head(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.truncate(out.len() - b"\r\n".len());
    push_field(out, name, value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_what_is_known_and_a_304_its_first_part() {
        let block = Representation {
            etag: b"\"x\"",
            content_location: b"chart.svg",
            vary: b"Accept",
            further: b"X-A: 1\r\nX-B: 2\r\n",
            last_modified: Some(784_111_777),
            content_type: b"image/svg+xml",
            content_length: Some(12),
            repr_digest: Some([0; 32]),
            ..Representation::default()
        }
        .render();
        assert_eq!(
            String::from_utf8(block.bytes.clone()).unwrap(),
            "ETag: \"x\"\r\nContent-Location: chart.svg\r\nVary: Accept\r\nX-A: 1\r\nX-B: 2\r\n\
             Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\nAccept-Ranges: bytes\r\nContent-Type: image/svg+xml\r\n\
             Content-Length: 12\r\nRepr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n"
        );
        let not_modified = &block.bytes[..block.not_modified_length as usize];
        let expected = b"ETag: \"x\"\r\nContent-Location: chart.svg\r\nVary: Accept\r\nX-A: 1\r\nX-B: 2\r\n";
        assert_eq!(not_modified, expected);
        assert_eq!(&block.bytes[block.etag.start as usize..block.etag.end as usize], b"\"x\"");
    }

    #[test]
    fn fields_are_changed_where_they_stand() {
        let lines = b"ETag: \"x\"\r\nVary: accept\r\nTCN: choice\r\n";
        let changed = changed_fields(lines, |name| match name {
            "Vary" => Some(b"a,b".to_vec()),
            "TCN" => Some(Vec::new()),
            _ => None,
        });
        assert_eq!(changed, b"ETag: \"x\"\r\nVary: a,b\r\n");
        assert_eq!(field_value(lines, "Vary"), Some(&b"accept"[..]));
        assert_eq!(field_value(lines, "TC"), None);
    }

    #[test]
    fn what_has_no_content_has_no_ranges() {
        let block = Representation { vary: b"Accept", ..Representation::default() }.render();
        assert_eq!(block.bytes, b"Vary: Accept\r\n");
    }

    #[test]
    fn fields_that_are_there_are_not_said_again() {
        let mut lines = b"Vary: accept\r\nx-a: 1\r\n".to_vec();
        push_missing_fields(&mut lines, b"X-A: 2\r\nX-B: 3\r\n");
        assert_eq!(lines, b"Vary: accept\r\nx-a: 1\r\nX-B: 3\r\n");
    }

    #[test]
    fn no_value_can_end_its_line() {
        let mut out = Vec::new();
        push_field(&mut out, "Content-Type", b"a/b\r\nSet-Cookie: x\0");
        assert_eq!(out, b"Content-Type: a/b  Set-Cookie: x \r\n");
    }
}

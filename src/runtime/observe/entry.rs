//! A line of the access log, in the Combined Log Format or as JSON.
//!
//! It is written in two goes: what the request says when it is there, since its bytes are gone when the answer is out, and what
//! became of it afterwards.

use std::io::Write;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::{Outcome, microseconds};
use crate::answer::Answer;
use crate::http::request::RequestHead;
use crate::http::response::field_value;
use crate::runtime::date;
use crate::runtime::site::Site;

/// So much is written of any one thing that a client says, in bytes: a head may be long, and a line should not be.
const LONGEST: usize = 4096;

/// How the member of this name begins, up to the first character of its text.
macro_rules! member {
    ($name:literal) => {
        concat!(",\"", $name, "\":\"")
    };
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Apache's Combined Log Format, byte for byte what its `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-agent}i"` gives,
    /// in UTC.
    #[default]
    Combined,
    /// An object of JSON, with what was chosen and how long it took.
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "combined" => Ok(Format::Combined),
            "json" => Ok(Format::Json),
            _ => Err(format!("{text:?} is neither combined nor json")),
        }
    }
}

/// What is known once an answer is out.
#[derive(Clone, Copy)]
pub(super) struct Answered<'a> {
    pub answer: &'a Answer<'a>,
    /// What it came from.
    pub site: Option<&'a Site>,
    /// The name that the site is served under.
    pub host: Option<&'a str>,
    pub outcome: Outcome,
    pub took: Duration,
}

/// A line in the making.
#[derive(Debug, Default)]
pub(super) struct Entry {
    text: Vec<u8>,
    /// Where the rest goes.
    gap: usize,
}

impl Entry {
    /// The line, with its end.
    pub fn line(&self) -> &[u8] {
        &self.text
    }

    /// Writes down what a request says; of one that was not understood that is its first line.
    pub fn begin(
        &mut self,
        format: Format,
        time: Duration,
        client: (IpAddr, bool),
        line: &[u8],
        head: Option<&RequestHead<'_>>,
    ) {
        self.text.clear();
        match format {
            Format::Combined => self.begin_combined(time, client.0, line, head),
            Format::Json => self.begin_json(time, client, line, head),
        }
    }

    /// Writes down what became of it.
    pub fn end(&mut self, format: Format, answered: &Answered<'_>) {
        match format {
            Format::Combined => self.end_combined(answered),
            Format::Json => end_json(&mut self.text, answered),
        }
    }

    fn begin_combined(&mut self, time: Duration, client: IpAddr, line: &[u8], head: Option<&RequestHead<'_>>) {
        let Entry { text, gap } = self;
        push_address(text, client);
        text.extend_from_slice(b" - - [");
        text.extend_from_slice(&clf_date(time));
        text.extend_from_slice(b"] \"");
        push_escaped(text, line);
        text.extend_from_slice(b"\" ");
        *gap = text.len();
        for field in [head.and_then(|head| head.referer.as_deref()), head.and_then(|head| head.user_agent.as_deref())] {
            text.extend_from_slice(b" \"");
            push_escaped(text, field.unwrap_or(b"-"));
            text.push(b'"');
        }
        text.push(b'\n');
    }

    fn end_combined(&mut self, answered: &Answered<'_>) {
        let Entry { text, gap } = self;
        let behind = text.len();
        push_number(text, answered.answer.status.code());
        text.push(b' ');
        // Apache's %b is a dash where nothing was sent.
        match answered.outcome.bytes {
            0 => text.push(b'-'),
            bytes => push_number(text, bytes),
        }
        let length = text.len() - behind;
        text[*gap..].rotate_right(length);
    }

    fn begin_json(
        &mut self,
        time: Duration,
        (client, is_secure): (IpAddr, bool),
        line: &[u8],
        head: Option<&RequestHead<'_>>,
    ) {
        let text = &mut self.text;
        text.extend_from_slice(b"{\"time\":\"");
        text.extend_from_slice(&rfc3339(time));
        text.extend_from_slice(b"\",\"client\":\"");
        push_address(text, client);
        let scheme: &[u8] = if is_secure { b"\",\"scheme\":\"https\"" } else { b"\",\"scheme\":\"http\"" };
        text.extend_from_slice(scheme);
        let mut words = line.splitn(3, |&byte| byte == b' ');
        for name in [member!("method"), member!("target"), member!("protocol")] {
            push_text(text, name, words.next());
        }
        if let Some(head) = head {
            push_text(text, member!("host"), Some(head.host).filter(|host| !host.is_empty()));
            push_text(text, member!("referer"), head.referer.as_deref());
            push_text(text, member!("user_agent"), head.user_agent.as_deref());
        }
    }
}

fn end_json(text: &mut Vec<u8>, answered: &Answered<'_>) {
    let Answered { answer, site, host, outcome, took } = answered;
    let numbers = [
        (&b",\"status\":"[..], answer.status.code().into()),
        (b",\"bytes\":", outcome.bytes),
        (b",\"duration_us\":", microseconds(*took)),
    ];
    for (name, number) in numbers {
        text.extend_from_slice(name);
        push_number(text, number);
    }
    if !outcome.is_whole {
        text.extend_from_slice(b",\"aborted\":true");
    }
    if let Some(host) = host {
        push_text(text, member!("site"), Some(host.as_bytes()));
    }
    if let Some(site) = site {
        push_text(text, member!("build"), Some(site.build().as_bytes()));
    }
    if let Some(variant) = answer.selected.as_ref().map(|stored| stored.variant()) {
        push_text(text, member!("variant"), Some(variant.file_name));
        push_text(text, member!("type"), Some(variant.media_type).filter(|media_type| !media_type.is_empty()));
        push_text(text, member!("language"), variant.languages);
        push_text(text, member!("charset"), variant.charset);
        push_text(text, member!("coding"), variant.codings);
    }
    push_negotiated(text, field_value(answer.fields.bytes(), "Vary").unwrap_or_default());
    text.extend_from_slice(b"}\n");
}

/// The dimensions that were negotiated, which are those of the fields that the answer varies by.
fn push_negotiated(text: &mut Vec<u8>, vary: &[u8]) {
    text.extend_from_slice(b",\"negotiated\":[");
    let start = text.len();
    for name in vary.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        let dimension = match name.len() {
            6 if name.eq_ignore_ascii_case(b"accept") => &b"\"type\""[..],
            9 if name.eq_ignore_ascii_case(b"negotiate") => b"\"transparent\"",
            14 if name.eq_ignore_ascii_case(b"accept-charset") => b"\"charset\"",
            15 if name.eq_ignore_ascii_case(b"accept-language") => b"\"language\"",
            15 if name.eq_ignore_ascii_case(b"accept-encoding") => b"\"coding\"",
            _ => continue,
        };
        if text.len() > start {
            text.push(b',');
        }
        text.extend_from_slice(dimension);
    }
    text.push(b']');
}

/// A member whose value is text, as it begins; nothing if there is none. Bytes that are not UTF-8 are shown as U+FFFD.
fn push_text(text: &mut Vec<u8>, member: &str, value: Option<&[u8]>) {
    let Some(value) = value else { return };
    let value = &value[..value.len().min(LONGEST)];
    text.extend_from_slice(member.as_bytes());
    if are_plain(value) {
        text.extend_from_slice(value);
        text.push(b'"');
    } else {
        text.pop();
        // Writing text into a vector cannot fail.
        let _ = serde_json::to_writer(text, &String::from_utf8_lossy(value));
    }
}

fn push_number(text: &mut Vec<u8>, number: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn push_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push(b'.');
                }
                push_number(text, octet);
            }
        }
        // Writing into a vector cannot fail.
        IpAddr::V6(address) => drop(write!(text, "{address}")),
    }
}

/// Appends what a client said, as Apache does: nothing that it says can end a line or a quoted string, or reach a terminal.
fn push_escaped(out: &mut Vec<u8>, value: &[u8]) {
    let mut rest = &value[..value.len().min(LONGEST)];
    if are_plain(rest) {
        return out.extend_from_slice(rest);
    }
    while !rest.is_empty() {
        let plain = rest.iter().take_while(|&&byte| is_plain(byte)).count();
        out.extend_from_slice(&rest[..plain]);
        let Some(&byte) = rest.get(plain) else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0b => out.extend_from_slice(b"\\v"),
            byte => drop(write!(out, "\\x{byte:02x}")),
        }
        rest = &rest[plain + 1..];
    }
}

/// Whether all of these stand for themselves. Nearly always they do, and so they are all looked at, many at once.
fn are_plain(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |all, &byte| all & is_plain(byte))
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// A time since 1970 as the Combined Log Format has it, in UTC: `27/Nov/2026:18:16:27 +0000`.
fn clf_date(time: Duration) -> [u8; 26] {
    let imf = date::at(time.as_secs());
    let mut text = *b"27/Nov/2026:18:16:27 +0000";
    for (to, from) in [(0..2, 5..7), (3..6, 8..11), (7..11, 12..16), (12..20, 17..25)] {
        text[to].copy_from_slice(&imf[from]);
    }
    text
}

/// A time since 1970 as RFC 3339 has it, with milliseconds: `2026-11-27T18:16:27.042Z`.
fn rfc3339(time: Duration) -> [u8; 24] {
    let imf = date::at(time.as_secs());
    let month = MONTHS.iter().position(|month| *month == &imf[8..11]).map_or(0, |place| place as u32 + 1);
    let mut text = *b"2026-11-27T18:16:27.042Z";
    for (to, from) in [(0..4, 12..16), (8..10, 5..7), (11..19, 17..25)] {
        text[to].copy_from_slice(&imf[from]);
    }
    for (place, number) in [(5..7, month), (20..23, time.subsec_millis())] {
        let mut rest = number;
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    text
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Content, Fields};
    use crate::http::Status;
    use crate::runtime::site::tests::site;

    const TIME: Duration = Duration::from_millis(784_111_777_042);
    const UA: &[u8] = b"a \"quoted\" \\ \xff\x1b[31m";

    fn line(format: Format, request_line: &[u8], head: Option<&RequestHead<'_>>, outcome: Outcome) -> String {
        let mut entry = Entry::default();
        let client = ("2001:db8::1".parse().unwrap(), true);
        entry.begin(format, TIME, client, request_line, head);
        let fields = Fields::Stored(b"Vary: negotiate,accept,accept-language\r\n");
        let answer = Answer { status: Status::NotFound, fields, content: Content::None, selected: None };
        let (site, host, took) = (site("x"), "*.example.com", Duration::from_micros(1234));
        entry.end(format, &Answered { answer: &answer, site: Some(&site), host: Some(host), outcome, took });
        String::from_utf8(entry.line().to_vec()).expect("what is written down is text")
    }

    #[test]
    fn a_combined_line_is_apaches() {
        let mut head = RequestHead::get(b"/a");
        head.user_agent = Some(UA.into());
        let whole = Outcome { bytes: 567, is_whole: true };
        let expected = "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?\\t HTTP/1.1\" 404 567 \"-\" \
                        \"a \\\"quoted\\\" \\\\ \\xff\\x1b[31m\"\n";
        assert_eq!(line(Format::Combined, b"GET /a?\t HTTP/1.1", Some(&head), whole), expected);
        let expected = "2001:db8::1 - - [06/Nov/1994:08:49:37 +0000] \"\\x16\\x03\" 404 - \"-\" \"-\"\n";
        assert_eq!(line(Format::Combined, b"\x16\x03", None, Outcome { bytes: 0, is_whole: true }), expected);
    }

    #[test]
    fn a_line_of_json_is_an_object_with_what_was_chosen() {
        let mut head = RequestHead::get(b"/a");
        (head.host, head.referer, head.user_agent) = (b"h.example", Some(b"r\n".into()), Some(UA.into()));
        let text = line(Format::Json, b"GET /\xff HTTP/1.1", Some(&head), Outcome { bytes: 5, is_whole: false });
        assert!(text.ends_with("}\n") && text.lines().count() == 1);
        let build = "0".repeat(32);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let expected = serde_json::json!({
            "time": "1994-11-06T08:49:37.042Z", "client": "2001:db8::1", "scheme": "https", "method": "GET", "target": "/\u{fffd}",
            "protocol": "HTTP/1.1", "host": "h.example", "referer": "r\n", "user_agent": "a \"quoted\" \\ \u{fffd}\u{1b}[31m",
            "status": 404, "bytes": 5, "duration_us": 1234, "aborted": true, "site": "*.example.com",
            "build": value["build"], "negotiated": ["transparent", "type", "language"],
        });
        assert_eq!(value, expected);
        assert!(value["build"].as_str().is_some_and(|text| text.len() == build.len()));
    }

    #[test]
    fn what_a_client_says_is_bounded() {
        let long = [b'\x01'; 60_000];
        for format in [Format::Combined, Format::Json] {
            let mut head = RequestHead::get(b"/");
            (head.referer, head.user_agent) = (Some((&long[..]).into()), Some((&long[..]).into()));
            let length = line(format, &long, Some(&head), Outcome { bytes: u64::MAX, is_whole: true }).len();
            assert!(length < 6 * 3 * LONGEST + 1000, "{length}");
        }
    }
}

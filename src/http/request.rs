//! Bytes of a connection → the head of a request, or the reason why there is none.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use super::{Status, target};

/// The most fields that [`Limits::fields`] can allow.
pub const MOST_FIELDS: usize = 256;
/// For so many there is room on the stack. Whatever is once used of a stack is memory for good, so heads that have more are
/// parsed again elsewhere.
const FEW_FIELDS: usize = 64;

/// What a head may hold. What goes beyond has a status of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request target; beyond it 414.
    pub target: usize,
    /// Bytes of the whole head, request line included; beyond it 431, or 414 if the request line does not end.
    pub head: usize,
    /// Fields, at most [`MOST_FIELDS`]; beyond it 431.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { target: 8 * 1024, head: 64 * 1024, fields: 100 }
    }
}

/// What the request asks to be done (RFC 9110, section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Send the selected representation.
    Get,
    /// The same without content.
    Head,
    /// Process the content of the request; no resource here does, but Apache lets files be read by it.
    Post,
    /// Say what can be asked of the resource.
    Options,
    /// Send the request back; refused, whatever is asked for.
    Trace,
    /// Open a tunnel; refused, whatever it should lead to.
    Connect,
    /// Another method of RFC 9110 or RFC 5789 that no resource here allows.
    NotAllowed,
    /// A method this server has never heard of.
    Unknown,
}

impl Method {
    /// The method of this name, which is case-sensitive.
    pub fn from_name(name: &str) -> Method {
        match name {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            "OPTIONS" => Method::Options,
            "TRACE" => Method::Trace,
            "CONNECT" => Method::Connect,
            "PUT" | "DELETE" | "PATCH" => Method::NotAllowed,
            _ => Method::Unknown,
        }
    }
}

/// How the content of a request is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is none.
    None,
    /// So many bytes, at least one.
    Length(u64),
    /// Chunks (RFC 9112, section 7.1).
    Chunked,
}

/// A field value; several field lines of one name are joined by `", "` (RFC 9110, section 5.3).
pub type FieldValue<'a> = Option<Cow<'a, [u8]>>;

/// The head of a request: the request line, and of the fields those that this server acts on.
#[derive(Clone, Debug)]
pub struct RequestHead<'a> {
    /// What is asked.
    pub method: Method,
    /// The request target as sent.
    pub target: &'a [u8],
    /// The host it is for, perhaps with a port: the authority of the target, else the Host field; empty if there is
    /// neither.
    pub host: &'a [u8],
    /// Whether the connection may carry another request after this one (RFC 9112, section 9.3).
    pub keep_alive: bool,
    /// Whether the keep-alive must be said, because the client speaks HTTP/1.0.
    pub is_http_1_0: bool,
    /// The content that follows the head (RFC 9112, section 6).
    pub content: Content,
    /// Whether the client waits to be told to send the content (RFC 9110, section 10.1.1).
    pub expects_continue: bool,
    /// Accept.
    pub accept: FieldValue<'a>,
    /// Accept-Language.
    pub accept_language: FieldValue<'a>,
    /// Accept-Charset.
    pub accept_charset: FieldValue<'a>,
    /// Accept-Encoding.
    pub accept_encoding: FieldValue<'a>,
    /// If-Match.
    pub if_match: FieldValue<'a>,
    /// If-None-Match.
    pub if_none_match: FieldValue<'a>,
    /// If-Modified-Since.
    pub if_modified_since: FieldValue<'a>,
    /// If-Unmodified-Since.
    pub if_unmodified_since: FieldValue<'a>,
    /// If-Range.
    pub if_range: FieldValue<'a>,
    /// Range.
    pub range: FieldValue<'a>,
    /// Negotiate (RFC 2295, section 8.4).
    pub negotiate: FieldValue<'a>,
    /// Referer; it is written down and changes nothing.
    pub referer: FieldValue<'a>,
    /// User-Agent; one of them is not believed in what it says of Negotiate (R87).
    pub user_agent: FieldValue<'a>,
}

impl<'a> RequestHead<'a> {
    /// A GET of `target` over HTTP/1.1 without fields.
    pub fn get(target: &'a [u8]) -> RequestHead<'a> {
        RequestHead {
            method: Method::Get,
            target,
            host: b"",
            keep_alive: true,
            is_http_1_0: false,
            content: Content::None,
            expects_continue: false,
            accept: None,
            accept_language: None,
            accept_charset: None,
            accept_encoding: None,
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
            if_range: None,
            range: None,
            negotiate: None,
            referer: None,
            user_agent: None,
        }
    }

    /// The same request without preconditions and ranges.
    pub fn unconditional(&self) -> RequestHead<'a> {
        RequestHead {
            if_match: None,
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
            if_range: None,
            range: None,
            ..self.clone()
        }
    }

    /// The place of the field called `name`, if this server acts on it as it stands.
    pub fn field_mut(&mut self, name: &[u8]) -> Option<&mut FieldValue<'a>> {
        // The length decides first: most names of a browser's head are sorted out by it.
        match name.len() {
            5 if name.eq_ignore_ascii_case(b"range") => Some(&mut self.range),
            6 if name.eq_ignore_ascii_case(b"accept") => Some(&mut self.accept),
            7 if name.eq_ignore_ascii_case(b"referer") => Some(&mut self.referer),
            8 if name.eq_ignore_ascii_case(b"if-match") => Some(&mut self.if_match),
            8 if name.eq_ignore_ascii_case(b"if-range") => Some(&mut self.if_range),
            9 if name.eq_ignore_ascii_case(b"negotiate") => Some(&mut self.negotiate),
            10 if name.eq_ignore_ascii_case(b"user-agent") => Some(&mut self.user_agent),
            13 if name.eq_ignore_ascii_case(b"if-none-match") => Some(&mut self.if_none_match),
            14 if name.eq_ignore_ascii_case(b"accept-charset") => Some(&mut self.accept_charset),
            15 if name.eq_ignore_ascii_case(b"accept-language") => Some(&mut self.accept_language),
            15 if name.eq_ignore_ascii_case(b"accept-encoding") => Some(&mut self.accept_encoding),
            17 if name.eq_ignore_ascii_case(b"if-modified-since") => Some(&mut self.if_modified_since),
            19 if name.eq_ignore_ascii_case(b"if-unmodified-since") => Some(&mut self.if_unmodified_since),
            _ => None,
        }
    }
}

/// Sets a field, or joins a further line of it to what was there.
pub fn join_field<'a>(field: &mut FieldValue<'a>, value: &'a [u8]) {
    *field = Some(match field.take() {
        None => Cow::Borrowed(value),
        Some(first) => Cow::Owned([&first, &b", "[..], value].concat()),
    });
}

/// What the bytes of a connection hold.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // boxing the head would cost every request an allocation
pub enum Parsed<'a> {
    /// A whole head, and its length in bytes.
    Head(RequestHead<'a>, usize),
    /// The beginning of a head.
    NeedMore,
    /// No head that can be answered but with this status; then the connection is to be closed.
    Reject(Status),
}

/// How many bytes of empty lines `bytes` begins with; clients that are older than their protocol send some behind the
/// content of a request (RFC 9112, section 2.2).
pub fn empty_lines(bytes: &[u8]) -> usize {
    bytes.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2
}

/// Parses the head at the beginning of `bytes`, of which no more is looked at than a head may have.
///
/// The syntax is that of RFC 9112 to the letter where a lenient reading would let two servers see different requests:
/// lines end in CRLF, nothing stands before a colon, and there is one way to say how long the content is.
pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Parsed<'a> {
    let bytes = &bytes[..bytes.len().min(limits.head)];
    match bytes {
        // The parser would skip these, and a lone LF with them.
        [b'\r'] => return Parsed::NeedMore,
        [b'\r' | b'\n', ..] => return Parsed::Reject(Status::BadRequest),
        _ => {}
    }
    let most = limits.fields.min(MOST_FIELDS);
    let few = parse_into(&mut [const { MaybeUninit::uninit() }; FEW_FIELDS][..most.min(FEW_FIELDS)], bytes, limits);
    let many = |_| parse_into(&mut Box::new_uninit_slice(most), bytes, limits);
    let parsed = if most > FEW_FIELDS { few.or_else(many) } else { few };
    parsed.unwrap_or(Parsed::Reject(Status::RequestHeaderFieldsTooLarge))
}

/// More fields than there is room for.
struct TooMany;

/// The same, with room for as many fields as `room` has.
fn parse_into<'a>(
    room: &mut [MaybeUninit<httparse::Header<'a>>],
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Parsed<'a>, TooMany> {
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, room) {
        Ok(httparse::Status::Complete(length)) => length,
        Err(httparse::Error::TooManyHeaders) => return Err(TooMany),
        Ok(httparse::Status::Partial) if bytes.len() < limits.head => return Ok(Parsed::NeedMore),
        Ok(httparse::Status::Partial) if bytes.contains(&b'\n') => {
            return Ok(Parsed::Reject(Status::RequestHeaderFieldsTooLarge));
        }
        Ok(httparse::Status::Partial) => return Ok(Parsed::Reject(Status::UriTooLong)),
        Err(httparse::Error::Version) => match bytes.iter().position(|&byte| byte == b'\n') {
            Some(end) => return Ok(Parsed::Reject(version_fault(&bytes[..end]))),
            // Only the whole line tells whether this is a version at all.
            None if bytes.len() < limits.head => return Ok(Parsed::NeedMore),
            None => return Ok(Parsed::Reject(Status::UriTooLong)),
        },
        Err(_) => return Ok(Parsed::Reject(Status::BadRequest)),
    };
    if !lines_end_in_crlf(&bytes[..length], &request) {
        return Ok(Parsed::Reject(Status::BadRequest));
    }
    // A head is long: it is filled in where it stands, not handed on.
    let mut head = RequestHead::get(request.path.unwrap_or_default().as_bytes());
    Ok(match fill_in(&mut head, &request, limits) {
        Ok(()) => Parsed::Head(head, length),
        Err(status) => Parsed::Reject(status),
    })
}

/// What is wrong with a request line that does not end in a version that is spoken here: another version, or no version
/// (RFC 9112, sections 2.3 and 3).
fn version_fault(line: &[u8]) -> Status {
    let mut words = line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(_), Some(_), Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None)
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Status::HttpVersionNotSupported
        }
        _ => Status::BadRequest,
    }
}

/// Whether every line of `head` ends in CRLF; the parser also takes a lone LF. A line ends where the name of the next
/// field begins.
fn lines_end_in_crlf(head: &[u8], request: &httparse::Request<'_, '_>) -> bool {
    let start = head.as_ptr() as usize;
    let follows_crlf = |name: &str| {
        let at = (name.as_ptr() as usize).wrapping_sub(start);
        head.get(at.wrapping_sub(2)..at) == Some(b"\r\n")
    };
    head.ends_with(b"\r\n\r\n") && request.headers.iter().all(|field| follows_crlf(field.name))
}

/// Makes `head`, which has its target and nothing else, that which httparse found; judges it.
fn fill_in<'a>(head: &mut RequestHead<'a>, request: &httparse::Request<'_, 'a>, limits: &Limits) -> Result<(), Status> {
    if head.target.len() > limits.target {
        return Err(Status::UriTooLong);
    }
    let is_http_1_0 = request.version == Some(0);
    head.method = Method::from_name(request.method.unwrap_or_default());
    head.keep_alive = !is_http_1_0;
    head.is_http_1_0 = is_http_1_0;
    let (mut is_double, mut closes) = (false, false);
    let (mut host, mut length) = (None, None);
    let mut transfer_encoding = None;
    let mut expect = None;
    for httparse::Header { name, value } in request.headers.iter() {
        let name = name.as_bytes();
        if let Some(field) = head.field_mut(name) {
            join_field(field, value);
            continue;
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => is_double |= host.replace(*value).is_some(),
            6 if name.eq_ignore_ascii_case(b"expect") => join_field(&mut expect, value),
            // RFC 9112, section 9.3: `close` is the last word.
            10 if name.eq_ignore_ascii_case(b"connection") => {
                for option in list(value) {
                    closes |= option.eq_ignore_ascii_case(b"close");
                    head.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => is_double |= length.replace(*value).is_some(),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => join_field(&mut transfer_encoding, value),
            _ => {}
        }
    }
    head.keep_alive &= !closes;
    head.host = target::authority(head.target).or(host).unwrap_or_default();
    // RFC 9112, section 3.2, and 6.3: two lengths are one too many even if they agree; not everybody takes the same.
    let is_addressed = host.map_or(is_http_1_0, target::is_valid_host);
    if is_double || !is_addressed {
        return Err(Status::BadRequest);
    }
    head.content = match (length.map(read_length).transpose()?, transfer_encoding) {
        (None | Some(0), None) => Content::None,
        (Some(length), None) => Content::Length(length),
        // Section 6.1: who sends both, or this in HTTP/1.0, may mean to smuggle a request past somebody.
        (Some(_), Some(_)) => return Err(Status::BadRequest),
        (None, Some(_)) if is_http_1_0 => return Err(Status::BadRequest),
        (None, Some(codings)) => read_transfer_encoding(&codings)?,
    };
    if let Some(expectations) = expect.filter(|_| !is_http_1_0) {
        let mut expectations = list(&expectations);
        if !expectations.all(|expectation| expectation.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Status::ExpectationFailed);
        }
        head.expects_continue = head.content != Content::None;
    }
    Ok(())
}

/// The members of a list of tokens, without the empty ones.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// The value of Content-Length (RFC 9110, section 8.6), in bytes.
fn read_length(value: &[u8]) -> Result<u64, Status> {
    let digit = |length: u64, &byte: &u8| {
        let digit = byte.checked_sub(b'0').filter(|&digit| digit <= 9)?;
        length.checked_mul(10)?.checked_add(digit.into())
    };
    let length = value.iter().try_fold(0, digit).filter(|_| !value.is_empty());
    length.ok_or(Status::BadRequest)
}

/// The value of Transfer-Encoding (RFC 9112, sections 6.1 and 7): chunks and nothing else.
fn read_transfer_encoding(value: &[u8]) -> Result<Content, Status> {
    let codings: Vec<_> = list(value).collect();
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    match codings.split_last() {
        None => Err(Status::BadRequest),
        Some((_, before)) if before.iter().any(is_chunked) => Err(Status::BadRequest),
        Some((last, [])) if is_chunked(last) => Ok(Content::Chunked),
        Some(_) => Err(Status::NotImplemented),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { target: 8 * 1024, head: 64 * 1024, fields: 100 };

    fn head(text: &str) -> RequestHead<'_> {
        match parse(text.as_bytes(), &LIMITS) {
            Parsed::Head(head, length) => {
                assert_eq!(length, text.len());
                head
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn rejection(text: &[u8]) -> Status {
        match parse(text, &LIMITS) {
            Parsed::Reject(status) => status,
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(text)),
        }
    }

    #[test]
    fn fields_of_one_name_are_joined_and_absent_is_not_empty() {
        let head = head("GET / HTTP/1.1\r\nHost: a\r\naccept: a/b\r\nACCEPT-Language:\r\nAccept: c/d \r\n\r\n");
        assert_eq!(head.accept.as_deref(), Some(&b"a/b, c/d"[..]));
        assert_eq!(head.accept_language.as_deref(), Some(&b""[..]));
        assert_eq!(head.accept_charset, None);
    }

    #[test]
    fn who_may_keep_the_connection() {
        assert!(head("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.0\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n").keep_alive);
    }

    #[test]
    fn how_content_is_framed() {
        let content = |fields: &str| {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            match parse(text.as_bytes(), &Limits::default()) {
                Parsed::Head(head, _) => Ok((head.content, head.expects_continue)),
                Parsed::Reject(status) => Err(status.code()),
                other => panic!("{fields:?}: {other:?}"),
            }
        };
        for (fields, expected) in [
            ("", Ok((Content::None, false))),
            ("Content-Length: 0\r\n", Ok((Content::None, false))),
            ("Content-Length: 003\r\n", Ok((Content::Length(3), false))),
            ("Content-Length: 18446744073709551615\r\n", Ok((Content::Length(u64::MAX), false))),
            ("Content-Length: 18446744073709551616\r\n", Err(400)),
            ("Content-Length:\r\n", Err(400)),
            ("Content-Length: +3\r\n", Err(400)),
            ("Content-Length: 3, 3\r\n", Err(400)),
            ("Content-Length: 3\r\nContent-Length: 3\r\n", Err(400)),
            ("Content-Length: 0x3\r\n", Err(400)),
            ("Transfer-Encoding: Chunked\r\n", Ok((Content::Chunked, false))),
            ("Transfer-Encoding: , chunked ,\r\n", Ok((Content::Chunked, false))),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked;x\r\n", Err(501)),
            ("Transfer-Encoding: xchunked\r\n", Err(501)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(400)),
            ("Transfer-Encoding:\r\n", Err(400)),
            ("Transfer-Encoding: \x0bchunked\r\n", Err(400)),
            ("Transfer-Encoding : chunked\r\n", Err(400)),
            ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Content-Length: 3\r\nExpect: 100-Continue\r\n", Ok((Content::Length(3), true))),
            ("Expect: 100-continue\r\n", Ok((Content::None, false))),
            ("Expect: 100-continue, x\r\n", Err(417)),
            ("Expect: 200-ok\r\n", Err(417)),
        ] {
            assert_eq!(content(fields), expected, "{fields:?}");
        }
        assert!(!head("GET / HTTP/1.0\r\nContent-Length: 3\r\nExpect: x\r\n\r\n").expects_continue);
        assert_eq!(rejection(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Status::BadRequest);
    }

    #[test]
    fn lines_end_in_crlf_and_nothing_else() {
        for text in [
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nx: y\nz: w\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.0\n\r\n",
            "GET / HTTP/1.0\r\n\n",
            "GET / HTTP/1.0\n\n",
            "\nGET / HTTP/1.0\r\n\r\n",
            "\r\rGET / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0\r\nx: y\rz: w\r\n\r\n",
            "GET / HTTP/1.0\r\nx: y\r\n z\r\n\r\n",
            "GET / HTTP/1.0\r\n x: y\r\n\r\n",
            "GET / HTTP/1.0\r\nx : y\r\n\r\n",
            "GET / HTTP/1.0\r\n: y\r\n\r\n",
            "GET / HTTP/1.0\r\nx\r\n\r\n",
            "GET / HTTP/1.0\r\nx: \0\r\n\r\n",
            "GET  / HTTP/1.0\r\n\r\n",
            "GET / HTTP/1.0 \r\n\r\n",
        ] {
            assert_eq!(rejection(text.as_bytes()), Status::BadRequest, "{text:?}");
        }
        assert_eq!(empty_lines(b"\r\n\r\n\rGET"), 4);
        assert_eq!(empty_lines(b"GET\r\n"), 0);
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(rejection(b"GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
        assert_eq!(rejection(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Status::BadRequest);
        assert_eq!(rejection(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Status::HttpVersionNotSupported);
        assert_eq!(rejection(b"\x16\x03\x01\x02\x00\x01"), Status::BadRequest);
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(LIMITS.target));
        assert_eq!(rejection(long.as_bytes()), Status::UriTooLong);
        assert_eq!(rejection(&[b"GET /", &vec![b'a'; LIMITS.head][..]].concat()), Status::UriTooLong);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(LIMITS.fields));
        assert_eq!(rejection(many.as_bytes()), Status::RequestHeaderFieldsTooLarge);
        let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}", "y".repeat(LIMITS.head));
        assert_eq!(rejection(wide.as_bytes()), Status::RequestHeaderFieldsTooLarge);
    }

    #[test]
    fn hosts() {
        assert_eq!(rejection(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), Status::BadRequest);
        assert_eq!(rejection(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), Status::BadRequest);
        for host in ["", "a", "a:80", "[::1]:80"] {
            assert!(head(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).keep_alive, "{host}");
        }
    }

    #[test]
    fn half_a_head_is_not_a_head() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 0..text.len() {
            assert!(matches!(parse(&text[..end], &LIMITS), Parsed::NeedMore), "{end}");
        }
    }
}

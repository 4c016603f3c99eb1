//! Bytes of a connection → the head of a request, or the reason why there is none.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use super::Status;

/// Most fields that a head may hold.
pub const MAX_FIELDS: usize = 100;
/// Longest head in bytes, request line included.
pub const MAX_HEAD: usize = 64 * 1024;
/// Longest request target in bytes.
pub const MAX_TARGET: usize = 8 * 1024;

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
    /// User-Agent; one of them is not believed in what it says of Negotiate (R87).
    pub user_agent: FieldValue<'a>,
}

impl<'a> RequestHead<'a> {
    /// A GET of `target` over HTTP/1.1 without fields.
    pub fn get(target: &'a [u8]) -> RequestHead<'a> {
        RequestHead {
            method: Method::Get,
            target,
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
            user_agent: None,
        }
    }

    /// The place of the field called `name`, if this server acts on it as it stands.
    pub fn field_mut(&mut self, name: &[u8]) -> Option<&mut FieldValue<'a>> {
        // The length decides first: most names of a browser's head are sorted out by it.
        match name.len() {
            5 if name.eq_ignore_ascii_case(b"range") => Some(&mut self.range),
            6 if name.eq_ignore_ascii_case(b"accept") => Some(&mut self.accept),
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

/// Parses the head at the beginning of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Complete(_)) => return Parsed::Reject(Status::RequestHeaderFieldsTooLarge),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Parsed::NeedMore,
        Ok(httparse::Status::Partial) if bytes.contains(&b'\n') => {
            return Parsed::Reject(Status::RequestHeaderFieldsTooLarge);
        }
        Ok(httparse::Status::Partial) => return Parsed::Reject(Status::UriTooLong),
        Err(httparse::Error::TooManyHeaders) => return Parsed::Reject(Status::RequestHeaderFieldsTooLarge),
        Err(httparse::Error::Version) => return Parsed::Reject(Status::HttpVersionNotSupported),
        Err(_) => return Parsed::Reject(Status::BadRequest),
    };
    match head(&request) {
        Ok(head) => Parsed::Head(head, length),
        Err(status) => Parsed::Reject(status),
    }
}

/// The head that httparse found, judged.
fn head<'a>(request: &httparse::Request<'_, 'a>) -> Result<RequestHead<'a>, Status> {
    let target = request.path.unwrap_or_default().as_bytes();
    if target.len() > MAX_TARGET {
        return Err(Status::UriTooLong);
    }
    let is_http_1_0 = request.version == Some(0);
    let mut head = RequestHead {
        method: Method::from_name(request.method.unwrap_or_default()),
        keep_alive: !is_http_1_0,
        is_http_1_0,
        ..RequestHead::get(target)
    };
    let mut hosts = 0;
    for httparse::Header { name, value } in request.headers.iter() {
        let name = name.as_bytes();
        if let Some(field) = head.field_mut(name) {
            join_field(field, value);
        } else if name.eq_ignore_ascii_case(b"host") {
            hosts += 1;
        } else if name.eq_ignore_ascii_case(b"connection") {
            for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    head.keep_alive = false;
                } else if option.eq_ignore_ascii_case(b"keep-alive") && is_http_1_0 {
                    head.keep_alive = true;
                }
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if value.trim_ascii() != b"0" {
                head.content = Content::Length(1);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            head.content = Content::Chunked;
        }
    }
    // RFC 9112, section 3.2: exactly one Host in HTTP/1.1, never two in any version.
    if hosts > 1 || (hosts == 0 && !is_http_1_0) {
        return Err(Status::BadRequest);
    }
    // Content is not read: what follows on the connection could be mistaken for a request.
    head.keep_alive &= head.content == Content::None;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> RequestHead<'_> {
        match parse(text.as_bytes()) {
            Parsed::Head(head, length) => {
                assert_eq!(length, text.len());
                head
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn rejection(text: &[u8]) -> Status {
        match parse(text) {
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
        assert!(!head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").keep_alive);
        assert!(head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").keep_alive);
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(rejection(b"GET / HTTP/1.1\r\n\r\n"), Status::BadRequest);
        assert_eq!(rejection(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Status::BadRequest);
        assert_eq!(rejection(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"), Status::HttpVersionNotSupported);
        assert_eq!(rejection(b"\x16\x03\x01\x02\x00\x01"), Status::BadRequest);
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(MAX_TARGET));
        assert_eq!(rejection(long.as_bytes()), Status::UriTooLong);
        assert_eq!(rejection(&[b"GET /", &vec![b'a'; MAX_HEAD][..]].concat()), Status::UriTooLong);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(MAX_FIELDS));
        assert_eq!(rejection(many.as_bytes()), Status::RequestHeaderFieldsTooLarge);
        let wide = format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}", "y".repeat(MAX_HEAD));
        assert_eq!(rejection(wide.as_bytes()), Status::RequestHeaderFieldsTooLarge);
    }

    #[test]
    fn half_a_head_is_not_a_head() {
        let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 0..text.len() {
            assert!(matches!(parse(&text[..end]), Parsed::NeedMore), "{end}");
        }
    }
}

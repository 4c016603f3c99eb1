//! How secure connections are at each place where they come in, and what those get who speak plainly where that is of no use.

use std::sync::Arc;

use super::tls::Tls;
use crate::answer::{self, Answer};
use crate::http::request::RequestHead;
use crate::http::response::push_field;
use crate::http::{Status, target};

/// How secure connections are that come in at one place.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// How they are made so; `None` if they are not.
    pub tls: Option<Arc<Tls>>,
    /// What those get that are not.
    pub plain: Plain,
    /// What the Strict-Transport-Security field of answers over secure ones says (RFC 6797), if it is sent.
    pub hsts: Option<String>,
}

/// What becomes of requests that are not secure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plain {
    /// They are answered.
    #[default]
    Answered,
    /// They are sent on to HTTPS, at this port.
    SentOn(u16),
    /// They are refused: this is a port for HTTPS.
    Refused,
}

/// What is said to who speaks plainly where that is of no use.
const SECURE_ONLY: &[u8] = b"This port speaks HTTPS only.\n";

/// The port of HTTPS where none is said.
const HTTPS: u16 = 443;

impl Plain {
    /// What a request gets that is not secure, unless it is answered as any other.
    pub(super) fn answer(self, head: &RequestHead<'_>) -> Option<Answer<'static>> {
        match self {
            Plain::Answered => None,
            Plain::Refused => {
                let mut fields = Vec::new();
                push_field(&mut fields, "Content-Type", b"text/plain");
                Some(Answer::made(Status::BadRequest, fields, SECURE_ONLY.to_vec()).to(head.method))
            }
            Plain::SentOn(_) if head.host.is_empty() => Some(answer::rejection(None, Status::BadRequest, Some(head))),
            Plain::SentOn(port) => {
                let mut location = b"https://".to_vec();
                location.extend_from_slice(without_port(head.host));
                if port != HTTPS {
                    location.extend_from_slice(format!(":{port}").as_bytes());
                }
                location.extend_from_slice(target::path_and_query(head.target));
                let mut fields = Vec::new();
                push_field(&mut fields, "Location", &location);
                Some(Answer::made(Status::PermanentRedirect, fields, Vec::new()))
            }
        }
    }
}

/// A host without its port.
fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|&byte| byte == b':') {
        Some(colon) if authority[colon..].iter().skip(1).all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::field_value;

    #[test]
    fn who_speaks_plainly_is_sent_to_the_same_place() {
        let location = |port, host: &[u8], target| {
            let mut head = RequestHead::get(target);
            head.host = host;
            let answer = Plain::SentOn(port).answer(&head)?;
            field_value(answer.fields.bytes(), "Location")
                .map(|location| String::from_utf8_lossy(location).into_owned())
        };
        for (port, host, target, expected) in [
            (443, &b"a.example"[..], &b"/b?c"[..], "https://a.example/b?c"),
            (443, b"a.example:", b"/", "https://a.example/"),
            (8443, b"a.example:8080", b"/", "https://a.example:8443/"),
            (443, b"[::1]:80", b"http://[::1]:80/x", "https://[::1]/x"),
            (443, b"[::1]", b"http://[::1]", "https://[::1]/"),
        ] {
            assert_eq!(location(port, host, target).as_deref(), Some(expected));
        }
        assert_eq!(location(443, b"", b"/"), None);
        assert!(Plain::Answered.answer(&RequestHead::get(b"/")).is_none());
    }
}

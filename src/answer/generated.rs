//! Answers that no file holds: redirects, errors, and the list of a 406.
//!
//! Each is made as HTML and as plain text, and the two are negotiated like any other variants.

use super::{Answer, Content, Fields};
use crate::http::response::push_field;
use crate::http::{Status, escape};
use crate::negotiation::{Choice, NoTrace, Preferences, select};
use crate::resource::{Dimensions, Policy, Settings, Variant};
use crate::webroot::Run;

/// An answer of `status` that explains itself. `fields` are field lines to send along.
pub(super) fn error(status: Status, accept: Option<&[u8]>, fields: &[u8]) -> Answer<'static> {
    let explanation = match status {
        Status::BadRequest => "The request is not one that this server can understand.",
        Status::NotFound => "There is nothing under this address.",
        Status::MethodNotAllowed => "This can be read, and nothing else.",
        Status::UriTooLong => "The address is too long.",
        Status::RequestHeaderFieldsTooLarge => "The fields of the request are too many or too long.",
        Status::NotImplemented => "This server does not know the method of the request.",
        Status::HttpVersionNotSupported => "This server speaks HTTP/1.0 and HTTP/1.1.",
        _ => "",
    };
    page(status, accept, Dimensions::NONE, fields, explanation, &[])
}

/// 200 to OPTIONS.
pub(super) fn options(allow: &[u8]) -> Answer<'static> {
    let mut lines = Vec::new();
    push_field(&mut lines, "Allow", allow);
    push_field(&mut lines, "Content-Length", b"0");
    Answer { status: Status::Ok, fields: Fields::Generated(lines), content: Content::None, selected: None }
}

/// 301 to `location`, with the query of the request.
pub(super) fn redirect(location: &[u8], query: Option<&[u8]>, accept: Option<&[u8]>) -> Answer<'static> {
    let mut reference = location.to_vec();
    if let Some(query) = query {
        reference.push(b'?');
        reference.extend(query);
    }
    let mut fields = Vec::new();
    push_field(&mut fields, "Location", &reference);
    let link = Link { reference, text: "It has moved here.".into(), notes: String::new() };
    page(Status::MovedPermanently, accept, Dimensions::NONE, &fields, "", &[link])
}

/// 406 with a list of the variants. Vary names the dimensions in which some variant was refused, since
/// another value there could change the answer (D8).
pub(super) fn not_acceptable(run: Run<'_>, rejected_by: Dimensions, accept: Option<&[u8]>) -> Answer<'static> {
    let links: Vec<_> = run.iter().map(|stored| Link::to(&stored.variant())).collect();
    let explanation = "None of these is what the request accepts. They can be had by name:";
    page(Status::NotAcceptable, accept, rejected_by, &[], explanation, &links)
}

/// A reference with what there is to say about it.
struct Link {
    reference: Vec<u8>,
    text: String,
    notes: String,
}

impl Link {
    fn to(variant: &Variant<'_>) -> Link {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut notes = text(variant.media_type);
        for (name, value) in
            [("language", variant.languages), ("charset", variant.charset), ("encoding", variant.codings)]
        {
            if let Some(value) = value {
                notes += &format!(", {name} {}", text(value));
            }
        }
        notes += &format!(", {} bytes", variant.length);
        Link { reference: escape::sibling_reference(variant.file_name), text: text(variant.file_name), notes }
    }
}

/// A short page, in HTML or plain text, whichever Accept prefers; `vary` is what else it depends on.
fn page(
    status: Status,
    accept: Option<&[u8]>,
    vary: Dimensions,
    fields: &[u8],
    explanation: &str,
    links: &[Link],
) -> Answer<'static> {
    let plain = prefers_plain_text(accept);
    let content = if plain { plain_text(status, explanation, links) } else { html(status, explanation, links) };
    let mut lines = fields.to_vec();
    push_field(&mut lines, "Vary", (vary | Dimensions::TYPE).vary().as_bytes());
    push_field(
        &mut lines,
        "Content-Type",
        if plain { b"text/plain; charset=utf-8" } else { b"text/html; charset=utf-8" },
    );
    push_field(&mut lines, "Content-Length", content.len().to_string().as_bytes());
    Answer {
        status,
        fields: Fields::Generated(lines),
        content: Content::Generated(content.into_bytes()),
        selected: None,
    }
}

fn prefers_plain_text(accept: Option<&[u8]>) -> bool {
    let mut preferences = Preferences::default();
    preferences.read(Dimensions::TYPE, accept, Policy::Modern);
    let variants = [b"text/html".as_slice(), b"text/plain"].map(|media_type| Variant::of_type(b"", media_type, 0));
    select(&variants, &preferences, &Settings::default(), &mut NoTrace) == Choice::Selected(1)
}

fn plain_text(status: Status, explanation: &str, links: &[Link]) -> String {
    let mut text = format!("{status}\n");
    if !explanation.is_empty() {
        text += &format!("{explanation}\n");
    }
    for link in links {
        text += &String::from_utf8_lossy(&link.reference);
        if !link.notes.is_empty() {
            text += &format!("  ({})", link.notes);
        }
        text.push('\n');
    }
    text
}

fn html(status: Status, explanation: &str, links: &[Link]) -> String {
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{status}</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;\
         padding:0 1rem}}h1{{font-size:1.3rem}}small{{opacity:.7}}</style>\n<h1>{status}</h1>\n"
    );
    if !explanation.is_empty() {
        html += &format!("<p>{explanation}</p>\n");
    }
    if !links.is_empty() {
        html += "<ul>\n";
    }
    for link in links {
        html += "<li><a href=\"";
        escape::push_html(&mut html, &link.reference);
        html += "\">";
        escape::push_html(&mut html, link.text.as_bytes());
        html += "</a>";
        if !link.notes.is_empty() {
            html += " <small>";
            escape::push_html(&mut html, link.notes.as_bytes());
            html += "</small>";
        }
        html += "</li>\n";
    }
    if !links.is_empty() {
        html += "</ul>\n";
    }
    html
}

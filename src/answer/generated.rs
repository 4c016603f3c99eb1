//! Answers that no file holds: redirects, errors, and the lists of 300 and 406.
//!
//! Each is made as HTML and as plain text, and the two are negotiated like any other variants.

use std::borrow::Cow;

use super::{Answer, Asked, Content, Fields};
use crate::http::response::{changed_fields, field_value, joined, push_field, push_missing_fields};
use crate::http::{Status, escape};
use crate::negotiation::{Algorithm, Choice, NoTrace, Preferences, select};
use crate::resource::{Dimensions, Policy, Settings, Variant};
use crate::webroot::{Outcome, StoredVariant};

/// A short page about something that no file holds.
pub(super) struct Page {
    pub status: Status,
    pub explanation: &'static str,
    /// Field lines to send along; perhaps with Vary.
    pub fields: Vec<u8>,
    pub links: Vec<Link>,
}

impl Page {
    pub fn new(status: Status, explanation: &'static str) -> Page {
        Page { status, explanation, fields: Vec::new(), links: Vec::new() }
    }

    /// A page about an error.
    pub fn error(status: Status) -> Page {
        Page::new(
            status,
            match status {
                Status::MovedPermanently => "It has moved, and nobody knows where.",
                Status::BadRequest => "The request is not one that this server can understand.",
                Status::NotFound => "There is nothing under this address.",
                Status::MethodNotAllowed => "This can be read, and nothing else.",
                Status::RequestTimeout => "The request took too long to arrive.",
                Status::Gone => "What was here is gone, and nothing has taken its place.",
                Status::PreconditionFailed => "What is here is not what the request takes it for.",
                Status::ContentTooLarge => "The content of the request is too long.",
                Status::RangeNotSatisfiable => "What is here is shorter than the range that the request asks for.",
                Status::ExpectationFailed => "This server cannot do what the request expects of it.",
                Status::MisdirectedRequest => "There is no site of that name here.",
                Status::ServiceUnavailable => "This cannot be had at the moment; try again later.",
                Status::NotAcceptable => "None of what there is is what the request accepts.",
                Status::UriTooLong => "The address is too long.",
                Status::RequestHeaderFieldsTooLarge => "The fields of the request are too many or too long.",
                Status::InternalServerError => "What is at this address cannot be read.",
                Status::NotImplemented => "This server does not know the method of the request.",
                Status::HttpVersionNotSupported => "This server speaks HTTP/1.0 and HTTP/1.1.",
                Status::VariantAlsoNegotiates => "What was chosen at this address is itself a choice between variants.",
                _ => "",
            },
        )
    }

    /// The page in HTML or in plain text, whichever `accept` prefers; where all is to be as with Apache, in HTML.
    pub fn answer<'w>(self, policy: Policy, accept: Option<&[u8]>) -> Answer<'w> {
        let Page { status, explanation, fields, links } = self;
        let plain = policy == Policy::Modern && prefers_plain_text(accept);
        let content = if plain { plain_text(status, explanation, &links) } else { html(status, explanation, &links) };
        let mut lines = fields;
        if policy == Policy::Modern {
            let vary = joined(field_value(&lines, "Vary").unwrap_or_default(), b"Accept", b", ");
            lines = changed_fields(&lines, |name| (name == "Vary").then(Vec::new));
            push_field(&mut lines, "Vary", &vary);
        }
        let content_type: &[u8] = if plain { b"text/plain; charset=utf-8" } else { b"text/html; charset=utf-8" };
        push_field(&mut lines, "Content-Type", content_type);
        push_field(&mut lines, "Content-Length", content.len().to_string().as_bytes());
        Answer {
            status,
            fields: Fields::Generated(lines),
            content: Content::Generated(content.into_bytes()),
            selected: None,
        }
    }
}

/// 200 to OPTIONS; `representation` are the fields of what GET would get, some of which hold for it, too.
pub(super) fn options<'w>(allow: &[u8], representation: &[u8]) -> Answer<'w> {
    let mut lines = changed_fields(representation, |name| match name {
        "ETag" | "Last-Modified" | "Accept-Ranges" | "Content-Length" | "Repr-Digest" => Some(Vec::new()),
        _ if is_freshness(name) => Some(Vec::new()),
        _ => None,
    });
    push_field(&mut lines, "Allow", allow);
    push_field(&mut lines, "Content-Length", b"0");
    Answer { status: Status::Ok, fields: Fields::Generated(lines), content: Content::None, selected: None }
}

/// Whether a field says for how long a representation may be kept, which holds for nothing else.
fn is_freshness(name: &str) -> bool {
    name.eq_ignore_ascii_case("Cache-Control") || name.eq_ignore_ascii_case("Expires")
}

/// `answer` with the fields that the author wants with everything.
pub(super) fn with_fields_of_site<'w>(answer: Answer<'w>, settings: &Settings) -> Answer<'w> {
    if settings.fields.is_empty() {
        return answer;
    }
    let mut lines = answer.fields.bytes().to_vec();
    push_missing_fields(&mut lines, settings.fields.as_bytes());
    Answer { fields: Fields::Generated(lines), ..answer }
}

/// `error` with `page` as its content. What is said of the page's representation holds for no other request than one for
/// that page, but what describes the bytes goes with them.
pub(super) fn dressed<'w>(error: Answer<'w>, page: Answer<'w>, policy: Policy) -> Answer<'w> {
    let vary = |answer: &Answer<'_>| field_value(answer.fields.bytes(), "Vary").unwrap_or_default().to_vec();
    let separator: &[u8] = if policy == Policy::Modern { b", " } else { b"," };
    let vary = joined(&vary(&error), &vary(&page), separator);
    let mut lines = changed_fields(error.fields.bytes(), |name| match name {
        "Content-Type" | "Content-Length" | "Vary" => Some(Vec::new()),
        _ => None,
    });
    push_field(&mut lines, "Vary", &vary);
    lines.extend(changed_fields(page.fields.bytes(), |name| match name {
        "ETag" | "Content-Location" | "Vary" | "TCN" | "Alternates" | "Last-Modified" | "Accept-Ranges"
        | "Repr-Digest" => Some(Vec::new()),
        _ if is_freshness(name) => Some(Vec::new()),
        _ => None,
    }));
    Answer { fields: Fields::Generated(lines), content: page.content, ..error }
}

/// 301 to `location`, with the query of the request and further field lines.
pub(super) fn redirect<'w>(location: &[u8], fields: Vec<u8>, asked: &Asked<'w, '_>, policy: Policy) -> Answer<'w> {
    redirect_with(Status::MovedPermanently, location, fields, asked, policy)
}

/// `status` to `location`, with further field lines. The query of the request goes along, unless `location` has one.
pub(super) fn redirect_with<'w>(
    status: Status,
    location: &[u8],
    fields: Vec<u8>,
    asked: &Asked<'w, '_>,
    policy: Policy,
) -> Answer<'w> {
    let fragment = location.iter().position(|&byte| byte == b'#').unwrap_or(location.len());
    let (target, fragment) = location.split_at(fragment);
    let mut reference = target.to_vec();
    if let Some(query) = asked.query.filter(|_| !target.contains(&b'?')) {
        reference.push(b'?');
        reference.extend(query);
    }
    reference.extend(fragment);
    let mut page = Page { fields, ..Page::new(status, "") };
    push_field(&mut page.fields, "Location", &reference);
    page.links = vec![Link { reference: Some(reference), text: "It has moved here.".into(), notes: String::new() }];
    page.answer(policy, asked.accept())
}

/// A location with `rest`, percent-encoded, in the place of its `*`, if it has one.
pub(super) fn with_rest<'l>(location: &'l [u8], rest: Option<&[u8]>) -> Cow<'l, [u8]> {
    let star = location.iter().position(|&byte| byte == b'*');
    let (Some(star), Some(rest)) = (star, rest) else { return location.into() };
    let mut whole = location[..star].to_vec();
    escape::push_uri(&mut whole, rest, true);
    whole.extend(&location[star + 1..]);
    whole.into()
}

/// A reference to a variant from the resource it belongs to.
pub(super) fn reference_to(stored: &StoredVariant<'_>) -> Vec<u8> {
    match (field_value(stored.block(), "Content-Location"), stored.outcome()) {
        // What stands in a map under a name that is no more than that, and what has no name of its own.
        (None, Outcome::Body | Outcome::InlineBody) => escape::sibling_reference(stored.file_name()),
        (None, _) => escape::reference(stored.file_name()),
        (Some(location), _) => location.to_vec(),
    }
}

/// A reference with what there is to say about it.
pub(super) struct Link {
    /// `None` for what has no address of its own.
    reference: Option<Vec<u8>>,
    text: String,
    notes: String,
}

impl Link {
    /// A link to a variant.
    pub fn to(stored: &StoredVariant<'_>) -> Link {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let variant = stored.variant();
        let mut notes = Vec::new();
        if !stored.description().is_empty() {
            notes.push(text(stored.description()).trim().to_string());
        }
        if !variant.media_type.is_empty() {
            notes.push(text(variant.media_type));
        }
        for (name, value) in
            [("language", variant.languages), ("charset", variant.charset), ("encoding", variant.codings)]
        {
            notes.extend(value.map(|value| format!("{name} {}", text(value))));
        }
        notes.extend(variant.length.map(|length| format!("{length} bytes")));
        let reference = (!stored.is_listing()).then(|| reference_to(stored));
        Link { reference, text: text(variant.file_name), notes: notes.join(", ") }
    }
}

fn prefers_plain_text(accept: Option<&[u8]>) -> bool {
    let mut preferences = Preferences::default();
    preferences.read(Dimensions::TYPE, accept, Policy::Modern);
    let variants = [b"text/html".as_slice(), b"text/plain"].map(|media_type| Variant::of_type(b"", media_type, 0));
    let settings = Settings::default();
    select(&variants, &preferences, &settings, Algorithm::Local, &mut NoTrace) == Choice::Selected(1)
}

fn plain_text(status: Status, explanation: &str, links: &[Link]) -> String {
    let mut text = format!("{status}\n");
    if !explanation.is_empty() {
        text += &format!("{explanation}\n");
    }
    for link in links {
        text += &String::from_utf8_lossy(link.reference.as_deref().unwrap_or(link.text.as_bytes()));
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
        html += "<li>";
        if let Some(reference) = &link.reference {
            html += "<a href=\"";
            escape::push_html(&mut html, reference);
            html += "\">";
        }
        escape::push_html(&mut html, link.text.as_bytes());
        if link.reference.is_some() {
            html += "</a>";
        }
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

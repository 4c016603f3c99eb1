//! What came of a request, and why: the explanation as HTML, from the verdict to the content.

use std::borrow::Cow;

use super::clients::{self, CLIENTS};
use super::form::{Fields, Form};
use super::html::{count, text};
use super::{Subject, near, preview, request};
use crate::answer::explain::{
    Comparison, Explanation, Negotiation, ParsedField, ReasonedQuality, ScoredVariant, explain,
};
use crate::answer::{Answer, Content, answer, rejection};
use crate::http::request::{Limits, Method, Parsed, RequestHead, parse};
use crate::http::response::{field_lines, field_value};
use crate::http::{Status, target};
use crate::webroot::Webroot;

/// Explains what `form` asks of `subject` with these `fields`.
pub fn push(out: &mut String, form: &Form, fields: &Fields, subject: &Subject<'_>) {
    let head = request::head(form, fields, subject);
    let (answer, explanation) = match parsed(&head) {
        Ok(request) => (answer(subject.webroot, &request), Some(explain(subject.webroot, &request))),
        Err(status) => (rejection(Some(subject.webroot), status, None), None),
    };
    push_verdict(out, &answer);
    match &explanation {
        Some(explanation) if explanation.negotiations.is_empty() => push_unnegotiated(out, form, subject, explanation),
        Some(explanation) => {
            for negotiation in &explanation.negotiations {
                push_negotiation(out, negotiation);
            }
        }
        None => {
            *out += "<section><h2>Why</h2>\n<p>The server cannot understand a request with this head.</p></section>\n";
        }
    }
    push_request(out, form, fields, subject, explanation.as_ref());
    push_answer(out, form, subject, &answer);
    push_others(out, form, subject);
}

/// The request in these bytes, or the status with which the server refuses them.
fn parsed(head: &[u8]) -> Result<RequestHead<'_>, Status> {
    match parse(head, &Limits::default()) {
        Parsed::Head(request, _) => Ok(request),
        Parsed::Reject(status) => Err(status),
        Parsed::NeedMore => Err(Status::BadRequest),
    }
}

/// The answer in a line.
fn push_verdict(out: &mut String, answer: &Answer<'_>) {
    let Answer { status, fields, selected, .. } = answer;
    let class = if status.is_error() { "no" } else { "yes" };
    *out += &format!("<p class=\"verdict {class}\"><strong>{}</strong> ", status.code());
    let value = |name: &str| String::from_utf8_lossy(field_value(fields.bytes(), name).unwrap_or_default());
    match (selected, value("Location")) {
        (Some(stored), _) if *status == Status::Ok => *out += &format!("<bdi>{}</bdi>", text(stored.file_name())),
        (Some(stored), _) => {
            *out += &format!("{} <span>for</span> <bdi>{}</bdi>", status.reason(), text(stored.file_name()));
        }
        (None, location) if !location.is_empty() => {
            *out += &format!("{} <span>to</span> <bdi>{}</bdi>", status.reason(), text(&*location));
        }
        (None, _) => *out += status.reason(),
    }
    let facts: Vec<_> = [value("Content-Type"), value("Content-Language"), value("Content-Encoding")]
        .into_iter()
        .filter(|fact| !fact.is_empty())
        .chain(value("Content-Length").parse().ok().map(|length| Cow::Owned(count(length, "byte"))))
        .collect();
    if !facts.is_empty() {
        *out += &format!(" <span>{}</span>", text(&facts.join(", ")));
    }
    *out += "</p>\n";
}

/// Why nothing was negotiated, and what else there is.
fn push_unnegotiated(out: &mut String, form: &Form, subject: &Subject<'_>, explanation: &Explanation) {
    let why = match explanation.status {
        _ if explanation.file.is_some() => "A file that is asked for by its whole name is sent as it is (R16).",
        200 | 501 | 405 => "It is the method that decides.",
        300..400 => "The address leads elsewhere, whoever asks.",
        400 => {
            "This is no target of a request: one begins with a slash, a percent sign stands before two hexadecimal digits, \
             and no .. leads above the root."
        }
        404 => "No resource has this name, and no file can stand for it.",
        _ => "It is the resource that answers so, whoever asks.",
    };
    *out += &format!("<section><h2>Why</h2>\n<p>Nothing to negotiate. {why}</p>\n");
    let mut scratch = Vec::new();
    let target = form.url.as_deref().unwrap_or("/").as_bytes();
    if explanation.status == 404
        && let Ok(target::Target::Resource { path, .. }) = target::parse(Method::from_name(form.method), target)
        && let Ok(key) = target::key(path, &mut scratch)
    {
        near::push_near(out, form, subject.webroot, key);
    }
    *out += "</section>\n";
}

/// How one choice was made.
fn push_negotiation(out: &mut String, negotiation: &Negotiation) {
    let by = match negotiation.algorithm {
        "local-strict" => ", chosen without allowances since Negotiate asks for it (R87)",
        "remote" => ", chosen by RVSA/1.0 since Negotiate asks for it (R88)",
        _ => "",
    };
    *out += &format!("<section><h2>Why</h2>\n<p>{}{by}.</p>\n", text(&negotiation.summary()));
    let name = |number: usize| negotiation.variants.get(number).map_or("", |variant| &variant.file);
    if !negotiation.comparisons.is_empty() {
        *out += "<ol class=\"steps\">\n";
        for Comparison { variant, best, wins, by } in &negotiation.comparisons {
            let class = if *wins { " class=\"wins\"" } else { "" };
            let newcomer = text(name(*variant));
            *out += &match best {
                None => format!("<li{class}><b><bdi>{newcomer}</bdi></b>: {by}</li>\n"),
                Some(best) => format!(
                    "<li{class}><b><bdi>{newcomer}</bdi></b> is {}better than <bdi>{}</bdi>: {by}</li>\n",
                    if *wins { "" } else { "not " },
                    text(name(*best))
                ),
            };
        }
        *out += "</ol>\n";
    }
    if let Some(outcome) = negotiation.outcome() {
        *out += &format!("<p>{}.</p>\n", text(&capitalized(&outcome)));
    }
    *out += "</section>\n<section><h2>Variants</h2>\n";
    push_variants(out, negotiation);
    if let Some(apache) = negotiation.apache_in_words() {
        *out += &format!("<p class=\"apache\">{}.</p>\n", text(&apache));
    }
    *out += "</section>\n";
}

/// The variants with their qualities as a table, in the order in which they are looked at.
fn push_variants(out: &mut String, negotiation: &Negotiation) {
    let dimensions: Vec<_> = negotiation.telling_dimensions().collect();
    let weighs =
        negotiation.algorithm == "remote" || negotiation.variants.iter().any(|variant| variant.source_quality != 1000);
    *out += "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Variants\"><table>\n\
             <thead><tr><th scope=\"col\">Variant</th>";
    for (_, dimension) in &dimensions {
        *out += &format!("<th scope=\"col\">{}</th>", capitalized(dimension));
    }
    if weighs {
        *out += "<th scope=\"col\" class=\"number\">Source</th><th scope=\"col\" class=\"number\">Overall</th>";
    }
    *out += "<th scope=\"col\" class=\"number\">Bytes</th><th scope=\"col\">Result</th></tr></thead>\n<tbody>\n";
    for (number, variant) in negotiation.variants.iter().enumerate() {
        let (class, result) = result(negotiation, number, variant);
        let derived = if variant.derived { " <small>derived</small>" } else { "" };
        *out += &format!("<tr class=\"{class}\"><th scope=\"row\"><bdi>{}</bdi>{derived}</th>", text(&variant.file));
        for (place, dimension) in &dimensions {
            let said = variant.says(*place).unwrap_or_else(|| "–".into());
            let refused = if variant.rejected_by.contains(dimension) { " class=\"refuses\"" } else { "" };
            *out += &format!("<td{refused}><bdi>{}</bdi>", text(&said));
            if let Some(ReasonedQuality { quality, why, rule, .. }) = variant.qualities.get(*place) {
                let why = why.strip_suffix(rule).and_then(|why| why.strip_suffix(", ")).unwrap_or(why);
                *out += &format!("<br><b>{quality}</b> <small>{}, {rule}</small>", text(why));
            }
            *out += "</td>";
        }
        if weighs {
            let source = f32::from(variant.source_quality) / 1000.0;
            *out += &format!("<td class=\"number\">{source}</td><td class=\"number\">{}</td>", variant.overall);
        }
        let length = variant.length.map_or("?".into(), |length| length.to_string());
        *out += &format!("<td class=\"number\">{length}</td><td>{result}</td></tr>\n");
    }
    *out += "</tbody></table></div>\n";
}

/// What became of a variant: the class of its row, and words in HTML.
fn result(negotiation: &Negotiation, number: usize, variant: &ScoredVariant) -> (&'static str, String) {
    if negotiation.selected == Some(number) {
        return ("chosen", "<b>chosen</b>".into());
    }
    if negotiation.indefinite == Some(number) {
        return ("chosen", "best, but the client decides (R89)".into());
    }
    if variant.qualities.is_empty() {
        return ("", "listed (R87)".into());
    }
    if variant.acceptable {
        return ("", "acceptable".into());
    }
    let elimination = if negotiation.algorithm == "remote" { "R88" } else { "R77" };
    let field = |dimension: &str| match dimension {
        "type" => "Accept",
        "language" => "Accept-Language",
        "charset" => "Accept-Charset",
        _ => "Accept-Encoding",
    };
    let refused = variant.qualities.iter().filter(|quality| variant.rejected_by.contains(&quality.dimension));
    let mut reasons: Vec<_> = refused
        .map(|ReasonedQuality { dimension, why, rule, .. }| match &**why {
            "no match" => format!("its {dimension}: nothing in {} fits ({rule})", field(dimension)),
            why => format!("its {dimension}: {} gives it 0 ({}, {rule})", field(dimension), text(why)),
        })
        .collect();
    if variant.source_quality == 0 {
        let rule = if variant.media_type.is_empty() { ", as that of what has no type (R39)" } else { "" };
        reasons.push(format!("its source quality: it is 0{rule}"));
    }
    ("refused", format!("refused ({elimination}) for {}", reasons.join("; for ")))
}

/// What was asked: the fields as they were understood, and how to ask the same from a shell.
fn push_request(
    out: &mut String,
    form: &Form,
    fields: &Fields,
    subject: &Subject<'_>,
    explanation: Option<&Explanation>,
) {
    *out += "<section><h2>The request</h2>\n";
    let first = explanation.and_then(|explanation| explanation.negotiations.first());
    if let Some(negotiation) = first {
        *out += "<p>What of it counts here, as it was understood:</p>\n<dl class=\"fields\">\n";
        for ParsedField { name, items } in &negotiation.preferences {
            *out += &format!("<div><dt>{name}</dt><dd>");
            match items.as_deref() {
                None => *out += "<em>absent</em>",
                Some([]) => *out += "<em>empty</em>",
                Some(items) => {
                    let items = items.iter().map(|(item, quality)| {
                        format!("<span class=\"item\">{} <small>{}</small></span>", text(item), text(quality))
                    });
                    *out += &items.collect::<Vec<_>>().join(" ");
                }
            }
            *out += "</dd></div>\n";
        }
        *out += "</dl>\n";
    }
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let own = clients::find("own").unwrap_or(form.client);
    let edited = Form { client: own, further: lines, language: String::new(), ..form.clone() };
    *out += &format!(
        "<p>All of it, for a shell:</p>\n<pre class=\"command\" tabindex=\"0\">{}</pre>\n\
         <p class=\"about\"><a href=\"?{}\">link to this page</a> · <a href=\"?{}\">change its fields</a></p>\n</section>\n",
        text(&request::curl(form, fields, subject)),
        text(&form.query()),
        text(&edited.query())
    );
}

/// What is sent: head and content.
fn push_answer(out: &mut String, form: &Form, subject: &Subject<'_>, answer: &Answer<'_>) {
    *out += &format!(
        "<section><h2>The answer</h2>\n<pre tabindex=\"0\"><b>HTTP/1.1 {}</b>\n",
        text(&answer.status.to_string())
    );
    for (name, value) in field_lines(answer.fields.bytes()) {
        *out += &format!("<span>{}:</span> {}\n", text(&name), text(&value));
    }
    *out += "</pre>\n<p class=\"about\">Besides, there are Date and Server.</p>\n</section>\n\
             <section><h2>The content</h2>\n";
    if answer.content == Content::None {
        *out += "<p>There is none.</p>\n";
    } else {
        let target = form.url.as_deref().unwrap_or("/");
        let location = field_value(answer.fields.bytes(), "Content-Location").unwrap_or_default();
        let address = request::address(subject.origin, target, &String::from_utf8_lossy(location));
        let base = request::address(subject.origin, target, "");
        let bytes = preview::bytes(subject.webroot, &answer.content);
        preview::push(
            out,
            answer.content.length(),
            bytes.as_deref(),
            answer.fields.bytes(),
            address.as_deref(),
            base.as_deref(),
        );
    }
    *out += "</section>\n";
}

/// What other clients get without fields of one's own, with links to why.
fn push_others(out: &mut String, form: &Form, subject: &Subject<'_>) {
    *out += "<section><h2>Other clients</h2>\n<dl class=\"others\">\n";
    for client in CLIENTS.iter().filter(|client| !client.fields.is_empty() && client.name != form.client.name) {
        let form = Form { client, further: String::new(), ..form.clone() };
        let Ok(fields) = form.fields() else { continue };
        let got = outcome(&request::head(&form, &fields, subject), subject.webroot);
        *out += &format!(
            "<div><dt><a href=\"?{}\">{}</a></dt><dd><bdi>{}</bdi></dd></div>\n",
            text(&form.query()),
            text(client.title),
            text(&got)
        );
    }
    *out += "</dl>\n</section>\n";
}

/// The file that is sent, or the status.
fn outcome(head: &[u8], webroot: Webroot<'_>) -> Vec<u8> {
    let answer = match parsed(head) {
        Ok(request) => answer(webroot, &request),
        Err(status) => return status.to_string().into_bytes(),
    };
    match answer.selected {
        Some(stored) if answer.status == Status::Ok => stored.file_name().to_vec(),
        _ => answer.status.to_string().into_bytes(),
    }
}

fn capitalized(sentence: &str) -> String {
    let mut characters = sentence.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

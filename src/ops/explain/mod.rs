//! The page that explains a decision: a form that asks for host, URL and client, and below it why that client gets what.
//!
//! It works without scripts and loads nothing. `form` reads the query and writes the form, `clients` knows what clients send,
//! `request` makes the request that the form describes, `decision` tells what came of it, `preview` shows the content, `near`
//! finds resources worth asking for.

mod clients;
mod decision;
mod form;
mod html;
mod near;
mod preview;
mod request;

use crate::http::Status;
use crate::webroot::Webroot;
use form::Form;
use html::text;

/// What can be explained: a host by name, and a look at its webroot.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// As it is shown and chosen in the form: `example.com`, `*.example.com`, `__default__`.
    pub name: &'a str,
    /// What it serves.
    pub webroot: Webroot<'a>,
    /// Where it can be had, such as `http://127.0.0.1:8080`: for links, and for what a previewed page loads. `None` if that
    /// is not known.
    pub origin: Option<&'a str>,
}

/// A page, ready to be sent as `text/html; charset=utf-8`.
///
/// It needs no scripts. What it previews may be a page with styles, fonts and images of its own, from anywhere; a policy for
/// it (Content-Security-Policy) must leave it these, and the `base` element that tells where it is from.
#[derive(Clone, Debug)]
pub struct Page {
    /// 200, 404 if there is no such host, 400 if the query makes no request. The status of the answer that is explained does
    /// not matter here.
    pub status: Status,
    /// The document.
    pub html: String,
}

/// The page for the query of its address, without the `?`; `None` and what names no URL give the form and what to try.
///
/// `hosts` are the names to choose from, of which the first is chosen if the query names none; `find` is asked once for the
/// one that is chosen.
pub fn page<'a>(query: Option<&[u8]>, hosts: &[&str], find: impl FnOnce(&str) -> Option<Subject<'a>>) -> Page {
    let (form, read) = Form::read(query.unwrap_or_default(), hosts.first().copied().unwrap_or_default());
    let subject = find(&form.host);
    let asked = read.and_then(|()| form.fields());
    let mut out = String::with_capacity(16 << 10);
    begin(&mut out, &form);
    form.push(&mut out, hosts);
    let status = match (asked, subject) {
        (Err(fault), _) => {
            push_fault(&mut out, &fault);
            Status::BadRequest
        }
        (Ok(_), None) if form.host.is_empty() => {
            push_fault(&mut out, "No host is served at the moment.");
            Status::Ok
        }
        (Ok(_), None) => {
            push_fault(&mut out, &format!("There is no host called {:?} here.", form.host));
            Status::NotFound
        }
        (Ok(fields), Some(subject)) => {
            if form.url.is_some() {
                decision::push(&mut out, &form, &fields, &subject);
            } else {
                near::push_negotiated(&mut out, &form, subject.webroot);
            }
            Status::Ok
        }
    };
    out += "</main>\n<footer>Numbers such as R59 and D6 are those of the rules in docs/negotiation.md.</footer>\n\
            </body>\n</html>\n";
    Page { status, html: out }
}

fn begin(out: &mut String, form: &Form) {
    *out += "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" href=\"data:,\">\n<title>";
    if let Some(url) = &form.url {
        *out += &format!("{} for {}: ", text(url), text(form.client.title));
    }
    *out += "Why this answer?</title>\n<style>\n";
    *out += include_str!("style.css");
    *out += "</style>\n</head>\n<body>\n<header><h1>Why this answer?</h1>\n\
             <p>What a client gets under an address, and how that was decided. This runs the server’s own code.</p></header>\n\
             <main>\n";
}

/// Why there is no decision to tell of.
fn push_fault(out: &mut String, fault: &str) {
    *out += &format!("<p class=\"fault\" role=\"alert\">{}</p>\n", text(fault));
}

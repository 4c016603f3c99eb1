//! The request that the form describes: as bytes for the server's own parser, and as a command for a shell.

use super::Subject;
use super::form::{Fields, Form};
use crate::http::target;

/// The head of the request, to be parsed as if a client had sent it.
pub fn head(form: &Form, fields: &Fields, subject: &Subject<'_>) -> Vec<u8> {
    let target = form.url.as_deref().unwrap_or("/");
    let mut head = format!("{} {target} HTTP/1.1\r\n", form.method);
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Host")) {
        head += &format!("Host: {}\r\n", authority(subject.name).unwrap_or_default());
    }
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    head += "\r\n";
    head.into_bytes()
}

/// A host that the name stands for, if it says one: of `*.example.com` any.
fn authority(name: &str) -> Option<String> {
    let host = match name.strip_prefix("*.") {
        Some(domain) => format!("any.{domain}"),
        None => name.to_string(),
    };
    let is_host = name != "__default__" && !host.is_empty() && target::is_valid_host(host.as_bytes());
    is_host.then_some(host)
}

/// The same request as a command for a shell.
pub fn curl(form: &Form, fields: &Fields, subject: &Subject<'_>) -> String {
    let target = form.url.as_deref().unwrap_or("/");
    let authority = authority(subject.name);
    let origin = match (subject.origin, &authority) {
        (Some(origin), _) => origin.to_string(),
        (None, Some(authority)) => format!("http://{authority}"),
        (None, None) => "http://localhost".into(),
    };
    let mut command = "curl -i".to_string();
    match form.method {
        "GET" => {}
        "HEAD" => command = "curl -I".into(),
        method => command += &format!(" -X {method}"),
    }
    if target.starts_with('/') {
        // Left to itself, curl resolves dots and takes brackets for patterns.
        command += &format!(" --globoff --path-as-is {}", quoted(&format!("{origin}{target}")));
    } else {
        command += &format!(" --request-target {} {}", quoted(target), quoted(&origin));
    }
    let mut push = |field: String| command += &format!(" \\\n  -H {}", quoted(&field));
    let says = |wanted: &str| fields.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    if let Some(host) = authority.filter(|host| !says("Host") && !origin.ends_with(&format!("//{host}"))) {
        push(format!("Host: {host}"));
    }
    if !says("Accept") {
        push("Accept:".into());
    }
    for (name, value) in fields {
        // A colon with nothing behind it would take the field away.
        push(if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") });
    }
    command
}

/// A word that no shell takes for anything else.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Where what lies under `reference`, relative to the resource of `target`, can be had.
pub fn address(origin: Option<&str>, target: &str, reference: &str) -> Option<String> {
    // The authority of a target makes no difference, and `//a` is a path here.
    let path = if target.starts_with('/') { target } else { "/" };
    let address = url::Url::parse(&format!("{}{path}", origin?)).ok()?.join(reference).ok()?;
    matches!(address.scheme(), "http" | "https").then(|| address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_host_to_ask_for() {
        for (name, host) in [
            ("example.com", Some("example.com")),
            ("*.example.com", Some("any.example.com")),
            ("[::1]", Some("[::1]")),
            ("__default__", None),
            ("chart.webroot", Some("chart.webroot")),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(authority(name).as_deref(), host, "{name}");
        }
    }

    #[test]
    fn shells_take_words_as_they_stand() {
        assert_eq!(quoted("it's $(a) `b` \"c\" \\"), "'it'\\''s $(a) `b` \"c\" \\'");
    }

    #[test]
    fn references_are_relative_to_the_resource() {
        let origin = Some("http://127.0.0.1:8080");
        for (origin, target, reference, expected) in [
            (origin, "/docs/intro?x", "intro.fr.html", Some("http://127.0.0.1:8080/docs/intro.fr.html")),
            (origin, "/docs/", "../a", Some("http://127.0.0.1:8080/a")),
            (origin, "/a", "./h:i", Some("http://127.0.0.1:8080/h:i")),
            (origin, "//b/c", "d", Some("http://127.0.0.1:8080//b/d")),
            (origin, "http://b/c", "", Some("http://127.0.0.1:8080/")),
            (origin, "/a", "javascript:b", None),
            (None, "/a", "b", None),
            (Some("nowhere"), "/a", "b", None),
        ] {
            assert_eq!(address(origin, target, reference).as_deref(), expected, "{target} {reference}");
        }
    }
}

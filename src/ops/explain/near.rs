//! Resources that are worth asking for: those that are negotiated, and those that are called like what was not found.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::form::Form;
use super::html::text;
use crate::http::escape;
use crate::webroot::{Target, Webroot};

/// So many resources of a host are looked at: all of an ordinary one.
const LOOKED_AT: usize = 50_000;
/// So many that are negotiated are shown.
const NEGOTIATED: usize = 50;
/// So many that are near are shown.
const NEAR: usize = 10;

/// Writes some of the host's resources that are negotiated, as links to what `form` asks of them.
pub fn push_negotiated(out: &mut String, form: &Form, webroot: Webroot<'_>) {
    let keys = webroot.resources().take(LOOKED_AT).filter(|resource| is_negotiated(resource.target()));
    let mut first = BTreeSet::new();
    for resource in keys {
        first.insert(resource.key());
        if first.len() > NEGOTIATED {
            first.pop_last();
        }
    }
    if first.is_empty() {
        *out += "<section><h2>Nothing to try</h2>\n<p>Nothing of this host is negotiated.</p></section>\n";
        return;
    }
    *out += "<section><h2>Try these</h2>\n<p>They are negotiated: what there is depends on who asks.</p>\n";
    push_links(out, form, first.into_iter());
    *out += "</section>\n";
}

fn is_negotiated(target: Target<'_>) -> bool {
    match target {
        Target::Negotiated(negotiated) => !negotiated.is_file() && negotiated.run.len() > 1,
        // None of these is an index.
        Target::Index(alternatives, _) => alternatives.iter().any(is_negotiated),
        _ => false,
    }
}

/// Writes the resources whose keys begin most like `key`, as links to what `form` asks of them.
pub fn push_near(out: &mut String, form: &Form, webroot: Webroot<'_>, key: &[u8]) {
    let common = |other: &[u8]| key.iter().zip(other).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    let mut nearest = BTreeSet::new();
    for resource in webroot.resources().take(LOOKED_AT) {
        // Every key begins with a slash, and that of a redirect for all below ends in two: nobody can ask for it.
        let other = resource.key();
        if common(other) > 1 && !other.ends_with(b"//") {
            nearest.insert((Reverse(common(other)), other.len(), other));
        }
        if nearest.len() > NEAR {
            nearest.pop_last();
        }
    }
    if !nearest.is_empty() {
        *out += "<p>There is something under these:</p>\n";
        push_links(out, form, nearest.into_iter().map(|(.., key)| key));
    }
}

fn push_links<'k>(out: &mut String, form: &Form, keys: impl Iterator<Item = &'k [u8]>) {
    *out += "<ul class=\"links\">\n";
    for key in keys {
        let mut url = Vec::new();
        escape::push_uri(&mut url, key, true);
        let form = Form { url: Some(String::from_utf8_lossy(&url).into_owned()), ..form.clone() };
        *out += &format!("<li><a href=\"?{}\"><bdi>{}</bdi></a></li>\n", text(&form.query()), text(key));
    }
    *out += "</ul>\n";
}

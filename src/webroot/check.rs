//! Deep verification of a webroot: everything that opening it does not look at.

use std::ops::Range;

use rayon::prelude::*;

use super::layout::PAGE;
use super::reader::{Alternatives, Negotiated, Outcome, Run, StoredVariant, Target, Webroot};

/// Something in a webroot that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// The first byte concerned, from the beginning of the file.
    pub offset: u64,
    /// What is wrong, in words.
    pub what: String,
}

/// Verifies a webroot that has been opened: the digest of every body, that nothing but zeros lies between
/// them, that every key is found where it is, and that header blocks describe the bodies they go with.
///
/// Reads every byte of the file once, in parallel. The damage found is in the order of the file; none means
/// that the file is what mkroot wrote.
pub fn verify(webroot: &Webroot<'_>) -> Vec<Damage> {
    let mut damage = contents(webroot);
    let mut free = PAGE;
    for body in webroot.bodies() {
        let range = body.range();
        damage.extend(unused(webroot, free..range.start, "between bodies"));
        free = range.end;
    }
    damage.extend(unused(webroot, free..webroot.index_start(), "between bodies and index"));
    for gap in webroot.section_gaps() {
        damage.extend(unused(webroot, gap, "between sections of the index"));
    }

    for resource in webroot.resources() {
        let key = resource.key();
        if webroot.find(key).is_none_or(|found| found.key() != key) {
            damage.push(Damage {
                offset: webroot.index_start(),
                what: format!("the resource {} is not found under its own key", String::from_utf8_lossy(key)),
            });
        }
    }
    for variant in webroot.variants() {
        if let Err(what) = check_block(&variant) {
            let file = String::from_utf8_lossy(variant.variant().file_name).into_owned();
            damage.push(Damage { offset: webroot.index_start(), what: format!("the header block of {file} {what}") });
        }
    }
    if !are_field_lines(webroot.settings().fields.as_bytes()) {
        let what = "the fields of the site do not consist of field lines".into();
        damage.push(Damage { offset: webroot.index_start(), what });
    }
    damage.sort();
    damage
}

/// Verifies the digest of every body, in parallel.
pub fn contents(webroot: &Webroot<'_>) -> Vec<Damage> {
    let damaged = |range: Range<u64>| Damage { offset: range.start, what: damaged_body(webroot, &range) };
    let bodies = webroot.bodies().par_iter();
    let wrong = bodies.filter(|body| blake3::hash(webroot.bytes(body.range())) != body.digest);
    wrong.map(|body| damaged(body.range())).collect()
}

/// Bytes that belong to nothing must be zero; else something was written where it should not be.
fn unused(webroot: &Webroot<'_>, gap: Range<u64>, place: &str) -> Option<Damage> {
    let at = webroot.bytes(gap.clone()).iter().position(|&byte| byte != 0)?;
    Some(Damage { offset: gap.start + at as u64, what: format!("an unused byte {place} is not zero") })
}

/// What is wrong if the body at `range` is not what it should be, by the names of the resources that it belongs to.
pub fn damaged_body(webroot: &Webroot<'_>, range: &Range<u64>) -> String {
    let has = |run: &Run<'_>| run.iter().any(|variant| variant.body() == *range);
    let any = |alternatives: &Alternatives<'_>| {
        alternatives.iter().any(
            |target| matches!(target, Target::File(run, _) | Target::Negotiated(Negotiated { run, .. }) if has(&run)),
        )
    };
    let concerned = webroot.resources().filter(|resource| match resource.target() {
        Target::File(run, _) | Target::Negotiated(Negotiated { run, .. }) => has(&run),
        Target::Index(alternatives, _) => any(&alternatives),
        Target::Redirect(..) | Target::Failure(_) => false,
    });
    let mut keys: Vec<_> = concerned.map(|resource| String::from_utf8_lossy(resource.key()).into_owned()).collect();
    keys.sort();
    format!("the content of {} is damaged (bytes {} to {})", keys.join(", "), range.start, range.end)
}

/// Whether these are whole lines, none of them empty.
fn are_field_lines(lines: &[u8]) -> bool {
    (lines.is_empty() || lines.ends_with(b"\r\n"))
        && !lines.starts_with(b"\r\n")
        && !lines.windows(4).any(|bytes| bytes == b"\r\n\r\n")
}

/// A block must be whole field lines, say the length of its body, and hold the entity tag where it should.
fn check_block(variant: &StoredVariant<'_>) -> Result<(), &'static str> {
    let block = variant.block();
    if !are_field_lines(block) {
        return Err("does not consist of field lines");
    }
    if !matches!(variant.outcome(), Outcome::Body | Outcome::InlineBody) {
        return Ok(());
    }
    let body = variant.body();
    let length = format!("\r\nContent-Length: {}\r\n", body.end - body.start);
    if !block.windows(length.len()).any(|bytes| bytes == length.as_bytes()) {
        return Err("does not give the length of the content");
    }
    let etag = variant.etag();
    if etag.len() < 2 || !etag.starts_with(b"\"") || !etag.ends_with(b"\"") {
        return Err("does not hold an entity tag where it should");
    }
    let not_modified = variant.not_modified_block();
    if !not_modified.is_empty() && !not_modified.ends_with(b"\r\n") {
        return Err("has a part for 304 that ends amid a line");
    }
    Ok(())
}

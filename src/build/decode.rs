//! Contents without their codings, for clients that accept none of these (D3).
//!
//! A resource whose variants are all coded would have nothing for a client that understands no coding. Where the codings
//! are known here, the plain form is made when the site is packed and becomes a variant like any other.

use std::borrow::Cow;
use std::collections::HashMap;

use super::config::Configs;
use super::group::Representations;
use super::pack::{BuildError, digests, failure};
use super::prior::Prior;
use super::site::{Candidates, Made, Manner, Site};
use crate::http::coding;
use crate::resource::{Note, Policy, coding_names};
use crate::webroot::writer::Writer;

/// The longest plain form that is made, in bytes: more is a mistake or a trap.
const MOST: u64 = 64 << 20;

/// Makes plain forms where all that there is of a type, language and charset is coded, and gives them to `site`. What
/// cannot be decoded is noted.
///
/// # Errors
///
/// If a file cannot be read any more, or the webroot cannot be written.
pub fn add_plain_forms<W: std::io::Write + std::io::Seek>(
    site: &mut Site<'_>,
    configs: &Configs,
    prior: Option<&Prior<'_>>,
    writer: &mut Writer<W>,
    notes: &mut Vec<Note>,
) -> Result<(), BuildError> {
    let coded = |(_, candidates): &(&[u8], &Candidates)| match candidates {
        Candidates::Files(numbers) => numbers.iter().any(|&number| site.known(number).metadata.codings.is_some()),
        Candidates::Map(_) => false,
    };
    let names: Vec<_> = site.negotiated().filter(coded).map(|(name, _)| name.to_vec()).collect();
    let mut made: HashMap<usize, Option<usize>> = HashMap::new();
    for name in names {
        let Some(Candidates::Files(numbers)) = site.candidates(&name) else { continue };
        let settings = &configs.get(site.directory(numbers[0])).settings;
        // Of what is negotiated transparently every variant needs a URI of its own, which a plain form has not.
        if settings.policy == Policy::Apache || settings.transparent {
            continue;
        }
        for source in coded_only(site, numbers) {
            let plain = match made.get(&source) {
                Some(&known) => known,
                None => {
                    let plain = plain_form(site, source, prior, writer, notes)?;
                    *made.entry(source).or_insert(plain.map(|plain| site.add_made(plain, false)))
                }
            };
            if let Some(plain) = plain {
                site.add_candidate(&name, source, plain);
            }
        }
    }
    Ok(())
}

/// Of each type, language and charset that is there only coded, the first file.
fn coded_only(site: &Site<'_>, numbers: &[usize]) -> Vec<usize> {
    let meaning = |number: usize| {
        let metadata = &site.known(number).metadata;
        let content_type = metadata.content_type.as_ref();
        (content_type.map(|known| (&known.media_type, &known.charset)), &metadata.languages)
    };
    let coded = |number: usize| site.known(number).metadata.codings.is_some();
    let mut first: Vec<usize> = Vec::new();
    for &number in numbers {
        let has_plain = numbers.iter().any(|&other| !coded(other) && meaning(other) == meaning(number));
        if !has_plain && !first.iter().any(|&other| meaning(other) == meaning(number)) {
            first.push(number);
        }
    }
    first
}

fn plain_form<W: std::io::Write + std::io::Seek>(
    site: &Site<'_>,
    source: usize,
    prior: Option<&Prior<'_>>,
    writer: &mut Writer<W>,
    notes: &mut Vec<Note>,
) -> Result<Option<Made>, BuildError> {
    let file = &site.tree.files[source];
    let known = site.known(source);
    let codings = known.metadata.codings.as_deref().unwrap_or_default();
    let content = content_again(site, source, prior)?;
    let Some(plain) = decode(&content, codings) else {
        let codings = String::from_utf8_lossy(codings);
        let what = format!(
            "is there only with the coding {codings}, and it cannot be undone; who does not accept that gets 406"
        );
        notes.push(Note::about(&file.key, None, what));
        return Ok(None);
    };
    let (digest, repr_digest) = digests(&plain, known.repr_digest.is_some());
    let body = writer.add_body(&plain, digest)?;
    let mut metadata = known.metadata.clone();
    metadata.codings = None;
    let (length, etag) = (plain.len() as u64, metadata.entity_tag(&digest));
    let known = Representations { metadata, body, digest, repr_digest, length, etag, ..known.clone() };
    let key = [file.directory(), &plain_name(file.name(), codings)].concat();
    Ok(Some(Made { key, source: Some(source), known, manner: Manner::Decoded }))
}

/// The content of a file once more, after it was packed: from the former webroot or from the file itself.
///
/// # Errors
///
/// If it cannot be read any more, or is another one.
pub fn content_again<'p>(
    site: &Site<'_>,
    number: usize,
    prior: Option<&Prior<'p>>,
) -> Result<Cow<'p, [u8]>, BuildError> {
    let (file, known) = (&site.tree.files[number], site.known(number));
    let is_known = |content: &[u8]| *blake3::hash(content).as_bytes() == known.digest;
    let former = prior.and_then(|prior| prior.find(site.tree, file)).map(|former| former.content());
    if let Some(content) = former.filter(|content| is_known(content)) {
        return Ok(Cow::Borrowed(content));
    }
    let read = std::fs::read(&file.path).map_err(|error| failure(file, error))?;
    if !is_known(&read) {
        return Err(BuildError::Changed { path: file.path.clone() });
    }
    Ok(Cow::Owned(read))
}

/// `content` with its codings undone. `None` if that is not possible.
pub fn decode(content: &[u8], codings: &[u8]) -> Option<Vec<u8>> {
    coding::decode(content, codings, MOST)
}

/// The name of a coded file without as many extensions as it has codings, from the last one on. It is only shown.
fn plain_name(name: &[u8], codings: &[u8]) -> Vec<u8> {
    let mut name = name.to_vec();
    for _ in coding_names(codings) {
        if let Some(dot) = name.iter().rposition(|&byte| byte == b'.').filter(|&dot| dot > 0) {
            name.truncate(dot);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        assert_eq!(plain_name(b"a.html.gz", b"gzip"), b"a.html");
        assert_eq!(plain_name(b"a.html.gz.Z", b"gzip, compress"), b"a.html");
        assert_eq!(plain_name(b"a", b"gzip"), b"a");
    }
}

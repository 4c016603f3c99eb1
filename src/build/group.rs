//! Files → resources: literal paths, negotiated names (MultiViews), directory indexes and redirects.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::config::Config;
use super::extensions::{ContentType, Metadata};
use super::walk::Tree;
use crate::http::escape;
use crate::http::response::{Block, Representation};
use crate::resource::{Dimensions, Level, Policy, Quality, Variant};
use crate::webroot::writer::{BodyId, RunId, TargetDraft, WriteError, Writer};

/// What is known of a file once it has been read: its place in the tree is its number.
#[derive(Clone, Debug)]
pub struct Representations {
    /// What the name says, with the type that was found by looking into the file where it does not.
    pub metadata: Metadata,
    /// Whether the type was found by looking, so that the file is no variant of a shorter name (R13).
    pub sniffed: bool,
    /// The content.
    pub body: BodyId,
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
    /// Length of the content in bytes.
    pub length: u64,
    /// Last-Modified in seconds since 1970, if it is to be sent.
    pub modified: Option<u64>,
}

/// How many resources of which kind came out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Keys.
    pub resources: u64,
    /// Keys under which variants are chosen.
    pub negotiated: u64,
    /// Variants of those.
    pub variants: u64,
}

/// Keys and what they answer, sorted by key.
pub type Resources = Vec<(Vec<u8>, TargetDraft)>;

/// Makes the resources of a site, adds their variants to `writer`, and returns them sorted by key.
///
/// # Errors
///
/// If the webroot would have more variants than it can number.
pub fn group<W: std::io::Write + std::io::Seek>(
    tree: &Tree,
    files: &[Representations],
    negotiate: bool,
    config: &Config,
    writer: &mut Writer<W>,
) -> Result<(Resources, Counts), WriteError> {
    let mut grouping = Grouping { tree, files, config, writer, targets: BTreeMap::new(), counts: Counts::default() };
    grouping.add_literal_paths()?;
    grouping.add_directory_redirects();
    let candidates = if negotiate { grouping.candidates() } else { HashMap::new() };
    grouping.add_negotiated(&candidates)?;
    grouping.add_directory_indexes(negotiate, &candidates)?;
    let counts = Counts { resources: grouping.targets.len() as u64, ..grouping.counts };
    Ok((grouping.targets.into_iter().collect(), counts))
}

/// Candidates by key: numbers of files, in scan order.
type Candidates = HashMap<Vec<u8>, Vec<usize>>;

struct Grouping<'a, W> {
    tree: &'a Tree,
    files: &'a [Representations],
    config: &'a Config,
    writer: &'a mut Writer<W>,
    targets: BTreeMap<Vec<u8>, TargetDraft>,
    counts: Counts,
}

impl<W: std::io::Write + std::io::Seek> Grouping<'_, W> {
    fn add_literal_paths(&mut self) -> Result<(), WriteError> {
        for (number, file) in self.tree.files.iter().enumerate() {
            let run = self.add_run(&[number], Dimensions::NONE, false)?;
            self.targets.insert(file.key.clone(), TargetDraft::File(run));
        }
        Ok(())
    }

    /// `/dir` → `/dir/` (R17).
    fn add_directory_redirects(&mut self) {
        for directory in &self.tree.directories {
            if let [key @ .., b'/'] = &directory[..]
                && !key.is_empty()
            {
                self.targets.insert(key.to_vec(), TargetDraft::Redirect(location(directory)));
            }
        }
    }

    /// For each name that no file has as a whole, the files that can stand for it (R24-R31).
    fn candidates(&self) -> Candidates {
        let mut candidates = Candidates::new();
        for (number, (file, known)) in self.tree.files.iter().zip(self.files).enumerate() {
            if !known.metadata.recognised || known.sniffed || known.metadata.content_type.is_none() {
                continue;
            }
            let directory = file.directory();
            let name = file.name();
            // Every dot ends a name by which the file may be asked for.
            for end in (1..name.len()).filter(|&end| name[end] == b'.') {
                let key = [directory, &name[..end]].concat();
                if !self.is_literal(&key) && covers_residue(&name[..end], &known.metadata.residue) {
                    candidates.entry(key).or_default().push(number);
                }
            }
        }
        for numbers in candidates.values_mut() {
            let order = |&number: &usize| {
                let quality = self.files[number].metadata.content_type.as_ref().map(|known| known.source_quality);
                (std::cmp::Reverse(quality), self.tree.files[number].name())
            };
            numbers.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        candidates
    }

    fn add_negotiated(&mut self, candidates: &Candidates) -> Result<(), WriteError> {
        let mut keys: Vec<_> = candidates.keys().collect();
        keys.sort(); // the order of runs is part of the file, and must not depend on the hash map
        for key in keys {
            if self.targets.contains_key(key) {
                continue; // a directory of that name answers (R17)
            }
            let numbers = &candidates[key];
            let run = self.add_run(numbers, self.vary(numbers), true)?;
            self.targets.insert(key.clone(), TargetDraft::Negotiated(run, self.config.settings.clone()));
            self.counts.negotiated += 1;
            self.counts.variants += numbers.len() as u64;
        }
        Ok(())
    }

    /// `/dir/`: what the names of `directory-index` answer, in order, up to the first that always does (R20).
    fn add_directory_indexes(&mut self, negotiate: bool, candidates: &Candidates) -> Result<(), WriteError> {
        let default = vec![if negotiate { "index" } else { "index.html" }.to_string()];
        let names = self.config.directory_index.as_ref().unwrap_or(&default);
        let literal: HashMap<_, _> =
            self.tree.files.iter().enumerate().map(|(number, file)| (file.key.as_slice(), number)).collect();
        let directories: HashSet<_> = self.tree.directories.iter().map(Vec::as_slice).collect();
        for directory in &self.tree.directories {
            let mut found = Vec::new();
            for name in names {
                let key = [directory, name.as_bytes()].concat();
                let as_directory = [&key[..], b"/"].concat();
                if let Some(&number) = literal.get(&key[..]) {
                    found.push((key, vec![number]));
                    break;
                }
                // Apache lets a directory called `index` hide `index.html` here (R20); real sites have both, and
                // mean the page.
                let numbers = candidates.get(&key);
                let hidden = numbers.is_none() || self.config.settings.policy == Policy::Apache;
                if hidden && directories.contains(&as_directory[..]) {
                    found.push((key, Vec::new()));
                    break;
                }
                if let Some(numbers) = numbers {
                    found.push((key, numbers.clone()));
                }
            }
            if found.is_empty() {
                continue;
            }
            let alternatives = self.alternatives(&found)?;
            self.targets.insert(directory.clone(), TargetDraft::Index(alternatives));
        }
        Ok(())
    }

    /// The targets of a directory, from names and the files that stand for them; a name without files is that
    /// of a directory. Where there are several, the fields that rule out an earlier one decide about a
    /// later one as well, so each names them all in Vary (D9; Apache does not).
    fn alternatives(&mut self, found: &[(Vec<u8>, Vec<usize>)]) -> Result<Vec<TargetDraft>, WriteError> {
        let shared_vary = (found.len() > 1 && self.config.settings.policy == Policy::Modern).then(|| {
            let negotiated = found.iter().filter(|(key, numbers)| !numbers.is_empty() && !self.is_literal(key));
            negotiated.fold(Dimensions::NONE, |vary, (_, numbers)| vary | self.vary(numbers))
        });
        let mut alternatives = Vec::new();
        for (key, numbers) in found {
            alternatives.push(match (self.targets.get(key), shared_vary) {
                // What answers under the name itself answers here.
                (Some(target @ TargetDraft::Negotiated(..)), None) => target.clone(),
                (Some(target @ TargetDraft::File(_)), None) => target.clone(),
                (Some(TargetDraft::File(_)), Some(vary)) => TargetDraft::File(self.add_run(numbers, vary, false)?),
                (Some(target @ TargetDraft::Redirect(_)), _) if numbers.is_empty() => target.clone(),
                (_, vary) => {
                    let run = self.add_run(numbers, vary.unwrap_or_else(|| self.vary(numbers)), true)?;
                    TargetDraft::Negotiated(run, self.config.settings.clone())
                }
            });
        }
        Ok(alternatives)
    }

    fn is_literal(&self, key: &[u8]) -> bool {
        matches!(self.targets.get(key), Some(TargetDraft::File(_)))
    }

    /// Which fields the choice among these files depends on: RFC 9110, section 12.5.5 and D8, or R92.
    fn vary(&self, numbers: &[usize]) -> Dimensions {
        let of = |number: &usize| self.variant(*number);
        let first = of(&numbers[0]);
        let differ = |same: &dyn Fn(Variant<'_>) -> bool| !numbers.iter().all(|number| same(of(number)));
        let languages = differ(&|variant| variant.languages == first.languages);
        let settings = &self.config.settings;
        if settings.policy == Policy::Apache {
            return Dimensions::NONE
                .with(Dimensions::TYPE, differ(&|variant| variant.media_type == first.media_type))
                .with(Dimensions::LANGUAGE, languages)
                .with(Dimensions::CHARSET, differ(&|variant| variant.charset == first.charset))
                .with(Dimensions::CODING, differ(&|variant| variant.codings == first.codings));
        }
        // A single type can still be refused, and so can a single language or coding; that a client
        // refuses even the identity coding is not worth a cache entry for every Accept-Encoding.
        // A charset decides only where the order of types does not, so not between, say, HTML and Turtle.
        let mut charsets = HashMap::new();
        let mut charset_decides = false;
        for variant in numbers.iter().map(of) {
            let listed = settings.type_priority.iter().any(|prior| prior.as_bytes() == variant.media_type);
            let class = Some(variant.media_type).filter(|_| listed);
            charset_decides |= *charsets.entry(class).or_insert(variant.charset) != variant.charset;
        }
        let refusable = !settings.fallback && numbers.iter().any(|number| of(number).languages.is_some());
        Dimensions::TYPE
            .with(Dimensions::LANGUAGE, languages || refusable)
            .with(Dimensions::CHARSET, charset_decides)
            .with(Dimensions::CODING, !numbers.iter().all(|number| of(number).is_identity_like()))
    }

    /// Adds files as the variants of one target. `negotiated` ones say which of them was chosen.
    fn add_run(&mut self, numbers: &[usize], vary: Dimensions, negotiated: bool) -> Result<RunId, WriteError> {
        let blocks: Vec<_> = numbers.iter().map(|&number| self.block(number, vary, negotiated)).collect();
        let (tree, files) = (self.tree, self.files);
        let variants = numbers.iter().zip(&blocks);
        self.writer.add_run(variants.map(|(&number, block)| (variant(tree, files, number), block, files[number].body)))
    }

    fn variant(&self, number: usize) -> Variant<'_> {
        variant(self.tree, self.files, number)
    }

    /// The header block of a file.
    fn block(&self, number: usize, vary: Dimensions, negotiated: bool) -> Block {
        let known = &self.files[number];
        let Metadata { content_type, languages, codings, .. } = &known.metadata;
        let apache = self.config.settings.policy == Policy::Apache;
        let mut content_location = Vec::new();
        if negotiated && apache {
            escape::push_uri(&mut content_location, self.tree.files[number].name(), false);
        } else if negotiated {
            content_location = escape::sibling_reference(self.tree.files[number].name());
        }
        let vary = if apache { vary.vary().to_ascii_lowercase().replace(", ", ",") } else { vary.vary() };
        let content_type = content_type.as_ref().map_or(&[][..], |known| &known.field_value);
        let (languages, codings) = (languages.as_deref().unwrap_or_default(), codings.as_deref().unwrap_or_default());
        let etag = entity_tag(&known.digest, &[content_type, languages, codings]);
        Representation {
            etag: etag.as_bytes(),
            content_location: &content_location,
            vary: vary.as_bytes(),
            last_modified: known.modified,
            content_type,
            content_length: known.length,
            content_language: languages,
            content_encoding: codings,
        }
        .render()
    }
}

/// A file as selection will see it.
fn variant<'a>(tree: &'a Tree, files: &'a [Representations], number: usize) -> Variant<'a> {
    let known = &files[number];
    let content_type: Option<&ContentType> = known.metadata.content_type.as_ref();
    Variant {
        file_name: tree.files[number].name(),
        media_type: content_type.map_or(&[], |known| &known.media_type),
        level: content_type.map_or(Level::of(b"", None), |known| known.level),
        source_quality: content_type.map_or(Quality::FULL, |known| known.source_quality),
        charset: content_type.and_then(|known| known.charset.as_deref()),
        languages: known.metadata.languages.as_deref(),
        codings: known.metadata.codings.as_deref(),
        length: known.length,
    }
}

/// A strong entity tag (RFC 9110, section 8.8.3): 120 bits of a digest over content and metadata, so that two
/// variants with equal bytes but, say, different languages do not validate each other.
fn entity_tag(digest: &[u8; 32], metadata: &[&[u8]]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hasher = blake3::Hasher::new();
    hasher.update(digest);
    for part in metadata {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let mut tag = String::with_capacity(22);
    tag.push('"');
    for bytes in digest.as_bytes()[..15].chunks_exact(3) {
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        tag.extend([18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize])));
    }
    tag.push('"');
    tag
}

/// Whether the requested name, segment by segment, uses up the residue of a file's name (R27).
fn covers_residue(name: &[u8], residue: &[Vec<u8>]) -> bool {
    let mut rest = residue.iter();
    let mut next = rest.next();
    for segment in name.split(|&byte| byte == b'.') {
        if next.is_some_and(|wanted| wanted == segment) {
            next = rest.next();
        }
    }
    next.is_none()
}

/// A directory's key as a reference in Location.
fn location(directory: &[u8]) -> Vec<u8> {
    let mut location = Vec::with_capacity(directory.len());
    escape::push_uri(&mut location, directory, true);
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residue_must_be_asked_for() {
        let residue = |text: &str| text.split(' ').map(|part| part.as_bytes().to_vec()).collect::<Vec<_>>();
        for (name, rest, covered) in [
            ("a", "a", true),
            ("a", "a zzq", false),
            ("a.zzq", "a zzq", true),
            ("a.html.zzq", "a zzq", true),
            ("a.x1.x2", "a x1 x2", true),
            ("a.x2", "a x1 x2", false),
            ("a.x2.x1", "a x1 x2", false),
            ("A", "a", false),
        ] {
            assert_eq!(covers_residue(name.as_bytes(), &residue(rest)), covered, "{name} {rest}");
        }
    }

    #[test]
    fn tags_tell_metadata_apart() {
        let tag = entity_tag(&[7; 32], &[b"text/html", b"en"]);
        assert_eq!(tag.len(), 22);
        assert_ne!(tag, entity_tag(&[7; 32], &[b"text/html", b"fr"]));
        assert_ne!(tag, entity_tag(&[7; 32], &[b"text/htmle", b"n"]));
        assert_ne!(tag, entity_tag(&[8; 32], &[b"text/html", b"en"]));
    }
}

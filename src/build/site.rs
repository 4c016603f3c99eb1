//! The site as requests see it: what stands behind a path, a file, a directory or candidates for a choice (R15-R31).

use std::collections::BTreeMap;

use indexmap::IndexMap;
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::config::Configs;
use super::decode::Decoded;
use super::group::Representations;
use super::type_map::TypeMap;
use super::walk::Tree;

/// The tree with the candidates for every name that no file has as a whole.
pub struct Site<'a> {
    pub tree: &'a Tree,
    pub files: &'a [Representations],
    literal: FxHashMap<&'a [u8], usize>,
    directories: FxHashSet<&'a [u8]>,
    /// By their names, sorted.
    candidates: IndexMap<Vec<u8>, Candidates, FxBuildHasher>,
    /// Names that begin those of files none of which can stand for them (D17), with these files.
    hidden: BTreeMap<Vec<u8>, Vec<usize>>,
    /// Plain forms of coded files; their numbers follow those of the files.
    decoded: Vec<Decoded>,
}

/// The files that can stand for a name, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// These, in scan order.
    Files(Vec<usize>),
    /// A type map, which takes the place of all others (R29).
    Map(usize),
}

/// What stands behind a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'s> {
    /// A file.
    File(usize),
    /// A directory, asked for with or without its final slash.
    Directory,
    /// Candidates for a choice.
    Candidates(&'s Candidates),
    /// Files that begin with the name, none of which can stand for it (D17).
    Hidden,
    /// Nothing.
    Nothing,
}

impl<'a> Site<'a> {
    /// The tree with what is known of its files. Without `negotiate` no name has candidates.
    pub fn new(tree: &'a Tree, files: &'a [Representations], configs: &Configs, negotiate: bool) -> Site<'a> {
        let mut site = Site {
            tree,
            files,
            literal: tree.files.iter().enumerate().map(|(number, file)| (file.key.as_slice(), number)).collect(),
            directories: tree.directories.iter().map(Vec::as_slice).collect(),
            candidates: IndexMap::default(),
            hidden: BTreeMap::new(),
            decoded: Vec::new(),
        };
        if negotiate {
            site.candidates = site.find_candidates(configs);
            site.hidden = site.find_hidden();
        }
        site
    }

    /// All that it holds of its own, which takes a while to be dropped.
    pub fn into_names(self) -> impl Send + 'static + use<> {
        (self.candidates, self.hidden, self.decoded)
    }

    /// What is known of a file, or of the plain form of one.
    pub fn known(&self, number: usize) -> &Representations {
        self.files.get(number).unwrap_or_else(|| &self.decoded[number - self.files.len()].known)
    }

    /// The name of a file without its directory.
    pub fn name(&self, number: usize) -> &[u8] {
        match self.tree.files.get(number) {
            Some(file) => file.name(),
            None => &self.decoded[number - self.files.len()].name,
        }
    }

    /// The key of a file, or of the one that a plain form was made of.
    pub fn source_key(&self, number: usize) -> &[u8] {
        &self.tree.files[self.source(number)].key
    }

    /// The key of a file's directory.
    pub fn directory(&self, number: usize) -> &[u8] {
        self.tree.files[self.source(number)].directory()
    }

    fn source(&self, number: usize) -> usize {
        if self.is_decoded(number) { self.decoded[number - self.files.len()].source } else { number }
    }

    /// Whether this is no file but the plain form of one.
    pub fn is_decoded(&self, number: usize) -> bool {
        number >= self.files.len()
    }

    /// Adds a plain form; returns its number.
    pub fn add_decoded(&mut self, decoded: Decoded) -> usize {
        self.decoded.push(decoded);
        self.files.len() + self.decoded.len() - 1
    }

    /// Lets `plain` stand for `name` too, behind `source`.
    pub fn add_candidate(&mut self, name: &[u8], source: usize, plain: usize) {
        if let Some(Candidates::Files(numbers)) = self.candidates.get_mut(name) {
            let place = numbers.iter().position(|&number| number == source).map_or(numbers.len(), |place| place + 1);
            numbers.insert(place, plain);
        }
    }

    /// The number of the file with this key.
    pub fn file(&self, key: &[u8]) -> Option<usize> {
        self.literal.get(key).copied()
    }

    /// Whether there is a directory with this key, which ends in a slash.
    pub fn is_directory(&self, key: &[u8]) -> bool {
        self.directories.contains(key)
    }

    /// Whether there is a directory that this key, without a final slash, names.
    pub fn is_directory_name(&self, key: &[u8]) -> bool {
        self.is_directory(&[key, b"/"].concat())
    }

    /// Names that begin those of files none of which can stand for them (D17), with these files, sorted.
    pub fn hidden(&self) -> &BTreeMap<Vec<u8>, Vec<usize>> {
        &self.hidden
    }

    /// What a file lists, if it is a type map that can be read.
    pub fn map(&self, number: usize) -> Option<&TypeMap> {
        self.known(number).type_map.as_ref().and_then(|map| map.parsed.as_ref().ok())
    }

    /// The candidates for a name. A directory of that name does not matter here.
    pub fn candidates(&self, key: &[u8]) -> Option<&Candidates> {
        self.candidates.get(key)
    }

    /// Where among all names with candidates this one stands.
    pub fn place(&self, name: &[u8]) -> Option<usize> {
        self.candidates.get_index_of(name)
    }

    /// Whether this is a type map without entries, which counts as nothing (R44).
    pub fn is_empty_map(&self, candidates: &Candidates) -> bool {
        let Candidates::Map(number) = candidates else { return false };
        self.map(*number).is_some_and(|map| map.entries.is_empty())
    }

    /// All names with candidates, sorted, and these.
    pub fn negotiated(&self) -> impl ExactSizeIterator<Item = (&[u8], &Candidates)> {
        self.candidates.iter().map(|(name, candidates)| (name.as_slice(), candidates))
    }

    /// What stands behind `key`, a normalised path.
    pub fn find(&self, key: &[u8]) -> Found<'_> {
        if let Some(number) = self.file(key) {
            return Found::File(number);
        }
        if self.is_directory(key) || self.is_directory_name(key) {
            return Found::Directory;
        }
        match self.candidates(key) {
            Some(candidates) if self.is_empty_map(candidates) => return Found::Nothing,
            Some(candidates) => return Found::Candidates(candidates),
            None => {}
        }
        if self.hidden.contains_key(key) { Found::Hidden } else { Found::Nothing }
    }

    /// For each name that no file has as a whole, the files that can stand for it (R24-R31).
    fn find_candidates(&self, configs: &Configs) -> IndexMap<Vec<u8>, Candidates, FxBuildHasher> {
        let found = (0..self.files.len()).into_par_iter().flat_map_iter(|number| {
            let (file, known) = (&self.tree.files[number], &self.files[number]);
            let metadata = &known.metadata;
            let is_map = metadata.takes_over(configs.get(file.directory()).settings.policy);
            let has_type = metadata.content_type.is_some() && !known.sniffed;
            let stands_for = names_of(file.name()).filter(move |name| {
                metadata.recognised && (has_type || is_map) && covers_residue(name, &metadata.residue)
            });
            let keys = stands_for.map(|name| [file.directory(), name].concat());
            keys.filter(|key| !self.literal.contains_key(&key[..])).map(move |key| (key, number, is_map))
        });
        let found: Vec<_> = found.collect();
        let mut candidates = IndexMap::with_capacity_and_hasher(found.len(), FxBuildHasher);
        for (key, number, is_map) in found {
            match candidates.get_mut(&key) {
                // Files come in the order of their names, so the first of several maps stays (B15).
                Some(Candidates::Map(_)) => {}
                Some(Candidates::Files(numbers)) if !is_map => numbers.push(number),
                _ if is_map => {
                    candidates.insert(key, Candidates::Map(number));
                }
                _ => {
                    candidates.insert(key, Candidates::Files(vec![number]));
                }
            }
        }
        for candidates in candidates.values_mut() {
            if let Candidates::Files(numbers) = candidates {
                let order = |&number: &usize| {
                    let quality = self.files[number].metadata.content_type.as_ref().map(|known| known.source_quality);
                    (std::cmp::Reverse(quality), self.tree.files[number].name())
                };
                numbers.sort_by(|a, b| order(a).cmp(&order(b)));
            }
        }
        candidates.sort_keys();
        candidates
    }

    fn find_hidden(&self) -> BTreeMap<Vec<u8>, Vec<usize>> {
        let answers = |key: &Vec<u8>| {
            self.candidates.contains_key(key) || self.file(key).is_some() || self.is_directory_name(key)
        };
        let found = self.tree.files.par_iter().enumerate().flat_map_iter(|(number, file)| {
            let keys = names_of(file.name()).map(|name| [file.directory(), name].concat());
            keys.filter(|key| !answers(key)).map(move |key| (key, number))
        });
        let mut hidden: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
        for (key, number) in found.collect::<Vec<_>>() {
            hidden.entry(key).or_default().push(number);
        }
        hidden
    }
}

/// The names by which a file may be asked for besides its own: every dot ends one (R24).
pub fn names_of(file_name: &[u8]) -> impl Iterator<Item = &[u8]> {
    (1..file_name.len()).filter(|&end| file_name[end] == b'.').map(|end| &file_name[..end])
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
}

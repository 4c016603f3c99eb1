//! The site as requests see it: what stands behind a path, a file, a directory or candidates for a choice (R15-R31).

use std::collections::BTreeMap;

use indexmap::IndexMap;
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::config::Configs;
use super::group::Representations;
use super::type_map::TypeMap;
use super::walk::{Tree, directory_of};

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
    /// What no file holds; their numbers follow those of the files.
    made: Vec<Made>,
    /// Those of them that have addresses of their own.
    addresses: FxHashMap<Vec<u8>, usize>,
    /// What else answers for the whole name of a file.
    beside: FxHashMap<usize, Vec<usize>>,
    /// Field lines of files and of what was made of them, besides those that everything has.
    lines: FxHashMap<usize, Vec<u8>>,
}

/// A representation that no file of the site holds: mkroot made it.
pub struct Made {
    /// Its address, if it has one of its own; else only how it is shown.
    pub key: Vec<u8>,
    /// The number of what it was made of; what sums up the site is made of nothing in particular.
    pub source: Option<usize>,
    /// What is known of it.
    pub known: Representations,
    /// How it was made.
    pub manner: Manner,
}

/// How a representation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// By undoing codings.
    Decoded,
    /// By a coding.
    Coded,
    /// Into another type.
    Converted,
    /// From the site as a whole.
    Summary,
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
            made: Vec::new(),
            addresses: FxHashMap::default(),
            beside: FxHashMap::default(),
            lines: FxHashMap::default(),
        };
        if negotiate {
            site.candidates = site.find_candidates(configs);
            site.hidden = site.find_hidden();
        }
        site
    }

    /// All that it holds of its own, which takes a while to be dropped.
    pub fn into_names(self) -> impl Send + 'static + use<> {
        (self.candidates, self.hidden, self.made)
    }

    /// What is known of a file, or of what was made.
    pub fn known(&self, number: usize) -> &Representations {
        self.files.get(number).unwrap_or_else(|| &self.made[number - self.files.len()].known)
    }

    /// The key of a file; of what was made, how it is shown.
    pub fn key(&self, number: usize) -> &[u8] {
        self.tree.files.get(number).map_or_else(|| &self.made[number - self.files.len()].key, |file| &file.key)
    }

    /// The name of a file without its directory.
    pub fn name(&self, number: usize) -> &[u8] {
        &self.key(number)[self.directory(number).len()..]
    }

    /// The key of a file's directory.
    pub fn directory(&self, number: usize) -> &[u8] {
        directory_of(self.key(number))
    }

    /// How this was made; a file was not.
    pub fn manner(&self, number: usize) -> Option<Manner> {
        self.made(number).map(|made| made.manner)
    }

    fn made(&self, number: usize) -> Option<&Made> {
        self.made.get(number.checked_sub(self.files.len())?)
    }

    /// What this is a coded or decoded form of; anything else is itself. Both have the same fields but for the coding's.
    fn in_any_coding(&self, number: usize) -> usize {
        match self.made(number) {
            Some(Made { manner: Manner::Decoded | Manner::Coded, source: Some(source), .. }) => {
                self.in_any_coding(*source)
            }
            _ => number,
        }
    }

    /// Whether this is of another type than what it was made of, or a coded form of such.
    pub fn is_converted(&self, number: usize) -> bool {
        self.manner(self.in_any_coding(number)) == Some(Manner::Converted)
    }

    /// The key under which this can be asked for; of a coded form that of what it was made of. `None` if it cannot.
    pub fn address(&self, number: usize) -> Option<&[u8]> {
        if self.manner(number) == Some(Manner::Decoded) {
            return None;
        }
        let owner = self.in_any_coding(number);
        let key = self.key(owner);
        (owner < self.files.len() || self.addresses.get(key) == Some(&owner)).then_some(key)
    }

    /// The key that decides which fields the author wants with this.
    pub fn fields_key(&self, number: usize) -> &[u8] {
        self.key(self.in_any_coding(number))
    }

    /// Field lines that this has besides.
    pub fn lines(&self, number: usize) -> &[u8] {
        self.lines.get(&self.in_any_coding(number)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds field lines.
    pub fn add_lines(&mut self, number: usize, lines: &[u8]) {
        self.lines.entry(number).or_default().extend(lines);
    }

    /// Adds what was made; returns its number. If it is to be `addressed`, it gets its key as an address, unless that is
    /// somebody else's.
    pub fn add_made(&mut self, made: Made, addressed: bool) -> usize {
        let number = self.files.len() + self.made.len();
        if addressed && self.is_free(&made.key) {
            self.addresses.insert(made.key.clone(), number);
        }
        self.made.push(made);
        number
    }

    /// Whether nothing answers to this key.
    pub fn is_free(&self, key: &[u8]) -> bool {
        self.find(key) == Found::Nothing
    }

    /// The numbers of what has an address of its own and is no file.
    pub fn addressed(&self) -> impl Iterator<Item = (&[u8], usize)> {
        let all = self.made.iter().enumerate().map(|(place, made)| (made, self.files.len() + place));
        all.filter_map(|(made, number)| {
            (self.addresses.get(&made.key) == Some(&number)).then_some((&made.key[..], number))
        })
    }

    /// Whether a file can stand for this name.
    pub fn stands_for(&self, number: usize, name: &[u8]) -> bool {
        matches!(self.candidates(name), Some(Candidates::Files(numbers)) if numbers.contains(&number))
    }

    /// Lets `made` stand for `name` too, behind `source`, unless something that says the same of itself does already.
    pub fn add_candidate(&mut self, name: &[u8], source: usize, made: usize) {
        let Some(Candidates::Files(numbers)) = self.candidates.get(name) else { return };
        let says = |number: usize| self.known(number).metadata.asked_for();
        if numbers.iter().any(|&number| says(number) == says(made)) {
            return;
        }
        if let Some(Candidates::Files(numbers)) = self.candidates.get_mut(name) {
            let place = numbers.iter().position(|&number| number == source).map_or(numbers.len(), |place| place + 1);
            numbers.insert(place, made);
        }
    }

    /// Lets these stand for further names, as far as these are free.
    pub fn add_names(&mut self, names: BTreeMap<Vec<u8>, Vec<usize>>) {
        for (name, numbers) in names {
            if self.is_free(&name) {
                self.candidates.insert(name, Candidates::Files(numbers));
            }
        }
        self.candidates.sort_keys();
    }

    /// What else answers for the whole name of a file, or of what was made.
    pub fn beside(&self, number: usize) -> &[usize] {
        self.beside.get(&number).map(Vec::as_slice).unwrap_or_default()
    }

    /// Lets `others` answer for the whole name of `number` as well.
    pub fn add_beside(&mut self, number: usize, others: &[usize]) {
        if !others.is_empty() {
            self.beside.entry(number).or_default().extend(others);
        }
    }

    /// The number of the file with this key, or of what was made and has it as its address.
    pub fn file(&self, key: &[u8]) -> Option<usize> {
        self.literal.get(key).or_else(|| self.addresses.get(key)).copied()
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

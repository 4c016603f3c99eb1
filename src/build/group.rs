//! Files → resources: literal paths, negotiated names (MultiViews), type maps, directory indexes and listings, and
//! redirects.

use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use super::config::{Config, Configs};
use super::extensions::{ContentType, Metadata};
use super::fields;
use super::listing::{self, Listings, Page};
use super::map_entry::{self, InlineBody};
use super::pack::digests;
use super::site::{Candidates, Manner, Site};
use super::type_map::{Entry, Fault, TypeMap};
use super::walk::last_segment;
use crate::http::response::{Block, Representation};
use crate::http::{Status, escape};
use crate::resource::{Dimensions, Level, Note, Policy, Quality, Settings, Variant};
use crate::webroot::writer::{
    BodyId, EntryDraft, NegotiatedDraft, Origin, OutcomeDraft, RunId, TargetDraft, VariantDraft, WriteError, Writer,
};

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
    /// SHA-256 of the content, if it is to be sent.
    pub repr_digest: Option<[u8; 32]>,
    /// Length of the content in bytes.
    pub length: u64,
    /// Its entity tag under its whole name, and under shorter ones.
    pub etag: String,
    /// Last-Modified in seconds since 1970, if it is to be sent.
    pub modified: Option<u64>,
    /// What it lists, if it is a type map that is to be read.
    pub type_map: Option<Box<MapFile>>,
}

/// A type map: its text, and what it says.
#[derive(Clone, Debug)]
pub struct MapFile {
    /// The whole file.
    pub content: Vec<u8>,
    /// What it lists, or why Apache would answer 500.
    pub parsed: Result<TypeMap, Fault>,
}

impl MapFile {
    /// Whether it can be negotiated transparently: all variants have names of their own, in one directory (R86).
    pub fn is_transparent(&self) -> bool {
        let within = |entry: &Entry| entry.body.is_none() && !entry.uri.contains(&b'/');
        self.parsed.as_ref().is_ok_and(|map| map.entries.iter().all(within))
    }
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

/// What came of grouping.
pub struct Grouped {
    /// Keys and what they answer, sorted by key.
    pub resources: Vec<(Vec<u8>, TargetDraft)>,
    /// How many of what.
    pub counts: Counts,
    /// What was noticed about type maps and redirects.
    pub notes: Vec<Note>,
    /// Entries of type maps that name files which are not there, where the policy makes that an error.
    pub missing: Vec<Note>,
}

/// Makes the resources of a site and adds their variants to `writer`.
///
/// # Errors
///
/// If the webroot would have more variants than it can number, or cannot be written.
pub fn group<W: std::io::Write + std::io::Seek>(
    site: &Site<'_>,
    negotiate: bool,
    configs: &Configs,
    writer: &mut Writer<W>,
) -> Result<Grouped, WriteError> {
    writer.add_settings(&configs.get(b"/").settings)?;
    let mut grouping = Grouping {
        site,
        configs,
        writer,
        literal: Vec::with_capacity(site.tree.files.len()),
        negotiated: Vec::with_capacity(site.negotiated().len()),
        others: IndexMap::default(),
        counts: Counts::default(),
        notes: Vec::new(),
        missing: Vec::new(),
    };
    grouping.add_literal_paths()?;
    grouping.add_made()?;
    grouping.add_directory_redirects();
    grouping.add_negotiated()?;
    grouping.add_directory_indexes(negotiate)?;
    grouping.add_listings(negotiate)?;
    grouping.add_hidden_names();
    grouping.add_redirects();
    let Grouping { literal, negotiated, others, counts, notes, missing, .. } = grouping;
    let files = site.tree.files.iter().map(|file| file.key.as_slice()).zip(literal);
    let names = site.negotiated().map(|(name, _)| name).zip(negotiated);
    let names = names.filter_map(|(name, target)| Some((name, target?)));
    let mut resources = Vec::with_capacity(files.len() + site.negotiated().len() + others.len());
    let found = files.chain(names).filter(|(key, _)| !others.contains_key(*key));
    resources.extend(found.map(|(key, target)| (key.to_vec(), target)));
    resources.extend(others);
    resources.sort_by(|(a, _), (b, _)| a.cmp(b));
    let counts = Counts { resources: resources.len() as u64, ..counts };
    Ok(Grouped { resources, counts, notes, missing })
}

/// The keys that [`group`] is going to find, sorted, but for what type maps, listings and redirects add or take away.
pub fn expected_keys<'s>(site: &'s Site<'_>, negotiate: bool, configs: &Configs) -> Vec<&'s [u8]> {
    let default = default_index(negotiate);
    let is_answered = |directory: &[u8]| {
        let names = configs.get(directory).directory_index.as_deref().unwrap_or(&default);
        names.iter().any(|name| {
            let key = [directory, name.as_bytes()].concat();
            site.file(&key).is_some() || site.candidates(&key).is_some()
        })
    };
    let made = site.addressed().map(|(key, _)| key);
    let files = site.tree.files.iter().map(|file| file.key.as_slice()).chain(made);
    let directories = site.tree.directories.iter().map(Vec::as_slice);
    let redirects = directories.clone().filter_map(|directory| directory.strip_suffix(b"/"));
    let indexes = directories.filter(|directory| is_answered(directory));
    let names = site.negotiated().map(|(name, _)| name);
    let mut keys: Vec<_> = files.chain(names).chain(redirects).chain(indexes).filter(|key| !key.is_empty()).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What answers for a directory if its settings do not say.
pub(super) fn default_index(negotiate: bool) -> Vec<String> {
    vec![if negotiate { "index" } else { "index.html" }.to_string()]
}

struct Grouping<'a, W> {
    site: &'a Site<'a>,
    configs: &'a Configs,
    writer: &'a mut Writer<W>,
    /// What files answer to their whole names, in their order.
    literal: Vec<TargetDraft>,
    /// What the names with candidates answer, in their order; nothing where something else does.
    negotiated: Vec<Option<TargetDraft>>,
    /// What all others answer, and some of those, too: then this counts.
    others: IndexMap<Vec<u8>, TargetDraft, FxBuildHasher>,
    counts: Counts,
    notes: Vec<Note>,
    missing: Vec<Note>,
}

/// A name of a directory index that something answers to.
enum Named<'s> {
    /// A file of that very name.
    File(usize),
    /// A directory.
    Directory,
    /// What is negotiated under it.
    Candidates(&'s Candidates),
}

impl<'a, W: std::io::Write + std::io::Seek> Grouping<'a, W> {
    fn add_literal_paths(&mut self) -> Result<(), WriteError> {
        for number in 0..self.site.tree.files.len() {
            self.note_map(number);
            self.writer.place_key(&self.site.tree.files[number].key)?;
            let target = self.literal(number, None)?;
            self.literal.push(target);
        }
        Ok(())
    }

    /// What a file answers to its whole name: itself, or what it chooses if it is a type map (R16, R33).
    fn literal(&mut self, number: usize, vary: Option<Dimensions>) -> Result<TargetDraft, WriteError> {
        if self.site.known(number).type_map.is_some() {
            return self.type_map(number, false, vary);
        }
        let config = self.config(number);
        let settings = self.writer.add_settings(&config.settings)?;
        let numbers = self.of_whole_name(number);
        let own = self.vary_of_whole_name(number);
        let vary = vary.unwrap_or(own);
        let vary_value = config.settings.vary(vary, false);
        let negotiation = Negotiation { vary: &vary_value, located: true, tcn: "", of: Some(number) };
        let run = self.add_files(&numbers, &negotiation)?;
        if own == Dimensions::NONE {
            return Ok(TargetDraft::File(run, settings));
        }
        self.counts.negotiated += 1;
        self.counts.variants += numbers.len() as u64;
        let negotiated = NegotiatedDraft { run, settings, vary, transparent: false, map: false, literal: true };
        Ok(TargetDraft::Negotiated(negotiated))
    }

    /// A file, and what else answers for its whole name. Nearly always that is nothing.
    fn of_whole_name(&self, number: usize) -> SmallVec<[usize; 1]> {
        std::iter::once(number).chain(self.site.beside(number).iter().copied()).collect()
    }

    /// What the answer to a file's whole name depends on: there is nothing to refuse in what all have.
    fn vary_of_whole_name(&self, number: usize) -> Dimensions {
        let variants: SmallVec<[_; 1]> =
            self.of_whole_name(number).iter().map(|&number| self.variant(number)).collect();
        Variant::differences(&variants)
    }

    /// What mkroot made and can be asked for by a name of its own.
    fn add_made(&mut self) -> Result<(), WriteError> {
        let site = self.site;
        for (key, number) in site.addressed() {
            self.writer.place_key(key)?;
            let target = self.literal(number, None)?;
            self.others.insert(key.to_vec(), target);
        }
        Ok(())
    }

    /// `/dir` → `/dir/` (R17).
    fn add_directory_redirects(&mut self) {
        for directory in &self.site.tree.directories {
            if let [key @ .., b'/'] = &directory[..]
                && !key.is_empty()
            {
                self.others.insert(key.to_vec(), moved(escaped(directory)));
            }
        }
    }

    fn add_negotiated(&mut self) -> Result<(), WriteError> {
        let site = self.site;
        for (key, candidates) in site.negotiated() {
            let hidden = self.others.contains_key(key); // a directory of that name answers (R17)
            let target = if hidden {
                None
            } else {
                self.writer.place_key(key)?;
                self.negotiated(candidates, None)?
            };
            self.negotiated.push(target);
        }
        Ok(())
    }

    /// What a name answers for which these can stand; nothing if that is an empty map (R44).
    fn negotiated(
        &mut self,
        candidates: &Candidates,
        vary: Option<Dimensions>,
    ) -> Result<Option<TargetDraft>, WriteError> {
        let numbers = match candidates {
            Candidates::Files(numbers) => numbers,
            Candidates::Map(_) if self.site.is_empty_map(candidates) => return Ok(None),
            Candidates::Map(number) => return self.type_map(*number, true, vary).map(Some),
        };
        let settings = &self.config(numbers[0]).settings;
        let settings_id = self.writer.add_settings(settings)?;
        let variants: Vec<_> = numbers.iter().map(|&number| self.variant(number)).collect();
        let vary = vary.unwrap_or_else(|| vary_of(&variants, settings));
        let negotiation = Negotiation::of(settings, vary, true);
        let run = self.add_files(numbers, &negotiation.as_ref())?;
        if vary != Dimensions::NONE || numbers.len() > 1 || settings.policy == Policy::Modern {
            self.counts.negotiated += 1;
            self.counts.variants += numbers.len() as u64;
        }
        Ok(Some(TargetDraft::Negotiated(NegotiatedDraft {
            run,
            settings: settings_id,
            vary,
            transparent: true,
            map: false,
            literal: false,
        })))
    }

    /// What a type map answers, found by its whole name or `by_name`, that is through MultiViews (R33-R48).
    fn type_map(&mut self, number: usize, by_name: bool, vary: Option<Dimensions>) -> Result<TargetDraft, WriteError> {
        let site = self.site;
        let config = self.config(number);
        let settings = &config.settings;
        let Some(file) = &site.known(number).type_map else { return Ok(TargetDraft::Failure(Status::NotFound)) };
        let Ok(map) = &file.parsed else { return Ok(TargetDraft::Failure(Status::InternalServerError)) };
        let context = map_entry::Context { site, config, map: number, by_name };
        let of_map = fields::lines(&config.fields, &site.tree.files[number].key);
        let prepared: Vec<_> = map.entries.iter().map(|entry| context.prepare(entry)).collect();
        let settings_id = self.writer.add_settings(settings)?;
        let variants: Vec<_> = prepared.iter().map(|prepared| prepared.variant).collect();
        let vary = vary.unwrap_or_else(|| vary_of(&variants, settings));
        let transparent = file.is_transparent();
        let negotiation = Negotiation::of(settings, vary, transparent);
        let negotiation = negotiation.as_ref();
        let mut blocks = Vec::with_capacity(prepared.len());
        for (entry, prepared) in map.entries.iter().zip(&prepared) {
            let location = prepared.content_location(site, settings.policy, &negotiation);
            blocks.push(match (prepared.file, &entry.body) {
                (Some(file), _) => (self.file_block(file, &location, &negotiation), Some(site.known(file).body)),
                (None, Some(body)) => {
                    let content = &file.content[body.clone()];
                    let (digest, repr_digest) = digests(content, config.repr_digest);
                    let inline = InlineBody { digest, repr_digest, further: &of_map };
                    let block = prepared.block(site, &location, Some(&inline), &negotiation);
                    (block, Some(self.writer.add_body(content, digest)?))
                }
                (None, None) => (prepared.block(site, &location, None, &negotiation), None),
            });
        }
        let drafts = map.entries.iter().zip(&prepared).zip(&blocks).map(|((entry, prepared), (block, body))| {
            let description = &entry.description[..];
            let entry =
                EntryDraft { description, outcome: prepared.outcome.draft(), also_varies: prepared.also_varies };
            let origin = Origin::Author;
            VariantDraft { variant: prepared.variant, block, body: *body, entry: Some(entry), origin }
        });
        let run = self.writer.add_run(drafts)?;
        self.counts.negotiated += 1;
        self.counts.variants += map.entries.len() as u64;
        let (settings, literal) = (settings_id, !by_name);
        Ok(TargetDraft::Negotiated(NegotiatedDraft { run, settings, vary, transparent, map: true, literal }))
    }

    /// Notes what is odd about a type map. That an entry names nothing is an error, unless all is to be as with Apache.
    fn note_map(&mut self, number: usize) {
        let Some(file) = &self.site.known(number).type_map else { return };
        let key = &self.site.tree.files[number].key;
        let mut note = |line, what: String| self.notes.push(Note::about(key, Some(line), what));
        let map = match &file.parsed {
            Ok(map) => map,
            Err(fault) => return note(fault.line, format!("{}; this map answers 500", fault.what)),
        };
        if let Some(fault) = &map.ended_early {
            note(fault.line, fault.what.clone());
        }
        for &line in &map.uncounted {
            let what = "this record does not count: it needs a URI or a body, and besides it a Content-Type, -Language, \
                        -Encoding or -Length";
            note(line, what.into());
        }
        if map.entries.is_empty() && map.uncounted.is_empty() && map.ended_early.is_none() {
            note(1, "lists nothing, so nobody can get anything by this map".into());
        }
        let config = self.config(number);
        let context = map_entry::Context { site: self.site, config, map: number, by_name: false };
        for entry in &map.entries {
            let prepared = context.prepare(entry);
            let (what, noted) = match prepared.fault(file.is_transparent()) {
                Some(what) if prepared.is_missing() && config.settings.policy == Policy::Modern => {
                    (what, &mut self.missing)
                }
                Some(what) => (what, &mut self.notes),
                None if prepared.variant.media_type.is_empty() => {
                    ("has no Content-Type, so it can never be chosen".into(), &mut self.notes)
                }
                None => continue,
            };
            noted.push(Note::about(key, Some(entry.line), what));
        }
    }

    /// `/dir/`: what the names of `directory-index` answer, in order, up to the first that always does (R20).
    fn add_directory_indexes(&mut self, negotiate: bool) -> Result<(), WriteError> {
        let site = self.site;
        let default = default_index(negotiate);
        for directory in &site.tree.directories {
            let config = self.configs.get(directory);
            let names = config.directory_index.as_ref().unwrap_or(&default);
            let mut found = Vec::new();
            for name in names {
                let key = [directory, name.as_bytes()].concat();
                let candidates = site.candidates(&key);
                // Apache lets a directory called `index` hide `index.html` here (R20); real sites have both, and
                // mean the page.
                let hides = candidates.is_none() || config.settings.policy == Policy::Apache;
                if let Some(number) = site.file(&key) {
                    found.push((key, Some(Named::File(number))));
                    break;
                } else if hides && site.is_directory_name(&key) {
                    found.push((key, Some(Named::Directory)));
                    break;
                }
                found.push((key, candidates.map(Named::Candidates)));
            }
            // A name without anything matters to Apache if it is the last (R20), to nobody else.
            if config.settings.policy == Policy::Modern {
                found.retain(|(_, named)| named.is_some());
            }
            if found.iter().all(|(_, named)| named.is_none()) {
                continue;
            }
            let alternatives = self.alternatives(&found, config)?;
            let settings = self.writer.add_settings(&config.settings)?;
            self.others.insert(directory.clone(), TargetDraft::Index(alternatives, settings));
        }
        Ok(())
    }

    /// `/dir/` where nothing else answers and the author wants it listed.
    fn add_listings(&mut self, negotiate: bool) -> Result<(), WriteError> {
        let listings = Listings::of(self.site, self.configs, |directory| self.others.contains_key(directory));
        for page in listings.pages() {
            let target = self.listing(&page, negotiate)?;
            self.others.insert(page.directory.to_vec(), target);
        }
        Ok(())
    }

    /// A directory's listing in all its forms; where there is no negotiation, as HTML. None has a URI of its own, so
    /// there is no Content-Location. Nor is there a date: that of the newest entry is still the same when another is
    /// gone.
    fn listing(&mut self, page: &Page<'_>, negotiate: bool) -> Result<TargetDraft, WriteError> {
        let config = self.configs.get(page.directory);
        let settings = &config.settings;
        let forms = &listing::FORMS[..if negotiate { listing::FORMS.len() } else { 1 }];
        let contents: Vec<_> = forms.iter().map(|form| (form.render)(page).into_bytes()).collect();
        let variants: Vec<_> =
            forms.iter().zip(&contents).map(|(form, content)| form.variant(content.len(), settings.policy)).collect();
        let vary = if negotiate { vary_of(&variants, settings) } else { Dimensions::NONE };
        let vary_value = settings.vary(vary, false);
        let mut stored = Vec::with_capacity(forms.len());
        for (form, content) in forms.iter().zip(&contents) {
            let (digest, repr_digest) = digests(content, config.repr_digest);
            let content_type = form.content_type.as_bytes();
            let block = Representation {
                etag: entity_tag(&digest, &[content_type, b"", b""]).as_bytes(),
                vary: vary_value.as_bytes(),
                further: &fields::lines(&config.fields, &[page.directory, form.name.as_bytes()].concat()),
                content_type,
                content_length: Some(content.len() as u64),
                repr_digest,
                ..Representation::default()
            }
            .render();
            stored.push((block, self.writer.add_body(content, digest)?));
        }
        let drafts = variants.iter().zip(&stored).map(|(&variant, (block, body))| VariantDraft {
            variant,
            block,
            body: Some(*body),
            entry: None,
            origin: Origin::Author,
        });
        let run = self.writer.add_run(drafts)?;
        let settings = self.writer.add_settings(settings)?;
        if !negotiate {
            return Ok(TargetDraft::Index(vec![TargetDraft::File(run, settings)], settings));
        }
        self.counts.negotiated += 1;
        self.counts.variants += u64::from(run.count());
        let negotiated = NegotiatedDraft { run, settings, vary, transparent: false, map: false, literal: false };
        Ok(TargetDraft::Index(vec![TargetDraft::Negotiated(negotiated)], settings))
    }

    /// Names that begin those of files none of which can stand for them: for Apache they are 404 whatever the
    /// method, while of names that nothing begins with it judges the method first.
    fn add_hidden_names(&mut self) {
        for (key, numbers) in self.site.hidden() {
            if self.config(numbers[0]).settings.policy == Policy::Apache {
                self.others.insert(key.clone(), TargetDraft::Failure(Status::NotFound));
            }
        }
    }

    /// What the author leads elsewhere, whatever else is there.
    fn add_redirects(&mut self) {
        let configs = self.configs;
        for redirect in configs.redirects() {
            let key = redirect.index_key();
            if redirect.leads_on() {
                let what =
                    "leads below itself, so who asks there for what does not exist is redirected again and again";
                self.note_redirect(&redirect.key, what);
            }
            let hidden = self.target(&key).cloned();
            self.others.insert(key, redirect.target());
            match hidden {
                None | Some(TargetDraft::Redirect(..) | TargetDraft::Failure(_)) => {}
                Some(hidden) => {
                    if let TargetDraft::Negotiated(NegotiatedDraft { run, .. }) = hidden {
                        self.counts.negotiated -= 1;
                        self.counts.variants -= u64::from(run.count());
                    }
                    self.note_redirect(&redirect.key, "is redirected, so nobody gets what is there");
                }
            }
        }
    }

    /// What is known so far of what a key answers.
    fn target(&self, key: &[u8]) -> Option<&TargetDraft> {
        let file = || self.literal.get(self.site.file(key)?);
        let name = || self.negotiated.get(self.site.place(key)?)?.as_ref();
        self.others.get(key).or_else(file).or_else(name)
    }

    fn note_redirect(&mut self, key: &[u8], what: &str) {
        self.notes.push(Note::about(key, None, what));
    }

    /// The targets of a directory. Where there are several, the fields that rule out an earlier one decide about
    /// a later one as well, so each names them all in Vary (D9; Apache does not).
    fn alternatives(
        &mut self,
        found: &[(Vec<u8>, Option<Named<'_>>)],
        config: &Config,
    ) -> Result<Vec<TargetDraft>, WriteError> {
        let shared = found.len() > 1 && config.settings.policy == Policy::Modern;
        let vary =
            shared.then(|| found.iter().fold(Dimensions::NONE, |vary, (_, named)| vary | self.vary_of_name(named)));
        let mut alternatives = Vec::new();
        let counts = self.counts;
        for (key, named) in found {
            alternatives.push(match (named, self.target(key)) {
                (None, _) => TargetDraft::Failure(Status::NotFound),
                // What answers under the name itself answers here.
                (Some(Named::File(_) | Named::Candidates(_)), Some(target)) if !shared && !is_redirect(target) => {
                    target.clone()
                }
                (Some(Named::File(number)), _) => self.literal(*number, vary)?,
                (Some(Named::Directory), _) => moved(escaped(&[&key[..], b"/"].concat())),
                (Some(Named::Candidates(candidates)), _) => {
                    self.negotiated(candidates, vary)?.unwrap_or(TargetDraft::Failure(Status::NotFound))
                }
            });
        }
        self.counts = counts; // these are no names of their own
        Ok(alternatives)
    }

    /// What the answer to a name of a directory index depends on.
    fn vary_of_name(&self, named: &Option<Named<'_>>) -> Dimensions {
        let map = match named {
            Some(Named::File(number)) if !self.site.beside(*number).is_empty() => {
                return self.vary_of_whole_name(*number);
            }
            Some(Named::File(number)) => *number,
            Some(Named::Candidates(Candidates::Map(number))) => *number,
            Some(Named::Candidates(Candidates::Files(numbers))) => {
                let variants: Vec<_> = numbers.iter().map(|&number| self.variant(number)).collect();
                return vary_of(&variants, &self.config(numbers[0]).settings);
            }
            Some(Named::Directory) | None => return Dimensions::NONE,
        };
        let Some(parsed) = self.site.map(map) else { return Dimensions::NONE };
        let config = self.config(map);
        let context = map_entry::Context { site: self.site, config, map, by_name: false };
        let variants: Vec<_> = parsed.entries.iter().map(|entry| context.prepare(entry).variant).collect();
        vary_of(&variants, &config.settings)
    }

    /// Adds files as the variants of one target.
    fn add_files(&mut self, numbers: &[usize], negotiation: &Negotiation<'_>) -> Result<RunId, WriteError> {
        let site = self.site;
        let blocks: Vec<_> = numbers.iter().map(|&number| self.block(number, negotiation)).collect();
        let drafts = numbers.iter().zip(&blocks).map(|(&number, block)| {
            let known = site.known(number);
            // A type map that does not take over is read once it is chosen.
            let entry = known.type_map.is_some().then(|| EntryDraft {
                description: b"",
                outcome: OutcomeDraft::Reference(site.key(number)),
                also_varies: false,
            });
            let origin = match site.manner(number) {
                None => Origin::Author,
                Some(Manner::Coded) => Origin::DerivedWithoutAddress,
                // What was decoded is found by its name, as long as that is not another file's.
                Some(Manner::Decoded) => Origin::Derived,
                Some(_) if site.address(number).is_none() => Origin::DerivedWithoutAddress,
                Some(Manner::Converted | Manner::Summary) => Origin::Derived,
            };
            VariantDraft { variant: variant(site, number), block, body: Some(known.body), entry, origin }
        });
        self.writer.add_run(drafts)
    }

    fn variant(&self, number: usize) -> Variant<'a> {
        variant(self.site, number)
    }

    fn config(&self, number: usize) -> &'a Config {
        self.configs.get(self.site.directory(number))
    }

    /// The header block of a file; one that was chosen says which it is.
    fn block(&self, number: usize, negotiation: &Negotiation<'_>) -> Block {
        let mut location = Vec::new();
        let address = self.site.address(number);
        let of_target = negotiation.of.and_then(|number| self.site.address(number));
        if let Some(address) = address.filter(|_| negotiation.located && address != of_target) {
            location = content_location(last_segment(address), self.config(number).settings.policy);
        }
        self.file_block(number, &location, negotiation)
    }

    /// The header block of a file that is sent under this Content-Location.
    fn file_block(&self, number: usize, content_location: &[u8], negotiation: &Negotiation<'_>) -> Block {
        let known = self.site.known(number);
        let mut further = fields::lines(&self.config(number).fields, self.site.fields_key(number));
        further.extend(self.site.lines(number));
        let [content_type, languages, codings] = known.metadata.field_values();
        Representation {
            etag: known.etag.as_bytes(),
            content_location,
            vary: negotiation.vary.as_bytes(),
            tcn: negotiation.tcn.as_bytes(),
            further: &further,
            last_modified: known.modified,
            content_type,
            content_length: Some(known.length),
            content_language: languages,
            content_encoding: codings,
            repr_digest: known.repr_digest,
        }
        .render()
    }
}

fn is_redirect(target: &TargetDraft) -> bool {
    matches!(target, TargetDraft::Redirect(..))
}

fn moved(location: Vec<u8>) -> TargetDraft {
    TargetDraft::Redirect(Status::MovedPermanently, location)
}

/// A reference to a file beside the resource.
pub(super) fn content_location(file_name: &[u8], policy: Policy) -> Vec<u8> {
    match policy {
        Policy::Modern => escape::sibling_reference(file_name),
        Policy::Apache => {
            let mut location = Vec::new();
            escape::push_uri(&mut location, file_name, false);
            location
        }
    }
}

/// What all variants of a resource say about the choice between them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Negotiation<'v> {
    /// Vary.
    pub vary: &'v str,
    /// TCN: `choice`, or nothing.
    pub tcn: &'v str,
    /// Whether Content-Location names the chosen one.
    pub located: bool,
    /// The number of the file that the resource is; whoever gets that need not be told its name.
    pub of: Option<usize>,
}

/// The same with a Vary of its own.
struct OwnedNegotiation {
    vary: String,
    tcn: &'static str,
    located: bool,
}

impl Negotiation<'_> {
    /// Of a resource whose Vary names these dimensions, and that can be negotiated transparently or not.
    fn of(settings: &Settings, vary: Dimensions, transparent: bool) -> OwnedNegotiation {
        let located = transparent || settings.policy == Policy::Modern; // R91, D15
        let transparent = transparent && settings.transparent;
        let tcn = if transparent { "choice" } else { "" };
        OwnedNegotiation { vary: settings.vary(vary, transparent), tcn, located }
    }
}

impl OwnedNegotiation {
    fn as_ref(&self) -> Negotiation<'_> {
        Negotiation { vary: &self.vary, tcn: self.tcn, located: self.located, of: None }
    }
}

/// A file as selection will see it.
fn variant<'a>(site: &'a Site<'_>, number: usize) -> Variant<'a> {
    let known = site.known(number);
    let content_type: Option<&ContentType> = known.metadata.content_type.as_ref();
    Variant {
        file_name: site.name(number),
        media_type: content_type.map_or(&[], |known| &known.media_type),
        level: content_type.map_or(Level::of(b"", None), |known| known.level),
        source_quality: content_type.map_or(Quality::FULL, |known| known.source_quality),
        charset: content_type.and_then(|known| known.charset.as_deref()),
        languages: known.metadata.languages.as_deref(),
        codings: known.metadata.codings.as_deref(),
        length: Some(known.length),
        converted: site.is_converted(number),
    }
}

/// Which fields the choice among these variants depends on: RFC 9110, section 12.5.5 and D8, or R92.
fn vary_of(variants: &[Variant<'_>], settings: &Settings) -> Dimensions {
    if settings.policy == Policy::Apache {
        return Variant::differences(variants);
    }
    // A single type can still be refused, and so can a single language or coding; that a client
    // refuses even the identity coding is not worth a cache entry for every Accept-Encoding.
    let refusable = !settings.fallback && variants.iter().any(|variant| variant.languages.is_some());
    Variant::differences(variants)
        .with(Dimensions::TYPE, true)
        .with(Dimensions::LANGUAGE, refusable)
        .with(Dimensions::CODING, !variants.iter().all(Variant::is_identity_like))
}

impl Metadata {
    /// The entity tag of a content with this metadata and this BLAKE3 digest.
    pub(super) fn entity_tag(&self, digest: &[u8; 32]) -> String {
        entity_tag(digest, &self.field_values())
    }

    /// Content-Type, Content-Language and Content-Encoding; empty for what is not sent.
    fn field_values(&self) -> [&[u8]; 3] {
        let content_type = self.content_type.as_ref().map_or(&[][..], |known| &known.field_value);
        [content_type, self.languages.as_deref().unwrap_or_default(), self.codings.as_deref().unwrap_or_default()]
    }
}

/// A strong entity tag (RFC 9110, section 8.8.3): 120 bits of a digest over content and metadata, so that two
/// variants with equal bytes but, say, different languages do not validate each other.
pub(super) fn entity_tag(digest: &[u8; 32], metadata: &[&[u8]]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut hasher = blake3::Hasher::new();
    hasher.update(digest);
    let digest = with_parts(hasher, metadata.iter().copied());
    let mut tag = String::with_capacity(22);
    tag.push('"');
    for bytes in digest.as_bytes()[..15].chunks_exact(3) {
        let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        tag.extend([18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize])));
    }
    tag.push('"');
    tag
}

/// The digest of what `hasher` has and of these, each with its length, so that it tells where one ends.
pub(super) fn with_parts<'p>(mut hasher: blake3::Hasher, parts: impl IntoIterator<Item = &'p [u8]>) -> blake3::Hash {
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize()
}

/// A key as a reference in Location.
pub(super) fn escaped(key: &[u8]) -> Vec<u8> {
    let mut location = Vec::with_capacity(key.len());
    escape::push_uri(&mut location, key, true);
    location
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_tell_metadata_apart() {
        let tag = entity_tag(&[7; 32], &[b"text/html", b"en"]);
        assert_eq!(tag.len(), 22);
        assert_ne!(tag, entity_tag(&[7; 32], &[b"text/html", b"fr"]));
        assert_ne!(tag, entity_tag(&[7; 32], &[b"text/htmle", b"n"]));
        assert_ne!(tag, entity_tag(&[8; 32], &[b"text/html", b"en"]));
    }
}

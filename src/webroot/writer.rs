//! Records → a webroot, in one pass: bodies first as they come, then the index, the header last.

use std::hash::Hasher;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;

use rustc_hash::FxHashMap;
use twox_hash::XxHash3_64;
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::index::{self, Table, TableError};
use super::layout::*;
use crate::http::Status;
use crate::http::response::Block;
use crate::resource::{Dimensions, Note, Settings, Variant};

/// Number of a body that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BodyId(u32);

/// Variants that were added together: those of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId {
    first: u64,
    count: u32,
    /// The key that was placed beside them.
    key: Option<StringRef>,
}

impl RunId {
    /// How many variants there are.
    pub fn count(self) -> u32 {
        self.count
    }
}

/// Number of settings that were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsId(u16);

/// What a resource is to answer.
#[derive(Clone, Debug)]
pub enum TargetDraft {
    /// The first variant of the run.
    File(RunId, SettingsId),
    /// What selection finds in the run.
    Negotiated(NegotiatedDraft),
    /// This status, one of [`Status::REDIRECTS`], to this reference.
    Redirect(Status, Vec<u8>),
    /// The first of these that can answer; none of them may be an index itself.
    Index(Vec<TargetDraft>, SettingsId),
    /// This error.
    Failure(Status),
}

impl TargetDraft {
    /// The variants of a target that has some itself.
    fn run(&self) -> Option<&RunId> {
        match self {
            TargetDraft::File(run, _) | TargetDraft::Negotiated(NegotiatedDraft { run, .. }) => Some(run),
            TargetDraft::Redirect(..) | TargetDraft::Index(..) | TargetDraft::Failure(_) => None,
        }
    }
}

/// A run of variants, and what is known of it as a whole.
#[derive(Clone, Copy, Debug)]
pub struct NegotiatedDraft {
    /// The variants, in scan order.
    pub run: RunId,
    /// The settings that decide.
    pub settings: SettingsId,
    /// What Vary names.
    pub vary: Dimensions,
    /// Whether it can be negotiated transparently (R86).
    pub transparent: bool,
    /// Whether it is a type map's.
    pub map: bool,
    /// Whether its whole name was asked for (R20).
    pub literal: bool,
}

/// A variant to be added.
#[derive(Clone, Copy, Debug)]
pub struct VariantDraft<'v> {
    /// What selection compares, and what lists show.
    pub variant: Variant<'v>,
    /// The rendered fields.
    pub block: &'v Block,
    /// Its content; one without any has the fields of a negotiation only.
    pub body: Option<BodyId>,
    /// What its type map says, if it stands in one.
    pub entry: Option<EntryDraft<'v>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a variant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The site's author.
    Author,
    /// mkroot made it, and it has an address of its own.
    Derived,
    /// mkroot made it, and it has only the address of what it was made of.
    DerivedWithoutAddress,
}

/// What a type map says of a variant.
#[derive(Clone, Copy, Debug)]
pub struct EntryDraft<'v> {
    /// What lists say about it.
    pub description: &'v [u8],
    /// What is answered when it is chosen.
    pub outcome: OutcomeDraft<'v>,
    /// Whether what it leads to is negotiated itself, so that a transparent resource answers 506 (R48).
    pub also_varies: bool,
}

/// What is answered when an entry of a type map is chosen.
#[derive(Clone, Copy, Debug)]
pub enum OutcomeDraft<'v> {
    /// The variant's body; `inline` if that stands in the map itself (R41).
    Body {
        /// Whether the map holds it.
        inline: bool,
    },
    /// What the resource with this key answers.
    Reference(&'v [u8]),
    /// 301 to this reference.
    Redirect(&'v [u8]),
    /// This error; `chosen` if it is sent with the fields of the negotiation (R47).
    Failure {
        /// The status.
        status: Status,
        /// Whether Vary and the like go with it.
        chosen: bool,
    },
}

/// Why a webroot could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The keys have no perfect hash.
    #[error("{0}")]
    Table(#[from] TableError),
    /// Some table would have more entries than can be numbered.
    #[error("there are too many {0} for one webroot")]
    TooMany(&'static str),
}

/// Bytes of a former webroot that are to stand in the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where they stand in the former one.
    pub from: u64,
    /// Where they are to stand.
    pub to: u64,
    /// How many they are.
    pub length: u64,
}

/// Writes one webroot to `out`, which must be empty and be read by nobody until [`Writer::finish`] is done.
pub struct Writer<W> {
    out: W,
    /// Where the next byte goes.
    position: u64,
    /// Where `out` stands.
    written_to: u64,
    taken: Vec<Taken>,
    bodies: Vec<BodyRecord>,
    derivations: Vec<DerivationRecord>,
    by_digest: FxHashMap<[u8; 32], BodyId>,
    duplicates_saved: u64,
    variants: Vec<VariantRecord>,
    entries: Vec<EntryRecord>,
    symbols: Vec<u8>,
    by_symbol: FxHashMap<Vec<u8>, u32>,
    settings: Vec<Settings>,
    strings: Vec<u8>,
    /// The key for the next run.
    key: Option<StringRef>,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins a webroot at the beginning of `out`.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written.
    pub fn new(mut out: W) -> Result<Writer<W>, WriteError> {
        out.write_all(&[0; PAGE as usize])?;
        Ok(Writer {
            out,
            position: PAGE,
            written_to: PAGE,
            taken: Vec::new(),
            bodies: Vec::new(),
            derivations: Vec::new(),
            by_digest: FxHashMap::default(),
            duplicates_saved: 0,
            variants: Vec::new(),
            entries: Vec::new(),
            symbols: Vec::new(),
            by_symbol: FxHashMap::default(),
            settings: Vec::new(),
            strings: Vec::new(),
            key: None,
        })
    }

    /// Bytes that did not have to be written because their content was there already.
    pub fn duplicates_saved(&self) -> u64 {
        self.duplicates_saved
    }

    /// Adds a content whose BLAKE3 digest is `digest`; writes it unless it is there already.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written.
    pub fn add_body(&mut self, content: &[u8], digest: [u8; 32]) -> Result<BodyId, WriteError> {
        if let Some(&body) = self.by_digest.get(&digest) {
            self.duplicates_saved += content.len() as u64;
            return Ok(body);
        }
        let offset = self.start_body(content.len() as u64)?;
        self.write(content)?;
        self.end_body(offset, digest)
    }

    /// Adds a content, whose BLAKE3 digest is `digest`, that stands in a former webroot at `range`. Unless it is there
    /// already only room is left for it: see [`Writer::take`].
    ///
    /// # Errors
    ///
    /// If `out` cannot be written.
    pub fn add_former_body(&mut self, range: Range<u64>, digest: [u8; 32]) -> Result<BodyId, WriteError> {
        let length = range.end - range.start;
        if let Some(&body) = self.by_digest.get(&digest) {
            self.duplicates_saved += length;
            return Ok(body);
        }
        let offset = self.start_body(length)?;
        match self.taken.last_mut() {
            Some(last) if (last.from + last.length, last.to + last.length) == (range.start, offset) => {
                last.length += length;
            }
            _ => self.taken.push(Taken { from: range.start, to: offset, length }),
        }
        self.position += length;
        self.end_body(offset, digest)
    }

    /// What was to be taken over from a former webroot since this was last asked for. The writer neither writes nor reads
    /// there, so it can be copied at any time before `out` is of use.
    pub fn take(&mut self) -> Vec<Taken> {
        std::mem::take(&mut self.taken)
    }

    /// Adds a content of `length` bytes that `fill` writes itself, past the writer: it is told where, and returns the BLAKE3
    /// digest and whatever else it found out. The content is taken back if it turns out to be there already; then bytes of it
    /// may be left beyond the end of what [`Writer::finish`] writes. Returns what `fill` did as well.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written, or what `fill` returns.
    pub fn add_body_in_place<E: From<WriteError>, T>(
        &mut self,
        length: u64,
        fill: impl FnOnce(u64) -> Result<([u8; 32], T), E>,
    ) -> Result<(BodyId, ([u8; 32], T)), E> {
        let before = self.position;
        let offset = self.start_body(length)?;
        let (digest, found) = fill(offset)?;
        if let Some(&body) = self.by_digest.get(&digest) {
            self.duplicates_saved += length;
            self.position = before;
            // The padding may not come later: there may soon stand what somebody else copies there.
            self.out.flush().map_err(WriteError::Io)?;
            return Ok((body, (digest, found)));
        }
        self.position += length;
        Ok((self.end_body(offset, digest)?, (digest, found)))
    }

    /// Notes what was made of `source` by this recipe, or that nothing was kept.
    pub fn add_derivation(&mut self, BodyId(source): BodyId, recipe: [u8; 16], result: Option<BodyId>) {
        let result = result.map_or(NO_BODY, |BodyId(number)| number);
        self.derivations.push(DerivationRecord { source: source.into(), result: result.into(), recipe });
    }

    /// Moves to where a body of `length` bytes goes.
    fn start_body(&mut self, length: u64) -> Result<u64, WriteError> {
        if length >= PAGED_LENGTH {
            self.pad_to(PAGE)?;
        }
        Ok(self.position)
    }

    fn end_body(&mut self, offset: u64, digest: [u8; 32]) -> Result<BodyId, WriteError> {
        let length = self.position - offset;
        let body = BodyId(u32::try_from(self.bodies.len()).map_err(|_| WriteError::TooMany("bodies"))?);
        self.bodies.push(BodyRecord { offset: offset.into(), length: length.into(), digest });
        self.by_digest.insert(digest, body);
        Ok(body)
    }

    /// Adds settings, unless they are there already. The first are those of the site's root.
    ///
    /// # Errors
    ///
    /// If there are more different ones than can be numbered.
    pub fn add_settings(&mut self, settings: &Settings) -> Result<SettingsId, WriteError> {
        let number = self.settings.iter().position(|known| known == settings).unwrap_or_else(|| {
            self.settings.push(settings.clone());
            self.settings.len() - 1
        });
        u16::try_from(number).map(SettingsId).map_err(|_| WriteError::TooMany("different settings"))
    }

    /// Puts a resource's key beside the variants that are added next, to which it leads. Who finds one of them needs the other,
    /// and they are in memory together.
    ///
    /// # Errors
    ///
    /// If it is too long.
    pub fn place_key(&mut self, key: &[u8]) -> Result<(), WriteError> {
        self.key = Some(self.add_string(key)?);
        Ok(())
    }

    /// Adds the variants of one target, in scan order.
    ///
    /// # Errors
    ///
    /// If there are more variants than can be numbered.
    pub fn add_run<'v>(&mut self, variants: impl IntoIterator<Item = VariantDraft<'v>>) -> Result<RunId, WriteError> {
        let (first, key) = (self.variants.len(), self.key.take());
        for VariantDraft { variant, block, body, entry, origin } in variants {
            let place = body.map(|BodyId(number)| self.bodies[number as usize]);
            let record = VariantRecord {
                body_offset: place.map(|place| place.offset).unwrap_or_default(),
                body_length: place.map(|place| place.length).unwrap_or_default(),
                block: self.add_string(&block.bytes)?,
                not_modified_length: block.not_modified_length.into(),
                etag_at: (block.etag.start as u16).into(),
                etag_length: (block.etag.len() as u16).into(),
                media_type: self.symbol(Some(variant.media_type).filter(|name| !name.is_empty()))?.into(),
                charset: self.symbol(variant.charset)?.into(),
                languages: self.symbol(variant.languages)?.into(),
                codings: self.symbol(variant.codings)?.into(),
                level: variant.level.value.into(),
                source_quality: variant.source_quality.thousandths().into(),
                traits: traits(&variant, origin).into(),
                file_name: self.add_string(variant.file_name)?,
                body: body.map_or(NO_BODY, |BodyId(number)| number).into(),
                entry: match entry {
                    Some(entry) => self.add_entry(&variant, &entry)?.into(),
                    None => 0.into(),
                },
            };
            self.variants.push(record);
        }
        let count = u32::try_from(self.variants.len() - first).map_err(|_| WriteError::TooMany("variants"))?;
        Ok(RunId { first: first as u64, count, key })
    }

    /// Returns the number of the entry, from 1.
    fn add_entry(&mut self, variant: &Variant<'_>, entry: &EntryDraft<'_>) -> Result<u32, WriteError> {
        let mut outcome = TargetRecord::new_zeroed();
        if entry.also_varies {
            outcome.flags |= flag::ALSO_VARIES;
        }
        match entry.outcome {
            OutcomeDraft::Body { inline } => {
                outcome.kind = kind::BODY;
                outcome.flags |= if inline { flag::INLINE } else { 0 };
            }
            OutcomeDraft::Reference(key) => {
                outcome.kind = kind::REFERENCE;
                self.point_to(&mut outcome, key)?;
            }
            OutcomeDraft::Redirect(location) => {
                outcome.kind = kind::REDIRECT;
                self.point_to(&mut outcome, location)?;
            }
            OutcomeDraft::Failure { status, chosen } => {
                outcome.kind = kind::FAILURE;
                outcome.first = u64::from(status.code()).into();
                outcome.flags |= if chosen { flag::CHOSEN } else { 0 };
            }
        }
        let length = variant.length.and_then(|length| i64::try_from(length).ok()).unwrap_or(-1).into();
        let description = self.add_string(entry.description)?;
        self.entries.push(EntryRecord { length, description, outcome });
        u32::try_from(self.entries.len()).map_err(|_| WriteError::TooMany("entries in type maps"))
    }

    /// Lets a target hold a string.
    fn point_to(&mut self, target: &mut TargetRecord, string: &[u8]) -> Result<(), WriteError> {
        let string = self.add_string(string)?;
        (target.first, target.count) = (string.offset, string.length);
        Ok(())
    }

    fn add_string(&mut self, string: &[u8]) -> Result<StringRef, WriteError> {
        let length = u32::try_from(string.len()).map_err(|_| WriteError::TooMany("bytes in a name"))?;
        let offset = self.strings.len() as u64;
        self.strings.extend_from_slice(string);
        Ok(StringRef { offset: offset.into(), length: length.into() })
    }

    fn symbol(&mut self, name: Option<&[u8]>) -> Result<u32, WriteError> {
        let Some(name) = name else { return Ok(0) };
        if let Some(&symbol) = self.by_symbol.get(name) {
            return Ok(symbol);
        }
        let length =
            u16::try_from(name.len()).map_err(|_| WriteError::TooMany("bytes in the name of a type or tag"))?;
        let symbol =
            u32::try_from(self.symbols.len() + 1).map_err(|_| WriteError::TooMany("names of types and tags"))?;
        self.symbols.extend(length.to_le_bytes());
        self.symbols.extend(name);
        self.by_symbol.insert(name.to_vec(), symbol);
        Ok(symbol)
    }

    /// Writes the index of `resources` (keys and what they answer, sorted by key), then the header. `notes` go
    /// with it. `table`, if there is one already, is that of these keys. Returns the build id and `out`, positioned at its end.
    ///
    /// # Errors
    ///
    /// If two keys are equal, or `out` cannot be written.
    pub fn finish(
        mut self,
        resources: &[(Vec<u8>, TargetDraft)],
        notes: &[Note],
        table: Option<Table>,
    ) -> Result<([u8; 16], W), WriteError>
    where
        W: Send,
    {
        let keys = || resources.iter().map(|(key, _)| key.as_slice()).collect::<Vec<_>>();
        let table = table.map_or_else(|| index::table(&keys()), Ok)?;
        let mut targets = Vec::new();
        let mut records = Vec::with_capacity(resources.len());
        for &number in &table.order {
            let (key, target) = &resources[number];
            let record = ResourceRecord {
                key: self.key_of(key, target)?,
                near: self.near(target).into(),
                target: self.target(target, &mut targets)?,
            };
            records.push(record);
        }
        let settings = std::mem::take(&mut self.settings);
        let settings = self.add_json(&settings)?;
        let notes = self.add_json(notes)?;

        // The tables leave `self` so that writing a section can borrow it.
        let variants = std::mem::take(&mut self.variants);
        let entries = std::mem::take(&mut self.entries);
        let symbols = std::mem::take(&mut self.symbols);
        let bodies = std::mem::take(&mut self.bodies);
        let mut derivations = std::mem::take(&mut self.derivations);
        derivations.sort_by_key(|record| (record.source.get(), record.recipe));
        let strings = std::mem::take(&mut self.strings);
        self.pad_to(PAGE)?;
        let index_start = self.position;
        let mut summer = Summer::default();
        let sections = [
            self.section(&table.displacements, &mut summer)?,
            self.section(&records, &mut summer)?,
            self.section(&targets, &mut summer)?,
            self.section(&variants, &mut summer)?,
            self.section(&entries, &mut summer)?,
            self.section(&symbols, &mut summer)?,
            self.section(&bodies, &mut summer)?,
            self.section(&derivations, &mut summer)?,
            self.section(&settings, &mut summer)?,
            self.section(&notes, &mut summer)?,
            self.section(&strings, &mut summer)?,
        ];
        let mut build_id = [0; 16];
        build_id.copy_from_slice(&summer.digest.finalize().as_bytes()[..16]);
        let header = Header {
            magic: MAGIC,
            version: VERSION.into(),
            flags: 0.into(),
            build_id,
            file_length: self.position.into(),
            index_start: index_start.into(),
            hash_key: table.hash_key.into(),
            index_checksum: summer.checksum.finish().into(),
            sections,
        };
        let mut page = [0; PAGE as usize];
        page[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        let checksum = XxHash3_64::oneshot(&page[..HEADER_CHECKSUM_AT]);
        page[HEADER_CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&page)?;
        self.out.seek(SeekFrom::Start(self.position))?;
        self.out.flush()?;
        // Nobody needs to wait until so much memory is given back.
        rayon::spawn(move || drop((records, targets, variants, entries, bodies, strings, self.by_digest)));
        Ok((build_id, self.out))
    }

    /// The place of a key, which may lie beside what it leads to already.
    fn key_of(&mut self, key: &[u8], target: &TargetDraft) -> Result<StringRef, WriteError> {
        let placed = target.run().and_then(|run| run.key).filter(|placed| {
            let start = placed.offset.get() as usize;
            self.strings[start..][..placed.length.get() as usize] == *key
        });
        placed.map_or_else(|| self.add_string(key), Ok)
    }

    /// Where the first body of a target lies, in units of [`NEAR`] bytes, as far as that can be told.
    fn near(&self, target: &TargetDraft) -> u32 {
        let first = target.run().and_then(|run| self.variants.get(run.first as usize));
        first.map_or(0, |variant| u32::try_from(variant.body_offset.get() / NEAR).unwrap_or(0))
    }

    /// Adds each of `values` as a string.
    fn add_json<T: serde::Serialize>(&mut self, values: &[T]) -> Result<Vec<StringRef>, WriteError> {
        let add = |value| {
            let json = serde_json::to_vec(value).map_err(io::Error::from)?;
            self.add_string(&json)
        };
        values.iter().map(add).collect()
    }

    fn target(&mut self, draft: &TargetDraft, targets: &mut Vec<TargetRecord>) -> Result<TargetRecord, WriteError> {
        let mut record = TargetRecord::new_zeroed();
        match draft {
            TargetDraft::File(run, settings) => {
                record.kind = kind::FILE;
                record.settings = settings.0.into();
                (record.first, record.count) = (run.first.into(), run.count.into());
            }
            TargetDraft::Negotiated(negotiated) => {
                let NegotiatedDraft { run, settings, vary, transparent, map, literal } = *negotiated;
                record.kind = kind::NEGOTIATED;
                record.flags = vary.bits();
                for (holds, flag) in [(transparent, flag::TRANSPARENT), (map, flag::MAP), (literal, flag::LITERAL)] {
                    record.flags |= if holds { flag } else { 0 };
                }
                record.settings = settings.0.into();
                (record.first, record.count) = (run.first.into(), run.count.into());
            }
            TargetDraft::Redirect(status, location) => {
                record.kind = kind::REDIRECT;
                record.flags = status.code().saturating_sub(300) as u8;
                self.point_to(&mut record, location)?;
            }
            TargetDraft::Index(alternatives, settings) => {
                record.kind = kind::INDEX;
                record.settings = settings.0.into();
                let first = targets.len() as u64;
                (record.first, record.count) = (first.into(), (alternatives.len() as u32).into());
                for alternative in alternatives {
                    let alternative = self.target(alternative, targets)?;
                    targets.push(alternative);
                }
            }
            TargetDraft::Failure(status) => {
                record.kind = kind::FAILURE;
                record.first = u64::from(status.code()).into();
            }
        }
        Ok(record)
    }

    fn section<T: IntoBytes + Immutable>(
        &mut self,
        records: &[T],
        summer: &mut Summer,
    ) -> Result<SectionRecord, WriteError>
    where
        W: Send,
    {
        let padding = self.pad_to(8)?;
        summer.update(&[0; 8][..padding as usize]);
        let bytes = records.as_bytes();
        let section = SectionRecord { offset: self.position.into(), length: (bytes.len() as u64).into() };
        let (written, ()) = rayon::join(|| self.write(bytes), || summer.update(bytes));
        written?;
        Ok(section)
    }

    /// Writes zeros up to the next multiple of `boundary`; returns how many.
    fn pad_to(&mut self, boundary: u64) -> Result<u64, WriteError> {
        let padding = self.position.next_multiple_of(boundary) - self.position;
        self.write(&[0; PAGE as usize][..padding as usize])?;
        Ok(padding)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.written_to != self.position {
            self.out.seek(SeekFrom::Start(self.position))?;
        }
        self.out.write_all(bytes)?;
        self.position += bytes.len() as u64;
        self.written_to = self.position;
        Ok(())
    }
}

/// The bits of a variant in [`trait_of`].
fn traits(variant: &Variant<'_>, origin: Origin) -> u16 {
    let derived = match origin {
        Origin::Author => 0,
        Origin::Derived => trait_of::DERIVED,
        Origin::DerivedWithoutAddress => trait_of::DERIVED | trait_of::UNADDRESSED,
    };
    let said = |holds, bit| if holds { bit } else { 0 };
    derived | said(variant.level.declared, trait_of::LEVEL_DECLARED) | said(variant.converted, trait_of::CONVERTED)
}

/// Checksum and digest of the index, taken as it is written.
#[derive(Default)]
struct Summer {
    checksum: XxHash3_64,
    digest: blake3::Hasher,
}

impl Summer {
    fn update(&mut self, bytes: &[u8]) {
        rayon::join(|| self.checksum.write(bytes), || self.digest.update_rayon(bytes));
    }
}

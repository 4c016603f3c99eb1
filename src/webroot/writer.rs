//! Records → a webroot, in one pass: bodies first as they come, then the index, the header last.

use std::collections::HashMap;
use std::io::{self, Seek, SeekFrom, Write};

use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::index::{self, TableError};
use super::layout::*;
use crate::http::response::Block;
use crate::resource::{Settings, Variant};

/// Number of a body that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyId(u32);

/// Variants that were added together: those of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId {
    first: u64,
    count: u32,
}

/// What a resource is to answer.
#[derive(Clone, Debug)]
pub enum TargetDraft {
    /// The first variant of the run.
    File(RunId),
    /// What selection finds in the run, with these settings.
    Negotiated(RunId, Settings),
    /// 301 to this reference.
    Redirect(Vec<u8>),
    /// The first of these that can answer; none of them may be an index itself.
    Index(Vec<TargetDraft>),
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

/// Writes one webroot to `out`, which must be empty and be read by nobody until [`Writer::finish`] is done.
pub struct Writer<W> {
    out: W,
    /// Where the next byte goes.
    position: u64,
    bodies: Vec<BodyRecord>,
    by_digest: HashMap<[u8; 32], BodyId>,
    duplicates_saved: u64,
    variants: Vec<VariantRecord>,
    symbols: Vec<StringRef>,
    by_symbol: HashMap<Vec<u8>, u32>,
    strings: Vec<u8>,
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
            bodies: Vec::new(),
            by_digest: HashMap::new(),
            duplicates_saved: 0,
            variants: Vec::new(),
            symbols: Vec::new(),
            by_symbol: HashMap::new(),
            strings: Vec::new(),
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
        self.out.write_all(content)?;
        self.end_body(offset, content.len() as u64, digest)
    }

    /// Adds a content of `length` bytes that comes in pieces; `next_piece` gives an empty one at the end.
    /// It is hashed on its way, and taken back if it turns out to be there already; then bytes of it may
    /// be left beyond the end of what [`Writer::finish`] writes. Returns the digest as well.
    ///
    /// # Errors
    ///
    /// If `out` cannot be written, or what `next_piece` returns.
    pub fn add_streamed_body<E: From<WriteError>>(
        &mut self,
        length: u64,
        mut next_piece: impl FnMut(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(BodyId, [u8; 32]), E> {
        let before = self.position;
        let offset = self.start_body(length)?;
        let mut hasher = blake3::Hasher::new();
        let mut piece = Vec::new();
        let mut written = 0;
        loop {
            next_piece(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            hasher.update_rayon(&piece);
            self.out.write_all(&piece).map_err(WriteError::Io)?;
            written += piece.len() as u64;
        }
        let digest = *hasher.finalize().as_bytes();
        if let Some(&body) = self.by_digest.get(&digest) {
            self.duplicates_saved += written;
            self.position = before;
            self.out.seek(SeekFrom::Start(before)).map_err(WriteError::Io)?;
            return Ok((body, digest));
        }
        Ok((self.end_body(offset, written, digest)?, digest))
    }

    /// Moves to where a body of `length` bytes goes.
    fn start_body(&mut self, length: u64) -> Result<u64, WriteError> {
        if length >= PAGED_LENGTH {
            self.pad_to(PAGE)?;
        }
        Ok(self.position)
    }

    fn end_body(&mut self, offset: u64, length: u64, digest: [u8; 32]) -> Result<BodyId, WriteError> {
        self.position = offset + length;
        let body = BodyId(u32::try_from(self.bodies.len()).map_err(|_| WriteError::TooMany("bodies"))?);
        self.bodies.push(BodyRecord { offset: offset.into(), length: length.into(), digest });
        self.by_digest.insert(digest, body);
        Ok(body)
    }

    /// Adds the variants of one target, in scan order.
    ///
    /// # Errors
    ///
    /// If there are more variants than can be numbered.
    pub fn add_run<'v>(
        &mut self,
        variants: impl IntoIterator<Item = (Variant<'v>, &'v Block, BodyId)>,
    ) -> Result<RunId, WriteError> {
        let first = self.variants.len();
        for (variant, block, body) in variants {
            let record = VariantRecord {
                body_offset: self.bodies[body.0 as usize].offset,
                body_length: self.bodies[body.0 as usize].length,
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
                level_declared: u16::from(variant.level.declared).into(),
                file_name: self.add_string(variant.file_name)?,
                body: body.0.into(),
            };
            self.variants.push(record);
        }
        let count = u32::try_from(self.variants.len() - first).map_err(|_| WriteError::TooMany("variants"))?;
        Ok(RunId { first: first as u64, count })
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
        let string = self.add_string(name)?;
        self.symbols.push(string);
        let symbol = u32::try_from(self.symbols.len()).map_err(|_| WriteError::TooMany("names of types and tags"))?;
        self.by_symbol.insert(name.to_vec(), symbol);
        Ok(symbol)
    }

    /// Writes the index of `resources` (keys and what they answer, sorted by key), then the header.
    /// Returns the build id and `out`, positioned at its end.
    ///
    /// # Errors
    ///
    /// If two keys are equal, or `out` cannot be written.
    pub fn finish(mut self, resources: &[(Vec<u8>, TargetDraft)]) -> Result<([u8; 16], W), WriteError> {
        let keys: Vec<_> = resources.iter().map(|(key, _)| key.as_slice()).collect();
        let table = index::table(&keys)?;
        let mut targets = TargetTable::default();
        let mut records = Vec::with_capacity(resources.len());
        for &number in &table.order {
            let (key, target) = &resources[number];
            let key = self.add_string(key)?;
            let target = self.target(target, &mut targets)?;
            records.push(ResourceRecord { key, reserved: 0.into(), target });
        }
        let settings = std::mem::take(&mut targets.settings)
            .iter()
            .map(|settings| {
                let json = serde_json::to_vec(settings).map_err(io::Error::from)?;
                self.add_string(&json)
            })
            .collect::<Result<Vec<_>, _>>()?;

        // The tables leave `self` so that writing a section can borrow it.
        let variants = std::mem::take(&mut self.variants);
        let symbols = std::mem::take(&mut self.symbols);
        let bodies = std::mem::take(&mut self.bodies);
        let strings = std::mem::take(&mut self.strings);
        self.pad_to(PAGE)?;
        let index_start = self.position;
        let mut summer = Summer::default();
        let sections = [
            self.section(&table.displacements, &mut summer)?,
            self.section(&records, &mut summer)?,
            self.section(&targets.records, &mut summer)?,
            self.section(&variants, &mut summer)?,
            self.section(&symbols, &mut summer)?,
            self.section(&bodies, &mut summer)?,
            self.section(&settings, &mut summer)?,
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
            index_checksum: summer.checksum.digest().into(),
            sections,
        };
        let mut page = [0; PAGE as usize];
        page[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        let checksum = xxhash_rust::xxh3::xxh3_64(&page[..HEADER_CHECKSUM_AT]);
        page[HEADER_CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&page)?;
        self.out.seek(SeekFrom::Start(self.position))?;
        self.out.flush()?;
        Ok((build_id, self.out))
    }

    fn target(&mut self, draft: &TargetDraft, table: &mut TargetTable) -> Result<TargetRecord, WriteError> {
        let mut record = TargetRecord::new_zeroed();
        match draft {
            TargetDraft::File(run) => {
                record.kind = kind::FILE;
                (record.first, record.count) = (run.first.into(), run.count.into());
            }
            TargetDraft::Negotiated(run, settings) => {
                record.kind = kind::NEGOTIATED;
                record.settings = table.settings_number(settings)?.into();
                (record.first, record.count) = (run.first.into(), run.count.into());
            }
            TargetDraft::Redirect(location) => {
                record.kind = kind::REDIRECT;
                let string = self.add_string(location)?;
                (record.first, record.count) = (string.offset, string.length);
            }
            TargetDraft::Index(alternatives) => {
                record.kind = kind::INDEX;
                let first = table.records.len() as u64;
                (record.first, record.count) = (first.into(), (alternatives.len() as u32).into());
                for alternative in alternatives {
                    let alternative = self.target(alternative, table)?;
                    table.records.push(alternative);
                }
            }
        }
        Ok(record)
    }

    fn section<T: IntoBytes + Immutable>(
        &mut self,
        records: &[T],
        summer: &mut Summer,
    ) -> Result<SectionRecord, WriteError> {
        let padding = self.pad_to(8)?;
        summer.update(&[0; 8][..padding as usize]);
        let bytes = records.as_bytes();
        summer.update(bytes);
        self.out.write_all(bytes)?;
        let section = SectionRecord { offset: self.position.into(), length: (bytes.len() as u64).into() };
        self.position += bytes.len() as u64;
        Ok(section)
    }

    /// Writes zeros up to the next multiple of `boundary`; returns how many.
    fn pad_to(&mut self, boundary: u64) -> Result<u64, WriteError> {
        let padding = self.position.next_multiple_of(boundary) - self.position;
        self.out.write_all(&[0; PAGE as usize][..padding as usize])?;
        self.position += padding;
        Ok(padding)
    }
}

/// Targets of indexes, and the distinct settings, as they are met.
#[derive(Default)]
struct TargetTable {
    records: Vec<TargetRecord>,
    settings: Vec<Settings>,
}

impl TargetTable {
    fn settings_number(&mut self, settings: &Settings) -> Result<u16, WriteError> {
        let number = self.settings.iter().position(|known| known == settings).unwrap_or_else(|| {
            self.settings.push(settings.clone());
            self.settings.len() - 1
        });
        u16::try_from(number).map_err(|_| WriteError::TooMany("different settings"))
    }
}

/// Checksum and digest of the index, taken as it is written.
#[derive(Default)]
struct Summer {
    checksum: xxhash_rust::xxh3::Xxh3Default,
    digest: blake3::Hasher,
}

impl Summer {
    fn update(&mut self, bytes: &[u8]) {
        self.checksum.update(bytes);
        self.digest.update(bytes);
    }
}

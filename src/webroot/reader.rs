//! Bytes → a webroot, checked once; afterwards every accessor has an answer.

use std::hash::Hasher;
use std::ops::Range;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use twox_hash::XxHash3_64;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::index;
use super::layout::*;
use crate::http::Status;
use crate::resource::{Dimensions, Level, Note, Quality, Settings, Variant};
use crate::sys;

/// Why a file cannot be served.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum OpenError {
    #[error("it has {found} bytes, fewer than a webroot's header ({expected})\nit was cut short, or is no webroot")]
    TooShort { found: u64, expected: u64 },
    #[error("it does not begin as a webroot does\nmake one with: mkroot SITE_DIR OUT.webroot")]
    NotAWebroot,
    #[error(
        "it is a webroot of format {found}, and this program reads format {VERSION}\npack the site again with this version's mkroot"
    )]
    OtherVersion { found: u32 },
    #[error("its header is damaged: checksum {found:016x} instead of {expected:016x}\npack the site again")]
    HeaderDamaged { found: u64, expected: u64 },
    #[error("it should have {expected} bytes but has {found}\nit was cut short or appended to; pack the site again")]
    WrongLength { found: u64, expected: u64 },
    #[error(
        "its index, from byte {offset} on, is damaged: checksum {found:016x} instead of {expected:016x}\npack the site again"
    )]
    IndexDamaged { offset: u64, found: u64, expected: u64 },
    #[error("its section of {section} does not fit: {reason}")]
    BadSection { section: &'static str, reason: &'static str },
    #[error("record {number} of its {section} does not fit: {reason}")]
    BadRecord { section: &'static str, number: usize, reason: &'static str },
}

/// Where everything lies in a webroot whose bytes have been checked, and its decoded settings.
#[derive(Clone, Debug)]
pub struct Layout {
    build_id: [u8; 16],
    file_length: u64,
    index_start: u64,
    hash_key: u64,
    sections: [Range<usize>; 11],
    settings: Vec<Settings>,
}

// Places of the sections in `Layout::sections`.
const DISPLACEMENTS: usize = 0;
const RESOURCES: usize = 1;
const TARGETS: usize = 2;
const VARIANTS: usize = 3;
const ENTRIES: usize = 4;
const SYMBOLS: usize = 5;
const BODIES: usize = 6;
const DERIVATIONS: usize = 7;
const SETTINGS: usize = 8;
const NOTES: usize = 9;
const STRINGS: usize = 10;

impl Layout {
    /// Checks `bytes`, the whole of a file, as a webroot. Linear in the index; bodies are not read. Of a long index one
    /// thread takes the checksum while another looks at the records.
    ///
    /// # Errors
    ///
    /// Says what is wrong and where. Never panics, whatever the bytes.
    pub fn read(bytes: &[u8]) -> Result<Layout, OpenError> {
        let header = check_header(bytes)?;
        let index = index_of(bytes, header)?;
        let index_start = bytes.len() - index.len();
        let layout = Layout {
            build_id: header.build_id,
            file_length: bytes.len() as u64,
            index_start: index_start as u64,
            hash_key: header.hash_key.get(),
            sections: check_sections(header, index_start, bytes.len())?,
            settings: Vec::new(),
        };
        let webroot = layout.view(bytes);
        let courtesy = Courtesy::begin();
        let (checksum, records) =
            in_two(index.len(), || check_index_checksum(index, header, courtesy), || check_records(&webroot, courtesy));
        // Where the bytes are not those that were written, it means nothing what the records say.
        checksum.and(records)?;
        let settings = check_settings(&webroot)?;
        Ok(Layout { settings, ..layout })
    }

    /// The webroot in `bytes`, which must be those that were checked.
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> Webroot<'a> {
        let section = |number: usize| bytes.get(self.sections[number].clone()).unwrap_or_default();
        Webroot { bytes, layout: self, symbols: section(SYMBOLS), strings: section(STRINGS) }
    }
}

fn check_header(bytes: &[u8]) -> Result<&Header, OpenError> {
    let Some(page) = bytes.get(..PAGE as usize) else {
        let begins_well = MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) || bytes.starts_with(&MAGIC);
        return Err(match begins_well {
            true => OpenError::TooShort { found: bytes.len() as u64, expected: PAGE },
            false => OpenError::NotAWebroot,
        });
    };
    let (header, _) = Header::ref_from_prefix(page).map_err(|_| OpenError::NotAWebroot)?;
    if header.magic != MAGIC {
        return Err(OpenError::NotAWebroot);
    }
    if header.version.get() != VERSION {
        return Err(OpenError::OtherVersion { found: header.version.get() });
    }
    let (covered, checksum) = page.split_at(HEADER_CHECKSUM_AT);
    let expected = u64::from_le_bytes(checksum.try_into().unwrap_or_default());
    let found = XxHash3_64::oneshot(covered);
    if found != expected {
        return Err(OpenError::HeaderDamaged { found, expected });
    }
    let (found, expected) = (bytes.len() as u64, header.file_length.get());
    if found != expected {
        return Err(OpenError::WrongLength { found, expected });
    }
    Ok(header)
}

/// So much is checked before others are let through: bytes, and records. Either takes some 50 µs.
const PIECE: usize = 1 << 18;
const FEW: usize = 4096;
/// So long others are let through.
const COURTESY: Duration = Duration::from_millis(60);

/// Lets who serves have the processor whenever something has been checked: else they would wait for as long as the kernel
/// lets a thread run, milliseconds. Where they need all of it that ends after a while, or nothing would ever be checked.
#[derive(Clone, Copy)]
struct Courtesy {
    until: Instant,
}

impl Courtesy {
    fn begin() -> Courtesy {
        Courtesy { until: Instant::now() + COURTESY }
    }

    /// To be called after each piece; `is_whole` if it was as long as others.
    fn pause(self, is_whole: bool) {
        if is_whole && Instant::now() < self.until {
            std::thread::yield_now();
        }
    }
}

/// An index of fewer bytes is checked by one thread: it takes no longer than to find another one.
const LONG_INDEX: usize = 8 << 20;

/// Does both, on two threads if there is so much to do for them.
fn in_two<A: Send, B: Send>(length: usize, one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B + Send) -> (A, B) {
    if length < LONG_INDEX { (one(), other()) } else { rayon::join(one, other) }
}

/// The index, which ends with the file.
fn index_of<'a>(bytes: &'a [u8], header: &Header) -> Result<&'a [u8], OpenError> {
    let start = usize::try_from(header.index_start.get()).ok().filter(|&start| start as u64 >= PAGE);
    let index = start.and_then(|start| bytes.get(start..));
    index.ok_or(OpenError::BadSection { section: SECTIONS[BODIES], reason: "they end beyond the file" })
}

fn check_index_checksum(index: &[u8], header: &Header, courtesy: Courtesy) -> Result<(), OpenError> {
    let mut hasher = XxHash3_64::new();
    for piece in index.chunks(PIECE) {
        hasher.write(piece);
        courtesy.pause(piece.len() == PIECE);
    }
    let (found, expected) = (hasher.finish(), header.index_checksum.get());
    if found != expected {
        return Err(OpenError::IndexDamaged { offset: header.index_start.get(), found, expected });
    }
    Ok(())
}

/// The sections must follow one another: overlapping ones could hold records that no rule was checked for.
fn check_sections(header: &Header, index_start: usize, file_length: usize) -> Result<[Range<usize>; 11], OpenError> {
    let mut ranges: [Range<usize>; 11] = Default::default();
    let mut previous_end = index_start;
    for (number, section) in header.sections.iter().enumerate() {
        let wrong = |reason| OpenError::BadSection { section: SECTIONS[number], reason };
        let start = usize::try_from(section.offset.get()).map_err(|_| wrong("it starts beyond the file"))?;
        let length = usize::try_from(section.length.get()).map_err(|_| wrong("it ends beyond the file"))?;
        let end =
            start.checked_add(length).filter(|&end| end <= file_length).ok_or(wrong("it ends beyond the file"))?;
        if start < previous_end || start - previous_end >= 8 {
            return Err(wrong("it does not start where the one before it ends"));
        }
        if !length.is_multiple_of(RECORD_SIZES[number]) {
            return Err(wrong("its length is no multiple of its records'"));
        }
        ranges[number] = start..end;
        previous_end = end;
    }
    if previous_end != file_length {
        return Err(OpenError::BadSection { section: SECTIONS[STRINGS], reason: "it does not end with the file" });
    }
    Ok(ranges)
}

/// Checks every record. Each section is passed over once: a long one does not stay in the caches.
fn check_records(webroot: &Webroot<'_>, courtesy: Courtesy) -> Result<(), OpenError> {
    check_bodies(webroot, courtesy)?;
    check_derivations(webroot, courtesy)?;
    check_variants(webroot, courtesy)?;
    check_entries(webroot, courtesy)?;
    check_targets(webroot, courtesy)?;
    for section in [SETTINGS, NOTES] {
        check_each(webroot, section, courtesy, |string| check_string(webroot, *string))?;
    }
    Ok(())
}

/// Checks each record of a section with `check`, which says what is wrong.
fn check_each<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    webroot: &Webroot<'_>,
    section: usize,
    courtesy: Courtesy,
    mut check: impl FnMut(&T) -> Result<(), &'static str>,
) -> Result<(), OpenError> {
    for (piece, records) in webroot.records::<T>(section).chunks(FEW).enumerate() {
        for (place, record) in records.iter().enumerate() {
            let number = piece * FEW + place;
            check(record).map_err(|reason| OpenError::BadRecord { section: SECTIONS[section], number, reason })?;
        }
        courtesy.pause(records.len() == FEW);
    }
    Ok(())
}

fn check_string(webroot: &Webroot<'_>, string: StringRef) -> Result<(), &'static str> {
    let is_there = lies_within(string.offset, string.length, webroot.strings.len());
    if is_there { Ok(()) } else { Err("a string lies outside its section") }
}

/// Whether `count` things from `first` on are among so many.
fn lies_within(first: U64, count: U32, length: usize) -> bool {
    first.get().checked_add(count.get().into()).is_some_and(|end| end <= length as u64)
}

fn check_derivations(webroot: &Webroot<'_>, courtesy: Courtesy) -> Result<(), OpenError> {
    let bodies = webroot.bodies().len();
    let is_there = |number: U32| (number.get() as usize) < bodies;
    check_each(webroot, DERIVATIONS, courtesy, |record: &DerivationRecord| {
        let sound = is_there(record.source) && (is_there(record.result) || record.result.get() == NO_BODY);
        if sound { Ok(()) } else { Err("there is no such content") }
    })
}

fn check_bodies(webroot: &Webroot<'_>, courtesy: Courtesy) -> Result<(), OpenError> {
    let mut previous_end = PAGE;
    check_each(webroot, BODIES, courtesy, |body: &BodyRecord| {
        let (offset, length) = (body.offset.get(), body.length.get());
        if offset < previous_end {
            return Err("it overlaps the one before it");
        }
        let end = offset.checked_add(length).filter(|&end| end <= webroot.layout.index_start);
        previous_end = end.ok_or("it ends beyond the bodies")?;
        Ok(())
    })
}

fn check_variants(webroot: &Webroot<'_>, courtesy: Courtesy) -> Result<(), OpenError> {
    let bodies = webroot.records::<BodyRecord>(BODIES);
    let entries = webroot.records::<EntryRecord>(ENTRIES);
    check_each(webroot, VARIANTS, courtesy, |variant: &VariantRecord| {
        check_string(webroot, variant.block)?;
        check_string(webroot, variant.file_name)?;
        for symbol in [variant.media_type, variant.charset, variant.languages, variant.codings] {
            if symbol.get() != 0 && webroot.symbol(symbol.get()).is_none() {
                return Err("there is no such symbol");
            }
        }
        let block = variant.block.length.get();
        if variant.not_modified_length.get() > block
            || u32::from(variant.etag_at.get()) + u32::from(variant.etag_length.get()) > block
        {
            return Err("its header block is shorter than it should be");
        }
        let entry = match variant.entry.get().checked_sub(1) {
            None => None,
            Some(number) => Some(entries.get(number as usize).ok_or("there is no such entry")?),
        };
        let elsewhere = entry.is_some_and(|entry| entry.outcome.kind != kind::BODY);
        if elsewhere && variant.body.get() == NO_BODY {
            return Ok(());
        }
        let body = bodies.get(variant.body.get() as usize).ok_or("there is no such body")?;
        if body.offset != variant.body_offset || body.length != variant.body_length {
            return Err("its body lies elsewhere");
        }
        Ok(())
    })
}

fn check_entries(webroot: &Webroot<'_>, courtesy: Courtesy) -> Result<(), OpenError> {
    check_each(webroot, ENTRIES, courtesy, |entry: &EntryRecord| {
        check_string(webroot, entry.description)?;
        let TargetRecord { kind, first, count, .. } = entry.outcome;
        let within = lies_within(first, count, webroot.strings.len());
        match kind {
            kind::REDIRECT | kind::REFERENCE if !within => Err("it leads outside the strings"),
            kind::FAILURE if status(first.get()).is_none() => Err("there is no such status"),
            kind::BODY | kind::REDIRECT | kind::REFERENCE | kind::FAILURE => Ok(()),
            _ => Err("it is of no known kind"),
        }
    })
}

/// The status with this code.
fn status(code: u64) -> Option<Status> {
    u16::try_from(code).ok().and_then(Status::from_code)
}

/// The status of a redirect.
fn redirect_status(flags: u8) -> Option<Status> {
    status(300 + u64::from(flags)).filter(|status| Status::REDIRECTS.contains(status))
}

fn check_targets(webroot: &Webroot<'_>, courtesy: Courtesy) -> Result<(), OpenError> {
    let targets = webroot.records::<TargetRecord>(TARGETS).len();
    let variants = webroot.records::<VariantRecord>(VARIANTS).len();
    let settings = webroot.records::<StringRef>(SETTINGS).len();
    let check = |target: &TargetRecord, is_alternative: bool| {
        let within = |length| lies_within(target.first, target.count, length);
        match target.kind {
            kind::FILE if target.count.get() != 1 || !within(variants) => Err("there is no such variant"),
            kind::NEGOTIATED if !within(variants) => Err("there are no such variants"),
            kind::FILE | kind::NEGOTIATED | kind::INDEX if usize::from(target.settings.get()) >= settings => {
                Err("there are no such settings")
            }
            kind::FAILURE if status(target.first.get()).is_none() => Err("there is no such status"),
            kind::REDIRECT if redirect_status(target.flags).is_none() => Err("there is no such redirect"),
            kind::REDIRECT if !within(webroot.strings.len()) => Err("its location lies outside the strings"),
            // An index within an index could lead to itself.
            kind::INDEX if is_alternative => Err("an index stands in an index"),
            kind::INDEX if !within(targets) => Err("there are no such targets"),
            kind::FILE | kind::NEGOTIATED | kind::REDIRECT | kind::INDEX | kind::FAILURE => Ok(()),
            _ => Err("it is of no known kind"),
        }
    };
    check_each(webroot, RESOURCES, courtesy, |resource: &ResourceRecord| {
        check_string(webroot, resource.key)?;
        check(&resource.target, false)
    })?;
    check_each(webroot, TARGETS, courtesy, |target| check(target, true))
}

fn check_settings(webroot: &Webroot<'_>) -> Result<Vec<Settings>, OpenError> {
    let settings = webroot.json(SETTINGS).collect::<Option<Vec<_>>>();
    settings.filter(|settings| !settings.is_empty()).ok_or(OpenError::BadSection {
        section: SECTIONS[SETTINGS],
        reason: "it does not hold settings that this version knows",
    })
}

/// A smaller index, in bytes, is in the caches anyway if it is asked for much.
const LARGE: u64 = 1 << 20;
/// So many variants of a resource are fetched early.
const FETCHED_VARIANTS: u32 = 4;
/// So much of the strings that lie with a resource's key is fetched early, in bytes: the key, and two header blocks or so.
const FETCHED_STRINGS: usize = 512;
/// The same of its first body; the rest comes by itself once that is copied.
const FETCHED_BODY: usize = 256;

/// A webroot whose bytes have been checked.
#[derive(Clone, Copy, Debug)]
pub struct Webroot<'a> {
    bytes: &'a [u8],
    layout: &'a Layout,
    /// The sections that every variant is read from, found once.
    symbols: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Webroot<'a> {
    /// Identifies what was built: equal webroots have equal ids.
    pub fn build_id(&self) -> [u8; 16] {
        self.layout.build_id
    }

    /// Length of the file in bytes.
    pub fn file_length(&self) -> u64 {
        self.layout.file_length
    }

    /// Length of header and index in bytes: what serving reads besides bodies.
    pub fn index_length(&self) -> u64 {
        self.layout.file_length - self.layout.index_start + PAGE
    }

    /// The bytes of the file in `range`; empty if they are not there.
    pub fn bytes(&self, range: Range<u64>) -> &'a [u8] {
        usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .and_then(|(start, end)| self.bytes.get(start..end))
            .unwrap_or_default()
    }

    /// The resource whose key is `key`. Costs one hash and three cache lines, whatever the number of resources.
    pub fn find(&self, key: &[u8]) -> Option<Resource<'a>> {
        let resources = self.records::<ResourceRecord>(RESOURCES);
        let slot = index::slot(key, self.layout.hash_key, self.records(DISPLACEMENTS), resources.len())?;
        let record = resources.get(slot)?;
        if self.index_length() >= LARGE {
            self.fetch_early(record);
        }
        (self.string(record.key) == key).then_some(Resource { webroot: *self, record })
    }

    /// Has the processor fetch what the answer will need, all at once. In a large webroot none of it is in the caches, and
    /// each piece would be waited for only when another one has told where it lies.
    fn fetch_early(&self, record: &ResourceRecord) {
        let part = |start: u64, length: usize| {
            let rest = usize::try_from(start).ok().and_then(|start| self.bytes.get(start..)).unwrap_or_default();
            sys::prefetch(&rest[..rest.len().min(length)]);
        };
        let start = |section: usize| self.layout.sections[section].start as u64;
        if matches!(record.target.kind, kind::FILE | kind::NEGOTIATED) {
            let variants = (record.target.count.get().min(FETCHED_VARIANTS) as usize) * size_of::<VariantRecord>();
            part(
                start(VARIANTS)
                    .saturating_add(record.target.first.get().saturating_mul(size_of::<VariantRecord>() as u64)),
                variants,
            );
            part(u64::from(record.near.get()) * NEAR, FETCHED_BODY);
        }
        // Behind the key stand the header blocks.
        part(start(STRINGS).saturating_add(record.key.offset.get()), FETCHED_STRINGS);
    }

    /// The perfect hash of `keys`, which must be sorted, if they are those of this webroot. It depends on them alone, so it is
    /// the one that [`index::table`] would find again.
    pub fn table_of(&self, keys: &[&[u8]]) -> Option<index::Table> {
        let records = self.records::<ResourceRecord>(RESOURCES);
        let displacements = self.records(DISPLACEMENTS);
        let hash_key = self.layout.hash_key;
        let slot = |key: &&[u8]| {
            let slot = index::slot(key, hash_key, displacements, records.len())?;
            (self.string(records[slot].key) == *key).then_some(slot)
        };
        // As many keys as slots, each in one of its own: then none is left over.
        if keys.len() != records.len() || keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return None;
        }
        let slots: Vec<_> = keys.par_iter().map(slot).collect::<Option<_>>()?;
        let mut order = vec![0; keys.len()];
        for (number, slot) in slots.into_iter().enumerate() {
            order[slot] = number;
        }
        Some(index::Table { hash_key, displacements: displacements.to_vec(), order })
    }

    /// The redirect for all that lies below the longest path that `key` begins with, and what `key` has behind that path.
    /// Costs a look-up for each of its segments, up to the longest path that has such a redirect, and nothing where none has.
    pub fn find_redirect_below<'k>(&self, key: &'k [u8]) -> Option<(Resource<'a>, &'k [u8])> {
        let longest = self.settings().longest_redirect.min(key.len());
        let slashes = (0..longest).rev().filter(|&at| key[at] == b'/');
        let mut splits = slashes.map(|slash| key.split_at(slash + 1));
        splits.find_map(|(directory, rest)| Some((self.find(&key_for_all_below(directory))?, rest)))
    }

    /// All resources, in no order that means anything.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = Resource<'a>> + use<'a> {
        let webroot = *self;
        webroot.records(RESOURCES).iter().map(move |record| Resource { webroot, record })
    }

    /// All variants of all resources. A file that belongs to several resources is there several times.
    pub fn variants(&self) -> impl ExactSizeIterator<Item = StoredVariant<'a>> + use<'a> {
        let webroot = *self;
        webroot.records(VARIANTS).iter().map(move |record| StoredVariant { webroot, record })
    }

    /// All bodies, in the order of their offsets.
    pub fn bodies(&self) -> &'a [BodyRecord] {
        self.records(BODIES)
    }

    /// What was made of which content when the site was packed.
    pub fn derivations(&self) -> impl ExactSizeIterator<Item = Derivation<'a>> + use<'a> {
        let bodies = self.bodies();
        self.records::<DerivationRecord>(DERIVATIONS).iter().map(move |record| {
            let body = |number: U32| bodies.get(number.get() as usize);
            Derivation { source: body(record.source), recipe: record.recipe, result: body(record.result) }
        })
    }

    /// The settings of the site's root, which hold for paths that lead nowhere.
    pub fn settings(&self) -> &'a Settings {
        &self.layout.settings[0] // `check_settings` demands one
    }

    /// What about the site was noticed when it was packed; what cannot be read is left out.
    pub fn notes(&self) -> impl Iterator<Item = Note> + use<'a> {
        self.json(NOTES).flatten()
    }

    /// The values in a section of JSON.
    fn json<T: serde::de::DeserializeOwned>(&self, section: usize) -> impl Iterator<Item = Option<T>> + use<'a, T> {
        let webroot = *self;
        let strings = webroot.records::<StringRef>(section).iter();
        strings.map(move |&string| serde_json::from_slice(webroot.string(string)).ok())
    }

    /// Where the index begins and the bodies end.
    pub(super) fn index_start(&self) -> u64 {
        self.layout.index_start
    }

    /// The gaps between sections, which hold zeros.
    pub(super) fn section_gaps(&self) -> impl Iterator<Item = Range<u64>> {
        let starts = self.layout.sections.iter().map(|section| section.start as u64);
        let ends = self.layout.sections.iter().map(|section| section.end as u64);
        std::iter::once(self.layout.index_start).chain(ends).zip(starts).map(|(end, start)| end..start)
    }

    fn section(&self, number: usize) -> &'a [u8] {
        self.bytes.get(self.layout.sections[number].clone()).unwrap_or_default()
    }

    fn records<T: FromBytes + KnownLayout + Immutable + Unaligned>(&self, section: usize) -> &'a [T] {
        <[T]>::ref_from_bytes(self.section(section)).unwrap_or_default()
    }

    /// One record, by its number; unlike [`Webroot::records`] without a division.
    fn record<T: FromBytes + KnownLayout + Immutable + Unaligned>(
        &self,
        section: usize,
        number: usize,
    ) -> Option<&'a T> {
        let Range { start, end } = self.layout.sections[section];
        let start = start.checked_add(number.checked_mul(size_of::<T>())?)?;
        let bytes = self.bytes.get(start..end)?.get(..size_of::<T>())?;
        T::ref_from_bytes(bytes).ok()
    }

    fn string(&self, string: StringRef) -> &'a [u8] {
        slice(self.strings, string.offset.get(), string.length.get())
    }

    /// A symbol's string; symbol 0 is absent.
    #[inline]
    fn symbol(&self, symbol: u32) -> Option<&'a [u8]> {
        let place = symbol.checked_sub(1)? as usize;
        let (length, rest) = self.symbols.get(place..)?.split_first_chunk::<2>()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    }

    fn target(&self, record: &TargetRecord) -> Target<'a> {
        let (first, count) = (record.first.get(), record.count.get());
        let settings = self.layout.settings.get(usize::from(record.settings.get())).unwrap_or(self.settings());
        match record.kind {
            kind::FILE => Target::File(self.run(first, count), settings),
            kind::NEGOTIATED => Target::Negotiated(Negotiated {
                number: std::ptr::from_ref(record).addr().wrapping_sub(self.bytes.as_ptr().addr()) as u64,
                run: self.run(first, count),
                settings,
                vary: Dimensions::from_bits(record.flags),
                transparent: record.flags & flag::TRANSPARENT != 0,
                map: record.flags & flag::MAP != 0,
                literal: record.flags & flag::LITERAL != 0,
            }),
            kind::INDEX => {
                let all = self.records::<TargetRecord>(TARGETS);
                let records = usize::try_from(first).ok().and_then(|first| all.get(first..)?.get(..count as usize));
                Target::Index(Alternatives { webroot: *self, records: records.unwrap_or_default() }, settings)
            }
            kind::FAILURE => Target::Failure(status(first).unwrap_or(Status::InternalServerError)),
            _ => Target::Redirect(
                redirect_status(record.flags).unwrap_or(Status::MovedPermanently),
                slice(self.strings, first, count),
            ),
        }
    }

    fn run(&self, first: u64, count: u32) -> Run<'a> {
        let all = self.records::<VariantRecord>(VARIANTS);
        let records = usize::try_from(first).ok().and_then(|first| all.get(first..)?.get(..count as usize));
        Run { webroot: *self, records: records.unwrap_or_default() }
    }
}

/// `length` bytes of `bytes` from `offset` on; empty if they are not there.
#[inline]
fn slice(bytes: &[u8], offset: u64, length: u32) -> &[u8] {
    let start = usize::try_from(offset).ok();
    start.and_then(|start| bytes.get(start..)?.get(..length as usize)).unwrap_or_default()
}

/// One key and what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    webroot: Webroot<'a>,
    record: &'a ResourceRecord,
}

impl<'a> Resource<'a> {
    /// The decoded absolute path.
    pub fn key(&self) -> &'a [u8] {
        self.webroot.string(self.record.key)
    }

    /// What it answers.
    pub fn target(&self) -> Target<'a> {
        self.webroot.target(&self.record.target)
    }
}

/// What was made of a content.
#[derive(Clone, Copy, Debug)]
pub struct Derivation<'a> {
    /// Of what; `None` only if the webroot was overwritten since.
    pub source: Option<&'a BodyRecord>,
    /// How.
    pub recipe: [u8; 16],
    /// What came of it; `None` if nothing was kept.
    pub result: Option<&'a BodyRecord>,
}

/// What a resource answers.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The only variant in the run.
    File(Run<'a>, &'a Settings),
    /// The variant that selection finds in the run.
    Negotiated(Negotiated<'a>),
    /// This status, one of [`Status::REDIRECTS`], to this location. That of a key which ends in two slashes holds for all
    /// that lies below, and a `*` in the location is what comes behind the key.
    Redirect(Status, &'a [u8]),
    /// What the first of these answers that can; for directories.
    Index(Alternatives<'a>, &'a Settings),
    /// This error.
    Failure(Status),
}

/// A run of variants to choose from, and what is known of it as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated<'a> {
    /// No other target of the webroot has the same.
    pub number: u64,
    /// The variants; an empty type map has none.
    pub run: Run<'a>,
    /// What decides.
    pub settings: &'a Settings,
    /// The dimensions whose fields Vary names.
    pub vary: Dimensions,
    /// Whether it can be negotiated transparently (R86).
    pub transparent: bool,
    /// Whether the variants are those of a type map.
    pub map: bool,
    /// Whether it answers to the whole name of a file: a type map's, or one beside which there is what was made of it.
    pub literal: bool,
}

impl Negotiated<'_> {
    /// Whether it is a file that was asked for by its whole name, to be had in several forms.
    pub fn is_file(&self) -> bool {
        self.literal && !self.map
    }
}

/// Variants of one resource, in scan order.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    webroot: Webroot<'a>,
    records: &'a [VariantRecord],
}

impl<'a> Run<'a> {
    /// The variants.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = StoredVariant<'a>> + use<'a> {
        let webroot = self.webroot;
        self.records.iter().map(move |record| StoredVariant { webroot, record })
    }

    /// The variant with this number, from 0.
    pub fn get(&self, number: usize) -> Option<StoredVariant<'a>> {
        self.records.get(number).map(|record| StoredVariant { webroot: self.webroot, record })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

/// The targets of a directory, in the order of `directory-index`.
#[derive(Clone, Copy, Debug)]
pub struct Alternatives<'a> {
    webroot: Webroot<'a>,
    records: &'a [TargetRecord],
}

impl<'a> Alternatives<'a> {
    /// The targets; none of them is an index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Target<'a>> + use<'a> {
        let webroot = self.webroot;
        self.records.iter().map(move |record| webroot.target(record))
    }
}

/// What is answered when a variant is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its block and its body.
    Body,
    /// The same; the body stands in a type map (R41).
    InlineBody,
    /// What the resource with this key answers.
    Reference(&'a [u8]),
    /// 301 to this location.
    Redirect(&'a [u8]),
    /// This error, with the fields of the negotiation if it was `chosen` all the same (R47).
    Failure {
        /// The status.
        status: Status,
        /// Whether Vary and the like go with it.
        chosen: bool,
    },
}

/// A variant as the file holds it.
#[derive(Clone, Copy, Debug)]
pub struct StoredVariant<'a> {
    webroot: Webroot<'a>,
    record: &'a VariantRecord,
}

impl<'a> StoredVariant<'a> {
    /// What selection compares.
    #[inline]
    pub fn variant(&self) -> Variant<'a> {
        let record = self.record;
        Variant {
            file_name: self.file_name(),
            media_type: self.webroot.symbol(record.media_type.get()).unwrap_or_default(),
            level: Level { value: record.level.get(), declared: self.has(trait_of::LEVEL_DECLARED) },
            source_quality: Quality::from_thousandths(record.source_quality.get()),
            charset: self.webroot.symbol(record.charset.get()),
            languages: self.webroot.symbol(record.languages.get()),
            codings: self.codings(),
            length: match self.entry() {
                None => Some(record.body_length.get()),
                Some(entry) => u64::try_from(entry.length.get()).ok(),
            },
            converted: self.has(trait_of::CONVERTED),
        }
    }

    #[inline]
    fn has(&self, bit: u16) -> bool {
        self.record.traits.get() & bit != 0
    }

    /// Whether mkroot made it of what the author has.
    pub fn is_derived(&self) -> bool {
        self.has(trait_of::DERIVED)
    }

    /// Whether it can be asked for by its own name.
    pub fn has_address(&self) -> bool {
        !self.has(trait_of::UNADDRESSED) && !self.is_listing()
    }

    /// Its file name, without directory.
    pub fn file_name(&self) -> &'a [u8] {
        self.webroot.string(self.record.file_name)
    }

    /// Its content codings, as [`Variant::codings`].
    pub fn codings(&self) -> Option<&'a [u8]> {
        self.webroot.symbol(self.record.codings.get())
    }

    #[inline]
    fn entry(&self) -> Option<&'a EntryRecord> {
        self.webroot.record(ENTRIES, self.record.entry.get().checked_sub(1)? as usize)
    }

    /// Whether it stands in a type map; its name is a URI then.
    pub fn is_entry(&self) -> bool {
        self.record.entry.get() != 0
    }

    /// Whether it is a form of a directory's listing, which has no address of its own. It is called like a dot file,
    /// which nothing else is that is served.
    pub fn is_listing(&self) -> bool {
        self.entry().is_none() && self.file_name().starts_with(b".")
    }

    /// What lists say about it; empty for nothing.
    pub fn description(&self) -> &'a [u8] {
        self.entry().map_or(&[], |entry| self.webroot.string(entry.description))
    }

    /// What is answered when it is chosen.
    pub fn outcome(&self) -> Outcome<'a> {
        let Some(EntryRecord { outcome, .. }) = self.entry() else { return Outcome::Body };
        let string = slice(self.webroot.strings, outcome.first.get(), outcome.count.get());
        match outcome.kind {
            kind::BODY if outcome.flags & flag::INLINE != 0 => Outcome::InlineBody,
            kind::BODY => Outcome::Body,
            kind::REFERENCE => Outcome::Reference(string),
            kind::REDIRECT => Outcome::Redirect(string),
            _ => Outcome::Failure {
                status: status(outcome.first.get()).unwrap_or(Status::InternalServerError),
                chosen: outcome.flags & flag::CHOSEN != 0,
            },
        }
    }

    /// Whether what it leads to is negotiated itself, so that a transparent resource answers 506 (R48).
    pub fn also_varies(&self) -> bool {
        self.entry().is_some_and(|entry| entry.outcome.flags & flag::ALSO_VARIES != 0)
    }

    /// The header block of a 200.
    pub fn block(&self) -> &'a [u8] {
        self.webroot.string(self.record.block)
    }

    /// The header block of a 304.
    pub fn not_modified_block(&self) -> &'a [u8] {
        slice(self.block(), 0, self.record.not_modified_length.get())
    }

    /// The entity tag, quotes included.
    pub fn etag(&self) -> &'a [u8] {
        slice(self.block(), self.record.etag_at.get().into(), self.record.etag_length.get().into())
    }

    /// Where in the file the body lies, in bytes.
    pub fn body(&self) -> Range<u64> {
        let start = self.record.body_offset.get();
        start..start.saturating_add(self.record.body_length.get())
    }

    /// BLAKE3 of the body.
    pub fn digest(&self) -> [u8; 32] {
        self.webroot.bodies().get(self.record.body.get() as usize).map(|body| body.digest).unwrap_or_default()
    }
}

//! The records of a webroot, byte for byte. [`super`] says what they mean.

use zerocopy::little_endian::{I32, I64, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of every webroot. Not text, and damaged by transfers that translate line ends.
pub const MAGIC: [u8; 8] = *b"\x89cng\r\n\x1a\n";
/// The format this code reads and writes.
pub const VERSION: u32 = 5;
/// The header's size, and the boundary on which the index and long bodies start, in bytes.
pub const PAGE: u64 = 4096;
/// Bodies of this length in bytes and more start on a page.
pub const PAGED_LENGTH: u64 = 65_536;
/// Where in the header page its checksum stands.
pub const HEADER_CHECKSUM_AT: usize = PAGE as usize - 8;

/// Names of the sections in their order, as error messages give them.
pub const SECTIONS: [&str; 11] = [
    "displacements",
    "resources",
    "targets",
    "variants",
    "entries",
    "symbols",
    "bodies",
    "derivations",
    "settings",
    "notes",
    "strings",
];
/// Size of one record of each section, in bytes.
pub const RECORD_SIZES: [usize; 11] = [
    size_of::<Displacement>(),
    size_of::<ResourceRecord>(),
    size_of::<TargetRecord>(),
    size_of::<VariantRecord>(),
    size_of::<EntryRecord>(),
    1,
    size_of::<BodyRecord>(),
    size_of::<DerivationRecord>(),
    size_of::<StringRef>(),
    size_of::<StringRef>(),
    1,
];

/// The key of the redirect for all that lies below `directory`, the key of a directory or of what was one. The key of a
/// request never has two slashes together.
pub fn key_for_all_below(directory: &[u8]) -> Vec<u8> {
    [directory, b"/"].concat()
}

/// The unit of [`ResourceRecord::near`] in bytes.
pub const NEAR: u64 = 64;

/// Number of the body of a variant that has none.
pub const NO_BODY: u32 = u32::MAX;

/// The first bytes of the header page; the rest is zero up to its checksum.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`].
    pub version: U32,
    /// Zero.
    pub flags: U32,
    /// Identifies what was built.
    pub build_id: [u8; 16],
    /// Length of the whole file.
    pub file_length: U64,
    /// Where the bodies end and the index begins.
    pub index_start: U64,
    /// Key of the hash function.
    pub hash_key: U64,
    /// XXH3-64 of everything from `index_start` to the end.
    pub index_checksum: U64,
    /// Where each of [`SECTIONS`] lies.
    pub sections: [SectionRecord; 11],
}

/// A stretch of the file.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SectionRecord {
    /// From the beginning of the file.
    pub offset: U64,
    /// In bytes.
    pub length: U64,
}

/// Two numbers that move the keys of one bucket to free slots.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Displacement {
    /// Multiplies the first hash.
    pub first: U32,
    /// Is added.
    pub second: U32,
}

/// A string, by its place in the section of strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct StringRef {
    /// From the beginning of the section.
    pub offset: U64,
    /// In bytes.
    pub length: U32,
}

/// A key and what it answers.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ResourceRecord {
    /// The decoded path.
    pub key: StringRef,
    /// Where the body of its first variant lies, in units of [`NEAR`] bytes from the beginning of the file; 0 if it has none,
    /// or if that is too far. Only to have it fetched early: nothing is believed of it.
    pub near: U32,
    /// What it answers.
    pub target: TargetRecord,
}

/// What is answered.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TargetRecord {
    /// One of the numbers in [`kind`].
    pub kind: u8,
    /// Some of the bits in [`flag`]; of a redirect see [`kind::REDIRECT`].
    pub flags: u8,
    /// Number of the settings in force.
    pub settings: U16,
    /// How many variants or targets; the length of a string in bytes.
    pub count: U32,
    /// Number of the first variant or target; the offset of a string; a status code.
    pub first: U64,
}

/// The kinds of targets.
pub mod kind {
    /// The variant's own body. In an entry of a type map only.
    pub const BODY: u8 = 0;
    /// One variant, without negotiation.
    pub const FILE: u8 = 1;
    /// A run of variants.
    pub const NEGOTIATED: u8 = 2;
    /// A redirect to the location that the string holds. Of a resource, the flags are its status less 300; in an entry of
    /// a type map it is 301.
    pub const REDIRECT: u8 = 3;
    /// A directory: targets in the order in which they are tried.
    pub const INDEX: u8 = 4;
    /// What the resource answers whose key the string is. In an entry of a type map only.
    pub const REFERENCE: u8 = 5;
    /// An error of this status.
    pub const FAILURE: u8 = 6;
}

/// What else is known of a target. The lowest four bits of a negotiated run are the dimensions that Vary names
/// (see [`crate::resource::Dimensions::bits`]).
pub mod flag {
    /// Of a run: the resource can be negotiated transparently (R86).
    pub const TRANSPARENT: u8 = 16;
    /// Of a run: that of a type map.
    pub const MAP: u8 = 32;
    /// Of a run: what its whole name asks for, so that it answers even where an index tries several names (R20).
    pub const LITERAL: u8 = 64;
    /// Of an entry's body: it stands in the map itself (R41).
    pub const INLINE: u8 = 16;
    /// Of an entry: it is negotiated itself, which a transparent resource must not lead to (R48).
    pub const ALSO_VARIES: u8 = 32;
    /// Of an entry's failure: it is sent with the fields of the negotiation that led to it (R47).
    pub const CHOSEN: u8 = 64;
}

/// What else is known of a variant, as bits of [`VariantRecord::traits`].
pub mod trait_of {
    /// Its level is declared.
    pub const LEVEL_DECLARED: u16 = 1;
    /// mkroot made it of what the author has.
    pub const DERIVED: u16 = 2;
    /// It was made of a representation of another type (see [`crate::resource::Variant::converted`]).
    pub const CONVERTED: u16 = 4;
    /// It has no address of its own, only that of what it was made of.
    pub const UNADDRESSED: u16 = 8;
}

/// One variant of one resource.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct VariantRecord {
    /// Where the body lies in the file; as in its body record.
    pub body_offset: U64,
    /// Its length; as in its body record.
    pub body_length: U64,
    /// The rendered header block.
    pub block: StringRef,
    /// How much of the block a 304 sends.
    pub not_modified_length: U32,
    /// Where in the block the entity tag begins.
    pub etag_at: U16,
    /// Length of the entity tag.
    pub etag_length: U16,
    /// Symbol of the media type.
    pub media_type: U32,
    /// Symbol of the charset.
    pub charset: U32,
    /// Symbol of the language tags.
    pub languages: U32,
    /// Symbol of the codings.
    pub codings: U32,
    /// Level of the type.
    pub level: I32,
    /// Source quality in thousandths.
    pub source_quality: U16,
    /// Some of the bits in [`trait_of`].
    pub traits: U16,
    /// The file name.
    pub file_name: StringRef,
    /// Number of the body.
    pub body: U32,
    /// Number of its entry in a type map, from 1; 0 if it is a file of its own.
    pub entry: U32,
}

/// What a type map says of a variant, besides what every variant has.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct EntryRecord {
    /// The length that is compared, in bytes; -1 if unknown.
    pub length: I64,
    /// What lists say about it.
    pub description: StringRef,
    /// What is answered when it is chosen.
    pub outcome: TargetRecord,
}

/// A content.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BodyRecord {
    /// From the beginning of the file.
    pub offset: U64,
    /// In bytes.
    pub length: U64,
    /// BLAKE3.
    pub digest: [u8; 32],
}

/// What was made of a content, or that nothing was worth keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct DerivationRecord {
    /// Number of the content it was made of.
    pub source: U32,
    /// Number of what was made of it; [`NO_BODY`] if nothing was kept.
    pub result: U32,
    /// How it was made: a digest of everything besides the content that decides what comes of it.
    pub recipe: [u8; 16],
}

impl BodyRecord {
    /// Where the content lies, from the beginning of the file.
    pub fn range(&self) -> std::ops::Range<u64> {
        self.offset.get()..self.offset.get().saturating_add(self.length.get())
    }
}

// The figures that the specification gives.
const _: () = {
    assert!(size_of::<Header>() <= HEADER_CHECKSUM_AT);
    assert!(size_of::<Displacement>() == 8);
    assert!(size_of::<StringRef>() == 12);
    assert!(size_of::<ResourceRecord>() == 32);
    assert!(size_of::<TargetRecord>() == 16);
    assert!(size_of::<VariantRecord>() == 80);
    assert!(size_of::<EntryRecord>() == 36);
    assert!(size_of::<BodyRecord>() == 48);
    assert!(size_of::<DerivationRecord>() == 24);
};

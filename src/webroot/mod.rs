//! The webroot: one immutable file that holds a packed site. This page is the format's specification.
//!
//! ```text
//!          0 ┌──────────────────────────────────────────────┐
//!            │ header: one page, checksum at its end        │
//!       4096 ├──────────────────────────────────────────────┤
//!            │ bodies: the contents of the site's files,    │
//!            │   each content once; long ones on pages      │
//! index_start├──────────────────────────────────────────────┤ ┐
//!            │ displacements   8 bytes per 3 resources      │ │
//!            │ resources      32 bytes each, in slot order  │ │
//!            │ targets        16 bytes each                 │ │ covered by
//!            │ variants       80 bytes each                 │ │ index_checksum
//!            │ entries        36 bytes each                 │ │
//!            │ symbols        bytes                         │ │
//!            │ bodies         48 bytes each                 │ │
//!            │ derivations    24 bytes each                 │ │
//!            │ settings       12 bytes each                 │ │
//!            │ notes          12 bytes each                 │ │
//!            │ strings        bytes                         │ │
//! file_length└──────────────────────────────────────────────┘ ┘
//! ```
//!
//! # Rules
//!
//! - Integers are little-endian and have the widths that [`layout`] gives them; records need no alignment.
//!   Every gap is filled with zeros. The same site gives the same bytes.
//! - The header is written last, so half a file never opens. It holds the magic number, the
//!   version, the build id (the first 16 bytes of the BLAKE3 digest of the index), the length of
//!   the file, the key of the hash function, and where each section lies. Its last 8 bytes are the
//!   XXH3-64 checksum of the bytes before them.
//! - The sections follow one another in the order of the drawing, each on a multiple of 8 bytes; the index
//!   begins on a page.
//! - **Resources.** A key is a decoded absolute path: `/2005/chart`; a directory's ends in a slash. The key's
//!   slot is found with a hash (XXH3, 128 bits) and the table of displacements (see
//!   [`index`]); the resource in that slot has the key or nothing has, so the key is compared last. Where the first of its
//!   bodies lies is said roughly, so that the processor can be told to fetch it together with the rest.
//! - **Redirects for all that lies below a path** are resources, too. Their keys are that path, with its final slash, and
//!   one slash more, so that no request has them: its key holds no empty segment. How long the longest is the first
//!   settings say; they are looked for where nothing else is found, the longest first. A `*` in such a location stands
//!   for what the request's key has behind the path.
//! - **Targets** say what a resource answers: one *file*; a *negotiated* run of variants; a *redirect*, with its status; an error,
//!   called *failure*; or, for a directory, an *index*: further targets, to be tried in order. They name the
//!   settings that decide. A resource holds its target; only those of an index lie in the section.
//! - **Variants** hold what selection compares, the rendered header block, and where the body lies.
//!   A run of variants is in scan order. Outside of type maps a file name that begins with a dot is that of a directory's
//!   listing.
//! - **Symbols** are media types, charsets, language lists and codings, each there once: a length of 2 bytes, then
//!   the string. They are referred to by their places in the section, counted from 1; 0 is absent.
//! - **Entries** are what only variants in type maps have: a declared length, a description, and what is
//!   answered when they are chosen, which may be a *reference* to another resource.
//! - **Bodies** hold offset, length and BLAKE3 digest of each content, in the order of offsets. Contents
//!   of [`layout::PAGED_LENGTH`] bytes and more start on a page of 4096 bytes, for `sendfile` and
//!   `O_DIRECT`; shorter ones follow each other without gaps.
//! - **Derivations** say what `mkroot` made of which content, and how: for the next packing, which need not make it again.
//!   Serving does not use them. They are sorted by what they were made of, then by how.
//! - **Settings** are JSON objects, see [`crate::resource::Settings`]; there are as many as distinct ones. The first are
//!   those of the site's root, which hold for paths that lead nowhere; what concerns the site as a whole is read
//!   from these.
//! - **Notes** are JSON objects, see [`crate::resource::Note`]: what about the site may surprise its author.
//! - **Strings** are referred to by an offset of 8 bytes and a length of 4, so the format holds far
//!   more than 16 million resources; the hash function's limit is 2³² − 1. A key stands before the header blocks of the
//!   variants that it leads to, in most cases: none of these rules depends on it, but a request needs them together.
//!
//! # Trust
//!
//! [`Layout::read`] checks everything that serving relies on: magic, version, both checksums, that every
//! section, record and string lies within bounds, that numbers refer to what is there. It takes time
//! linear in the index and does not read bodies. After that look-ups cannot fail; accessors are
//! total, and answer emptily even if the file is overwritten under them. Bodies are verified by
//! [`check::verify`].
//!
//! # Compatibility
//!
//! A reader opens its own [`layout::VERSION`] only. A webroot is made from its site in seconds; there is
//! no reason to carry old forms along.

pub mod check;
pub mod index;
pub mod layout;
mod mapped;
mod reader;
pub mod writer;

pub use mapped::{Mapped, OpenFileError};
pub use reader::{
    Alternatives, Derivation, Layout, Negotiated, OpenError, Outcome, Resource, Run, StoredVariant, Target, Webroot,
};

/// A digest as it is shown.
pub fn hexadecimal(digest: &[u8]) -> String {
    digest
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

//! A long file → the webroot: piece by piece, each read, hashed and written at once, on all cores.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::output::Output;
use super::pack::{BuildError, Digests, Report, failure, unchanged};
use super::walk::SourceFile;

/// How much is read, hashed and written at once, in bytes: what a core's own cache holds. A power of two, so that each piece
/// but the last is a whole subtree of BLAKE3's.
const PIECE: usize = 1 << 20;
/// How many pieces are held.
const PIECES: usize = 16;
/// A file of this length in bytes has two pieces at least.
pub const LEAST: u64 = PIECE as u64 + 1;

/// Where long files go.
pub struct Streams<'p> {
    out: Output<'p>,
    report: &'p dyn Report,
    memory: Vec<u8>,
}

impl<'p> Streams<'p> {
    /// To `out`; `report` hears of every few pieces.
    pub fn new(out: Output<'p>, report: &'p dyn Report) -> Streams<'p> {
        Streams { out, report, memory: Vec::new() }
    }

    /// Copies a file of at least [`LEAST`] bytes to the place `at`. Returns its digests; SHA-256 only if it is wanted.
    pub fn copy(&mut self, source: &SourceFile, file: &File, at: u64, sha256: bool) -> Result<Digests, BuildError> {
        let Streams { out, report, ref mut memory } = *self;
        memory.resize(PIECE * PIECES, 0);
        let mut sha256 = sha256.then(Sha256::new);
        let mut subtrees = Vec::new();
        out.reserve(at, source.length);
        let mut done = 0;
        while done < source.length {
            let held = usize::try_from(source.length - done).unwrap_or(usize::MAX).min(memory.len());
            let held = &mut memory[..held];
            let copy_piece = |(number, piece): (usize, &mut [u8])| {
                let start = done + (number * PIECE) as u64;
                file.read_exact_at(piece, start).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => BuildError::Changed { path: source.path.clone() },
                    _ => failure(source, error),
                })?;
                let subtree = blake3::Hasher::new().set_input_offset(start).update(piece).finalize_non_root();
                out.write_all_at(piece, at + start)?;
                Ok::<_, BuildError>(subtree)
            };
            let pieces = held.par_chunks_mut(PIECE).enumerate().with_max_len(1);
            subtrees.extend(pieces.map(copy_piece).collect::<Result<Vec<_>, _>>()?);
            if let Some(sha256) = &mut sha256 {
                sha256.update(&*held);
            }
            report.advance(held.len() as u64);
            done += held.len() as u64;
        }
        unchanged(source, file, done)?;
        Ok((root(&subtrees), sha256.map(|sha256| sha256.finalize().into())))
    }
}

/// The digest of what these subtrees, two at least, make together.
fn root(subtrees: &[ChainingValue]) -> [u8; 32] {
    let (left, right) = halves(subtrees);
    *merge_subtrees_root(&merged(left), &merged(right), Mode::Hash).as_bytes()
}

fn merged(subtrees: &[ChainingValue]) -> ChainingValue {
    if let [only] = subtrees {
        return *only;
    }
    let (left, right) = halves(subtrees);
    merge_subtrees_non_root(&merged(left), &merged(right), Mode::Hash)
}

/// On the left as many as are a power of two and leave something for the right.
fn halves(subtrees: &[ChainingValue]) -> (&[ChainingValue], &[ChainingValue]) {
    subtrees.split_at(subtrees.len().next_power_of_two() / 2)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::build::walk;

    struct Silent;
    impl Report for Silent {}

    #[test]
    fn digests_are_those_of_the_whole_and_so_are_the_bytes() {
        let site = tempfile::tempdir().unwrap();
        let out = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..PIECE * (PIECES + 3) + 5).map(|at| (at / 7 % 251) as u8).collect();
        let lengths = [
            LEAST as usize,
            2 * PIECE,
            2 * PIECE + 1,
            3 * PIECE - 1,
            5 * PIECE,
            PIECES * PIECE,
            PIECES * PIECE + 1,
            bytes.len(),
        ];
        for length in lengths {
            std::fs::write(site.path().join("file"), &bytes[..length]).unwrap();
            let tree = walk::walk(site.path(), None, &mut |_| {}).unwrap();
            let source = &tree.files[0];
            let file = File::open(&source.path).unwrap();
            let mut streams = Streams::new(Output::new(&out, true), &Silent);
            let (blake3, sha256) = streams.copy(source, &file, 4096, true).unwrap();
            assert_eq!(blake3, *blake3::hash(&bytes[..length]).as_bytes(), "{length}");
            assert_eq!(sha256, Some(Sha256::digest(&bytes[..length]).into()), "{length}");
            let mut written = vec![0; length];
            out.read_exact_at(&mut written, 4096).unwrap();
            assert!(written == bytes[..length], "{length}");

            File::options().append(true).open(&source.path).and_then(|mut file| file.write_all(b"+")).unwrap();
            assert!(matches!(streams.copy(source, &file, 0, false), Err(BuildError::Changed { .. })));
            File::options().write(true).open(&source.path).and_then(|file| file.set_len(9)).unwrap();
            assert!(matches!(streams.copy(source, &file, 0, false), Err(BuildError::Changed { .. })));
        }
    }
}

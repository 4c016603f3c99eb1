//! Bytes of one file → another, without passing through here where the system knows how.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::io::Errno;

use crate::webroot::layout::PAGE;
use crate::webroot::writer::Taken;

/// How much is read and written at once where the system cannot copy, in bytes.
const PIECE: usize = 1 << 20;

/// Copies all of `taken`, as it comes, from one file to the other. Neither file's position matters or changes.
///
/// # Errors
///
/// If a file cannot be read or written, or `from` is shorter than it was.
pub fn copy(from: &File, to: &File, taken: impl IntoIterator<Item = Taken>) -> io::Result<()> {
    for Taken { from: start, to: target, length } in taken {
        let mut copying = Copying { from, to, start, target, left: length };
        // File systems that can share blocks do so for whole ones only, and not unless both sides begin with one.
        if start % PAGE == target % PAGE {
            copying.copy((start.next_multiple_of(PAGE) - start).min(length))?;
        }
        copying.copy(copying.left)?;
    }
    Ok(())
}

/// A stretch that is being copied.
struct Copying<'f> {
    from: &'f File,
    to: &'f File,
    start: u64,
    target: u64,
    left: u64,
}

impl Copying<'_> {
    /// Copies the next `length` bytes.
    fn copy(&mut self, length: u64) -> io::Result<()> {
        let end = self.left - length;
        while self.left > end {
            let wanted = usize::try_from(self.left - end).unwrap_or(usize::MAX);
            let (mut start, mut target) = (self.start, self.target);
            let copied = rustix::fs::copy_file_range(self.from, Some(&mut start), self.to, Some(&mut target), wanted);
            let copied = match copied {
                Ok(copied) => copied,
                Err(Errno::INTR) => continue,
                Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {
                    self.read_and_write(wanted)?
                }
                Err(error) => return Err(error.into()),
            };
            if copied == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.start += copied as u64;
            self.target += copied as u64;
            self.left -= copied as u64;
        }
        Ok(())
    }

    /// The same by hand, for at most `length` bytes; returns how many.
    fn read_and_write(&self, length: usize) -> io::Result<usize> {
        let mut piece = vec![0; length.min(PIECE)];
        let read = self.from.read_at(&mut piece, self.start)?;
        self.to.write_all_at(&piece[..read], self.target)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn stretches_go_where_they_should() {
        let bytes: Vec<u8> = (0..3 * PIECE as u32).map(|number| (number % 251) as u8).collect();
        let mut from = tempfile::tempfile().unwrap();
        from.write_all(&bytes).unwrap();
        let to = tempfile::tempfile().unwrap();
        let taken = |from, to, length| Taken { from, to, length };
        let all = [taken(10, 20, 5), taken(5000, 9096, 100_000), taken(300_000, 200_001, 2 * PIECE as u64)];
        copy(&from, &to, all).unwrap();
        for Taken { from, to: target, length } in all {
            let mut found = vec![0; length as usize];
            to.read_exact_at(&mut found, target).unwrap();
            assert!(found == bytes[from as usize..][..length as usize], "{from}");
        }
        let by_hand = Copying { from: &from, to: &to, start: 7, target: 1, left: 0 };
        assert_eq!(by_hand.read_and_write(2 * PIECE).unwrap(), PIECE);
        let mut found = vec![0; PIECE];
        to.read_exact_at(&mut found, 1).unwrap();
        assert!(found == bytes[7..][..PIECE]);
        let beyond = copy(&from, &to, [taken(bytes.len() as u64 - 1, 0, 2)]);
        assert_eq!(beyond.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

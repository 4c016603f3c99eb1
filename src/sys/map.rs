//! Memory maps of files that do not change, and what is left of them if they do.

use std::fs::File;
use std::io;
use std::ops::Range;

use super::fault::Watched;

/// A whole file, mapped read-only.
#[derive(Debug)]
pub struct Map(Option<(Watched, memmap2::Mmap)>); // in the order in which they must be dropped

impl Map {
    /// Maps `file`. An empty file gives no bytes.
    ///
    /// # Errors
    ///
    /// If `file` cannot be mapped, as directories and devices cannot.
    pub fn of(file: &File) -> io::Result<Map> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        if metadata.len() == 0 {
            return Ok(Map(None));
        }
        // SAFETY: the bytes must not change while they are mapped. mkroot writes a webroot under no name
        // or a temporary one and renames it into place when it is finished; nothing of ours ever
        // writes to one that has its name. Somebody else who overwrites a served file can make us read
        // wrong bytes, which all readers of webroots bear, and one who truncates it makes them zeros (see `fault`).
        let map = unsafe { memmap2::Mmap::map(file)? };
        let start = map.as_ptr() as usize;
        Ok(Map(Some((Watched::new(start..start + map.len()), map))))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |(_, map)| map)
    }

    /// How many bytes from the start of `range` on are in memory, as far as the kernel tells: that they all are it tells
    /// everybody who neither owns the file nor could write to it. Nothing is read.
    pub fn resident_length(&self, range: Range<usize>) -> usize {
        let bytes = self.bytes().get(range).unwrap_or_default();
        let page = rustix::param::page_size();
        let (first, end) = (bytes.as_ptr() as usize / page * page, bytes.as_ptr() as usize + bytes.len());
        let mut states = [0u8; 64];
        let mut at = first;
        while at < end {
            let length = (end - at).min(states.len() * page);
            // SAFETY: mincore(2) stores a byte for each page of the range, which are as many as there is room for; it reads
            // nothing, and fails if there is no map.
            let result = unsafe { libc::mincore(at as *mut libc::c_void, length, states.as_mut_ptr()) };
            if result != 0 {
                break;
            }
            let pages = length.div_ceil(page);
            let resident = states[..pages].iter().take_while(|state| *state & 1 != 0).count();
            at += resident * page;
            if resident < pages {
                break;
            }
        }
        at.min(end).saturating_sub(bytes.as_ptr() as usize)
    }

    /// Whether all bytes that were read so far were there. If not, the file was cut short, or could not be read.
    pub fn is_intact(&self) -> bool {
        self.0.as_ref().is_none_or(|(watched, _)| !watched.has_faulted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::survive_truncation;

    #[test]
    fn what_is_in_memory_is_told() {
        let file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).expect("a file");
        std::io::Write::write_all(&mut &file, &[1; 1_000_000]).expect("a file");
        let map = Map::of(&file).expect("a map");
        for range in [0..1_000_000, 0..0, 1..2, 4095..4097, 300_000..999_999] {
            assert_eq!(map.resident_length(range.clone()), range.len());
        }
        file.sync_all().expect("a file");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("a file");
        // File systems in memory keep it.
        if map.resident_length(0..1) == 0 {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).expect("a file");
            let mut byte = [0];
            std::os::unix::fs::FileExt::read_exact_at(&file, &mut byte, 500_000).expect("a file");
            let page = 500_000 / 4096 * 4096;
            assert_eq!(map.resident_length(0..1_000_000), 0);
            assert!(map.resident_length(page + 5..1_000_000) >= 4091 && map.resident_length(page + 5..page + 6) == 1);
        }
    }

    #[test]
    fn a_file_that_is_cut_short_gives_zeros() {
        survive_truncation();
        let [cut, other] = [(), ()].map(|()| {
            let file = tempfile::tempfile().expect("a file");
            std::io::Write::write_all(&mut &file, &[1; 20_000]).expect("a file");
            file
        });
        for _ in 0..2 {
            let (map, sound) = (Map::of(&cut).expect("a map"), Map::of(&other).expect("a map"));
            assert!(map.is_intact() && map.bytes()[19_999] == 1);
            cut.set_len(5_000).expect("a length");
            assert_eq!((map.bytes()[4_000], map.bytes()[5_000], map.is_intact()), (1, 0, true));
            assert_eq!((map.bytes()[19_999], map.is_intact()), (0, false));
            assert!(sound.is_intact() && sound.bytes().iter().all(|&byte| byte == 1));
            drop(map);
            cut.set_len(0).expect("a length");
            std::io::Write::write_all(&mut &cut, &[]).expect("a file");
            std::os::unix::fs::FileExt::write_all_at(&cut, &[1; 20_000], 0).expect("a file");
        }
    }
}

//! Memory maps of files that do not change, and what is left of them if they do.

use std::fs::File;
use std::io;

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

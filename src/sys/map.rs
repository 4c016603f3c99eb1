//! Memory maps of files that do not change.

use std::fs::File;
use std::io;

/// A whole file, mapped read-only.
#[derive(Debug)]
pub struct Map(Option<memmap2::Mmap>);

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
        // writes to one that has its name. Somebody else who overwrites a served file can make us send
        // wrong bytes, and one who truncates it ends the process with SIGBUS; the crate's documentation says so.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Map(Some(map)))
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

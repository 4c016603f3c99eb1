//! A webroot file, opened and mapped into memory.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::reader::{Layout, OpenError, Webroot};
use crate::sys::Map;

/// An open webroot: the file, for `sendfile`, and its map, for everything else.
#[derive(Debug)]
pub struct Mapped {
    file: Arc<File>,
    map: Map,
    layout: Layout,
    written: Written,
    /// Whether the kernel tells what of it is in memory.
    is_ours: bool,
}

/// Length in bytes and date of a file's content.
type Written = (u64, Option<SystemTime>);

/// Whom files seem to belong to whose owner has no number here.
const NOBODY: u32 = 65_534;

/// Why a file cannot be opened as a webroot.
#[derive(Debug, thiserror::Error)]
pub enum OpenFileError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It can be read, but it is not a sound webroot.
    #[error("{0}")]
    Format(#[from] OpenError),
}

impl Mapped {
    /// Opens and checks the webroot at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or [`Layout::read`] refuses it.
    pub fn open(path: &Path) -> Result<Mapped, OpenFileError> {
        Mapped::from_file(File::open(path)?)
    }

    /// Maps and checks a webroot that is open already, for instance one without a name.
    ///
    /// # Errors
    ///
    /// As [`Mapped::open`].
    pub fn from_file(file: File) -> Result<Mapped, OpenFileError> {
        let written = written(&file)?;
        let map = Map::of(&file)?;
        let layout = Layout::read(map.bytes())?;
        let is_ours = is_ours(&file)?;
        Ok(Mapped { file: Arc::new(file), map, layout, written, is_ours })
    }

    /// The webroot.
    pub fn webroot(&self) -> Webroot<'_> {
        self.layout.view(self.map.bytes())
    }

    /// Whether all that was read of the file so far was there. If not, somebody has cut it short: zeros were read in the
    /// place of what is missing.
    pub fn is_intact(&self) -> bool {
        self.map.is_intact()
    }

    /// Whether it is what was opened: all that was read was there, and nobody has written to the file, as far as its length
    /// and date tell.
    pub fn is_untouched(&self) -> bool {
        self.is_intact() && written(&self.file).is_ok_and(|written| written == self.written)
    }

    /// How many bytes of the file from the start of `range` on are in memory, or `None` if the kernel does not tell.
    pub fn resident_length(&self, range: &Range<u64>) -> Option<u64> {
        let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
        self.is_ours.then(|| self.map.resident_length(range) as u64)
    }

    /// The file, to send from. Who holds it can go on reading when this is gone.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }
}

/// Whether the kernel lets this process know about the file what its owner may (mincore(2)).
fn is_ours(file: &File) -> io::Result<bool> {
    let (owner, user) = (file.metadata()?.uid(), rustix::process::geteuid());
    // Files whose owners mean nothing here, in a container for instance, are not even root's.
    Ok(owner == user.as_raw() || user.is_root() && owner != NOBODY)
}

fn written(file: &File) -> io::Result<Written> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}

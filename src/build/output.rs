//! The file that a webroot is written to.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use rustix::fs::FallocateFlags;

use crate::sys;
use crate::webroot::layout::PAGE;

/// A file that is written at several places at once. If it is to be kept, what was written is on its way to the disk from
/// then on, so that in the end there is little left to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Output<'f> {
    file: &'f File,
    kept: bool,
}

impl<'f> Output<'f> {
    /// Into `file`, which is `kept` or is of use as long as somebody has it open.
    pub fn new(file: &'f File, kept: bool) -> Output<'f> {
        Output { file, kept }
    }

    /// Finds room for so many bytes at the place `at`, all at once: that is cheaper than piece by piece. The file does not get
    /// longer.
    pub fn reserve(&self, at: u64, length: u64) {
        if self.kept {
            // Not all file systems can. If there is no room, writing will say so.
            let _ = rustix::fs::fallocate(self.file, FallocateFlags::KEEP_SIZE, at, length);
        }
    }

    /// Writes `bytes` to the place `at`.
    pub fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, at)?;
        self.written(at, bytes.len());
        Ok(())
    }

    fn written(&self, at: u64, length: usize) {
        let page = |place: u64| place - place % PAGE;
        // The page that these bytes end in is about to be written to again.
        let range = page(at)..page(at + length as u64);
        if self.kept && !range.is_empty() {
            sys::begin_writeback(self.file, range);
        }
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file;
        let at = file.stream_position()?;
        let length = file.write(bytes)?;
        self.written(at, length);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Output<'_> {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        let mut file = self.file;
        file.seek(place)
    }
}

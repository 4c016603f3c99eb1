//! `auto`: what is in memory is sent at once, what is not is read by other threads first. The worker never sleeps on the
//! disk.

use std::fs::File;
use std::ops::Range;

use rustix::io::{Errno, ReadWriteFlags};

use super::flight::Pending;
use super::readers::{Length, Outcome, Readers};
use super::resident::Resident;
use super::{Failure, Transfer, cut_short, permitted, with_scratch};
use crate::runtime::connection::Wire;
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// How much is asked about at once, in bytes. Pieces begin at multiples of it in the file.
const PIECE: u64 = 256 * 1024;
/// How much is read at once, in bytes: a window. While one is sent the next is read.
const WINDOW: u64 = 1 << 20;

/// Sendfile for what is in memory, [`Readers`] for what is not.
#[derive(Clone, Debug)]
pub(super) struct Auto {
    readers: Readers,
    resident: Resident,
}

/// A window that is being read.
struct Window {
    range: Range<u64>,
    pending: Pending<Outcome>,
}

impl Auto {
    pub fn new(readers: Readers, resident: Resident) -> Auto {
        Auto { readers, resident }
    }

    /// Appends `range` to `output`, which is sent before the disk is waited for.
    pub fn fetch(
        &self,
        site: &Site,
        range: Range<u64>,
        output: &mut Vec<u8>,
        socket: &mut Socket<'_>,
    ) -> Result<(), Failure> {
        if range.is_empty() {
            return Ok(());
        }
        if !self.resident.has(site, &range, socket.now()) {
            if resident_length(site, &range)? < range.end - range.start {
                socket.send(output, true)?;
                output.clear();
                let pending = self.readers.read(Length::Short, site.file(), range.clone(), socket.state())?;
                land(site, range.start, pending, socket)?;
            }
            self.resident.note(site, &range, socket.now());
        }
        output.extend_from_slice(site.webroot().bytes(range));
        Ok(())
    }

    /// Remembers that all pieces of `range` are in memory.
    fn note(&self, site: &Site, range: Range<u64>, now: u64) {
        let mut at = range.start;
        while at < range.end {
            let piece = piece(at, range.end);
            at = piece.end;
            self.resident.note(site, &piece, now);
        }
    }

    fn begin(&self, site: &Site, range: Range<u64>, socket: &Socket<'_>) -> Result<Window, Failure> {
        let pending = self.readers.read(Length::Long, site.file(), range.clone(), socket.state())?;
        Ok(Window { range, pending })
    }
}

/// Waits until bytes have been read.
fn land(site: &Site, at: u64, pending: Pending<Outcome>, socket: &mut Socket<'_>) -> Result<(), Failure> {
    socket.wait_for(pending).map_err(|(at, error)| Failure::Source(at, error))?;
    permitted(site, at)
}

impl Transfer for Auto {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let mut at = range.start;
        let mut ahead: Option<Window> = None;
        while at < range.end {
            permitted(site, at)?;
            let mut piece = piece(at, range.end);
            let is_hot = self.resident.has(site, &piece, socket.now());
            if !is_hot {
                let length = resident_length(site, &piece)?;
                if piece.start + length == piece.end {
                    self.resident.note(site, &piece, socket.now());
                } else if length > 0 {
                    piece.end = piece.start + length;
                } else {
                    let window = match ahead.take().filter(|window| window.range.contains(&at)) {
                        Some(window) => window,
                        None => self.begin(site, window(at, range.end), socket)?,
                    };
                    let next = window.range.end;
                    if next < range.end {
                        ahead = Some(self.begin(site, self::window(next, range.end), socket)?);
                    }
                    land(site, at, window.pending, socket)?;
                    self.note(site, at..window.range.end, socket.now());
                }
            }
            let count = socket.try_send_file(site.file(), piece)?;
            at += count as u64;
            socket.advance(count)?;
            if !is_hot {
                // What comes from a disk comes in bursts, for many clients at a time.
                socket.let_others()?;
            }
        }
        Ok(())
    }
}

/// The bytes from `at` to the end of the piece that it lies in.
fn piece(at: u64, end: u64) -> Range<u64> {
    at..end.min((at / PIECE + 1) * PIECE)
}

/// The bytes from `at` on that are read at once: whole pieces.
fn window(at: u64, end: u64) -> Range<u64> {
    at..end.min((at / PIECE) * PIECE + WINDOW)
}

/// How many bytes from the start of `range` on are in memory.
fn resident_length(site: &Site, range: &Range<u64>) -> Result<u64, Failure> {
    match site.mapped().resident_length(range) {
        Some(length) => Ok(length),
        None => readable_length(site.file(), range),
    }
}

/// The same for whom the kernel does not tell: it is read as far as that takes no waiting. Where that fails the kernel may
/// have begun to read, and rather more than was wanted.
fn readable_length(file: &File, range: &Range<u64>) -> Result<u64, Failure> {
    with_scratch(|buffer| {
        let mut at = range.start;
        while at < range.end {
            let wanted = (range.end - at).min(buffer.len() as u64) as usize;
            let mut buffers = [std::io::IoSliceMut::new(&mut buffer[..wanted])];
            match rustix::io::preadv2(file, &mut buffers, at, ReadWriteFlags::NOWAIT) {
                Ok(0) => return Err(cut_short(at)),
                Ok(count) => at += count as u64,
                Err(Errno::INTR) => {}
                // It is not there, or this file system does not tell either.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => break,
                Err(error) => return Err(Failure::Source(at, error.into())),
            }
        }
        Ok(at - range.start)
    })
}

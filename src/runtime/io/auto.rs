//! `auto`: what is in memory is sent at once, what is not is read by other threads first. The worker never sleeps on the
//! disk.

use std::fs::File;
use std::ops::Range;

use rustix::io::{Errno, ReadWriteFlags};

use super::readers::{Length, Outcome, Readers};
use super::resident::Resident;
use super::{Failure, LONG, PIECE, Transfer, cut_short, permitted, with_scratch};
use crate::runtime::connection::Wire;
use crate::runtime::flight::Pending;
use crate::runtime::site::Site;
use crate::runtime::socket::{Socket, TURN};

/// How much is read at once, in bytes: a window. While one is sent the next is read.
const WINDOW: u64 = 1 << 20;

/// Sendfile for what is in memory, [`Readers`] for what is not.
#[derive(Clone, Debug, Default)]
pub(in crate::runtime) struct Auto {
    readers: Readers,
    resident: Resident,
}

/// A window that is being read.
struct Window {
    range: Range<u64>,
    pending: Pending<Outcome>,
}

impl Auto {
    /// How often something was not in memory and had to be read first.
    pub fn reads(&self) -> u64 {
        self.readers.reads()
    }

    /// Appends `range`, which is short, to `output`, which is sent first if the disk must be waited for.
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
        if !self.is_known(site, &range, socket.now()) {
            if resident_length(site, &range)? < range.end - range.start {
                socket.send(output, true)?;
                output.clear();
                socket.watch()?;
                let pending = self.readers.read(Length::Short, site.file(), range.clone(), socket.state())?;
                land(site, range.start, pending, socket)?;
            }
            self.resident.note(site, &range, socket.now());
        }
        output.extend_from_slice(site.webroot().bytes(range));
        Ok(())
    }

    /// Whether `range`, which is short, is known to be in memory, by itself or with all that lies around it: where there are
    /// many short contents that is asked for all of them at once.
    fn is_known(&self, site: &Site, range: &Range<u64>, now: u64) -> bool {
        let around = piece(range.start, &(0..site.webroot().file_length()));
        if around.end < range.end {
            return self.resident.has(site, range, now);
        }
        if self.resident.has(site, &around, now) || self.resident.has(site, range, now) {
            return true;
        }
        // Only where that is told without reading.
        let is_there = site.mapped().resident_length(&around) == Some(around.end - around.start);
        if is_there {
            self.resident.note(site, &around, now);
        }
        is_there
    }

    /// Where those pieces of `range` end, from the one at `at` on, that are known to be in memory; `None` if that is not.
    fn known_end(&self, site: &Site, at: u64, range: &Range<u64>, now: u64) -> Option<u64> {
        let mut end = at;
        while end < range.end && end - at < TURN as u64 && self.resident.has(site, &piece(end, range), now) {
            end = piece(end, range).end;
        }
        (end > at).then_some(end)
    }

    /// Where that part of the piece at `at` ends which is in memory. If nothing is, it waits until the piece has been read,
    /// and has the next ones read meanwhile.
    fn resident_end(
        &self,
        site: &Site,
        at: u64,
        range: &Range<u64>,
        ahead: &mut Option<Window>,
        socket: &mut Socket<'_>,
    ) -> Result<u64, Failure> {
        let piece = piece(at, range);
        let end = piece.start + resident_length(site, &piece)?;
        if end == piece.end {
            self.resident.note(site, &piece, socket.now());
        }
        if end > at {
            return Ok(end);
        }
        let window = match ahead.take().filter(|window| window.range.contains(&at)) {
            Some(window) => window,
            None => self.begin(site, piece.start, range, socket)?,
        };
        if window.range.end < range.end {
            *ahead = Some(self.begin(site, window.range.end, range, socket)?);
        }
        land(site, at, window.pending, socket)?;
        let (mut read, now) = (window.range.start, socket.now());
        while read < window.range.end {
            let piece = self::piece(read, range);
            self.resident.note(site, &piece, now);
            read = piece.end;
        }
        Ok(piece.end)
    }

    /// Has a window read, which begins with the piece at `at`.
    fn begin(&self, site: &Site, at: u64, range: &Range<u64>, socket: &Socket<'_>) -> Result<Window, Failure> {
        let range = at..range.end.min(at - at % PIECE + WINDOW);
        let length = if range.end - range.start < LONG { Length::Short } else { Length::Long };
        let pending = self.readers.read(length, site.file(), range.clone(), socket.state())?;
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
            let known = self.known_end(site, at, &range, socket.now());
            let end = match known {
                Some(end) => end,
                None => self.resident_end(site, at, &range, &mut ahead, socket)?,
            };
            let count = socket.try_send_file(site.file(), at..end)?;
            at += count as u64;
            socket.advance(count, at < range.end)?;
            if known.is_none() && at < range.end {
                // What comes from a disk comes in bursts, for many clients at a time.
                socket.let_others()?;
            }
        }
        Ok(())
    }
}

/// The piece that the byte at `at` lies in, as far as it is part of `range`. Pieces begin at multiples of [`PIECE`] in the
/// file, wherever the socket was full.
fn piece(at: u64, range: &Range<u64>) -> Range<u64> {
    let start = at - at % PIECE;
    range.start.max(start)..range.end.min(start + PIECE)
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

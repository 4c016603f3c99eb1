//! `aio` and `dio`: kernel AIO, through the page cache and past it.
//!
//! Through the page cache the kernel reads before io_submit(2) returns, so the worker sleeps on the disk after all. Past it
//! the disk writes into our buffers, and the worker does something else meanwhile.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::ahead::{Engine, Lane, Note, Refused};
use super::auto::Auto;
use super::{Failure, PIECE, Transfer};
use crate::runtime::messages::Messages;
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;
use crate::sys::{self, ALIGNMENT, Buffer};

/// A queue of reads into buffers.
type Queue = sys::Aio<Note<Buffer>>;

impl Engine for Queue {
    type Vessel = Buffer;

    const MOST: usize = 64;

    // It is overwritten.
    const HOLDS: bool = false;

    fn vessel() -> io::Result<Buffer> {
        Buffer::new(PIECE as usize / ALIGNMENT)
    }

    fn piece(_: &Buffer, at: u64, end: u64) -> Range<u64> {
        // O_DIRECT reads whole blocks, of which the first and last hold others' bytes, too.
        let start = at - at % ALIGNMENT as u64;
        start..end.next_multiple_of(ALIGNMENT as u64).min(start + PIECE)
    }

    fn begin(
        &self,
        file: &Arc<File>,
        piece: &Range<u64>,
        buffer: Buffer,
        note: Note<Buffer>,
    ) -> Result<(), Refused<Buffer>> {
        self.read(file, piece, buffer, note)
    }

    fn reap(&self, each: impl FnMut(io::Result<usize>, Buffer, Note<Buffer>)) {
        self.reap(each);
    }

    fn event(&self) -> BorrowedFd<'_> {
        self.event()
    }

    fn forward(buffer: &Buffer, range: Range<usize>, socket: &Socket<'_>, more: bool) -> io::Result<usize> {
        socket.try_send(&buffer.bytes()[range], more)
    }
}

/// Kernel AIO.
#[derive(Debug)]
pub(super) struct Aio {
    lanes: Vec<Lane<Queue>>,
    /// What to do where files cannot be read past the page cache, and whom to tell; if that is how they are to be read.
    direct: Option<(Auto, Messages)>,
}

impl Aio {
    /// `aio`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it.
    pub fn buffered(workers: usize) -> io::Result<Aio> {
        Aio::new(workers, None)
    }

    /// `dio`.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it.
    pub fn direct(workers: usize, otherwise: Auto, messages: Messages) -> io::Result<Aio> {
        Aio::new(workers, Some((otherwise, messages)))
    }

    fn new(workers: usize, direct: Option<(Auto, Messages)>) -> io::Result<Aio> {
        Ok(Aio { lanes: Lane::for_all(workers, queue)?, direct })
    }
}

impl Transfer for Aio {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let lane = &self.lanes[socket.worker() % self.lanes.len()];
        let Some((otherwise, messages)) = &self.direct else {
            return lane.send(site, site.file(), range, socket);
        };
        let Some(file) = site.direct(messages) else {
            return otherwise.send(site, range, socket);
        };
        match lane.send(site, file, range.clone(), socket) {
            // Some file systems only say so when they are asked to read.
            Err(Failure::Source(at, error)) if error.kind() == io::ErrorKind::InvalidInput => {
                site.refuse_direct(&error, messages);
                otherwise.send(site, at..range.end, socket)
            }
            other => other,
        }
    }
}

fn queue() -> io::Result<Queue> {
    let named = |error| io::Error::other(format!("this kernel or container refuses kernel AIO, io_setup: {error}"));
    Queue::new(Queue::MOST as u32).map_err(named)
}

/// Whether this kernel has it.
///
/// # Errors
///
/// If it does not, or refuses it.
pub(super) fn check() -> io::Result<()> {
    queue().map(drop)
}

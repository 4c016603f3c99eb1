//! `async-sendfile`: io_uring moves pages of the file into a pipe, and the worker moves them on to the socket. Nothing is
//! copied, and the kernel's threads sleep on the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::ahead::{Engine, Lane, Note, Refused};
use super::{Failure, PIECE, Transfer};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;
use crate::sys::{Pipe, Uring};

/// Descriptors of a worker's pipes.
pub(super) const MOST_DESCRIPTORS: usize = 2 * Ring::MOST;

/// A ring of moves into pipes.
type Ring = Uring<Note<Pipe>>;

impl Engine for Ring {
    type Vessel = Pipe;

    const MOST: usize = 64;

    const HOLDS: bool = true;

    fn vessel() -> io::Result<Pipe> {
        Pipe::new(PIECE as usize)
    }

    fn piece(pipe: &Pipe, at: u64, end: u64) -> Range<u64> {
        // What has no room would wait for it, and nobody would come to make some.
        at..end.min(at + pipe.room(at))
    }

    fn begin(&self, file: &Arc<File>, piece: &Range<u64>, pipe: Pipe, note: Note<Pipe>) -> Result<(), Refused<Pipe>> {
        self.fill(file, piece, pipe, note)
    }

    fn reap(&self, each: impl FnMut(io::Result<usize>, Pipe, Note<Pipe>)) {
        self.reap(each);
    }

    fn event(&self) -> BorrowedFd<'_> {
        self.event()
    }

    fn forward(pipe: &Pipe, range: Range<usize>, socket: &Socket<'_>, more: bool) -> io::Result<usize> {
        socket.try_splice(pipe.outlet(), range.len(), more)
    }
}

/// io_uring.
#[derive(Debug)]
pub(super) struct AsyncSendfile(Vec<Lane<Ring>>);

impl AsyncSendfile {
    /// For so many workers.
    ///
    /// # Errors
    ///
    /// If the kernel refuses it.
    pub fn new(workers: usize) -> io::Result<AsyncSendfile> {
        Lane::for_all(workers, ring).map(AsyncSendfile)
    }
}

impl Transfer for AsyncSendfile {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        self.0[socket.worker() % self.0.len()].send(site, site.file(), range, socket)
    }
}

fn ring() -> io::Result<Ring> {
    let named = |error| io::Error::other(format!("this kernel or container refuses io_uring: {error}"));
    Ring::new(Ring::MOST as u32).map_err(named)
}

/// Whether this kernel has it.
///
/// # Errors
///
/// If it does not, or refuses it.
pub(super) fn check() -> io::Result<()> {
    ring().map(drop)
}

//! `async-sendfile`: io_uring moves pages of the file into a pipe, and the worker moves them on to the socket. Nothing is
//! copied, and the kernel's threads sleep on the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::ahead::{Engine, Landing, Lane};
use super::flight::Delivery;
use super::pool::Loan;
use super::{Failure, Transfer};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;
use crate::sys::{Pipe, Uring};

/// How much is moved at once, in bytes.
const PIECE: usize = 256 * 1024;
/// How much of a pipe a page takes, in bytes.
const PAGE: u64 = 4096;
/// Descriptors of a worker's pipes.
pub(super) const MOST_DESCRIPTORS: usize = 2 * Ring::MOST;

type Note = (Loan<Pipe>, Delivery<Landing<Pipe>>);

/// A ring of moves into pipes.
#[derive(Debug)]
struct Ring(Uring<Note>);

impl Engine for Ring {
    type Vessel = Pipe;

    const MOST: usize = 64;

    fn vessel(&self) -> io::Result<Pipe> {
        Pipe::new(PIECE)
    }

    fn begin(
        &self,
        file: &Arc<File>,
        at: u64,
        end: u64,
        mut loan: Loan<Pipe>,
        delivery: Delivery<Landing<Pipe>>,
    ) -> io::Result<Range<u64>> {
        let pipe = loan.take().ok_or(io::ErrorKind::OutOfMemory)?;
        // A pipe holds so many pages, however little of them is wanted; and it must have room, or nobody would come to make
        // some.
        let length = (end - at).min(pipe.capacity() as u64 - at % PAGE);
        match self.0.fill(file, at, length as usize, pipe, (loan, delivery)) {
            Ok(()) => Ok(at..at + length),
            Err((error, pipe, (mut loan, _))) => {
                loan.put(pipe);
                Err(error)
            }
        }
    }

    fn reap(&self) {
        self.0.reap(|result, pipe, (loan, delivery)| delivery.deliver((result, pipe, loan)));
    }

    fn event(&self) -> BorrowedFd<'_> {
        self.0.event()
    }

    fn forward(&self, pipe: &Pipe, range: Range<usize>, socket: &Socket<'_>, more: bool) -> io::Result<usize> {
        socket.try_splice(pipe.outlet(), range.len(), more)
    }

    fn is_empty(_: &Pipe, sent_all: bool) -> bool {
        sent_all
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
    Uring::new(Ring::MOST as u32).map(Ring).map_err(named)
}

/// Whether this kernel has it.
///
/// # Errors
///
/// If it does not, or refuses it.
pub(super) fn check() -> io::Result<()> {
    ring().map(drop)
}

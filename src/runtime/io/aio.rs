//! `aio` and `dio`: kernel AIO, through the page cache and past it.
//!
//! Through the page cache the kernel reads before io_submit(2) returns, so the worker sleeps on the disk after all. Past it
//! the disk writes into our buffers, and the worker does something else meanwhile.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::ahead::{Engine, Landing, Lane};
use super::auto::Auto;
use super::flight::Delivery;
use super::pool::Loan;
use super::{Failure, Transfer};
use crate::runtime::messages::Messages;
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;
use crate::sys::{self, ALIGNMENT, Buffer};

/// How much is read at once, in bytes.
const PIECE: usize = 256 * 1024;

type Note = (Loan<Buffer>, Delivery<Landing<Buffer>>);

/// A queue of reads into buffers.
#[derive(Debug)]
struct Queue(sys::Aio<Note>);

impl Engine for Queue {
    type Vessel = Buffer;

    const MOST: usize = 64;

    fn vessel(&self) -> io::Result<Buffer> {
        Buffer::new(PIECE / ALIGNMENT)
    }

    fn begin(
        &self,
        file: &Arc<File>,
        at: u64,
        end: u64,
        mut loan: Loan<Buffer>,
        delivery: Delivery<Landing<Buffer>>,
    ) -> io::Result<Range<u64>> {
        let buffer = loan.take().ok_or(io::ErrorKind::OutOfMemory)?;
        // O_DIRECT reads whole blocks, of which the first and last hold others' bytes, too.
        let start = at - at % ALIGNMENT as u64;
        let length = ((end - start) as usize).next_multiple_of(ALIGNMENT).min(PIECE);
        match self.0.read(file, start, length, buffer, (loan, delivery)) {
            Ok(()) => Ok(start..start + length as u64),
            Err((error, buffer, (mut loan, _))) => {
                loan.put(buffer);
                Err(error)
            }
        }
    }

    fn reap(&self) {
        self.0.reap(|result, buffer, (loan, delivery)| delivery.deliver((result, buffer, loan)));
    }

    fn event(&self) -> BorrowedFd<'_> {
        self.0.event()
    }

    fn forward(&self, buffer: &Buffer, range: Range<usize>, socket: &Socket<'_>, more: bool) -> io::Result<usize> {
        socket.try_send(&buffer.bytes()[range], more)
    }

    fn is_empty(_: &Buffer, _: bool) -> bool {
        // It is overwritten.
        true
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
    sys::Aio::new(Queue::MOST as u32).map(Queue).map_err(named)
}

/// Whether this kernel has it.
///
/// # Errors
///
/// If it does not, or refuses it.
pub(super) fn check() -> io::Result<()> {
    queue().map(drop)
}

//! Reading ahead: while one piece is sent, the next is on its way from the disk. What the pieces are in, and who brings
//! them, is an [`Engine`]'s business.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::pool::{Loan, Pool};
use super::{Failure, cut_short, permitted};
use crate::runtime::flight::{Delivery, Pending, expect};
use crate::runtime::polled::Polled;
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;
use crate::sys;

/// What brings pieces of files, for the connections of one worker.
pub(super) trait Engine: fmt::Debug + Send + Sync + Sized + 'static {
    /// What a piece is in.
    type Vessel: fmt::Debug + Send + 'static;

    /// How many there are.
    const MOST: usize;

    /// Whether what was not sent stays in it, so that it is of no use for anything else.
    const HOLDS: bool;

    /// One that is empty.
    fn vessel() -> io::Result<Self::Vessel>;

    /// What is read at once into such a vessel to have the byte at `at`, and what follows up to `end`.
    fn piece(vessel: &Self::Vessel, at: u64, end: u64) -> Range<u64>;

    /// Begins to read `piece` of `file`.
    ///
    /// # Errors
    ///
    /// If it cannot be begun; everything comes back.
    fn begin(
        &self,
        file: &Arc<File>,
        piece: &Range<u64>,
        vessel: Self::Vessel,
        note: Note<Self::Vessel>,
    ) -> Result<(), Refused<Self::Vessel>>;

    /// Hands what has landed to `each`.
    fn reap(&self, each: impl FnMut(io::Result<usize>, Self::Vessel, Note<Self::Vessel>));

    /// What becomes readable when something has landed.
    fn event(&self) -> BorrowedFd<'_>;

    /// Sends what fits of `range` of a vessel, without waiting; as [`Socket::try_send`].
    fn forward(vessel: &Self::Vessel, range: Range<usize>, socket: &Socket<'_>, more: bool) -> io::Result<usize>;
}

/// What goes with a piece: the right to the vessel, and who wants it.
pub(super) type Note<V> = (Loan<V>, Delivery<Landing<V>>);

/// Why a piece was not begun, and what was handed in.
pub(super) type Refused<V> = (io::Error, V, Note<V>);

/// How many bytes were read, in what they are, and the right to it: a vessel with something in it never goes back to the
/// pool by itself.
pub(super) type Landing<V> = (io::Result<usize>, V, Loan<V>);

/// What a worker has of an engine.
#[derive(Debug)]
pub(super) struct Lane<E: Engine> {
    engine: Arc<E>,
    pool: Arc<Pool<E::Vessel>>,
}

/// A piece that is being read.
struct Reading<V> {
    range: Range<u64>,
    pending: Pending<Landing<V>>,
}

impl<E: Engine> Lane<E> {
    /// A lane for each worker. A coroutine waits there for what lands.
    ///
    /// # Errors
    ///
    /// If the kernel refuses what an engine needs, or there is no memory or descriptor left.
    pub fn for_all(workers: usize, engine: impl Fn() -> io::Result<E>) -> io::Result<Vec<Lane<E>>> {
        let lane = |worker| {
            let engine = Arc::new(engine()?);
            let event = Polled::new(descriptor_of(worker, workers, engine.event())?)?;
            let landing = engine.clone();
            sys::spawn(Some(worker), move || {
                loop {
                    event.wait();
                    landing.reap(|result, vessel, (loan, delivery)| delivery.deliver((result, vessel, loan)));
                }
            })?;
            Ok(Lane { engine, pool: Pool::new(E::MOST) })
        };
        (0..workers).map(lane).collect()
    }

    /// Sends `range` of `file`, which is `site`'s.
    pub fn send(
        &self,
        site: &Site,
        file: &Arc<File>,
        range: Range<u64>,
        socket: &mut Socket<'_>,
    ) -> Result<(), Failure> {
        let mut at = range.start;
        let mut ahead: Option<Reading<E::Vessel>> = None;
        while at < range.end {
            permitted(site, at)?;
            let Reading { range: piece, pending } = match ahead.take().filter(|next| next.range.contains(&at)) {
                Some(reading) => reading,
                None => {
                    let loan = self.pool.borrow(socket);
                    self.begin(file, at, range.end, loan, socket).map_err(|error| Failure::Source(at, error))?
                }
            };
            let (result, vessel, mut loan) = socket.wait_for(pending);
            let count = result.map_err(|error| Failure::Source(at, error))?;
            let landed = piece.start + count as u64;
            if landed <= at {
                return Err(cut_short(landed));
            }
            if piece.end < range.end && !self.pool.is_scarce() {
                // If it cannot be begun now, that will be seen when it is needed.
                ahead =
                    self.pool.try_borrow().and_then(|loan| self.begin(file, piece.end, range.end, loan, socket).ok());
            }
            let end = landed.min(range.end);
            while at < end {
                let held = (at - piece.start) as usize..(end - piece.start) as usize;
                let sent = E::forward(&vessel, held, socket, end < range.end)?;
                at += sent as u64;
                if sent == 0 && self.pool.is_scarce() {
                    break;
                }
                socket.advance(sent, at < range.end)?;
            }
            if at == end || !E::HOLDS {
                loan.put(vessel);
            }
            if at < end {
                // It is read again when the client wants it; others have a use for what it is in.
                drop((loan, ahead.take()));
                socket.advance(0, true)?;
            }
        }
        Ok(())
    }

    fn begin(
        &self,
        file: &Arc<File>,
        at: u64,
        end: u64,
        mut loan: Loan<E::Vessel>,
        socket: &Socket<'_>,
    ) -> io::Result<Reading<E::Vessel>> {
        let vessel = match loan.take() {
            Some(vessel) => vessel,
            None => E::vessel()?,
        };
        let range = E::piece(&vessel, at, end);
        let (pending, delivery) = expect(socket.state());
        match self.engine.begin(file, &range, vessel, (loan, delivery)) {
            Ok(()) => Ok(Reading { range, pending }),
            Err((error, vessel, (mut loan, _))) => {
                loan.put(vessel);
                Err(error)
            }
        }
    }
}

/// A duplicate of `event` whose number stands for `worker` among so many: the runtime tells that one of it.
fn descriptor_of(worker: usize, workers: usize, event: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // Those that do not fit are held until one does, since the kernel gives the lowest that is free.
    let mut others = Vec::new();
    loop {
        let duplicate = event.try_clone_to_owned()?;
        if duplicate.as_raw_fd() as usize % workers == worker {
            return Ok(duplicate);
        }
        others.push(duplicate);
    }
}

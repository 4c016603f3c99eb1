//! io_uring: moves what is in files into pipes, while nobody waits.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use io_uring::{IoUring, Probe, opcode, squeue, types};
use rustix::event::EventfdFlags;
use rustix::pipe::PipeFlags;
use slab::Slab;

/// A pipe that pages of files go through. Neither end blocks whoever uses it.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    /// How much it takes, in bytes.
    capacity: usize,
}

impl Pipe {
    /// A pipe that takes `wanted` bytes, or fewer if this user has too many large ones (pipe-user-pages-soft).
    ///
    /// # Errors
    ///
    /// If there is no descriptor or memory left.
    pub fn new(wanted: usize) -> io::Result<Pipe> {
        let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let capacity = match rustix::pipe::fcntl_setpipe_size(&write, wanted) {
            Ok(capacity) => capacity,
            Err(_) => rustix::pipe::fcntl_getpipe_size(&write)?,
        };
        Ok(Pipe { read, write, capacity })
    }

    /// How many bytes of a file from `offset` on it takes when it is empty: a page in each of its places, however little of
    /// that is wanted.
    pub fn room(&self, offset: u64) -> u64 {
        self.capacity as u64 - offset % rustix::param::page_size() as u64
    }

    /// Where what is in it comes out.
    pub fn outlet(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// A ring. `T` is what the caller wants back with the result.
///
/// A pipe that is handed in comes back with its result and not before, and the file stays open until then: descriptors that
/// the kernel has yet to look up are what they were.
pub struct Uring<T> {
    ring: Mutex<Ring<T>>,
    event: OwnedFd,
}

struct Ring<T> {
    // Dropped first: afterwards the kernel looks up nothing any more.
    ring: IoUring,
    flights: Slab<Flight<T>>,
}

struct Flight<T> {
    pipe: Pipe,
    _file: Arc<File>,
    note: T,
}

impl<T> fmt::Debug for Uring<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uring")
    }
}

impl<T> Uring<T> {
    /// A ring for so many moves at a time, each of which may wait for a disk.
    ///
    /// # Errors
    ///
    /// If the kernel has no io_uring, does not let this process use it, or cannot splice.
    pub fn new(depth: u32) -> io::Result<Uring<T>> {
        let ring = IoUring::new(depth.next_power_of_two())?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Splice::CODE) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "io_uring of this kernel cannot splice"));
        }
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        ring.submitter().register_eventfd(event.as_raw_fd())?;
        // Moves wait for the disk in threads of the kernel's. If their number cannot be said (before Linux 5.15) there are
        // four for each processor, and others wait.
        let _ = ring.submitter().register_iowq_max_workers(&mut [depth, 0]);
        Ok(Uring { ring: Mutex::new(Ring { ring, flights: Slab::new() }), event })
    }

    /// What becomes readable when there are results.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    fn ring(&self) -> MutexGuard<'_, Ring<T>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to move `range` of `file` into `pipe`, which must have room for that.
    ///
    /// # Errors
    ///
    /// If the ring is full; everything comes back.
    pub fn fill(&self, file: &Arc<File>, range: &Range<u64>, pipe: Pipe, note: T) -> Result<(), (io::Error, Pipe, T)> {
        let mut guard = self.ring();
        let Ring { ring, flights } = &mut *guard;
        let (from, to) = (types::Fd(file.as_raw_fd()), types::Fd(pipe.write.as_raw_fd()));
        let length = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
        let key = flights.insert(Flight { pipe, _file: file.clone(), note });
        let splice = opcode::Splice::new(from, range.start as i64, to, -1, length);
        let entry = splice.build().flags(squeue::Flags::ASYNC).user_data(key as u64);
        // SAFETY: the entry holds no pointers, only two descriptors; they are open until the result is there, since they belong
        // to the flight, which only `reap` gives away.
        let pushed = unsafe { ring.submission().push(&entry) };
        if pushed.is_ok() {
            // What the kernel has no memory for at the moment stays in the ring, and goes with the next.
            while ring.submit().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {}
            return Ok(());
        }
        let error = io::ErrorKind::WouldBlock.into();
        let Flight { pipe, note, .. } = flights.remove(key);
        Err((error, pipe, note))
    }

    /// Hands what is done to `each`: how many bytes were moved, the pipe, and the note.
    pub fn reap(&self, mut each: impl FnMut(io::Result<usize>, Pipe, T)) {
        loop {
            let mut guard = self.ring();
            let Ring { ring, flights } = &mut *guard;
            if !ring.submission().is_empty() {
                let _ = ring.submit();
            }
            let Some(entry) = ring.completion().next() else { return };
            let Some(Flight { pipe, note, .. }) = flights.try_remove(entry.user_data() as usize) else { continue };
            let result = usize::try_from(entry.result());
            let result = result.map_err(|_| io::Error::from_raw_os_error(-entry.result()));
            // Who is told may begin the next.
            drop(guard);
            each(result, pipe, note);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_was_moved_comes_out_of_the_pipe() {
        let Ok(uring) = Uring::new(8) else { return };
        let bytes: Vec<u8> = (0..100_000).map(|at| (at / 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("a file");
        let file = Arc::new(file);
        let moves = [(0u64, 65_536u64), (4096, 1), (777, 30_000), (99_000, 5000), (100_000, 5)];
        for (number, &(offset, length)) in moves.iter().enumerate() {
            let pipe = Pipe::new(1 << 16).expect("a pipe");
            uring.fill(&file, &(offset..offset + length), pipe, number).expect("room");
        }
        let mut landed = Vec::new();
        while landed.len() < moves.len() {
            let mut events = [rustix::event::PollFd::new(&uring.event, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut events, None).expect("an event");
            uring.reap(|result, pipe, number| landed.push((number, result.expect("a count"), pipe)));
        }
        for (number, count, pipe) in landed {
            let (offset, length) = moves[number];
            assert_eq!(count as u64, length.min(100_000 - offset), "{number}");
            let mut found = Vec::new();
            drop(pipe.write);
            File::from(pipe.read).read_to_end(&mut found).expect("what was moved");
            assert!(found == bytes[offset as usize..][..count], "{number}");
        }
    }

    #[test]
    fn a_ring_may_be_dropped_with_moves_on_their_way() {
        let Ok(uring) = Uring::new(4) else { return };
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&[1; 1 << 16]).expect("a file");
        let file = Arc::new(file);
        for _ in 0..100 {
            let pipe = Pipe::new(1 << 16).expect("a pipe");
            if uring.fill(&file, &(0..1 << 16), pipe, ()).is_err() {
                break;
            }
        }
        drop(uring);
    }
}

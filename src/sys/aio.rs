//! Kernel AIO (io_setup(2)): reads into buffers that belong to the kernel until it is done with them.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::EventfdFlags;
use slab::Slab;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// What O_DIRECT wants offsets, lengths and addresses to be multiples of, in bytes; devices that want less are content.
pub const ALIGNMENT: usize = 4096;
/// How many results are taken at once.
const BATCH: usize = 32;

/// A block, aligned as O_DIRECT wants it.
#[derive(FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C, align(4096))]
struct Block([u8; ALIGNMENT]);

/// Memory that is aligned as O_DIRECT wants it.
pub struct Buffer(Box<[Block]>);

impl Buffer {
    /// Zeros; so many blocks of [`ALIGNMENT`] bytes. None of them passes over the stack, which a coroutine has little of.
    ///
    /// # Errors
    ///
    /// If there is no memory for them.
    pub fn new(blocks: usize) -> io::Result<Buffer> {
        let blocks = <[Block]>::new_box_zeroed_with_elems(blocks);
        Ok(Buffer(blocks.map_err(|_| io::ErrorKind::OutOfMemory)?))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes().len())
    }
}

/// A queue of reads. `T` is what the caller wants back with the result.
///
/// A buffer that is handed in comes back with its result and not before: nobody has it while the kernel writes to it, and it
/// outlives the read whatever becomes of whoever wanted it.
#[derive(Debug)]
pub struct Aio<T> {
    context: Context,
    event: OwnedFd,
    flights: Mutex<Slab<Flight<T>>>,
}

/// A read that the kernel is at.
#[derive(Debug)]
struct Flight<T> {
    buffer: Buffer,
    /// Its descriptor must stay what it is.
    _file: Arc<File>,
    note: T,
}

/// A number that stands for a queue in the kernel.
#[derive(Debug)]
struct Context(libc::c_ulong);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: io_destroy(2) takes a number that io_setup gave, once, and touches no memory of ours but what reads that are
        // on their way write to: it returns when those are done. Their buffers belong to the flights, which are dropped
        // later, since fields are dropped in the order in which they are declared.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.0) };
    }
}

/// `struct iocb` of the kernel (linux/aio_abi.h).
#[repr(C)]
#[derive(Default)]
struct ControlBlock {
    data: u64,
    #[cfg(target_endian = "little")]
    key: u32,
    rw_flags: i32,
    #[cfg(target_endian = "big")]
    key: u32,
    opcode: u16,
    priority: i16,
    descriptor: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    event: u32,
}

/// `struct io_event` of the kernel (linux/aio_abi.h).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

/// IOCB_CMD_PREAD and IOCB_FLAG_RESFD.
const READ: u16 = 0;
const TELL_EVENT: u32 = 1;

impl<T> Aio<T> {
    /// A queue for so many reads at a time.
    ///
    /// # Errors
    ///
    /// If the kernel has no kernel AIO, does not let this process use it, or has no room (/proc/sys/fs/aio-max-nr).
    pub fn new(depth: u32) -> io::Result<Aio<T>> {
        let mut context: libc::c_ulong = 0;
        // SAFETY: io_setup(2) stores one number, to which it is given a valid pointer.
        let result = unsafe { libc::syscall(libc::SYS_io_setup, depth, &raw mut context) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        let context = Context(context);
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Aio { context, event, flights: Mutex::default() })
    }

    /// What becomes readable when there are results.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    fn flights(&self) -> MutexGuard<'_, Slab<Flight<T>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to read `range` of `file`, at most as many bytes as `buffer` has.
    ///
    /// # Errors
    ///
    /// Those of io_submit(2), EAGAIN for instance if the queue is full; everything comes back.
    pub fn read(
        &self,
        file: &Arc<File>,
        range: &Range<u64>,
        buffer: Buffer,
        note: T,
    ) -> Result<(), (io::Error, Buffer, T)> {
        let length = (range.end - range.start).min(buffer.bytes().len() as u64);
        let mut flights = self.flights();
        let key = flights.insert(Flight { buffer, _file: file.clone(), note });
        let address = flights[key].buffer.0.as_mut_ptr();
        let mut block = ControlBlock {
            data: key as u64,
            opcode: READ,
            descriptor: file.as_raw_fd() as u32,
            buffer: address as u64,
            length,
            offset: range.start as i64,
            flags: TELL_EVENT,
            event: self.event.as_raw_fd() as u32,
            ..ControlBlock::default()
        };
        let mut blocks = [&raw mut block];
        // SAFETY: io_submit(2) reads one pointer to one control block, which the kernel copies. It then writes at most `length`
        // bytes at `address`, until the result is there. The buffer has as many bytes, all of which may have any value; it
        // lies in its own allocation, which does not move, and belongs to a flight until `reap` has seen the result:
        // nothing else gives a flight away or looks at its buffer, and the context ends before flights do.
        let result =
            unsafe { libc::syscall(libc::SYS_io_submit, self.context.0, 1 as libc::c_long, blocks.as_mut_ptr()) };
        if result == 1 {
            return Ok(());
        }
        let error = if result < 0 { io::Error::last_os_error() } else { io::ErrorKind::WouldBlock.into() };
        let Flight { buffer, note, .. } = flights.remove(key);
        Err((error, buffer, note))
    }

    /// Hands what is done to `each`: how many bytes were read, the buffer, and the note.
    pub fn reap(&self, mut each: impl FnMut(io::Result<usize>, Buffer, T)) {
        let mut events = [Event::default(); BATCH];
        loop {
            // SAFETY: io_getevents(2) stores at most as many events as it is told there is room for. It does not wait, since 0
            // will do; without a timeout it reads nothing.
            let count = unsafe {
                libc::syscall(
                    libc::SYS_io_getevents,
                    self.context.0,
                    0 as libc::c_long,
                    BATCH as libc::c_long,
                    events.as_mut_ptr(),
                    std::ptr::null_mut::<libc::timespec>(),
                )
            };
            let count = usize::try_from(count).unwrap_or(0);
            for event in &events[..count] {
                let flight = self.flights().try_remove(event.data as usize);
                let Some(Flight { buffer, note, .. }) = flight else { continue };
                let result = usize::try_from(event.result);
                let result = result.map_err(|_| io::Error::from_raw_os_error(-event.result as i32));
                each(result, buffer, note);
            }
            if count < BATCH {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::FileExt;

    use super::*;

    /// A file of so many bytes, and what is in it.
    fn file(length: usize) -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..length).map(|at| (at / 7 % 251) as u8).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("a file");
        (Arc::new(file), bytes)
    }

    /// Waits until so many results are there.
    fn land<T>(aio: &Aio<T>, count: usize) -> Vec<(io::Result<usize>, Buffer, T)> {
        let mut landed = Vec::new();
        while landed.len() < count {
            let mut events = [rustix::event::PollFd::new(&aio.event, rustix::event::PollFlags::IN)];
            rustix::event::poll(&mut events, None).expect("an event");
            aio.reap(|result, buffer, note| landed.push((result, buffer, note)));
        }
        landed
    }

    #[test]
    fn what_was_read_is_in_the_buffer_that_comes_back() {
        let Ok(aio) = Aio::new(8) else { return };
        let (file, bytes) = file(20_000);
        for (number, offset) in [0, 4096, 5, 12_288, 19_000, 30_000].into_iter().enumerate() {
            aio.read(&file, &(offset..offset + 8192), Buffer::new(2).expect("memory"), number).expect("room");
        }
        let mut landed = land(&aio, 6);
        landed.sort_by_key(|(.., number)| *number);
        for ((result, buffer, _), (offset, count)) in
            landed.iter().zip([(0, 8192), (4096, 8192), (5, 8192), (12_288, 7712), (19_000, 1000), (30_000, 0)])
        {
            assert_eq!(*result.as_ref().expect("a count"), count);
            assert!(buffer.bytes()[..count] == bytes[offset.min(20_000)..][..count]);
        }
    }

    #[test]
    fn a_queue_that_is_full_or_a_file_that_cannot_be_read_gives_everything_back() {
        let Ok(aio) = Aio::new(1) else { return };
        let written = Arc::new(File::options().write(true).open("/dev/null").expect("a file"));
        let (error, buffer, note) =
            aio.read(&written, &(0..4096), Buffer::new(1).expect("memory"), "note").expect_err("it is not readable");
        assert_eq!((error.raw_os_error(), buffer.bytes().len(), note), (Some(libc::EBADF), 4096, "note"));
        let (file, _) = file(4096);
        let refused =
            (0..100_000).find_map(|_| aio.read(&file, &(0..4096), Buffer::new(1).expect("memory"), "note").err());
        assert_eq!(refused.expect("it is full").0.raw_os_error(), Some(libc::EAGAIN));
    }

    /// The kernel may still be writing when nobody is interested any more.
    #[test]
    fn a_queue_may_be_dropped_with_reads_on_their_way() {
        for _ in 0..20 {
            let Ok(aio) = Aio::new(64) else { return };
            let (file, _) = file(1 << 20);
            file.sync_all().expect("a file");
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
            for number in 0..64 {
                let _ = aio.read(&file, &(number << 14..(number + 1) << 14), Buffer::new(4).expect("memory"), ());
            }
            drop(aio);
            let mut first = [0];
            file.read_exact_at(&mut first, 0).expect("it is still open");
        }
    }
}

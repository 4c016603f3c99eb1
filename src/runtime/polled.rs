//! Sockets that the coroutine runtime waits for.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use may::io::{CoIo, WaitIo, WaitIoWaker};

use crate::sys;

/// A socket that coroutines wait for.
///
/// The runtime's own wrapper, `CoIo`, closes the socket before it has told the kernel to send no more events for its number:
/// if another thread was given a socket of the same number in between, that one would never hear of anything. Hence the
/// second owner, which is dropped last.
#[derive(Debug)]
pub(super) struct Polled<S: AsRawFd> {
    events: CoIo<Arc<S>>,
    socket: Arc<S>,
}

impl<S: AsRawFd> Polled<S> {
    /// Makes `socket` non-blocking, and has the kernel tell of it.
    ///
    /// # Errors
    ///
    /// If the kernel has no memory for that.
    pub fn new(socket: S) -> io::Result<Polled<S>> {
        Polled::of(Arc::new(socket))
    }

    /// The same for a socket that is used besides.
    ///
    /// # Errors
    ///
    /// As those of [`Polled::new`].
    pub fn of(socket: Arc<S>) -> io::Result<Polled<S>> {
        Ok(Polled { events: CoIo::new(socket.clone())?, socket })
    }

    /// The socket.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// Waits for an event, or for the waker; returns the flags of the event, as epoll has them.
    pub fn wait(&self) -> usize {
        self.events.wait_io()
    }

    /// Has the next wait end as soon as everybody else on this worker has had a turn.
    ///
    /// The runtime runs what is ready to run before it looks for events, so yielding alone would change nothing. A new
    /// coroutine is started only after that look.
    ///
    /// # Errors
    ///
    /// If there is no memory for a stack; then nobody has a turn.
    pub fn wake_after_others(&self) -> io::Result<()> {
        let waker = self.waker();
        sys::spawn(Some(self.worker()), move || waker.wakeup())
    }

    /// What ends a wait. To be used on the worker that [`Polled::worker`] stands for.
    pub fn waker(&self) -> WaitIoWaker {
        self.events.waker()
    }

    /// A number that stands for the worker to which the runtime brings the socket's events.
    pub fn worker(&self) -> usize {
        self.socket.as_raw_fd() as usize
    }
}

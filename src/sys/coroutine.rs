//! Starting coroutines, and handing sockets to their runtime.

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd, IntoRawFd};

/// Runs `body` as a coroutine on one of the runtime's workers, once that has looked for events: the one whose number
/// is `worker` modulo the number of workers, or `None` for any.
///
/// `body` must not use deep recursion or large arrays: a coroutine's stack is small and does not grow
/// (its end is guarded; running into it ends the process).
///
/// # Errors
///
/// If there is no memory for the stack.
pub fn spawn(worker: Option<usize>, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = may::coroutine::Builder::new();
    let builder = match worker {
        Some(worker) => builder.id(worker),
        None => builder,
    };
    // SAFETY: `spawn` is unsafe because a coroutine may move to another thread when it waits, so that
    // thread-local state must not be held across a wait, and because its stack is bounded. No
    // coroutine of ours keeps a reference to a thread-local over a wait (the date cache copies its value
    // out), and their frames are bounded: no recursion, buffers on the heap.
    unsafe { builder.spawn(body) }.map(drop)
}

/// Makes a listening socket one of the runtime's.
///
/// The runtime's own `bind` sets SO_REUSEPORT, with which a second server on the same port would start
/// without an error and take half of the connections; the standard library's does not.
pub fn adopt_listener(listener: TcpListener) -> may::net::TcpListener {
    // SAFETY: the descriptor is that of an open TCP listener, and `into_raw_fd` gives up its ownership.
    unsafe { may::net::TcpListener::from_raw_fd(listener.into_raw_fd()) }
}

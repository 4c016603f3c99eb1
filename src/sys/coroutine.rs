//! Starting coroutines.

use std::io;

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

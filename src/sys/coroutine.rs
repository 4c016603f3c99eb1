//! Starting coroutines.

use std::cell::Cell;
use std::io;

use may::coroutine::Builder;

thread_local! {
    /// The number of the worker whose thread this is.
    static WORKER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Says that this thread is the worker with this number, less than the number of workers.
pub fn this_is_worker(number: usize) {
    WORKER.set(Some(number));
}

/// The number of the worker whose thread this is, if it is one.
pub fn worker() -> Option<usize> {
    WORKER.get()
}

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
    let builder = match worker {
        Some(worker) => Builder::new().id(worker),
        None => Builder::new(),
    };
    // SAFETY: `spawn` is unsafe because a coroutine may move to another thread when it waits, so that
    // thread-local state must not be held across a wait, and because its stack is bounded. No
    // coroutine of ours keeps a reference to a thread-local over a wait (the date cache copies its value
    // out, the buffers and the memory of choices are borrowed for a call that does not wait), and their
    // frames are bounded: no recursion, buffers on the heap.
    unsafe { builder.spawn(body) }.map(drop)
}

/// The same for the worker whose number is `worker` modulo the number of workers; if the caller is on that one, `body` runs
/// at once, up to where it first waits.
///
/// # Errors
///
/// If there is no memory for the stack.
pub fn spawn_on(worker: usize, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    if WORKER.get() != Some(worker % may::config().get_workers()) {
        return spawn(Some(worker), body);
    }
    // SAFETY: as above.
    unsafe { Builder::new().spawn_local(body) }.map(drop)
}

//! A second stack for each worker, on which its coroutines do in turn what does not wait.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// How long it is, in bytes: twice a coroutine's own.
const LENGTH: usize = 128 * 1024;

thread_local! {
    /// Nobody's at the moment; `None` while it is used, and before it ever was.
    static IDLE: Cell<Option<Stack>> = const { Cell::new(None) };
}

/// Memory for a stack. Below it lies a page that nobody may touch, so that running into its end ends the process.
struct Stack {
    guard: *mut libc::c_void,
    guard_length: usize,
}

impl Stack {
    fn new() -> Result<Stack, Errno> {
        let guard_length = rustix::param::page_size();
        // SAFETY: the kernel chooses a place where nothing is.
        let guard =
            unsafe { mmap_anonymous(ptr::null_mut(), guard_length + LENGTH, ProtFlags::empty(), MapFlags::PRIVATE)? };
        let stack = Stack { guard, guard_length };
        // SAFETY: this memory has just been mapped, and nobody else knows of it.
        unsafe { mprotect(stack.lowest().cast(), LENGTH, MprotectFlags::READ | MprotectFlags::WRITE)? };
        Ok(stack)
    }

    fn lowest(&self) -> *mut u8 {
        self.guard.cast::<u8>().wrapping_add(self.guard_length)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: it is ours, and who drops it does not stand on it: as long as anybody does, `on_shared_stack` owns it,
        // from another stack.
        let _ = unsafe { munmap(self.guard, self.guard_length + LENGTH) };
    }
}

/// Runs `body`, which must not wait, on a stack that all coroutines of this worker share. It is in the caches where their own
/// are not. What a panic says goes on from here.
pub fn on_shared_stack<R>(body: impl FnOnce() -> R) -> R {
    // Who is on it already gets another one; if there is no memory for one, the own stack does as well.
    let Some(stack) = IDLE.take().or_else(|| Stack::new().ok()) else { return body() };
    // SAFETY: the memory is there for as long as `stack`, and nobody else uses it: it has been taken out of `IDLE`. No
    // panic leaves the callback.
    let result = unsafe { psm::on_stack(stack.lowest(), LENGTH, || catch_unwind(AssertUnwindSafe(body))) };
    IDLE.set(Some(stack));
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the stack ends at the moment. Where variables are would not tell: the address sanitizer has them elsewhere.
    #[inline(never)]
    fn here() -> usize {
        psm::stack_pointer().addr()
    }

    #[test]
    fn it_is_another_stack_and_the_same_each_time() {
        let own = here();
        let place = || on_shared_stack(here);
        let first = place();
        assert!(first.abs_diff(own) > LENGTH);
        assert_eq!(place(), first);
        // Within it another one is used.
        let (outer, inner) = on_shared_stack(|| (here(), on_shared_stack(here)));
        assert!(outer.abs_diff(inner) > 1024);
        assert_ne!(std::thread::spawn(place).join().expect("a thread"), first);
    }

    #[test]
    fn a_panic_comes_through_and_leaves_the_stack_usable() {
        let panic = catch_unwind(|| on_shared_stack(|| panic!("{}", here() != 0))).expect_err("a panic");
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("true"));
        assert_eq!(on_shared_stack(|| 7), 7);
    }
}

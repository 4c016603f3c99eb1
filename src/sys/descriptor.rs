//! Descriptors that this process was started with.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// A descriptor that somebody has opened for this process, as a duplicate that is its own. `None` if there is no such.
pub fn inherited(descriptor: RawFd) -> Option<OwnedFd> {
    if descriptor < 0 {
        return None;
    }
    // SAFETY: the number is borrowed for one system call, which refuses it if it is not open; that whoever has started the
    // process left it open for us is its protocol (sd_listen_fds(3)), and nobody closes it meanwhile.
    unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned().ok()
}

//! What was written → the disk, before anybody waits for it.

use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;

/// Lets the kernel begin to write these bytes of a file to the disk; a later sync has so much less to wait for. That is all
/// it does: it says nothing of what is there.
pub fn begin_writeback(file: &File, range: Range<u64>) {
    let (start, length) = (range.start as i64, (range.end - range.start) as i64);
    // SAFETY: sync_file_range(2) takes numbers only and touches no memory. If it fails nothing was begun, and an error of the
    // disk is still told by the next sync.
    unsafe { libc::sync_file_range(file.as_raw_fd(), start, length, libc::SYNC_FILE_RANGE_WRITE) };
}

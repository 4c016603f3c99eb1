//! `mmap`: the kernel copies from the memory map, as Apache's MMapFile has it. The worker sleeps on the disk.

use std::io;
use std::ops::Range;

use super::{Failure, Transfer, permitted};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// How much one call is asked to send, in bytes.
const PIECE: u64 = 256 * 1024;

/// Sends from the map of the webroot.
#[derive(Debug)]
pub struct Mmap;

impl Transfer for Mmap {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let mut at = range.start;
        while at < range.end {
            permitted(site, at)?;
            let end = range.end.min(at + PIECE);
            let bytes = site.webroot().bytes(at..end);
            // The kernel does not fault where a program would; it reports a bad address.
            let count = socket.try_send(bytes, end < range.end).map_err(|error| match error.kind() {
                _ if error.raw_os_error() != Some(libc::EFAULT) => Failure::Client(error),
                _ if site.mapped().is_untouched() => Failure::Source(at, io::Error::from_raw_os_error(libc::EIO)),
                _ => super::cut_short(at),
            })?;
            at += count as u64;
            socket.advance(count, at < range.end)?;
        }
        Ok(())
    }
}

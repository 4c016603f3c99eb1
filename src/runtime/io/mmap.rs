//! `mmap`: the kernel copies from the memory map, as Apache's MMapFile has it. The worker sleeps on the disk.

use std::io;
use std::ops::Range;

use super::{Failure, PIECE, Transfer, cut_short, send_by};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// Sends from the map of the webroot.
#[derive(Debug)]
pub(super) struct Mmap;

impl Transfer for Mmap {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let end = range.end;
        send_by(site, range, socket, |at, socket| {
            let piece = at..end.min(at + PIECE);
            let more = piece.end < end;
            // The kernel does not fault where a program would; it reports a bad address.
            socket.try_send(site.webroot().bytes(piece), more).map_err(|error| {
                if error.raw_os_error() != Some(libc::EFAULT) {
                    Failure::Client(error)
                } else if site.mapped().is_untouched() {
                    Failure::Source(at, io::Error::from_raw_os_error(libc::EIO))
                } else {
                    cut_short(at)
                }
            })
        })
    }
}

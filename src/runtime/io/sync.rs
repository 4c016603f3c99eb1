//! `sync`: read, write, read, write. The worker sleeps on the disk.

use std::ops::Range;

use super::{Failure, SCRATCH, Transfer, cut_short, send_by, with_scratch};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// Reads into a buffer that all share, and sends from there. What the client does not take at once is read again when it
/// does, so no buffer waits with it.
#[derive(Debug)]
pub(super) struct Sync;

impl Transfer for Sync {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let end = range.end;
        let read_and_send = |buffer: &mut [u8], at: u64, socket: &Socket<'_>| {
            let length = (end - at).min(SCRATCH as u64) as usize;
            match rustix::io::retry_on_intr(|| rustix::io::pread(site.file(), &mut buffer[..length], at)) {
                Ok(0) => Err(cut_short(at)),
                Ok(count) => Ok(socket.try_send(&buffer[..count], at + (count as u64) < end)?),
                Err(error) => Err(Failure::Source(at, error.into())),
            }
        };
        send_by(site, range, socket, |at, socket| with_scratch(|buffer| read_and_send(buffer, at, socket)))
    }
}

//! `sync`: read, write, read, write. The worker sleeps on the disk.

use std::ops::Range;

use super::{Failure, SCRATCH, Transfer, cut_short, permitted, with_scratch};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// Reads into a buffer that all share, and sends from there. What the client does not take at once is read again when it
/// does, so no buffer waits with it.
#[derive(Debug)]
pub struct Sync;

impl Transfer for Sync {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let mut at = range.start;
        while at < range.end {
            permitted(site, at)?;
            let count = with_scratch(|buffer| {
                let length = (range.end - at).min(SCRATCH as u64) as usize;
                let read = rustix::io::retry_on_intr(|| rustix::io::pread(site.file(), &mut buffer[..length], at));
                match read {
                    Ok(0) => Err(cut_short(at)),
                    Ok(count) => Ok(socket.try_send(&buffer[..count], at + (count as u64) < range.end)?),
                    Err(error) => Err(Failure::Source(at, error.into())),
                }
            })?;
            at += count as u64;
            socket.advance(count, at < range.end)?;
        }
        Ok(())
    }
}

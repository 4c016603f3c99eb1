//! `sendfile`: the kernel moves pages of the file to the socket. The worker sleeps on the disk.

use std::ops::Range;

use super::{Failure, Transfer, permitted};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// Sends from the webroot's descriptor.
#[derive(Debug)]
pub struct Sendfile;

impl Transfer for Sendfile {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let mut at = range.start;
        while at < range.end {
            permitted(site, at)?;
            let count = socket.try_send_file(site.file(), at..range.end)?;
            at += count as u64;
            socket.advance(count, at < range.end)?;
        }
        Ok(())
    }
}

//! `sendfile`: the kernel moves pages of the file to the socket. The worker sleeps on the disk.

use std::ops::Range;

use super::{Failure, Transfer, send_by};
use crate::runtime::site::Site;
use crate::runtime::socket::Socket;

/// Sends from the webroot's descriptor.
#[derive(Debug)]
pub(super) struct Sendfile;

impl Transfer for Sendfile {
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let end = range.end;
        send_by(site, range, socket, |at, socket| socket.try_send_file(site.file(), at..end))
    }
}

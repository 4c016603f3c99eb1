//! What the kernel knows of a socket and the standard library does not ask.

use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{self, Getter, Opcode};

/// SIOCOUTQ, by another of its names.
const OUTQ: Opcode = libc::TIOCOUTQ as Opcode;

/// How many bytes of what was sent on a TCP socket the other side has not acknowledged yet.
///
/// # Errors
///
/// If it is no such socket.
pub fn unacknowledged(socket: impl AsFd) -> io::Result<u64> {
    // SAFETY: tcp(7): the request stores one C int and touches nothing else.
    let count = unsafe { ioctl::ioctl(socket, Getter::<OUTQ, std::ffi::c_int>::new()) }?;
    Ok(u64::try_from(count).unwrap_or_default())
}

//! What the kernel knows of a socket, and can be told of it, for which there is no safe call.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

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

/// Lets new connections to an address that several sockets listen on (SO_REUSEPORT) go to the one that came second, the
/// successor of the first. If there is none they are spread as before.
///
/// # Errors
///
/// If it is no such socket.
pub fn steer_to_successor(socket: impl AsFd) -> io::Result<()> {
    // A program of one instruction, which says 1: sockets are numbered from 0 in the order in which they began to listen,
    // and a number that none has is taken for no answer.
    let mut instruction = libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 1 };
    let program = libc::sock_fprog { len: 1, filter: &raw mut instruction };
    set_option(&socket, libc::SO_ATTACH_REUSEPORT_CBPF, &program)
}

/// Lets new connections be spread over all sockets that listen on an address (SO_REUSEPORT).
///
/// # Errors
///
/// If it is no such socket.
pub fn spread_connections(socket: impl AsFd) -> io::Result<()> {
    match set_option(&socket, libc::SO_DETACH_REUSEPORT_BPF, &0 as &std::ffi::c_int) {
        // Nobody has steered them.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// Sets an option of sockets in general, whose value is a `T`.
fn set_option<T>(socket: &impl AsFd, option: std::ffi::c_int, value: &T) -> io::Result<()> {
    // SAFETY: socket(7): the kernel copies as many bytes as it is told there are, and for a program the instructions it
    // points to, which outlive the call; it writes nothing.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

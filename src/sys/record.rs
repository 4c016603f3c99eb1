//! Records of TLS that are no content, on a socket whose encryption the kernel does: how to say of what kind one is.

use std::io;
use std::mem::{offset_of, zeroed};
use std::os::fd::{AsFd, AsRawFd};

/// What is said to the kernel of a record: its kind (`TLS_SET_RECORD_TYPE`).
#[repr(C)]
struct Kind {
    header: libc::cmsghdr,
    kind: u8,
}

/// Sends one record of this kind (RFC 8446, section 5.1), without waiting.
///
/// # Errors
///
/// Those of sendmsg(2).
pub fn send_record(socket: impl AsFd, kind: u8, content: &[u8]) -> io::Result<()> {
    // SAFETY: both are structures of C for which zeros are valid; some have members that are not to be named.
    let (mut control, mut message) = unsafe { (zeroed::<Kind>(), zeroed::<libc::msghdr>()) };
    control.kind = kind;
    control.header.cmsg_level = libc::SOL_TLS;
    control.header.cmsg_type = libc::TLS_SET_RECORD_TYPE;
    control.header.cmsg_len = (offset_of!(Kind, kind) + 1) as _;
    let mut piece = libc::iovec { iov_base: content.as_ptr().cast_mut().cast(), iov_len: content.len() };
    message.msg_iov = &raw mut piece;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control).cast();
    message.msg_controllen = size_of::<Kind>() as _;
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the message points to one piece and one control message, both of which outlive the call; sendmsg(2) reads
    // them and writes to neither. The kind stands where CMSG_DATA has it: behind a header whose size is a multiple of what
    // CMSG_ALIGN aligns to.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, flags) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

//! Bytes onto a socket, waiting as a coroutine while its buffer is full.

use std::fs::File;
use std::io;
use std::ops::Range;

use may::io::WaitIo;
use may::net::TcpStream;
use rustix::io::Errno;
use rustix::net::SendFlags;

/// Event flags of epoll after which a read finds something: IN, and those of [`PEER_DONE`].
const READABLE: usize = 0x01 | PEER_DONE;
/// Event flags of epoll by which the peer says that it will send no more: RDHUP, HUP and ERR.
const PEER_DONE: usize = 0x2000 | 0x10 | 0x08;
/// The most that one call of sendfile is asked to send, in bytes; the kernel's own limit is a little below 2 GiB.
const SENDFILE_MOST: u64 = 1 << 30;

/// A connection's socket.
pub(super) struct Socket {
    stream: TcpStream,
    /// Whether there may be something to read. The runtime watches sockets edge-triggered: what arrives after a
    /// read has emptied the socket is an event, so the read that would only find nothing is left out.
    readable: bool,
    /// Whether the peer has closed its side, or the connection failed. No event will come after that.
    peer_done: bool,
}

impl Socket {
    pub fn new(stream: TcpStream) -> io::Result<Socket> {
        // Answers leave in as few segments as they need; waiting for more to send only delays them.
        stream.set_nodelay(true)?;
        Ok(Socket { stream, readable: true, peer_done: false })
    }

    /// Waits for an event. It may be one of the other direction, which must not be forgotten.
    fn wait(&mut self) {
        let events = self.stream.wait_io();
        self.readable |= events & READABLE != 0;
        self.peer_done |= events & PEER_DONE != 0;
    }

    /// Reads what is there into the spare room of `buffer`, of which there must be some, waiting if nothing is.
    /// Returns the number of bytes, 0 at the end.
    pub fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            while !self.readable {
                self.wait();
            }
            let room = buffer.capacity() - buffer.len();
            match rustix::io::read(self.stream.inner(), rustix::buffer::spare_capacity(buffer)) {
                Ok(count) => {
                    self.readable = count == room || self.peer_done;
                    return Ok(count);
                }
                Err(Errno::AGAIN) if self.peer_done => return Ok(0),
                Err(Errno::AGAIN) => self.readable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends all of `bytes`. `more` tells the kernel that something follows at once.
    pub fn send(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        while !bytes.is_empty() {
            match rustix::net::send(self.stream.inner(), bytes, flags) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::AGAIN) => self.wait(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends `range` of `file` without copying it.
    ///
    /// # Errors
    ///
    /// Besides those of the socket: if the file ends before the range does.
    pub fn send_file(&mut self, file: &File, range: Range<u64>) -> io::Result<()> {
        let mut offset = range.start;
        while offset < range.end {
            let length = (range.end - offset).min(SENDFILE_MOST) as usize;
            match rustix::fs::sendfile(self.stream.inner(), file, Some(&mut offset), length) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent, and reads what the peer still sends, up to `most` bytes: closing with
    /// unread bytes would reset the connection, and the peer could lose the answer.
    pub fn close_politely(mut self, buffer: &mut Vec<u8>, most: usize) {
        if self.stream.shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        let mut taken = 0;
        while taken < most {
            buffer.clear();
            match self.read(buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => taken += count,
            }
        }
    }
}

//! The wire of a real connection: a socket, waited for as a coroutine, with a deadline for each phase.

use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::ops::Range;

use rustix::io::Errno;
use rustix::net::SendFlags;

use super::connection::Wire;
use super::connections::Connections;
use super::phase::{Phase, State};
use super::polled::Polled;
use crate::sys;

/// Event flags of epoll after which a read finds something: IN, and those of [`PEER_DONE`].
const READABLE: usize = 0x01 | PEER_DONE;
/// Event flags of epoll by which the peer says that it will send no more: RDHUP, HUP and ERR.
const PEER_DONE: usize = 0x2000 | 0x10 | 0x08;
/// How many bytes a connection may move without waiting before the others of its worker have their turn, and the most
/// that one call of sendfile is asked for: to a client that receives as fast as that call sends, it would go on and on.
/// 1 MiB takes half a millisecond over loopback, which is what 500 downloads that begin together keep others waiting
/// for, each; less would cost a download processor time.
const TURN: usize = 1 << 20;
/// A connection's socket.
pub(super) struct Socket<'s> {
    stream: Polled<TcpStream>,
    state: &'s State,
    /// Has the time, and how long everything may take.
    connections: &'s Connections,
    /// Whether there may be something to read. The runtime watches sockets edge-triggered: what arrives after a
    /// read has emptied the socket is an event, so the read that would only find nothing is left out.
    readable: bool,
    /// Whether the peer has closed its side, or the connection failed. No event will come after that.
    peer_done: bool,
    /// Bytes that the kernel took to be sent.
    sent: u64,
    /// Bytes that were moved since the connection last waited.
    moved: usize,
    /// While the client is slow to receive: how many bytes it must have received by when.
    quota: Option<Quota>,
}

/// What a client must have received, in bytes since the connection began, until a time of the clock.
#[derive(Clone, Copy)]
struct Quota {
    bytes: u64,
    deadline: u64,
}

impl<'s> Socket<'s> {
    pub fn new(stream: Polled<TcpStream>, state: &'s State, connections: &'s Connections) -> io::Result<Socket<'s>> {
        // Answers leave in as few segments as they need; waiting for more to send only delays them.
        stream.socket().set_nodelay(true)?;
        state.wake_by(stream.waker(), stream.worker());
        Ok(Socket { stream, state, connections, readable: true, peer_done: false, sent: 0, moved: 0, quota: None })
    }

    /// Counts bytes that were moved; after too many of them in one turn the others are served first. Whether it is late
    /// does not matter then: a client that moves so much is not what is waited for.
    fn moved(&mut self, count: usize) -> io::Result<()> {
        self.moved += count;
        if self.moved < TURN {
            return Ok(());
        }
        self.stream.wake_after_others()?;
        self.pause();
        Ok(())
    }

    /// Waits for the client, unless it is too late for that.
    fn wait(&mut self) -> io::Result<()> {
        // What would have woken it may have ended a turn instead.
        if !self.state.is_late() {
            self.pause();
        }
        if self.state.is_late() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Waits for an event. It may be one of the other direction, which must not be forgotten.
    fn pause(&mut self) {
        self.moved = 0;
        let events = self.stream.wait();
        self.readable |= events & READABLE != 0;
        self.peer_done |= events & PEER_DONE != 0;
    }

    /// Waits until the client has received something, which it must do at a minimum rate.
    fn wait_to_send(&mut self) -> io::Result<()> {
        let quota = match self.quota {
            Some(quota) => quota,
            None => self.next_quota()?,
        };
        self.quota = Some(quota);
        self.state.enter_until(Phase::Sending, quota.deadline);
        match self.wait() {
            Err(late) if late.kind() == io::ErrorKind::TimedOut => {
                if self.received()? < quota.bytes {
                    return Err(late);
                }
                self.quota = Some(self.next_quota()?);
                Ok(())
            }
            other => other,
        }
    }

    fn next_quota(&self) -> io::Result<Quota> {
        let Connections { clock, deadlines, .. } = self.connections;
        let bytes = self.received()?.saturating_add(deadlines.quota);
        Ok(Quota { bytes, deadline: clock.now() + deadlines.sending })
    }

    /// Bytes that the client's side has acknowledged. How much the kernel took says little: its buffers are large.
    fn received(&self) -> io::Result<u64> {
        Ok(self.sent.saturating_sub(sys::unacknowledged(self.stream.socket())?))
    }
}

impl Wire for Socket<'_> {
    fn enter(&mut self, phase: Phase) {
        let Connections { clock, deadlines, .. } = self.connections;
        let span = match phase {
            Phase::Opening | Phase::Head => deadlines.head,
            Phase::Idle => deadlines.idle,
            Phase::Content => deadlines.content,
            Phase::Lingering => deadlines.lingering,
            Phase::Answering | Phase::Sending => return self.state.enter(phase),
        };
        self.quota = None;
        self.state.enter_until(phase, clock.now() + span);
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            while !self.readable {
                match self.wait() {
                    // What came in the last moment came in time.
                    Err(_) if self.readable => {}
                    other => other?,
                }
            }
            let room = buffer.capacity() - buffer.len();
            match rustix::io::read(self.stream.socket(), rustix::buffer::spare_capacity(buffer)) {
                Ok(count) => {
                    self.readable = count == room || self.peer_done;
                    self.moved(count)?;
                    return Ok(count);
                }
                Err(Errno::AGAIN) if self.peer_done => return Ok(0),
                Err(Errno::AGAIN) => self.readable = false,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        while !bytes.is_empty() {
            match rustix::net::send(self.stream.socket(), bytes, flags) {
                Ok(count) => {
                    self.sent += count as u64;
                    bytes = &bytes[count..];
                    self.moved(count)?;
                }
                Err(Errno::AGAIN) => self.wait_to_send()?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn send_file(&mut self, file: &File, range: Range<u64>) -> io::Result<()> {
        let mut offset = range.start;
        while offset < range.end {
            let length = (range.end - offset).min(TURN as u64) as usize;
            match rustix::fs::sendfile(self.stream.socket(), file, Some(&mut offset), length) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.sent += count as u64;
                    self.moved(count)?;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait_to_send()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn finish_sending(&mut self) -> io::Result<()> {
        self.stream.socket().shutdown(Shutdown::Write)
    }
}

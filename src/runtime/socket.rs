//! The wire of a real connection: a socket, waited for as a coroutine, with a deadline for each phase.

use std::fs::File;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use rustix::pipe::SpliceFlags;

use super::buffers;
use super::connection::Wire;
use super::connections::Connections;
use super::desk::{Inquiry, Staff};
use super::flight::Pending;
use super::io::{Failure, blame, cut_short, permitted, with_scratch};
use super::phase::{Phase, State};
use super::polled::Polled;
use super::site::Site;
use super::tls::{self, Layer, Received};
use crate::answer::Answer;
use crate::sys;

/// Event flags of epoll after which a read finds something: IN, and those of [`PEER_DONE`].
const READABLE: usize = 0x01 | PEER_DONE;
/// Event flags of epoll by which the peer says that it will send no more: RDHUP, HUP and ERR.
const PEER_DONE: usize = 0x2000 | 0x10 | 0x08;
/// How many bytes a connection may move without waiting before the others of its worker have their turn, and the most
/// that one call of sendfile is asked for: to a client that receives as fast as that call sends, it would go on and on.
/// 1 MiB takes half a millisecond over loopback, which is what 500 downloads that begin together keep others waiting
/// for, each; less would cost a download processor time.
pub(super) const TURN: usize = 1 << 20;
/// How much of a content is encrypted at once, in bytes: two of the longest records.
const SECURE_PIECE: u64 = 32 * 1024;

/// How much is read at once of a secure connection, in bytes: somewhat more than the longest record. What a client sends before it
/// has its answers takes no more memory than that.
const SECURE_READ: usize = 17 * 1024;

/// From how many bytes on a content is encrypted by the kernel, if it can. Giving it the keys takes some calls, and memory for
/// two ciphers.
const WORTH_HANDING_OVER: u64 = 256 * 1024;

/// Where records go, without waiting.
struct Network<'s> {
    stream: &'s TcpStream,
    /// Whether something follows at once.
    more: bool,
}

impl Write for Network<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[io::IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, records: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let flags = if self.more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        let send = || rustix::net::sendmsg(self.stream, records, &mut SendAncillaryBuffer::default(), flags);
        Ok(rustix::io::retry_on_intr(send)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection's socket.
pub(super) struct Socket<'s> {
    /// Non-blocking.
    stream: Arc<TcpStream>,
    /// What makes it secure, if anything does.
    layer: Layer,
    client: IpAddr,
    /// Events of the socket, once there was something to wait for.
    events: Option<Polled<TcpStream>>,
    state: &'s Arc<State>,
    /// Has the time, how long everything may take, and what contents are sent by.
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
    /// A connection of `client` by `stream`, which must be non-blocking.
    pub fn new(
        stream: TcpStream,
        layer: Layer,
        client: IpAddr,
        state: &'s Arc<State>,
        connections: &'s Connections,
    ) -> Socket<'s> {
        let stream = Arc::new(stream);
        let (readable, peer_done) = (true, false);
        Socket {
            stream,
            layer,
            client,
            events: None,
            state,
            connections,
            readable,
            peer_done,
            sent: 0,
            moved: 0,
            quota: None,
        }
    }

    /// Gets ready to wait. Many connections never do: what they ask is there when they are accepted, and they end with the
    /// answer. These cost the runtime and the kernel nothing.
    ///
    /// # Errors
    ///
    /// If the kernel has no memory for that.
    pub fn watch(&mut self) -> io::Result<()> {
        if self.events.is_none() {
            let events = Polled::of(self.stream.clone())?;
            self.state.wake_by(events.waker(), events.worker());
            self.events = Some(events);
        }
        Ok(())
    }

    /// The socket alone and what makes it secure, to be waited for otherwise.
    pub fn into_parts(self) -> Option<(TcpStream, Layer)> {
        drop(self.events);
        Some((Arc::into_inner(self.stream)?, self.layer))
    }

    /// Whether keys were to be agreed on, and have not been.
    pub fn has_failed_handshake(&self) -> bool {
        self.layer.is_unfinished()
    }

    /// What the watchman and others know of the connection.
    pub fn state(&self) -> &Arc<State> {
        self.state
    }

    /// The time by the clock, in milliseconds.
    pub fn now(&self) -> u64 {
        self.connections.clock.now()
    }

    /// Sends what fits of `bytes`, without waiting. `more` tells the kernel that something follows at once. Returns how many
    /// bytes it were; 0 if the client must receive something first. The caller has to [advance](Socket::advance).
    pub fn try_send(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        let flags = if more { SendFlags::MORE | SendFlags::NOSIGNAL } else { SendFlags::NOSIGNAL };
        match rustix::io::retry_on_intr(|| rustix::net::send(&*self.stream, bytes, flags)) {
            Err(Errno::AGAIN) => Ok(0),
            other => Ok(other?),
        }
    }

    /// The same for `range` of `file`, which must not be empty; by sendfile(2).
    pub fn try_send_file(&self, file: &File, range: Range<u64>) -> Result<usize, Failure> {
        let mut offset = range.start;
        let length = (range.end - range.start).min(TURN as u64) as usize;
        let socket = &self.stream;
        match rustix::io::retry_on_intr(|| rustix::fs::sendfile(socket, file, Some(&mut offset), length)) {
            Ok(0) => Err(cut_short(range.start)),
            Ok(count) => Ok(count),
            Err(Errno::AGAIN) => Ok(0),
            Err(error) => Err(blame(error, range.start)),
        }
    }

    /// The same for what is in a pipe, of which `length` bytes are known to be there; by splice(2).
    pub fn try_splice(&self, pipe: BorrowedFd<'_>, length: usize, more: bool) -> io::Result<usize> {
        let mut flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        flags.set(SpliceFlags::MORE, more);
        let socket = &self.stream;
        match rustix::io::retry_on_intr(|| rustix::pipe::splice(pipe, None, socket, None, length, flags)) {
            Err(Errno::AGAIN) => Ok(0),
            other => Ok(other?),
        }
    }

    /// Goes on after so many bytes were sent; after none it waits until the client has received something. If there is no
    /// `more` to be sent, nobody else has to be given a turn now.
    pub fn advance(&mut self, count: usize, more: bool) -> io::Result<()> {
        if count == 0 {
            return self.wait_to_send();
        }
        self.sent += count as u64;
        self.moved(count, more)
    }

    /// Waits for something that is not the client's to bring.
    pub fn wait_for<T>(&mut self, mut pending: Pending<T>) -> T {
        loop {
            match pending.take() {
                Ok(result) => return result,
                Err(still) => pending = still,
            }
            self.wait_for_others();
        }
    }

    /// Waits until it is woken, or for an event, for which it must be [ready](Socket::watch). The client is not blamed for the
    /// time that this takes.
    pub fn wait_for_others(&mut self) {
        self.enter(Phase::Answering);
        self.quota = None;
        self.pause();
    }

    /// The number that stands for the worker that this connection lives on.
    pub fn worker(&self) -> usize {
        self.stream.as_raw_fd() as usize
    }

    /// Counts bytes that were moved; after too many of them in one turn the others are served first. Whether it is late
    /// does not matter then: a client that moves so much is not what is waited for.
    fn moved(&mut self, count: usize, more: bool) -> io::Result<()> {
        self.moved += count;
        if more && self.moved >= TURN { self.let_others() } else { Ok(()) }
    }

    /// Lets everybody else on this worker have a turn.
    pub fn let_others(&mut self) -> io::Result<()> {
        self.watch()?;
        self.events.iter().try_for_each(Polled::wake_after_others)?;
        self.pause();
        Ok(())
    }

    /// Waits for the client, unless it is too late for that.
    fn wait(&mut self) -> io::Result<()> {
        self.watch()?;
        // What would have woken it may have ended a turn instead, or come when it was not yet to be woken.
        if !self.state.is_late() {
            self.pause();
        }
        if self.state.is_late() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Waits for something to read, unless it is too late for that, or it should be waited for otherwise.
    fn wait_to_read(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        if buffer.is_empty() {
            buffers::give(std::mem::take(buffer));
        }
        match self.wait() {
            // What came in the last moment came in time.
            _ if self.readable => Ok(()),
            Ok(()) if self.state.is_long() => Err(io::ErrorKind::WouldBlock.into()),
            other => other,
        }
    }

    /// Waits for an event. It may be one of the other direction, which must not be forgotten.
    fn pause(&mut self) {
        self.moved = 0;
        let events = self.events.as_ref().map_or(0, Polled::wait);
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

    /// As [`Wire::read`], of a connection that is to be secure.
    fn read_securely(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            if matches!(&self.layer, Layer::Session(session) if session.has_ended()) {
                return Ok(0);
            }
            while !self.readable {
                self.wait_to_read(buffer)?;
            }
            if buffer.capacity() == 0 {
                *buffer = buffers::take();
            }
            let (count, received) = match self.receive(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.peer_done => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    continue;
                }
                other => other?,
            };
            if count == 0 {
                return Ok(0);
            }
            self.moved(count, true)?;
            // Answers of the protocol itself, above all those of the handshake.
            let sent = self.send_securely(&[], false);
            match received? {
                Received::Plain => {
                    self.layer = Layer::Plain;
                    return Ok(count);
                }
                Received::End => return Ok(0),
                Received::Some(0) => sent?,
                Received::Some(count) => return sent.map(|()| count),
            }
        }
    }

    /// Receives what is there; returns how many bytes that were, and what they meant.
    ///
    /// # Errors
    ///
    /// Those of the socket; the inner one is that of the protocol.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<(usize, io::Result<Received>)> {
        let Socket { stream, layer, .. } = self;
        let Layer::Session(session) = layer else { return Ok((0, Ok(Received::Plain))) };
        let (received, is_all) = with_scratch(|scratch| {
            let scratch = &mut scratch[..SECURE_READ];
            let (_, bytes) = rustix::net::recv(&**stream, &mut *scratch, RecvFlags::empty())?;
            let bytes = bytes.min(scratch.len());
            let received = session.receive(&scratch[..bytes], buffer);
            if matches!(received, Ok(Received::Plain)) {
                buffer.extend_from_slice(&scratch[..bytes]);
            }
            io::Result::Ok(((bytes, received), bytes < scratch.len()))
        })?;
        self.readable = !is_all || self.peer_done;
        Ok(received)
    }

    /// As [`Wire::send`], of a secure connection.
    fn send_securely(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        loop {
            let Socket { stream, layer, .. } = self;
            let Layer::Session(session) = layer else { return Ok(()) };
            if !bytes.is_empty() {
                bytes = &bytes[session.encrypt(bytes)?..];
            }
            if bytes.is_empty() && !session.has_something() {
                return Ok(());
            }
            let more = more || !bytes.is_empty();
            let count = match session.hand_out(&mut Network { stream, more }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                other => other?,
            };
            let more = !bytes.is_empty() || session.has_something();
            self.advance(count, more)?;
        }
    }

    /// As [`Wire::transfer`], of a secure connection.
    fn transfer_securely(&mut self, site: &Site, range: Range<u64>) -> Result<(), Failure> {
        let connections = self.connections;
        let mut piece = buffers::take();
        let mut at = range.start;
        while at < range.end {
            let end = range.end.min(at + SECURE_PIECE);
            permitted(site, at)?;
            connections.io.auto.fetch(site, at..end, &mut piece, self)?;
            // What is read of a file that was cut short is not what it should be.
            permitted(site, at)?;
            self.send_securely(&piece, end < range.end)?;
            piece.clear();
            at = end;
        }
        buffers::give(piece);
        Ok(())
    }

    /// What there is to do when the kernel, which decrypts what comes, could not give out what came next.
    ///
    /// # Errors
    ///
    /// Always, unless the client has said that nothing more will come.
    fn not_received(&mut self, error: Errno) -> io::Result<()> {
        match error {
            // A record that is no content.
            Errno::IO => tls::take_notice(&self.stream),
            Errno::BADMSG => {
                tls::reject(&self.stream);
                Err(error.into())
            }
            error => Err(error.into()),
        }
    }

    /// Bytes that the client's side has acknowledged. How much the kernel took says little: its buffers are large.
    fn received(&self) -> io::Result<u64> {
        Ok(self.sent.saturating_sub(sys::unacknowledged(&*self.stream)?))
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
        if let Layer::Session(_) = self.layer {
            return self.read_securely(buffer);
        }
        let by_kernel = matches!(self.layer, Layer::Kernel);
        loop {
            while !self.readable {
                self.wait_to_read(buffer)?;
            }
            if buffer.capacity() == 0 {
                *buffer = buffers::take();
            }
            let room = buffer.capacity() - buffer.len();
            let spare = rustix::buffer::spare_capacity(buffer);
            // A little less work for the kernel than read(2).
            match rustix::net::recv(&*self.stream, spare, RecvFlags::empty()) {
                Ok((count, _)) => {
                    // Behind a content the kernel may have put by what is none.
                    self.readable = count == room || self.peer_done || by_kernel;
                    self.moved(count, true)?;
                    return Ok(count);
                }
                Err(Errno::AGAIN) if self.peer_done => return Ok(0),
                Err(Errno::AGAIN) => self.readable = false,
                Err(Errno::INTR) => {}
                Err(error) if by_kernel => return self.not_received(error).map(|()| 0),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&mut self, mut bytes: &[u8], more: bool) -> io::Result<()> {
        if let Layer::Session(_) = self.layer {
            return self.send_securely(bytes, more);
        }
        while !bytes.is_empty() {
            let count = self.try_send(bytes, more)?;
            bytes = &bytes[count..];
            self.advance(count, !bytes.is_empty())?;
        }
        Ok(())
    }

    fn fetch(&mut self, site: &Site, range: Range<u64>, output: &mut Vec<u8>) -> Result<(), Failure> {
        let connections = self.connections;
        connections.io.auto.fetch(site, range, output, self)
    }

    fn transfer(&mut self, site: &Site, range: Range<u64>) -> Result<(), Failure> {
        let connections = self.connections;
        self.watch()?;
        if range.end - range.start >= WORTH_HANDING_OVER {
            self.layer.hand_over(&self.stream)?;
        }
        if let Layer::Session(_) = self.layer {
            return self.transfer_securely(site, range);
        }
        connections.io.send(site, range, self)
    }

    fn is_secure(&self) -> bool {
        self.layer.is_secure()
    }

    fn consult(&mut self, staff: &Staff, inquiry: Inquiry) -> io::Result<Answer<'static>> {
        self.watch()?;
        Ok(match staff.take(inquiry, self.state) {
            Some(pending) => self.wait_for(pending),
            None => Staff::too_busy(),
        })
    }

    fn client(&self) -> IpAddr {
        self.client
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn finish_sending(&mut self) -> io::Result<()> {
        self.close();
        self.stream.shutdown(Shutdown::Write)
    }

    fn close(&mut self) {
        match &mut self.layer {
            Layer::Plain => {}
            Layer::Session(session) => {
                session.finish();
                // Who does not hear that it is the end learns it from the end itself.
                let _ = session.hand_out(&mut Network { stream: &self.stream, more: false });
            }
            Layer::Kernel => tls::finish(&self.stream),
        }
    }
}

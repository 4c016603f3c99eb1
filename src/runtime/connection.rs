//! One connection: heads in, answers out, in order, until either side ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::date;
use super::transfer::Socket;
use crate::answer::{self, Answer, Content};
use crate::http::request::{self, MAX_HEAD, Parsed};
use crate::http::response::{self, Connection};
use crate::webroot::Mapped;

/// Bodies up to this length in bytes are copied behind their head and leave with it in one write; longer
/// ones are sent from the file, which takes a call more and spares the copy.
const COPIED: u64 = 64 * 1024;
/// The read buffer's first size in bytes: room for a browser's head, and for a few pipelined ones.
const READ_ROOM: usize = 4 * 1024;
/// Answers are collected up to about this many bytes before they are sent, however many requests are waiting.
const COLLECTED: usize = 128 * 1024;
/// An idle connection keeps no write buffer larger than this, in bytes.
const KEPT: usize = 8 * 1024;
/// How much is read of what follows a request that could not be understood, in bytes.
const LINGER: usize = 256 * 1024;

/// What a connection and the server know of each other.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether a request has been read whose answer has not been sent.
    pub busy: AtomicBool,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub webroot: Mapped,
    /// Whether the server is about to end: each connection closes after the answer it is at.
    pub stopping: AtomicBool,
}

/// Serves a connection to its end. Errors of the socket end it; there is nobody to tell.
pub(super) fn serve(socket: Socket, shared: &Arc<Shared>, state: &State) {
    let _ = Session { socket, shared, state, input: Vec::with_capacity(READ_ROOM), output: Vec::new() }.run();
}

struct Session<'s> {
    socket: Socket,
    shared: &'s Shared,
    state: &'s State,
    /// Bytes received and not yet understood.
    input: Vec<u8>,
    /// Bytes to be sent.
    output: Vec<u8>,
}

/// What is to be done after the heads that the buffer holds.
enum Next {
    Read,
    Close,
    /// After an answer to what was not understood.
    CloseUnread,
}

impl Session<'_> {
    fn run(mut self) -> io::Result<()> {
        loop {
            if self.socket.read(&mut self.input)? == 0 {
                return Ok(());
            }
            self.state.busy.store(true, Ordering::Release);
            let next = self.answer_all()?;
            self.socket.send(&self.output, false)?;
            self.output.clear();
            self.output.shrink_to(KEPT);
            // A head that is only half there is nothing begun: the server need not wait for the rest.
            self.state.busy.store(false, Ordering::Release);
            match next {
                Next::Read => self.make_room(),
                Next::Close => return Ok(()),
                Next::CloseUnread => {
                    self.socket.close_politely(&mut self.input, LINGER);
                    return Ok(());
                }
            }
        }
    }

    /// Answers every request that has arrived whole. Small answers are left in `output`.
    fn answer_all(&mut self) -> io::Result<Next> {
        let mut start = 0;
        let next = loop {
            // The input is lent out for as long as the head refers to it.
            let input = std::mem::take(&mut self.input);
            let parsed = request::parse(&input[start..]);
            let done = match parsed {
                Parsed::NeedMore => Some(Next::Read),
                Parsed::Reject(status) => {
                    self.push(&answer::rejection(status), Connection::Close)?;
                    Some(Next::CloseUnread)
                }
                Parsed::Head(head, length) => {
                    start += length;
                    let webroot = self.shared.webroot.webroot();
                    let keep = head.keep_alive && !self.shared.stopping.load(Ordering::Relaxed);
                    let connection = match (keep, head.is_http_1_0) {
                        (false, _) => Connection::Close,
                        (true, true) => Connection::KeepAlive,
                        (true, false) => Connection::Implied,
                    };
                    self.push(&answer::answer(webroot, &head), connection)?;
                    match (keep, head.content != request::Content::None) {
                        (true, _) => None,
                        (false, false) => Some(Next::Close),
                        (false, true) => Some(Next::CloseUnread),
                    }
                }
            };
            self.input = input;
            if let Some(next) = done {
                break next;
            }
            if start == self.input.len() {
                break Next::Read;
            }
        };
        self.input.drain(..start);
        Ok(next)
    }

    /// Appends an answer to the output; sends what is there if it has become long, and long content at once.
    fn push(&mut self, answer: &Answer<'_>, connection: Connection) -> io::Result<()> {
        response::push_head(&mut self.output, answer.status, &date::now(), connection, answer.fields.bytes());
        match &answer.content {
            Content::None => {}
            Content::Generated(bytes) => self.output.extend_from_slice(bytes),
            Content::Stored(range) if range.end - range.start <= COPIED => {
                self.output.extend_from_slice(self.shared.webroot.webroot().bytes(range.clone()));
            }
            Content::Stored(range) => {
                self.socket.send(&self.output, true)?;
                self.output.clear();
                self.socket.send_file(self.shared.webroot.file(), range.clone())?;
            }
        }
        if self.output.len() >= COLLECTED {
            self.socket.send(&self.output, false)?;
            self.output.clear();
        }
        Ok(())
    }

    /// Room for the rest of a head, or the next one. A head never needs more than [`MAX_HEAD`].
    fn make_room(&mut self) {
        if self.input.is_empty() {
            self.input.shrink_to(READ_ROOM);
        } else if self.input.len() == self.input.capacity() {
            self.input.reserve(self.input.len().min(MAX_HEAD));
        }
    }
}

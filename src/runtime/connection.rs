//! One connection: heads in, answers out, in order, until either side ends it.
//!
//! It talks to a [`Wire`], which is a socket or, for tests, something that behaves like one.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::buffers;
use super::date;
use super::desk::{Inquiry, Staff};
use super::hosts::{HostNumber, Hosts, Serving};
use super::io::Failure;
use super::limits::Limits;
use super::messages::Messages;
use super::observe::{Observed, Observer, Outcome};
use super::phase::Phase;
use super::security::Security;
use super::site::Site;
use crate::answer::{self, Answer, Content, Memory, Part};
use crate::http::Status;
use crate::http::content::Skipper;
use crate::http::request::{self, Method, Parsed, RequestHead};
use crate::http::response::{self, Connection};
use crate::sys;

/// Contents up to this length in bytes are copied behind their head and leave with it in one write; longer ones are sent
/// from the file, which takes a call more and can spare the copy. With this length both take the same time.
const COPIED: u64 = 8 * 1024;
/// Before contents of this length in bytes and more the head leaves in a packet by itself. Where it shares one with what
/// follows, BBR paces connections within a machine, to a proxy for instance, at half the rate, and the timers of that make
/// 1 MB a third dearer; with CUBIC it is a twentieth cheaper. Of 200 KB the packet is a seventh.
const BY_ITSELF: u64 = 512 * 1024;
/// Answers are collected up to about this many bytes before they are sent, however many requests are waiting.
const COLLECTED: usize = 128 * 1024;
/// How much is read of what follows a last answer, in bytes, so that the client can read that.
const LINGER: usize = 16 << 20;

/// What all connections share.
#[derive(Debug)]
pub struct Shared {
    /// What is served, and for whom.
    pub hosts: Arc<Hosts>,
    /// What a client may ask.
    pub limits: Limits,
    /// Who hears what goes wrong besides clients.
    pub messages: Messages,
    /// Who sees answers.
    pub observer: Observer,
    /// Who answers what hosts do not.
    pub desk: Option<Arc<Staff>>,
    /// How connections are made secure here, and what becomes of those that are not.
    pub security: Security,
    /// Whether the server is about to end: each connection closes after the answer it is at.
    pub stopping: Arc<AtomicBool>,
}

impl Shared {
    /// The answer to a client that is refused before it is known which host it asks.
    pub fn rejection(&self, status: Status) -> Answer<'static> {
        // One that has been withdrawn has nothing to say any more.
        let site = self.hosts.default_site().filter(|site| site.is_available());
        answer::rejection(site.as_ref().map(|site| site.webroot()), status, None)
    }
}

/// Bytes in both directions.
pub trait Wire {
    /// Says what the connection is at, so that it can be told if that takes too long.
    fn enter(&mut self, phase: Phase);

    /// Reads what is there into the spare room of `buffer`, waiting if nothing is. A buffer without any capacity is
    /// replaced, and an empty one may be: who waits needs none. Returns the number of bytes, 0 at the end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] if the phase took too long; [`io::ErrorKind::WouldBlock`] if the connection has been idle
    /// for a while and should be [left](End::Idle); else those of the socket.
    fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize>;

    /// Sends all of `bytes`. `more` tells the kernel that something follows at once.
    ///
    /// # Errors
    ///
    /// Those of the socket, or that the client was too slow.
    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<()>;

    /// Appends `range` of the site's file, which is short, to `output`. If the disk must be waited for, what `output` holds
    /// is sent before.
    ///
    /// # Errors
    ///
    /// If the file does not have these bytes or they cannot be read, and those of [`Wire::send`].
    fn fetch(&mut self, site: &Site, range: Range<u64>, output: &mut Vec<u8>) -> Result<(), Failure>;

    /// Sends `range` of the site's file.
    ///
    /// # Errors
    ///
    /// As those of [`Wire::fetch`].
    fn transfer(&mut self, site: &Site, range: Range<u64>) -> Result<(), Failure>;

    /// What `staff` answers, waiting for that.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    fn consult(&mut self, staff: &Staff, inquiry: Inquiry) -> io::Result<Answer<'static>>;

    /// Whether others can neither read nor change what is sent.
    fn is_secure(&self) -> bool;

    /// Whose connection it is.
    fn client(&self) -> IpAddr;

    /// How many bytes were sent since it was accepted or came out of the waiting room.
    fn sent(&self) -> u64;

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    fn finish_sending(&mut self) -> io::Result<()>;

    /// Says the same if that can be said without waiting; the connection ends now.
    fn close(&mut self);
}

/// How it ends that a connection is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The connection has ended.
    Over,
    /// The client has asked nothing for a while. When it does, the connection can be served on.
    Idle,
}

/// Serves a connection that is at `phase`, in which nothing has been received yet. Errors of the socket end it; there is
/// nobody to tell.
pub fn serve(wire: &mut impl Wire, shared: &Shared, phase: Phase) -> End {
    let (input, output, observed) = (Vec::new(), Vec::new(), Observed::default());
    let session = Session { wire, shared, phase, input, start: 0, unfinished: 0, output, observed };
    session.run().unwrap_or(End::Over)
}

struct Session<'s, W> {
    wire: &'s mut W,
    shared: &'s Shared,
    /// What is waited for when all that can be answered is.
    phase: Phase,
    /// Bytes received.
    input: Vec<u8>,
    /// How many of them have been understood.
    start: usize,
    /// How many of the others are known to be the beginning of a head.
    unfinished: usize,
    /// Bytes to be sent.
    output: Vec<u8>,
    /// Of the request that is being answered.
    observed: Observed,
}

/// What is to be done after the heads that the buffer holds.
enum Next {
    Read,
    Close,
    /// The client may still send, and not have read the last answer.
    Linger,
}

/// A request that has been understood.
enum Asked<'w> {
    /// What is to be done about it.
    Site(Exchange<'w>),
    /// The same, but somebody else has the answer.
    Desk(Inquiry, Exchange<'w>),
}

/// What is to be done about a request that has been understood.
struct Exchange<'w> {
    host: Option<HostNumber>,
    site: Option<&'w Site>,
    answer: Answer<'w>,
    connection: Connection,
    content: request::Content,
    expectation: Expectation,
}

/// What a client with content expects of the server (RFC 9110, section 10.1.1).
#[derive(Clone, Copy, PartialEq)]
enum Expectation {
    /// That it reads.
    None,
    /// A word before the content is sent; it gets it.
    Continue,
    /// The same, but its content is good for nothing: it gets the answer instead.
    Answer,
}

impl<'s, W: Wire> Session<'s, W> {
    fn run(mut self) -> io::Result<End> {
        loop {
            let read = self.wire.read(&mut self.input);
            self.output = buffers::take();
            let next = match read {
                Ok(0) => self.give_up(None)?,
                Ok(_) => self.answer_all()?,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.give_up(Some(Status::RequestTimeout))?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(End::Idle),
                Err(error) => return Err(error),
            };
            self.flush()?;
            buffers::give(std::mem::take(&mut self.output));
            match next {
                Next::Read => self.make_room(),
                Next::Close => {
                    self.wire.close();
                    return Ok(End::Over);
                }
                Next::Linger => return self.linger(),
            }
        }
    }

    /// Answers every request that has arrived whole. Small answers are left in `output`.
    fn answer_all(&mut self) -> io::Result<Next> {
        // Parsing all of a head again for each of its bytes would take quadratic time, and only a line end can end it.
        if self.unfinished > 0 && self.is_unfinished() {
            self.unfinished = self.input.len();
            return Ok(Next::Read);
        }
        let mut answered = false;
        let next = loop {
            self.start += request::empty_lines(&self.input[self.start..]);
            if self.start == self.input.len() {
                break Next::Read;
            }
            // An answer that was begun finishes with the site it was begun with.
            let mut site = None;
            let exchange = match self.understand(&mut site) {
                Ok(None) => break Next::Read,
                Ok(Some((exchange, length))) => {
                    self.start += length;
                    exchange
                }
                Err(status) => {
                    self.refuse(status)?;
                    break Next::Linger;
                }
            };
            self.wire.enter(Phase::Answering);
            answered = true;
            let exchange = match exchange {
                Asked::Site(exchange) => exchange,
                Asked::Desk(inquiry, exchange) => self.consult(inquiry, exchange)?,
            };
            match self.perform(&exchange)? {
                Next::Read => {}
                end => break end,
            }
        };
        self.input.drain(..self.start);
        self.start = 0;
        self.unfinished = self.input.len();
        if matches!(next, Next::Read) {
            self.await_more(answered);
        }
        Ok(next)
    }

    /// Whether no head can have been ended since the last look.
    fn is_unfinished(&self) -> bool {
        self.input.len() < self.shared.limits.head.head && !self.input[self.unfinished..].contains(&b'\n')
    }

    /// What is to be done about the next request, and the length of its head in bytes; `None` if it has not arrived whole. The
    /// site that it is for is left in `found`.
    ///
    /// This is most of what a request takes, so it is done on a stack that is in the processor's caches already: each
    /// connection has one of its own, and by the time it is asked again others have displaced it.
    ///
    /// # Errors
    ///
    /// With which status to refuse what is no request.
    fn understand<'w>(&mut self, found: &'w mut Option<Serving>) -> Result<Option<(Asked<'w>, usize)>, Status> {
        let Session { shared, wire, observed, .. } = self;
        let received = &self.input[self.start..];
        sys::on_shared_stack(|| match request::parse(received, &shared.limits.head) {
            Parsed::NeedMore => Ok(None),
            Parsed::Reject(status) => Err(status),
            Parsed::Head(head, length) => {
                shared.observer.begin(observed, (wire.client(), wire.is_secure()), received, Some(&head));
                if !wire.is_secure()
                    && let Some(answer) = shared.security.plain.answer(&head)
                {
                    return Ok(Some((Asked::Site(exchange_of(shared, &head, answer)), length)));
                }
                if shared.desk.as_ref().is_some_and(|desk| desk.takes(&head)) {
                    let later = Answer::made(Status::Ok, Vec::new(), Vec::new());
                    return Ok(Some((
                        Asked::Desk(Inquiry::of(&head, wire.is_secure()), exchange_of(shared, &head, later)),
                        length,
                    )));
                }
                *found = shared.hosts.find(head.host);
                Ok(Some((Asked::Site(exchange(shared, &head, found.as_ref())), length)))
            }
        })
    }

    /// What is to be done once the desk has answered.
    fn consult<'w>(&mut self, inquiry: Inquiry, exchange: Exchange<'w>) -> io::Result<Exchange<'w>> {
        let Some(desk) = &self.shared.desk else { return Ok(exchange) };
        // What is answered already does not wait for that.
        self.flush()?;
        let answer = self.wire.consult(desk, inquiry)?;
        self.wire.enter(Phase::Answering);
        Ok(Exchange { answer, ..exchange })
    }

    /// Reads past the content of a request and answers it. Returns how the connection can go on: who has been refused
    /// may still be sending its content.
    fn perform(&mut self, exchange: &Exchange<'_>) -> io::Result<Next> {
        let Exchange { connection, content, expectation, .. } = exchange;
        if *content != request::Content::None {
            if *expectation == Expectation::Answer {
                self.push(exchange, Connection::Close)?;
                return Ok(Next::Linger);
            }
            if let Err(status) = self.skip(*content, *expectation == Expectation::Continue)? {
                self.refuse(status)?;
                return Ok(Next::Linger);
            }
            self.wire.enter(Phase::Answering);
        }
        self.push(exchange, *connection)?;
        let all_is_read = self.start == self.input.len() && self.input.len() < self.input.capacity();
        Ok(match *connection {
            Connection::Close if all_is_read => Next::Close,
            Connection::Close => Next::Linger,
            _ => Next::Read,
        })
    }

    /// Reads past the content of a request, which nobody wants, to where the next one begins. If the client waits for
    /// a word it is `invited` to send it.
    ///
    /// The inner error is the status with which to refuse a content that does not end where it should.
    fn skip(&mut self, content: request::Content, invited: bool) -> io::Result<Result<(), Status>> {
        let mut skipper = match Skipper::new(content, self.shared.limits.content) {
            Ok(skipper) => skipper,
            Err(status) => return Ok(Err(status)),
        };
        let mut has_waited = false;
        loop {
            match skipper.take(&self.input[self.start..]) {
                Ok(taken) => self.start += taken,
                Err(status) => return Ok(Err(status)),
            }
            if skipper.is_done() {
                return Ok(Ok(()));
            }
            if !has_waited {
                has_waited = true;
                if invited {
                    self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                }
                // Nobody's answer waits for what another request has still to send.
                self.flush()?;
                self.wire.enter(Phase::Content);
            }
            self.input.clear();
            self.start = 0;
            match self.wire.read(&mut self.input) {
                Ok(0) => return Ok(Err(Status::BadRequest)),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(Err(Status::RequestTimeout)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The last word on a connection from which nothing more can be had: `status` if that is because it took too long.
    fn give_up(&mut self, status: Option<Status>) -> io::Result<Next> {
        if self.input.is_empty() {
            return Ok(Next::Close);
        }
        let verdict = match request::parse(&self.input, &self.shared.limits.head) {
            Parsed::Reject(status) => Some(status),
            _ => status,
        };
        match verdict {
            None => Ok(Next::Close),
            Some(status) => {
                self.refuse(status)?;
                Ok(Next::Linger)
            }
        }
    }

    /// The answer to a request that cannot be understood, or not be waited for.
    fn refuse(&mut self, status: Status) -> io::Result<()> {
        self.wire.enter(Phase::Answering);
        let answer = self.shared.rejection(status);
        let (connection, content, expectation) = (Connection::Close, request::Content::None, Expectation::None);
        let exchange = Exchange { host: None, site: None, answer, connection, content, expectation };
        // Of one that was understood so far more is known already.
        if !self.observed.has_begun() {
            let received = &self.input[self.start.min(self.input.len())..];
            let client = (self.wire.client(), self.wire.is_secure());
            self.shared.observer.begin(&mut self.observed, client, received, None);
        }
        self.push(&exchange, connection)
    }

    /// Appends an answer to the output, and lets it be seen; sends what is there if it has become long, and long content at
    /// once.
    ///
    /// # Errors
    ///
    /// Besides those of the socket: if the site turns out to be cut short. What of it is in the output is not sent then.
    fn push(&mut self, exchange: &Exchange<'_>, connection: Connection) -> io::Result<()> {
        let Exchange { host, site, answer, .. } = exchange;
        response::push_head(&mut self.output, answer.status, &date::now(), connection, answer.fields.bytes());
        if let Some(hsts) = self.shared.security.hsts.as_deref().filter(|_| self.wire.is_secure()) {
            response::push_to_head(&mut self.output, "Strict-Transport-Security", hsts.as_bytes());
        }
        let before = self.wire.sent() + self.output.len() as u64;
        let pushed = self.push_content(&answer.content, *site);
        let is_whole = pushed.is_ok();
        // What is in the output still is not sent any more if something has failed.
        let bytes = if is_whole { answer.content.length() } else { self.wire.sent().saturating_sub(before) };
        let Session { shared, observed, .. } = self;
        shared.observer.end(observed, answer, *host, *site, Outcome { bytes, is_whole }, &shared.hosts);
        pushed?;
        self.send_if_long()
    }

    fn push_content(&mut self, content: &Content, site: Option<&Site>) -> io::Result<()> {
        self.check(site)?;
        match content {
            Content::None => {}
            Content::Generated(bytes) => self.output.extend_from_slice(bytes),
            Content::Stored(range) => self.push_stored(range.clone(), site)?,
            Content::Parts(parts) => {
                for part in parts {
                    match part {
                        Part::Generated(bytes) => self.output.extend_from_slice(bytes),
                        Part::Stored(range) => self.push_stored(range.clone(), site)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Appends bytes of the site's file to the output; many of them are sent at once, behind what is there.
    fn push_stored(&mut self, range: Range<u64>, site: Option<&Site>) -> io::Result<()> {
        // An answer from nowhere has none.
        let Some(served) = site else { return Ok(()) };
        if range.end - range.start <= COPIED {
            let fetched = self.wire.fetch(served, range, &mut self.output);
            self.blame(served, fetched)?;
            self.check(site)?;
            return self.send_if_long();
        }
        self.wire.send(&self.output, range.end - range.start < BY_ITSELF)?;
        self.output.clear();
        let sent = self.wire.transfer(served, range);
        self.blame(served, sent)
    }

    /// Says so if it was the site's fault that it could not be sent from.
    fn blame(&self, site: &Site, result: Result<(), Failure>) -> io::Result<()> {
        match &result {
            Err(Failure::Source(_, error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                site.withdraw_as_cut_short(&self.shared.messages);
            }
            Err(Failure::Source(at, error)) => site.complain(*at, error, &self.shared.messages),
            Ok(()) | Err(Failure::Client(_)) => {}
        }
        Ok(result?)
    }

    /// Makes sure that what was copied from a site was there to be copied.
    fn check(&self, site: Option<&Site>) -> io::Result<()> {
        let Some(cut_short) = site.filter(|site| !site.mapped().is_intact()) else { return Ok(()) };
        cut_short.withdraw_as_cut_short(&self.shared.messages);
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends the output if it has become long.
    fn send_if_long(&mut self) -> io::Result<()> {
        if self.output.len() >= COLLECTED {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.send(&self.output, false)?;
        self.output.clear();
        Ok(())
    }

    /// Says what is waited for: the first request, the next one, or the rest of one. The time for a head goes on from
    /// its first byte.
    fn await_more(&mut self, answered: bool) {
        let phase = match self.input.is_empty() {
            true if answered => Phase::Idle,
            true => self.phase,
            false => Phase::Head,
        };
        if answered || phase != self.phase {
            self.phase = phase;
            self.wire.enter(phase);
        }
    }

    /// Room for the rest of a head.
    fn make_room(&mut self) {
        if !self.input.is_empty() && self.input.len() == self.input.capacity() {
            self.input.reserve(self.input.len().min(self.shared.limits.head.head));
        }
    }

    /// Says that nothing more will be sent, and reads what the client still sends: closing with unread bytes would
    /// reset the connection, and the client could lose the answer.
    fn linger(mut self) -> io::Result<End> {
        self.wire.enter(Phase::Lingering);
        self.wire.finish_sending()?;
        let mut taken = 0;
        while taken < LINGER {
            self.input.clear();
            match self.wire.read(&mut self.input)? {
                0 => break,
                count => taken += count,
            }
        }
        Ok(End::Over)
    }
}

/// What is to be done about a request for the site that was `found`.
fn exchange<'w>(shared: &Shared, head: &RequestHead<'_>, found: Option<&'w Serving>) -> Exchange<'w> {
    let (host, site) = (found.map(Serving::host), found.map(|found| &***found));
    let answer = match site {
        Some(site) => answer_from(site, head),
        None => answer::rejection(None, Status::MisdirectedRequest, Some(head)),
    };
    // Nothing of what is not available is in the answer, and nothing of it must be.
    let site = site.filter(|_| answer.status != Status::ServiceUnavailable);
    Exchange { host, site, ..exchange_of(shared, head, answer) }
}

/// What is to be done about a request that has this answer from nowhere.
fn exchange_of<'w>(shared: &Shared, head: &RequestHead<'_>, answer: Answer<'w>) -> Exchange<'w> {
    // Who comes back when the site does may find it elsewhere, behind a proxy for instance.
    let is_withdrawn = answer.status == Status::ServiceUnavailable;
    let keep = head.keep_alive && !is_withdrawn && !shared.stopping.load(Ordering::Relaxed);
    let connection = match (keep, head.is_http_1_0) {
        (false, _) => Connection::Close,
        (true, true) => Connection::KeepAlive,
        (true, false) => Connection::Implied,
    };
    let expectation = match (head.expects_continue, head.method) {
        (false, _) => Expectation::None,
        (true, Method::Get | Method::Head | Method::Options) => Expectation::Continue,
        (true, _) => Expectation::Answer,
    };
    Exchange { host: None, site: None, answer, connection, content: head.content, expectation }
}

thread_local! {
    /// What was chosen lately for any client of this worker. Nobody waits while it is borrowed.
    static MEMORY: RefCell<Memory> = const { RefCell::new(Memory::new()) };
}

/// What `site` answers, unless that must not be sent.
fn answer_from<'w>(site: &'w Site, head: &RequestHead<'_>) -> Answer<'w> {
    // HEAD is told what GET would be.
    let answer = MEMORY.with_borrow_mut(|memory| answer::whole_answer(site.webroot(), head, memory));
    match site.permit(&answer) {
        Ok(()) => answer.to(head.method),
        // What the site wants said with every answer may be damaged as well.
        Err(Status::ServiceUnavailable) => answer::rejection(None, Status::ServiceUnavailable, Some(head)),
        Err(status) => answer::rejection(Some(site.webroot()), status, Some(head)),
    }
}

//! Listening, accepting, stopping.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use may::io::WaitIoWaker;
use rustix::net::SendFlags;

use super::confine;
use super::connection::{self, End, Shared, Wire};
use super::connections::{Connections, Remaining};
use super::date;
use super::desk::{Desk, Staff};
use super::hosts::Hosts;
use super::io::{Io, Model};
use super::limits::{Limits, Means};
use super::listener::{Accepting, Listener};
use super::messages::Messages;
use super::observe::Observer;
use super::overview::Overview;
use super::phase::Phase;
use super::security::Security;
use super::socket::Socket;
use super::tls::Layer;
use super::waiting_room::{Admitted, WaitingRoom};
use crate::answer;
use crate::http::Status;
use crate::http::response::{self, Connection};
use crate::sys;

/// Stack of a coroutine in words of 8 bytes. Only what is used of it takes memory.
const STACK: usize = 8 * 1024;
/// So many stacks are kept when coroutines end. The runtime lends the one that was given back longest ago, so with many
/// none would be in a cache.
const POOL: usize = 64;
/// So many are accepted before others have a turn: whoever connects without a pause must not keep all others waiting.
const MOST_IN_A_ROW: usize = 32;
/// How long to wait before accepting again when there is no descriptor or memory left.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for those to go who were asked to give way.
const ROOM_PAUSE: Duration = Duration::from_millis(5);
/// How often is looked whether all that was begun is done.
const STOP_PAUSE: Duration = Duration::from_millis(5);
/// How long connections that are being made when another process takes over may take to arrive.
const HANDSHAKE: Duration = Duration::from_millis(200);
/// A connection that has been waiting for its client for so long when the server ends is idle; any other client is likely
/// to be about to ask, or to have asked.
const IDLE: Duration = Duration::from_millis(500);
/// How long clients may take to understand that the last answer was the last, when nothing else is left to be done.
const FAREWELL: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that serve, as [`start_workers`] was told.
    pub workers: usize,
    /// What a client may ask.
    pub limits: Limits,
    /// How long contents are sent.
    pub model: Model,
    /// Who sees answers.
    pub observer: Observer,
    /// Who answers what no site does.
    pub desk: Option<Arc<dyn Desk>>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    house: Arc<House>,
    limits: Limits,
    messages: Messages,
    /// Whether it is about to end.
    stopping: Arc<AtomicBool>,
    doors: Vec<Door>,
    /// How many of them are still open.
    open: Arc<AtomicUsize>,
}

/// What every connection needs.
#[derive(Debug)]
struct House {
    connections: Arc<Connections>,
    room: Arc<WaitingRoom>,
}

/// A place where connections come in, from outside the coroutine that accepts them.
struct Door {
    /// Whether it stays open until the very end.
    is_desk: bool,
    scheme: &'static str,
    address: SocketAddr,
    accepting: Arc<Accepting>,
    /// Says that it must be closed.
    closing: Arc<AtomicBool>,
    waker: (WaitIoWaker, usize),
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({})", self.address)
    }
}

/// Starts the threads that serve, `workers` of them, which can open nothing if they are `confined`, and lets maps survive from now on that their files are cut short. To be
/// called before any webroot is opened, and once, since there is one coroutine runtime in a process.
///
/// # Errors
///
/// If there is no memory for it.
pub fn start_workers(workers: usize, confined: bool) -> io::Result<()> {
    may::config().set_workers(workers).set_stack_size(STACK).set_pool_capacity(POOL);
    // Where threads run is better left to the kernel, and to whoever starts the server under taskset.
    may::config().set_worker_pin(false);
    // The first coroutine takes SIGBUS for itself, before `spawn` returns, and later ones leave it as it is. So there are
    // some now: as long as none comes first, the handler that matters is the last.
    for worker in 0..workers {
        sys::spawn(Some(worker), move || {
            sys::this_is_worker(worker);
            if confined {
                // An older kernel does not know how, which is said where the process as a whole is confined.
                confine::need_nothing();
            }
        })?;
    }
    sys::survive_truncation();
    Ok(())
}

impl Server {
    /// Serves `hosts`, which may change at any time, on `listeners`, from now on and until [`Server::stop`]. The workers must
    /// have been started.
    ///
    /// # Errors
    ///
    /// If a socket cannot be listened on, or a thread not be started.
    pub fn start(
        hosts: Arc<Hosts>,
        listeners: Vec<(Listener, Security)>,
        options: Options,
        messages: Messages,
    ) -> io::Result<Server> {
        let Options { workers, limits, model, observer, desk } = options;
        let io = Io::start(model, workers, &messages);
        let means = Means::of_process(workers, model);
        let connections = Arc::new(Connections::new(&limits, means, io, hosts.clone()));
        let desk = desk.map(Staff::start).transpose()?.map(Arc::new);
        let stopping = Arc::<AtomicBool>::default();
        let house = Arc::new(House { connections, room: Arc::new(WaitingRoom::open()?) });
        let (doors, open) = (Vec::new(), Arc::default());
        let mut server = Server {
            house: house.clone(),
            limits,
            messages: messages.clone(),
            stopping: stopping.clone(),
            doors,
            open,
        };
        date::tick();
        let connections = house.connections.clone();
        std::thread::Builder::new().name("watchman".into()).spawn(move || connections.watch())?;
        sys::spawn(None, move || house.room.attend(|connection| begin(connection, &house)))?;
        for (listener, security) in listeners {
            let (hosts, messages, observer) = (hosts.clone(), messages.clone(), observer.clone());
            let (desk, stopping) = (desk.clone(), stopping.clone());
            let shared = Shared { hosts, limits, messages, observer, desk, security, stopping };
            server.open_door(listener, Arc::new(shared), false)?;
        }
        Ok(server)
    }

    /// Lets everything that is asked on `listener` be answered at `desk`.
    ///
    /// # Errors
    ///
    /// As those of [`Server::start`].
    pub fn open_desk(&mut self, listener: Listener, desk: Arc<dyn Desk>) -> io::Result<()> {
        let shared = Shared {
            hosts: Arc::default(),
            limits: self.limits,
            messages: self.messages.clone(),
            observer: Observer::default(),
            desk: Some(Arc::new(Staff::start(desk)?)),
            security: Security::default(),
            stopping: self.stopping.clone(),
        };
        self.open_door(listener, Arc::new(shared), true)
    }

    /// How it is doing, for as long as the process lives.
    pub fn overview(&self) -> Overview {
        Overview::new(self.house.connections.clone(), self.stopping.clone())
    }

    fn open_door(&mut self, listener: Listener, shared: Arc<Shared>, is_desk: bool) -> io::Result<()> {
        let address = listener.address();
        let accepting =
            listener.listen().map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
        let (accepting, closing) = (Arc::new(accepting), Arc::new(AtomicBool::new(false)));
        let waker = accepting.waker();
        let scheme = if shared.security.tls.is_some() { "https" } else { "http" };
        let door = Door { is_desk, scheme, address, accepting: accepting.clone(), closing: closing.clone(), waker };
        self.doors.push(door);
        let open = self.open.clone();
        open.fetch_add(usize::from(!is_desk), Ordering::AcqRel);
        let house = self.house.clone();
        sys::spawn(None, move || {
            accept(&accepting, &closing, &house, &shared);
            drop(accepting);
            open.fetch_sub(usize::from(!is_desk), Ordering::AcqRel);
        })
    }

    /// Where sites are served: `http` or `https`, and the address.
    pub fn addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.doors.iter().map(|door| (door.scheme, door.address))
    }

    /// Ends the server: connections that are idle end at once, others after the answer they are at or the next, within
    /// `grace`, or as soon as `is_enough`. Returns how many answers had not gone out by then.
    ///
    /// Where other processes listen on the same address (SO_REUSEPORT, or sockets that were given to both), nobody who
    /// connects meanwhile is lost.
    pub fn stop(mut self, grace: Duration, is_enough: impl Fn() -> bool) -> usize {
        let deadline = Instant::now() + grace;
        let connections = &self.house.connections;
        self.stopping.store(true, Ordering::Release);
        // Whether it is about to end can be asked until it has ended.
        let doors = std::mem::take(&mut self.doors).into_iter().filter(|door| !door.is_desk);
        let late = Instant::now() + HANDSHAKE;
        let (yielded, own): (Vec<_>, Vec<_>) = doors.partition(|door| door.accepting.yield_to_others());
        self.close(own);
        let mut yielded = Some(yielded).filter(|doors| !doors.is_empty());
        let mut quiet_since = None;
        loop {
            let now = Instant::now();
            if let Some(doors) = yielded.take_if(|_| now >= late.min(deadline)) {
                self.close(doors);
            }
            connections.end_idle(IDLE);
            let Remaining { busy, waiting, lingering } = connections.remaining();
            let is_closed = yielded.is_none() && self.open.load(Ordering::Acquire) == 0;
            let is_done = is_closed && busy + waiting == 0;
            let since = *quiet_since.get_or_insert(now);
            if !is_done {
                quiet_since = None;
            }
            if is_done && (lingering == 0 || now >= since + FAREWELL) || now >= deadline || is_enough() {
                return busy;
            }
            std::thread::sleep(STOP_PAUSE);
        }
    }

    /// Lets the coroutines that accept end. Each is woken on its own worker, as connections are.
    fn close(&self, doors: Vec<Door>) {
        for Door { accepting, closing, waker: (waker, worker), .. } in doors {
            drop(accepting);
            closing.store(true, Ordering::Release);
            // Without memory for a stack nobody else can come in that way either.
            let _ = sys::spawn(Some(worker), move || waker.wakeup());
        }
    }
}

/// Accepts connections until it is told to end, and then those that are there already.
fn accept(accepting: &Accepting, closing: &AtomicBool, house: &Arc<House>, shared: &Arc<Shared>) {
    let mut accepted = 0;
    loop {
        let is_last = closing.load(Ordering::Acquire);
        if is_last && !accepting.is_mine() {
            return;
        }
        match accepting.accept() {
            Ok(Some((stream, address))) => {
                admit(stream, address, house, shared);
                accepted += 1;
                if accepted % MOST_IN_A_ROW == 0 && !is_last {
                    accepting.let_others();
                }
            }
            Ok(None) if is_last => return,
            Ok(None) => accepting.wait(),
            // Whoever connected is gone again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) if is_last => return,
            // Out of descriptors or memory: connections that end give them back.
            Err(_) => {
                house.connections.make_room();
                may::coroutine::sleep(PAUSE);
            }
        }
    }
}

fn admit(stream: TcpStream, address: SocketAddr, house: &Arc<House>, shared: &Arc<Shared>) {
    let connections = &house.connections;
    // Nothing is spent on who only ever begins.
    if shared.security.tls.is_some() && connections.bars(address.ip()) {
        return;
    }
    while !connections.has_room() && !shared.stopping.load(Ordering::Relaxed) {
        connections.make_room();
        may::coroutine::sleep(ROOM_PAUSE);
    }
    match connections.admit(address.ip()) {
        Some(membership) => {
            // Without randomness nobody can be served securely.
            let Ok(layer) = Layer::begin(shared.security.tls.as_ref()) else { return };
            let (client, shared) = (address.ip(), shared.clone());
            begin(Admitted { stream, layer, client, shared, membership }, house);
        }
        None => turn_away(&stream, shared),
    }
}

/// Serves a connection, a new one or one that was in the waiting room, on the worker to which its events will be brought.
/// Without memory for a stack it is closed, which is what is left to do.
fn begin(connection: Admitted, house: &Arc<House>) {
    let Admitted { stream, layer, client, shared, membership } = connection;
    let house = house.clone();
    let _ = sys::spawn_on(stream.as_raw_fd() as usize, move || {
        let mut socket = Socket::new(stream, layer, client, &membership.state, &house.connections);
        let phase = match membership.state.phase() {
            // It has never been at anything.
            Phase::Answering => {
                socket.enter(Phase::Opening);
                Phase::Opening
            }
            waiting => waiting,
        };
        match connection::serve(&mut socket, &shared, phase) {
            End::Over if socket.has_failed_handshake() => house.connections.note_failure(client),
            End::Over => {}
            End::Idle => {
                if let Some((stream, layer)) = socket.into_parts() {
                    house.room.enter(Admitted { stream, layer, client, shared, membership });
                }
            }
        }
    });
}

/// Says 503 to a client that has too many connections, if it listens; nothing is spent on it.
fn turn_away(stream: &TcpStream, shared: &Shared) {
    let answer = shared.rejection(Status::ServiceUnavailable);
    let mut head = Vec::new();
    response::push_head(&mut head, answer.status, &date::now(), Connection::Close, answer.fields.bytes());
    if let answer::Content::Generated(content) = &answer.content {
        head.extend_from_slice(content);
    }
    let _ = rustix::net::send(stream, &head, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

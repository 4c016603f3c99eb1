//! Listening, accepting, stopping.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{SendFlags, Shutdown};

use super::connection::{self, Shared};
use super::connections::{Connections, Membership};
use super::date;
use super::limits::Limits;
use super::socket::{Socket, worker};
use crate::answer;
use crate::http::Status;
use crate::http::response::{self, Connection};
use crate::sys;
use crate::webroot::Mapped;

/// Connections that wait to be accepted, per listener.
const BACKLOG: i32 = 1024;
/// Stack of a coroutine in words of 8 bytes. Only what is used of it takes memory.
const STACK: usize = 8 * 1024;
/// How long to wait before accepting again when there is no descriptor or memory left.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait for those to go who were asked to give way.
const ROOM_PAUSE: Duration = Duration::from_millis(5);

/// How to serve.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that serve.
    pub workers: usize,
    /// What a client may ask.
    pub limits: Limits,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    connections: Arc<Connections>,
    addresses: Vec<SocketAddr>,
    /// The sockets that coroutines accept on, for ending that.
    listeners: Vec<TcpListener>,
}

impl Server {
    /// Serves `webroot` on `listeners`, from now on and until [`Server::stop`].
    ///
    /// Configures the coroutine runtime, which there is one of in a process: call it once.
    ///
    /// # Errors
    ///
    /// If a socket cannot be listened on, or a thread not be started.
    pub fn start(webroot: Mapped, listeners: Vec<TcpListener>, options: Options) -> io::Result<Server> {
        may::config().set_workers(options.workers).set_stack_size(STACK);
        // Where threads run is better left to the kernel, and to whoever starts the server under taskset.
        may::config().set_worker_pin(false);
        let server = Server {
            shared: Arc::new(Shared { webroot, limits: options.limits, stopping: AtomicBool::new(false) }),
            connections: Arc::new(Connections::new(&options.limits, options.workers)),
            addresses: listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?,
            listeners: listeners.iter().map(TcpListener::try_clone).collect::<Result<_, _>>()?,
        };
        date::tick();
        let connections = server.connections.clone();
        std::thread::Builder::new().name("watchman".into()).spawn(move || connections.watch())?;
        for listener in listeners {
            rustix::net::listen(&listener, BACKLOG)?;
            listener.set_nonblocking(true)?;
            let listener = sys::adopt_listener(listener);
            let (shared, connections) = (server.shared.clone(), server.connections.clone());
            sys::spawn(None, move || accept(&listener, &shared, &connections))?;
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Takes no more connections, and lets the answers that were begun go out, for at most `grace`. Returns how many
    /// had not by then.
    pub fn stop(self, grace: Duration) -> usize {
        self.shared.stopping.store(true, Ordering::Release);
        for listener in &self.listeners {
            // What cannot be shut down is closed a little later, when the process ends.
            let _ = rustix::net::shutdown(listener, Shutdown::Both);
        }
        let deadline = Instant::now() + grace;
        loop {
            let busy = self.connections.busy();
            if busy == 0 || Instant::now() >= deadline {
                return busy;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn accept(listener: &may::net::TcpListener, shared: &Arc<Shared>, connections: &Arc<Connections>) {
    while !shared.stopping.load(Ordering::Relaxed) {
        let (stream, address) = match listener.accept() {
            Ok(accepted) => accepted,
            // Whoever connected is gone again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // Out of descriptors or memory: connections that end give them back.
            Err(_) => {
                connections.make_room();
                may::coroutine::sleep(PAUSE);
                continue;
            }
        };
        while !connections.has_room() && !shared.stopping.load(Ordering::Relaxed) {
            connections.make_room();
            may::coroutine::sleep(ROOM_PAUSE);
        }
        match connections.admit(address.ip()) {
            Some(membership) => begin(stream, membership, shared, connections),
            None => turn_away(&stream, shared),
        }
    }
}

/// Serves a connection. Without memory for a stack it is closed, which is what is left to do.
fn begin(stream: may::net::TcpStream, membership: Membership, shared: &Arc<Shared>, connections: &Arc<Connections>) {
    let (shared, connections) = (shared.clone(), connections.clone());
    let _ = sys::spawn(Some(worker(&stream)), move || {
        if let Ok(socket) = Socket::new(stream, &membership.state, &connections) {
            connection::serve(socket, &shared);
        }
    });
}

/// Says 503 to a client that has too many connections, if it listens; nothing is spent on it.
fn turn_away(stream: &may::net::TcpStream, shared: &Shared) {
    let answer = answer::rejection(shared.webroot.webroot(), Status::ServiceUnavailable);
    let mut head = Vec::new();
    response::push_head(&mut head, answer.status, &date::now(), Connection::Close, answer.fields.bytes());
    if let answer::Content::Generated(content) = &answer.content {
        head.extend_from_slice(content);
    }
    let _ = rustix::net::send(stream.inner(), &head, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}

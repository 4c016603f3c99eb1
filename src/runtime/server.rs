//! Listening, accepting, stopping.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::connection::{self, Shared, State};
use super::transfer::Socket;
use crate::sys;
use crate::webroot::Mapped;

/// Connections that wait to be accepted, per listener.
const BACKLOG: i32 = 1024;
/// Stack of a coroutine in words of 8 bytes. Only what is used of it takes memory.
const STACK: usize = 8 * 1024;
/// How long to wait before accepting again when there are no descriptors or memory left.
const PAUSE: Duration = Duration::from_millis(20);

/// How to serve.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that serve.
    pub workers: usize,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    connections: Arc<Mutex<Vec<Weak<State>>>>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Serves `webroot` on `listeners`, from now on and until [`Server::stop`].
    ///
    /// Configures the coroutine runtime, which there is one of in a process: call it once.
    ///
    /// # Errors
    ///
    /// If a socket cannot be listened on.
    pub fn start(webroot: Mapped, listeners: Vec<TcpListener>, options: Options) -> io::Result<Server> {
        may::config().set_workers(options.workers).set_stack_size(STACK);
        // Where threads run is better left to the kernel, and to whoever starts the server under taskset.
        may::config().set_worker_pin(false);
        let server = Server {
            shared: Arc::new(Shared { webroot, stopping: AtomicBool::new(false) }),
            connections: Arc::default(),
            addresses: listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?,
        };
        for listener in listeners {
            rustix::net::listen(&listener, BACKLOG)?;
            listener.set_nonblocking(true)?;
            let listener = sys::adopt_listener(listener);
            let (shared, connections) = (server.shared.clone(), server.connections.clone());
            sys::spawn(move || accept(&listener, &shared, &connections))?;
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Lets the answers that were begun go out, for at most `grace`. Returns how many had not by then.
    pub fn stop(self, grace: Duration) -> usize {
        self.shared.stopping.store(true, Ordering::Release);
        let deadline = Instant::now() + grace;
        loop {
            let busy = {
                let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
                let busy =
                    |state: &Weak<State>| state.upgrade().is_some_and(|state| state.busy.load(Ordering::Acquire));
                connections.iter().filter(|state| busy(state)).count()
            };
            if busy == 0 || Instant::now() >= deadline {
                return busy;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn accept(listener: &may::net::TcpListener, shared: &Arc<Shared>, connections: &Mutex<Vec<Weak<State>>>) {
    let mut accepted = 0usize;
    while !shared.stopping.load(Ordering::Relaxed) {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            // Whoever connected is gone again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            // Out of descriptors or memory: connections that end give them back.
            Err(_) => {
                may::coroutine::sleep(PAUSE);
                continue;
            }
        };
        let state = Arc::new(State::default());
        accepted += 1;
        remember(connections, &state, accepted);
        let shared = shared.clone();
        // Without memory for a stack the connection is closed, which is what is left to do.
        let _ = sys::spawn(move || {
            if let Ok(socket) = Socket::new(stream) {
                connection::serve(socket, &shared, &state);
            }
        });
    }
}

/// Adds a connection to those that [`Server::stop`] looks at, and now and then forgets the ended ones.
fn remember(connections: &Mutex<Vec<Weak<State>>>, state: &Arc<State>, accepted: usize) {
    let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
    if accepted.is_multiple_of(1024) || connections.len() == connections.capacity() {
        connections.retain(|state| state.strong_count() > 0);
    }
    connections.push(Arc::downgrade(state));
}

//! Where the server listens: sockets of its own, shared ones, and such as it was given.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use may::io::WaitIoWaker;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::polled::Polled;
use crate::sys;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A socket to listen on.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    kind: Kind,
}

/// Who else accepts from the same address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nobody.
    Own,
    /// Other processes with sockets of their own (SO_REUSEPORT); the kernel spreads connections over them.
    Shared,
    /// Whoever else has this very socket.
    Given,
}

impl Listener {
    /// Takes `address` for this process, or, if it `shares`, for all that say so; it does not listen yet.
    ///
    /// # Errors
    ///
    /// If that cannot be had.
    pub fn bind(address: SocketAddr, shares: bool) -> io::Result<Listener> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // A port whose connections have only just ended can be had at once.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, shares)?;
        rustix::net::bind(&socket, &address)?;
        Listener::of(socket, if shares { Kind::Shared } else { Kind::Own })
    }

    /// A socket that was opened by somebody else, systemd for instance, and listens already.
    ///
    /// # Errors
    ///
    /// If it is no such socket.
    pub fn given(socket: OwnedFd) -> io::Result<Listener> {
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no socket that listens"));
        }
        Listener::of(socket, Kind::Given)
    }

    fn of(socket: OwnedFd, kind: Kind) -> io::Result<Listener> {
        let socket = TcpListener::from(socket);
        Ok(Listener { address: socket.local_addr()?, socket, kind })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens, and lets connections be accepted by a coroutine.
    ///
    /// # Errors
    ///
    /// If somebody else listens there already, or the coroutine runtime cannot wait for it.
    pub(super) fn listen(self) -> io::Result<Accepting> {
        if self.kind != Kind::Given {
            rustix::net::listen(&self.socket, BACKLOG)?;
        }
        // Answers leave in as few segments as they need; waiting for more to send only delays them. What is accepted here
        // inherits that (tcp(7) does not say so; a test does).
        sockopt::set_tcp_nodelay(&self.socket, true)?;
        if self.kind == Kind::Shared {
            // Whoever was here before may have steered connections to whom is not here any more.
            sys::spread_connections(&self.socket)?;
        }
        Ok(Accepting { socket: Polled::new(self.socket)?, kind: self.kind })
    }
}

/// A socket that connections are accepted from.
#[derive(Debug)]
pub(super) struct Accepting {
    socket: Polled<TcpListener>,
    kind: Kind,
}

impl Accepting {
    /// The next connection, which does not block, or `None` if nobody is waiting.
    ///
    /// # Errors
    ///
    /// If there is no descriptor or memory left, or who has connected is gone.
    pub fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        match rustix::net::acceptfrom_with(self.socket.socket(), SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((stream, address)) => {
                // What comes in by a socket of another kind, which somebody may have given, is counted as one client's.
                let address = address.and_then(|address| SocketAddr::try_from(address).ok());
                Ok(Some((stream.into(), address.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()))))
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until somebody connects, or the waker is used.
    pub fn wait(&self) {
        self.socket.wait();
    }

    /// What ends a wait, and the number that stands for the worker on which it must be used.
    pub fn waker(&self) -> (WaitIoWaker, usize) {
        (self.socket.waker(), self.socket.worker())
    }

    /// Lets everybody else on this worker have a turn, also those for whom the runtime has yet to look.
    pub fn let_others(&self) {
        // Without memory for a stack nobody has a turn; there will be when one of them ends.
        if self.socket.wake_after_others().is_ok() {
            self.wait();
        }
    }

    /// Lets connections go to other processes from now on, as far as there are any. Returns whether some that are being
    /// made may still arrive here, so that it must be listened on for a while.
    pub fn yield_to_others(&self) -> bool {
        // Where that is not possible, connections that arrive in the end are lost, as they would have been.
        self.kind == Kind::Shared && sys::steer_to_successor(self.socket.socket()).is_ok()
    }

    /// Whether those who wait here would be lost if nobody accepted them.
    pub fn is_mine(&self) -> bool {
        self.kind != Kind::Given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_does_not_wait_for_more_to_send() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        sockopt::set_tcp_nodelay(&listener, true).expect("an option");
        let _client = TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
        assert!(listener.accept().expect("a connection").0.nodelay().expect("an option"));
    }
}

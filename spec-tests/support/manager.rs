//! A process manager that speaks systemd's protocol (sd_notify): it is told when the server is ready, and when it has
//! looked at everything.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{PATIENCE, Server, text};

pub struct Manager {
    directory: TempDir,
    socket: UnixDatagram,
}

impl Manager {
    pub fn new() -> Manager {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        Manager { directory, socket }
    }

    /// Starts connegd by such a command, and waits until it says that it is ready.
    pub fn start(&self, mut command: Command) -> Server {
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        let server = Server::run(command);
        self.wait_for("READY=1");
        server
    }

    /// Asks for a look at everything, and waits until that is done.
    pub fn reload(&self, server: &Server) {
        server.signal(Signal::HUP);
        self.wait_for("RELOADING=1");
        self.wait_for("READY=1");
    }

    pub fn wait_for(&self, state: &str) {
        let mut message = [0; 1024];
        let length = self.socket.recv(&mut message).expect("a message");
        let message = text(&message[..length]);
        assert!(message.lines().any(|line| line == state), "{message:?} instead of {state}");
    }
}

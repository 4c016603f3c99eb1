//! A process manager that speaks systemd's protocol (sd_notify): it is told when the server is ready, and when it has
//! looked at everything.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command};

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
    pub fn start(&self, command: Command) -> Server {
        let server = Server::ready(self.begin(command));
        self.wait_for("READY=1");
        server
    }

    /// Begins to start connegd by such a command.
    pub fn begin(&self, mut command: Command) -> Child {
        command.env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        Server::begin(command)
    }

    /// Asks for a look at everything, and waits until that is done.
    pub fn reload(&self, server: &Server) {
        server.signal(Signal::HUP);
        self.wait_for("RELOADING=1");
        self.wait_for("READY=1");
    }

    pub fn wait_for(&self, state: &str) {
        let message = self.hear();
        assert!(message.lines().any(|line| line == state), "{message:?} instead of {state}");
    }

    /// The next thing that it is told.
    pub fn hear(&self) -> String {
        let mut message = [0; 1024];
        let length = self.socket.recv(&mut message).expect("a message");
        text(&message[..length])
    }
}

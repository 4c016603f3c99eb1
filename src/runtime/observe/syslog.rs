//! The system's log, which syslog or the journal keeps.

use std::io;
use std::os::unix::net::UnixDatagram;

/// Where it listens.
const PLACE: &str = "/dev/log";

/// A way to the system's log.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    facility: u32,
}

impl Syslog {
    /// Finds it. `facility` is a number of RFC 5424, section 6.2.1.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub fn connect(facility: u32) -> io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(PLACE).map_err(|error| io::Error::new(error.kind(), format!("{PLACE}: {error}")))?;
        Ok(Syslog { socket, facility })
    }

    /// Sends a message. `severity` is a number of RFC 5424, section 6.2.1.
    ///
    /// # Errors
    ///
    /// If nobody listens any more; the next one may find somebody again.
    pub fn send(&self, severity: u32, text: &[u8]) -> io::Result<()> {
        let mut message = format!("<{}>connegd[{}]: ", self.facility * 8 + severity, std::process::id()).into_bytes();
        message.extend_from_slice(text);
        // Who keeps the log may have been started again.
        self.socket.send(&message).or_else(|_| {
            self.socket.connect(PLACE)?;
            self.socket.send(&message)
        })?;
        Ok(())
    }
}

//! One secure connection: bytes of the network in, bytes of the client out, and the other way. Nothing here waits.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::ServerConnection;

use super::Tls;
use crate::sys;

/// The first byte of every handshake (RFC 8446, section 5.1). No request begins with it.
const HANDSHAKE: u8 = 22;
/// How much is encrypted before some of it must have been sent, in bytes: four of the longest records.
const AHEAD: usize = 64 * 1024;

/// A connection that is secure, or about to be.
#[derive(Debug)]
pub(in crate::runtime) struct Session {
    connection: ServerConnection,
    tls: Arc<Tls>,
    /// Whether the first byte has been looked at.
    has_begun: bool,
    /// Whether what came of the handshake has been counted.
    is_counted: bool,
    /// Whether the client has said that it will send no more.
    has_ended: bool,
}

/// What has come from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Received {
    /// So many bytes of the client, perhaps none.
    Some(usize),
    /// The client has said that this is all.
    End,
    /// This is no TLS.
    Plain,
}

impl Session {
    /// Begins one.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn begin(tls: &Arc<Tls>) -> io::Result<Session> {
        let mut connection = ServerConnection::new(tls.config.clone()).map_err(io::Error::other)?;
        connection.set_buffer_limit(Some(AHEAD));
        Ok(Session { connection, tls: tls.clone(), has_begun: false, is_counted: false, has_ended: false })
    }

    /// Takes bytes of the network, and appends what of the client is in them to `buffer`. Afterwards there may be something
    /// [to be sent](Session::has_something).
    ///
    /// # Errors
    ///
    /// If these are not what the protocol lets come now. What there is to be sent says so to the client.
    pub fn receive(&mut self, bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<Received> {
        if !self.has_begun && bytes.first().is_some_and(|&first| first != HANDSHAKE) {
            return Ok(Received::Plain);
        }
        self.has_begun = true;
        // Agreeing on keys takes more stack than a connection has.
        let received = sys::on_shared_stack(|| self.absorb(bytes, buffer));
        if !self.is_counted && !self.connection.is_handshaking() {
            self.is_counted = true;
            self.tls.note(self.connection.handshake_kind());
        }
        received
    }

    fn absorb(&mut self, mut bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<Received> {
        let before = buffer.len();
        while !bytes.is_empty() && !self.has_ended {
            if self.connection.read_tls(&mut bytes)? == 0 {
                break;
            }
            let state = self.connection.process_new_packets().map_err(io::Error::other)?;
            let (start, length) = (buffer.len(), state.plaintext_bytes_to_read());
            buffer.resize(start + length, 0);
            self.connection.reader().read_exact(&mut buffer[start..])?;
            self.has_ended = state.peer_has_closed();
        }
        match buffer.len() - before {
            0 if self.has_ended => Ok(Received::End),
            count => Ok(Received::Some(count)),
        }
    }

    /// Whether the client has said that it will send no more.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Encrypts as much of `bytes` as there is room for; returns how much that was.
    pub fn encrypt(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.connection.writer().write(bytes)
    }

    /// Whether there is something to be sent.
    pub fn has_something(&self) -> bool {
        self.connection.wants_write()
    }

    /// Hands what is to be sent to the network, as far as that takes it.
    ///
    /// # Errors
    ///
    /// Those of the network.
    pub fn hand_out(&mut self, network: &mut dyn Write) -> io::Result<usize> {
        self.connection.write_tls(network)
    }

    /// Whether a handshake has been begun and not come to its end.
    pub fn is_unfinished(&self) -> bool {
        // Who has said nothing has not begun.
        self.has_begun && !self.is_counted
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.connection.send_close_notify();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_unfinished() {
            self.tls.note(None);
        }
    }
}

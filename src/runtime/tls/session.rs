//! One secure connection: bytes of the network in, bytes of the client out, and the other way. Nothing here waits.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::ServerConnection;

use super::{Tls, kernel};
use crate::sys;

/// The first byte of every handshake (RFC 8446, section 5.1). No request begins with it.
const HANDSHAKE: u8 = 22;
/// How much is encrypted before some of it must have been sent, in bytes: four of the longest records.
const AHEAD: usize = 64 * 1024;

/// A connection that is secure, or about to be.
#[derive(Debug)]
pub(in crate::runtime) struct Session {
    connection: ServerConnection,
    handshake: Handshake,
    /// How much there is to come of a record.
    record: Record,
    /// Whether the client has said that it will send no more.
    has_ended: bool,
}

/// What is known of a handshake, until it is counted.
#[derive(Debug)]
struct Handshake {
    tls: Arc<Tls>,
    /// Whether the first byte has been looked at.
    has_begun: bool,
    /// Whether what came of it has been counted.
    is_counted: bool,
}

/// Where in a record (RFC 8446, section 5.1) the bytes end that came so far.
#[derive(Debug, Default)]
struct Record {
    /// How many bytes of its head are there.
    head: u8,
    /// What the last two of these say: how many bytes of its content are to come.
    left: u16,
}

/// How long the head of a record is, in bytes: a kind, a version, the length of what follows.
const RECORD_HEAD: u8 = 5;

impl Record {
    /// Counts bytes that came.
    fn pass(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            if self.head < RECORD_HEAD {
                self.head += 1;
                self.left = self.left << 8 | u16::from(*first);
                bytes = rest;
            } else {
                let content = bytes.len().min(self.left.into());
                self.left -= content as u16;
                bytes = &bytes[content..];
            }
            if self.head == RECORD_HEAD && self.left == 0 {
                self.head = 0;
            }
        }
    }

    /// Whether there is nothing to come of one that has begun.
    fn is_whole(&self) -> bool {
        self.head == 0
    }
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
        let handshake = Handshake { tls: tls.clone(), has_begun: false, is_counted: false };
        Ok(Session { connection, handshake, record: Record::default(), has_ended: false })
    }

    /// Takes bytes of the network, and appends what of the client is in them to `buffer`. Afterwards there may be something
    /// [to be sent](Session::has_something).
    ///
    /// # Errors
    ///
    /// If these are not what the protocol lets come now. What there is to be sent says so to the client.
    pub fn receive(&mut self, bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<Received> {
        if !self.handshake.has_begun && bytes.first().is_some_and(|&first| first != HANDSHAKE) {
            return Ok(Received::Plain);
        }
        self.handshake.has_begun = true;
        self.record.pass(bytes);
        // Agreeing on keys takes more stack than a connection has.
        let received = sys::on_shared_stack(|| self.absorb(bytes, buffer));
        if !self.handshake.is_counted && !self.connection.is_handshaking() {
            self.handshake.is_counted = true;
            self.handshake.tls.note(self.connection.handshake_kind());
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
        self.handshake.is_unfinished()
    }

    /// Whether the kernel can go on in its place: it is able to, keys are agreed on, and nothing is half received or half sent.
    pub fn can_be_handed_over(&self) -> bool {
        let is_settled = self.handshake.is_counted && !self.has_ended && self.record.is_whole();
        is_settled && !self.has_something() && self.handshake.tls.kernel.can_take(&self.connection)
    }

    /// Lets the kernel go on in its place.
    ///
    /// # Errors
    ///
    /// If it cannot; the connection is closed then.
    pub fn hand_over(self, stream: &TcpStream) -> io::Result<()> {
        let Session { connection, handshake, .. } = self;
        let version = connection.protocol_version().ok_or(io::ErrorKind::NotConnected)?;
        let secrets = connection.dangerous_extract_secrets().map_err(io::Error::other)?;
        kernel::take_over(stream, version, &secrets)?;
        handshake.tls.counts.taken_over.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.connection.send_close_notify();
    }
}

impl Handshake {
    fn is_unfinished(&self) -> bool {
        // Who has said nothing has not begun.
        self.has_begun && !self.is_counted
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        if self.is_unfinished() {
            self.tls.note(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_records_are_known_however_they_come() {
        // The lengths of three records, one of them empty.
        let records: Vec<u8> = [0_u16, 3, 700]
            .iter()
            .flat_map(|&length| [&[23, 3, 3], &length.to_be_bytes()[..], &vec![0xff; length.into()]].concat())
            .collect();
        let ends = [0, 5, 13, 718];
        for piece in [1, 2, 3, 7, 255, 256, 1000] {
            let (mut record, mut at) = (Record::default(), 0);
            for bytes in records.chunks(piece) {
                record.pass(bytes);
                at += bytes.len();
                assert_eq!(record.is_whole(), ends.contains(&at), "{at} in pieces of {piece}");
            }
            assert_eq!(at, 718);
        }
    }
}

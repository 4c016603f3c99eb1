//! What a client may ask of the server, and for how long.

use std::time::Duration;

use crate::http::request;

/// Bounds that keep any client, however ill-behaved, from taking more than its share.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of heads.
    pub head: request::Limits,
    /// Bytes of a request's content that are read and dropped; beyond it 413.
    pub content: u64,
    /// For a whole head, from its first byte, or from the beginning of the connection to its first byte.
    pub header_timeout: Duration,
    /// For the next request on a connection.
    pub keep_alive_timeout: Duration,
    /// For the whole content of a request.
    pub content_timeout: Duration,
    /// How long it may take the client to receive [`Limits::min_send_rate`] times as many seconds' bytes.
    pub send_timeout: Duration,
    /// The slowest that a client may receive, in bytes a second, on average over a send timeout; with 0 any byte will do.
    pub min_send_rate: u64,
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one client address (IPv4) or network (the first 64 bits of IPv6); 0 for no bound.
    pub connections_per_address: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: request::Limits::default(),
            content: 64 * 1024,
            header_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(60),
            content_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(30),
            min_send_rate: 500,
            connections: 16_384,
            connections_per_address: 1024,
        }
    }
}

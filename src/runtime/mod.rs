//! Sockets and coroutines: the impure rest of the server.
//!
//! Each connection is a coroutine (`connection`) on one of a few worker threads; a listener is a coroutine
//! that accepts. Nothing here knows what an answer means, only how it gets onto the wire.

mod connection;
mod date;
mod server;
mod transfer;

pub use server::{Options, Server};

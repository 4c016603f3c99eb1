//! Sockets and coroutines: the impure rest of the server.
//!
//! Each connection is a coroutine (`connection` over a `socket`) on one of a few worker threads; a listener is a
//! coroutine that accepts. One more thread, the watchman, wakes connections whose deadlines have passed. Nothing here
//! knows what an answer means, only how it gets onto the wire.

pub mod connection;
mod connections;
mod date;
mod limits;
mod phase;
mod server;
mod socket;

pub use limits::Limits;
pub use phase::Phase;
pub use server::{Options, Server};

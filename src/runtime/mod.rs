//! Sockets and coroutines: the impure rest of the server.
//!
//! Each connection is a coroutine (`connection` over a `socket`) on one of a few worker threads; a listener is a
//! coroutine that accepts. One more thread, the watchman, wakes connections whose deadlines have passed. Nothing here
//! knows what an answer means, only how it gets onto the wire.

mod buffers;
pub mod confine;
pub mod connection;
mod connections;
mod date;
mod desk;
mod flight;
mod hosts;
mod io;
mod limits;
mod listener;
mod messages;
mod observe;
mod overview;
mod phase;
mod polled;
mod security;
mod server;
mod site;
mod socket;
mod tls;
mod waiting_room;

pub use desk::{Desk, Inquiry, Staff};
pub use hosts::{HostName, HostNumber, Hosts, Serving};
pub use io::{Failure, Model, Transferred};
pub use limits::{Limits, Means, most_webroots, raise_descriptors};
pub use listener::Listener;
pub use messages::Messages;
pub use observe::{AccessLog, BOUNDS, Destination, Format, Metrics, Observer, Syslog, Times, Total, open_log};
pub use overview::{Census, Overview};
pub use phase::Phase;
pub use security::{Plain, Security};
pub use server::{Options, Server, start_workers};
pub use site::{OUT_OF_SERVICE, Site};
pub use tls::{Certificates, Expiry, Handshakes, Identity, Pair, Tls};

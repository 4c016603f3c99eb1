//! HTTP without a socket: RFC 9110 semantics and RFC 9112 syntax as pure functions.

pub mod charset;
pub mod coding;
pub mod content;
pub mod date;
pub mod escape;
pub mod grammar;
pub mod host;
pub mod precondition;
pub mod range;
pub mod request;
pub mod response;
mod status;
pub mod target;

pub use status::Status;

//! The only unsafe code: what the operating system and the coroutine runtime cannot promise to the compiler.

#[allow(unsafe_code)]
mod coroutine;
#[allow(unsafe_code)]
mod map;
#[allow(unsafe_code)]
mod socket;

pub use coroutine::{adopt_listener, spawn};
pub use map::Map;
pub use socket::unacknowledged;

//! The only unsafe code: what the operating system and the coroutine runtime cannot promise to the compiler.

#[allow(unsafe_code)]
mod aio;
#[allow(unsafe_code)]
mod background;
#[allow(unsafe_code)]
mod coroutine;
#[allow(unsafe_code)]
mod descriptor;
#[allow(unsafe_code)]
mod fault;
#[allow(unsafe_code)]
mod lease;
#[allow(unsafe_code)]
mod map;
#[allow(unsafe_code)]
mod prefetch;
#[allow(unsafe_code)]
mod record;
#[allow(unsafe_code)]
mod socket;
#[allow(unsafe_code)]
mod stack;
#[allow(unsafe_code)]
mod uring;
#[allow(unsafe_code)]
mod writeback;

pub use aio::{ALIGNMENT, Aio, Buffer};
pub use background::work_in_background;
pub use coroutine::{spawn, spawn_on, this_is_worker, worker};
pub use descriptor::inherited;
pub use fault::survive_truncation;
pub use lease::has_writer;
pub use map::Map;
pub use prefetch::prefetch;
pub use record::send_record;
pub use socket::{spread_connections, steer_to_successor, unacknowledged};
pub use stack::on_shared_stack;
pub use uring::{Pipe, Uring};
pub use writeback::begin_writeback;

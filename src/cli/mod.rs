//! What the two programs have in common: arguments, messages, exit status.

pub mod args;
pub mod limits;
pub mod message;
pub mod progress;
pub mod report;

//! What the two programs have in common: arguments, messages, exit status. And how a server is told to end.

pub mod address;
pub mod args;
pub mod control;
pub mod error_log;
pub mod help;
pub mod limits;
pub mod message;
pub mod models;
pub mod privileges;
pub mod progress;
pub mod report;
pub mod settings;
pub mod table;

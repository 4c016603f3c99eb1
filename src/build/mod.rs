//! Packing: a site directory → a webroot file, offline.
//!
//! [`walk`] lists the files, [`extensions`] reads their metadata off their names, [`pack()`] reads and writes
//! their contents in one pass, [`group`] makes resources of them, and [`crate::webroot::writer`] writes the index.

pub mod config;
pub mod extensions;
pub mod group;
mod pack;
pub mod replace;
pub mod walk;
mod well_known;

pub use config::{Config, ConfigError};
pub use pack::{BuildError, Options, Report, Summary, Warning, pack, pack_to};

//! Packing: a site directory → a webroot file, offline.
//!
//! [`walk`] lists the files, [`config`] says what holds in which directory, [`extensions`] reads metadata off names and
//! [`type_map`] off type maps, [`pack()`] reads and writes the contents in one pass, [`group`] makes resources of
//! them, and [`crate::webroot::writer`] writes the index.

pub mod config;
mod decode;
pub mod extensions;
pub mod group;
mod map_entry;
mod notes;
mod pack;
pub mod replace;
mod site;
pub mod type_map;
pub mod walk;
mod well_known;

pub use config::{Config, ConfigError};
pub use pack::{BuildError, Options, Report, Summary, Warning, pack, pack_to};

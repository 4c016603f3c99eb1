//! Packing: a site directory → a webroot file, offline.
//!
//! A [`Survey`] is what there is to pack: [`walk`] lists the files, [`config`] says what holds in which directory (`fields` which fields go with which
//! files, `paths` which paths lead elsewhere), [`extensions`] reads metadata off names and
//! [`type_map`] off type maps, [`pack()`] reads and writes the contents in one pass, [`group`] makes resources of
//! them (`listing` those of directories that have no index), and [`crate::webroot::writer`] writes the index. Contents
//! that have not changed since a former packing, a [`Prior`], are copied from its webroot.

pub mod config;
mod copy;
mod decode;
pub mod derive;
pub mod extensions;
mod fields;
mod globs;
pub mod group;
mod listing;
mod map_entry;
mod near;
mod notes;
mod output;
mod pack;
mod paths;
mod prior;
pub mod replace;
mod site;
mod stream;
mod survey;
pub mod type_map;
pub mod walk;
mod well_known;

pub use config::{Config, ConfigError};
pub use pack::{BuildError, Options, Report, Summary, Warning, pack, pack_to};
pub use prior::{Changes, Left, Prior, Snapshot};
pub use survey::Survey;

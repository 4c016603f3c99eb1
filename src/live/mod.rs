//! Keeps what is served up with what lies in the file system: webroots that are replaced, sites that are edited.
//!
//! [`Directory`] opens webroots and lets hosts serve them; `tree` packs a site again when it changes; `scrub` verifies the
//! contents of what is served; `keychain` reads certificates again when they are renewed. All of them only ever look at how
//! things are, whatever `watch` says has happened: an event that is lost or comes twice changes nothing about that.

mod directory;
mod keychain;
mod scrub;
mod tree;
mod watch;
mod way;

pub use directory::Directory;
pub use keychain::{KeyFiles, Keychain};
pub use scrub::{Scrubber, Verify};
pub use tree::{News, Pack, Tree};

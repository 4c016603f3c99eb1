//! A site as connegd maps it, for tests that need no server.

use std::path::Path;

use connegd::build::{self, Config, Options, Report};
use connegd::webroot::Mapped;

struct Quiet;
impl Report for Quiet {}

/// Packs a site, with negotiation.
pub fn packed(site: &Path) -> Mapped {
    let file = tempfile::tempfile().expect("a temporary file");
    let options = Options { negotiate: true, config: Config::of_site(site).expect("a configuration") };
    build::pack(site, &file, &options, None, &Quiet).expect("a webroot");
    Mapped::from_file(file).expect("a sound webroot")
}

//! The arguments of both programs: one definition each, from which parser and `--help` come.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use serde::{Deserialize, Deserializer};

use super::help;
use super::settings::Settings;
use crate::build::derive::Form;
use crate::runtime::Model;

/// Packs a site into one file, a webroot, for connegd to serve.
///
/// Every file of the site is stored once, with its header block ready to send, behind a perfect-hash
/// index. The webroot appears at once or not at all.
#[derive(Debug, Parser)]
#[command(
    name = "mkroot",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    styles = help::STYLES,
    after_help = help::MKROOT.short(),
    after_long_help = help::MKROOT.long()
)]
pub struct Mkroot {
    /// Look into a webroot instead of making one.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to pack, and how.
    #[command(flatten)]
    pub build: Build,
}

/// `mkroot SITE_DIR OUT.webroot`.
#[derive(Args, Clone, Debug)]
pub struct Build {
    /// Let names without extensions choose among the files that have them (Apache's MultiViews).
    #[arg(long)]
    pub negotiate: bool,
    /// Make representations that the site does not have.
    ///
    /// These are markdown of pages; br, zstd and gzip of what gets smaller by it; avif and webp of images. More can be said
    /// in `[derive]` of .mkroot.toml.
    #[arg(long, value_name = "FORM,…", value_delimiter = ',')]
    pub derive: Vec<Form>,
    /// Read settings from FILE instead of SITE_DIR/.mkroot.toml.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Send files with Repr-Digest, a digest of their contents (RFC 9530).
    #[arg(long)]
    pub repr_digest: bool,
    /// Read every file, also those that seem unchanged since OUT.webroot was made.
    #[arg(long)]
    pub fresh: bool,
    /// Go on, and pack the site again whenever it changes, until SIGTERM or SIGINT.
    #[arg(long)]
    pub watch: bool,
    /// Show no progress and no summary.
    #[arg(long, short)]
    pub quiet: bool,
    /// The site: a directory.
    #[arg(value_name = "SITE_DIR", required = true)]
    pub site: Option<PathBuf>,
    /// The webroot to make or replace.
    #[arg(value_name = "OUT.webroot", required = true)]
    pub out: Option<PathBuf>,
}

/// What else mkroot does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the resources of a webroot and their variants.
    Ls {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// The webroot.
        #[arg(value_name = "OUT.webroot")]
        webroot: PathBuf,
    },
    /// Verify every byte of a webroot.
    Check {
        /// The webroot.
        #[arg(value_name = "OUT.webroot")]
        webroot: PathBuf,
    },
    /// Tell which representation a request gets, and why, or check a file of cases.
    Explain {
        /// A field of the request, as in curl; may be repeated.
        #[arg(short = 'H', long = "header", value_name = "FIELD: VALUE")]
        fields: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        /// Check the requests in FILE, and the answers expected of them.
        ///
        /// One a line: status, file, Vary (`-` is none, `?` any), target, then fields, each behind a bar:
        /// `200 chart.svg accept /2005/chart | Accept: image/*`
        #[arg(long, value_name = "FILE", conflicts_with_all = ["fields", "json", "target"])]
        cases: Option<PathBuf>,
        /// Read settings from FILE instead of SITE_DIR/.mkroot.toml; only for a directory.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// A webroot, or a site, which is packed with negotiation into a temporary file.
        #[arg(value_name = "OUT.webroot|SITE_DIR")]
        source: PathBuf,
        /// The request target: a path, perhaps with a query.
        #[arg(value_name = "/path", required_unless_present = "cases")]
        target: Option<String>,
    },
}

/// Serves a webroot, a site, or a directory of webroots for many hosts.
///
/// A site is packed, with negotiation, into a temporary file without a name, and that is served; when it changes it is
/// packed again. A webroot that is replaced is served at once, without a request being lost. SIGHUP asks for a look at
/// everything, SIGTERM lets answers finish.
#[derive(Debug, Parser)]
#[command(
    name = "connegd",
    version,
    styles = help::STYLES,
    after_help = help::CONNEGD.short(),
    after_long_help = help::CONNEGD.long()
)]
pub struct Connegd {
    /// Read settings of the server from FILE, for instance connegd.toml; flags win.
    ///
    /// Its keys are called like the flags.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only look whether all that is said is right, and whether what is named can be used.
    ///
    /// These are settings, certificates and webroots.
    #[arg(long)]
    pub check_config: bool,
    /// What to serve, and how.
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be said about how contents are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// In this way.
    By(Model),
    /// Which ways there are.
    List,
}

impl FromStr for Sending {
    type Err = String;

    fn from_str(text: &str) -> Result<Sending, String> {
        match text {
            "list" => Ok(Sending::List),
            name => name.parse().map(Sending::By),
        }
    }
}

impl<'de> Deserialize<'de> for Sending {
    /// Which ways there are is not asked for in a file.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sending, D::Error> {
        Model::deserialize(deserializer).map(Sending::By)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definitions_are_sound() {
        Mkroot::command().debug_assert();
        Connegd::command().debug_assert();
    }

    #[test]
    fn a_site_may_be_called_like_a_command_only_behind_a_path() {
        let parsed = Mkroot::try_parse_from(["mkroot", "--negotiate", "./ls", "out.webroot"]).unwrap();
        assert!(parsed.command.is_none() && parsed.build.negotiate);
        assert!(Mkroot::try_parse_from(["mkroot", "site"]).is_err());
        assert!(Mkroot::try_parse_from(["mkroot", "check", "x.webroot"]).unwrap().command.is_some());
    }
}

//! What `--help` says besides the options: commands to begin with, exit status, where to read on. And its colours, which
//! clap leaves away where there is no terminal, or where NO_COLOR is set.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Styles};

/// Headings stand out, and so does what is typed as it is.
pub const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// What a program's help ends with.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    /// Commands, and what each does.
    pub examples: &'static [(&'static str, &'static str)],
    /// What the exit status says.
    pub exit_status: &'static str,
    /// Where to read on.
    pub read_on: &'static str,
}

/// For connegd.
pub const CONNEGD: Ending = Ending {
    examples: &[
        ("connegd site", "Serves the directory on http://127.0.0.1:8080, and what it becomes when it is edited."),
        (
            "connegd --listen '[::]:80' site.webroot",
            "Serves what mkroot has packed, to everybody who can reach port 80.",
        ),
        ("connegd --vhosts hosts", "Serves many hosts: hosts/example.com is a webroot for http://example.com."),
        ("connegd --config connegd.toml", "Reads from a file what flags could say: listen = [\"[::]:80\"]."),
        ("connegd --explain site", "Tells at http://127.0.0.1:8080/explain why a request gets what it gets."),
    ],
    exit_status: "0 ended by SIGTERM or SIGINT, 1 --check-config found something wrong, 2 could not do it.",
    read_on: "mkroot(1), connegd.toml(5), docs/index.md of the project; /usr/share/doc/connegd where it is a package.",
};

/// For mkroot.
pub const MKROOT: Ending = Ending {
    examples: &[
        ("mkroot --negotiate site site.webroot", "Packs the directory; run again it reads only what has changed."),
        ("mkroot --negotiate --derive br,gzip site site.webroot", "Makes compressed representations, too."),
        ("mkroot --negotiate --watch site site.webroot", "Goes on, and packs again whenever something changes."),
        ("mkroot explain site /chart -H 'Accept: image/png'", "Tells what such a request gets, and why."),
        ("mkroot check site.webroot", "Verifies every byte, and lists what may surprise."),
    ],
    exit_status: "0 done, 1 the answer is no (damage found, nothing acceptable), 2 could not do it.",
    read_on: "connegd(1), docs/index.md of the project; /usr/share/doc/connegd where it is a package.",
};

impl Ending {
    /// The end of `-h`.
    pub fn short(&self) -> StyledStr {
        let head = STYLES.get_header();
        format!("{head}Exit status:{head:#} {}\n\n--help says more, with examples.", self.exit_status).into()
    }

    /// The end of `--help`.
    pub fn long(&self) -> StyledStr {
        let (head, literal) = (STYLES.get_header(), STYLES.get_literal());
        let mut text = format!("{head}Examples:{head:#}\n");
        for (command, meaning) in self.examples {
            let _ = write!(text, "  {literal}{command}{literal:#}\n          {meaning}\n\n");
        }
        let _ = write!(text, "{head}Exit status:{head:#}\n  {}\n\n", self.exit_status);
        let _ = write!(text, "{head}Read on:{head:#}\n  {}", self.read_on);
        text.into()
    }
}

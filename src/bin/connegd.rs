//! connegd: serves a webroot, or a site packed on the spot.

use std::error::Error;
use std::io::{Write, stdout};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use connegd::build::{self, Config};
use connegd::cli::args::Connegd;
use connegd::cli::limits::ServerSettings;
use connegd::cli::message::{self, Outcome};
use connegd::cli::progress::Progress;
use connegd::runtime::{Options, Server};
use connegd::webroot::Mapped;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const PROGRAM: &str = "connegd";

fn main() -> ExitCode {
    let arguments = Connegd::parse();
    message::run(PROGRAM, || serve(&arguments))
}

fn serve(arguments: &Connegd) -> Result<Outcome, Box<dyn Error>> {
    // Before anything is announced, so that a signal cannot come too early.
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let ServerSettings { listen, workers, grace, mut limits } = ServerSettings::of(arguments)?;
    let webroot = open(&arguments.source, arguments.site_config.as_deref())?;
    let bind = |address: &_| TcpListener::bind(address).map_err(|error| format!("--listen {address}: {error}"));
    let listeners = listen.iter().map(bind).collect::<Result<Vec<_>, _>>()?;
    let workers = match workers {
        Some(workers) => workers.get(),
        None => std::thread::available_parallelism()?.get(),
    };
    if let Some(why) = limits.fit_means(workers) {
        message::say(PROGRAM, &why);
    }
    let server = Server::start(webroot, listeners, Options { workers, limits })?;
    for address in server.addresses() {
        writeln!(stdout(), "listening on http://{address}")?;
    }
    stdout().flush()?;

    signals.forever().next();
    let unfinished = server.stop(grace);
    if unfinished > 0 {
        message::say(PROGRAM, &format!("{unfinished} answers were still on their way after {} s", grace.as_secs()));
    }
    Ok(Outcome::Done)
}

/// Opens a webroot, or packs a site into a file without a name and opens that.
fn open(source: &Path, config_file: Option<&Path>) -> Result<Mapped, Box<dyn Error>> {
    if !source.is_dir() {
        return Mapped::open(source).map_err(|error| format!("{}: {error}", source.display()).into());
    }
    let config = match config_file {
        Some(file) => Config::read(file)?,
        None => Config::of_site(source)?,
    };
    let file = tempfile::tempfile()?;
    let progress = Progress::new(PROGRAM, false);
    let summary = build::pack(source, &file, &build::Options { negotiate: true, config }, &progress)?;
    progress.finish(&summary);
    Ok(Mapped::from_file(file)?)
}

//! mkroot: packs a site into a webroot, and looks into one.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use connegd::answer::cases::{self, Malformed};
use connegd::answer::explain::explain;
use connegd::build::{self, BuildError, Config, Left, Options, Prior, Snapshot, Survey};
use connegd::cli::args::{Build, Command, Mkroot};
use connegd::cli::message::{self, Outcome};
use connegd::cli::progress::Progress;
use connegd::cli::report::Listing;
use connegd::http::request::{RequestHead, join_field};
use connegd::live::{News, Pack, Tree};
use connegd::runtime::Messages;
use connegd::sys;
use connegd::webroot::{Mapped, OpenFileError, check};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const PROGRAM: &str = "mkroot";

fn main() -> ExitCode {
    let arguments = Mkroot::parse();
    message::run(PROGRAM, || match arguments.command {
        None => pack(&arguments.build),
        Some(Command::Ls { json, webroot }) => list(&webroot, json),
        Some(Command::Check { webroot }) => verify(&webroot),
        Some(Command::Explain { fields, json, cases, config, source, target }) => {
            let open = || open_or_pack(&source, config.as_deref());
            match cases {
                Some(file) => try_cases(open, &file),
                None => tell(open, &target.unwrap_or_default(), &fields, json),
            }
        }
    })
}

fn pack(arguments: &Build) -> Result<Outcome, Box<dyn Error>> {
    let (Some(site), Some(out)) = (&arguments.site, &arguments.out) else { unreachable!("clap requires both") };
    // Somebody may cut OUT short while contents are taken from it.
    sys::survive_truncation();
    // What changes while the first webroot is made is seen, and a signal that comes then is not lost.
    let messages = Messages::new(|level, message| message::say_at(PROGRAM, level, message));
    let watching = if arguments.watch { Some(Watching::begin(arguments, site, out, &messages)?) } else { None };
    let mut packer = Packer {
        arguments: arguments.clone(),
        site: site.clone(),
        out: out.clone(),
        report: News::new(Progress::new(PROGRAM, arguments.quiet)),
        messages,
        made: None,
    };
    let left = if arguments.fresh { None } else { left(site, out) };
    let prior = left.as_ref().map(Left::prior);
    let (summary, snapshot) = packer.survey()?.pack_to(out, prior.as_ref(), &packer.report)?;
    packer.report.inner().finish(&summary);
    if let Some(Watching { mut signals, tree }) = watching {
        packer.report = packer.report.then(Progress::in_passing(PROGRAM));
        // Opened now, so that it is the one that was just made, whoever else makes others.
        packer.made = Mapped::open(out).ok();
        std::thread::Builder::new().name("watch".into()).spawn(move || tree.follow(snapshot, packer))?;
        // A webroot that is being written when one comes never gets its name.
        signals.forever().next();
    }
    Ok(Outcome::Done)
}

/// `mkroot --watch`.
struct Watching {
    signals: Signals,
    tree: Tree,
}

impl Watching {
    fn begin(arguments: &Build, site: &Path, out: &Path, messages: &Messages) -> Result<Watching, Box<dyn Error>> {
        let signals = Signals::new([SIGTERM, SIGINT])?;
        let tree =
            Tree::watch(site, arguments.config.as_deref(), messages.clone()).map_err(|error| named(site, &error))?;
        Ok(Watching { signals, tree: tree.ignoring(out) })
    }
}

/// Packs a site into a file, each time from what the last packing left.
struct Packer {
    arguments: Build,
    site: PathBuf,
    out: PathBuf,
    report: News<Progress>,
    messages: Messages,
    /// The last webroot.
    made: Option<Mapped>,
}

impl Pack for Packer {
    fn survey(&mut self) -> Result<Survey, BuildError> {
        let mut config = Config::said_or_of_site(self.arguments.config.as_deref(), &self.site)?;
        config.repr_digest |= self.arguments.repr_digest;
        config.derive.forms.extend(&self.arguments.derive);
        let options = Options { negotiate: self.arguments.negotiate, config };
        Survey::of(&self.site, Some(&self.out), &options, &self.report)
    }

    fn pack(&mut self, survey: Survey, former: &Snapshot) -> Result<Snapshot, BuildError> {
        let prior = self.made.as_ref().map(|made| Prior::new(made, former.begun()).knowing(former));
        let (summary, snapshot) = survey.pack_to(&self.out, prior.as_ref(), &self.report)?;
        let made = Mapped::open(&self.out).ok();
        let build = |mapped: &Option<Mapped>| mapped.as_ref().map(|mapped| mapped.webroot().build_id());
        if build(&made) != build(&self.made) {
            let (changes, took) = (snapshot.changes_since(former), summary.elapsed.as_secs_f64());
            self.messages.say(&format!("{}: packed again in {took:.2} s: {changes}", self.out.display()));
        }
        self.made = made;
        Ok(snapshot)
    }
}

/// What a former packing left at `out`, to take unchanged contents from.
fn left(site: &Path, out: &Path) -> Option<Left> {
    Left::at(out, site).unwrap_or_else(|error| {
        message::warn(PROGRAM, &format!("{}: {error}\nevery file is read", out.display()));
        None
    })
}

fn list(path: &Path, json: bool) -> Result<Outcome, Box<dyn Error>> {
    let mapped = open(path)?;
    let listing = Listing::of(mapped.webroot());
    if json {
        print_json(&listing)?
    } else {
        stdout().lock().write_all(listing.text().as_bytes())?
    }
    Ok(Outcome::Done)
}

fn verify(path: &Path) -> Result<Outcome, Box<dyn Error>> {
    let mapped = match Mapped::open(path) {
        Ok(mapped) => mapped,
        // That the file is damaged is the answer; that it cannot be read is a failure.
        Err(OpenFileError::Format(error)) => {
            writeln!(stdout(), "{}: {error}", path.display())?;
            return Ok(Outcome::No);
        }
        Err(error) => return Err(named(path, &error)),
    };
    let damage = check::verify(&mapped.webroot());
    for found in &damage {
        writeln!(stdout(), "{}:{}: {}", path.display(), found.offset, found.what)?;
    }
    if !damage.is_empty() {
        return Ok(Outcome::No);
    }
    let webroot = mapped.webroot();
    let (resources, bodies) = (webroot.resources().len(), webroot.bodies().len());
    let notes: Vec<_> = webroot.notes().collect();
    for note in &notes {
        writeln!(stdout(), "{}: {note}", path.display())?;
    }
    writeln!(stdout(), "{}: sound: {resources} resources, {bodies} contents", path.display())?;
    Ok(Outcome::Done)
}

/// What `explain` asks, opened once everything else is known to be right.
type Opened = Result<Mapped, Box<dyn Error>>;

fn tell(open: impl FnOnce() -> Opened, target: &str, fields: &[String], json: bool) -> Result<Outcome, Box<dyn Error>> {
    let mut request = RequestHead::get(target.as_bytes());
    for field in fields {
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| format!("-H {field:?}: expected a field such as 'Accept: text/html'"))?;
        // Other fields may stand there as they do on the wire; they decide nothing.
        if let Some(place) = request.field_mut(name.trim().as_bytes()) {
            join_field(place, value.trim().as_bytes());
        }
    }
    let mapped = open()?;
    let explanation = explain(mapped.webroot(), &request);
    if json {
        print_json(&explanation)?
    } else {
        write!(stdout(), "{explanation}")?
    }
    Ok(if explanation.is_success() { Outcome::Done } else { Outcome::No })
}

/// Checks a file of cases; prints those that do not hold.
fn try_cases(open: impl FnOnce() -> Opened, file: &Path) -> Result<Outcome, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| named(file, &error))?;
    let cases =
        cases::parse(&text).map_err(|Malformed { line, message }| format!("{}:{line}: {message}", file.display()))?;
    let mapped = open()?;
    let mut out = stdout().lock();
    let mut wrong = 0;
    for difference in cases.iter().filter_map(|case| case.check(mapped.webroot())) {
        wrong += 1;
        writeln!(out, "{}:{}: {difference}", file.display(), difference.line)?;
    }
    writeln!(out, "{}: {} of {} cases hold", file.display(), cases.len() - wrong, cases.len())?;
    Ok(if wrong == 0 { Outcome::Done } else { Outcome::No })
}

/// Opens a webroot, or packs a site, with negotiation, into a file without a name.
fn open_or_pack(source: &Path, config_file: Option<&Path>) -> Opened {
    if !source.is_dir() {
        return open(source);
    }
    let options = Options { negotiate: true, config: Config::said_or_of_site(config_file, source)? };
    let file = tempfile::tempfile()?;
    build::pack(source, &file, &options, None, &Progress::in_passing(PROGRAM))?;
    Ok(Mapped::from_file(file)?)
}

fn open(path: &Path) -> Opened {
    Mapped::open(path).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &dyn Error) -> Box<dyn Error> {
    format!("{}: {error}", path.display()).into()
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Box<dyn Error>> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    Ok(stdout().lock().write_all(&json)?)
}

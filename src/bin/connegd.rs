//! connegd: serves a webroot, a site packed on the spot, or a directory of webroots.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write, stdout};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use connegd::build::{self, BuildError, Config, Prior, Snapshot, Summary, Survey};
use connegd::cli::args::Connegd;
use connegd::cli::control::{Control, End};
use connegd::cli::error_log::ErrorLog;
use connegd::cli::message::{self, Outcome};
use connegd::cli::models::models;
use connegd::cli::privileges;
use connegd::cli::progress::Progress;
use connegd::cli::settings::{Sandbox, ServerSettings, Source, TlsSettings};
use connegd::live::{Directory, Keychain, News, Pack, Scrubber, Tree, Verify};
use connegd::ops::{Explainer, Operations};
use connegd::runtime::{
    AccessLog, Desk, Destination, HostName, Hosts, Listener, Means, Messages, Metrics, Model, Observer, Options, Plain,
    Security, Server, Site, Tls, raise_descriptors, start_workers,
};
use connegd::sys;
use connegd::webroot::Mapped;
use log::Level;

const PROGRAM: &str = "connegd";

fn main() -> ExitCode {
    let arguments = Connegd::parse();
    message::run(PROGRAM, || match arguments.settings.wants_list() {
        true => Ok(stdout().write_all(models().as_bytes()).map(|()| Outcome::Done)?),
        false if arguments.check_config => check(&arguments),
        false => serve(&arguments),
    })
}

/// Everything that is opened before rights are given up.
struct Opened {
    settings: ServerSettings,
    keychain: Option<Keychain>,
    messages: Messages,
}

impl Opened {
    /// Reads settings and certificates.
    fn of(arguments: &Connegd) -> Result<Opened, Box<dyn Error>> {
        let settings = ServerSettings::of(arguments)?;
        // Who only looks says what there is to be said to who has asked.
        let asked = Destination::Stdout;
        let destination = if arguments.check_config { &asked } else { &settings.error_log };
        let log = ErrorLog::open(destination, settings.log_format);
        message::write_to(log.map_err(|error| format!("--error-log {destination}: {error}"))?, settings.log_level);
        let messages = Messages::new(|level, message| message::say_at(PROGRAM, level, message));
        let keychain = match &settings.tls {
            Some(tls) => Some(Keychain::open(tls.files.clone(), messages.clone())?),
            None => None,
        };
        Ok(Opened { settings, keychain, messages })
    }

    /// What makes connections secure, if anything does.
    fn tls(&self) -> io::Result<Option<Arc<Tls>>> {
        let Some((keychain, settings)) = self.keychain.as_ref().zip(self.settings.tls.as_ref()) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(Tls::new(keychain.certificates(), settings.by_kernel)?)))
    }
}

/// Looks whether everything could be served, and serves nothing.
fn check(arguments: &Connegd) -> Result<Outcome, Box<dyn Error>> {
    let looked = Opened::of(arguments).and_then(|opened| {
        opened.tls()?;
        Ok((Live::open(&opened.settings, &opened.messages)?.hosts, privileges::missing(&opened.settings)))
    });
    let (hosts, missing) = match looked {
        Ok(looked) => looked,
        Err(error) => {
            message::say_at(PROGRAM, Level::Error, &error.to_string());
            return Ok(Outcome::No);
        }
    };
    let served = counted(hosts.count(), "host would be served", "hosts would be served");
    let refused = usize::try_from(hosts.refusals()).unwrap_or(usize::MAX);
    missing.iter().for_each(|missing| message::say_at(PROGRAM, Level::Error, missing));
    if refused > 0 {
        writeln!(stdout(), "{served}, and {} not", counted(refused, "webroot could", "webroots could"))?;
        return Ok(Outcome::No);
    }
    if !missing.is_empty() {
        return Ok(Outcome::No);
    }
    writeln!(stdout(), "the settings are right; {served}")?;
    Ok(Outcome::Done)
}

fn serve(arguments: &Connegd) -> Result<Outcome, Box<dyn Error>> {
    let opened = Opened::of(arguments)?;
    let tls = opened.tls()?;
    let Opened { settings, keychain, messages } = opened;
    let listeners = listeners(&settings, tls.as_ref())?;
    let ops = settings.ops.map(|address| bind("--ops", address, &settings)).transpose()?;
    raise_descriptors();
    privileges::give_up(&settings, &messages)?;
    // Packing a site, or waiting for a webroot, can take as long as it likes.
    let control = Control::listen()?;
    let workers = match settings.workers {
        Some(workers) => workers.get(),
        None => std::thread::available_parallelism()?.get(),
    };
    let observer = observer(&settings, workers, &messages)?;
    // Webroots may be cut short while they are opened, too. To read past the page cache they are opened once more, by who
    // sends them.
    start_workers(workers, settings.sandbox != Sandbox::Off && settings.model != Model::Dio)?;
    let live = Live::open(&settings, &messages)?;
    // Until here nobody waits for an answer.
    message::print_in_background(PROGRAM)?;
    let limits = settings.limits;
    if let Some(why) = limits.shortage(live.hosts.count(), &Means::of_process(workers, settings.model)) {
        messages.say(&why);
    }
    // All threads are there before anybody is served.
    let look_at_keys = keychain.as_ref().map(Keychain::rescan);
    control.look_when_asked(move || {
        look_at_keys.iter().for_each(|look| look());
        (live.look)();
    })?;
    control.follow(live.follow)?;
    if let Some(keychain) = keychain {
        control.follow(move || keychain.follow())?;
    }
    let log = observer.log.clone();
    control.reopen_when_asked(move || {
        message::reopen();
        log.iter().for_each(|log| log.reopen());
    });
    control.begin_to_serve();
    let desk = settings.explain.then(|| Arc::new(Explainer { hosts: live.hosts.clone() }) as Arc<dyn Desk>);
    let options = Options { workers, limits, model: settings.model, observer: observer.clone(), desk };
    let mut server = Server::start(live.hosts.clone(), listeners, options, messages.clone())?;
    let mut ready = String::new();
    for (scheme, address) in server.addresses() {
        let _ = writeln!(ready, "listening on {scheme}://{address}");
    }
    if let (Some(listener), Some(metrics)) = (ops, &observer.metrics) {
        let _ = writeln!(ready, "operations on http://{}", listener.address());
        let (overview, log, metrics) = (server.overview(), observer.log.clone(), metrics.clone());
        let origin = server.addresses().next().ok_or("there is no listener")?;
        let desk = Arc::new(Operations { hosts: live.hosts, overview, metrics, log, origin, tls });
        server.open_desk(listener, desk).map_err(|error| format!("--ops {error}"))?;
    }
    // All at once: who reads it may go away after the first line.
    stdout().write_all(ready.as_bytes())?;
    stdout().flush()?;
    control.announce();
    wait_and_end(server, &settings, &control, &observer, &messages)
}

/// Serves until it is told to end, and ends.
fn wait_and_end(
    server: Server,
    settings: &ServerSettings,
    control: &Control,
    observer: &Observer,
    messages: &Messages,
) -> Result<Outcome, Box<dyn Error>> {
    let end = control.wait_for_end();
    if end == End::Blind {
        messages.complain("changes are not followed any more, so it ends once the answers that were begun are out");
    }
    let began = Instant::now();
    let unfinished = server.stop(settings.grace, || control.must_end_at_once());
    observer.log.iter().for_each(|log| log.finish());
    if unfinished > 0 {
        let (answers, waited) = (counted(unfinished, "answer was", "answers were"), began.elapsed().as_secs());
        messages.say(&format!("{answers} still on the way after {waited} s"));
    }
    match end {
        End::Told => Ok(Outcome::Done),
        End::Blind => Err("it must be started again, since changes were not followed any more".into()),
    }
}

/// Who sees answers.
fn observer(settings: &ServerSettings, workers: usize, messages: &Messages) -> Result<Observer, String> {
    let log = settings.access_log.clone().map(|destination| {
        let shown = destination.to_string();
        AccessLog::start(destination, settings.log_format, workers, messages.clone())
            .map_err(|error| format!("--access-log {shown}: {error}"))
    });
    let metrics = settings.ops.map(|_| Arc::new(Metrics::new(workers)));
    Ok(Observer { log: log.transpose()?, metrics })
}

/// A number of things in words.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn bind(flag: &str, address: SocketAddr, settings: &ServerSettings) -> Result<Listener, String> {
    Listener::bind(address, settings.reuse_port).map_err(|error| format!("{flag} {address}: {error}"))
}

/// What a socket that systemd has opened is called (FileDescriptorName) if it is for requests that are not secure.
const PLAIN_SOCKET: &str = "http";

/// Where to listen: on sockets that systemd has opened, and on addresses that were said; on the default if there is
/// neither. All of these are secure if there is a way to make them so; others are said besides.
fn listeners(settings: &ServerSettings, tls: Option<&Arc<Tls>>) -> Result<Vec<(Listener, Security)>, Box<dyn Error>> {
    let (mut listeners, mut given_plain) = (Vec::new(), Vec::new());
    for (descriptor, name) in sd_notify::listen_fds_with_names()? {
        let socket = sys::inherited(descriptor).ok_or_else(|| format!("descriptor {descriptor} is not open"))?;
        let listener = Listener::given(socket).map_err(|error| format!("descriptor {descriptor}: {error}"))?;
        if name == PLAIN_SOCKET { &mut given_plain } else { &mut listeners }.push(listener);
    }
    let default = [SocketAddr::from(([127, 0, 0, 1], 8080))];
    let said = match &settings.listen[..] {
        [] if listeners.is_empty() && given_plain.is_empty() => &default,
        said => said,
    };
    for &address in said {
        listeners.push(bind("--listen", address, settings)?);
    }
    let Some(TlsSettings { listen_http, send_on, hsts, .. }) = &settings.tls else {
        let all = listeners.into_iter().chain(given_plain);
        return Ok(all.map(|listener| (listener, Security::default())).collect());
    };
    let port = |port: &Option<u16>| port.or_else(|| listeners.first().map(|listener| listener.address().port()));
    let sent_on = send_on.as_ref().and_then(port).map(Plain::SentOn);
    let secure = Security { tls: tls.cloned(), plain: sent_on.unwrap_or(Plain::Refused), hsts: hsts.clone() };
    let plain = Security { plain: sent_on.unwrap_or(Plain::Answered), ..Security::default() };
    let mut listeners: Vec<_> = listeners.into_iter().map(|listener| (listener, secure.clone())).collect();
    listeners.extend(given_plain.into_iter().map(|listener| (listener, plain.clone())));
    for &address in listen_http {
        listeners.push((bind("--listen-http", address, settings)?, plain.clone()));
    }
    Ok(listeners)
}

/// What is served, and what keeps it up to date.
struct Live {
    hosts: Arc<Hosts>,
    /// Follows changes, for ever.
    follow: Box<dyn FnOnce() + Send>,
    /// Looks at everything, and returns when that is done.
    look: Box<dyn Fn() + Send>,
}

impl Live {
    fn open(settings: &ServerSettings, messages: &Messages) -> Result<Live, Box<dyn Error>> {
        let verify = settings.verify;
        match &settings.source {
            None => Err("there is nothing to serve: OUT.webroot, SITE_DIR or --vhosts DIR is missing".into()),
            Some(Source::One(source, settings)) if source.is_dir() => {
                Live::tree(source, settings.as_deref(), verify, messages)
            }
            Some(Source::One(source, _)) => {
                let named = |error| format!("{}: {error}", source.display());
                Ok(Live::directory(Directory::of_one(source, verify, messages.clone()).map_err(named)?))
            }
            Some(Source::Hosts(path)) => {
                let named = |error| format!("--vhosts {}: {error}", path.display());
                let directory = Directory::of_hosts(path, verify, messages.clone()).map_err(named)?;
                if directory.served() == 0 {
                    messages.say(&format!("{}: there is no webroot yet", path.display()));
                }
                Ok(Live::directory(directory))
            }
        }
    }

    fn directory(directory: Directory) -> Live {
        Live {
            hosts: directory.hosts(),
            look: Box::new(directory.rescan()),
            follow: Box::new(move || directory.follow()),
        }
    }

    /// A site, packed into files without names.
    fn tree(site: &Path, settings: Option<&Path>, verify: Verify, messages: &Messages) -> Result<Live, Box<dyn Error>> {
        let tree = Tree::watch(site, settings, messages.clone())?;
        let mut packer = Packer {
            site: site.into(),
            settings: settings.map(Into::into),
            hosts: Arc::default(),
            scrubber: (verify == Verify::Background).then(|| Scrubber::start(messages.clone())).transpose()?,
            report: News::new(Progress::new(PROGRAM, false)),
            messages: messages.clone(),
            served: None,
        };
        let survey = packer.survey()?;
        let (summary, snapshot, _) = packer.pack_after(survey, None)?;
        packer.report.inner().finish(&summary);
        packer.report = packer.report.then(Progress::in_passing(PROGRAM));
        let (hosts, look) = (packer.hosts.clone(), Box::new(tree.repack()));
        Ok(Live { hosts, look, follow: Box::new(move || tree.follow(snapshot, packer)) })
    }
}

/// Packs a site into files without names, each time from what the last packing left, and lets it be served.
struct Packer {
    site: PathBuf,
    settings: Option<PathBuf>,
    hosts: Arc<Hosts>,
    scrubber: Option<Scrubber>,
    report: News<Progress>,
    messages: Messages,
    served: Option<Arc<Site>>,
}

impl Pack for Packer {
    fn survey(&mut self) -> Result<Survey, BuildError> {
        self.try_survey().inspect_err(|_| self.hosts.note_refusal())
    }

    fn pack(&mut self, survey: Survey, former: &Snapshot) -> Result<Snapshot, BuildError> {
        let packed = self.pack_after(survey, Some(former)).inspect_err(|_| self.hosts.note_refusal());
        let (summary, snapshot, is_other) = packed?;
        if is_other {
            let (changes, took) = (snapshot.changes_since(former), summary.elapsed.as_secs_f64());
            self.messages.say(&format!("{}: packed again in {took:.2} s: {changes}", self.site.display()));
        }
        Ok(snapshot)
    }
}

impl Packer {
    fn try_survey(&self) -> Result<Survey, BuildError> {
        let config = Config::said_or_of_site(self.settings.as_deref(), &self.site)?;
        Survey::of(&self.site, None, &build::Options { negotiate: true, config }, &self.report)
    }

    /// Packs what was surveyed, and serves that unless it is the same as what is served. Returns whether it is another.
    fn pack_after(
        &mut self,
        survey: Survey,
        former: Option<&Snapshot>,
    ) -> Result<(Summary, Snapshot, bool), BuildError> {
        let file = tempfile::tempfile()?;
        let prior = self.served.as_ref().zip(former);
        let prior = prior.map(|(site, former)| Prior::new(site.mapped(), former.begun()).knowing(former));
        let (summary, snapshot) = survey.pack(&file, prior.as_ref(), &self.report)?;
        let mapped = Mapped::from_file(file).map_err(std::io::Error::other)?;
        let build_id = mapped.webroot().build_id();
        if self.served.as_ref().is_some_and(|served| served.webroot().build_id() == build_id) {
            return Ok((summary, snapshot, false));
        }
        let site = Arc::new(Site::new(mapped, self.site.display().to_string()));
        if let Some(scrubber) = &self.scrubber {
            scrubber.add(&site);
        }
        self.hosts.change([(HostName::Default, site.clone())], &[]);
        self.served = Some(site);
        Ok((summary, snapshot, true))
    }
}

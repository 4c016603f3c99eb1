//! A directory of webroots → hosts: each file, or link to one, serves the host of its name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rustix::fs::OFlags;

use super::scrub::{Scrubber, Verify};
use super::watch::{Event, Watch, ask, gather};
use super::way::{Way, below};
use crate::build::replace::directory_of;
use crate::build::walk::Fingerprint;
use crate::runtime::{HostName, Hosts, Messages, OUT_OF_SERVICE, Site, most_webroots};
use crate::sys;
use crate::webroot::{Mapped, OpenFileError, check};

/// Changes that come so close together are looked at together. The sum of both must leave time to open a webroot within
/// 100 ms.
const QUIET: Duration = Duration::from_millis(5);
/// The first of several changes waits no longer than this.
const PATIENCE: Duration = Duration::from_millis(30);
/// How long a name must be gone before its host is: who replaces a link in two steps leaves none for a moment.
const ABSENCE: Duration = Duration::from_millis(40);
/// How often a file is looked at that somebody is still writing to.
const WRITING: Duration = Duration::from_millis(50);
/// How long nobody must have written to a file, where the kernel does not tell whether anybody still can.
const SETTLED: Duration = Duration::from_millis(200);
/// So many names are looked at one after the other.
const FEW: usize = 8;
/// How often everything is looked at while something cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(1);

/// To open whatever there is without waiting for anybody.
const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// Which files of the directory are webroots, and for whom.
#[derive(Clone, Debug)]
enum Names {
    /// Each serves the host of its name.
    Hosts,
    /// This one serves all hosts, and goes on to if it is removed.
    Only(OsString),
}

/// A directory of webroots, and the hosts that they serve.
#[derive(Debug)]
pub struct Directory {
    /// As it was said, but absolute.
    path: PathBuf,
    /// Where that leads.
    way: Way,
    names: Names,
    verify: Verify,
    hosts: Arc<Hosts>,
    scrubber: Option<Scrubber>,
    messages: Messages,
    /// How many webroots may be open, and why no more.
    most: (usize, String),
    watch: Watch,
    events: Receiver<Event>,
    sender: Sender<Event>,
    entries: HashMap<OsString, Entry>,
    /// The file that a host is served from.
    owners: HashMap<HostName, OsString>,
    /// Other files that are for the same host, and wait for it to be gone.
    rivals: HashMap<HostName, BTreeSet<OsString>>,
    /// Files that there was no room for, which wait for any host to be gone.
    crowded_out: BTreeSet<OsString>,
    /// The names that lead through a path: a link on the way, or the file in the end.
    dependents: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// The names that must be looked at again whatever happens, and when. They are few, and it is asked for them often.
    again: HashMap<OsString, Instant>,
    /// Why the directory could not be read when that was last tried.
    complaint: Option<String>,
    /// Whether it is said what is served from now on: not of all that there is at the start.
    announces: bool,
}

/// What is known of a name in the directory.
#[derive(Debug, Default)]
struct Entry {
    /// The file that was last found there, whether it was good or not, unless it may be better the next time.
    seen: Option<Fingerprint>,
    /// What was said of the file last, if it was refused.
    refused: Option<(Option<Fingerprint>, String)>,
    /// What is served from it.
    served: Option<Served>,
    /// Where it leads.
    way: Way,
    /// Since when there has been nothing.
    gone_since: Option<Instant>,
}

#[derive(Debug)]
struct Served {
    host: HostName,
    site: Arc<Site>,
}

/// How many more webroots may be opened.
struct Room(AtomicUsize);

impl Room {
    fn of(count: usize) -> Room {
        Room(AtomicUsize::new(count))
    }

    /// Takes the place of one; returns whether there was any.
    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

/// What a look at a name finds.
enum Finding {
    /// What was there before.
    Nothing,
    /// No file.
    Absent,
    /// Somebody is writing to it.
    Unfinished,
    /// Something that cannot be served, and why.
    Refused { file: Option<Fingerprint>, reason: String, until: Until },
    /// A webroot.
    Opened { file: Fingerprint, mapped: Box<Mapped> },
}

/// Until when something is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// It is another file.
    Changed,
    /// It is looked at again, since it may be better then without having changed.
    Later,
    /// A host is gone, and there is room for another.
    Room,
}

impl Directory {
    /// Opens every webroot in the directory at `path` that can be served, and says of the others why they cannot.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn of_hosts(path: &Path, verify: Verify, messages: Messages) -> io::Result<Directory> {
        path.read_dir()?;
        let mut directory = Directory::new(path, Names::Hosts, verify, messages)?;
        let all = directory.all_names();
        directory.look_at(all);
        Ok(directory)
    }

    /// Opens the webroot at `path` for all hosts.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, or is none.
    pub fn of_one(path: &Path, verify: Verify, messages: Messages) -> io::Result<Directory> {
        let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is no webroot"))?;
        let mut directory = Directory::new(directory_of(path), Names::Only(name.into()), verify, messages)?;
        directory.follow_name(name);
        // Whoever has started the server waits for the first one, even if it is still being written.
        let mut is_said = false;
        loop {
            match find(&directory.path.join(name), None, verify) {
                Finding::Unfinished => {
                    if !std::mem::replace(&mut is_said, true) {
                        directory.say(name, "somebody is writing to it; it is served when that is done");
                    }
                    std::thread::sleep(WRITING);
                }
                Finding::Absent => return Err(path.metadata().err().unwrap_or(io::ErrorKind::NotFound.into())),
                Finding::Refused { reason, .. } => return Err(io::Error::other(reason)),
                finding => {
                    directory.apply(vec![(name.into(), finding)]);
                    return Ok(directory);
                }
            }
        }
    }

    fn new(path: &Path, names: Names, verify: Verify, messages: Messages) -> io::Result<Directory> {
        let (sender, events) = channel();
        let mut directory = Directory {
            scrubber: (verify == Verify::Background).then(|| Scrubber::start(messages.clone())).transpose()?,
            path: std::path::absolute(path)?,
            way: Way::default(),
            names,
            verify,
            hosts: Arc::default(),
            messages,
            most: most_webroots(),
            watch: Watch::new(sender.clone()),
            events,
            sender,
            entries: HashMap::new(),
            owners: HashMap::new(),
            rivals: HashMap::new(),
            crowded_out: BTreeSet::new(),
            dependents: BTreeMap::new(),
            again: HashMap::new(),
            complaint: None,
            announces: false,
        };
        directory.locate();
        Ok(directory)
    }

    /// The hosts, and what they serve.
    pub fn hosts(&self) -> Arc<Hosts> {
        self.hosts.clone()
    }

    /// How many names of hosts something is served for.
    pub fn served(&self) -> usize {
        self.owners.len()
    }

    /// What asks for a look at everything, and returns when it has been taken.
    pub fn rescan(&self) -> impl Fn() + Send + Sync + 'static {
        let sender = self.sender.clone();
        move || ask(&sender)
    }

    /// Follows what happens in the directory, for as long as the process lives.
    pub fn follow(mut self) {
        self.announces = true;
        loop {
            let concerns = |event: &Event| self.concerns(event);
            let events = gather(&self.events, self.next_look(), (QUIET, PATIENCE), concerns);
            let names = self.concerned(&events);
            self.look_at(names);
            // Who has asked is told now.
            drop(events);
        }
    }

    /// Whether an event is about anything that is followed.
    fn concerns(&self, event: &Event) -> bool {
        let Event::Changed(paths) = event else { return true };
        let is_entry = |path: &Path| self.name_at(path).is_some_and(|name| self.may_be_webroot(name));
        let matters = |path: &PathBuf| {
            is_entry(path)
                || self.dependents.contains_key(path)
                || self.way.steps.contains(path)
                || self.watch.watches(path)
        };
        paths.iter().any(matters)
    }

    /// The names that must be looked at after these events, and now anyway.
    fn concerned(&mut self, events: &[Event]) -> BTreeSet<OsString> {
        let now = Instant::now();
        let mut names: BTreeSet<_> =
            self.again.iter().filter(|(_, again)| **again <= now).map(|(name, _)| name.clone()).collect();
        // There are several events about most paths.
        let mut paths = BTreeSet::new();
        let mut anything = false;
        for event in events {
            match event {
                Event::Anything | Event::Asked(_) => anything = true,
                Event::Changed(changed) => paths.extend(changed),
            }
        }
        if anything {
            self.watch.renew(Path::new("/"));
        } else {
            paths.into_iter().for_each(|path| anything |= self.happened(path, &mut names));
        }
        if self.watch.is_blind() {
            for path in self.watch.look_around() {
                anything |= self.happened(&path, &mut names);
            }
            let unwatched: Vec<_> = self.watch.unwatched().map(Path::to_path_buf).collect();
            for directory in unwatched {
                anything |= directory == self.way.end || self.way.depends_on(&directory);
                let steps = below(&self.dependents, &directory).filter(|(step, _)| step.parent() == Some(&*directory));
                names.extend(steps.flat_map(|(_, names)| names).cloned());
            }
        }
        if anything {
            self.locate();
            names.extend(self.all_names());
        }
        names
    }

    /// Adds the names that what has happened at `path` concerns. Returns whether it may concern all.
    fn happened(&mut self, path: &Path, names: &mut BTreeSet<OsString>) -> bool {
        if self.watch.watches(path) {
            // The path leads to another directory now, or to none: so do all that go on from there.
            self.watch.renew(path);
            names.extend(below(&self.dependents, path).flat_map(|(_, names)| names).cloned());
        } else if let Some(names_there) = self.dependents.get(path) {
            names.extend(names_there.iter().cloned());
        }
        names.extend(self.name_at(path).map(OsStr::to_os_string));
        self.way.leads_through(path)
    }

    /// The name of what lies at `path`, if that is in the directory.
    fn name_at<'p>(&self, path: &'p Path) -> Option<&'p OsStr> {
        path.file_name().filter(|_| path.parent() == Some(&self.way.end))
    }

    /// Whether a file of this name can be a webroot. Those that begin with a dot are on their way to another name.
    fn may_be_webroot(&self, name: &OsStr) -> bool {
        match &self.names {
            Names::Hosts => !name.as_encoded_bytes().starts_with(b"."),
            Names::Only(only) => name == only,
        }
    }

    /// Finds out where the directory is.
    fn locate(&mut self) {
        let former = std::mem::take(&mut self.way);
        let former_end = former.end.clone();
        self.way = self.watch.follow_path(former, &self.path);
        if self.way.end != former_end {
            self.watch.acquire(&self.way.end);
            self.watch.release(&former_end);
        }
    }

    /// How long nothing needs to be looked at, if nothing happens.
    fn next_look(&self) -> Option<Duration> {
        let again = self.again.values().min().map(|again| again.saturating_duration_since(Instant::now()));
        again.into_iter().chain(self.watch.is_blind().then_some(UNWATCHED)).min()
    }

    /// All names that are there, or were.
    fn all_names(&mut self) -> BTreeSet<OsString> {
        let mut names: BTreeSet<_> = self.entries.keys().cloned().collect();
        match &self.names {
            Names::Only(name) => names.extend([name.clone()]),
            Names::Hosts => {
                let listed = self.path.read_dir().and_then(|entries| {
                    entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
                });
                let complaint = listed.as_ref().err().map(io::Error::to_string);
                names.extend(listed.unwrap_or_default());
                // Those that are known are looked at all the same.
                if let Some(error) = complaint.as_ref().filter(|_| self.complaint != complaint) {
                    self.messages.complain(&format!("{}: {error}", self.path.display()));
                }
                self.complaint = complaint;
            }
        }
        names
    }

    /// Finds out what these names are now, and lets their hosts serve that.
    fn look_at(&mut self, mut names: BTreeSet<OsString>) {
        names.retain(|name| self.may_be_webroot(name));
        for name in &names {
            self.follow_name(name);
        }
        let (path, verify) = (&self.path, self.verify);
        let (most, why) = &self.most;
        let room = Room::of(most.saturating_sub(self.owners.len()));
        let look = |name: OsString| {
            let entry = self.entries.get(&name);
            let is_more = entry.is_none_or(|entry| entry.served.is_none());
            let finding = match find(&path.join(&name), entry.and_then(|entry| entry.seen), verify) {
                Finding::Opened { file, .. } if is_more && !room.take() => {
                    let reason = format!("{most} webroots are served, and there is room for no more, since {why}");
                    Finding::Refused { file: Some(file), reason, until: Until::Room }
                }
                finding => finding,
            };
            (name, finding)
        };
        let names: Vec<_> = names.into_iter().collect();
        // A few are looked at before other threads would be awake, which have to wait for a processor where there is much to do.
        let findings = match names.len() {
            0..=FEW => names.into_iter().map(look).collect(),
            _ => names.into_par_iter().map(look).collect(),
        };
        self.apply(findings);
    }

    /// Watches the way of a name, before it is looked at: what happens afterwards is an event.
    fn follow_name(&mut self, name: &OsStr) {
        let former = std::mem::take(&mut self.entries.entry(name.into()).or_default().way);
        let found = self.watch.follow(former.clone(), || {
            let mut way = Way::of(&self.way.end, Path::new(name));
            // What happens to itself concerns it anyway.
            way.steps.remove(&self.way.end.join(name));
            way
        });
        for step in found.steps.difference(&former.steps) {
            self.dependents.entry(step.clone()).or_default().insert(name.into());
        }
        former.steps.difference(&found.steps).for_each(|step| self.forget_step(step, name));
        self.entries.entry(name.into()).or_default().way = found;
    }

    /// A name leads through a step no more.
    fn forget_step(&mut self, step: &Path, name: &OsStr) {
        if let Some(names) = self.dependents.get_mut(step) {
            names.remove(name);
            if names.is_empty() {
                self.dependents.remove(step);
            }
        }
    }

    /// Lets hosts serve what was found.
    fn apply(&mut self, mut findings: Vec<(OsString, Finding)>) {
        let (mut sites, mut gone, mut overwritten) = (Vec::new(), Vec::new(), Vec::new());
        for (name, _) in &findings {
            self.again.remove(name);
        }
        // Those that are gone leave their hosts to others.
        findings.sort_by_key(|(_, finding)| !matches!(finding, Finding::Absent));
        for (name, finding) in findings {
            let entry = self.entries.entry(name.clone()).or_default();
            if !matches!(finding, Finding::Absent) {
                entry.gone_since = None;
            }
            // A webroot that somebody writes to is not what was opened.
            let former = entry.served.as_ref().map(|served| &served.site).filter(|site| !site.mapped().is_untouched());
            let former = former.cloned();
            match finding {
                Finding::Opened { file, mapped } => {
                    entry.seen = Some(file);
                    overwritten.extend(former);
                    sites.extend(self.serve(&name, *mapped));
                    continue;
                }
                Finding::Nothing => {}
                Finding::Absent => gone.extend(self.note_absence(&name)),
                Finding::Unfinished => drop(self.again.insert(name.clone(), Instant::now() + WRITING)),
                Finding::Refused { file, reason, until } => {
                    match until {
                        Until::Changed => {}
                        Until::Later => drop(self.again.insert(name.clone(), Instant::now() + UNWATCHED)),
                        Until::Room => drop(self.crowded_out.insert(name.clone())),
                    }
                    entry.seen = file.filter(|_| until != Until::Later);
                    let is_served_on = entry.served.is_some() && former.is_none();
                    let then = if is_served_on { "the former one is served on" } else { "it is not served" };
                    let message = format!("{reason}\n{then}");
                    let refused = Some((file, reason));
                    if std::mem::replace(&mut entry.refused, refused.clone()) != refused {
                        self.hosts.note_refusal();
                        self.complain(&name, &message);
                    }
                }
            }
            if former.is_some_and(|site| site.withdraw()) {
                self.complain(&name, &format!("it was written to while it was served; {OUT_OF_SERVICE}"));
            }
        }
        self.hosts.change(sites, &gone);
        // What is still being sent of these is not what was promised.
        for site in overwritten {
            site.withdraw();
        }
        for host in gone {
            let rivals = self.rivals.remove(&host).unwrap_or_default();
            self.look_again(rivals);
        }
        if self.owners.len() < self.most.0 {
            let crowded_out = std::mem::take(&mut self.crowded_out);
            self.look_again(crowded_out);
        }
    }

    /// Has names looked at as if they were new.
    fn look_again(&mut self, names: BTreeSet<OsString>) {
        for name in names {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.seen = None;
                self.again.insert(name, Instant::now());
            }
        }
    }

    /// Makes a site of a webroot, if there is a host for it.
    fn serve(&mut self, name: &OsStr, mapped: Mapped) -> Option<(HostName, Arc<Site>)> {
        let host = match (&self.names, name.to_str()) {
            (Names::Only(_), _) => Ok(HostName::Default),
            (Names::Hosts, Some(name)) => HostName::of_file(name),
            (Names::Hosts, None) => Err("is no name of a host".into()),
        };
        let host = match host {
            Ok(host) => host,
            Err(wrong) => {
                self.complain_plainly(name, &wrong);
                return None;
            }
        };
        if let Some(owner) = self.owners.get(&host).filter(|owner| *owner != name).cloned() {
            let entry = self.entries.entry(owner.clone()).or_default();
            if entry.gone_since.is_none() {
                self.complain_plainly(name, &format!("is for the same host as {}, which is served", owner.display()));
                self.rivals.entry(host).or_default().insert(name.into());
                return None;
            }
            // The host goes on under this name; should the other come back, it is as good as new.
            (entry.served, entry.seen) = (None, None);
        }
        let site = Arc::new(Site::new(mapped, self.path.join(name).display().to_string()));
        if self.announces {
            let (build, resources) = (&site.build()[..8], site.webroot().resources().len());
            self.say(name, &format!("serving build {build}, {resources} resources"));
        }
        if let Some(scrubber) = &self.scrubber {
            scrubber.add(&site);
        }
        self.owners.insert(host.clone(), name.into());
        if let Some(entry) = self.entries.get_mut(name) {
            entry.served = Some(Served { host: host.clone(), site: site.clone() });
        }
        Some((host, site))
    }

    /// Nothing is there under a name. Its host goes when that has been so for a moment; then it is returned.
    fn note_absence(&mut self, name: &OsStr) -> Option<HostName> {
        let entry = self.entries.get_mut(name)?;
        let now = Instant::now();
        let since = *entry.gone_since.get_or_insert(now);
        if entry.served.is_some() && now < since + ABSENCE {
            self.again.insert(name.into(), since + ABSENCE);
            return None;
        }
        let is_news = entry.seen.take().is_some();
        let Some(served) = &entry.served else {
            self.drop_entry(name);
            return None;
        };
        if let Names::Only(_) = self.names {
            // There is nothing else to serve.
            if is_news {
                self.say(name, "it is gone; what it was is served on");
            }
            return None;
        }
        let host = served.host.clone();
        self.drop_entry(name);
        self.owners.remove(&host);
        self.say(name, "it is gone, and so is its host");
        Some(host)
    }

    /// Forgets a name under which there is nothing, unless it still leads somewhere.
    fn drop_entry(&mut self, name: &OsStr) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.served = None;
        if !self.path.join(name).is_symlink() {
            let way = std::mem::take(&mut entry.way);
            way.steps.iter().for_each(|step| self.forget_step(step, name));
            self.watch.follow(way, Way::default);
            self.entries.remove(name);
            self.again.remove(name);
            self.crowded_out.remove(name);
        }
    }

    /// Says something about a file.
    fn say(&self, name: &OsStr, message: &str) {
        self.messages.say(&format!("{}: {message}", self.path.join(name).display()));
    }

    /// The same about something that somebody should do something about.
    fn complain(&self, name: &OsStr, message: &str) {
        self.messages.complain(&format!("{}: {message}", self.path.join(name).display()));
    }

    /// The same, where the name begins the sentence.
    fn complain_plainly(&self, name: &OsStr, message: &str) {
        self.messages.complain(&format!("{} {message}", self.path.join(name).display()));
    }
}

/// Looks at `path`, where `seen` was when it was last looked at.
fn find(path: &Path, seen: Option<Fingerprint>, verify: Verify) -> Finding {
    // A pipe is not waited for.
    let opened = File::options().read(true).custom_flags(NONBLOCK).open(path);
    let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match opened {
        Ok(opened) => opened,
        Err(error) if is_absence(&error) => return Finding::Absent,
        Err(error) => {
            let file = path.metadata().ok().as_ref().map(Fingerprint::from);
            return Finding::Refused { file, reason: error.to_string(), until: Until::Later };
        }
    };
    let fingerprint = Fingerprint::from(&metadata);
    if seen == Some(fingerprint) {
        return Finding::Nothing;
    }
    if metadata.is_file() && is_being_written(&file, &metadata) {
        return Finding::Unfinished;
    }
    let refused = |reason, until| Finding::Refused { file: Some(fingerprint), reason, until };
    let mapped = match Mapped::from_file(file) {
        Ok(mapped) => mapped,
        Err(error @ OpenFileError::Io(_)) => return refused(error.to_string(), Until::Later),
        Err(error @ OpenFileError::Format(_)) => return refused(error.to_string(), Until::Changed),
    };
    if verify == Verify::Open
        && let Some(damage) = check::contents(&mapped.webroot()).into_iter().next()
        && mapped.is_intact()
    {
        return refused(damage.what, Until::Changed);
    }
    // Whoever changes a file while it is read may have been quick enough to be overlooked.
    match mapped.file().metadata() {
        Ok(metadata) if Fingerprint::from(&metadata) == fingerprint && mapped.is_intact() => {
            Finding::Opened { file: fingerprint, mapped: Box::new(mapped) }
        }
        _ => Finding::Unfinished,
    }
}

/// Whether an error means that there is nothing. What cannot be looked at for another reason is perhaps still there.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether somebody may still be writing to a file.
fn is_being_written(file: &File, metadata: &std::fs::Metadata) -> bool {
    sys::has_writer(file).unwrap_or_else(|| {
        let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
        age.is_some_and(|age| age < SETTLED)
    })
}

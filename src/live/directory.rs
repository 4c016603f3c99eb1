//! A directory of webroots → hosts: each file, or link to one, serves the host of its name.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rustix::fs::OFlags;

use super::scrub::{Scrubber, Verify};
use super::watch::{Event, Watch, ask, gather};
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
    path: PathBuf,
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
    dependents: HashMap<PathBuf, BTreeSet<OsString>>,
    /// The names that must be looked at again whatever happens, and when. They are few, and it is asked for them often.
    again: HashMap<OsString, Instant>,
    /// The names that lead through a directory which cannot be watched.
    unwatched: BTreeSet<OsString>,
    /// Why the directory could not be read when that was last tried.
    complaint: Option<String>,
}

/// What is known of a name in the directory.
#[derive(Debug, Default)]
struct Entry {
    /// The file that was last found there, whether it was good or not, unless it may be better the next time.
    seen: Option<Fingerprint>,
    /// What was said of the file last, if it was refused.
    refused: Option<(Fingerprint, String)>,
    /// What is served from it.
    served: Option<Served>,
    /// Through which links it leads, and to which file in the end; none if it is a file itself.
    leads_through: BTreeSet<PathBuf>,
    /// Since when there has been nothing.
    gone_since: Option<Instant>,
}

#[derive(Debug)]
struct Served {
    host: HostName,
    site: Arc<Site>,
    /// The file, as it was opened.
    file: Fingerprint,
}

impl Served {
    /// Whether somebody has written to the file since it was opened.
    fn is_written_to(&self) -> bool {
        let now = self.site.file().metadata().map(|metadata| Fingerprint::from(&metadata));
        !now.is_ok_and(|now| now.has_same_content(&self.file))
    }
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
    Refused { file: Fingerprint, reason: String, until: Until },
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
        directory.watch_for(name);
        // Whoever has started the server waits for the first one, even if it is still being written.
        loop {
            match find(&directory.path.join(name), None, verify) {
                Finding::Unfinished => std::thread::sleep(WRITING),
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
        let path = path.canonicalize()?;
        let (sender, events) = channel();
        let watch = Watch::new(sender.clone());
        let mut directory = Directory {
            scrubber: (verify == Verify::Background).then(|| Scrubber::start(messages.clone())).transpose()?,
            path,
            names,
            verify,
            hosts: Arc::default(),
            messages,
            most: most_webroots(),
            watch,
            events,
            sender,
            entries: HashMap::new(),
            owners: HashMap::new(),
            rivals: HashMap::new(),
            crowded_out: BTreeSet::new(),
            dependents: HashMap::new(),
            again: HashMap::new(),
            unwatched: BTreeSet::new(),
            complaint: None,
        };
        directory.watch.wish(&directory.path);
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
        while let Some(events) = gather(&self.events, self.next_look(), QUIET, PATIENCE) {
            let mut names = self.due();
            // What happened while it was not watched, nobody has told.
            let mut anything = !self.watch.has(&self.path);
            self.watch.wish(&self.path);
            for event in &events {
                match event {
                    Event::Anything | Event::Asked(_) => anything = true,
                    Event::Changed(paths) => paths.iter().for_each(|path| anything |= !self.concerns(path, &mut names)),
                }
            }
            if anything {
                names.extend(self.all_names());
            }
            self.look_at(names);
            // Who has asked is told now.
            drop(events);
        }
    }

    /// Adds the names that a change at `path` concerns. Returns whether these are all; if not, a directory is gone that
    /// was watched.
    fn concerns(&mut self, path: &Path, names: &mut BTreeSet<OsString>) -> bool {
        if let Some(names_there) = self.dependents.get(path) {
            names.extend(names_there.iter().cloned());
        }
        if let Some(name) = path.file_name().filter(|_| path.parent() == Some(&self.path)) {
            names.insert(name.into());
        }
        // An event about a directory itself ends the watch, or means that its path leads elsewhere now.
        !self.watch.forget(path)
    }

    /// How long nothing needs to be looked at, if nothing happens.
    fn next_look(&self) -> Option<Duration> {
        let unwatched = !(self.unwatched.is_empty() && self.watch.has(&self.path));
        let again = self.again.values().min().map(|again| again.saturating_duration_since(Instant::now()));
        again.into_iter().chain(unwatched.then_some(UNWATCHED)).min()
    }

    /// The names whose time has come to be looked at again.
    fn due(&self) -> BTreeSet<OsString> {
        let now = Instant::now();
        let waiting = self.again.iter().filter(|(_, again)| **again <= now).map(|(name, _)| name);
        waiting.chain(&self.unwatched).cloned().collect()
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
                    self.messages.say(&format!("{}: {error}", self.path.display()));
                }
                self.complaint = complaint;
            }
        }
        names
    }

    /// Finds out what these names are now, and lets their hosts serve that.
    fn look_at(&mut self, mut names: BTreeSet<OsString>) {
        // Files that begin with a dot are those that are on their way to another name.
        names.retain(|name| match &self.names {
            Names::Hosts => !name.as_encoded_bytes().starts_with(b"."),
            Names::Only(only) => name == only,
        });
        for name in &names {
            self.watch_for(name);
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
                    Finding::Refused { file, reason, until: Until::Room }
                }
                finding => finding,
            };
            (name, finding)
        };
        let names: Vec<_> = names.into_iter().collect();
        let findings = names.into_par_iter().map(look).collect();
        self.apply(findings);
    }

    /// Watches what a name leads through, before it is looked at: what happens afterwards is an event.
    fn watch_for(&mut self, name: &OsStr) {
        let mut steps = steps(&self.path, name);
        steps.remove(&self.path.join(name));
        let entry = self.entries.entry(name.into()).or_default();
        let former = std::mem::take(&mut entry.leads_through);
        let mut is_unwatched = false;
        for step in &steps {
            let directory = directory_of(step);
            let has_it = directory == self.path || former.contains(step) && self.watch.has(directory);
            is_unwatched |= !(has_it || self.watch.acquire(directory));
            self.dependents.entry(step.clone()).or_default().insert(name.into());
        }
        if is_unwatched {
            self.unwatched.insert(name.into());
        } else {
            self.unwatched.remove(name);
        }
        entry.leads_through.clone_from(&steps);
        former.difference(&steps).for_each(|step| self.forget_step(step, name));
    }

    /// A name leads through a step no more.
    fn forget_step(&mut self, step: &Path, name: &OsStr) {
        let directory = directory_of(step);
        if directory != self.path {
            self.watch.release(directory);
        }
        if let Some(names) = self.dependents.get_mut(step) {
            names.remove(name);
            if names.is_empty() {
                self.dependents.remove(step);
            }
        }
    }

    /// Lets hosts serve what was found.
    fn apply(&mut self, findings: Vec<(OsString, Finding)>) {
        let is_first = self.owners.is_empty();
        let (mut sites, mut gone, mut overwritten) = (Vec::new(), Vec::new(), Vec::new());
        for (name, finding) in findings {
            let entry = self.entries.entry(name.clone()).or_default();
            self.again.remove(&name);
            if !matches!(finding, Finding::Absent) {
                entry.gone_since = None;
            }
            // A webroot that somebody writes to is not what was opened.
            let former =
                entry.served.as_ref().filter(|served| served.is_written_to()).map(|served| served.site.clone());
            match finding {
                Finding::Opened { file, mapped } => {
                    entry.seen = Some(file);
                    overwritten.extend(former);
                    sites.extend(self.serve(&name, file, *mapped, is_first));
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
                    entry.seen = (until != Until::Later).then_some(file);
                    let is_served_on = entry.served.is_some() && former.is_none();
                    let then = if is_served_on { "the former one is served on" } else { "it is not served" };
                    let message = format!("{reason}\n{then}");
                    let refused = Some((file, reason));
                    if std::mem::replace(&mut entry.refused, refused.clone()) != refused {
                        self.say(&name, &message);
                    }
                }
            }
            if former.is_some_and(|site| site.withdraw()) {
                self.say(&name, &format!("it was written to while it was served; {OUT_OF_SERVICE}"));
            }
        }
        self.hosts.change(sites, &gone);
        // What is still being sent of these is not what was promised.
        for site in overwritten {
            site.withdraw();
        }
    }

    /// Makes a site of a webroot, if there is a host for it.
    fn serve(
        &mut self,
        name: &OsStr,
        file: Fingerprint,
        mapped: Mapped,
        is_first: bool,
    ) -> Option<(HostName, Arc<Site>)> {
        let host = match (&self.names, name.to_str()) {
            (Names::Only(_), _) => Ok(HostName::Default),
            (Names::Hosts, Some(name)) => HostName::of_file(name),
            (Names::Hosts, None) => Err("is no name of a host".into()),
        };
        let host = match host {
            Ok(host) => host,
            Err(wrong) => {
                self.say_plainly(name, &wrong);
                return None;
            }
        };
        if let Some(owner) = self.owners.get(&host).filter(|owner| *owner != name) {
            self.say_plainly(name, &format!("is for the same host as {}, which is served", owner.display()));
            self.rivals.entry(host).or_default().insert(name.into());
            return None;
        }
        if !is_first {
            let build: String = mapped.webroot().build_id()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
            self.say(name, &format!("serving build {build}, {} resources", mapped.webroot().resources().len()));
        }
        let site = Arc::new(Site::new(mapped, self.path.join(name).display().to_string()));
        if let Some(scrubber) = &self.scrubber {
            scrubber.add(&site);
        }
        self.owners.insert(host.clone(), name.into());
        if let Some(entry) = self.entries.get_mut(name) {
            entry.served = Some(Served { host: host.clone(), site: site.clone(), file });
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
        let rivals = self.rivals.remove(&host).unwrap_or_default();
        for other in rivals.into_iter().chain(std::mem::take(&mut self.crowded_out)) {
            if let Some(entry) = self.entries.get_mut(&other) {
                entry.seen = None;
                self.again.insert(other, now);
            }
        }
        Some(host)
    }

    /// Forgets a name under which there is nothing, unless it still leads somewhere.
    fn drop_entry(&mut self, name: &OsStr) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.served = None;
        if !self.path.join(name).is_symlink() {
            let steps = std::mem::take(&mut entry.leads_through);
            steps.iter().for_each(|step| self.forget_step(step, name));
            self.entries.remove(name);
            self.again.remove(name);
            self.unwatched.remove(name);
            self.crowded_out.remove(name);
        }
    }

    /// Says something about a file.
    fn say(&self, name: &OsStr, message: &str) {
        self.messages.say(&format!("{}: {message}", self.path.join(name).display()));
    }

    /// The same, where the name begins the sentence.
    fn say_plainly(&self, name: &OsStr, message: &str) {
        self.messages.say(&format!("{} {message}", self.path.join(name).display()));
    }
}

/// Looks at `path`, where `seen` was when it was last looked at.
fn find(path: &Path, seen: Option<Fingerprint>, verify: Verify) -> Finding {
    // A pipe is not waited for.
    let opened = File::options().read(true).custom_flags(NONBLOCK).open(path);
    let opened = opened.and_then(|file| Ok((file.metadata()?, file)));
    let (metadata, file) = match (opened, path.metadata()) {
        (Ok(opened), _) => opened,
        (Err(error), Ok(metadata)) if error.kind() != io::ErrorKind::NotFound => {
            let (file, reason) = (Fingerprint::from(&metadata), error.to_string());
            return Finding::Refused { file, reason, until: Until::Later };
        }
        (Err(_), _) => return Finding::Absent,
    };
    let fingerprint = Fingerprint::from(&metadata);
    if seen == Some(fingerprint) {
        return Finding::Nothing;
    }
    if metadata.is_file() && is_being_written(&file, &metadata) {
        return Finding::Unfinished;
    }
    let refused = |reason, until| Finding::Refused { file: fingerprint, reason, until };
    let mapped = match Mapped::from_file(file) {
        Ok(mapped) => mapped,
        Err(error @ OpenFileError::Io(_)) => return refused(error.to_string(), Until::Later),
        Err(error @ OpenFileError::Format(_)) => return refused(error.to_string(), Until::Changed),
    };
    if verify == Verify::Open
        && let Some(damage) = check::contents(&mapped.webroot()).into_iter().next()
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

/// Whether somebody may still be writing to a file.
fn is_being_written(file: &File, metadata: &std::fs::Metadata) -> bool {
    sys::has_writer(file).unwrap_or_else(|| {
        let age = metadata.modified().ok().and_then(|modified| modified.elapsed().ok());
        age.is_some_and(|age| age < SETTLED)
    })
}

/// What decides which file `name` in `directory` is: the paths of all links on the way, and of the file in the end.
fn steps(directory: &Path, name: &OsStr) -> BTreeSet<PathBuf> {
    /// As many as the kernel follows.
    const MOST_LINKS: usize = 40;
    let mut found = BTreeSet::new();
    let mut here = directory.to_path_buf();
    let mut ahead = vec![PathBuf::from(name)];
    let mut links = 0;
    while let Some(path) = ahead.pop() {
        let mut components = path.components();
        let Some(first) = components.next() else { continue };
        if !components.as_path().as_os_str().is_empty() {
            ahead.push(components.as_path().to_path_buf());
        }
        match first {
            Component::Prefix(_) | Component::CurDir => continue,
            Component::RootDir => {
                here = PathBuf::from("/");
                continue;
            }
            Component::ParentDir => {
                here.pop();
                continue;
            }
            Component::Normal(_) => {}
        }
        let next = here.join(first);
        match next.read_link() {
            Ok(target) if links < MOST_LINKS => {
                links += 1;
                found.insert(next);
                ahead.push(target);
            }
            _ => {
                if ahead.is_empty() {
                    found.insert(next.clone());
                }
                here = next;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_one_by_one() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        for directory in ["hosts", "releases/1", "files"] {
            std::fs::create_dir_all(root.join(directory)).expect("a directory");
        }
        symlink("releases/1", root.join("current")).expect("a link");
        symlink("../current/a.webroot", root.join("hosts/a")).expect("a link");
        symlink(root.join("files/b.webroot"), root.join("hosts/b")).expect("a link");
        symlink("loop", root.join("hosts/loop")).expect("a link");
        symlink("../missing/x", root.join("hosts/lost")).expect("a link");
        std::fs::write(root.join("hosts/c"), "").expect("a file");
        let found = |name: &str| {
            let all = steps(&root.join("hosts"), OsStr::new(name));
            let shown = |path: &PathBuf| path.strip_prefix(&root).expect("a path below").display().to_string();
            all.iter().map(shown).collect::<Vec<_>>()
        };
        assert_eq!(found("a"), ["current", "hosts/a", "releases/1/a.webroot"]);
        assert_eq!(found("b"), ["files/b.webroot", "hosts/b"]);
        assert_eq!(found("c"), ["hosts/c"]);
        assert_eq!(found("none"), ["hosts/none"]);
        assert_eq!(found("loop"), ["hosts/loop"]);
        assert_eq!(found("lost"), ["hosts/lost", "missing/x"]);
    }
}

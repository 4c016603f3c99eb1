//! What the kernel tells of changes in directories, boiled down to: look at this again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::way::{Way, below};
use crate::build::walk::Fingerprint;

/// How often a way is looked at again that has changed while it was found: whatever changes more often is told of.
const PERSISTENCE: usize = 8;

/// That something may have changed.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// At these paths.
    Changed(Vec<PathBuf>),
    /// Anywhere: the kernel has lost count, or something could not be watched.
    Anything,
    /// Somebody asks for a look at everything, and waits until this is dropped.
    Asked(#[allow(dead_code)] Sender<()>), // whose end is what is waited for
}

/// Asks for a look at everything, and returns when that is done.
pub(super) fn ask(events: &Sender<Event>) {
    let (asking, done) = channel();
    if events.send(Event::Asked(asking)).is_ok() {
        // Nothing is ever sent; the end of the other side is the answer.
        let _ = done.recv();
    }
}

/// Directories that are watched, by paths that do not lead through links, with those above: the kernel watches directories,
/// not paths, and only who watches the one above hears that a path leads to another directory from now on.
#[derive(Debug)]
pub(super) struct Watch {
    /// Or why there is none.
    watcher: Result<RecommendedWatcher, String>,
    events: Sender<Event>,
    directories: BTreeMap<PathBuf, Watched>,
    /// One that is watched with all that lies below.
    tree: Option<(PathBuf, State)>,
}

#[derive(Debug)]
struct Watched {
    /// How many want it to be.
    wishes: usize,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The directory with this identity is being watched.
    Watched((u64, u64)),
    /// There is none. The one above tells when there is.
    Absent,
    /// It cannot be, for this reason.
    Unwatched(String),
}

impl Watch {
    /// Watches nothing yet; what changes will be sent to `events`.
    pub fn new(events: Sender<Event>) -> Watch {
        Watch { watcher: watcher(events.clone()), events, directories: BTreeMap::new(), tree: None }
    }

    /// Watches the entries of `directory` for one more.
    pub fn acquire(&mut self, directory: &Path) {
        if let Some(watched) = self.directories.get_mut(directory) {
            watched.wishes += 1;
            return;
        }
        if let Some(above) = directory.parent() {
            self.acquire(above);
        }
        let state = self.try_to_watch(directory);
        self.directories.insert(directory.to_path_buf(), Watched { wishes: 1, state });
    }

    /// Watches the entries of `directory` for one less.
    pub fn release(&mut self, directory: &Path) {
        let Some(watched) = self.directories.get_mut(directory) else { return };
        watched.wishes -= 1;
        if watched.wishes > 0 {
            return;
        }
        self.directories.remove(directory);
        if !self.is_in_tree(directory) {
            self.unwatch(directory);
        }
        if let Some(above) = directory.parent() {
            self.release(above);
        }
    }

    /// Watches the way that `find` finds, instead of `former`, one that it has found before. Returns it.
    pub fn follow(&mut self, former: Way, find: impl Fn() -> Way) -> Way {
        let mut known = former;
        for _ in 0..PERSISTENCE {
            let found = find();
            if found == known {
                break;
            }
            found.steps.difference(&known.steps).for_each(|step| self.acquire(above(step)));
            known.steps.difference(&found.steps).for_each(|step| self.release(above(step)));
            // Only now it would be told of.
            known = found;
        }
        known
    }

    /// Watches the way that `path`, an absolute one, leads, instead of `former`, where it led before. Returns it.
    pub fn follow_path(&mut self, former: Way, path: &Path) -> Way {
        self.follow(former, || Way::of(Path::new("/"), path))
    }

    /// Watches all that lies below `directory`, now and later, and nothing else in this way.
    pub fn watch_tree(&mut self, directory: &Path) {
        match self.tree.take() {
            Some(tree) if tree.0 == directory => {
                self.tree = Some(tree);
                return;
            }
            Some((former, _)) => {
                self.unwatch(&former);
                self.release(above(&former));
            }
            None => {}
        }
        self.acquire(above(directory));
        self.tree = Some((directory.to_path_buf(), State::Absent));
        // What was watched by itself may be part of it now, or not any more.
        self.renew(Path::new("/"));
    }

    /// Whether something is watched at `path` or below: what happens there to a directory can end that.
    pub fn watches(&self, path: &Path) -> bool {
        below(&self.directories, path).next().is_some() || self.tree.as_ref().is_some_and(|(tree, _)| tree == path)
    }

    /// Watches anew what is watched at `path` and below.
    pub fn renew(&mut self, path: &Path) {
        if let Some((tree, _)) = self.tree.take_if(|(tree, _)| tree.starts_with(path)) {
            self.unwatch(&tree);
            let state = self.state_of(&tree, RecursiveMode::Recursive);
            self.tree = Some((tree, state));
        }
        let directories: Vec<_> = below(&self.directories, path).map(|(directory, _)| directory.clone()).collect();
        for directory in directories {
            let state = self.try_to_watch(&directory);
            if let Some(watched) = self.directories.get_mut(&directory) {
                watched.state = state;
            }
        }
    }

    /// Directories that cannot be watched: what happens there must be looked for.
    pub fn unwatched(&self) -> impl Iterator<Item = &Path> {
        self.reasons().map(|(directory, _)| directory)
    }

    /// Whether there are such.
    pub fn is_blind(&self) -> bool {
        self.unwatched().next().is_some()
    }

    /// Why the tree cannot be watched, if that is so.
    pub fn complaint(&self) -> Option<&str> {
        self.reasons().find(|(directory, _)| self.is_in_tree(directory)).map(|(_, reason)| reason)
    }

    fn reasons(&self) -> impl Iterator<Item = (&Path, &str)> {
        let directories = self.directories.iter().map(|(directory, watched)| (directory, &watched.state));
        let tree = self.tree.iter().map(|(tree, state)| (tree, state));
        tree.chain(directories).filter_map(|(directory, state)| match state {
            State::Unwatched(reason) => Some((directory.as_path(), reason.as_str())),
            State::Watched(_) | State::Absent => None,
        })
    }

    /// Where some cannot be watched, those below them may be others by now, and nobody has told. Watches these, and what can
    /// be watched now; returns where something is different.
    pub fn look_around(&mut self) -> Vec<PathBuf> {
        if self.watcher.is_err() {
            self.watcher = watcher(self.events.clone());
        }
        let known = self.directories.iter().map(|(directory, watched)| (directory, &watched.state));
        let known = known.chain(self.tree.iter().map(|(tree, state)| (tree, state)));
        let known: Vec<_> = known.map(|(directory, state)| (directory.clone(), state.clone())).collect();
        let mut different = Vec::new();
        for (directory, state) in known {
            let is_other = match &state {
                State::Watched(identity) => identity_of(&directory) != Some(*identity),
                State::Absent => identity_of(&directory).is_some(),
                State::Unwatched(_) => true,
            };
            if !is_other {
                continue;
            }
            self.renew(&directory);
            let tree = self.tree.as_ref().filter(|(tree, _)| *tree == directory).map(|(_, state)| state);
            if tree.or(self.directories.get(&directory).map(|watched| &watched.state)) != Some(&state) {
                different.push(directory);
            }
        }
        different
    }

    fn is_in_tree(&self, directory: &Path) -> bool {
        self.tree.as_ref().is_some_and(|(tree, _)| directory.starts_with(tree))
    }

    fn try_to_watch(&mut self, directory: &Path) -> State {
        if self.is_in_tree(directory) {
            // A watch of its own would end that of what lies below.
            return identity_of(directory).map_or(State::Absent, State::Watched);
        }
        self.unwatch(directory);
        self.state_of(directory, RecursiveMode::NonRecursive)
    }

    fn unwatch(&mut self, directory: &Path) {
        if let Ok(watcher) = &mut self.watcher {
            // One that is gone is not watched any more, which is no error here.
            let _ = watcher.unwatch(directory);
        }
    }

    fn state_of(&mut self, directory: &Path, mode: RecursiveMode) -> State {
        let watched = match &mut self.watcher {
            Ok(watcher) => watcher.watch(directory, mode),
            Err(reason) => return State::Unwatched(reason.clone()),
        };
        match (watched, identity_of(directory)) {
            (Ok(()), Some(identity)) => State::Watched(identity),
            (Err(error), Some(_)) if !matches!(error.kind, ErrorKind::PathNotFound) => {
                State::Unwatched(error.to_string())
            }
            _ => State::Absent,
        }
    }
}

/// The directory that an absolute path lies in.
fn above(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// The identity of a directory.
fn identity_of(directory: &Path) -> Option<(u64, u64)> {
    Some(Fingerprint::from(&directory.symlink_metadata().ok()?).identity())
}

/// What hears of changes, and sends them to `events`.
fn watcher(events: Sender<Event>) -> Result<RecommendedWatcher, String> {
    let tell = move |result: notify::Result<notify::Event>| {
        let event = match result {
            Ok(event) if event.need_rescan() => Event::Anything,
            Ok(event) if is_change(&event.kind) => Event::Changed(event.paths),
            Ok(_) => return,
            // A watch that could not be set up: only a look can tell what was missed.
            Err(_) => Event::Anything,
        };
        // Nobody listens any more when the program ends.
        let _ = events.send(event);
    };
    // Links are followed by who asks for a watch, to where they lead.
    let config = Config::default().with_follow_symlinks(false);
    RecommendedWatcher::new(tell, config).map_err(|error| error.to_string())
}

/// Whether something can look different after such an event. Reading changes nothing.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// Changes that concern us: all until none has come for `quiet`, but not for longer than `patience`, if there is one within
/// `timeout`. A sender must be kept, or this returns at once.
pub(super) fn gather(
    events: &Receiver<Event>,
    timeout: Option<Duration>,
    (quiet, patience): (Duration, Duration),
    concerns: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let mut gathered = Vec::new();
    let mut until = timeout.map(|timeout| Instant::now() + timeout);
    let mut latest = None;
    loop {
        let received = match until {
            Some(until) => events.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let Ok(event) = received else { return gathered };
        let now = Instant::now();
        if concerns(&event) {
            gathered.push(event);
            let latest = *latest.get_or_insert(now + patience);
            until = Some(latest.min(now + quiet));
        }
        if until.is_some_and(|until| until <= now) {
            return gathered;
        }
    }
}

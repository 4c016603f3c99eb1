//! What the kernel tells of changes in directories, boiled down to: look at this again.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};

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

/// Directories that are watched.
#[derive(Debug)]
pub(super) struct Watch {
    /// Or why there is none.
    watcher: Result<RecommendedWatcher, String>,
    /// How many want to know of each.
    wanted: HashMap<PathBuf, usize>,
}

impl Watch {
    /// Watches nothing yet; what changes will be sent to `events`. If the kernel tells nobody more of changes, nothing ever
    /// is watched.
    pub fn new(events: Sender<Event>) -> Watch {
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
        let watcher = RecommendedWatcher::new(tell, config).map_err(|error| error.to_string());
        Watch { watcher, wanted: HashMap::new() }
    }

    /// Watches the entries of `directory` for one more. Returns whether it is being watched.
    pub fn acquire(&mut self, directory: &Path) -> bool {
        if let Some(count) = self.wanted.get_mut(directory) {
            *count += 1;
            return true;
        }
        let is_watched = self.try_to_watch(directory, RecursiveMode::NonRecursive).is_ok();
        if is_watched {
            self.wanted.insert(directory.to_path_buf(), 1);
        }
        is_watched
    }

    /// Watches the entries of `directory` unless that is done already. Returns whether it is being watched.
    pub fn wish(&mut self, directory: &Path) -> bool {
        self.has(directory) || self.acquire(directory)
    }

    /// Whether a directory is being watched.
    pub fn has(&self, directory: &Path) -> bool {
        self.wanted.contains_key(directory)
    }

    /// Watches `directory` for one less.
    pub fn release(&mut self, directory: &Path) {
        let Some(count) = self.wanted.get_mut(directory) else { return };
        *count -= 1;
        if *count == 0 {
            self.forget(directory);
        }
    }

    /// Ends the watch of a directory, for instance because it is gone. Returns whether there was one.
    pub fn forget(&mut self, directory: &Path) -> bool {
        self.unwatch(directory);
        self.wanted.remove(directory).is_some()
    }

    fn unwatch(&mut self, directory: &Path) {
        if let Ok(watcher) = &mut self.watcher {
            // One that is gone is not watched any more, which is no error here.
            let _ = watcher.unwatch(directory);
        }
    }

    fn try_to_watch(&mut self, directory: &Path, mode: RecursiveMode) -> Result<(), String> {
        let watcher = self.watcher.as_mut().map_err(|error| error.clone())?;
        watcher.watch(directory, mode).map_err(|error| error.to_string())
    }

    /// Watches all that lies below `directory`, now and later.
    ///
    /// # Errors
    ///
    /// Why not, if the kernel does not give so many watches.
    pub fn watch_tree(&mut self, directory: &Path) -> Result<(), String> {
        self.unwatch(directory);
        self.try_to_watch(directory, RecursiveMode::Recursive)
    }
}

/// Whether something can look different after such an event. Reading changes nothing.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// All changes until none has come for `quiet`, but not for longer than `patience`, if there is one within `timeout`.
/// `None` if nobody is left to tell of any.
pub(super) fn gather(
    events: &Receiver<Event>,
    timeout: Option<Duration>,
    quiet: Duration,
    patience: Duration,
) -> Option<Vec<Event>> {
    let first = match timeout {
        None => events.recv().ok()?,
        Some(timeout) => match events.recv_timeout(timeout) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return None,
        },
    };
    let deadline = Instant::now() + patience;
    let mut gathered = vec![first];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.recv_timeout(quiet.min(left)) {
            Ok(event) => gathered.push(event),
            Err(_) => return Some(gathered),
        }
        if left.is_zero() {
            return Some(gathered);
        }
    }
}

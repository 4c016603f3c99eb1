//! A site that is edited → packed again whenever it has changed.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::watch::{Event, Watch, ask, gather};
use crate::build::config::FILE_NAME;
use crate::build::replace::target_of;
use crate::build::{BuildError, Report, Warning};
use crate::resource::Note;
use crate::runtime::Messages;

/// Whoever edits a site changes several files at a time: nothing must have happened for so long.
const QUIET: Duration = Duration::from_millis(50);
/// A site that never comes to rest is packed all the same after so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a site is looked at that cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(2);
/// How soon it is tried again where files changed while they were read.
const UNREST: Duration = Duration::from_millis(200);

/// A site that is being watched.
#[derive(Debug)]
pub struct Tree {
    site: PathBuf,
    /// The file of settings, if it is another than the site's own.
    settings: Option<PathBuf>,
    /// A file in the site that is no part of it.
    ignored: Option<PathBuf>,
    watch: Watch,
    events: Receiver<Event>,
    sender: Sender<Event>,
    messages: Messages,
    is_watched: bool,
}

impl Tree {
    /// Watches the site in the directory `site`, and the file of `settings` if it lies elsewhere.
    ///
    /// # Errors
    ///
    /// If the site is not there.
    pub fn watch(site: &Path, settings: Option<&Path>, messages: Messages) -> io::Result<Tree> {
        let (sender, events) = channel();
        let settings = settings.map(Path::canonicalize).transpose()?;
        let site = site.canonicalize()?;
        let watch = Watch::new(sender.clone());
        let mut tree = Tree { site, settings, ignored: None, watch, events, sender, messages, is_watched: false };
        if let Err(error) = tree.watch_all() {
            let every = UNWATCHED.as_secs();
            tree.messages.say(&format!("{}: {error}; looking every {every} s instead", tree.site.display()));
        }
        Ok(tree)
    }

    /// The same, but changes of `file`, which is what packing makes, are none of the site.
    pub fn ignoring(self, file: &Path) -> Tree {
        // Where that cannot be made, packing will say so.
        Tree { ignored: target_of(file).ok(), ..self }
    }

    fn watch_all(&mut self) -> Result<(), String> {
        self.is_watched = false;
        self.watch.watch_tree(&self.site)?;
        let parent = self.settings.as_deref().and_then(Path::parent);
        self.is_watched = parent.is_none_or(|parent| self.watch.wish(parent));
        Ok(())
    }

    /// What asks for the site to be packed again, and returns when that is done.
    pub fn repack(&self) -> impl Fn() + Send + Sync + 'static {
        let sender = self.sender.clone();
        move || ask(&sender)
    }

    /// Calls `pack` whenever something has changed, for as long as the process lives.
    pub fn follow(mut self, mut pack: impl FnMut() -> Result<(), BuildError>) {
        let (mut again, mut took) = (None, Duration::ZERO);
        let mut complaint = String::new();
        loop {
            // Where nobody tells of changes, looking for them must not be all that is done.
            let unwatched = (!self.is_watched).then(|| UNWATCHED.max(took * 10));
            let timeout = again.into_iter().chain(unwatched).min();
            let Some(events) = gather(&self.events, timeout, QUIET, PATIENCE) else { return };
            self.is_watched &= !events.iter().any(|event| self.ends_watch(event));
            if !self.is_watched {
                // What cannot be watched now perhaps can be later.
                let _ = self.watch_all();
            }
            if !events.is_empty() && !events.iter().any(|event| self.concerns(event)) {
                continue;
            }
            let began = Instant::now();
            again = None;
            match pack() {
                Ok(()) => complaint.clear(),
                Err(BuildError::Changed { .. } | BuildError::Vanished { .. }) => again = Some(UNREST),
                Err(error) => {
                    let message = format!("{error}\nthe site is left as it was");
                    if message != complaint {
                        self.messages.say(&message);
                    }
                    complaint = message;
                }
            }
            took = began.elapsed();
            // Who has asked is told now.
            drop(events);
        }
    }

    /// Whether after an event it must be watched anew: the kernel has lost count, or the site's own directory is another.
    fn ends_watch(&self, event: &Event) -> bool {
        match event {
            Event::Anything | Event::Asked(_) => true,
            Event::Changed(paths) => paths.contains(&self.site),
        }
    }

    /// Whether an event is about something that is packed, or decides how.
    fn concerns(&self, event: &Event) -> bool {
        let Event::Changed(paths) = event else { return true };
        paths.iter().filter(|path| Some(*path) != self.ignored.as_ref()).any(|path| {
            match path.strip_prefix(&self.site) {
                Ok(inside) => {
                    let is_settings = path.file_name().is_some_and(|name| name == FILE_NAME);
                    let place = if is_settings { inside.parent().unwrap_or(inside) } else { inside };
                    !place.iter().any(|segment| segment.as_bytes().starts_with(b"."))
                }
                Err(_) => self.settings.as_ref() == Some(path),
            }
        })
    }
}

/// Reports what was not reported before: a site that is packed again and again has the same oddities each time.
pub struct News<R> {
    inner: R,
    known: RefCell<HashSet<String>>,
}

impl<R: Report> News<R> {
    /// Reports to `inner`.
    pub fn new(inner: R) -> News<R> {
        News { inner, known: RefCell::default() }
    }

    /// Where it reports to.
    pub fn inner(&self) -> &R {
        &self.inner
    }

    /// The same, from now on to another.
    pub fn then<S>(self, inner: S) -> News<S> {
        News { inner, known: self.known }
    }

    fn is_new(&self, what: String) -> bool {
        self.known.borrow_mut().insert(what)
    }
}

impl<R: Report> Report for News<R> {
    fn begin(&self, files: u64, bytes: u64) {
        self.inner.begin(files, bytes);
    }

    fn advance(&self, bytes: u64) {
        self.inner.advance(bytes);
    }

    fn warn(&self, warning: &Warning) {
        if self.is_new(format!("{}\0{}", warning.path.display(), warning.what)) {
            self.inner.warn(warning);
        }
    }

    fn notes(&self, site: &Path, notes: &[Note]) {
        let new: Vec<_> = notes.iter().filter(|note| self.is_new(note.to_string())).cloned().collect();
        self.inner.notes(site, &new);
    }
}

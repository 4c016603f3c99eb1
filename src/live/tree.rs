//! A site that is edited → packed again whenever it has changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::watch::{Event, Watch, ask, gather};
use super::way::Way;
use crate::build::config::FILE_NAME;
use crate::build::replace::target_of;
use crate::build::{BuildError, ConfigError, Report, Snapshot, Survey, Warning};
use crate::resource::Note;
use crate::runtime::Messages;

/// Whoever edits a site changes several files at a time: nothing must have happened for so long.
const QUIET: Duration = Duration::from_millis(50);
/// A site that never comes to rest is packed all the same after so long.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a site is looked at that cannot be watched, or could not be packed for a reason that may pass.
const UNTOLD: Duration = Duration::from_secs(2);
/// How soon it is tried again where files changed while they were read.
const UNREST: Duration = Duration::from_millis(200);
/// For so many times as long as packing takes nothing is done that nobody has asked for.
const IDLE: u32 = 10;
/// How many different things are remembered to have been reported.
const MOST_NEWS: usize = 10_000;

/// Who packs a site.
pub trait Pack {
    /// What there is to pack now.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or says what is not understood.
    fn survey(&mut self) -> Result<Survey, BuildError>;

    /// Packs it again; `former` is what was seen the last time.
    ///
    /// # Errors
    ///
    /// If that cannot be done; then all is as it was.
    fn pack(&mut self, survey: Survey, former: &Snapshot) -> Result<Snapshot, BuildError>;
}

/// A site that is being watched.
#[derive(Debug)]
pub struct Tree {
    /// As it was said, but absolute.
    site: PathBuf,
    /// Where that leads.
    way: Way,
    /// The file that holds the settings of the site as a whole.
    root_settings: PathBuf,
    /// Where that and other files of settings lead.
    settings: BTreeMap<PathBuf, Way>,
    /// A file in the site that is no part of it.
    ignored: Option<PathBuf>,
    watch: Watch,
    events: Receiver<Event>,
    sender: Sender<Event>,
    messages: Messages,
    suspects: Suspects,
}

/// What may have changed since the site was last packed.
#[derive(Debug, Default)]
struct Suspects {
    anything: bool,
    /// These files, by their keys.
    keys: HashSet<Vec<u8>>,
    /// Something could not be read, so it is perhaps not watched either.
    unread: bool,
}

impl Suspects {
    fn contains(&self, key: &[u8]) -> bool {
        self.anything || self.keys.contains(key)
    }
}

impl Tree {
    /// Watches the site in the directory `site`, and the file of `settings` if it has another than its own.
    ///
    /// # Errors
    ///
    /// If there is no current directory that the paths could begin at.
    pub fn watch(site: &Path, settings: Option<&Path>, messages: Messages) -> io::Result<Tree> {
        let (sender, events) = channel();
        let site = std::path::absolute(site)?;
        let mut tree = Tree {
            way: Way::default(),
            root_settings: settings.map_or_else(|| Ok(site.join(FILE_NAME)), std::path::absolute)?,
            settings: BTreeMap::new(),
            site,
            ignored: None,
            watch: Watch::new(sender.clone()),
            events,
            sender,
            messages,
            suspects: Suspects::default(),
        };
        tree.locate();
        tree.follow_settings([]);
        if let Some(reason) = tree.watch.complaint() {
            let every = UNTOLD.as_secs();
            tree.messages.say(&format!("{}: {reason}; looking every {every} s instead", tree.site.display()));
        }
        Ok(tree)
    }

    /// The same, but changes of `file`, which is what packing makes, are none of the site.
    pub fn ignoring(self, file: &Path) -> Tree {
        // Where that cannot be made, packing will say so.
        Tree { ignored: target_of(file).ok(), ..self }
    }

    /// What asks for the site to be looked at, and returns when it is packed if it has changed.
    pub fn repack(&self) -> impl Fn() + Send + Sync + 'static {
        let sender = self.sender.clone();
        move || ask(&sender)
    }

    /// Finds out where the site is.
    fn locate(&mut self) {
        let former = std::mem::take(&mut self.way);
        self.way = self.watch.follow_path(former, &self.site);
        self.watch.watch_tree(&self.way.end);
    }

    /// Watches files of settings, these and that of the site as a whole.
    fn follow_settings<'p>(&mut self, paths: impl IntoIterator<Item = &'p Path>) {
        let mut former = std::mem::take(&mut self.settings);
        let paths = paths.into_iter().filter_map(|path| std::path::absolute(path).ok());
        let paths: BTreeSet<_> = paths.chain([self.root_settings.clone()]).collect();
        for path in paths {
            let way = former.remove(&path).unwrap_or_default();
            let way = self.watch.follow_path(way, &path);
            self.settings.insert(path, way);
        }
        for way in former.into_values() {
            self.watch.follow(way, Way::default);
        }
    }

    /// Has `packer` pack the site whenever it has changed, for as long as the process lives; `former` is what was seen the
    /// first time.
    pub fn follow(mut self, mut former: Snapshot, mut packer: impl Pack) {
        self.follow_settings(former.settings());
        let (mut again, mut took) = (None, Duration::ZERO);
        let mut complaint = None;
        loop {
            let untold = self.watch.is_blind().then(|| UNTOLD.max(took * IDLE));
            let again_in = again.map(|again: Instant| again.saturating_duration_since(Instant::now()));
            let timeout = again_in.into_iter().chain(untold).min();
            let events = gather(&self.events, timeout, (QUIET, PATIENCE), |event| self.concerns(event));
            let is_due = again.is_some_and(|again| again <= Instant::now());
            if !(self.has_happened(&events) || is_due) {
                continue;
            }
            let began = Instant::now();
            again = None;
            let packed = packer.survey().and_then(|survey| {
                let is_still = survey.is_still(&former, |key| self.suspects.contains(key));
                if is_still { Ok(None) } else { packer.pack(survey, &former).map(Some) }
            });
            took = began.elapsed();
            match packed {
                Ok(packed) => {
                    (complaint, self.suspects) = (None, Suspects::default());
                    former = packed.unwrap_or(former);
                    self.follow_settings(former.settings());
                }
                Err(BuildError::Changed { .. } | BuildError::Vanished { .. }) => again = Some(began + UNREST),
                Err(error) => {
                    self.suspects.unread |= matches!(error, BuildError::Unreadable { .. });
                    if may_pass(&error) {
                        again = Some(Instant::now() + UNTOLD.max(took * IDLE));
                    }
                    let message = format!("{error}\nthe site is left as it was");
                    if complaint.as_ref() != Some(&message) {
                        self.messages.complain(&message);
                    }
                    complaint = Some(message);
                }
            }
            // Who has asked is told now.
            drop(events);
        }
    }

    /// Whether an event is about something that is packed, or decides what is packed, or how.
    fn concerns(&self, event: &Event) -> bool {
        let Event::Changed(paths) = event else { return true };
        let matters = |path: &PathBuf| {
            self.key_of(path).is_some()
                || self.watch.watches(path)
                || self.way.leads_through(path)
                || self.settings.values().any(|way| way.leads_through(path))
        };
        paths.iter().filter(|path| Some(*path) != self.ignored.as_ref()).any(matters)
    }

    /// The key of what lies at `path`, if that can be part of the site or say how a directory of it is packed.
    fn key_of(&self, path: &Path) -> Option<Vec<u8>> {
        let inside = path.strip_prefix(&self.way.end).ok()?;
        let place = if path.ends_with(FILE_NAME) { inside.parent()? } else { inside };
        let is_hidden = place.iter().any(|segment| segment.as_bytes().starts_with(b"."));
        (!is_hidden).then(|| [b"/", inside.as_os_str().as_bytes()].concat())
    }

    /// Notes what these events, or a look where nobody tells of any, make suspect. Returns whether that is anything.
    fn has_happened(&mut self, events: &[Event]) -> bool {
        let mut moved = BTreeSet::new();
        for event in events {
            match event {
                Event::Anything | Event::Asked(_) => drop(moved.insert(PathBuf::from("/"))),
                Event::Changed(paths) => {
                    for path in paths {
                        if self.watch.watches(path) || self.way.leads_through(path) {
                            moved.insert(path.clone());
                        }
                        self.suspects.keys.extend(self.key_of(path));
                    }
                }
            }
        }
        if !events.is_empty() && std::mem::take(&mut self.suspects.unread) {
            moved.insert(self.way.end.clone());
        }
        moved.iter().for_each(|path| self.watch.renew(path));
        if self.watch.is_blind() {
            moved.extend(self.watch.look_around());
        }
        if !moved.is_empty() || self.is_polled() {
            self.suspects.anything = true;
            self.locate();
        }
        !events.is_empty() || !moved.is_empty() || self.is_polled()
    }

    /// Whether nobody tells of changes of the site, or of what says how it is packed.
    fn is_polled(&self) -> bool {
        let mut ways = self.settings.values().chain([&self.way]);
        let decides = |directory: &Path| ways.any(|way| way.depends_on(directory));
        self.watch.complaint().is_some() || self.watch.unwatched().any(decides)
    }
}

/// Whether packing may succeed the next time without anything having changed in the site.
fn may_pass(error: &BuildError) -> bool {
    match error {
        BuildError::Unreadable { .. } | BuildError::Unwritable { .. } | BuildError::Write(_) => true,
        BuildError::Config(error) => matches!(error, ConfigError::Unreadable { .. }),
        BuildError::NotADirectory { .. } | BuildError::MissingInMaps { .. } => false,
        BuildError::Changed { .. } | BuildError::Vanished { .. } => true,
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
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_NEWS {
            known.clear();
        }
        known.insert(what)
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

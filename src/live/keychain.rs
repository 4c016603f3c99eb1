//! Certificates that are renewed while they are used: files that are read again when they change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use super::watch::{Event, Watch, ask, gather};
use super::way::Way;
use crate::runtime::{Certificates, Identity, Messages, Pair};

/// How long nothing must have changed, and the longest wait for that: a chain and its key are two files.
const REST: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// When to try again what did not fit together, and when to look where nobody tells of changes.
const AGAIN: Duration = Duration::from_secs(1);
/// How often is looked whether certificates are about to expire.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// So long before that somebody should have renewed them, in seconds.
const SOON: u64 = 7 * 24 * 60 * 60;

/// Where certificates are found.
#[derive(Clone, Debug, Default)]
pub struct KeyFiles {
    /// One pair of files.
    pub pair: Option<Pair>,
    /// A directory of such.
    pub directory: Option<PathBuf>,
}

impl KeyFiles {
    /// The files of all certificates.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read, or a name in it is none of a host.
    pub fn pairs(&self) -> Result<Vec<Pair>, String> {
        let mut pairs = Vec::from_iter(self.pair.clone());
        if let Some(directory) = &self.directory {
            pairs.extend(Pair::of_directory(directory)?);
        }
        Ok(pairs)
    }
}

/// Keeps certificates up with their files.
#[derive(Debug)]
pub struct Keychain {
    files: KeyFiles,
    certificates: Arc<Certificates>,
    /// What was read last of each.
    identities: BTreeMap<Pair, Identity>,
    /// What is wrong, as it was said.
    complaint: Option<String>,
    /// The ways to all files, and to the directory.
    ways: BTreeMap<PathBuf, Way>,
    /// Where the directory is.
    inside: Option<PathBuf>,
    events: Receiver<Event>,
    sender: Sender<Event>,
    messages: Messages,
}

impl Keychain {
    /// Reads the certificates in `files`.
    ///
    /// # Errors
    ///
    /// What is wrong with which file, if anything is, or that there is none.
    pub fn open(files: KeyFiles, messages: Messages) -> Result<Keychain, String> {
        let (sender, events) = channel();
        let mut keychain = Keychain {
            files,
            certificates: Arc::default(),
            identities: BTreeMap::new(),
            complaint: None,
            ways: BTreeMap::new(),
            inside: None,
            events,
            sender,
            messages,
        };
        match keychain.read() {
            Some(wrong) => return Err(wrong),
            None if keychain.identities.is_empty() => {
                let directory = keychain.files.directory.unwrap_or_default();
                return Err(format!(
                    "{}: there is no certificate in it, such as example.com.pem with example.com.key",
                    directory.display()
                ));
            }
            None => keychain.warn_of_expiry(),
        }
        Ok(keychain)
    }

    /// The certificates, as they will be at any time.
    pub fn certificates(&self) -> Arc<Certificates> {
        self.certificates.clone()
    }

    /// Has all files looked at, and returns when that is done; to be used while somebody [follows](Keychain::follow) them.
    pub fn rescan(&self) -> impl Fn() + Send + 'static {
        let sender = self.sender.clone();
        move || ask(&sender)
    }

    /// Follows changes, for ever.
    pub fn follow(mut self) {
        let mut next_warning = Instant::now() + DAY;
        let mut watch = Watch::new(self.sender.clone());
        self.follow_files(&mut watch);
        // What has changed since it was opened.
        let mut again = Some(Duration::ZERO);
        loop {
            let blind = watch.is_blind().then_some(AGAIN);
            let warning = next_warning.saturating_duration_since(Instant::now());
            let timeout = [again, blind, Some(warning)].into_iter().flatten().min();
            let events = gather(&self.events, timeout, REST, |event| self.concerns(event));
            if Instant::now() >= next_warning {
                self.warn_of_expiry();
                next_warning = Instant::now() + DAY;
            }
            // A directory on the way may be another one now.
            watch.renew(Path::new("/"));
            self.follow_files(&mut watch);
            let is_second = again.is_some();
            let wrong = self.read();
            again = wrong.as_ref().map(|_| AGAIN);
            // The first time the other file may be on its way.
            if (is_second || wrong.is_none()) && self.complaint != wrong {
                if let Some(wrong) = &wrong {
                    self.messages.complain(&format!("{wrong}\nthe former certificate is used on"));
                }
                self.complaint = wrong;
            }
            // Who has asked is told now.
            drop(events);
        }
    }

    /// Whether an event may be about one of the files.
    fn concerns(&self, event: &Event) -> bool {
        let Event::Changed(paths) = event else { return true };
        let is_inside = |path: &PathBuf| self.inside.as_ref().is_some_and(|inside| path.starts_with(inside));
        paths.iter().any(|path| is_inside(path) || self.ways.values().any(|way| way.leads_through(path)))
    }

    /// Watches the ways to all files.
    fn follow_files(&mut self, watch: &mut Watch) {
        let pairs = self.files.pairs().unwrap_or_default();
        let files = pairs.into_iter().flat_map(|pair| [pair.chain, pair.key]);
        let mut former = std::mem::take(&mut self.ways);
        for file in files.chain(self.files.directory.clone()) {
            if self.ways.contains_key(&file) {
                continue;
            }
            let Ok(absolute) = std::path::absolute(&file) else { continue };
            let way = watch.follow_path(former.remove(&file).unwrap_or_default(), &absolute);
            self.ways.insert(file, way);
        }
        for way in former.into_values() {
            watch.follow(way, Way::default);
        }
        // What appears in the directory is news, too.
        let inside =
            self.files.directory.as_ref().and_then(|directory| self.ways.get(directory)).map(|way| way.end.clone());
        if inside != self.inside {
            inside.iter().for_each(|inside| watch.acquire(inside));
            self.inside.iter().for_each(|inside| watch.release(inside));
            self.inside = inside;
        }
    }

    /// Reads all files, and uses what is right of them; returns what is wrong.
    fn read(&mut self) -> Option<String> {
        let pairs = match self.files.pairs() {
            Ok(pairs) => pairs,
            Err(wrong) => return Some(wrong),
        };
        let mut wrong = None;
        let mut read = BTreeMap::new();
        for pair in pairs {
            let former = self.identities.get(&pair);
            let identity = match pair.read() {
                Ok(identity) => {
                    if former.is_some_and(|former| !former.is_same_as(&identity)) {
                        self.messages.say(&format!("{}: the new certificate is used", pair.chain.display()));
                    }
                    Some(identity)
                }
                Err(why) => {
                    wrong = wrong.or(Some(why));
                    former.cloned()
                }
            };
            read.extend(identity.map(|identity| (pair, identity)));
        }
        self.identities = read;
        self.certificates.replace(&self.identities.values().cloned().collect::<Vec<_>>());
        wrong
    }

    fn warn_of_expiry(&self) {
        let now = SystemTime::now();
        for expiry in self.certificates.expiries() {
            let left = expiry.left(now);
            let file = expiry.file.display();
            match left {
                0 => self.messages.complain(&format!("{file}: the certificate has expired")),
                left if left < SOON => {
                    self.messages.complain(&format!("{file}: the certificate expires in {} hours", left / 3600));
                }
                _ => {}
            }
        }
    }
}

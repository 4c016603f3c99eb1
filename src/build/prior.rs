//! A former packing of the same site: which contents have not changed since, and where in its webroot they lie.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use base64::prelude::{BASE64_STANDARD, Engine};
use rustix::fs::XattrFlags;

use super::config::Source;
use super::survey::Survey;
use super::walk::{Fingerprint, Moment, SourceFile, Tree};
use crate::http::date;
use crate::http::response::field_value;
use crate::webroot::{Mapped, Negotiated, OpenError, OpenFileError, StoredVariant, Target, Webroot};

/// How much older than a packing a file must be to be trusted in the next one. The clocks by which file systems stamp files
/// are coarse, the worst to two seconds: what is written after it was read can bear the date it had before.
const UNCERTAIN: Duration = Duration::from_secs(2);

/// A former packing of the same site, from which unchanged contents are taken unread.
///
/// A content is unchanged if nothing happened to its file since two seconds before that packing began, neither to what it
/// holds nor to its dates, mode or name, and besides:
///
/// - if it is known what the packing saw ([`Prior::knowing`]), the file is the same in all that the file system says of it;
/// - if there is the webroot only, its length is that of the content there, the date of its content is the Last-Modified, and
///   either there are still the same directories, or nothing happened to those above since.
///
/// What cannot be found in the webroot under the file's own whole name is read again: type maps, files dated in the future,
/// files that a redirect hides. Contents are taken as they are in the former webroot, and their digests with them: what
/// was damaged there since is damaged in the new one too, and [`crate::webroot::check::verify`] finds it.
pub struct Prior<'p> {
    webroot: &'p Mapped,
    /// Before when files must be settled.
    trusted: Moment,
    seen: Seen<'p>,
}

/// What is known of what a packing saw.
enum Seen<'p> {
    /// All of its files, by their keys.
    Files(HashMap<&'p [u8], Fingerprint>),
    /// Perhaps which directories there were, see [`Tree::places`].
    Places(Option<u64>),
}

/// What a packing saw of every file: for who packs the same site again and again.
#[derive(Clone, Debug)]
pub struct Snapshot {
    begun: SystemTime,
    site: PathBuf,
    pub(super) places: u64,
    pub(super) files: Vec<(Vec<u8>, Fingerprint)>,
    pub(super) settings: Vec<Source>,
}

impl Snapshot {
    /// Of a packing that saw this.
    pub(super) fn new(survey: Survey) -> Snapshot {
        let Survey { begun, site, tree, configs, .. } = survey;
        let files = tree.files.into_iter().map(|file| (file.key, file.fingerprint)).collect();
        Snapshot { begun, site, places: tree.places, files, settings: configs.sources().cloned().collect() }
    }

    /// When the packing began.
    pub fn begun(&self) -> SystemTime {
        self.begun
    }

    /// The files that said how the site is packed.
    pub fn settings(&self) -> impl Iterator<Item = &Path> {
        self.settings.iter().map(|source| source.path.as_path())
    }

    /// Before when files must be settled to be trusted.
    pub(super) fn trusted(&self) -> Moment {
        trusted(self.begun)
    }

    /// What has happened to the files since `former`, which is of the same site.
    pub fn changes_since(&self, former: &Snapshot) -> Changes {
        let mut before: HashMap<_, _> = former.files.iter().map(|(key, fingerprint)| (key, fingerprint)).collect();
        let mut changes = Changes::default();
        for (key, fingerprint) in &self.files {
            match before.remove(key) {
                None => changes.added.push(key.clone()),
                Some(known) if known != fingerprint => changes.changed.push(key.clone()),
                Some(_) => {}
            }
        }
        changes.removed = before.into_keys().cloned().collect();
        changes.removed.sort();
        changes
    }
}

/// The keys of files that are not what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They were not there.
    pub added: Vec<Vec<u8>>,
    /// They are others, or were written to.
    pub changed: Vec<Vec<u8>>,
    /// They are not there any more.
    pub removed: Vec<Vec<u8>>,
}

impl fmt::Display for Changes {
    /// For one line: how many of which, and the first few.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many are named of each kind.
        const NAMED: usize = 3;
        let kinds = [(&self.changed, "changed"), (&self.added, "added"), (&self.removed, "removed")];
        let mut separator = "";
        for (keys, what) in kinds.into_iter().filter(|(keys, _)| !keys.is_empty()) {
            let named: Vec<_> = keys.iter().take(NAMED).map(|key| String::from_utf8_lossy(key)).collect();
            let more = if keys.len() > NAMED { ", …" } else { "" };
            write!(f, "{separator}{} {what} ({}{more})", keys.len(), named.join(", "))?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("no file changed, but the settings") } else { Ok(()) }
    }
}

/// A content of a former webroot.
pub(super) struct Former<'p> {
    webroot: Webroot<'p>,
    variant: StoredVariant<'p>,
}

impl<'p> Prior<'p> {
    /// The packing that left `webroot` and began at `begun`.
    pub fn new(webroot: &'p Mapped, begun: SystemTime) -> Prior<'p> {
        Prior { webroot, trusted: trusted(begun), seen: Seen::Places(None) }
    }

    /// The same, if what it saw is known: that of this snapshot.
    pub fn knowing(self, snapshot: &'p Snapshot) -> Prior<'p> {
        let seen = snapshot.files.iter().map(|(key, fingerprint)| (key.as_slice(), *fingerprint)).collect();
        Prior { seen: Seen::Files(seen), ..self }
    }

    /// The webroot that contents are taken from.
    pub(super) fn webroot(&self) -> &'p Mapped {
        self.webroot
    }

    /// Whether that is still what the packing left. If not, what was taken from it may be anything.
    pub(super) fn is_untouched(&self) -> bool {
        self.webroot.is_untouched()
    }

    /// The content of a file of `tree`, if it has not changed.
    pub(super) fn find(&self, tree: &Tree, file: &SourceFile) -> Option<Former<'p>> {
        let same = match &self.seen {
            Seen::Files(seen) => seen.get(&file.key[..]) == Some(&file.fingerprint),
            Seen::Places(places) => *places == Some(tree.places) || file.placed < self.trusted,
        };
        if !same || file.settled >= self.trusted {
            return None;
        }
        let webroot = self.webroot.webroot();
        // Besides the file there may be what was made of it.
        let (Target::File(run, _) | Target::Negotiated(Negotiated { run, literal: true, map: false, .. })) =
            webroot.find(&file.key)?.target()
        else {
            return None;
        };
        let is_file = |variant: &StoredVariant<'_>| !variant.is_entry() && !variant.is_derived();
        let former = Former { webroot, variant: run.get(0).filter(is_file)? };
        let unchanged = match self.seen {
            Seen::Files(_) => true,
            Seen::Places(_) => former.field("Last-Modified").and_then(date::parse) == Some(file.modified),
        };
        let Range { start, end } = former.range();
        (unchanged && end - start == file.length).then_some(former)
    }
}

impl<'p> Former<'p> {
    /// Where in the webroot it lies.
    pub fn range(&self) -> Range<u64> {
        self.variant.body()
    }

    /// The content itself.
    pub fn content(&self) -> &'p [u8] {
        self.webroot.bytes(self.range())
    }

    /// BLAKE3.
    pub fn digest(&self) -> [u8; 32] {
        self.variant.digest()
    }

    /// SHA-256, if it was sent.
    pub fn repr_digest(&self) -> Option<[u8; 32]> {
        let value = self.field("Repr-Digest")?.strip_prefix(b"sha-256=:")?.strip_suffix(b":")?;
        BASE64_STANDARD.decode(value).ok()?.try_into().ok()
    }

    fn field(&self, name: &str) -> Option<&'p [u8]> {
        field_value(self.variant.block(), name)
    }
}

/// Before when files must be settled to be trusted in the next packing after one that began then.
fn trusted(begun: SystemTime) -> Moment {
    let time = begun.checked_sub(UNCERTAIN).unwrap_or(SystemTime::UNIX_EPOCH);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos().into())
}

/// Seconds since 1970.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The webroot that a packing left at its path, for the next packing by another process.
pub struct Left {
    webroot: Mapped,
    /// Without one no file is taken over, only what was made of contents, which are known by their digests.
    mark: Option<Mark>,
}

/// What a packing leaves beside what the webroot holds.
#[derive(Clone, Copy)]
struct Mark {
    begun: SystemTime,
    places: u64,
}

/// The extended attribute in which a packing leaves what the webroot itself must not hold, since the same site gives the
/// same bytes: when it began, in nanoseconds since 1970; [`Tree::places`]; device and inode of the site's directory.
const ATTRIBUTE: &str = "user.mkroot.packed";

impl Left {
    /// What is left at `out` of a packing of `site`. Nothing, if that is no webroot, or one of another version. If it is that of
    /// another site, or was copied since without its attributes, it only tells what was made of which contents.
    ///
    /// # Errors
    ///
    /// If it once was one and is damaged.
    pub fn at(out: &Path, site: &Path) -> Result<Option<Left>, OpenFileError> {
        // To open anything else might wait for ever; that it is refused is for the packing to say.
        let Some(file) = out.is_file().then(|| File::open(out).ok()).flatten() else { return Ok(None) };
        let mark = Mark::read(&file, site);
        match Mapped::from_file(file) {
            Ok(webroot) if mark.is_none() && webroot.webroot().derivations().len() == 0 => Ok(None),
            Ok(webroot) => Ok(Some(Left { webroot, mark })),
            Err(OpenFileError::Format(OpenError::OtherVersion { .. } | OpenError::NotAWebroot)) => Ok(None),
            // Nobody says that it was one.
            Err(_) if mark.is_none() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The packing, to take contents from.
    pub fn prior(&self) -> Prior<'_> {
        let (begun, places) = match self.mark {
            Some(Mark { begun, places }) => (begun, Some(places)),
            // No file is as old as that.
            None => (SystemTime::UNIX_EPOCH, None),
        };
        Prior { seen: Seen::Places(places), ..Prior::new(&self.webroot, begun) }
    }
}

impl Mark {
    /// Reads that of `file`, if it is what a packing of `site` left.
    fn read(file: &File, site: &Path) -> Option<Mark> {
        let mut value = [0; 96];
        let length = rustix::fs::fgetxattr(file, ATTRIBUTE, &mut value).ok()?;
        let mut words = std::str::from_utf8(&value[..length]).ok()?.splitn(3, ' ');
        let begun = Duration::from_nanos(words.next()?.parse().ok()?);
        let places = u64::from_str_radix(words.next()?, 16).ok()?;
        (words.next()? == identity(site)?).then_some(())?;
        Some(Mark { begun: SystemTime::UNIX_EPOCH.checked_add(begun)?, places })
    }
}

/// Marks `out` as what a packing that saw `snapshot` leaves. Where the file system has no such attributes, the next packing
/// reads everything.
pub(super) fn mark(out: &File, snapshot: &Snapshot) {
    let since = snapshot.begun.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if let Some(identity) = identity(&snapshot.site) {
        let value = format!("{} {:016x} {identity}", since.as_nanos(), snapshot.places);
        let _ = rustix::fs::fsetxattr(out, ATTRIBUTE, value.as_bytes(), XattrFlags::empty());
    }
}

fn identity(site: &Path) -> Option<String> {
    let (device, inode) = Fingerprint::from(&site.metadata().ok()?).identity();
    Some(format!("{device} {inode}"))
}

//! The tree of a site → its files and directories, sorted.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::hash::Hasher;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use twox_hash::XxHash3_64;

use super::config;
use super::pack::{BuildError, Warning};

/// So many links in a row are followed at most, as by the kernel (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A regular file of a site.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its key: the absolute path of its URL, decoded.
    pub key: Vec<u8>,
    /// Length in bytes when it was found.
    pub length: u64,
    /// When its content was last changed, in seconds since 1970; earlier counts as 1970.
    pub modified: u64,
    /// By which a change is noticed.
    pub fingerprint: Fingerprint,
    /// Since when nothing is known to have happened to it, or to a link that leads to it.
    pub settled: Moment,
    /// Since when nothing is known to have happened to the directories above: they were not moved since, at least.
    pub placed: Moment,
}

impl SourceFile {
    /// The part of the key after the last slash.
    pub fn name(&self) -> &[u8] {
        &self.key[self.directory().len()..]
    }

    /// The part of the key up to and with the last slash.
    pub fn directory(&self) -> &[u8] {
        directory_of(&self.key)
    }
}

/// A time in seconds since 1970, and nanoseconds of the second that began then.
pub type Moment = (i64, i64);

/// What the file system says of a file's identity and age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    modified: Moment,
    changed: Moment,
}

impl Fingerprint {
    /// The same file has the same one of these, whatever becomes of its content.
    pub fn identity(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// When last its content, its dates, its mode or its name changed. Unlike the date of the content alone this cannot
    /// be set back.
    fn touched(&self) -> Moment {
        self.modified.max(self.changed)
    }
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Fingerprint {
        Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// What a site holds.
#[derive(Debug, Default)]
pub struct Tree {
    /// Its files, each directory's in the order of their names.
    pub files: Vec<SourceFile>,
    /// Its directories by their keys, which end in a slash; the first is `/`, and each comes before those in it.
    pub directories: Vec<Vec<u8>>,
    /// The configuration files in directories other than the root: the directory's key, and where the file is.
    pub configurations: Vec<(Vec<u8>, PathBuf)>,
    /// A digest of the directories' keys and identities: another one, if any was exchanged for another.
    pub places: u64,
}

/// Lists the tree below `site`, sorted by name. Dot files are left out; symbolic links are followed as long
/// as they stay inside and do not lead to dot files. What is skipped besides is reported to `warn`. `exclude` is left out if it
/// lies there: the webroot that is being written.
///
/// # Errors
///
/// If a directory cannot be read, or vanishes.
pub fn walk(site: &Path, exclude: Option<&Path>, warn: &mut dyn FnMut(Warning)) -> Result<Tree, BuildError> {
    let root = site.canonicalize().map_err(|error| unreadable(site, error))?;
    let metadata = root.metadata().map_err(|error| unreadable(site, error))?;
    if !metadata.is_dir() {
        return Err(BuildError::NotADirectory { path: site.to_path_buf() });
    }
    // It is known by its canonical path, and it lies there or not at all.
    let excluded = exclude.and_then(|path| path.strip_prefix(&root).ok());
    let excluded = excluded.map(|path| [b"/", path.as_os_str().as_bytes()].concat());
    let fingerprint = Fingerprint::from(&metadata);
    let top = Directory {
        path: site.to_path_buf(),
        key: b"/".to_vec(),
        above: None,
        identity: fingerprint.identity(),
        placed: fingerprint.touched(),
    };
    let mut walk = Walk { root: &root, excluded, directories: vec![top] };
    // Level by level, each level on all cores: recursion would be bounded by the stack.
    let mut listings = Vec::new();
    while listings.len() < walk.directories.len() {
        let level = listings.len()..walk.directories.len();
        let found: Vec<_> = level.into_par_iter().map(|number| walk.list(number)).collect();
        for listing in found {
            let (entries, directories) = listing?;
            listings.push((walk.directories.len(), entries));
            walk.directories.extend(directories);
        }
    }
    Ok(in_order(walk.directories, listings, warn))
}

/// A directory of the site.
struct Directory {
    path: PathBuf,
    key: Vec<u8>,
    /// The number of the one it lies in.
    above: Option<usize>,
    identity: (u64, u64),
    /// Since when nothing is known to have happened to it and those above.
    placed: Moment,
}

/// What is found in a directory.
enum Entry {
    File(SourceFile),
    /// The next of the directories that lie in this one.
    Directory,
    Configuration(PathBuf),
    Skipped(Warning),
}

/// The entries of a directory, and the number of the first directory among them.
type Listing = (usize, Vec<Entry>);

struct Walk<'w> {
    /// The canonical path of the site.
    root: &'w Path,
    /// The key of the file that is left out.
    excluded: Option<Vec<u8>>,
    /// Those found so far; each comes behind the one it lies in.
    directories: Vec<Directory>,
}

impl Walk<'_> {
    /// The entries of a directory, sorted by name, and those of them that are directories.
    fn list(&self, number: usize) -> Result<(Vec<Entry>, Vec<Directory>), BuildError> {
        let path = &self.directories[number].path;
        let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = entries.map_err(|error| unreadable(path, error))?;
        let mut named: Vec<_> = entries.into_iter().map(|entry| (entry.file_name(), entry)).collect();
        named.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let found: Vec<_> = named.par_iter().map(|(name, entry)| self.visit(number, name, entry)).collect();
        let (mut entries, mut directories) = (Vec::with_capacity(found.len()), Vec::new());
        for found in found {
            match found? {
                Found::Nothing => {}
                Found::Directory(directory) => {
                    entries.push(Entry::Directory);
                    directories.push(directory);
                }
                Found::Entry(entry) => entries.push(entry),
            }
        }
        Ok((entries, directories))
    }

    /// What an entry of the directory with this number is.
    fn visit(&self, number: usize, name: &OsStr, entry: &DirEntry) -> Result<Found, BuildError> {
        let directory = &self.directories[number];
        let path = directory.path.join(name);
        let skipped = |what| Ok(Found::Entry(Entry::Skipped(Warning::new(&path, what))));
        if name.as_bytes().starts_with(b".") {
            let configures = name == config::FILE_NAME && directory.above.is_some() && path.exists();
            return Ok(if configures { Found::Entry(Entry::Configuration(path)) } else { Found::Nothing });
        }
        let key = [&directory.key, name.as_bytes()].concat();
        if self.excluded.as_ref() == Some(&key) {
            return Ok(Found::Nothing);
        }
        let mut metadata = entry.metadata().map_err(|error| unreadable(&path, error))?;
        let mut linked = Moment::default();
        if metadata.is_symlink() {
            linked = links_touched(&path);
            let Ok(target) = path.metadata() else { return skipped("is a symbolic link to nothing; skipped") };
            if target.is_dir() && self.lies_in(number, Fingerprint::from(&target).identity()) {
                return skipped("is a symbolic link to a directory it lies in; skipped");
            }
            let real = path.canonicalize().map_err(|error| unreadable(&path, error))?;
            match real.strip_prefix(self.root) {
                Err(_) => return skipped("is a symbolic link that leads out of the site; skipped"),
                Ok(inside) if inside.iter().any(|segment| segment.as_bytes().starts_with(b".")) => {
                    return skipped("is a symbolic link to a dot file or into a dot directory; skipped");
                }
                Ok(_) => metadata = target,
            }
        }
        let fingerprint = Fingerprint::from(&metadata);
        if metadata.is_dir() {
            let key = [&key[..], b"/"].concat();
            let placed = directory.placed.max(fingerprint.touched()).max(linked);
            let (above, identity) = (Some(number), fingerprint.identity());
            return Ok(Found::Directory(Directory { path, key, above, identity, placed }));
        }
        if !metadata.is_file() {
            return skipped("is neither a file nor a directory; skipped");
        }
        Ok(Found::Entry(Entry::File(SourceFile {
            path,
            key,
            length: metadata.len(),
            modified: u64::try_from(metadata.mtime()).unwrap_or(0),
            fingerprint,
            settled: linked.max(fingerprint.touched()),
            placed: directory.placed,
        })))
    }

    /// Whether the directory with this number is, or lies in, the one with this identity.
    fn lies_in(&self, number: usize, identity: (u64, u64)) -> bool {
        let above = |&number: &usize| self.directories[number].above;
        std::iter::successors(Some(number), above).any(|number| self.directories[number].identity == identity)
    }
}

/// When last something happened to a link, or to one of those that it leads to: what stands behind all of them may be old.
fn links_touched(link: &Path) -> Moment {
    let mut path = link.to_path_buf();
    let mut touched = Moment::default();
    for _ in 0..MOST_LINKS {
        let Ok(metadata) = path.symlink_metadata() else { break };
        if !metadata.is_symlink() {
            break;
        }
        touched = touched.max(Fingerprint::from(&metadata).touched());
        let Ok(target) = path.read_link() else { break };
        // An absolute one takes the place of all.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    touched
}

/// An entry, or what is none of the site's, or is listed itself.
enum Found {
    Nothing,
    Directory(Directory),
    Entry(Entry),
}

/// The tree that these directories and listings make, each directory's entries where it stands among those of the one it
/// lies in. What was skipped is reported in the same order.
fn in_order(directories: Vec<Directory>, listings: Vec<Listing>, warn: &mut dyn FnMut(Warning)) -> Tree {
    let mut places = XxHash3_64::new();
    for Directory { key, identity: (device, inode), .. } in &directories {
        // A key holds no zero.
        for part in [&key[..], &[0], &device.to_le_bytes(), &inode.to_le_bytes()] {
            places.write(part);
        }
    }
    let mut tree = Tree { directories: vec![b"/".to_vec()], places: places.finish(), ..Tree::default() };
    let keys: Vec<_> = directories.into_iter().map(|directory| directory.key).collect();
    let mut listings: Vec<_> = listings.into_iter().map(|(first, entries)| (first, entries.into_iter())).collect();
    let mut inside = vec![0];
    while let Some(&number) = inside.last() {
        let (next, entries) = &mut listings[number];
        match entries.next() {
            None => drop(inside.pop()),
            Some(Entry::File(file)) => tree.files.push(file),
            Some(Entry::Configuration(path)) => tree.configurations.push((keys[number].clone(), path)),
            Some(Entry::Skipped(warning)) => warn(warning),
            Some(Entry::Directory) => {
                tree.directories.push(keys[*next].clone());
                inside.push(*next);
                *next += 1;
            }
        }
    }
    tree
}

fn unreadable(path: &Path, source: io::Error) -> BuildError {
    BuildError::Unreadable { path: path.to_path_buf(), source }
}

/// The key of the directory that this one lies in.
pub fn parent(directory: &[u8]) -> Option<&[u8]> {
    let name = last_segment(directory);
    directory.len().checked_sub(name.len() + 1).filter(|&end| end > 0).map(|end| &directory[..end])
}

/// The part of a file's key up to and with the last slash.
pub fn directory_of(key: &[u8]) -> &[u8] {
    let end = key.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    &key[..end]
}

/// The name of a file or a directory, by its key; empty for the root.
pub fn last_segment(directory: &[u8]) -> &[u8] {
    let path = directory.strip_suffix(b"/").unwrap_or(directory);
    path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents() {
        assert_eq!(parent(b"/"), None);
        assert_eq!(parent(b"/d/"), Some(&b"/"[..]));
        assert_eq!(parent(b"/d/e/"), Some(&b"/d/"[..]));
        assert_eq!((last_segment(b"/"), last_segment(b"/d/e/")), (&b""[..], &b"e"[..]));
    }
}

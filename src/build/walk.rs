//! The tree of a site → its files and directories, sorted.

use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::config;
use super::pack::{BuildError, Warning};

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
}

impl SourceFile {
    /// The part of the key after the last slash.
    pub fn name(&self) -> &[u8] {
        &self.key[self.directory().len()..]
    }

    /// The part of the key up to and with the last slash.
    pub fn directory(&self) -> &[u8] {
        let end = self.key.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        &self.key[..end]
    }
}

/// What the file system says of a file's identity and age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Whether the other one is that of the same file, however it has changed.
    pub fn is_same_file(&self, other: &Fingerprint) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether the content is likely to be the same as well: nobody has written to it in between.
    pub fn has_same_content(&self, other: &Fingerprint) -> bool {
        self.is_same_file(other) && (self.length, self.modified) == (other.length, other.modified)
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
}

/// Lists the tree below `site`, sorted by name. Dot files are left out; symbolic links are followed as long
/// as they stay inside and do not lead to dot files. What is skipped besides is reported to `warn`. `exclude` is left out if it
/// lies there: the webroot that is being written.
///
/// # Errors
///
/// If a directory cannot be read, or vanishes.
pub fn walk(site: &Path, exclude: Option<&Path>, warn: &mut dyn FnMut(Warning)) -> Result<Tree, BuildError> {
    let unreadable = |path: &Path, source| BuildError::Unreadable { path: path.to_path_buf(), source };
    let root = site.canonicalize().map_err(|error| unreadable(site, error))?;
    if !root.is_dir() {
        return Err(BuildError::NotADirectory { path: site.to_path_buf() });
    }
    let mut tree = Tree::default();
    let mut entries = WalkDir::new(&root).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let shown = |path: &Path| site.join(path.strip_prefix(&root).unwrap_or(path));
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = shown(error.path().unwrap_or(&root));
                if hidden(&path) {
                    continue;
                }
                if error.loop_ancestor().is_some() {
                    warn(Warning::new(path, "is a symbolic link to a directory it lies in; skipped"));
                    continue;
                }
                let dangling = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
                if dangling {
                    warn(Warning::new(path, "is a symbolic link to nothing; skipped"));
                    continue;
                }
                return Err(BuildError::Unreadable { path, source: error.into() });
            }
        };
        let is_root = entry.depth() == 0;
        if !is_root && hidden(entry.path()) {
            if entry.depth() > 1 && entry.file_name() == config::FILE_NAME {
                let key = key(&root, entry.path().parent().unwrap_or(&root), true);
                tree.configurations.push((key, shown(entry.path())));
            }
            skip(&mut entries, &entry);
            continue;
        }
        if entry.path_is_symlink() && !is_root {
            let target = entry.path().canonicalize().map_err(|error| unreadable(&shown(entry.path()), error))?;
            let reason = match target.strip_prefix(&root) {
                Err(_) => Some("is a symbolic link that leads out of the site; skipped"),
                Ok(inside) if inside.iter().any(|segment| segment.as_bytes().starts_with(b".")) => {
                    Some("is a symbolic link to a dot file or into a dot directory; skipped")
                }
                Ok(_) => None,
            };
            if let Some(reason) = reason {
                warn(Warning::new(shown(entry.path()), reason));
                skip(&mut entries, &entry);
                continue;
            }
        }
        if exclude == Some(entry.path()) {
            continue;
        }
        let metadata = entry.metadata().map_err(|error| unreadable(&shown(entry.path()), error.into()))?;
        let key = key(&root, entry.path(), metadata.is_dir());
        if metadata.is_dir() {
            tree.directories.push(key);
        } else if metadata.is_file() {
            tree.files.push(SourceFile {
                path: shown(entry.path()),
                key,
                length: metadata.len(),
                modified: u64::try_from(metadata.mtime()).unwrap_or(0),
                fingerprint: Fingerprint::from(&metadata),
            });
        } else {
            warn(Warning::new(shown(entry.path()), "is neither a file nor a directory; skipped"));
        }
    }
    Ok(tree)
}

/// The key of a file or directory below `root`.
fn key(root: &Path, path: &Path, is_directory: bool) -> Vec<u8> {
    let mut key = b"/".to_vec();
    key.extend(path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes());
    if is_directory && key.len() > 1 {
        key.push(b'/');
    }
    key
}

/// Whether the last segment begins with a dot.
fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"."))
}

fn skip(entries: &mut walkdir::IntoIter, entry: &DirEntry) {
    if entry.file_type().is_dir() {
        entries.skip_current_dir();
    }
}

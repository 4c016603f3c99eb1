//! A file that appears whole or not at all.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

/// A new content for a path, which keeps its old content until [`Replacement::commit`].
///
/// The new file has no name while it is written (O_TMPFILE), so that nothing is left behind whenever the
/// process is killed. Where the file system has no unnamed files it is called `.NAME.PID.new` and
/// removed on an error; such a name is also used for the instant between linking and renaming. What a
/// kill in that instant leaves is removed by the next replacement of the same path.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    /// The path to replace, symbolic links resolved.
    target: PathBuf,
    /// The temporary name, while there is one.
    named: Option<PathBuf>,
}

impl Replacement {
    /// Begins a new content for `path`, which need not exist. A symbolic link is followed: its target is replaced.
    ///
    /// # Errors
    ///
    /// If `path` is something other than a regular file, or its directory is not there or not writable.
    pub fn begin(path: &Path) -> io::Result<Replacement> {
        let target = target_of(path)?;
        remove_leftovers(&target);
        let directory = directory_of(&target);
        let mode = Mode::from_raw_mode(0o666);
        match rustix::fs::open(directory, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
            Ok(descriptor) => Ok(Replacement { file: descriptor.into(), target, named: None }),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
                let name = temporary_name(&target);
                let file = File::options().read(true).write(true).create_new(true).open(&name)?;
                Ok(Replacement { file, target, named: Some(name) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The new file, to be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The path that will be replaced, absolute and without symbolic links.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts the new content in place: syncs it, names it, syncs the directory.
    ///
    /// # Errors
    ///
    /// If any of that fails; the old content is still there then.
    pub fn commit(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let name = match &self.named {
            Some(name) => name.clone(),
            None => {
                let name = temporary_name(&self.target);
                let unnamed = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(CWD, unnamed, CWD, &name, AtFlags::SYMLINK_FOLLOW)?;
                self.named = Some(name.clone());
                name
            }
        };
        std::fs::rename(&name, &self.target)?;
        self.named = None;
        File::open(directory_of(&self.target))?.sync_all()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(name) = &self.named {
            // Nothing more can be done about a failure here, and the next replacement tries again.
            let _ = std::fs::remove_file(name);
        }
    }
}

/// The file that a replacement of `path` replaces or makes: absolute and without symbolic links.
///
/// # Errors
///
/// If `path` is something other than a regular file, or its directory is not there.
pub fn target_of(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Ok(target) if target.is_file() => Ok(target),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it exists and is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => absent(path),
        Err(error) => Err(error),
    }
}

/// An absolute form of a path that does not exist, in a directory that does.
fn absent(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it is not a file name"))?;
    if path.is_symlink() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a symbolic link to nothing"));
    }
    Ok(directory_of(path).canonicalize()?.join(name))
}

/// The directory that a path lies in; of a mere name the current one.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn temporary_name(target: &Path) -> PathBuf {
    let mut name = temporary_prefix(target);
    name.push(format!("{}.new", std::process::id()));
    directory_of(target).join(name)
}

fn temporary_prefix(target: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(target.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

/// Removes temporary files of this target whose process is gone.
fn remove_leftovers(target: &Path) {
    let prefix = temporary_prefix(target).into_encoded_bytes();
    let Ok(entries) = std::fs::read_dir(directory_of(target)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let middle = name.as_encoded_bytes().strip_prefix(&prefix[..]).and_then(|rest| rest.strip_suffix(b".new"));
        let Some(pid) = middle.and_then(|pid| std::str::from_utf8(pid).ok()).and_then(|pid| pid.parse::<u32>().ok())
        else {
            continue;
        };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

//! Whether anybody is writing to a file.

use std::fs::File;
use std::os::fd::AsRawFd;

/// fcntl(2): by which signal the kernel tells that somebody waits for a lease to end.
const F_SETSIG: libc::c_int = 10;

/// Whether some process has `file`, which is open for reading only, open for writing. `None` if the kernel does not tell:
/// it tells the owner of the file and root, on file systems that have leases.
pub fn has_writer(file: &File) -> Option<bool> {
    let descriptor = file.as_raw_fd();
    // A lease for readers is granted only while nobody can write. Who comes to write while it is held, for an instant, makes
    // the kernel send a signal, of which by default nothing would be left of this process; SIGURG is ignored.
    // SAFETY: fcntl(2): these commands take an int and touch no memory.
    let result = unsafe {
        if libc::fcntl(descriptor, F_SETSIG, libc::SIGURG) != 0 {
            return None;
        }
        libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if result != 0 {
        let is_taken = std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN);
        return is_taken.then_some(true);
    }
    // SAFETY: as above.
    unsafe { libc::fcntl(descriptor, libc::F_SETLEASE, libc::F_UNLCK) };
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_seen() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let reader = File::open(file.path()).expect("a file");
        assert_ne!(has_writer(&reader), Some(false));
        let path = file.into_temp_path();
        assert_ne!(has_writer(&reader), Some(true));
        drop(path);
    }
}

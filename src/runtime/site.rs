//! A webroot that is being served, and how far it can be believed.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Mode, OFlags};

use super::messages::Messages;
use crate::answer::{Answer, Content, Part};
use crate::http::Status;
use crate::webroot::{Mapped, Webroot, hexadecimal};

/// A webroot that answers for one or several hosts. It lives until the last answer from it is on its way.
#[derive(Debug)]
pub struct Site {
    /// No other site of this process has the same.
    number: u64,
    /// When it was opened.
    since: SystemTime,
    mapped: Mapped,
    name: String,
    build: String,
    /// Bits of [`WITHDRAWN`] and [`DAMAGED`].
    state: AtomicU8,
    /// Contents that are not what they should be, as ranges of the file in bytes.
    damage: RwLock<Vec<Range<u64>>>,
    /// The file, opened anew to be read past the page cache; `None` if that cannot be. Once somebody has wanted it.
    direct: OnceLock<Option<Arc<File>>>,
    /// Whether reading it that way was refused.
    refuses_direct: AtomicBool,
    /// When the last complaint was made.
    complained: Mutex<Option<Instant>>,
}

/// What becomes of a site that somebody has written to, and what to do.
pub const OUT_OF_SERVICE: &str = "its site is not served until there is a sound one\n\
     replace a webroot by renaming a new one over it, as mkroot does";

/// How often it is said at most that a site cannot be read.
const COMPLAINTS: Duration = Duration::from_secs(1);
/// Nothing of it is sent any more.
const WITHDRAWN: u8 = 1;
/// Some of its contents are not sent any more.
const DAMAGED: u8 = 2;

impl Site {
    /// Serves `mapped`, which messages call `name`.
    pub fn new(mapped: Mapped, name: impl Into<String>) -> Site {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        Site {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            since: SystemTime::now(),
            build: hexadecimal(&mapped.webroot().build_id()),
            mapped,
            name: name.into(),
            state: AtomicU8::new(0),
            damage: RwLock::default(),
            direct: OnceLock::new(),
            refuses_direct: AtomicBool::new(false),
            complained: Mutex::default(),
        }
    }

    /// A number that no other site of this process has, or had.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was opened.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The build of the webroot, in hexadecimal.
    pub fn build(&self) -> &str {
        &self.build
    }

    /// The webroot.
    pub fn webroot(&self) -> Webroot<'_> {
        self.mapped.webroot()
    }

    /// The webroot, opened and mapped.
    pub fn mapped(&self) -> &Mapped {
        &self.mapped
    }

    /// The file, to send from.
    pub fn file(&self) -> &Arc<File> {
        self.mapped.file()
    }

    /// The file, to be read past the page cache (O_DIRECT), unless its file system refuses that, which is said once.
    pub(super) fn direct(&self, messages: &Messages) -> Option<&Arc<File>> {
        let direct = self.direct.get_or_init(|| match open_direct(self.file()) {
            Ok(file) => Some(Arc::new(file)),
            Err(error) => {
                self.refuse_direct(&error, messages);
                None
            }
        });
        direct.as_ref().filter(|_| !self.refuses_direct.load(Ordering::Relaxed))
    }

    /// Says that it cannot be read past the page cache, once; it will not be tried again.
    pub(super) fn refuse_direct(&self, error: &io::Error, messages: &Messages) {
        if !self.refuses_direct.swap(true, Ordering::Relaxed) {
            let what = "it cannot be read past the page cache";
            messages.say(&format!("{}: {what}: {error}; its long contents are sent as by --io auto", self.name));
        }
    }

    /// Whether it is still what was opened, as far as is known.
    pub fn is_available(&self) -> bool {
        self.state.load(Ordering::Acquire) & WITHDRAWN == 0 && self.mapped.is_intact()
    }

    /// Lets nothing of it be sent any more, since its file is not what was opened. Returns whether that is news.
    pub fn withdraw(&self) -> bool {
        self.state.fetch_or(WITHDRAWN, Ordering::AcqRel) & WITHDRAWN == 0
    }

    /// The same because of something that was noticed while it was served; says so, once.
    pub fn withdraw_as_cut_short(&self, messages: &Messages) {
        if self.withdraw() {
            messages.complain(&format!("{}: it was cut short while it was served; {OUT_OF_SERVICE}", self.name));
        }
    }

    /// Says that the byte at `at` of its file could not be read; now and then, since everybody who asks for it makes the same
    /// experience.
    pub fn complain(&self, at: u64, error: &io::Error, messages: &Messages) {
        let mut complained = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if complained.is_none_or(|last| last.elapsed() >= COMPLAINTS) {
            *complained = Some(Instant::now());
            messages.complain(&format!(
                "{}: it cannot be read at byte {at}: {error}; the answer was broken off",
                self.name
            ));
        }
    }

    /// Lets a content, given by its place in the file, not be sent any more.
    pub fn condemn(&self, content: Range<u64>) {
        self.damage.write().unwrap_or_else(PoisonError::into_inner).push(content);
        self.state.fetch_or(DAMAGED, Ordering::AcqRel);
    }

    /// Whether `answer`, which must be whole, may be sent, or with which status to refuse.
    ///
    /// # Errors
    ///
    /// 503 if nothing of the site may be, 500 if the content may not.
    pub fn permit(&self, answer: &Answer<'_>) -> Result<(), Status> {
        if !self.is_available() {
            return Err(Status::ServiceUnavailable);
        }
        if self.state.load(Ordering::Acquire) & DAMAGED != 0 && self.is_damaged(answer) {
            return Err(Status::InternalServerError);
        }
        Ok(())
    }

    /// Whether what `answer` sends is damaged.
    fn is_damaged(&self, answer: &Answer<'_>) -> bool {
        let damage = self.damage.read().unwrap_or_else(PoisonError::into_inner);
        let hit = |range: &Range<u64>| damage.iter().any(|bad| bad.start < range.end && range.start < bad.end);
        match &answer.content {
            Content::Stored(range) => hit(range),
            Content::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Stored(range) if hit(range))),
            Content::None | Content::Generated(_) => false,
        }
    }
}

/// The same file once more, whatever its name is by now, without the page cache.
fn open_direct(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::webroot::writer::Writer;

    /// A site without resources, called `name`.
    pub fn site(name: &str) -> Arc<Site> {
        let mut writer = Writer::new(Cursor::new(Vec::new())).expect("a writer");
        writer.add_settings(&Default::default()).expect("settings");
        let (_, bytes) = writer.finish(&[], &[], None).expect("a webroot");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(bytes.get_ref()).expect("a file");
        Arc::new(Site::new(Mapped::from_file(file).expect("a webroot"), name))
    }

    #[test]
    fn a_bad_disk_is_mentioned_once_for_all_who_meet_it() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let messages = {
            let said = said.clone();
            Messages::new(move |_, message| said.lock().expect("messages").push(message.to_string()))
        };
        let site = site("example.com");
        for at in 4096..5000 {
            site.complain(at, &io::Error::from_raw_os_error(libc::EIO), &messages);
        }
        let said = said.lock().expect("messages");
        let expected =
            "example.com: it cannot be read at byte 4096: Input/output error (os error 5); the answer was broken off";
        assert_eq!(said.first().map(String::as_str), Some(expected));
        assert!(said.len() < 3);
    }
}

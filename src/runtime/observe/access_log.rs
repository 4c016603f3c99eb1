//! Where lines of the access log go: from workers through rings to a thread that writes them down.
//!
//! A worker puts a line into its own ring and goes on; if there is no room the line is lost, and counted. The thread takes
//! what all rings hold at once, so that a busy server makes one call for hundreds of lines. It rests in between: the first line
//! after a pause is written at once, those behind it a moment later.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rtrb::{Consumer, Producer, RingBuffer};

use super::syslog::Syslog;
use super::{Format, share};
use crate::runtime::messages::Messages;

/// Bytes in the ring of a worker: at the highest rate that one was seen to answer at, a tenth of a second's lines.
const RING: usize = 2 << 20;
/// How long the thread rests when it has written something, unless a ring is half full.
const REST: Duration = Duration::from_millis(50);
/// How often is said at most that lines were lost.
const COMPLAINTS: Duration = Duration::from_secs(10);
/// How long the end of the server waits until everything is written.
const FAREWELL: Duration = Duration::from_millis(500);
/// Facility local6, and a severity (RFC 5424, section 6.2.1).
const FACILITY: u32 = 22;
const INFORMATIONAL: u32 = 6;
/// Where there is nothing to read of it, the log can be read by who owns it and by its group.
const MODE: u32 = 0o640;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To standard output.
    Stdout,
    /// To the end of this file, which is made if it is not there.
    File(PathBuf),
    /// To the system's log: syslog, or the journal, which listens in the same place.
    Syslog,
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        match text {
            "" => Err("it is the name of a file, - for standard output, or syslog".into()),
            "-" => Ok(Destination::Stdout),
            "syslog" | "journald" => Ok(Destination::Syslog),
            path => Ok(Destination::File(path.into())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Stdout => f.write_str("-"),
            Destination::File(path) => path.display().fmt(f),
            Destination::Syslog => f.write_str("syslog"),
        }
    }
}

/// A log that workers write to without waiting.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    rings: Box<[Ring]>,
    /// Lines that there was no room for, or that could not be written.
    lost: AtomicU64,
    bell: Bell,
    destination: Destination,
    messages: Messages,
    complaints: Mutex<Complaints>,
    /// Whether everything is written and nothing will be any more.
    ended: Mutex<bool>,
    end: Condvar,
}

/// A worker's end of its ring, on a line of the cache of its own. Nobody else ever takes the lock.
#[derive(Debug)]
#[repr(align(128))]
struct Ring(Mutex<Producer<u8>>);

/// Wakes the thread that writes.
#[derive(Debug, Default)]
struct Bell {
    thread: OnceLock<Thread>,
    /// It waits for the first line.
    sleeps: AtomicBool,
    /// It rests, and can be woken if there is much to do.
    rests: AtomicBool,
    must_reopen: AtomicBool,
    must_end: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        self.thread.get().inspect(|thread| thread.unpark());
    }
}

impl AccessLog {
    /// Begins a log for so many workers.
    ///
    /// # Errors
    ///
    /// If the destination cannot be opened, or there is no thread to be had.
    pub fn start(
        destination: Destination,
        format: Format,
        workers: usize,
        messages: Messages,
    ) -> io::Result<Arc<AccessLog>> {
        let sink = Sink::open(&destination)?;
        let (rings, ends): (Vec<_>, Vec<_>) = (0..workers.max(1))
            .map(|_| {
                let (ring, end) = RingBuffer::new(RING);
                (Ring(Mutex::new(ring)), end)
            })
            .unzip();
        let log = Arc::new(AccessLog {
            format,
            rings: rings.into(),
            lost: AtomicU64::new(0),
            bell: Bell::default(),
            destination,
            messages,
            complaints: Mutex::default(),
            ended: Mutex::new(false),
            end: Condvar::new(),
        });
        let mut writer = Writer { log: log.clone(), ends, lines: Vec::new(), sink };
        std::thread::Builder::new().name("access log".into()).spawn(move || writer.run())?;
        Ok(log)
    }

    /// How lines are written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// How many lines were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Opens the file anew, which somebody may have renamed.
    pub fn reopen(&self) {
        self.bell.must_reopen.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// Waits until everything is written that is there, but not for long. To be called when nobody writes any more.
    pub fn finish(&self) {
        self.bell.must_end.store(true, Ordering::SeqCst);
        self.bell.ring();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Whether it is in time or not, there is nothing more to be done.
        let _ = self.end.wait_timeout_while(ended, FAREWELL, |ended| !*ended);
        if self.unreported() > 0 {
            self.messages.complain(&format!("in all, {} lines of the access log were lost", self.lost()));
        }
    }

    /// Writes a line, which ends in a line feed. Never waits.
    pub(super) fn write(&self, line: &[u8]) {
        // A worker has the lock to itself; what is no worker may find it taken, and loses the line.
        let Ok(mut ring) = self.rings[share(self.rings.len())].0.try_lock() else {
            self.lose(1);
            return;
        };
        if ring.push_entire_slice(line).is_err() {
            self.lose(1);
        }
        let is_filling = ring.slots() < RING / 2;
        drop(ring);
        // Either the thread sees this line before it falls asleep, or it is seen here to be asleep.
        fence(Ordering::SeqCst);
        let is_wanted = |flag: &AtomicBool| flag.load(Ordering::Relaxed) && flag.swap(false, Ordering::Relaxed);
        if is_wanted(&self.bell.sleeps) || is_filling && is_wanted(&self.bell.rests) {
            self.bell.ring();
        }
    }

    fn lose(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
        self.report();
    }

    /// Says how many lines were lost, now and then. Whoever loses one does: the thread that writes may be waiting.
    fn report(&self) {
        let (lost, destination) = (self.lost(), &self.destination);
        self.complain(|reported| {
            let is_news = lost > std::mem::replace(reported, lost);
            let why = format!("{destination} takes them too slowly, or not at all");
            is_news.then(|| format!("lines of the access log are lost, {lost} so far: {why}"))
        });
    }

    /// Says something unless that was done lately, or somebody else is about to.
    fn complain(&self, what: impl FnOnce(&mut u64) -> Option<String>) {
        let Ok(mut complaints) = self.complaints.try_lock() else { return };
        if complaints.last.is_none_or(|last| last.elapsed() >= COMPLAINTS)
            && let Some(message) = what(&mut complaints.reported)
        {
            complaints.last = Some(Instant::now());
            self.messages.complain(&message);
        }
    }

    /// How many lost lines nobody has spoken of.
    fn unreported(&self) -> u64 {
        self.lost() - self.complaints.lock().unwrap_or_else(PoisonError::into_inner).reported
    }
}

/// What was said of what is wrong.
#[derive(Debug, Default)]
struct Complaints {
    last: Option<Instant>,
    /// How many lost lines have been spoken of.
    reported: u64,
}

/// What is written to.
enum Sink {
    /// One call for as many lines as there are.
    Stream(Box<dyn Write + Send>),
    /// A datagram for each line.
    Syslog(Syslog),
}

impl Sink {
    fn open(destination: &Destination) -> io::Result<Sink> {
        Ok(match destination {
            Destination::Stdout => Sink::Stream(Box::new(io::stdout())),
            Destination::File(path) => Sink::Stream(Box::new(open_log(path)?)),
            Destination::Syslog => Sink::Syslog(Syslog::connect(FACILITY)?),
        })
    }

    /// Writes whole lines.
    ///
    /// # Errors
    ///
    /// If that fails, and how many lines at least were not written.
    fn write(&mut self, lines: &[u8]) -> Result<(), (u64, io::Error)> {
        match self {
            Sink::Stream(stream) => {
                let written = stream.write_all(lines).and_then(|()| stream.flush());
                written.map_err(|error| (count_lines(lines), error))
            }
            Sink::Syslog(syslog) => {
                let (mut lost, mut failed) = (0, None);
                for line in lines.split_inclusive(|&byte| byte == b'\n') {
                    if let Err(error) = syslog.send(INFORMATIONAL, line.trim_ascii_end()) {
                        lost += 1;
                        failed = Some(error);
                    }
                }
                failed.map_or(Ok(()), |error| Err((lost, error)))
            }
        }
    }
}

/// Opens a log at `path`, to write at its end; makes it if it is not there.
///
/// # Errors
///
/// Those of the file system.
pub fn open_log(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

fn count_lines(lines: &[u8]) -> u64 {
    lines.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// The thread's part.
struct Writer {
    log: Arc<AccessLog>,
    ends: Vec<Consumer<u8>>,
    /// What is being written.
    lines: Vec<u8>,
    sink: Sink,
}

impl Writer {
    fn run(&mut self) {
        let log = self.log.clone();
        let bell = &log.bell;
        let _ = bell.thread.set(std::thread::current());
        loop {
            // Whoever ends has written its last line before.
            let is_last = bell.must_end.load(Ordering::SeqCst);
            if bell.must_reopen.swap(false, Ordering::SeqCst) {
                self.write_all();
                self.reopen();
            }
            let has_written = self.write_all();
            log.report();
            if is_last {
                *log.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
                log.end.notify_all();
                return;
            }
            if has_written {
                bell.rests.store(true, Ordering::SeqCst);
                std::thread::park_timeout(REST);
                bell.rests.store(false, Ordering::SeqCst);
                continue;
            }
            bell.sleeps.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let is_needed = bell.must_end.load(Ordering::SeqCst) || bell.must_reopen.load(Ordering::SeqCst);
            if !is_needed && self.ends.iter().all(|end| end.is_empty()) {
                match log.unreported() {
                    0 => std::thread::park(),
                    // That will be said when it is time.
                    _ => std::thread::park_timeout(COMPLAINTS),
                }
            }
            bell.sleeps.store(false, Ordering::SeqCst);
        }
    }

    /// Writes what the rings hold, which is whole lines; returns whether that was anything.
    fn write_all(&mut self) -> bool {
        self.lines.clear();
        for end in &mut self.ends {
            if let Ok(chunk) = end.read_chunk(end.slots()) {
                let (first, second) = chunk.as_slices();
                self.lines.extend_from_slice(first);
                self.lines.extend_from_slice(second);
                chunk.commit_all();
            }
        }
        if let Err((lost, error)) = self.sink.write(&self.lines) {
            let log = &self.log;
            log.complain(|_| Some(format!("the access log, {}, cannot be written: {error}", log.destination)));
            log.lose(lost);
        }
        !self.lines.is_empty()
    }

    fn reopen(&mut self) {
        let AccessLog { destination, messages, .. } = &*self.log;
        match Sink::open(destination) {
            Ok(sink) => self.sink = sink,
            Err(error) => messages.complain(&format!(
                "the access log, {destination}, cannot be opened anew: {error}\nit is written on to where it was"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(path: &std::path::Path) -> (Arc<AccessLog>, Arc<Mutex<Vec<String>>>) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let messages = {
            let said = said.clone();
            Messages::new(move |_, message| said.lock().expect("messages").push(message.to_string()))
        };
        let destination = Destination::File(path.into());
        (AccessLog::start(destination, Format::Combined, 2, messages).expect("a log"), said)
    }

    #[test]
    fn every_line_of_every_worker_is_written_whole() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("access.log");
        let (log, said) = start(&path);
        std::thread::scope(|scope| {
            for worker in 0..2 {
                let log = &log;
                scope.spawn(move || {
                    crate::sys::this_is_worker(worker);
                    for number in 0..30_000 {
                        log.write(format!("{worker} {number} {}\n", "x".repeat(number % 97)).as_bytes());
                        // No faster than they can be written.
                        if number % 5_000 == 0 {
                            while log.rings[worker].0.lock().expect("a ring").slots() < RING {
                                std::thread::yield_now();
                            }
                        }
                    }
                });
            }
        });
        log.finish();
        let text = std::fs::read_to_string(&path).expect("a log");
        for worker in ["0", "1"] {
            let numbers = text.lines().filter_map(|line| {
                let words: Vec<_> = line.split(' ').collect();
                (words[0] == worker).then(|| {
                    let number: usize = words[1].parse().expect("a number");
                    assert_eq!(words[2].len(), number % 97);
                    number
                })
            });
            assert!(numbers.eq(0..30_000));
        }
        assert_eq!((log.lost(), said.lock().expect("messages").len()), (0, 0));
    }

    #[test]
    fn what_there_is_no_room_for_is_counted_and_nobody_waits() {
        let directory = tempfile::tempdir().expect("a directory");
        // A pipe that is full and that nobody reads.
        let path = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let mut reader = OpenOptions::new().read(true).write(true).open(&path).expect("a pipe");
        let (log, said) = start(&path);
        crate::sys::this_is_worker(0);
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let lines = 2 * RING / line.len();
        (0..lines).for_each(|_| log.write(&line));
        let lost = log.lost();
        assert!(lost > 0 && lost < lines as u64, "{lost}");
        // When somebody reads, the rest arrives, and that something is missing is said.
        let mut left = (lines - lost as usize) * line.len();
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            left -= io::Read::read(&mut reader, &mut buffer[..left.min(64 * 1024)]).expect("lines");
        }
        log.finish();
        let said = said.lock().expect("messages");
        let pipe = path.display();
        let first = format!("lines of the access log are lost, 1 so far: {pipe} takes them too slowly, or not at all");
        assert_eq!(*said, [first, format!("in all, {lost} lines of the access log were lost")]);
    }

    #[test]
    fn a_file_that_was_renamed_is_opened_anew_when_asked_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let (path, old) = (directory.path().join("log"), directory.path().join("log.1"));
        let (log, _) = start(&path);
        crate::sys::this_is_worker(0);
        log.write(b"one\n");
        std::fs::rename(&path, &old).expect("renamed");
        log.reopen();
        while !path.exists() {
            std::thread::yield_now();
        }
        log.write(b"two\n");
        log.finish();
        let read = |path| std::fs::read_to_string(path).expect("a log");
        assert_eq!((read(&old), read(&path)), ("one\n".into(), "two\n".into()));
    }

    #[test]
    fn where_it_cannot_be_written_is_an_error_at_once() {
        let destination = "/nowhere/log".parse().expect("a destination");
        assert!(AccessLog::start(destination, Format::Json, 1, Messages::new(|_, _| ())).is_err());
        assert!("".parse::<Destination>().is_err());
    }
}

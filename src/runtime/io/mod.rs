//! Ways of sending: bytes of a webroot's file onto a socket. Nothing here knows HTTP.
//!
//! A [`Transfer`] sends a stretch of a file; there is one for each [`Model`], and `auto` is the one to use. Short stretches
//! are sent as by `auto` whatever the model is, and those that leave with the heads that they belong to are
//! [fetched](Auto::fetch).

mod ahead;
mod aio;
mod async_sendfile;
mod auto;
mod mmap;
mod pool;
mod readers;
mod resident;
mod sendfile;
mod sync;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::ops::Range;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use serde::Deserialize;

use super::messages::Messages;
use super::site::Site;
use super::socket::Socket;
use crate::webroot::layout::PAGED_LENGTH;
use auto::Auto;

/// How long contents are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// What is in memory by sendfile; what is not is read by other threads first.
    #[default]
    Auto,
    /// Read into a buffer, and sent from there.
    Sync,
    /// sendfile(2).
    Sendfile,
    /// Sent from the memory map, as Apache's MMapFile does.
    Mmap,
    /// Kernel AIO through the page cache.
    Aio,
    /// Kernel AIO past the page cache (O_DIRECT).
    Dio,
    /// io_uring moves the file into a pipe, and the pipe goes to the socket: sendfile(2) that does not wait.
    AsyncSendfile,
}

impl Model {
    /// All of them.
    pub const ALL: [Model; 7] =
        [Model::Auto, Model::Sync, Model::Sendfile, Model::Mmap, Model::Aio, Model::Dio, Model::AsyncSendfile];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Model::Auto => "auto",
            Model::Sync => "sync",
            Model::Sendfile => "sendfile",
            Model::Mmap => "mmap",
            Model::Aio => "aio",
            Model::Dio => "dio",
            Model::AsyncSendfile => "async-sendfile",
        }
    }

    /// How it sends, in a few words.
    pub fn summary(self) -> &'static str {
        match self {
            Model::Auto => "sendfile; what is not in memory is read by other threads first; never waits for the disk",
            Model::Sync => "pread and send; waits for the disk",
            Model::Sendfile => "sendfile; waits for the disk",
            Model::Mmap => "send from the memory map; waits for the disk",
            Model::Aio => "kernel AIO through the page cache, which waits for the disk all the same",
            Model::Dio => "kernel AIO past the page cache (O_DIRECT); never waits for the disk",
            Model::AsyncSendfile => "io_uring splices file to pipe, pipe to socket; never waits for the disk",
        }
    }

    /// Whether this kernel offers what it needs.
    ///
    /// # Errors
    ///
    /// If it does not: what it lacks or refuses.
    pub fn check(self) -> io::Result<()> {
        match self {
            Model::Auto | Model::Sync | Model::Sendfile | Model::Mmap => Ok(()),
            Model::Aio | Model::Dio => aio::check(),
            Model::AsyncSendfile => async_sendfile::check(),
        }
    }

    /// How many descriptors it takes besides those of connections: of each worker, and of each webroot.
    pub(super) fn descriptors(self) -> (usize, usize) {
        match self {
            Model::Auto | Model::Sync | Model::Sendfile | Model::Mmap => (0, 0),
            Model::Aio => (2, 0),
            Model::Dio => (2, 1),
            Model::AsyncSendfile => (3 + async_sendfile::MOST_DESCRIPTORS, 0),
        }
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Model, String> {
        let found = Model::ALL.into_iter().find(|model| model.name() == text);
        found.ok_or_else(|| format!("{text:?} is none of {}", Model::ALL.map(Model::name).join(", ")))
    }
}

/// Why bytes could not be sent.
#[derive(Debug)]
pub enum Failure {
    /// The client is gone, or too slow.
    Client(io::Error),
    /// They could not be read: the first that was missing, from the beginning of the file, and why.
    Source(u64, io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Client(error)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        match failure {
            Failure::Client(error) | Failure::Source(_, error) => error,
        }
    }
}

/// A way of sending bytes of a webroot's file.
pub(super) trait Transfer: fmt::Debug + Send + Sync {
    /// Sends the bytes of `site`'s file at `range`, all of them, waiting as often as it must. How far the site can be
    /// believed is asked again now and then.
    fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure>;
}

/// The way of sending that was chosen, and what it works with.
#[derive(Debug)]
pub(super) struct Io {
    transfer: Box<dyn Transfer>,
    /// What it is.
    model: Model,
    /// What short stretches are sent by.
    pub auto: Auto,
    /// Stretches that were sent by themselves, and their bytes: of [`LONG`] ones, and of shorter ones.
    long: Sent,
    short: Sent,
}

#[derive(Debug, Default)]
struct Sent {
    stretches: AtomicU64,
    bytes: AtomicU64,
}

/// Stretches of contents that were not copied behind their heads.
#[derive(Clone, Copy, Debug)]
pub struct Transferred {
    /// By what they were sent.
    pub model: Model,
    /// How many.
    pub stretches: u64,
    /// How long they were, in bytes.
    pub bytes: u64,
}

impl Sent {
    fn note(&self, bytes: u64) {
        self.stretches.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Io {
    /// Sends by `model` from now on, or as `auto` does if this kernel refuses it, which is said. The workers, so many of
    /// them, must have been started.
    pub fn start(model: Model, workers: usize, messages: &Messages) -> Io {
        let auto = Auto::default();
        let transfer: io::Result<Box<dyn Transfer>> = match model {
            Model::Auto => Ok(Box::new(auto.clone())),
            Model::Sync => Ok(Box::new(sync::Sync)),
            Model::Sendfile => Ok(Box::new(sendfile::Sendfile)),
            Model::Mmap => Ok(Box::new(mmap::Mmap)),
            Model::Aio => aio::Aio::buffered(workers).map(|aio| Box::new(aio) as _),
            Model::Dio => aio::Aio::direct(workers, auto.clone(), messages.clone()).map(|aio| Box::new(aio) as _),
            Model::AsyncSendfile => async_sendfile::AsyncSendfile::new(workers).map(|uring| Box::new(uring) as _),
        };
        let (transfer, model) = match transfer {
            Ok(transfer) => (transfer, model),
            Err(error) => {
                messages.say(&format!("--io {model}: {error}; long contents are sent as by auto"));
                (Box::new(auto.clone()) as _, Model::Auto)
            }
        };
        Io { transfer, model, auto, long: Sent::default(), short: Sent::default() }
    }

    /// What was sent so far, or begun.
    pub fn transferred(&self) -> Vec<Transferred> {
        let read = |sent: &Sent| (sent.stretches.load(Ordering::Relaxed), sent.bytes.load(Ordering::Relaxed));
        let ((long, long_bytes), (short, short_bytes)) = (read(&self.long), read(&self.short));
        match self.model {
            Model::Auto => {
                vec![Transferred { model: Model::Auto, stretches: long + short, bytes: long_bytes + short_bytes }]
            }
            model => vec![
                Transferred { model: Model::Auto, stretches: short, bytes: short_bytes },
                Transferred { model, stretches: long, bytes: long_bytes },
            ],
        }
    }

    /// Sends a stretch.
    pub fn send(&self, site: &Site, range: Range<u64>, socket: &mut Socket<'_>) -> Result<(), Failure> {
        let length = range.end - range.start;
        if length < LONG { &self.short } else { &self.long }.note(length);
        if length < LONG { self.auto.send(site, range, socket) } else { self.transfer.send(site, range, socket) }
    }
}

/// From this length in bytes on stretches are sent by the model; shorter ones, which pages are made of, as by `auto`.
const LONG: u64 = PAGED_LENGTH;

/// How much the kernel is asked for at once, in bytes.
const PIECE: u64 = 256 * 1024;

/// How much is sent from a buffer before it is filled again, in bytes: it stays in the processor's cache.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Lets `body` use a buffer that all on this worker share, so it must not wait.
pub(super) fn with_scratch<T>(body: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| body(buffer))
}

/// Whose fault an error is that a call has reported which reads from a file and writes to a socket.
pub(super) fn blame(error: Errno, at: u64) -> Failure {
    match error {
        // A bad disk, a damaged file system, one that has gone away.
        Errno::IO
        | Errno::NXIO
        | Errno::NODEV
        | Errno::NODATA
        | Errno::BADMSG
        | Errno::UCLEAN
        | Errno::STALE
        | Errno::FAULT
        | Errno::NOMEM
        | Errno::INVAL => Failure::Source(at, error.into()),
        _ => Failure::Client(error.into()),
    }
}

/// The file ends before what was to be sent.
pub(super) fn cut_short(at: u64) -> Failure {
    Failure::Source(at, io::ErrorKind::UnexpectedEof.into())
}

/// Sends `range` by what sends some bytes from a place on, without waiting, and says how many.
fn send_by(
    site: &Site,
    range: Range<u64>,
    socket: &mut Socket<'_>,
    mut some: impl FnMut(u64, &Socket<'_>) -> Result<usize, Failure>,
) -> Result<(), Failure> {
    let mut at = range.start;
    while at < range.end {
        permitted(site, at)?;
        let count = some(at, socket)?;
        at += count as u64;
        socket.advance(count, at < range.end)?;
    }
    Ok(())
}

/// Makes sure that a site may still be sent from.
pub(super) fn permitted(site: &Site, at: u64) -> Result<(), Failure> {
    if site.is_available() { Ok(()) } else { Err(cut_short(at)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_models() {
        for model in Model::ALL {
            assert_eq!(model.name().parse(), Ok(model));
            assert_eq!(
                toml::from_str::<toml::Table>(&format!("io = '{model}'")).unwrap()["io"].clone().try_into(),
                Ok(model)
            );
        }
        let error = "uring".parse::<Model>().unwrap_err();
        assert_eq!(error, "\"uring\" is none of auto, sync, sendfile, mmap, aio, dio, async-sendfile");
    }
}

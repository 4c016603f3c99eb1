//! Verifying the contents of webroots while they are served.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::str::FromStr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustix::fs::Advice;
use rustix::io::ReadWriteFlags;
use serde::Deserialize;

use crate::runtime::{Messages, Site};
use crate::sys;
use crate::webroot::check;

/// When the contents of a webroot are compared with their digests. Its index is always checked when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Before it is served; one that is damaged is refused.
    Open,
    /// Once it is served; what is found damaged is not sent any more.
    #[default]
    Background,
    /// Never.
    Off,
}

impl FromStr for Verify {
    type Err = String;

    fn from_str(text: &str) -> Result<Verify, String> {
        match text {
            "open" => Ok(Verify::Open),
            "background" => Ok(Verify::Background),
            "off" => Ok(Verify::Off),
            _ => Err(format!("{text:?} is none of open, background, off")),
        }
    }
}

/// How much is read at once, in bytes: what the thread holds while it is at work.
const PIECE: usize = 1 << 17;
/// How much may be read in a second, in bytes.
const RATE: f64 = (64 << 20) as f64;
/// How long a site must have been served before it is verified; one that is replaced within that time never is.
const PATIENCE: Duration = Duration::from_secs(1);

/// A thread that reads what is served, slowly, and compares it with its digests.
#[derive(Clone, Debug)]
pub struct Scrubber(Sender<(Instant, Weak<Site>)>);

impl Scrubber {
    /// Starts it; what it finds goes to `messages`.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn start(messages: Messages) -> io::Result<Scrubber> {
        let (sender, sites) = channel::<(Instant, Weak<Site>)>();
        std::thread::Builder::new().name("scrubber".into()).spawn(move || {
            sys::work_in_background();
            for (since, site) in sites {
                std::thread::sleep((since + PATIENCE).saturating_duration_since(Instant::now()));
                scrub(&site, &messages);
            }
        })?;
        Ok(Scrubber(sender))
    }

    /// Verifies a site when those before it are done, unless it has been replaced by then.
    pub fn add(&self, site: &Arc<Site>) {
        // The thread lives as long as the process.
        let _ = self.0.send((Instant::now(), Arc::downgrade(site)));
    }
}

/// Verifies all contents, one after the other. The site may go at any time; it is held for one piece only.
fn scrub(site: &Weak<Site>, messages: &Messages) {
    let mut window = Window::default();
    let mut number = 0;
    while let Some(held) = site.upgrade().filter(|site| site.is_available()) {
        let Some(body) = held.webroot().bodies().get(number).copied() else { return };
        drop(held);
        number += 1;
        let mut hasher = blake3::Hasher::new();
        let mut position = body.range().start;
        while position < body.range().end {
            let Some(held) = site.upgrade().filter(|site| site.is_available()) else { return };
            match window.bytes(held.file(), position..body.range().end) {
                Ok(bytes) => {
                    hasher.update(bytes);
                    position += bytes.len() as u64;
                }
                Err(error) => {
                    messages.complain(&format!("{}: byte {position} cannot be read: {error}", held.name()));
                    break;
                }
            }
        }
        let Some(held) = site.upgrade().filter(|site| site.is_available()) else { return };
        if *hasher.finalize().as_bytes() != body.digest {
            held.condemn(body.range());
            let what = check::damaged_body(&held.webroot(), &body.range());
            messages.complain(&format!("{}:{}: {what}; it is not sent any more", held.name(), body.range().start));
        }
    }
}

/// What was read last of a file, so that short contents which lie side by side are read at once.
#[derive(Default)]
struct Window {
    buffer: Vec<u8>,
    start: u64,
}

impl Window {
    /// Some of the bytes at `range`, from its beginning on.
    fn bytes(&mut self, file: &File, range: Range<u64>) -> io::Result<&[u8]> {
        let end = self.start + self.buffer.len() as u64;
        if !(self.start..end).contains(&range.start) {
            self.start = range.start;
            let began = Instant::now();
            read(file, &mut self.buffer, range.start)?;
            let due = Duration::from_secs_f64(self.buffer.len() as f64 / RATE);
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let from = (range.start - self.start) as usize;
        let until = (range.end - self.start).min(self.buffer.len() as u64) as usize;
        Ok(&self.buffer[from..until])
    }
}

/// Fills `buffer` from `offset` on. What was not in memory does not stay there: nobody has asked for it.
fn read(file: &File, buffer: &mut Vec<u8>, offset: u64) -> io::Result<()> {
    buffer.resize(PIECE, 0);
    let at_hand = {
        let mut slices = [io::IoSliceMut::new(buffer)];
        rustix::io::preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
    };
    let mut length = at_hand;
    while length < PIECE {
        match rustix::io::pread(file, &mut buffer[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                buffer.clear();
                return Err(error.into());
            }
        }
    }
    buffer.truncate(length);
    if let Some(read) = std::num::NonZeroU64::new((length - at_hand) as u64) {
        // Only advice.
        let _ = rustix::fs::fadvise(file, offset + at_hand as u64, Some(read), Advice::DontNeed);
    }
    if length == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

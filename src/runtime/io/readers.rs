//! Threads that sleep on the disk, so that those that serve need not.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::Advice;
use rustix::io::Errno;

use crate::runtime::flight::{Delivery, Pending, expect};
use crate::runtime::phase::State;

/// How many there are at most: so many requests the disk has to choose from.
const MOST: usize = 64;
/// How many of them read long stretches: short ones, which somebody wants at once, need not wait for those.
const MOST_LONG: usize = 56;
/// How long one that has nothing to do stays.
const IDLE: Duration = Duration::from_secs(10);

/// The kernel is asked for whole blocks of so many bytes: what lies beside a small file is often wanted next.
const AROUND: u64 = 64 * 1024;

/// How much is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// All of a content.
    Short,
    /// A part of a long one.
    Long,
}

/// Whether all was read; else the first byte that could not be, and why.
pub(super) type Outcome = Result<(), (u64, io::Error)>;

/// Threads that bring stretches of files into the page cache. They come when they are needed and go when they are not.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// How many jobs there were.
    jobs: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    short: VecDeque<Job>,
    long: VecDeque<Job>,
    threads: usize,
    /// How many of them wait for something to do.
    idle: usize,
    /// How many of them read long stretches.
    at_long: usize,
}

#[derive(Debug)]
struct Job {
    file: Arc<File>,
    range: Range<u64>,
    delivery: Delivery<Outcome>,
}

impl Readers {
    /// Reads `range` of `file` for `connection`, which is woken when that is done.
    ///
    /// # Errors
    ///
    /// If there is not one thread to be had.
    pub fn read(
        &self,
        length: Length,
        file: &Arc<File>,
        range: Range<u64>,
        connection: &Arc<State>,
    ) -> io::Result<Pending<Outcome>> {
        let (pending, delivery) = expect(connection);
        let job = Job { file: file.clone(), range, delivery };
        self.0.jobs.fetch_add(1, Ordering::Relaxed);
        let mut queue = self.0.queue();
        match length {
            Length::Short => queue.short.push_back(job),
            Length::Long => queue.long.push_back(job),
        }
        self.0.changed.notify_one();
        // Those that are idle may have been called already, for others.
        if queue.idle < queue.short.len() + queue.long.len()
            && queue.threads < MOST
            && let Err(error) = self.start(&mut queue)
            && queue.threads == 0
        {
            return Err(error);
        }
        Ok(pending)
    }

    /// How often something had to be read.
    pub fn reads(&self) -> u64 {
        self.0.jobs.load(Ordering::Relaxed)
    }

    fn start(&self, queue: &mut Queue) -> io::Result<()> {
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name("reader".into()).stack_size(64 * 1024);
        thread.spawn(move || shared.work())?;
        queue.threads += 1;
        Ok(())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one thread does.
    fn work(&self) {
        // Pages that are sent there are brought into memory and go no further.
        let null = File::options().write(true).open("/dev/null").ok();
        let mut queue = self.queue();
        loop {
            let Some((length, job)) = queue.next() else {
                queue.idle += 1;
                let (after, wait) = self.changed.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner);
                queue = after;
                queue.idle -= 1;
                if wait.timed_out() && !queue.has_next() {
                    queue.threads -= 1;
                    return;
                }
                continue;
            };
            drop(queue);
            if !job.delivery.is_unwanted() {
                let outcome = read(&job.file, job.range, null.as_ref());
                job.delivery.deliver_from_afar(outcome);
            }
            queue = self.queue();
            if length == Length::Long {
                queue.at_long -= 1;
            }
        }
    }
}

impl Queue {
    fn has_next(&self) -> bool {
        !self.short.is_empty() || self.at_long < MOST_LONG && !self.long.is_empty()
    }

    fn next(&mut self) -> Option<(Length, Job)> {
        if let Some(job) = self.short.pop_front() {
            return Some((Length::Short, job));
        }
        if self.at_long >= MOST_LONG {
            return None;
        }
        let job = self.long.pop_front()?;
        self.at_long += 1;
        Some((Length::Long, job))
    }
}

/// Brings `range` into memory, all of it asked for at once, and what lies around it as far as that costs the disk little.
fn read(file: &File, range: Range<u64>, null: Option<&File>) -> Outcome {
    let (start, end) = (range.start - range.start % AROUND, range.end.next_multiple_of(AROUND));
    // If the advice is not taken, reading does it bit by bit.
    let _ = rustix::fs::fadvise(file, start, NonZeroU64::new(end - start), Advice::WillNeed);
    let mut at = range.start;
    while at < range.end {
        let wanted = (range.end - at) as usize;
        let read = match null {
            Some(null) => rustix::fs::sendfile(null, file, Some(&mut at), wanted),
            None => Err(Errno::INVAL),
        };
        let count = match read {
            // Where the system cannot send to nowhere it can read.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => super::with_scratch(|buffer| {
                let length = wanted.min(buffer.len());
                rustix::io::pread(file, &mut buffer[..length], at).inspect(|count| at += *count as u64)
            }),
            other => other,
        };
        match count {
            Ok(0) => return Err((at, io::ErrorKind::UnexpectedEof.into())),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err((at, error.into())),
        }
    }
    Ok(())
}

//! Counts of answers. Each worker counts by itself, so that no two ever want the same line of a cache; who wants to know adds
//! that up.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indexmap::{Equivalent, IndexMap};
use rustc_hash::FxBuildHasher;

use super::share;
use crate::answer::Answer;
use crate::runtime::HostNumber;

/// The times that answers are sorted by: each is the longest of its class, in seconds. Whatever takes longer than the last
/// has a class of its own.
pub const BOUNDS: [f64; 16] =
    [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 0.1, 0.5, 1.0, 5.0, 30.0];
const CLASSES: usize = BOUNDS.len() + 1;

/// A number that one thread adds to and others read.
#[derive(Debug, Default)]
struct Count(AtomicU64);

impl Count {
    fn add(&self, number: u64) {
        // Nobody else writes, so nothing is lost in between.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(number), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted apart: answers for one host, with one status and one media type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    host: Option<HostNumber>,
    status: u16,
    media_type: Box<[u8]>,
}

/// The same, to look one up by.
#[derive(Clone, Copy)]
struct Asked<'a> {
    host: Option<HostNumber>,
    status: u16,
    media_type: &'a [u8],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        Asked { host: self.host, status: self.status, media_type: &self.media_type }.hash(hasher);
    }
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.host, self.status).hash(hasher);
        hasher.write(self.media_type);
    }
}

impl Equivalent<Key> for Asked<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        (self.host, self.status, self.media_type) == (key.host, key.status, &*key.media_type)
    }
}

#[derive(Debug, Default)]
struct Series {
    requests: Count,
    bytes: Count,
}

/// What one worker has counted. Its cache lines are its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker {
    /// Only the worker looks here, so that it never waits.
    series: Mutex<IndexMap<Key, Arc<Series>, FxBuildHasher>>,
    classes: [Count; CLASSES],
    /// In nanoseconds.
    time: Count,
}

/// Counts of answers since the server began.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Worker]>,
    /// Everything that anybody counts apart.
    all: Mutex<Vec<(Key, Arc<Series>)>>,
}

/// Answers of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// For which host; `None` where nothing is served for what was asked, or nobody understood what was.
    pub host: Option<HostNumber>,
    /// The status code.
    pub status: u16,
    /// The media type of the selected variant, without parameters; empty if none was selected.
    pub media_type: Box<[u8]>,
    /// How many.
    pub requests: u64,
    /// Bytes of their contents that the kernel took.
    pub bytes: u64,
}

/// How long answers took, from the arrival of the request until the kernel had the content or it was put beside others to be
/// sent with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Times {
    /// How many took so long at most as the bound with the same number in [`BOUNDS`], and not longer than the one before; in the
    /// end those that took longer.
    pub classes: [u64; CLASSES],
    /// All together.
    pub sum: Duration,
}

impl Metrics {
    /// Counts for so many workers.
    pub fn new(workers: usize) -> Metrics {
        Metrics { workers: (0..workers.max(1)).map(|_| Worker::default()).collect(), all: Mutex::default() }
    }

    /// Counts an answer.
    pub(super) fn count(&self, answer: &Answer<'_>, host: Option<HostNumber>, bytes: u64, took: Duration) {
        let media_type = answer.selected.as_ref().map_or(&b""[..], |stored| stored.variant().media_type);
        let media_type = media_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let worker = &self.workers[share(self.workers.len())];
        worker.note(took);
        let asked = Asked { host, status: answer.status.code(), media_type };
        let mut series = worker.series.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = match series.get(&asked) {
            Some(counted) => counted,
            None => {
                let key = Key { host, status: asked.status, media_type: media_type.into() };
                let counted = Arc::new(Series::default());
                self.all.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), counted.clone()));
                &*series.entry(key).or_insert(counted)
            }
        };
        counted.requests.add(1);
        counted.bytes.add(bytes);
    }

    /// All answers so far, in order.
    pub fn totals(&self) -> Vec<Total> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut totals: Vec<Total> = Vec::new();
        for (Key { host, status, media_type }, series) in all {
            let (requests, bytes) = (series.requests.get(), series.bytes.get());
            match totals.last_mut() {
                Some(last) if (last.host, last.status, &last.media_type) == (host, status, &media_type) => {
                    last.requests += requests;
                    last.bytes += bytes;
                }
                _ => totals.push(Total { host, status, media_type, requests, bytes }),
            }
        }
        totals
    }

    /// How long they took.
    pub fn times(&self) -> Times {
        let mut times = Times::default();
        for worker in &self.workers {
            times.sum += Duration::from_nanos(worker.time.get());
            for (sum, class) in times.classes.iter_mut().zip(&worker.classes) {
                *sum += class.get();
            }
        }
        times
    }
}

impl Worker {
    fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.classes[BOUNDS.iter().take_while(|&&bound| bound < seconds).count()].add(1);
        self.time.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Content, Fields};
    use crate::http::Status;

    fn answer(status: Status) -> Answer<'static> {
        Answer { status, fields: Fields::Stored(b""), content: Content::None, selected: None }
    }

    #[test]
    fn kinds_are_counted_apart_and_times_by_class() {
        let metrics = Metrics::new(2);
        for (status, bytes, micros) in
            [(Status::Ok, 5, 10), (Status::NotFound, 1, 11), (Status::Ok, 7, 30_000_001), (Status::Ok, 0, 0)]
        {
            metrics.count(&answer(status), None, bytes, Duration::from_micros(micros));
        }
        let shown: Vec<_> = metrics.totals().iter().map(|total| (total.status, total.requests, total.bytes)).collect();
        assert_eq!(shown, [(200, 3, 12), (404, 1, 1)]);
        let times = metrics.times();
        assert_eq!((times.classes[0], times.classes[1], times.classes[CLASSES - 1]), (2, 1, 1));
        assert_eq!((times.classes.iter().sum::<u64>(), times.sum), (4, Duration::from_micros(30_000_022)));
    }

    /// Each thread counts in its own place, or the sums would be wrong.
    #[test]
    fn what_workers_count_adds_up() {
        let metrics = Metrics::new(4);
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let metrics = &metrics;
                scope.spawn(move || {
                    crate::sys::this_is_worker(worker);
                    let answer = answer(Status::NotModified);
                    (0..10_000).for_each(|_| metrics.count(&answer, None, 3, Duration::from_nanos(1)));
                });
            }
        });
        let total = metrics.totals().pop().expect("a kind");
        assert_eq!((total.requests, total.bytes, metrics.times().sum), (40_000, 120_000, Duration::from_nanos(40_000)));
    }
}

//! What is seen of answers: lines of an access log, and counts. Nobody who serves waits for either.

mod access_log;
mod entry;
mod metrics;
mod syslog;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::hosts::{HostNumber, Hosts};
use super::site::Site;
use crate::answer::Answer;
use crate::http::request::RequestHead;
use crate::sys;
pub use access_log::{AccessLog, Destination};
pub use entry::Format;
use entry::{Answered, Entry};
pub use metrics::{BOUNDS, Metrics, Times, Total};
pub use syslog::Syslog;

/// Who sees answers.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// Writes a line for each.
    pub log: Option<Arc<AccessLog>>,
    /// Counts them.
    pub metrics: Option<Arc<Metrics>>,
}

/// What has been seen of the request that is being answered.
#[derive(Debug, Default)]
pub(super) struct Observed {
    entry: Entry,
    /// When the request was there.
    began: Option<Instant>,
}

impl Observed {
    /// Whether there is a request that no answer has been given to.
    pub fn has_begun(&self) -> bool {
        self.began.is_some()
    }
}

/// How an answer went out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    /// Bytes of content that the kernel took.
    pub bytes: u64,
    /// Whether these are all.
    pub is_whole: bool,
}

impl Observer {
    /// Begins to see to a request of a `client`, who has come over TLS or not: `line` is its first line as it came, `head` what was
    /// understood of it.
    pub(super) fn begin(
        &self,
        observed: &mut Observed,
        client: (IpAddr, bool),
        line: &[u8],
        head: Option<&RequestHead<'_>>,
    ) {
        if self.log.is_none() && self.metrics.is_none() {
            return;
        }
        observed.began = Some(Instant::now());
        if let Some(log) = &self.log {
            observed.entry.begin(log.format(), SystemTime::now(), client, line, head);
        }
    }

    /// Ends what was begun: `answer` came from `site`, or from nowhere, and its host is the one with this number.
    pub(super) fn end(
        &self,
        observed: &mut Observed,
        answer: &Answer<'_>,
        host: Option<HostNumber>,
        site: Option<&Site>,
        outcome: Outcome,
        hosts: &Hosts,
    ) {
        let Some(began) = observed.began.take() else { return };
        let took = began.elapsed();
        if let Some(metrics) = &self.metrics {
            metrics.count(answer, host, outcome.bytes, took);
        }
        if let Some(log) = &self.log {
            // Which of its names a host has is looked up only where it is written down.
            let named = (log.format() == Format::Json).then(|| host.and_then(|host| hosts.name_of(host))).flatten();
            let answered = Answered { answer, site, host: named.as_ref(), outcome, took };
            observed.entry.end(log.format(), &answered);
            log.write(observed.entry.line());
        }
    }
}

/// Where a worker's share is found among so many; what is no worker has that of the first.
fn share(count: usize) -> usize {
    sys::worker().unwrap_or(0) % count.max(1)
}

/// Whole microseconds, rounded down.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

//! What is seen of answers: lines of an access log, and counts. Nobody who serves waits for either.

mod access_log;
mod entry;
mod metrics;
mod syslog;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::date;
use super::hosts::{HostNumber, Hosts};
use super::site::Site;
use crate::answer::Answer;
use crate::http::request::RequestHead;
use crate::sys;
pub use access_log::{AccessLog, Destination, open_log};
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
    has_begun: bool,
    /// When that was, by the steady clock, if anybody wants to know.
    began: u64,
}

impl Observed {
    /// Whether there is a request that no answer has been given to.
    pub fn has_begun(&self) -> bool {
        self.has_begun
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
    /// Begins to see to a request of a `client`, who has come over TLS or not: it is what was `received`, `head` what was understood of
    /// it.
    pub(super) fn begin(
        &self,
        observed: &mut Observed,
        client: (IpAddr, bool),
        received: &[u8],
        head: Option<&RequestHead<'_>>,
    ) {
        let format = self.log.as_ref().map(|log| log.format());
        if format.is_none() && self.metrics.is_none() {
            return;
        }
        observed.has_begun = true;
        // The kernel is asked for the time only where that is told of.
        let is_timed = self.metrics.is_some() || format == Some(Format::Json);
        observed.began = if is_timed { date::steady() } else { 0 };
        if let Some(format) = format {
            let time = if format == Format::Json { date::time_at(observed.began) } else { date::time() };
            observed.entry.begin(format, time, client, first_line(received), head);
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
        if !std::mem::take(&mut observed.has_begun) {
            return;
        }
        let is_timed = observed.began > 0;
        let took = Duration::from_nanos(if is_timed { date::steady().saturating_sub(observed.began) } else { 0 });
        if let Some(metrics) = &self.metrics {
            metrics.count(answer, host, outcome.bytes, took);
        }
        if let Some(log) = &self.log {
            let format = log.format();
            let mut end = |host: Option<&str>| {
                observed.entry.end(format, &Answered { answer, site, host, outcome, took });
            };
            if host.and_then(|number| hosts.with_shown(number, |shown| end(Some(shown)))).is_none() {
                end(None);
            }
            log.write(observed.entry.line());
        }
    }
}

/// The first line of a head, without its end.
fn first_line(head: &[u8]) -> &[u8] {
    head.split(|&byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default()
}

/// Where a worker's share is found among so many; what is no worker has that of the first.
fn share(count: usize) -> usize {
    sys::worker().unwrap_or(0) % count.max(1)
}

/// Whole microseconds, rounded down.
fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

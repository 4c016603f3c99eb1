//! What a client may ask of the server, and for how long.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::io::Model;
use crate::http::request;

/// Bounds that keep any client, however ill-behaved, from taking more than its share.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of heads.
    pub head: request::Limits,
    /// Bytes of a request's content that are read and dropped; beyond it 413.
    pub content: u64,
    /// For a whole head, from its first byte, or from the beginning of the connection to its first byte.
    pub header_timeout: Duration,
    /// For the next request on a connection.
    pub keep_alive_timeout: Duration,
    /// For the whole content of a request.
    pub content_timeout: Duration,
    /// How long it may take the client to receive [`Limits::min_send_rate`] times as many seconds' bytes.
    pub send_timeout: Duration,
    /// The slowest that a client may receive, in bytes a second, on average over a send timeout; with 0 any byte will do.
    pub min_send_rate: u64,
    /// Connections at a time.
    pub connections: usize,
    /// Connections at a time from one client address (IPv4) or network (the first 64 bits of IPv6); 0 for no bound.
    pub connections_per_address: usize,
    /// Handshakes that may fail within ten seconds for one of these; 0 for no bound.
    pub failed_handshakes: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: request::Limits::default(),
            content: 64 * 1024,
            header_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(60),
            content_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(30),
            min_send_rate: 500,
            connections: 16_384,
            connections_per_address: 1024,
            failed_handshakes: 100,
        }
    }
}

/// Descriptors that are no connections': listeners, watches, standard streams; and those of a worker.
const OTHER_DESCRIPTORS: (usize, usize) = (32, 4);
/// Stretches of memory that are no stacks'.
const OTHER_MAPS: usize = 1024;

/// What this process may have.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    descriptors: usize,
    maps: usize,
    workers: usize,
    model: Model,
}

impl Means {
    /// Asks the kernel, for a server with so many workers that sends in such a way.
    pub fn of_process(workers: usize, model: Model) -> Means {
        Means { descriptors: descriptors(), maps: maps(), workers, model }
    }

    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// How many connections there are descriptors and stacks for besides `webroots`, each of which is a descriptor and a
    /// map; and the reason, as the end of a sentence.
    fn connections(&self, webroots: usize) -> (usize, Shortage) {
        // While some are replaced there are more.
        let webroots = webroots + webroots / 8;
        let (of_worker, of_webroot) = self.model.descriptors();
        let others =
            OTHER_DESCRIPTORS.0 + (OTHER_DESCRIPTORS.1 + of_worker) * self.workers + (1 + of_webroot) * webroots;
        let by_descriptors = self.descriptors.saturating_sub(others);
        // A stack and the guard at its end are two maps.
        let by_maps = self.maps.saturating_sub(OTHER_MAPS + webroots) / 2;
        if by_descriptors <= by_maps {
            (by_descriptors.max(1), Shortage::Descriptors)
        } else {
            (by_maps.max(1), Shortage::Maps)
        }
    }
}

/// What there is least of.
enum Shortage {
    Descriptors,
    Maps,
}

impl Limits {
    /// How many connections there may be besides so many open webroots.
    pub(super) fn connections_besides(&self, webroots: usize, means: &Means) -> usize {
        self.connections.min(means.connections(webroots).0)
    }

    /// What there is to be said if there is no room for as many connections as there may be besides `webroots`.
    pub fn shortage(&self, webroots: usize, means: &Means) -> Option<String> {
        let (most, shortage) = means.connections(webroots);
        let wanted = self.connections;
        let why = match shortage {
            _ if wanted <= most => return None,
            Shortage::Descriptors => format!("it may have {} files open (ulimit -Hn)", means.descriptors),
            Shortage::Maps => "vm.max_map_count allows no more stacks".to_string(),
        };
        Some(format!("at most {most} connections instead of {wanted}, since {why}"))
    }
}

/// How many webroots this process may have open, so that something is left for connections: three quarters of what there
/// is. With it goes the reason, as the end of a sentence.
pub fn most_webroots() -> (usize, String) {
    let (descriptors, maps) = (descriptors(), maps());
    let share = |all: usize, others: usize| (all.saturating_sub(others) / 4 * 3).max(1);
    let by_descriptors = share(descriptors, 2 * OTHER_DESCRIPTORS.0);
    let by_maps = share(maps, OTHER_MAPS);
    if by_descriptors <= by_maps {
        (
            by_descriptors,
            format!("this process may have {descriptors} files open (ulimit -Hn), some of them connections"),
        )
    } else {
        (by_maps, format!("vm.max_map_count is {maps}, and connections have stacks"))
    }
}

/// How many descriptors this process may have.
fn descriptors() -> usize {
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |most| most as usize)
}

/// How many maps the kernel gives to a process.
fn maps() -> usize {
    let said = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    said.and_then(|text| text.trim().parse().ok()).unwrap_or(usize::MAX)
}

/// Raises the limit of open files as far as this process may.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, what there is must do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

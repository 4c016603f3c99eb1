//! How the server is doing, for those who ask it about itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::connections::Connections;
use super::io::Transferred;
use super::phase::Phase;

/// A look at a running server, to be taken at any time.
#[derive(Clone, Debug)]
pub struct Overview {
    connections: Arc<Connections>,
    stopping: Arc<AtomicBool>,
    since: SystemTime,
}

/// Connections, now and since the server began.
#[derive(Clone, Debug)]
pub struct Census {
    /// How many were admitted.
    pub admitted: u64,
    /// How many were turned away, since their client had too many.
    pub refused: u64,
    /// How many had to give way to others.
    pub displaced: u64,
    /// How many were closed unanswered, since too many handshakes of their client had failed.
    pub barred: u64,
    /// For each phase how many are at it, and how often it took too long.
    pub phases: Vec<(Phase, u64, u64)>,
}

impl Overview {
    pub(super) fn new(connections: Arc<Connections>, stopping: Arc<AtomicBool>) -> Overview {
        Overview { connections, stopping, since: SystemTime::now() }
    }

    /// Whether the server is about to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Since when it runs.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Its connections.
    pub fn census(&self) -> Census {
        let (admitted, counts) = self.connections.by_phase();
        let events = &self.connections.events;
        let late = |phase: Phase| events.late[phase as usize].load(Ordering::Relaxed);
        Census {
            admitted,
            refused: events.refused.load(Ordering::Relaxed),
            barred: events.barred.load(Ordering::Relaxed),
            displaced: events.displaced.load(Ordering::Relaxed),
            phases: Phase::ALL.into_iter().map(|phase| (phase, counts[phase as usize], late(phase))).collect(),
        }
    }

    /// What was sent by itself, by the way that it went.
    pub fn transferred(&self) -> Vec<Transferred> {
        self.connections.io.transferred()
    }

    /// How often contents were not in memory and had to be read first.
    pub fn disk_reads(&self) -> u64 {
        self.connections.io.auto.reads()
    }
}

//! What a connection is at, and until when it may be: one atomic word, which the connection writes and the watchman
//! reads.
//!
//! A deadline costs a request nothing: it is a store of that word. The time is a number that the watchman writes ten
//! times a second, so nobody asks the kernel for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use may::io::WaitIoWaker;

use super::limits::Limits;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is new, and nothing has come.
    Opening = 0,
    /// It waits for the next request.
    Idle = 1,
    /// It has received the beginning of a head.
    Head = 2,
    /// It reads past the content of a request.
    Content = 3,
    /// It is at an answer, and nobody else can delay that.
    Answering = 4,
    /// It waits for the client to receive.
    Sending = 5,
    /// It has said its last, and reads until the client has understood that.
    Lingering = 6,
}

impl Phase {
    const ALL: [Phase; 7] =
        [Phase::Opening, Phase::Idle, Phase::Head, Phase::Content, Phase::Answering, Phase::Sending, Phase::Lingering];
}

/// Milliseconds since the server began.
#[derive(Debug)]
pub(super) struct Clock {
    began: Instant,
    now: AtomicU64,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { began: Instant::now(), now: AtomicU64::new(0) }
    }

    /// Sets the time; the watchman's part.
    pub fn tick(&self) {
        self.now.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// The time of the last tick.
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }
}

/// The phase of one connection.
#[derive(Debug)]
pub(super) struct State {
    /// From the lowest bit: three bits of phase, whether it is [`LATE`], then the deadline in milliseconds.
    word: AtomicU64,
    /// Wakes the connection, and on which worker that must be done; once it has a socket.
    waker: OnceLock<(Waker, usize)>,
}

/// Set by the watchman when the deadline has passed, or the connection must give way to others.
const LATE: u64 = 8;
const PHASE: u64 = 7;
const DEADLINE_SHIFT: u32 = 4;
/// That there is no deadline.
const NEVER: u64 = u64::MAX >> DEADLINE_SHIFT;

/// That a connection waits for its client: what it waits for, and until when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    word: u64,
    phase: Phase,
}

impl Wait {
    /// When it began, by the clock.
    pub fn began(&self, deadlines: &Deadlines) -> u64 {
        let span = if self.phase == Phase::Idle { deadlines.idle } else { deadlines.head };
        (self.word >> DEADLINE_SHIFT).saturating_sub(span)
    }
}

struct Waker(WaitIoWaker);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

impl State {
    pub fn new() -> State {
        State { word: AtomicU64::new(word(Phase::Answering, NEVER)), waker: OnceLock::new() }
    }

    /// Says what wakes the connection, and which worker it lives on.
    pub fn wake_by(&self, waker: WaitIoWaker, worker: usize) {
        let _ = self.waker.set((Waker(waker), worker));
    }

    /// The number that stands for the worker on which the connection must be woken.
    pub fn worker(&self) -> usize {
        self.waker.get().map_or(0, |(_, worker)| *worker)
    }

    /// Begins a phase without a deadline.
    pub fn enter(&self, phase: Phase) {
        self.word.store(word(phase, NEVER), Ordering::Release);
    }

    /// Begins a phase that ends at `deadline`, by the clock.
    pub fn enter_until(&self, phase: Phase, deadline: u64) {
        self.word.store(word(phase, deadline), Ordering::Release);
    }

    /// Whether the watchman wants the phase to end.
    pub fn is_late(&self) -> bool {
        self.word.load(Ordering::Acquire) & LATE != 0
    }

    /// What it is at.
    pub fn phase(&self) -> Phase {
        phase(self.word.load(Ordering::Acquire))
    }

    /// The wait of a connection that waits for its client and owes it no answer, so that it can give way to others.
    pub fn wait(&self) -> Option<Wait> {
        let word = self.word.load(Ordering::Acquire);
        let phase = phase(word);
        let waits = matches!(phase, Phase::Opening | Phase::Idle | Phase::Head);
        (waits && word & LATE == 0).then_some(Wait { word, phase })
    }

    /// Marks the connection as late if its deadline lies before `now`. Returns whether it is to be woken, which holds
    /// until it has gone on.
    pub fn expire(&self, now: u64) -> bool {
        let word = self.word.load(Ordering::Acquire);
        word >> DEADLINE_SHIFT < now && (word & LATE != 0 || self.mark(word))
    }

    /// Ends a wait by marking the connection as late, if it still waits. Returns whether it did.
    pub fn dismiss(&self, wait: Wait) -> bool {
        self.mark(wait.word)
    }

    /// Does nothing if the connection has gone on meanwhile.
    fn mark(&self, word: u64) -> bool {
        self.word.compare_exchange(word, word | LATE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Wakes the connection where it waits, or when it next does. To be called on its worker: the runtime would let it
    /// go on wherever it is called, and a connection that changes workers can be run by the other one before the
    /// first is done with it.
    pub fn wake(&self) {
        if let Some((Waker(waker), _)) = self.waker.get() {
            waker.wakeup();
        }
    }
}

fn word(phase: Phase, deadline: u64) -> u64 {
    deadline << DEADLINE_SHIFT | phase as u64
}

fn phase(word: u64) -> Phase {
    Phase::ALL.into_iter().find(|&phase| phase as u64 == word & PHASE).unwrap_or(Phase::Answering)
}

/// How long each phase may take, in milliseconds, with the tick that the clock may be late by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    pub head: u64,
    pub idle: u64,
    pub content: u64,
    pub sending: u64,
    pub lingering: u64,
    /// What a client must receive while it is sent to, in bytes.
    pub quota: u64,
}

impl Deadlines {
    pub fn of(limits: &Limits) -> Deadlines {
        let span = |duration: Duration| (duration + TICK).as_millis() as u64;
        Deadlines {
            head: span(limits.header_timeout),
            idle: span(limits.keep_alive_timeout),
            content: span(limits.content_timeout),
            sending: span(limits.send_timeout),
            lingering: span(LINGER),
            quota: limits.min_send_rate.saturating_mul(limits.send_timeout.as_secs()).max(1),
        }
    }
}

/// How long a client may take to end its side after the last answer.
const LINGER: Duration = Duration::from_secs(5);
/// How often the clock ticks.
pub(super) const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_late_once_and_the_next_is_not() {
        let state = State::new();
        assert!(state.phase() == Phase::Answering && !state.is_late() && !state.expire(u64::MAX >> 5));
        state.enter_until(Phase::Head, 100);
        assert!(state.phase() == Phase::Head && !state.expire(100) && !state.is_late());
        assert!(state.wait().is_some());
        assert!(state.expire(101) && state.is_late() && state.expire(102));
        assert!(state.wait().is_none());
        state.enter(Phase::Answering);
        assert!(state.phase() == Phase::Answering && !state.is_late() && !state.expire(102) && state.wait().is_none());
    }

    #[test]
    fn only_who_still_waits_gives_way() {
        let state = State::new();
        state.enter_until(Phase::Idle, 100);
        let before = state.wait().expect("a wait");
        state.enter_until(Phase::Idle, 200);
        let now = state.wait().expect("a wait");
        assert!(!state.dismiss(before) && state.dismiss(now) && state.is_late() && !state.dismiss(now));
        state.enter_until(Phase::Sending, 100);
        assert!(state.wait().is_none());
    }
}

//! What a connection is at, and until when it may be: one atomic word, which the connection writes and the watchman
//! reads.
//!
//! A deadline costs a request nothing: it is a store of that word. The time is a number that the watchman writes ten
//! times a second, so nobody asks the kernel for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use may::io::WaitIoWaker;

use super::limits::Limits;
use super::waiting_room::WaitingRoom;

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
    /// All of them, in the order of their numbers.
    pub const ALL: [Phase; 7] =
        [Phase::Opening, Phase::Idle, Phase::Head, Phase::Content, Phase::Answering, Phase::Sending, Phase::Lingering];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Opening => "opening",
            Phase::Idle => "idle",
            Phase::Head => "head",
            Phase::Content => "content",
            Phase::Answering => "answering",
            Phase::Sending => "sending",
            Phase::Lingering => "lingering",
        }
    }
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
    /// From the lowest bit: three bits of phase, whether it is [`LATE`], whether it is [`LONG`], then the deadline in
    /// milliseconds.
    word: AtomicU64,
    whereabouts: Mutex<Whereabouts>,
}

/// Where a connection is found that is to be told something.
#[derive(Debug)]
enum Whereabouts {
    /// It has not begun.
    Nowhere,
    /// In a coroutine, which this wakes, to be used on the worker with this number.
    Coroutine(Waker, usize),
    /// At this place.
    WaitingRoom(Arc<WaitingRoom>, usize),
}

/// Set by the watchman when the deadline has passed, or the connection must give way to others.
const LATE: u64 = 8;
/// Set by the watchman when the connection has been idle for so long that it should go to the waiting room.
const LONG: u64 = 16;
const PHASE: u64 = 7;
const DEADLINE_SHIFT: u32 = 5;
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
        State { word: AtomicU64::new(word(Phase::Answering, NEVER)), whereabouts: Mutex::new(Whereabouts::Nowhere) }
    }

    fn whereabouts(&self) -> MutexGuard<'_, Whereabouts> {
        self.whereabouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what wakes the connection, and which worker it lives on.
    pub fn wake_by(&self, waker: WaitIoWaker, worker: usize) {
        *self.whereabouts() = Whereabouts::Coroutine(Waker(waker), worker);
    }

    /// Says that it waits in `room`, at the place with this number.
    pub fn wait_in(&self, room: Arc<WaitingRoom>, key: usize) {
        *self.whereabouts() = Whereabouts::WaitingRoom(room, key);
    }

    /// The number that stands for the worker on which the connection must be woken.
    pub fn worker(&self) -> usize {
        match *self.whereabouts() {
            Whereabouts::Coroutine(_, worker) => worker,
            // It lives on none.
            Whereabouts::WaitingRoom(..) | Whereabouts::Nowhere => 0,
        }
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

    /// Whether the watchman wants it to wait elsewhere.
    pub fn is_long(&self) -> bool {
        self.word.load(Ordering::Acquire) & LONG != 0
    }

    /// Marks a connection as long idle if it has been so since `since`, by the clock. Returns whether it is to be woken.
    pub fn set_aside(&self, since: u64, deadlines: &Deadlines) -> bool {
        self.wait().is_some_and(|wait| {
            let idle = matches!(wait.phase, Phase::Opening | Phase::Idle) && wait.word & LONG == 0;
            idle && wait.began(deadlines) <= since && self.mark(wait.word, LONG)
        })
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

    /// Marks the connection as late if its deadline lies before `now`. Returns something if it is to be woken, which holds
    /// until it has gone on; if that is news, what has taken too long.
    pub fn expire(&self, now: u64) -> Option<Option<Phase>> {
        let word = self.word.load(Ordering::Acquire);
        match word >> DEADLINE_SHIFT < now {
            false => None,
            true if word & LATE != 0 => Some(None),
            true => self.mark(word, LATE).then_some(Some(phase(word))),
        }
    }

    /// Ends a wait by marking the connection as late, if it still waits. Returns whether it did.
    pub fn dismiss(&self, wait: Wait) -> bool {
        self.mark(wait.word, LATE)
    }

    /// Does nothing if the connection has gone on meanwhile.
    fn mark(&self, word: u64, mark: u64) -> bool {
        self.word.compare_exchange(word, word | mark, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Wakes the connection where it waits, or when it next does. To be called on its worker: the runtime would let it
    /// go on wherever it is called, and a connection that changes workers can be run by the other one before the
    /// first is done with it.
    pub fn wake(&self) {
        let (room, key) = match &*self.whereabouts() {
            Whereabouts::Nowhere => return,
            Whereabouts::Coroutine(Waker(waker), _) => return waker.wakeup(),
            Whereabouts::WaitingRoom(room, key) => (room.clone(), *key),
        };
        room.dismiss(key, self);
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
        assert!(state.phase() == Phase::Answering && !state.is_late() && state.expire(u64::MAX >> 6).is_none());
        state.enter_until(Phase::Head, 100);
        assert!(state.phase() == Phase::Head && state.expire(100).is_none() && !state.is_late());
        assert!(state.wait().is_some());
        assert!(state.expire(101) == Some(Some(Phase::Head)) && state.is_late() && state.expire(102) == Some(None));
        assert!(state.wait().is_none());
        state.enter(Phase::Answering);
        assert!(
            state.phase() == Phase::Answering
                && !state.is_late()
                && state.expire(102).is_none()
                && state.wait().is_none()
        );
    }

    #[test]
    fn only_who_is_idle_is_set_aside_and_only_once() {
        let deadlines = Deadlines::of(&Limits::default());
        let state = State::new();
        assert!(!state.set_aside(1000, &deadlines));
        state.enter_until(Phase::Idle, deadlines.idle + 500);
        assert!(!state.set_aside(499, &deadlines) && !state.is_long());
        assert!(state.set_aside(500, &deadlines) && state.is_long() && !state.set_aside(501, &deadlines));
        // It still waits, can give way, and be late.
        assert!(state.wait().is_some() && state.expire(deadlines.idle + 501).is_some() && state.is_late());
        state.enter(Phase::Answering);
        assert!(!state.is_long() && !state.is_late());
        state.enter_until(Phase::Head, deadlines.head);
        assert!(!state.set_aside(1000, &deadlines));
        state.enter_until(Phase::Opening, deadlines.head);
        assert!(state.set_aside(1000, &deadlines));
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

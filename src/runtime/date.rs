//! The Date field's value, rendered once a second.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::http::date::{LENGTH, imf_fixdate};

/// The time in seconds since 1970, as the watchman last had it; asking the kernel for it costs an answer more than
/// looking it up in the index does.
static SECONDS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The second that was rendered last on this thread, and its text.
    static RENDERED: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [0; LENGTH])) };
}

/// By how many nanoseconds that time is ahead of the [steady](steady) clock.
static AHEAD: AtomicU64 = AtomicU64::new(0);

/// Sets the time; the watchman's part, and before the first answer the server's.
pub(super) fn tick() {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SECONDS.store(since.as_secs(), Ordering::Relaxed);
    AHEAD.store((since.as_nanos() as u64).wrapping_sub(steady()), Ordering::Relaxed);
}

/// The nanoseconds of a clock that is never set. One question to the kernel tells both this and, by the last tick, the
/// [time](time_at).
pub(super) fn steady() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The time since 1970 at a moment of the steady clock.
pub(super) fn time_at(steady: u64) -> Duration {
    Duration::from_nanos(steady.wrapping_add(AHEAD.load(Ordering::Relaxed)))
}

/// The time since 1970 at the last tick, in whole seconds.
pub(super) fn time() -> Duration {
    Duration::from_secs(SECONDS.load(Ordering::Relaxed))
}

/// The current date as an IMF-fixdate.
pub(super) fn now() -> [u8; LENGTH] {
    at(time().as_secs())
}

/// A date in seconds since 1970 as an IMF-fixdate.
pub(super) fn at(seconds: u64) -> [u8; LENGTH] {
    RENDERED.with(|rendered| {
        let (second, text) = rendered.get();
        if second == seconds {
            return text;
        }
        let text = imf_fixdate(seconds);
        rendered.set((seconds, text));
        text
    })
}

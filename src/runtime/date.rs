//! The Date field's value, rendered once a second.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::http::date::{LENGTH, imf_fixdate};

/// The time in seconds since 1970, as the watchman last had it; asking the kernel for it costs an answer more than
/// looking it up in the index does.
static SECONDS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The second that was rendered last on this thread, and its text.
    static RENDERED: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [0; LENGTH])) };
}

/// Sets the time; the watchman's part, and before the first answer the server's.
pub(super) fn tick() {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    SECONDS.store(seconds, Ordering::Relaxed);
}

/// The current date as an IMF-fixdate.
pub(super) fn now() -> [u8; LENGTH] {
    at(SECONDS.load(Ordering::Relaxed))
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

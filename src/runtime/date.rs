//! The Date field's value, rendered once a second.

use std::cell::Cell;
use std::time::SystemTime;

use crate::http::date::{LENGTH, imf_fixdate};

thread_local! {
    /// The second that was rendered last on this thread, and its text.
    static RENDERED: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [0; LENGTH])) };
}

/// The current date as an IMF-fixdate.
pub(super) fn now() -> [u8; LENGTH] {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
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

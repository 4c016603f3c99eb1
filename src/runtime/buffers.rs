//! Buffers that the connections of a worker share: who waits for its client's next request has none.

use std::cell::RefCell;

/// The room of a new one in bytes: for a browser's head, and for a few pipelined ones.
const ROOM: usize = 8 * 1024;
/// One that has grown larger than this, in bytes, is not kept.
const LARGEST: usize = 64 * 1024;
/// So many are kept. Most connections need theirs for an instant, one after the other.
const KEPT: usize = 32;

thread_local! {
    /// Nobody waits while it is borrowed.
    static IDLE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room in it.
pub(super) fn take() -> Vec<u8> {
    IDLE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(ROOM))
}

/// Gives one back; what it holds is forgotten.
pub(super) fn give(mut buffer: Vec<u8>) {
    if !(ROOM..=LARGEST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    IDLE.with_borrow_mut(|idle| {
        if idle.len() < KEPT {
            idle.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_lent_again_and_no_more_of_it_is_kept_than_said() {
        let mut buffer = take();
        assert!(buffer.capacity() >= ROOM);
        buffer.extend_from_slice(b"secret");
        let place = buffer.as_ptr();
        give(buffer);
        let again = take();
        assert!(again.is_empty() && again.as_ptr() == place);
        give(Vec::new());
        give(Vec::with_capacity(LARGEST + 1));
        assert_eq!(IDLE.with_borrow(Vec::len), 0);
        (0..2 * KEPT).map(|_| take()).collect::<Vec<_>>().into_iter().for_each(give);
        assert_eq!(IDLE.with_borrow(Vec::len), KEPT);
    }
}

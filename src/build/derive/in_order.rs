//! Work on all cores whose results are taken in order, with bounds on how much is under way.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;

/// How much may be under way or wait to be taken, by weight. One piece of work may always be.
const MOST: u64 = 96 << 20;

/// Does `work` for each item and gives the results to `take` in the order of the items, on this thread, which must not be one
/// of rayon's. What weighs most should come first, so that the cores end together.
///
/// # Errors
///
/// What `take` returns; then no further work is begun.
pub fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    weight: impl Fn(&T) -> u64,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let (send, receive) = mpsc::channel();
    rayon::in_place_scope_fifo(|scope| {
        let (mut begun, mut under_way) = (0, 0);
        let mut waiting = HashMap::new();
        for (number, item) in items.iter().enumerate() {
            while let Some(next) = items.get(begun).filter(|next| begun == number || under_way + weight(next) <= MOST) {
                let (send, work, place) = (send.clone(), &work, begun);
                scope.spawn_fifo(move |_| {
                    // A panic is one of whoever takes the result, or it would wait for ever.
                    let result = catch_unwind(AssertUnwindSafe(|| work(next)));
                    let _ = send.send((place, result));
                });
                under_way += weight(next);
                begun += 1;
            }
            let result = loop {
                if let Some(result) = waiting.remove(&number) {
                    break result;
                }
                let Ok((place, result)) = receive.recv() else { unreachable!("this thread holds a sender") };
                waiting.insert(place, result);
            };
            under_way -= weight(item);
            take(item, result.unwrap_or_else(|panic| resume_unwind(panic)))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_and_little_is_under_way() {
        let items: Vec<u64> = (0..500).map(|number| (number * 7919) % 101).collect();
        let under_way = AtomicU64::new(0);
        let mut taken = Vec::new();
        let work = |&item: &u64| {
            under_way.fetch_add(1, Ordering::SeqCst);
            for spin in 0..(item * 1000) {
                std::hint::black_box(spin);
            }
            item
        };
        let result = in_order(
            &items,
            |_| MOST / 8,
            work,
            |_, result| {
                assert!(under_way.fetch_sub(1, Ordering::SeqCst) <= 9);
                taken.push(result);
                Ok::<_, ()>(())
            },
        );
        assert_eq!(result, Ok(()));
        assert_eq!(taken, items);
    }

    #[test]
    fn what_weighs_more_than_may_be_is_done_alone() {
        let mut taken = 0;
        let take = |_: &u64, _| {
            taken += 1;
            if taken == 2 { Err("enough") } else { Ok(()) }
        };
        assert_eq!(in_order(&[1, 2, 3, 4], |_| u64::MAX / 4, |_| (), take), Err("enough"));
        assert_eq!(taken, 2);
    }

    #[test]
    fn a_panic_comes_out() {
        let result = catch_unwind(|| in_order(&[1], |_| 1, |_| panic!("oh"), |_, ()| Ok::<_, ()>(())));
        assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "oh");
    }
}

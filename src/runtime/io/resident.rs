//! Which bytes of which files were in memory a moment ago.

use std::hash::BuildHasher;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustc_hash::FxBuildHasher;

use crate::runtime::site::Site;

/// How many stretches are remembered: others that fall on the same place take it.
const PLACES: usize = 1 << 16;
/// How long what was in memory is taken to be there, in milliseconds. The kernel takes pages that were used within this
/// time from nobody, unless memory is so short that nothing else would help either.
const SPAN: u64 = 1000;
/// How many of a place's bits are the time, in units of 2^[`UNIT`] milliseconds; the others tell stretches apart.
const TIME_BITS: u32 = 28;
const UNIT: u32 = 4;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// Remembers stretches of files that were in memory: the kernel is asked about what is wanted all the time once a second.
#[derive(Clone, Debug)]
pub(super) struct Resident(Arc<[AtomicU64]>);

impl Default for Resident {
    fn default() -> Resident {
        Resident((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Resident {
    /// Whether all of `range` was in memory a moment before `now`, in milliseconds.
    pub fn has(&self, site: &Site, range: &Range<u64>, now: u64) -> bool {
        let (place, tag) = self.place(site, range);
        let found = place.load(Ordering::Relaxed);
        found & !TIME == tag && age(found, now) <= (SPAN >> UNIT) + 1
    }

    /// Remembers that all of `range` is in memory now.
    pub fn note(&self, site: &Site, range: &Range<u64>, now: u64) {
        let (place, tag) = self.place(site, range);
        place.store(tag | now >> UNIT & TIME, Ordering::Relaxed);
    }

    fn place(&self, site: &Site, range: &Range<u64>) -> (&AtomicU64, u64) {
        let hash = FxBuildHasher.hash_one((site.number(), range.start, range.end));
        // An empty place is no stretch's: the lowest bit of a tag is set.
        (&self.0[hash as usize % PLACES], hash & !TIME | 1 << TIME_BITS)
    }
}

/// How long ago something was noted, in units.
fn age(place: u64, now: u64) -> u64 {
    (now >> UNIT).wrapping_sub(place) & TIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::site::tests::site;

    #[test]
    fn what_was_noted_is_known_for_a_while() {
        let (resident, a, b) = (Resident::default(), site("a"), site("b"));
        assert!(!resident.has(&a, &(0..0), 0));
        for now in [0, 5000, (1 << (TIME_BITS + UNIT)) - 500] {
            resident.note(&a, &(1..2), now);
            assert!(resident.has(&a, &(1..2), now) && resident.has(&a, &(1..2), now + SPAN), "{now}");
            assert!(!resident.has(&a, &(1..2), now + SPAN + 32) && !resident.has(&b, &(1..2), now), "{now}");
            assert!(!resident.has(&a, &(1..3), now) && !resident.has(&a, &(0..2), now), "{now}");
        }
    }
}

//! The perfect hash: a key → the one slot in which it can be.
//!
//! `phf_generator` finds the table, `phf_shared` reads it; both sides meet in [`slot`]. The hash is XXH3 in place of their
//! SipHash, which takes three times as long: no request can change the keys, so nobody gains by keys that collide.
//! Any key has a slot, also one that is not in the index, so whoever looks up compares the key.

use twox_hash::XxHash3_128;

use super::layout::Displacement;

/// A perfect hash over a set of keys.
#[derive(Debug)]
pub struct Table {
    /// Key of the hash function.
    pub hash_key: u64,
    /// The table of displacements.
    pub displacements: Vec<Displacement>,
    /// For each slot the number of its key.
    pub order: Vec<usize>,
}

/// Why there is no table.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A key is there twice; it never could have a slot of its own.
    #[error("the key {0:?} occurs twice")]
    Duplicate(String),
    /// More keys than slots can be numbered.
    #[error("{0} resources are more than the {max} that a webroot holds", max = u32::MAX)]
    TooMany(usize),
}

/// Finds a perfect hash for `keys`, which must be sorted. The same keys give the same table.
///
/// Takes about a microsecond per key.
///
/// # Errors
///
/// If a key occurs twice, or there are 2³² and more. The generator would search for ever for a place for
/// two equal keys, so they are looked for first. Distinct keys always end: they get 96 bits of hash, a
/// collision in all of which has a probability below 2⁻⁴⁸ for 16 million keys, and a bucket of one key
/// finds every free slot.
pub fn table(keys: &[&[u8]]) -> Result<Table, TableError> {
    if u32::try_from(keys.len()).is_err() {
        return Err(TableError::TooMany(keys.len()));
    }
    debug_assert!(keys.is_sorted());
    if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(TableError::Duplicate(String::from_utf8_lossy(pair[0]).into_owned()));
    }
    if keys.is_empty() {
        return Ok(Table { hash_key: 0, displacements: Vec::new(), order: Vec::new() });
    }
    let state = phf_generator::generate_hash_with_hash_fn(keys, |key, &hash_key| {
        // There is no other way to come by a `Hashes`.
        let mut hashes = phf_shared::hash(&0u8, &0);
        (hashes.g, hashes.f1, hashes.f2) = self::hashes(key, hash_key);
        hashes
    });
    let displacements =
        state.disps.into_iter().map(|(first, second)| Displacement { first: first.into(), second: second.into() });
    Ok(Table { hash_key: state.key, displacements: displacements.collect(), order: state.map })
}

/// The hash that chooses the bucket of `key`, and the two by which the bucket's displacements give it a slot.
fn hashes(key: &[u8], hash_key: u64) -> (u32, u32, u32) {
    let hash = XxHash3_128::oneshot_with_seed(hash_key, key);
    ((hash >> 64) as u32, (hash >> 32) as u32, hash as u32)
}

/// The slot of `key` among `slots`. With no slots or no displacements there is none.
pub fn slot(key: &[u8], hash_key: u64, displacements: &[Displacement], slots: usize) -> Option<usize> {
    let (bucket, f1, f2) = hashes(key, hash_key);
    let bucket = bucket.checked_rem(u32::try_from(displacements.len()).ok()?)?;
    let Displacement { first, second } = displacements.get(bucket as usize)?;
    let place = phf_shared::displace(f1, f2, first.get(), second.get());
    place.checked_rem(u32::try_from(slots).ok()?).map(|slot| slot as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_finds_its_slot() {
        for count in [0, 1, 2, 3, 10, 1000] {
            let keys: Vec<_> = (0..count).map(|number| format!("/k{number:05}").into_bytes()).collect();
            let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
            let table = table(&keys).unwrap();
            for (slot_number, &key) in table.order.iter().enumerate() {
                assert_eq!(slot(keys[key], table.hash_key, &table.displacements, keys.len()), Some(slot_number));
            }
            assert_eq!(table.order.len(), count);
        }
    }

    #[test]
    fn an_empty_table_has_no_slots() {
        assert_eq!(slot(b"/a", 0, &[], 0), None);
    }

    #[test]
    fn equal_keys_are_named_instead_of_searched_for() {
        assert_eq!(table(&[b"/a", b"/b", b"/b"]).unwrap_err(), TableError::Duplicate("/b".into()));
    }
}

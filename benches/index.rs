//! What does a look-up cost, hit and miss, at 1 000, 100 000 and 1 000 000 resources?
//!
//!     cargo bench --bench index
//!
//! Keys are asked for in a scattered order, so a large index is met with cold caches, as under real load; the
//! time includes a division that picks the key. "hit, cached" asks for 500 of them, so that all it needs stays in the
//! caches. Expect a few per cent of noise at 1 000, and up to a fifth at a million, where memory decides.

use std::hint::black_box;
use std::io::Cursor;

use connegd::webroot::Layout;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

#[path = "support/mod.rs"]
mod support;

fn look_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look-up");
    for count in [1_000, 100_000, 1_000_000] {
        let bytes = support::write_webroot(count, Cursor::new(Vec::new())).expect("a webroot").into_inner();
        let layout = Layout::read(&bytes).expect("a sound webroot");
        let webroot = layout.view(&bytes);
        let keys: Vec<_> = (0..count).map(support::key).collect();
        let absent: Vec<_> = keys.iter().map(|key| format!("{key}x")).collect();
        let few = &keys[..500];
        for (name, keys, found) in [("hit", &keys[..], true), ("miss", &absent, false), ("hit, cached", few, true)] {
            assert!(keys.iter().all(|key| webroot.find(key.as_bytes()).is_some() == found));
            // A step that is prime to the count visits every key, in no order that a cache could guess.
            let mut number = 0;
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    number = (number + 611_953) % keys.len();
                    webroot.find(black_box(keys[number].as_bytes())).is_some()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, look_up);
criterion_main!(benches);

//! What does a decision cost without a socket: parsing a head, parsing the fields, choosing, the whole answer?
//!
//!     cargo bench --bench decision
//!
//! Requests are Chrome's and an agent's, on the site that ships with the project; and such as nobody sends who means
//! well: heads of 60 KB, full of ranges. Last comes a table that shows how the cost of a choice grows. `-- growth` makes only
//! that.

use std::hint::black_box;
use std::time::{Duration, Instant};

use connegd::answer::{Content, Listener, Memory, Question, answer, whole_answer};
use connegd::http::request::{self, Limits, Parsed};
use connegd::negotiation::{Algorithm, Choice, NoTrace, Preferences, select};
use connegd::resource::{Dimensions, Policy, Settings, Variant};
use connegd::webroot::Mapped;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};

#[path = "support/chart.rs"]
mod chart;

use chart::{AGENT, CHROME};

fn fixture() -> Mapped {
    let file = tempfile::tempfile().expect("a temporary file");
    chart::pack(&file);
    Mapped::from_file(file).expect("a sound webroot")
}

fn fields(criterion: &mut Criterion) {
    let forty = (0..40).map(|number| format!("application/x-{number};q=0.{number}")).collect::<Vec<_>>().join(", ");
    let chrome = chart::head(CHROME);
    let accept = chrome.accept.as_deref().expect("Accept");
    let mut group = criterion.benchmark_group("parse Accept");
    for (name, value, count) in [
        ("Chrome", accept, 8),
        ("Claude Code", b"text/markdown, text/html, */*", 3),
        ("40 ranges", forty.as_bytes(), 40),
    ] {
        let read = |value| {
            let mut preferences = Preferences::default();
            preferences.read(Dimensions::TYPE, Some(value), Policy::Modern);
            preferences.of(Dimensions::TYPE).map_or(0, <[_]>::len)
        };
        assert_eq!(read(value), count);
        group.bench_function(name, |bencher| bencher.iter(|| read(black_box(value))));
    }
    group.finish();
}

fn selection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("select for Chrome among");
    for count in [1, 8, 64] {
        let types: Vec<_> = (0..count).map(|number| format!("application/x-{number}")).collect();
        let mut variants: Vec<_> = types.iter().map(|name| Variant::of_type(b"x", name.as_bytes(), 9)).collect();
        variants[count - 1] = Variant::of_type(b"x", b"text/html", 9);
        let chrome = chart::head(CHROME);
        let mut preferences = Preferences::default();
        preferences.read(Dimensions::TYPE, chrome.accept.as_deref(), Policy::Modern);
        let settings = Settings::default();
        assert_eq!(
            select(&variants, &preferences, &settings, Algorithm::Local, &mut NoTrace),
            Choice::Selected(count - 1)
        );
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| select(black_box(&variants), &preferences, &settings, Algorithm::Local, &mut NoTrace));
        });
    }
    group.finish();
}

/// All four fields read and a variant chosen by them.
fn cold(criterion: &mut Criterion) {
    let (chrome, page, settings) = (chart::head(CHROME), chart::page(), chart::settings());
    let choose = || {
        let preferences = chart::four_fields(black_box(&chrome));
        select(black_box(&page), &preferences, &settings, Algorithm::Local, &mut NoTrace)
    };
    assert_eq!(choose(), Choice::Selected(0));
    criterion.bench_function("four fields, 8 variants", |bencher| bencher.iter(choose));
}

/// The same choice when it was made before.
fn remembered(criterion: &mut Criterion) {
    let chrome = chart::head(CHROME);
    let mut memory = Memory::new();
    let question = |target| Question::new([1; 16], target, black_box(&chrome));
    memory.remember(&question(7), 3);
    assert_eq!((memory.recall(&question(7)), memory.recall(&question(8))), (Some(3), None));
    criterion.bench_function("four fields, remembered", |bencher| bencher.iter(|| memory.recall(&question(7))));
}

fn whole(criterion: &mut Criterion) {
    let mapped = fixture();
    let mut group = criterion.benchmark_group("whole");
    for (name, text, file) in
        [("Chrome, 8 variants", CHROME, "index.de.html"), ("agent, 2 variants", AGENT, "chart.svg")]
    {
        let head = chart::head(text);
        let selected = answer(mapped.webroot(), &head).selected.expect("a variant");
        assert_eq!(selected.variant().file_name, file.as_bytes());
        group.bench_function(format!("head, {name}"), |bencher| {
            bencher.iter(|| matches!(request::parse(black_box(text.as_bytes()), &Limits::default()), Parsed::Head(..)));
        });
        group.bench_function(format!("answer, {name}"), |bencher| {
            bencher.iter(|| matches!(answer(mapped.webroot(), black_box(&head)).content, Content::Stored(_)));
        });
        let mut memory = Memory::new();
        group.bench_function(format!("answer, {name}, remembered"), |bencher| {
            let webroot = mapped.webroot();
            bencher.iter(|| matches!(whole_answer(webroot, black_box(&head), &mut memory).content, Content::Stored(_)));
        });
    }
    group.finish();
}

/// The longest fields that a head can hold, of different ranges of which the last one fits.
fn long(criterion: &mut Criterion) {
    const COUNT: usize = 5000;
    let types = (1..COUNT).map(|number| format!("text/{number:04}")).collect::<Vec<_>>().join(", ") + ", *;q=.1";
    let tags = (1..COUNT).map(|number| format!("x-{number:04};q=.1")).collect::<Vec<_>>().join(",") + ",fr";
    let mapped = fixture();
    let mut group = criterion.benchmark_group("5000 ranges");
    for (name, target, field, value, file) in [
        ("Accept, 2 variants", "/2005/chart", "Accept", &types, "chart.svg"),
        ("Accept, 8 variants", "/", "Accept", &types, "index.en.html"),
        ("Accept-Language, 8 variants", "/", "Accept-Language", &tags, "index.fr.html"),
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{field}: {value}\r\n\r\n");
        assert!((55_000..65_536).contains(&text.len()), "{}", text.len());
        let head = chart::head(&text);
        let selected = answer(mapped.webroot(), &head).selected.expect("a variant");
        assert_eq!(selected.variant().file_name, file.as_bytes());
        group.throughput(Throughput::Elements(COUNT as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| matches!(answer(mapped.webroot(), black_box(&head)).content, Content::Stored(_)));
        });
    }
    group.finish();
}

/// Nanoseconds that `work` takes: the least of some runs' means, or of one call if that is enough.
fn nanoseconds(once: bool, mut work: impl FnMut()) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..if once { 1 } else { 7 } {
        let (start, mut calls) = (Instant::now(), 0);
        while calls == 0 || (!once && start.elapsed() < Duration::from_millis(10)) {
            work();
            calls += 1;
        }
        least = least.min(start.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    least
}

/// Reading n ranges and choosing among m variants by them: types are all different and no shorter than the ranges,
/// which differ from them near the end only. If the work is m·n, the last column stays the same from some m·n on.
fn growth(once: bool) {
    println!("growth       m    n   read ns  ns/n    select ns  ns/(m*n)");
    for m in [1, 8, 64] {
        for n in [1, 8, 64, 512] {
            let types: Vec<_> = (0..m).map(|number| format!("application/x-stored-{number:04}")).collect();
            let variants: Vec<_> = types.iter().map(|name| Variant::of_type(b"x", name.as_bytes(), 9)).collect();
            let ranges: Vec<_> = (1..n).map(|number| format!("application/x-stored-q{number:03};q=0.9")).collect();
            let field = [&ranges[..], &["*/*;q=0.1".to_string()]].concat().join(", ");
            let settings = Settings::default();
            let read = || {
                let mut preferences = Preferences::default();
                preferences.read(Dimensions::TYPE, Some(black_box(field.as_bytes())), Policy::Modern);
                preferences
            };
            let preferences = read();
            let choose = || select(black_box(&variants), &preferences, &settings, Algorithm::Local, &mut NoTrace);
            assert_eq!(choose(), Choice::Selected(0));
            let reading = nanoseconds(once, || drop(black_box(read())));
            let choosing = nanoseconds(once, || assert!(matches!(choose(), Choice::Selected(_))));
            println!(
                "growth    {m:4} {n:4} {reading:9.0} {:5.1} {choosing:12.0} {:9.2}",
                reading / n as f64,
                choosing / (m * n) as f64
            );
        }
    }
}

criterion_group!(benches, fields, selection, cold, remembered, whole, long);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let only_growth = arguments.iter().any(|argument| argument == "growth");
    if !only_growth {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
    // A filter for the others leaves out this one.
    if only_growth || arguments.iter().all(|argument| argument.starts_with('-')) {
        growth(arguments.iter().any(|argument| argument == "--test"));
    }
}

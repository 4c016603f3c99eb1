//! How often a decision allocates: never for ordinary requests, and a few times for a field as long as a head may be.
//!
//! What is counted is [`answer`], from a parsed head to status, fields and range of bytes. Each thread counts for
//! itself, so tests that run beside each other do not disturb one another.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use connegd::answer::{Content, answer};
use connegd::http::request::{self, Limits, Parsed};
use connegd::webroot::Mapped;
use packed::packed;

#[path = "support/packed.rs"]
mod packed;

/// The system's allocator, and what it was asked for: how often, and for how many bytes.
struct Counting;

thread_local! {
    static COUNTED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: usize) {
    let (calls, total) = COUNTED.get();
    COUNTED.set((calls + 1, total + bytes));
}

// SAFETY: every call is passed on as it came. The cell is made at compile time and has no destructor, so that counting
// neither allocates nor fails when a thread ends.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` allocates, and how many bytes.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let (calls, bytes) = COUNTED.get();
    let result = black_box(work());
    let (calls_after, bytes_after) = COUNTED.get();
    (result, calls_after - calls, bytes_after - bytes)
}

fn chart() -> Mapped {
    packed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites/chart"))
}

fn head(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

/// Asks `webroot`; returns status and file, and how often and how many bytes the decision allocated.
fn ask(webroot: &Mapped, head: &str) -> (u16, String, usize, usize) {
    let Parsed::Head(head, _) = request::parse(head.as_bytes(), &Limits::default()) else { panic!("{head}") };
    let (answer, calls, bytes) = counted(|| answer(webroot.webroot(), &head));
    let file = answer
        .selected
        .map_or(String::new(), |stored| String::from_utf8_lossy(stored.variant().file_name).into_owned());
    assert_eq!(matches!(answer.content, Content::Stored(_)), matches!(answer.status.code(), 200 | 206));
    (answer.status.code(), file, calls, bytes)
}

/// What Chrome says of itself and of what it takes.
const CHROME: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,\
    image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\nAccept-Charset: utf-8, iso-8859-1;q=0.5\r\n";

/// A date after which nothing was changed yet.
const FUTURE: &str = "Fri, 31 Dec 9999 23:59:59 GMT";

#[test]
fn ordinary_requests_allocate_nothing() {
    let chart = chart();
    let Parsed::Head(request, _) = request::parse(b"GET /2005/chart.svg HTTP/1.0\r\n\r\n", &Limits::default()) else {
        panic!()
    };
    let etag = answer(chart.webroot(), &request).selected.expect("a file").etag().to_vec();
    let etag = String::from_utf8_lossy(&etag);
    let current = format!("If-None-Match: \"other\", {etag}\r\n");
    let all = format!(
        "If-Match: \"other\", {etag}\r\nIf-Unmodified-Since: {FUTURE}\r\nIf-None-Match: \"other\", W/\"x\"\r\n\
         If-Modified-Since: {FUTURE}\r\nIf-Range: {etag}\r\n"
    );
    let since = format!("If-Modified-Since: {FUTURE}\r\n");
    let changed = "If-Modified-Since: Thursday, 01-Jan-70 00:00:00 GMT\r\nIf-Unmodified-Since: yesterday\r\n";
    for (target, fields, status, file) in [
        ("/", CHROME, 200, "index.de.html"),
        ("/style", CHROME, 200, "style.css.br"),
        ("/letters/greeting", CHROME, 200, "greeting.txt.utf8"),
        ("/2005/chart", "Accept: image/svg+xml; q=1, image/*; q=0.5\r\n", 200, "chart.svg"),
        ("/", "Accept: text/markdown, text/html, */*\r\n", 200, "index.en.md"),
        ("/2005/chart.png", CHROME, 200, "chart.png"),
        ("/style.css.br", CHROME, 200, "style.css.br"),
        ("http://x/2005/chart.svg?query", "", 200, "chart.svg"),
        ("/2005/chart.svg", &current, 304, "chart.svg"),
        ("/2005/chart.svg", &all, 200, "chart.svg"),
        ("/2005/chart.svg", &since, 304, "chart.svg"),
        ("/2005/chart.svg", changed, 200, "chart.svg"),
        ("/", &since, 304, "index.en.html"),
        // What is not followed costs nothing.
        ("/", "Range: lines=0-1\r\n", 200, "index.en.html"),
        ("/", "Range: bytes=0-1\r\nIf-Range: \"other\"\r\n", 200, "index.en.html"),
    ] {
        assert_eq!(ask(&chart, &head(target, fields)), (status, file.into(), 0, 0), "{target}");
    }
    let negotiated = answer(
        chart.webroot(),
        &match request::parse(b"GET / HTTP/1.0\r\n\r\n", &Limits::default()) {
            Parsed::Head(head, _) => head,
            other => panic!("{other:?}"),
        },
    );
    let etag = negotiated.selected.expect("a file").etag().to_vec();
    let current = format!("If-None-Match: {}\r\n", String::from_utf8_lossy(&etag));
    assert_eq!(ask(&chart, &head("/", &current)), (304, "index.en.html".into(), 0, 0));
}

#[test]
fn a_choice_of_a_type_map_allocates_nothing() {
    let site = tempfile::tempdir().expect("a directory");
    let map = "URI: b.html\nContent-Type: text/html\nContent-Language: en\n\n\
        URI: c.txt.gz\nContent-Type: text/plain; qs=0.5\nContent-Encoding: gzip\n\n\
        Content-Type: text/css\nBody: E\ninline\nE\n";
    for (name, content) in [("a.var", map), ("b.html", "<p>b"), ("c.txt.gz", "c")] {
        fs::write(site.path().join(name), content).expect("a file");
    }
    let webroot = packed(site.path());
    for target in ["/a.var", "/a"] {
        for (fields, file) in [
            (CHROME, "b.html"),
            ("Accept: text/plain\r\nAccept-Encoding: gzip\r\n", "c.txt.gz"),
            ("Accept: text/css\r\n", "a.var"),
        ] {
            assert_eq!(ask(&webroot, &head(target, fields)), (200, file.into(), 0, 0), "{target}");
        }
    }
}

/// The fields of a part are made; the field that asks for it is read without allocating.
#[test]
fn a_range_allocates_a_few_times() {
    let chart = chart();
    let (status, _, calls, bytes) = ask(&chart, &head("/2005/chart.svg", "Range: bytes=100-199, 210-219\r\n"));
    assert_eq!(status, 206);
    assert!(calls <= 10 && bytes <= 2048, "{calls} allocations, {bytes} bytes");
    // As many ranges as are followed, then one more.
    for (count, most) in [(200, 40), (201, 10)] {
        let specs: Vec<_> = (0..count).map(|number| format!("{number}-{number}")).collect();
        let field = format!("Range: bytes={}\r\n", specs.join(","));
        let (status, _, calls, bytes) = ask(&chart, &head("/2005/chart.svg", &field));
        assert_eq!(status, if count > 200 { 200 } else { 206 });
        assert!(calls <= most && bytes <= 64 * 1024, "{count} ranges: {calls} allocations, {bytes} bytes");
    }
}

/// A head may be 64 KiB long. What its items take grows by doubling, some tens of bytes each.
#[test]
fn the_longest_fields_allocate_a_few_times() {
    let chart = chart();
    for (name, item, count) in [
        ("Accept", "image/x;q=.1", 5000),
        ("Accept-Encoding", "coding;q=.1", 5000),
        ("Accept-Language", "x-ab;q=.123", 5000),
        ("Accept", "a", 30_000),
    ] {
        let field = vec![item; count].join(",") + ", *";
        assert!((59_000..65_400).contains(&field.len()), "{}", field.len());
        for target in ["/2005/chart", "/", "/style", "/style.css.gz"] {
            let (status, _, calls, bytes) = ask(&chart, &head(target, &format!("{name}: {field}\r\n")));
            println!("{name} of {count} items, {target}: {calls} allocations, {bytes} bytes");
            assert_eq!(status, 200, "{name}, {target}");
            assert!(calls <= 20, "{name}, {target}: {calls} allocations");
            assert!(bytes <= 128 * count, "{name}, {target}: {bytes} bytes");
        }
    }
}

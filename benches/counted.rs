//! What `benches/instructions.py` counts the instructions of.
//!
//!     counted make DIRECTORY          writes the webroots that the rest reads
//!     counted run DIRECTORY [NAME]    does each operation, or only that, and prints their names

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;

use connegd::answer::{Memory, answer, whole_answer};
use connegd::http::request::{self, Limits, RequestHead};
use connegd::http::response::{Connection, push_head};
use connegd::http::{Status, date};
use connegd::negotiation::{Algorithm, NoTrace, select};
use connegd::webroot::Mapped;

#[path = "support/mod.rs"]
mod support;

#[path = "support/chart.rs"]
mod chart;

use chart::{AGENT, CHROME};

/// How often each operation is done.
const TIMES: usize = 2000;
/// So many resources are looked up among.
const MANY: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["make", directory] => make(Path::new(directory)),
        ["run", directory] => run(Path::new(directory), None),
        ["run", directory, name] => run(Path::new(directory), Some(name)),
        _ => Err("expected: make DIRECTORY, or run DIRECTORY [NAME]".into()),
    }
}

fn make(directory: &Path) -> Result<(), Box<dyn Error>> {
    support::write_webroot(MANY, BufWriter::new(File::create(directory.join("many.webroot"))?))?.flush()?;
    chart::pack(&File::create_new(directory.join("chart.webroot"))?);
    Ok(())
}

fn run(directory: &Path, only: Option<&str>) -> Result<(), Box<dyn Error>> {
    let operation = |name: &str, work: &mut dyn FnMut()| {
        if only.is_none_or(|only| only == name) {
            work(); // what is found out once only is not counted
            counted(work);
            println!("{TIMES} {name}");
        }
    };

    let many = Mapped::open(&directory.join("many.webroot"))?;
    let keys: Vec<_> = (0..MANY).map(support::key).collect();
    let absent: Vec<_> = keys.iter().map(|key| format!("{key}x")).collect();
    for (name, keys, found) in [("look-up, hit", &keys, true), ("look-up, miss", &absent, false)] {
        let mut number = 0;
        operation(name, &mut || {
            number = (number + 61_195) % MANY; // scattered, as in benches/index.rs
            assert_eq!(many.webroot().find(keys[number].as_bytes()).is_some(), found);
        });
    }

    for (name, text) in [("head, Chrome", CHROME), ("head, agent", AGENT)] {
        operation(name, &mut || {
            black_box(request::parse(black_box(text.as_bytes()), &Limits::default()));
        });
    }

    let (chrome, agent) = (chart::head(CHROME), chart::head(AGENT));
    let (page, settings) = (chart::page(), chart::settings());
    operation("decision, Chrome's fields and Accept-Charset, 8 variants", &mut || {
        let preferences = chart::four_fields(black_box(&chrome));
        black_box(select(black_box(&page), &preferences, &settings, Algorithm::Local, &mut NoTrace));
    });

    let site = Mapped::open(&directory.join("chart.webroot"))?;
    let etag = answer(site.webroot(), &chrome).selected.ok_or("nothing is selected")?.etag();
    let known = RequestHead { if_none_match: Some(etag.into()), ..chrome.clone() };
    let literal = RequestHead { target: b"/2005/chart.svg", ..agent.clone() };
    for (name, request, status) in [
        ("answer, Chrome, 8 variants", &chrome, Status::Ok),
        ("answer, agent, 2 variants", &agent, Status::Ok),
        ("answer, Chrome, 304", &known, Status::NotModified),
        ("answer, literal path", &literal, Status::Ok),
    ] {
        operation(name, &mut || {
            assert_eq!(black_box(answer(site.webroot(), black_box(request))).status, status);
        });
    }

    let mut memory = Memory::new();
    for (name, request) in [("answer, Chrome, remembered", &chrome), ("answer, agent, remembered", &agent)] {
        operation(name, &mut || {
            let answer = whole_answer(site.webroot(), black_box(request), &mut memory);
            assert_eq!(black_box(answer).status, Status::Ok);
        });
    }

    let answer = answer(site.webroot(), &chrome);
    let date = date::imf_fixdate(1_700_000_000);
    let mut out = Vec::new();
    operation("head of the answer", &mut || {
        out.clear();
        push_head(&mut out, answer.status, &date, Connection::Implied, answer.fields.bytes());
    });
    Ok(())
}

/// Instructions are counted in here and nowhere else; each time it ends they are noted, and counted anew.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        work();
    }
}

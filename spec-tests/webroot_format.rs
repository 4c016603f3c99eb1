//! The format: what is written is read back, and frozen files stay readable.

use std::io::Cursor;
use std::path::Path;

use connegd::answer::answer;
use connegd::http::Status;
use connegd::http::request::RequestHead;
use connegd::http::response::{Representation, field_value};
use connegd::resource::{Dimensions, Level, Note, Quality, Settings, Variant};
use connegd::webroot::writer::{
    BodyId, EntryDraft, NegotiatedDraft, Origin, OutcomeDraft, TargetDraft, VariantDraft, Writer,
};
use connegd::webroot::{Layout, Mapped, Outcome, Target, check};

use crate::support::{Workshop, text};

#[test]
fn frozen_webroots_open() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/webroots");
    for past in [1, 2, 3, 4] {
        let error =
            Mapped::open(&directory.join(format!("v{past}.webroot"))).expect_err("it is of the past").to_string();
        let expected = format!("format {past}, and this program reads format 5\npack the site again");
        assert!(error.contains(&expected), "{error}");
    }
    let mapped = Mapped::open(&directory.join("v5.webroot")).expect("format 5 is read");
    let webroot = mapped.webroot();
    assert!(check::verify(&webroot).is_empty());
    let head = RequestHead { accept: Some(b"text/markdown"[..].into()), ..RequestHead::get(b"/page") };
    let selected = answer(webroot, &head).selected.expect("a variant");
    assert_eq!(text(selected.variant().file_name), "page.md");
    assert_eq!(text(webroot.bytes(selected.body())), "# A page\n");
    let head = RequestHead { accept: Some(b"text/plain"[..].into()), ..RequestHead::get(b"/map") };
    let selected = answer(webroot, &head).selected.expect("a variant");
    assert_eq!(text(webroot.bytes(selected.body())), "Une page\n");
    let head = RequestHead { accept_encoding: Some(b"gzip"[..].into()), ..RequestHead::get(b"/lines.txt") };
    let selected = answer(webroot, &head).selected.expect("a variant");
    assert!(selected.is_derived() && !selected.has_address());
    let made: Vec<_> = webroot.derivations().filter_map(|derivation| derivation.result).collect();
    assert_eq!(made.iter().map(|body| body.range()).collect::<Vec<_>>(), [selected.body()]);
    for (target, status, field, value) in [
        ("/page.html", 200, "Cache-Control", "no-cache"),
        ("/page.md", 200, "X-Content-Type-Options", "nosniff"),
        ("/page.md", 200, "Repr-Digest", "sha-256=:2/LFTlAWzWtjV37FTqcxRb6/DcnC6XgY4pS/utjzs2k=:"),
        ("/nothing", 404, "Content-Type", "text/html"),
        ("/old", 308, "Location", "/page"),
        ("/blog/a", 301, "Location", "/a"),
        ("/gone", 410, "X-Content-Type-Options", "nosniff"),
    ] {
        let answer = answer(webroot, &RequestHead::get(target.as_bytes()));
        assert_eq!(answer.status.code(), status, "{target}");
        assert_eq!(field_value(answer.fields.bytes(), field).map(text).as_deref(), Some(value), "{target}");
    }
}

/// A writer that takes three bytes at a time, as pipes and signals can make any writer do.
struct Reluctant(Cursor<Vec<u8>>);

impl std::io::Write for Reluctant {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(3)])
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl std::io::Seek for Reluctant {
    fn seek(&mut self, position: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(position)
    }
}

fn variant<'a>(name: &'a str, languages: Option<&'a [u8]>) -> Variant<'a> {
    Variant {
        file_name: name.as_bytes(),
        media_type: b"text/html",
        level: Level { value: -3, declared: true },
        source_quality: Quality::from_thousandths(123),
        charset: Some(b"utf-8"),
        languages,
        codings: Some(b"gzip, compress"),
        length: Some(5),
        converted: true,
    }
}

fn write_small(writer: Writer<Reluctant>) -> Vec<u8> {
    let mut writer = writer;
    let body = |writer: &mut Writer<Reluctant>, content: &[u8]| -> BodyId {
        writer.add_body(content, *blake3::hash(content).as_bytes()).expect("a body")
    };
    let first = body(&mut writer, b"hello");
    let second = body(&mut writer, b"");
    assert_eq!(body(&mut writer, b"hello"), first);
    let block = |length| {
        Representation { etag: b"\"t\"", content_type: b"x/y", content_length: Some(length), ..Default::default() }
            .render()
    };
    let (five, none) = (block(5), block(0));
    let root = writer.add_settings(&Settings::default()).expect("settings");
    let settings = Settings { language_priority: vec!["en".into()], ..Settings::default() };
    let settings = writer.add_settings(&settings).expect("settings");
    let plain =
        |variant, block, body| VariantDraft { variant, block, body: Some(body), entry: None, origin: Origin::Author };
    let run = writer
        .add_run([
            plain(variant("a.html", Some(b"en,fr")), &five, first),
            plain(variant("b.html", None), &none, second),
        ])
        .expect("a run");
    let fields = Representation { vary: b"Accept", ..Default::default() }.render();
    let entry = |name, outcome| VariantDraft {
        variant: Variant { length: None, ..variant(name, None) },
        block: &fields,
        body: None,
        entry: Some(EntryDraft { description: b"text", outcome, also_varies: true }),
        origin: Origin::Author,
    };
    let missing = OutcomeDraft::Failure { status: Status::NotFound, chosen: true };
    let entries = [entry("x", OutcomeDraft::Reference(b"/a")), entry("y", missing)];
    let map = writer.add_run(entries).expect("a run");
    let of = |run, map| NegotiatedDraft {
        run,
        settings,
        vary: Dimensions::TYPE | Dimensions::CODING,
        transparent: true,
        map,
        literal: map,
    };
    let resources = [
        (b"/a".to_vec(), TargetDraft::Negotiated(of(run, false))),
        (b"/d".to_vec(), TargetDraft::Redirect(Status::Found, b"/d/".to_vec())),
        (
            b"/d/".to_vec(),
            TargetDraft::Index(vec![TargetDraft::Redirect(Status::MovedPermanently, b"/e".to_vec())], root),
        ),
        (b"/f".to_vec(), TargetDraft::Failure(Status::InternalServerError)),
        (b"/m.var".to_vec(), TargetDraft::Negotiated(of(map, true))),
    ];
    let note = Note { path: "/m.var".into(), line: Some(3), what: "names y".into() };
    let (_, out) = writer.finish(&resources, &[note], None).expect("a webroot");
    out.0.into_inner()
}

#[test]
fn what_is_written_is_read_back() {
    let bytes = write_small(Writer::new(Reluctant(Cursor::new(Vec::new()))).expect("a writer"));
    let layout = Layout::read(&bytes).expect("a sound webroot");
    let webroot = layout.view(&bytes);
    assert!(check::verify(&webroot).is_empty());
    assert_eq!(webroot.bodies().len(), 2);
    assert_eq!(webroot.notes().map(|note| note.to_string()).collect::<Vec<_>>(), ["/m.var:3: names y"]);
    assert!(webroot.settings().language_priority.is_empty());
    let Some(Target::Negotiated(found)) = webroot.find(b"/a").map(|found| found.target()) else { panic!() };
    assert_eq!(found.settings.language_priority, ["en"]);
    assert_eq!(found.vary, Dimensions::TYPE | Dimensions::CODING);
    assert!(found.transparent && !found.map && !found.literal);
    let run = found.run;
    assert_eq!(run.get(0).unwrap().variant(), variant("a.html", Some(b"en,fr")));
    assert_eq!(run.get(1).unwrap().variant(), Variant { length: Some(0), ..variant("b.html", None) });
    assert_eq!(webroot.bytes(run.get(0).unwrap().body()), b"hello");
    assert_eq!(run.get(0).unwrap().etag(), b"\"t\"");
    assert!(matches!(webroot.find(b"/d").map(|found| found.target()), Some(Target::Redirect(Status::Found, b"/d/"))));
    let Some(Target::Negotiated(map)) = webroot.find(b"/m.var").map(|found| found.target()) else { panic!() };
    assert!(map.map && map.literal);
    let entry = map.run.get(0).unwrap();
    assert_eq!((entry.outcome(), entry.also_varies()), (Outcome::Reference(b"/a"), true));
    assert_eq!((entry.variant().length, entry.description()), (None, &b"text"[..]));
    let outcome = map.run.get(1).unwrap().outcome();
    assert_eq!(outcome, Outcome::Failure { status: Status::NotFound, chosen: true });
    let failure = webroot.find(b"/f").map(|found| found.target());
    assert!(matches!(failure, Some(Target::Failure(Status::InternalServerError))));
    let Some(Target::Index(alternatives, _)) = webroot.find(b"/d/").map(|found| found.target()) else { panic!() };
    assert!(matches!(alternatives.iter().next(), Some(Target::Redirect(Status::MovedPermanently, b"/e"))));
    assert!(webroot.find(b"/b").is_none());
    assert!(webroot.find(b"").is_none());
}

#[test]
fn every_key_of_a_large_index_is_found_and_no_other() {
    let names: Vec<_> = (0..20_000).map(|number| format!("d{}/page-{number}.html", number % 100)).collect();
    let mut writer = Writer::new(Cursor::new(Vec::new())).expect("a writer");
    let body = writer.add_body(b"x", *blake3::hash(b"x").as_bytes()).expect("a body");
    let block = Representation { etag: b"\"t\"", content_length: Some(1), ..Default::default() }.render();
    let settings = writer.add_settings(&Settings::default()).expect("settings");
    let mut resources: Vec<_> = names
        .iter()
        .map(|name| {
            let variant = Variant { length: Some(1), ..variant(name, None) };
            let draft = VariantDraft { variant, block: &block, body: Some(body), entry: None, origin: Origin::Author };
            let run = writer.add_run([draft]).expect("a run");
            (format!("/{name}").into_bytes(), TargetDraft::File(run, settings))
        })
        .collect();
    resources.sort_by(|a, b| a.0.cmp(&b.0));
    let bytes = writer.finish(&resources, &[], None).expect("a webroot").1.into_inner();
    let layout = Layout::read(&bytes).expect("a sound webroot");
    let webroot = layout.view(&bytes);
    for name in &names {
        let Some(Target::File(run, _)) = webroot.find(format!("/{name}").as_bytes()).map(|found| found.target()) else {
            panic!("{name}")
        };
        assert_eq!(run.get(0).unwrap().variant().file_name, name.as_bytes());
        assert!(webroot.find(format!("/{name}x").as_bytes()).is_none());
    }
}

#[test]
fn a_redirect_needs_the_status_of_one() {
    for (status, sound) in [(Status::PermanentRedirect, true), (Status::NotModified, false), (Status::NotFound, false)]
    {
        let mut writer = Writer::new(Cursor::new(Vec::new())).expect("a writer");
        writer.add_settings(&Settings::default()).expect("settings");
        let resources = [(b"/a".to_vec(), TargetDraft::Redirect(status, b"/b".to_vec()))];
        let bytes = writer.finish(&resources, &[], None).expect("a webroot").1.into_inner();
        let error = Layout::read(&bytes).err().map(|error| error.to_string());
        let expected = "record 0 of its resources does not fit: there is no such redirect";
        assert_eq!(error.as_deref(), (!sound).then_some(expected));
    }
}

#[test]
fn a_file_that_is_no_webroot_is_called_that() {
    let workshop = Workshop::with_site(&[]);
    for (content, message) in [
        (&b""[..], "fewer than a webroot's header"),
        (b"\x89cng\r\n\x1a\n and then nothing", "fewer than a webroot's header"),
        (b"<!DOCTYPE html>", "it does not begin as a webroot does"),
        (&[b'x'; 5000], "it does not begin as a webroot does"),
    ] {
        std::fs::write(workshop.out(), content).unwrap();
        let error = Mapped::open(&workshop.out()).expect_err("no webroot").to_string();
        assert!(error.contains(message), "{error}");
    }
    let mut other = std::fs::read(Workshop::with_site(&[("a.txt", b"a")]).pack()).unwrap();
    other[8] = 99;
    let error = Layout::read(&other).expect_err("another version").to_string();
    assert!(error.starts_with("it is a webroot of format 99, and this program reads format 5"), "{error}");
}

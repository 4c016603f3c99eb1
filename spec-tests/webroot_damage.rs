//! Damage: every byte altered in turn, the file cut at every length, and files whose checksums are right but whose
//! records are not. Opening, look-up, `check` and `explain` return an answer or an error, and no wrong
//! content passes `check`.

use std::hint::black_box;
use std::io::Cursor;

use connegd::answer::answer;
use connegd::answer::explain::explain;
use connegd::http::Status;
use connegd::http::request::RequestHead;
use connegd::resource::Settings;
use connegd::webroot::writer::{TargetDraft, Writer};
use connegd::webroot::{Layout, Target, Webroot, check};

use crate::support::Workshop;

/// A webroot with every kind of record, as small as it gets.
fn small() -> Vec<u8> {
    let config = b"[negotiation]\nlanguage-priority = [\"en\"]\ndirectory-index = [\"page\", \"other\"]\n\
        [errors]\n404 = \"/other\"\n[redirects]\n\"/old\" = { to = \"/page\", status = 302 }\n\"/o/*\" = \"/d/*\"\n\
        [headers]\n\"/**\" = { X = \"y\" }\n";
    let workshop = Workshop::with_site(&[
        (".mkroot.toml", config),
        ("page.html.en", b"<p>one"),
        ("page.md.fr.gz", b"two"),
        ("other.txt.utf8", b"three"),
        ("d/page", b"one"),
    ]);
    std::fs::read(workshop.pack()).expect("the webroot")
}

/// Uses everything that a webroot offers.
fn exercise(webroot: Webroot<'_>) {
    let targets =
        [&b"/"[..], b"/page", b"/page.html.en", b"/d", b"/d/", b"/d/page", b"/other", b"/old", b"/o/x", b"/none"];
    for target in targets {
        for accept in [None, Some(&b"text/html"[..]), Some(b"image/png")] {
            let request = RequestHead { accept: accept.map(Into::into), ..RequestHead::get(target) };
            black_box(explain(webroot, &request).to_string());
            if let connegd::answer::Content::Stored(range) = answer(webroot, &request).content {
                black_box(webroot.bytes(range));
            }
        }
    }
    for resource in webroot.resources() {
        black_box(webroot.find(resource.key()));
        if let Target::Index(alternatives, _) = resource.target() {
            black_box(alternatives.iter().count());
        }
    }
    for variant in webroot.variants() {
        black_box((variant.variant(), variant.block(), variant.not_modified_block(), variant.etag(), variant.digest()));
        black_box(webroot.bytes(variant.body()));
    }
    black_box(check::verify(&webroot));
}

#[test]
fn no_altered_byte_goes_unnoticed() {
    let sound = small();
    let layout = Layout::read(&sound).expect("it is sound");
    assert!(check::verify(&layout.view(&sound)).is_empty());
    let mut opened = 0;
    for at in 0..sound.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] ^= mask;
            if let Ok(layout) = Layout::read(&damaged) {
                opened += 1;
                if opened % 16 == 0 {
                    exercise(layout.view(&damaged));
                }
                let found = check::verify(&layout.view(&damaged));
                assert!(!found.is_empty(), "byte {at} was altered by {mask:#04x}, and check finds nothing");
            }
        }
    }
    assert!(opened > 0, "damaged contents do not keep a webroot from opening");
}

#[test]
fn no_cut_file_opens() {
    let sound = small();
    for length in 0..sound.len() {
        let error = Layout::read(&sound[..length]).expect_err("a cut file").to_string();
        assert!(error.contains("cut short"), "{length}: {error}");
    }
    let longer = [&sound[..], b"\0"].concat();
    assert!(Layout::read(&longer).is_err());
}

/// A small generator with a fixed seed: the same damage in every run (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Sets both checksums to what the bytes have.
fn reseal(bytes: &mut [u8]) {
    let index_start = u64::from_le_bytes(bytes[40..48].try_into().expect("8 bytes"));
    if let Some(index) = usize::try_from(index_start).ok().and_then(|start| bytes.get(start..)) {
        let checksum = twox_hash::XxHash3_64::oneshot(index);
        bytes[56..64].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = twox_hash::XxHash3_64::oneshot(&bytes[..4088]);
    bytes[4088..4096].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn records_that_lie_under_a_right_checksum_harm_nobody() {
    let sound = small();
    let mut resealed = sound.clone();
    reseal(&mut resealed);
    assert!(resealed == sound, "reseal knows where the checksums are");
    let index_start = u64::from_le_bytes(sound[40..48].try_into().expect("8 bytes")) as usize;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut opened) = (0, 0);
    for _ in 0..10_000 {
        let mut damaged = sound.clone();
        for _ in 0..=random.next(3) {
            // In the header's fields or in the index; whole numbers at times, to hit lengths and offsets.
            let at = if random.next(6) == 0 {
                16 + random.next(180)
            } else {
                index_start + random.next(sound.len() - index_start)
            };
            match random.next(3) {
                0 => damaged[at] = random.next(256) as u8,
                1 => damaged[at] = damaged[at].wrapping_add(1),
                _ => damaged[at..(at + 4).min(sound.len())].fill([0, 0xff, 0x7f][random.next(3)]),
            }
        }
        reseal(&mut damaged);
        match Layout::read(&damaged) {
            Ok(layout) => {
                opened += 1;
                exercise(layout.view(&damaged));
            }
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(refused > 300 && opened > 300, "{refused} refused, {opened} opened");
}

/// As long as it takes for checksum and records to be checked at the same time.
#[test]
fn a_long_index_is_checked_like_a_short_one() {
    let mut writer = Writer::new(Cursor::new(Vec::new())).expect("a writer");
    writer.add_settings(&Settings::default()).expect("settings");
    let location = format!("/{}", "x".repeat(9 << 20)).into_bytes();
    let resources = [(b"/a".to_vec(), TargetDraft::Redirect(Status::Found, location))];
    let sound = writer.finish(&resources, &[], None).expect("a webroot").1.into_inner();
    assert!(Layout::read(&sound).is_ok());
    // Behind the only displacement; in a resource the key comes first.
    let kind_at = 4096 + 8 + 16;
    let mut damaged = sound.clone();
    damaged[kind_at] = 99;
    let error = |bytes: &[u8]| Layout::read(bytes).expect_err("it is damaged").to_string();
    assert!(error(&damaged).starts_with("its index, from byte 4096 on, is damaged"), "{}", error(&damaged));
    reseal(&mut damaged);
    assert_eq!(error(&damaged), "record 0 of its resources does not fit: it is of no known kind");
    let mut damaged = sound;
    *damaged.last_mut().expect("bytes") ^= 1;
    assert!(error(&damaged).starts_with("its index, from byte 4096 on, is damaged"), "{}", error(&damaged));
}

#[test]
fn a_webroot_overwritten_under_its_reader_answers_emptily_but_answers() {
    let sound = small();
    let layout = Layout::read(&sound).expect("it is sound");
    let mut random = Random(42);
    for _ in 0..300 {
        let mut overwritten = sound.clone();
        for _ in 0..50 {
            let at = random.next(sound.len());
            overwritten[at] = random.next(256) as u8;
        }
        exercise(layout.view(&overwritten));
    }
    exercise(layout.view(&vec![0; sound.len()]));
    exercise(layout.view(&vec![0xff; sound.len()]));
    exercise(layout.view(&[]));
}

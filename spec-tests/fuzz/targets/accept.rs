//! The four Accept fields, parted by NUL, and what is selected among a few variants by them.
#![no_main]

use connegd::http::grammar::items;
use connegd::negotiation::{Algorithm, Choice, NoTrace, Preferences, Scores, Step, select};
use connegd::resource::{Dimensions, Level, Policy, Quality, Settings, Variant, coding_names};
use libfuzzer_sys::fuzz_target;

const DIMENSIONS: [Dimensions; 4] = [Dimensions::TYPE, Dimensions::LANGUAGE, Dimensions::CHARSET, Dimensions::CODING];

fuzz_target!(|bytes: &[u8]| {
    let fields: Vec<_> = bytes.splitn(4, |&byte| byte == 0).collect();
    for field in &fields {
        let read: Vec<_> = items(field).collect();
        assert!(read.len() <= field.len());
        assert!(read.iter().map(|item| item.name.len()).sum::<usize>() <= field.len());
    }
    for policy in [Policy::Modern, Policy::Apache] {
        let mut preferences = Preferences::default();
        for (dimension, field) in DIMENSIONS.into_iter().zip(&fields) {
            preferences.read(dimension, Some(field), policy);
            renders_and_reads_back(field, policy);
        }
        for strict in [false, true] {
            let settings = Settings {
                policy,
                language_priority: if strict { Vec::new() } else { vec!["fr".into()] },
                prefer: !strict,
                fallback: !strict,
                ..Settings::default()
            };
            for algorithm in [Algorithm::Local, Algorithm::LocalStrict, Algorithm::Remote] {
                chooses_well(&preferences, &settings, algorithm);
            }
        }
    }
});

fn renders_and_reads_back(field: &[u8], policy: Policy) {
    let read = |value| {
        let mut preferences = Preferences::default();
        preferences.read(Dimensions::CODING, Some(value), policy);
        preferences.of(Dimensions::CODING).unwrap_or_default().to_vec()
    };
    // A quote that is never closed takes in whatever follows.
    let whole = |name: &[u8]| name.iter().filter(|&&byte| byte == b'"').count() % 2 == 0;
    let original = read(field);
    let mut rendered = Vec::new();
    for item in original.iter().filter(|item| whole(item.name)) {
        let level = item.level.map(|level| format!(";level={level}")).unwrap_or_default();
        rendered.extend([item.name, format!(";q={}{level},", item.quality).as_bytes()].concat());
    }
    let again = read(&rendered);
    assert!(original.iter().filter(|item| whole(item.name)).eq(&again), "{again:?} instead of {original:?}");
}

/// A variant: type, languages, charset, codings, length.
fn variant(parts: [&'static str; 4], length: u64) -> Variant<'static> {
    let optional = |part: &'static str| (!part.is_empty()).then_some(part.as_bytes());
    Variant {
        languages: optional(parts[1]),
        charset: optional(parts[2]),
        codings: optional(parts[3]),
        ..Variant::of_type(b"x", parts[0].as_bytes(), length)
    }
}

fn variants() -> [Variant<'static>; 11] {
    let level = |value| Level::of(b"text/html", Some(value));
    [
        variant(["text/html", "en", "", ""], 90),
        variant(["text/html", "en-gb,fr", "utf-8", ""], 80),
        Variant { level: level(1), ..variant(["text/html", "fr", "iso-8859-1", "gzip"], 30) },
        Variant { level: level(3), ..variant(["text/html", "", "", "br"], 20) },
        Variant { source_quality: Quality::NONE, ..variant(["text/html", "de", "", ""], 1) },
        variant(["text/x-server-parsed-html3", "de", "", "x-gzip"], 25),
        Variant { source_quality: Quality::from_thousandths(500), ..variant(["text/plain", "de", "koi8-r", ""], 10) },
        variant(["image/png", "", "", ""], 700),
        Variant { length: None, ..variant(["image/svg+xml", "", "", "gzip, compress"], 0) },
        variant(["", "ja", "", "7bit"], 5),
        variant(["application/json", "i-klingon", "utf-8", "identity"], 5),
    ]
}

fn chooses_well(preferences: &Preferences<'_>, settings: &Settings, algorithm: Algorithm) {
    let variants = variants();
    let mut steps: Vec<Step> = Vec::new();
    let choice = select(&variants, preferences, settings, algorithm, &mut steps);
    assert_eq!(
        choice,
        select(&variants, preferences, settings, algorithm, &mut NoTrace),
        "who listens changes nothing"
    );
    let scores: Vec<Scores> = steps
        .iter()
        .filter_map(|step| if let Step::Scored { scores, .. } = step { Some(*scores) } else { None })
        .collect();
    assert_eq!(scores.len(), variants.len());
    let acceptable = |scores: &Scores| !scores.worthless && scores.rejected_by == Dimensions::NONE;
    let number = match choice {
        Choice::Selected(number) => number,
        Choice::Indefinite(number) => {
            assert_eq!(algorithm, Algorithm::Remote);
            number
        }
        Choice::NotAcceptable(rejected_by) => {
            let all = scores.iter().fold(Dimensions::NONE, |all, scores| all | scores.rejected_by);
            return assert!(!scores.iter().any(acceptable) && rejected_by == all);
        }
    };
    let chosen = &scores[number];
    assert!(acceptable(chosen) && chosen.overall > 0.0);
    for (quality, _) in [chosen.media_type, chosen.language, chosen.charset, chosen.coding] {
        assert!((0.0..=1.0).contains(&quality));
    }
    if algorithm == Algorithm::Remote || settings.policy == Policy::Apache {
        let best = scores.iter().filter(|scores| acceptable(scores)).map(|scores| scores.overall).fold(0.0, f32::max);
        assert_eq!(chosen.overall, best);
    }
    if let (Some(codings), Some(items)) = (variants[number].codings, preferences.of(Dimensions::CODING)) {
        let refuses = |name: &[u8]| {
            let named = items.iter().find(|item| item.name.eq_ignore_ascii_case(name));
            let prefixed = |item: &[u8]| item.len() > 2 && item[..2].eq_ignore_ascii_case(b"x-");
            named.is_some_and(|item| item.quality == Quality::NONE) && !items.iter().any(|item| prefixed(item.name))
        };
        // To Apache, several codings are one name, which a wildcard lets pass whatever is said of its parts (R74).
        let is_list = codings.contains(&b',') && settings.policy == Policy::Apache;
        let refused = !is_list && coding_names(codings).any(|name| name != b"7bit" && refuses(name));
        assert!(!refused, "a coding that is refused");
    }
}

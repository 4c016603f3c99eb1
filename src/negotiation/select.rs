//! Selection: every variant is scored, the unacceptable are dropped, the best is kept (R76-R84, R88, R89).

use super::language::{self, LanguageScore};
use super::media_type::{Accept, TypeScore};
use super::preferences::Preferences;
use super::trace::{Key, Scores, Step, Trace, Why};
use super::{charset, coding};
use crate::resource::{Dimensions, Policy, Quality, Settings, Variant};

/// How to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The server's own, with the allowances for what clients mean but do not say: little weight for
    /// wildcards without weights (R60), broader languages (R66), variants without language (R63) or charset (R71).
    Local,
    /// The same without these allowances, for a client whose Negotiate field lets the server choose (R87).
    LocalStrict,
    /// The remote variant selection algorithm of RFC 2296, RVSA/1.0 (R88).
    Remote,
}

/// What came of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This variant, by its number from 0.
    Selected(usize),
    /// This variant is the best by [`Algorithm::Remote`], but the client must choose itself (R89).
    Indefinite(usize),
    /// No variant is acceptable. The dimensions are those in which a variant was refused: another
    /// request field there could change the answer.
    NotAcceptable(Dimensions),
}

/// A variant under comparison.
struct Candidate<'v, 'a> {
    number: usize,
    variant: &'v Variant<'a>,
    overall: f32,
    media_type: TypeScore,
    language: LanguageScore,
    charset: f32,
    coding: f32,
    definite: bool,
}

/// Chooses among `variants`, which are in scan order (R31, R43).
///
/// It is a scan that keeps a current best, not a sort: Apache's comparison is not transitive (R83), so
/// the order of variants is part of the answer.
pub fn select<T: Trace>(
    variants: &[Variant<'_>],
    preferences: &Preferences<'_>,
    settings: &Settings,
    algorithm: Algorithm,
    trace: &mut T,
) -> Choice {
    let fiddles = algorithm == Algorithm::Local;
    let accept = Accept::new(preferences.of(Dimensions::TYPE), fiddles);
    let accept_language = preferences.of(Dimensions::LANGUAGE);
    let accept_charset = preferences.of(Dimensions::CHARSET);
    let accept_encoding = preferences.of(Dimensions::CODING);
    let any_language = variants.iter().any(|variant| variant.languages.is_some());
    let mut types = Recent::new();
    let mut languages = Recent::new();
    let mut codings = Recent::new();
    let mut best: Option<Candidate<'_, '_>> = None;
    let mut rejected_by = Dimensions::NONE;

    for (number, variant) in variants.iter().enumerate() {
        let media_type = types.get((place_of(variant.media_type), variant.level.value, variant.level.declared), || {
            accept.score(variant, settings)
        });
        let mut overall = media_type.quality * variant.source_quality.as_f32();
        // Where nobody listens, what an early key has decided against (R78, R79) need not be worked out to the end.
        let rival = best.as_ref().filter(|_| !T::LISTENS && algorithm != Algorithm::Remote);
        if rival.is_some_and(|best| (overall, best.media_type.rank) < (best.overall, media_type.rank)) {
            continue;
        }
        let language = languages.get(variant.languages.map(place_of), || {
            language::score(variants, number, accept_language, any_language, fiddles, settings)
        });
        let is_behind = |best: &Candidate<'_, '_>| {
            (overall, best.media_type.rank, language.quality) < (best.overall, media_type.rank, best.language.quality)
        };
        if rival.is_some_and(is_behind) {
            continue;
        }
        let (charset, charset_why) = charset::score(variant, accept_charset, fiddles, settings.policy);
        let (coding, coding_why) =
            codings.get(variant.codings.map(place_of), || coding::score(variant, accept_encoding, settings.policy));
        if algorithm == Algorithm::Remote {
            overall = overall * charset * language.quality;
        }

        // Accept-Charset is deprecated (RFC 9110, section 12.5.2): the modern policy lets it break ties,
        // never refuse (D11). RVSA knows no ties, so there it counts.
        let charset_counts = settings.policy == Policy::Apache || algorithm == Algorithm::Remote;
        let rejects = Dimensions::NONE
            .with(Dimensions::TYPE, media_type.quality == 0.0)
            .with(Dimensions::LANGUAGE, language.quality == 0.0)
            .with(Dimensions::CHARSET, charset == 0.0 && charset_counts)
            .with(Dimensions::CODING, coding == 0.0);
        let worthless = variant.source_quality == Quality::NONE;
        trace.step(|| Step::Scored {
            variant: number,
            scores: Scores {
                media_type: (media_type.quality, media_type.why),
                language: (language.quality, language.why),
                charset: (charset, charset_why),
                coding: (coding, coding_why),
                overall,
                rejected_by: rejects,
                worthless,
            },
        });
        rejected_by |= rejects;
        if worthless || rejects != Dimensions::NONE {
            continue;
        }
        let definite = matches!(media_type.why, Why::Named(_))
            && (variant.languages.is_none() || decides(language.why))
            && (variant.charset.is_none() || decides(charset_why));
        let candidate = Candidate { number, variant, overall, media_type, language, charset, coding, definite };
        match &best {
            None => {
                trace.step(|| Step::First { variant: number });
                best = Some(candidate);
            }
            Some(current) => {
                let (wins, by) = match algorithm {
                    Algorithm::Remote => is_better_remotely(&candidate, current),
                    _ => is_better(&candidate, current, settings.policy),
                };
                trace.step(|| Step::Compared { variant: number, best: current.number, wins, by });
                if wins {
                    best = Some(candidate);
                }
            }
        }
    }
    match best {
        None => Choice::NotAcceptable(rejected_by),
        Some(best) if algorithm == Algorithm::Remote && !best.definite => Choice::Indefinite(best.number),
        Some(best) => Choice::Selected(best.number),
    }
}

/// Whether a quality is one that the client gave this very language or charset (R89).
fn decides(why: Why) -> bool {
    !matches!(why, Why::FieldAbsent | Why::Wildcard(_) | Why::Fallback)
}

/// Whether `newcomer` takes the place of `best` by RVSA/1.0, and which key decided (R88).
fn is_better_remotely(newcomer: &Candidate<'_, '_>, best: &Candidate<'_, '_>) -> (bool, Key) {
    if newcomer.overall != best.overall {
        return (newcomer.overall > best.overall, Key::RemoteQuality);
    }
    if newcomer.coding != best.coding {
        return (newcomer.coding > best.coding, Key::Coding);
    }
    (false, Key::Order)
}

/// The latest few results by what they were worked out from: variants share types and languages, and what they
/// share costs one pass over a field, not one each.
///
/// Strings are known again by where they lie, which is quicker than comparing them; a webroot holds each once.
struct Recent<K, V> {
    known: [Option<(K, V)>; 4],
    next: usize,
}

impl<K: Copy + PartialEq, V: Copy> Recent<K, V> {
    const fn new() -> Recent<K, V> {
        Recent { known: [const { None }; 4], next: 0 }
    }

    #[inline]
    fn get(&mut self, key: K, work_out: impl FnOnce() -> V) -> V {
        for (known, value) in self.known.iter().flatten() {
            if *known == key {
                return *value;
            }
        }
        let value = work_out();
        self.known[self.next % 4] = Some((key, value));
        self.next += 1;
        value
    }
}

/// Where a string lies, and how long it is.
fn place_of(string: &[u8]) -> (usize, usize) {
    (string.as_ptr().addr(), string.len())
}

/// Whether `newcomer` takes the place of `best`, and which key decided (R78-R82).
fn is_better(newcomer: &Candidate<'_, '_>, best: &Candidate<'_, '_>, policy: Policy) -> (bool, Key) {
    if newcomer.overall != best.overall {
        return (newcomer.overall > best.overall, Key::Quality);
    }
    if newcomer.media_type.rank != best.media_type.rank {
        return (newcomer.media_type.rank < best.media_type.rank, Key::TypeOrder);
    }
    if newcomer.language.quality != best.language.quality {
        return (newcomer.language.quality > best.language.quality, Key::LanguageQuality);
    }
    let place = |candidate: &Candidate<'_, '_>| candidate.language.index.unwrap_or(usize::MAX);
    if place(newcomer) != place(best) {
        return (place(newcomer) < place(best), Key::LanguagePriority);
    }
    if let Some(wins) = by_level(newcomer, best, policy) {
        return (wins, Key::Level);
    }
    if newcomer.variant.converted != best.variant.converted {
        return (best.variant.converted, Key::Origin);
    }
    if newcomer.charset != best.charset {
        return (newcomer.charset > best.charset, Key::Charset);
    }
    if charset::is_more_telling(newcomer.variant, best.variant) {
        return (true, Key::Charset);
    }
    if newcomer.coding != best.coding {
        return (newcomer.coding > best.coding, Key::Coding);
    }
    if newcomer.variant.length != best.variant.length {
        return (newcomer.variant.length < best.variant.length, Key::Length);
    }
    (false, Key::Order)
}

/// Levels are compared between variants of one type, or between two that are HTML (R80): the higher
/// level that matched, then the lower level. Under the modern policy only if a variant declares one (D10).
fn by_level(newcomer: &Candidate<'_, '_>, best: &Candidate<'_, '_>, policy: Policy) -> Option<bool> {
    let (new, old) = (newcomer.variant, best.variant);
    let html = |variant: &Variant<'_>| {
        matches!(variant.media_type, b"text/html" | b"text/x-server-parsed-html" | b"text/x-server-parsed-html3")
    };
    let comparable = new.media_type == old.media_type || (html(new) && html(old));
    if !comparable || (policy == Policy::Modern && !new.level.declared && !old.level.declared) {
        return None;
    }
    if newcomer.media_type.level_matched != best.media_type.level_matched {
        return Some(newcomer.media_type.level_matched > best.media_type.level_matched);
    }
    (new.level.value != old.level.value).then_some(new.level.value < old.level.value)
}

#[cfg(test)]
mod tests {
    use super::super::trace::NoTrace;
    use super::*;
    use crate::resource::Level;

    /// A variant from a compact notation: `type;lang=…;charset=…;coding=…;qs=…;length=…`.
    fn variant(text: &'static str) -> Variant<'static> {
        let mut parts = text.split(';');
        let media_type = parts.next().unwrap().as_bytes();
        let mut variant = Variant::of_type(text.as_bytes(), media_type, 20);
        for part in parts {
            let (key, value) = part.split_once('=').unwrap();
            match key {
                "lang" => variant.languages = Some(value.as_bytes()),
                "charset" => variant.charset = Some(value.as_bytes()),
                "coding" => variant.codings = Some(value.as_bytes()),
                "qs" => variant.source_quality = Quality::parse(value.as_bytes()),
                "length" => variant.length = value.parse().ok(),
                "level" => variant.level = Level::of(media_type, Some(value.parse().unwrap())),
                "converted" => variant.converted = value == "yes",
                _ => panic!("{key}"),
            }
        }
        variant
    }

    /// Fields in the order A, AL, AC, AE; `-` is absent.
    fn chosen(variants: &[&'static str], fields: [&'static str; 4], settings: &Settings) -> Option<usize> {
        let variants: Vec<_> = variants.iter().map(|text| variant(text)).collect();
        let mut preferences = Preferences::default();
        let dimensions = [Dimensions::TYPE, Dimensions::LANGUAGE, Dimensions::CHARSET, Dimensions::CODING];
        for (dimension, value) in dimensions.into_iter().zip(fields) {
            preferences.read(dimension, (value != "-").then_some(value.as_bytes()), settings.policy);
        }
        match select(&variants, &preferences, settings, Algorithm::Local, &mut NoTrace) {
            Choice::Selected(number) => Some(number),
            Choice::NotAcceptable(_) | Choice::Indefinite(_) => None,
        }
    }

    fn modern() -> Settings {
        Settings::default()
    }

    #[test]
    fn who_asks_gets_what_it_wants() {
        let page = ["text/html;length=900", "text/markdown;length=300"];
        let rdf = ["application/ld+json", "application/rdf+xml", "text/html;length=99", "text/turtle"];
        let image = ["image/avif", "image/png", "image/svg+xml", "image/webp"];
        const CHROME: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,\
            */*;q=0.8,application/signed-exchange;v=b3;q=0.7";
        for (variants, accept, expected) in [
            (&page[..], CHROME, Some(0)),
            (&page, "text/markdown, text/html, */*", Some(1)),
            (&page, "text/markdown, text/plain;q=0.9, */*;q=0.8", Some(1)),
            (&page, "text/html, */*", Some(0)),
            (&page, "*/*", Some(0)),
            (&page, "-", Some(0)),
            (&page, "", Some(0)),
            (&rdf, "text/turtle, application/rdf+xml;q=0.9, application/ld+json;q=0.8", Some(3)),
            (&rdf, CHROME, Some(2)),
            (&rdf, "*/*", Some(2)),
            (&rdf, "application/ld+json;q=0.5, application/rdf+xml;q=0.5", Some(0)),
            (&rdf, "application/rdf+xml;q=0.5, application/ld+json;q=0.5", Some(1)),
            (&image, CHROME, Some(0)),
            (&image, "image/svg+xml; q=1, image/*; q=0.5", Some(2)),
            (&image, "image/png", Some(1)),
            (&image, "text/html", None),
            (&image, "image/*;q=0, */*", None),
        ] {
            assert_eq!(chosen(variants, [accept, "-", "-", "-"], &modern()), expected, "{accept}");
        }
    }

    #[test]
    fn who_says_nothing_of_types_gets_what_the_author_made() {
        let photo =
            ["image/jpeg;length=90", "image/avif;converted=yes;length=20", "image/webp;converted=yes;length=40"];
        const FIREFOX: &str = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5";
        for (accept, expected) in [
            ("-", 0),
            ("*/*", 0),
            ("image/*", 0),
            ("image/png,image/*;q=0.8,*/*;q=0.5", 0),
            ("image/jpeg", 0),
            (FIREFOX, 1),
            ("image/webp,image/avif,image/*;q=0.8", 2),
            ("image/avif;q=0.5, image/jpeg;q=0.4", 1),
            ("image/jpeg;q=0, */*", 1),
        ] {
            assert_eq!(chosen(&photo, [accept, "-", "-", "-"], &modern()), Some(expected), "{accept}");
            let backwards: Vec<_> = photo.iter().rev().copied().collect();
            assert_eq!(chosen(&backwards, [accept, "-", "-", "-"], &modern()), Some(2 - expected), "{accept}");
        }
        let pages = ["text/html;lang=en;length=900", "text/markdown;lang=fr;converted=yes;length=90"];
        let no_order = Settings { type_priority: Vec::new(), ..modern() };
        assert_eq!(chosen(&pages, ["*/*", "fr", "-", "-"], &no_order), Some(1));
    }

    #[test]
    fn languages_fall_back_in_order() {
        let pages = ["text/html;lang=de", "text/html;lang=en", "text/html;lang=fr"];
        let settings = Settings { language_priority: vec!["en".into(), "fr".into()], ..modern() };
        for (field, expected) in [
            ("-", 1),
            ("fr", 2),
            ("FR-ca, en;q=0.3", 1),
            ("fr-CA", 2),
            ("ja", 1),
            ("en;q=0", 2),
            ("en;q=0, fr;q=0", 0),
            ("*;q=0", 1),
            ("de, fr", 2),
            ("", 1),
        ] {
            assert_eq!(chosen(&pages, ["-", field, "-", "-"], &settings), Some(expected), "{field}");
        }
        let strict = Settings { fallback: false, ..settings };
        assert_eq!(chosen(&pages, ["-", "ja", "-", "-"], &strict), None);
    }

    #[test]
    fn an_unmarked_page_stands_in_before_an_unlisted_language() {
        let pages = ["text/html", "text/html;lang=fr"];
        assert_eq!(chosen(&pages, ["-", "ja", "-", "-"], &modern()), Some(0));
        assert_eq!(chosen(&pages, ["-", "fr", "-", "-"], &modern()), Some(1));
    }

    #[test]
    fn codings_are_never_sent_to_who_refuses_them() {
        let files = ["text/css;length=100", "text/css;coding=br;length=30", "text/css;coding=gzip;length=40"];
        for (field, expected) in [
            ("-", Some(0)),
            ("", Some(0)),
            ("gzip", Some(2)),
            ("GZip, br", Some(1)),
            ("x-gzip", Some(2)),
            ("gzip;q=0", Some(0)),
            ("deflate", Some(0)),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("br;q=0, *", Some(2)),
            ("x-*", Some(1)),
            ("gzip;q=0.0001, br;q=0", Some(2)),
        ] {
            assert_eq!(chosen(&files, ["-", "-", "-", field], &modern()), expected, "{field}");
        }
        let stacked = ["text/css;coding=gzip, compress"];
        assert_eq!(chosen(&stacked, ["-", "-", "-", "gzip, compress"], &modern()), Some(0));
        assert_eq!(chosen(&stacked, ["-", "-", "-", "gzip"], &modern()), None);
        let apache = Settings { policy: Policy::Apache, ..modern() };
        assert_eq!(chosen(&stacked, ["-", "-", "-", "gzip, compress"], &apache), None);
    }

    #[test]
    fn a_charset_breaks_ties_and_refuses_nobody() {
        let letters = ["text/plain;charset=iso-8859-1;length=10", "text/plain;charset=utf-8;length=12"];
        for (field, expected) in [("-", 1), ("iso-8859-1", 0), ("utf-8", 1), ("koi8-r", 1), ("*;q=0", 1)] {
            assert_eq!(chosen(&letters, ["-", "-", field, "-"], &modern()), Some(expected), "{field}");
        }
    }

    #[test]
    fn products_are_compared_in_binary32() {
        let apache = Settings { policy: Policy::Apache, ..modern() };
        for (first, second, accept, expected) in [
            ("x/one;qs=0.9", "x/two", "x/one;q=0.2, x/two;q=0.18", 1),
            ("x/two", "x/one;qs=0.3", "x/one;q=0.75, x/two;q=0.225", 1),
            ("x/two;length=9", "x/one;qs=0.1;length=5", "x/one;q=0.7, x/two;q=0.07", 1),
        ] {
            assert_eq!(chosen(&[first, second], [accept, "-", "-", "-"], &apache), Some(expected), "{accept}");
        }
    }

    #[test]
    fn a_variant_that_is_worth_nothing_is_never_chosen() {
        assert_eq!(chosen(&["text/html;qs=0"], ["-", "-", "-", "-"], &modern()), None);
        assert_eq!(chosen(&["text/html;qs=0", "text/plain;qs=0.001"], ["-", "-", "-", "-"], &modern()), Some(1));
    }
}

//! What holds of negotiation whatever is asked and whatever there is: the rules of `src/negotiation` (R…), those of
//! RFC 9110, section 12, and where an order means nothing.
//!
//! A field here is a list of ranges with weights; a site is a list of variants out of few types, languages, charsets
//! and codings, so that what is asked for is often there.

use std::collections::HashSet;

use connegd::http::grammar::items;
use connegd::negotiation::{Algorithm, Choice, NoTrace, Preferences, Scores, Step, select};
use connegd::resource::{Dimensions, Policy, Quality, Settings, Variant};
use proptest::prelude::*;
use proptest::sample;

const DIMENSIONS: [Dimensions; 4] = [Dimensions::TYPE, Dimensions::LANGUAGE, Dimensions::CHARSET, Dimensions::CODING];
const POLICIES: [Policy; 2] = [Policy::Modern, Policy::Apache];
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Local, Algorithm::LocalStrict, Algorithm::Remote];
/// The server's own, which have keys besides qualities.
const LOCAL: [Algorithm; 2] = [Algorithm::Local, Algorithm::LocalStrict];

const TYPES: [&str; 6] =
    ["text/html", "text/plain", "text/markdown", "image/png", "image/svg+xml", "text/x-server-parsed-html"];
const LANGUAGES: [&str; 6] = ["en", "en-gb", "fr", "de", "en,fr", "ja"];
const CHARSETS: [&str; 3] = ["utf-8", "iso-8859-1", "koi8-r"];
const CODINGS: [&str; 5] = ["gzip", "br", "x-gzip", "gzip, compress", "8bit"];
/// What is asked for, in the order of [`DIMENSIONS`]. No two of a field mean the same.
const RANGES: [&[&str]; 4] = [
    &["text/html", "text/plain", "text/markdown", "image/png", "image/svg+xml", "a/b", "text/*", "image/*", "*/*"],
    &["en", "en-gb", "en-us", "fr", "fr-ca", "de", "ja", "*"],
    &["utf-8", "iso-8859-1", "koi8-r", "x", "*"],
    &["gzip", "br", "compress", "identity", "deflate", "*"],
];

/// The items of a field: ranges, and weights in thousandths.
type Field = Vec<(&'static str, Option<u16>)>;
/// The four fields, in the order of [`DIMENSIONS`].
type Fields = [Option<Field>; 4];

fn text(field: &Field) -> String {
    let item = |(range, weight): &(&str, Option<u16>)| match weight {
        Some(weight) => format!("{range};q={}", Quality::from_thousandths(*weight)),
        None => range.to_string(),
    };
    field.iter().map(item).collect::<Vec<_>>().join(", ")
}

fn texts(fields: &Fields) -> [Option<String>; 4] {
    fields.each_ref().map(|field| field.as_ref().map(text))
}

fn weight() -> impl Strategy<Value = Option<u16>> {
    prop_oneof![2 => Just(None), 1 => Just(Some(0)), 3 => (0u16..=1000).prop_map(Some)]
}

/// A field; ranges may be there twice.
fn field(ranges: &'static [&'static str]) -> impl Strategy<Value = Option<Field>> {
    let item = (sample::select(ranges), weight());
    prop_oneof![1 => Just(None), 4 => prop::collection::vec(item, 0..6).prop_map(Some)]
}

fn fields() -> impl Strategy<Value = Fields> {
    let [types, languages, charsets, codings] = RANGES.map(field);
    (types, languages, charsets, codings)
        .prop_map(|(types, languages, charsets, codings)| [types, languages, charsets, codings])
}

/// Leaves of each range the first.
fn distinct(field: &Field) -> Field {
    let mut seen = HashSet::new();
    field.iter().copied().filter(|(range, _)| seen.insert(*range)).collect()
}

fn variant() -> impl Strategy<Value = Variant<'static>> {
    let optional = |names: &'static [&'static str]| prop::option::of(sample::select(names).prop_map(str::as_bytes));
    let source_quality = prop_oneof![4 => Just(1000u16), 2 => 1u16..1000, 1 => Just(0)];
    (sample::select(&TYPES), optional(&LANGUAGES), optional(&CHARSETS), optional(&CODINGS), source_quality, 0u64..9)
        .prop_map(|(media_type, languages, charset, codings, source_quality, length)| Variant {
            source_quality: Quality::from_thousandths(source_quality),
            languages,
            charset,
            codings,
            ..Variant::of_type(b"x", media_type.as_bytes(), length)
        })
}

fn site() -> impl Strategy<Value = Vec<Variant<'static>>> {
    prop::collection::vec(variant(), 1..9)
}

/// How a site may be set, under either policy.
fn all_settings() -> Vec<Settings> {
    let of = |policy, priority: &[&str], fallback| Settings {
        policy,
        language_priority: priority.iter().map(|tag| tag.to_string()).collect(),
        fallback,
        ..Settings::default()
    };
    POLICIES.into_iter().flat_map(|policy| [of(policy, &["fr", "en"], true), of(policy, &[], false)]).collect()
}

fn preferences<'a>(fields: &'a [Option<String>; 4], policy: Policy) -> Preferences<'a> {
    let mut preferences = Preferences::default();
    for (dimension, field) in DIMENSIONS.into_iter().zip(fields) {
        preferences.read(dimension, field.as_deref().map(str::as_bytes), policy);
    }
    preferences
}

fn choose(variants: &[Variant<'_>], fields: &[Option<String>; 4], settings: &Settings, algorithm: Algorithm) -> Choice {
    select(variants, &preferences(fields, settings.policy), settings, algorithm, &mut NoTrace)
}

/// The number of the variant that is the best, whether or not the client is to choose itself.
fn best(choice: Choice) -> Option<usize> {
    match choice {
        Choice::Selected(number) | Choice::Indefinite(number) => Some(number),
        Choice::NotAcceptable(_) => None,
    }
}

/// Demands that two requests get the same of a site, with all `algorithms` under all settings of `policies`.
fn same(
    variants: &[Variant<'_>],
    one: &[Option<String>; 4],
    other: &[Option<String>; 4],
    policies: &[Policy],
    algorithms: &[Algorithm],
) -> Result<(), TestCaseError> {
    for settings in all_settings().iter().filter(|settings| policies.contains(&settings.policy)) {
        for &algorithm in algorithms {
            let choices = [one, other].map(|fields| choose(variants, fields, settings, algorithm));
            prop_assert_eq!(choices[0], choices[1], "{:?} {:?} {:?} {:?}", settings, algorithm, one, other);
        }
    }
    Ok(())
}

fn scores(
    variants: &[Variant<'_>],
    fields: &[Option<String>; 4],
    settings: &Settings,
    algorithm: Algorithm,
) -> Vec<Scores> {
    let mut steps: Vec<Step> = Vec::new();
    select(variants, &preferences(fields, settings.policy), settings, algorithm, &mut steps);
    let scored = |step: &Step| if let Step::Scored { scores, .. } = step { Some(*scores) } else { None };
    steps.iter().filter_map(scored).collect()
}

/// The value of a weight in thousandths as R53 has it, in its own words; with what the modern policy makes of it (D5).
fn weighed(value: &str) -> [u16; 2] {
    let value = value.trim_start_matches([' ', '\t']);
    if value.is_empty() {
        return [1000; 2];
    }
    if !value.starts_with(['.', '0']) {
        return [1000; 2];
    }
    let Some(fraction) = value.strip_prefix('0').unwrap_or(value).strip_prefix('.') else { return [0; 2] };
    let digits: String = fraction.chars().take_while(char::is_ascii_digit).collect();
    let apache = format!("{digits:0<3}")[..3].parse().expect("digits");
    let rounded_up = u16::from(digits.chars().any(|digit| digit != '0'));
    [apache, apache.max(rounded_up)]
}

/// Numbers for the first `count` places in another order.
fn shuffled(count: usize, seeds: &[u16; 8]) -> Vec<usize> {
    let mut numbers: Vec<_> = (0..count).collect();
    numbers.sort_by_key(|&number| seeds[number % 8].rotate_left(number as u32));
    numbers
}

/// Bytes, among them many of those that mean something.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![any::<u8>(), sample::select(&b"a;,=\" q0."[..])], 0..64)
}

/// Few cases, since they are run often; PROPTEST_CASES asks for more.
fn config() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        None => ProptestConfig::with_cases(48),
        Some(_) => ProptestConfig::default(),
    }
}

proptest! {
    #![proptest_config(config())]

    /// R53 and D5.
    #[test]
    fn weights_are_what_the_rule_says(value in "[ \t]{0,2}[0-9.]{0,6}[x+\\-]?[0-9.]{0,3}") {
        let [apache, modern] = weighed(&value);
        prop_assert_eq!(Quality::parse(value.as_bytes()).thousandths(), apache);
        prop_assert_eq!(Quality::parse_rounding_up(value.as_bytes()).thousandths(), modern);
        for (policy, expected) in [(Policy::Apache, apache), (Policy::Modern, modern)] {
            for field in [format!("a;q={value}, b"), format!("a ; Q = \"{value}\"")] {
                let mut preferences = Preferences::default();
                preferences.read(Dimensions::TYPE, Some(field.as_bytes()), policy);
                let items = preferences.of(Dimensions::TYPE).unwrap_or_default();
                prop_assert_eq!((items[0].name, items[0].quality.thousandths()), (&b"a"[..], expected), "{}", field);
            }
        }
    }

    /// R51, R52: items lie behind one another, and each takes a byte and what parts it from the next.
    #[test]
    fn any_bytes_are_read_once(value in bytes()) {
        let mut end = 0;
        let mut count = 0;
        for item in items(&value) {
            if !item.name.is_empty() {
                let start = item.name.as_ptr() as usize - value.as_ptr() as usize;
                prop_assert!(start >= end);
                end = start + item.name.len();
            }
            prop_assert!(item.parameters().count() <= value.len());
            count += 1;
        }
        prop_assert!(end <= value.len() && 2 * count <= value.len() + 1, "{} items", count);
    }

    /// R50 to R52: white space, case, quotes, empty items and unknown parameters make no difference, nor do names in
    /// capitals, nor the whole said twice, whose first and last items are the same.
    #[test]
    fn one_list_in_other_words(site in site(), fields in fields(), gap in "[ \t]{0,2}", empty in "[ ,]{0,3}") {
        let plain = texts(&fields);
        let item = |(range, weight): &(&str, Option<u16>)| match weight {
            Some(weight) => {
                let weight = Quality::from_thousandths(*weight);
                format!("{empty}{}{gap};{gap}x=\"a,;b\";{gap}Q{gap}={gap}\"{weight}\"{gap}", range.to_ascii_uppercase())
            }
            None => format!("{empty}{range}{gap};y=z{gap}"),
        };
        let wordy = |field: &Field| field.iter().map(item).collect::<Vec<_>>().join(",");
        let other = fields.each_ref().map(|field| field.as_ref().map(wordy));
        same(&site, &plain, &other, &POLICIES, &ALGORITHMS)?;
        let twice = plain.each_ref().map(|field| field.as_ref().map(|field| format!("{field}, {field}")));
        same(&site, &plain, &twice, &POLICIES, &ALGORITHMS)?;
    }

    /// R59, R64, R65, R72, R74: the order of a field means nothing if no two of its items mean the same. The modern
    /// policy takes the order of the types that are named for the client's; there wildcards may stand anywhere.
    #[test]
    fn the_order_of_a_field_means_little(site in site(), fields in fields(), seeds: [u16; 8]) {
        let fields = fields.map(|field| field.map(|field| distinct(&field)));
        let order = |field: &Field| shuffled(field.len(), &seeds);
        let mix = |field: &Field| -> Field { order(field).iter().map(|&number| field[number]).collect() };
        let mut mixed: Fields = fields.each_ref().map(|field| field.as_ref().map(mix));
        let plain = texts(&fields);
        let none_parsed: Vec<_> = site
            .iter()
            // Two names fit this type (R58), so the first of them decides.
            .filter(|variant| variant.media_type != b"text/x-server-parsed-html")
            .copied()
            .collect();
        same(&none_parsed, &plain, &texts(&mixed), &[Policy::Apache], &ALGORITHMS)?;
        if let (Some(original), Some(mixed)) = (&fields[0], &mut mixed[0]) {
            let named = |item: &&(&str, Option<u16>)| !item.0.ends_with('*');
            let mut in_order = original.iter().filter(named);
            for item in mixed.iter_mut().filter(|item| named(&&**item)) {
                *item = *in_order.next().expect("as many as before");
            }
        }
        same(&site, &plain, &texts(&mixed), &POLICIES, &ALGORITHMS)?;
    }

    /// R78 to R82 without R80, R81: where variants have no levels, all have a charset besides ISO-8859-1 or none has
    /// one, `language-priority` lists all languages and no two are of one length, keys are compared one after the
    /// other, and it does not matter in which order variants are scanned.
    #[test]
    fn the_order_of_variants_means_nothing_where_keys_decide(
        site in site(),
        fields in fields(),
        seeds: [u16; 8],
        charset: bool,
    ) {
        let number = |(length, variant): (usize, Variant<'static>)| Variant {
            charset: charset.then(|| variant.charset.filter(|charset| charset != b"iso-8859-1").unwrap_or(b"utf-8")),
            length: Some(length as u64),
            ..variant
        };
        // Levels that are implied differ between the HTML types, and Apache compares them.
        let site: Vec<_> = site
            .into_iter()
            .filter(|variant| variant.media_type != b"text/x-server-parsed-html")
            .enumerate()
            .map(number)
            .collect();
        let other: Vec<_> = shuffled(site.len(), &seeds).iter().map(|&number| site[number]).collect();
        for settings in all_settings() {
            let language_priority = ["de", "en-gb", "en", "fr", "ja"].map(String::from).to_vec();
            let settings = Settings { language_priority, ..settings };
            for algorithm in LOCAL {
                let [one, two] = [&site, &other].map(|site| {
                    best(choose(site, &texts(&fields), &settings, algorithm)).map(|number| site[number])
                });
                prop_assert_eq!(one, two, "{:?} {:?}", settings, algorithm);
            }
        }
    }

    /// What a variant is worth in type, charset and coding has nothing to do with the others.
    #[test]
    fn variants_are_scored_one_by_one(site in site(), fields in fields()) {
        let fields = texts(&fields);
        for settings in all_settings() {
            for algorithm in ALGORITHMS {
                for (variant, among) in site.iter().zip(scores(&site, &fields, &settings, algorithm)) {
                    let alone = scores(&[*variant], &fields, &settings, algorithm)[0];
                    prop_assert_eq!(alone.media_type, among.media_type);
                    prop_assert_eq!(alone.charset, among.charset);
                    prop_assert_eq!(alone.coding, among.coding);
                }
            }
        }
    }

    /// R77: what is chosen is worth something in every dimension; the modern policy's charsets refuse nobody (D11).
    #[test]
    fn what_is_chosen_is_acceptable(site in site(), fields in fields()) {
        let fields = texts(&fields);
        for settings in all_settings() {
            for algorithm in ALGORITHMS {
                let scores = scores(&site, &fields, &settings, algorithm);
                let charset_counts = settings.policy == Policy::Apache || algorithm == Algorithm::Remote;
                let acceptable = |number: usize| {
                    let Scores { media_type, language, charset, coding, .. } = scores[number];
                    let qualities = [media_type.0, language.0, coding.0, if charset_counts { charset.0 } else { 1.0 }];
                    site[number].source_quality != Quality::NONE && qualities.iter().all(|&quality| quality > 0.0)
                };
                match best(choose(&site, &fields, &settings, algorithm)) {
                    Some(number) => prop_assert!(acceptable(number)),
                    None => prop_assert!(!(0..site.len()).any(acceptable)),
                }
            }
        }
    }

    /// RFC 9110, section 12.4.2: a weight of 0 is a refusal. What is refused by name first of all is not sent, whatever
    /// follows: no type, no single coding, for Apache no charset, and no language unless fallback is on. Apache takes
    /// several codings for one name (D4), so what it sends of them may hold one that is refused.
    #[test]
    fn what_is_refused_by_name_is_not_sent(site in site(), fields in fields()) {
        let plain = texts(&fields);
        const REFUSED: [(usize, &str); 7] =
            [(0, "text/plain"), (0, "image/png"), (1, "de"), (1, "en-gb"), (2, "utf-8"), (3, "gzip"), (3, "br")];
        for (place, refused) in REFUSED {
            let mut fields = plain.clone();
            fields[place] = Some(format!("{refused};q=0, {}", plain[place].as_deref().unwrap_or("*")));
            for settings in all_settings() {
                let modern = settings.policy == Policy::Modern;
                for algorithm in ALGORITHMS {
                    let Some(number) = best(choose(&site, &fields, &settings, algorithm)) else { continue };
                    let chosen = site[number];
                    let holds = |value: Option<&[u8]>| value == Some(refused.as_bytes());
                    let sent = match place {
                        0 => chosen.media_type == refused.as_bytes(),
                        1 => holds(chosen.languages) && !settings.fallback,
                        2 => holds(chosen.charset) && (!modern || algorithm == Algorithm::Remote),
                        _ => {
                            let mut names = chosen.codings.unwrap_or_default().split(|&byte| byte == b',');
                            let plain = |name: &[u8]| name.trim_ascii() == refused.as_bytes();
                            let prefixed = chosen.codings == Some(b"x-gzip") && refused == "gzip";
                            holds(chosen.codings) || prefixed || (modern && names.any(plain))
                        }
                    };
                    prop_assert!(!sent, "{chosen:?} {fields:?} {settings:?} {algorithm:?}");
                }
            }
        }
    }

    /// R77: one more variant that no request can select, or that this one refuses, changes nothing, wherever it stands.
    /// It must not have languages, for these make a difference to others (R63), also by their places (D6).
    #[test]
    fn an_unacceptable_variant_changes_nothing(site in site(), fields in fields(), more in variant(), at in 0usize..9) {
        let fields = texts(&fields);
        let at = at.min(site.len());
        for settings in all_settings() {
            for algorithm in ALGORITHMS {
                let refused = scores(&[more], &fields, &settings, algorithm)[0].rejected_by;
                let worthless = if refused == Dimensions::NONE { Quality::NONE } else { more.source_quality };
                let more = Variant { languages: None, source_quality: worthless, ..more };
                let refused = scores(&[more], &fields, &settings, algorithm)[0];
                if !refused.worthless && refused.rejected_by == Dimensions::NONE {
                    continue; // it was its language that was refused
                }
                let mut with: Vec<_> = site.clone();
                with.insert(at, more);
                let before = best(choose(&site, &fields, &settings, algorithm));
                let after = best(choose(&with, &fields, &settings, algorithm));
                prop_assert_eq!(before.map(|number| number + usize::from(number >= at)), after);
            }
        }
    }

    /// D6, D11: under the modern policy nobody is refused because of a charset, nor of a language with fallback on.
    #[test]
    fn the_modern_policy_refuses_for_types_and_codings_only(site in site(), fields in fields()) {
        let all = texts(&fields);
        let settings = Settings::default();
        let without = |place: usize| {
            let mut fields = all.clone();
            fields[place] = None;
            fields
        };
        for algorithm in ALGORITHMS {
            let may_refuse_charset = algorithm == Algorithm::Remote;
            let choice = choose(&site, &all, &settings, algorithm);
            let unspoken = choose(&site, &without(1), &settings, algorithm);
            prop_assert_eq!(best(choice).is_some(), best(unspoken).is_some(), "language");
            if !may_refuse_charset {
                let unspoken = choose(&site, &without(2), &settings, algorithm);
                prop_assert_eq!(best(choice).is_some(), best(unspoken).is_some(), "charset");
            }
            if let Choice::NotAcceptable(refused) = choice {
                prop_assert!(!refused.intersects(Dimensions::LANGUAGE));
                prop_assert!(may_refuse_charset || !refused.intersects(Dimensions::CHARSET));
            }
        }
    }

    /// R57: Accept absent is as `*/*`. D2: under the modern policy an empty field is as an absent one, but for codings.
    #[test]
    fn who_says_nothing_takes_anything(site in site(), fields in fields(), empty in "[ ,]{0,3}") {
        let mut absent = texts(&fields);
        absent[0] = None;
        let mut anything = absent.clone();
        anything[0] = Some("*/*".into());
        same(&site, &absent, &anything, &POLICIES, &ALGORITHMS)?;
        for place in 0..3 {
            let (mut absent, mut said) = (texts(&fields), texts(&fields));
            (absent[place], said[place]) = (None, Some(empty.clone()));
            same(&site, &absent, &said, &[Policy::Modern], &ALGORITHMS)?;
        }
    }
}

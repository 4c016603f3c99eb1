//! The quality of a variant's languages by Accept-Language, and language priority (R62-R69).

use super::preferences::Preference;
use super::trace::Why;
use crate::resource::{Policy, Quality, Settings, Variant, folds_to};

/// How a variant's languages fare.
#[derive(Clone, Copy)]
pub(super) struct LanguageScore {
    pub quality: f32,
    pub why: Why,
    /// Position in `language-priority`, where that counts (R68).
    pub index: Option<usize>,
}

/// Quality of a variant without language beside variants that have one (R63), and of one that stands in by
/// priority when no language fits (R68).
const BARELY: f32 = 0.0001;
/// Stands in although `language-priority` does not list it: after those it lists, and after a variant
/// without language (D6).
const UNLISTED: f32 = 0.00009;
/// Stands in although the client refused the language, by listing or by default: last of all (D7).
const REFUSED: [f32; 2] = [0.00005, 0.00004];
/// Quality by a range that is narrower than the language: `en-us` finds `en` (R66).
const BROADER: f32 = 0.001;

/// The quality of `variants[number]`. `any_marked` tells whether any variant of the resource has a language;
/// without `fiddles` a variant that has none is as good as any (R63), and R66 is off.
pub(super) fn score(
    variants: &[Variant<'_>],
    number: usize,
    field: Option<&[Preference<'_>]>,
    any_marked: bool,
    fiddles: bool,
    settings: &Settings,
) -> LanguageScore {
    let variant = &variants[number];
    if variant.languages.is_none() {
        let (quality, why) = if any_marked && fiddles { (BARELY, Why::NotMarked) } else { (1.0, Why::NoneMarked) };
        return LanguageScore { quality, why, index: None };
    }
    let (quality, why) = match field {
        None => (1.0, Why::FieldAbsent),
        Some(items) => by_ranges(variant, items, fiddles, settings.policy),
    };
    if quality != 0.0 {
        let index = if settings.prefer { priority(variant, settings) } else { None };
        return LanguageScore { quality, why, index };
    }
    if !settings.fallback {
        return LanguageScore { quality, why, index: None };
    }
    let listed = priority(variant, settings);
    let refused = !matches!(why, Why::NoMatch);
    let (quality, index) = match (settings.policy, listed) {
        (Policy::Apache, None) => return LanguageScore { quality, why, index: None },
        (Policy::Apache, Some(index)) => (BARELY, index),
        (Policy::Modern, Some(index)) => (if refused { REFUSED[0] } else { BARELY }, index),
        (Policy::Modern, None) => {
            // In scan order, but language by language, so that other dimensions still decide within one.
            let first = variants.iter().position(|other| other.languages == variant.languages).unwrap_or(number);
            (if refused { REFUSED[1] } else { UNLISTED }, settings.language_priority.len() + first)
        }
    };
    LanguageScore { quality, why: Why::Fallback, index: Some(index) }
}

/// The quality that the ranges of a field give (R64-R67).
fn by_ranges(variant: &Variant<'_>, items: &[Preference<'_>], fiddles: bool, policy: Policy) -> (f32, Why) {
    let wildcard = items.iter().position(|item| item.is_wildcard());
    let mut best: Option<(Quality, Why)> = None;
    let mut some_tag_unmatched = false;
    for tag in variant.language_tags() {
        // Of the ranges that are the tag or a prefix of it the longest decides, of equals the first.
        let mut longest: Option<usize> = None;
        for (index, item) in items.iter().enumerate() {
            if covers(item.name, tag) && longest.is_none_or(|longest| item.name.len() > items[longest].name.len()) {
                longest = Some(index);
            }
        }
        match longest {
            None => some_tag_unmatched = true,
            Some(index) if best.is_none_or(|(quality, _)| items[index].quality > quality) => {
                let why = if items[index].name.len() == tag.len() { Why::Named(index) } else { Why::Prefix(index) };
                best = Some((items[index].quality, why));
            }
            Some(_) => {}
        }
    }
    if let Some(index) = wildcard.filter(|_| some_tag_unmatched)
        && best.is_none_or(|(quality, _)| items[index].quality > quality)
    {
        best = Some((items[index].quality, Why::Wildcard(index)));
    }
    if let Some((quality, why)) = best {
        return (quality.as_f32(), why);
    }
    if !fiddles {
        return (0.0, Why::NoMatch);
    }
    let narrower = items.iter().position(|item| {
        let dash = item.name.iter().position(|&byte| byte == b'-');
        dash.is_some_and(|dash| variant.language_tags().any(|tag| begins(tag, &item.name[..dash], policy)))
    });
    match narrower {
        Some(index) => (BROADER, Why::BroaderLanguage(index)),
        None => (0.0, Why::NoMatch),
    }
}

/// Whether a language range is `tag` or a prefix of it that ends before a `-` (RFC 4647, section 3.3.1).
#[inline]
fn covers(range: &[u8], tag: &[u8]) -> bool {
    match tag.get(..range.len()) {
        // R56: an empty name matches nothing, not even an empty tag.
        Some(start) if !range.is_empty() => ends_subtag(tag, range.len()) && folds_to(range, start),
        _ => false,
    }
}

/// Whether `length` bytes of `tag` are whole subtags.
#[inline]
fn ends_subtag(tag: &[u8], length: usize) -> bool {
    matches!(tag.get(length), None | Some(b'-'))
}

/// Whether `tag` begins with `prefix`: as a plain string for Apache (B4), at a subtag otherwise (D16).
fn begins(tag: &[u8], prefix: &[u8], policy: Policy) -> bool {
    match policy {
        Policy::Apache => tag.get(..prefix.len()).is_some_and(|start| folds_to(prefix, start)),
        Policy::Modern => covers(prefix, tag),
    }
}

/// The smallest position in `language-priority` over the variant's tags (R69). An entry fits a tag that begins with
/// it: as a plain string for Apache (B4), at a subtag otherwise.
fn priority(variant: &Variant<'_>, settings: &Settings) -> Option<usize> {
    let whole_subtags = settings.policy == Policy::Modern;
    let first = |tag: &[u8]| {
        settings.language_priority.iter().position(|entry| {
            let entry = entry.as_bytes();
            let Some(start) = tag.get(..entry.len()) else { return false };
            start.eq_ignore_ascii_case(entry) && (!whole_subtags || ends_subtag(tag, entry.len()))
        })
    };
    variant.language_tags().filter_map(first).min()
}

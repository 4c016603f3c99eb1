//! The quality of a variant's media type by Accept (R57-R61).

use super::preferences::Preference;
use super::trace::Why;
use crate::resource::{Level, Policy, Quality, Settings, Variant, folds_to};

/// How a variant's media type fares.
#[derive(Clone, Copy)]
pub(super) struct TypeScore {
    pub quality: f32,
    pub why: Why,
    /// Modern policy: the place in Accept of the item that named the type, or behind all those the
    /// place in `type-priority`. Equal for all under Apache's.
    pub rank: usize,
    /// The variant's level if an item of its very type matched, else 0 (R61).
    pub level_matched: i32,
}

/// Rank of the first type in `type-priority`; no field has so many items.
const UNNAMED: usize = usize::MAX / 2;

/// A wildcard's quality when no item has a weight: `*/*` and `type/*` (R60).
const FIDDLED: [f32; 2] = [0.01, 0.02];

/// Accept, with what holds for the field as a whole worked out once.
pub(super) struct Accept<'f, 'a> {
    field: Option<&'f [Preference<'a>]>,
    /// The first item that matches any type.
    anything: Option<usize>,
    /// The first item that matches all types that begin alike.
    subtypes: Option<usize>,
    fiddle: bool,
}

impl<'f, 'a> Accept<'f, 'a> {
    pub fn new(field: Option<&'f [Preference<'a>]>, fiddles: bool) -> Self {
        let anything = field.and_then(|items| items.iter().position(|item| matches!(item.name, b"*" | b"*/*")));
        let subtypes = field.and_then(|items| items.iter().position(|item| beginning(item.name).is_some()));
        let fiddle = fiddles && field.is_some_and(|items| items.iter().all(|item| item.quality == Quality::FULL));
        Accept { field, anything, subtypes, fiddle }
    }

    /// The quality of `variant`. The most specific class of range that matches decides, and within a
    /// class the first item (R58, R59).
    pub fn score(&self, variant: &Variant<'_>, settings: &Settings) -> TypeScore {
        let Variant { media_type, level, .. } = *variant;
        let unnamed_rank = || match settings.policy {
            Policy::Apache => 0,
            Policy::Modern => UNNAMED + priority(media_type, &settings.type_priority),
        };
        let Some(items) = self.field else {
            return TypeScore { quality: 1.0, why: Why::FieldAbsent, rank: unnamed_rank(), level_matched: 0 };
        };
        let is_named = |item: &Preference<'_>| names(item.name, media_type) && reaches(item, level, settings.policy);
        if let Some(index) = items.iter().position(is_named) {
            let rank = if settings.policy == Policy::Apache { 0 } else { index };
            let quality = items[index].quality.as_f32();
            return TypeScore { quality, why: Why::Named(index), rank, level_matched: level.value };
        }
        let subtypes = self.subtypes.and_then(|first| {
            let main = main_type(media_type)?;
            let begins_alike = |index: &usize| beginning(items[*index].name).is_some_and(|range| folds_to(range, main));
            (first..items.len()).find(begins_alike)
        });
        let (quality, why) = match (subtypes, self.anything) {
            (Some(index), _) if self.fiddle => (FIDDLED[1], Why::WildcardFiddle(index)),
            (None, Some(index)) if self.fiddle => (FIDDLED[0], Why::WildcardFiddle(index)),
            (Some(index), _) | (None, Some(index)) => (items[index].quality.as_f32(), Why::Wildcard(index)),
            (None, None) => (0.0, Why::NoMatch),
        };
        TypeScore { quality, why, rank: unnamed_rank(), level_matched: 0 }
    }
}

/// The part before the slash.
fn main_type(media_type: &[u8]) -> Option<&[u8]> {
    media_type.iter().position(|&byte| byte == b'/').map(|slash| &media_type[..slash])
}

/// The part before the slash of a range such as `text/*`.
fn beginning(range: &[u8]) -> Option<&[u8]> {
    range.strip_suffix(b"/*").filter(|main| *main != b"*")
}

/// Whether a range names the type itself. `text/html` also names the two server-parsed kinds (R58).
#[inline]
fn names(range: &[u8], media_type: &[u8]) -> bool {
    match range.len() == media_type.len() {
        true => folds_to(range, media_type) && !matches!(range, b"*" | [.., b'/', b'*']),
        false => {
            range.len() == b"text/html".len()
                && matches!(media_type, b"text/x-server-parsed-html" | b"text/x-server-parsed-html3")
                && folds_to(range, b"text/html")
        }
    }
}

/// Whether an item's level is enough for the variant's: an upper bound for Apache (R58); under the modern
/// policy a range that names no level matches all (D10).
fn reaches(item: &Preference<'_>, stored: Level, policy: Policy) -> bool {
    let asked = Level::of(item.name, item.level);
    asked.value >= stored.value || (policy == Policy::Modern && !asked.declared)
}

/// The place of a type in `type-priority`, or its length.
fn priority(media_type: &[u8], priorities: &[String]) -> usize {
    priorities.iter().position(|prior| prior.as_bytes() == media_type).unwrap_or(priorities.len())
}

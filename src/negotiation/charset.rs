//! The quality of a variant's charset by Accept-Charset (R70-R72).

use super::preferences::Preference;
use super::trace::Why;
use crate::resource::{Policy, Variant, folds_to};

/// What text without a charset counts as, for Apache.
const LATIN_1: &[u8] = b"iso-8859-1";

/// The quality of a variant's charset.
pub(super) fn score(
    variant: &Variant<'_>,
    field: Option<&[Preference<'_>]>,
    fiddles: bool,
    policy: Policy,
) -> (f32, Why) {
    let Some(items) = field else { return (1.0, Why::FieldAbsent) };
    let charset = match variant.charset {
        Some(charset) => charset,
        // R71; HTTP has had no default charset since RFC 7231, so the modern policy assumes none (D11).
        None if policy == Policy::Apache && fiddles && variant.media_type.starts_with(b"text/") => LATIN_1,
        None => return (1.0, Why::NotMarked),
    };
    if let Some(index) = items.iter().position(|item| folds_to(item.name, charset)) {
        return (items[index].quality.as_f32(), Why::Named(index));
    }
    if let Some(index) = items.iter().rposition(|item| item.is_wildcard()) {
        return (items[index].quality.as_f32(), Why::Wildcard(index));
    }
    match policy {
        Policy::Apache if charset == LATIN_1 => (1.0, Why::Unmentioned),
        _ => (0.0, Why::NoMatch),
    }
}

/// Whether a newcomer with as good a charset is better all the same: it has one other than ISO-8859-1,
/// and the best so far has not (R81).
pub(super) fn is_more_telling(newcomer: &Variant<'_>, best: &Variant<'_>) -> bool {
    let plain = |variant: &Variant<'_>| variant.charset.is_none_or(|charset| charset == LATIN_1);
    !plain(newcomer) && plain(best)
}

//! The quality of a variant's content codings by Accept-Encoding (R73, R74).

use super::preferences::{Field, Preference};
use super::trace::Why;
use crate::resource::{Policy, Variant, coding_names, folds_to};

/// Quality of the identity coding when the field does not mention it: acceptable, but less than anything
/// that is mentioned (R74, D1).
const UNMENTIONED_IDENTITY: f32 = 0.0001;

/// The quality of a variant's codings.
pub(super) fn score(variant: &Variant<'_>, field: Option<&Field<'_>>, policy: Policy) -> (f32, Why) {
    let identity = variant.is_identity_like();
    let Some(items) = field else {
        return (if identity { 1.0 } else { 0.5 }, Why::FieldAbsent);
    };
    match variant.codings {
        Some(codings) if !identity && policy == Policy::Modern => {
            // Every coding that was applied must be undone, so the worst of them counts (D4).
            let worst = |worst: (f32, Why), next: (f32, Why)| if next.0 < worst.0 { next } else { worst };
            coding_names(codings).map(|name| by_name(name, false, items)).reduce(worst).unwrap_or((0.0, Why::NoMatch))
        }
        Some(codings) if !identity => by_name(codings, false, items),
        _ => by_name(b"identity", true, items),
    }
}

/// The quality of one name: the first item that has it, else the last wildcard. `x-` counts for nothing.
fn by_name(name: &[u8], identity: bool, items: &[Preference<'_>]) -> (f32, Why) {
    let name = name.strip_prefix(b"x-").unwrap_or(name);
    let is_named = |item: &Preference<'_>| {
        let asked = match item.name {
            [b'x' | b'X', b'-', rest @ ..] => rest,
            whole => whole,
        };
        folds_to(asked, name)
    };
    if let Some(index) = items.iter().position(is_named) {
        return (items[index].quality.as_f32(), Why::Named(index));
    }
    if let Some(index) = items.iter().rposition(|item| item.is_wildcard()) {
        return (items[index].quality.as_f32(), Why::Matched(index));
    }
    if identity { (UNMENTIONED_IDENTITY, Why::Unmentioned) } else { (0.0, Why::NoMatch) }
}

//! The quality of a variant's content codings by Accept-Encoding (R73, R74).

use super::preferences::Preference;
use super::trace::Why;
use crate::resource::{Policy, Quality, Variant, coding_names, folds_to};

/// Quality of the identity coding when the field does not mention it: acceptable, but less than anything
/// that is mentioned (R74, D1).
const UNMENTIONED_IDENTITY: f32 = 0.0001;

/// The quality of a variant's codings.
pub(super) fn score(variant: &Variant<'_>, field: Option<&[Preference<'_>]>, policy: Policy) -> (f32, Why) {
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

/// The name under which `codings` are to be sent: older clients call gzip `x-gzip`, and are answered in their own
/// words (R75). `None` if they are to be sent as they are stored.
///
/// For Apache any name has an `x-` form, and an item counts even if it refuses (B13); otherwise only those that
/// RFC 9110, section 8.4.1, knows have one.
pub fn adapted(codings: &[u8], field: Option<&[Preference<'_>]>, policy: Policy) -> Option<Vec<u8>> {
    let items = field?;
    let plain = codings.strip_prefix(b"x-").unwrap_or(codings);
    if plain.len() == codings.len() && !items.iter().any(|item| matches!(item.name, [b'x' | b'X', b'-', ..])) {
        return None;
    }
    let prefixed = [b"x-", plain].concat();
    let asks_for = |name: &[u8]| {
        let counts = |item: &&Preference<'_>| policy == Policy::Apache || item.quality != Quality::NONE;
        items.iter().filter(counts).any(|item| folds_to(item.name, name))
    };
    if policy == Policy::Modern && !matches!(plain, b"gzip" | b"compress") {
        None
    } else if asks_for(plain) {
        Some(plain.to_vec())
    } else {
        asks_for(&prefixed).then_some(prefixed)
    }
}

/// The quality of one name: the first item that has it, else the last wildcard. `x-` counts for nothing, not even
/// before a wildcard.
fn by_name(name: &[u8], identity: bool, items: &[Preference<'_>]) -> (f32, Why) {
    let name = name.strip_prefix(b"x-").unwrap_or(name);
    fn plain<'r>(item: &Preference<'r>) -> &'r [u8] {
        match item.name {
            [b'x' | b'X', b'-', rest @ ..] => rest,
            whole => whole,
        }
    }
    if let Some(index) = items.iter().position(|item| folds_to(plain(item), name)) {
        return (items[index].quality.as_f32(), Why::Named(index));
    }
    if let Some(index) = items.iter().rposition(|item| plain(item) == b"*") {
        return (items[index].quality.as_f32(), Why::Wildcard(index));
    }
    if identity { (UNMENTIONED_IDENTITY, Why::Unmentioned) } else { (0.0, Why::NoMatch) }
}

#[cfg(test)]
mod tests {
    use super::super::Preferences;
    use super::*;
    use crate::resource::Dimensions;

    #[test]
    fn codings_are_called_what_the_client_calls_them() {
        for (codings, field, apache, modern) in [
            ("gzip", "gzip", None, None),
            ("gzip", "x-gzip", Some("x-gzip"), Some("x-gzip")),
            ("gzip", "x-gzip, gzip", Some("gzip"), Some("gzip")),
            ("gzip", "X-GZIP;q=0", Some("x-gzip"), None),
            ("x-gzip", "gzip", Some("gzip"), Some("gzip")),
            ("x-gzip", "*", None, None),
            ("br", "x-br", Some("x-br"), None),
            ("gzip", "x-br", None, None),
        ] {
            for (policy, expected) in [(Policy::Apache, apache), (Policy::Modern, modern)] {
                let mut preferences = Preferences::default();
                preferences.read(Dimensions::CODING, Some(field.as_bytes()), policy);
                let token = adapted(codings.as_bytes(), preferences.of(Dimensions::CODING), policy);
                assert_eq!(token.as_deref(), expected.map(str::as_bytes), "{codings} {field} {policy:?}");
            }
        }
        assert_eq!(adapted(b"x-gzip", None, Policy::Apache), None);
    }
}

//! What a request asks for: the four `Accept*` fields, parsed.

use smallvec::SmallVec;

use crate::http::grammar::{self, Item};
use crate::resource::{Dimensions, Level, Policy, Quality};

/// One item of a field: a range with its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference<'a> {
    /// The media range, language range, charset or coding, as sent.
    pub name: &'a [u8],
    /// Its weight.
    pub quality: Quality,
    /// The level it asks for, if it is an HTML type.
    pub level: Level,
}

impl Preference<'_> {
    /// Whether it is the wildcard `*`.
    pub fn is_wildcard(&self) -> bool {
        self.name == b"*"
    }
}

/// The items of one field in the order in which they were sent; ordinary fields need no allocation.
pub type Field<'a> = SmallVec<[Preference<'a>; 12]>;

/// What a request asks for. `None` is an absent field, which is not the same as an empty one (R50).
#[derive(Clone, Debug, Default)]
pub struct Preferences<'a> {
    /// Accept: media ranges.
    pub accept: Option<Field<'a>>,
    /// Accept-Language: language ranges.
    pub accept_language: Option<Field<'a>>,
    /// Accept-Charset: charsets.
    pub accept_charset: Option<Field<'a>>,
    /// Accept-Encoding: content codings.
    pub accept_encoding: Option<Field<'a>>,
}

impl<'a> Preferences<'a> {
    /// Adds what `value` says about one dimension.
    ///
    /// Under the modern policy an empty field is an absent one, except Accept-Encoding, where empty
    /// means that only the identity coding is welcome (RFC 9110, section 12.5.3; D2).
    pub fn read(&mut self, dimension: Dimensions, value: Option<&'a [u8]>, policy: Policy) {
        let is_coding = dimension == Dimensions::CODING;
        let field = value
            .map(|value| parse(value, policy))
            .filter(|items| policy == Policy::Apache || is_coding || !items.is_empty());
        match dimension {
            Dimensions::TYPE => self.accept = field,
            Dimensions::LANGUAGE => self.accept_language = field,
            Dimensions::CHARSET => self.accept_charset = field,
            _ => self.accept_encoding = field,
        }
    }
}

/// The items of a field value, in linear time. Any bytes give an answer (R50-R56).
pub fn parse(value: &[u8], policy: Policy) -> Field<'_> {
    grammar::items(value).map(|item| preference(item, policy)).collect()
}

fn preference(item: Item<'_>, policy: Policy) -> Preference<'_> {
    let quality = match (policy, item.q, item.qs) {
        // Apache takes `qs` for `q`, whichever comes last (R53).
        (Policy::Apache, _, Some((qs, true))) | (Policy::Apache, None, Some((qs, _))) => Quality::parse(qs),
        (Policy::Apache, Some(q), _) => Quality::parse(q),
        (Policy::Modern, Some(q), _) => Quality::parse_rounding_up(q),
        (_, None, _) => Quality::FULL,
    };
    Preference { name: item.name, quality, level: Level::of(item.name, item.level.map(grammar::atoi)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_and_absent_differ_as_the_policy_says() {
        for (policy, accept, encoding) in [(Policy::Apache, true, true), (Policy::Modern, false, true)] {
            let mut preferences = Preferences::default();
            preferences.read(Dimensions::TYPE, Some(b" , "), policy);
            preferences.read(Dimensions::CODING, Some(b""), policy);
            preferences.read(Dimensions::LANGUAGE, None, policy);
            assert_eq!(preferences.accept.is_some(), accept);
            assert_eq!(preferences.accept_encoding.is_some(), encoding);
            assert!(preferences.accept_language.is_none());
        }
    }

    #[test]
    fn chrome_s_fields_need_no_allocation() {
        let accept =
            b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
            application/signed-exchange;v=b3;q=0.7";
        let field = parse(accept, Policy::Modern);
        assert_eq!(field.len(), 8);
        assert!(!field.spilled());
        assert_eq!(field[7].quality.thousandths(), 700);
    }

    #[test]
    fn qs_counts_for_apache_only() {
        assert_eq!(parse(b"a;q=0.5;qs=0.1", Policy::Apache)[0].quality.thousandths(), 100);
        assert_eq!(parse(b"a;qs=0.1;q=0.5", Policy::Apache)[0].quality.thousandths(), 500);
        assert_eq!(parse(b"a;qs=0.1", Policy::Modern)[0].quality.thousandths(), 1000);
    }

    proptest::proptest! {
        #[test]
        fn what_is_rendered_is_read_back(items in proptest::collection::vec(("[a-z]{1,8}/[a-z+]{1,8}", 0u16..=1000), 0..20)) {
            let rendered: Vec<_> =
                items.iter().map(|(name, q)| format!("{name};q={}", Quality::from_thousandths(*q))).collect();
            let rendered = rendered.join(", ");
            let read = parse(rendered.as_bytes(), Policy::Modern);
            proptest::prop_assert_eq!(read.len(), items.len());
            for (preference, (name, q)) in read.iter().zip(&items) {
                proptest::prop_assert_eq!(preference.name, name.as_bytes());
                proptest::prop_assert_eq!(preference.quality.thousandths(), *q);
            }
        }
    }
}

//! What a request asks for: the four `Accept*` fields, parsed.

use smallvec::SmallVec;

use crate::http::grammar::{self, Item};
use crate::resource::{Dimensions, Policy, Quality};

/// One item of a field: a range with its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preference<'a> {
    /// The media range, language range, charset or coding, as sent.
    pub name: &'a [u8],
    /// Its weight.
    pub quality: Quality,
    /// The level it asks for, if it does.
    pub level: Option<i32>,
}

impl Preference<'_> {
    /// Whether it is the wildcard `*`.
    pub fn is_wildcard(&self) -> bool {
        self.name == b"*"
    }
}

/// What a request asks for: the items of up to four fields. An absent field (`None`) is not the same as an
/// empty one (R50). The fields of a browser need no allocation.
#[derive(Clone, Debug, Default)]
pub struct Preferences<'a> {
    items: SmallVec<[Preference<'a>; 32]>,
    /// Where in `items` those of each field lie, in the order of `place`.
    fields: [Option<(u32, u32)>; 4],
}

impl<'a> Preferences<'a> {
    /// Adds what `value` says about one dimension, in linear time. Any bytes give an answer (R50-R56).
    ///
    /// Under the modern policy an empty field is an absent one, except Accept-Encoding, where empty
    /// means that only the identity coding is welcome (RFC 9110, section 12.5.3; D2).
    pub fn read(&mut self, dimension: Dimensions, value: Option<&'a [u8]>, policy: Policy) {
        let Some(value) = value else { return };
        let start = self.items.len();
        for item in grammar::items(value) {
            self.items.push(preference(&item, policy));
        }
        let says_something = || self.items[start..].iter().any(|item| !item.name.is_empty());
        if policy == Policy::Apache || dimension == Dimensions::CODING || says_something() {
            self.fields[place(dimension)] = Some((start as u32, self.items.len() as u32));
        }
    }

    /// The items of the field that speaks about one dimension, in the order in which they were sent.
    pub fn of(&self, dimension: Dimensions) -> Option<&[Preference<'a>]> {
        self.fields[place(dimension)].map(|(start, end)| &self.items[start as usize..end as usize])
    }

    /// Whether all items fit where no allocation is needed.
    pub fn is_inline(&self) -> bool {
        !self.items.spilled()
    }
}

fn place(dimension: Dimensions) -> usize {
    match dimension {
        Dimensions::TYPE => 0,
        Dimensions::LANGUAGE => 1,
        Dimensions::CHARSET => 2,
        _ => 3,
    }
}

#[inline(always)]
fn preference<'a>(item: &Item<'a>, policy: Policy) -> Preference<'a> {
    let (quality, level) = match item.parameter_bytes() {
        [] => (Quality::FULL, None),
        parameters => plain_weight(parameters).map_or_else(|| parameters_of(item, policy), |quality| (quality, None)),
    };
    Preference { name: item.name, quality, level }
}

/// The weight in parameters that are nothing but one as RFC 9110, section 12.4.2, writes it:
/// `;q=0.8`, `; q=1`. Nearly all are.
#[inline(always)]
fn plain_weight(parameters: &[u8]) -> Option<Quality> {
    let weight = parameters.strip_prefix(b";")?;
    match weight.strip_prefix(b" ").unwrap_or(weight) {
        [b'q', b'=', b'0', b'.', digits @ ..] if (1..=3).contains(&digits.len()) => {
            let digit = |digit: &u8| digit.is_ascii_digit().then(|| u16::from(digit - b'0'));
            let thousandths = digits.iter().zip([100, 10, 1]).map(|(byte, place)| Some(digit(byte)? * place));
            thousandths.sum::<Option<u16>>().map(Quality::from_thousandths)
        }
        [b'q', b'=', b'1'] => Some(Quality::FULL),
        _ => None,
    }
}

/// The weight and the level that the parameters of an item give, the last of each.
#[cold]
fn parameters_of(item: &Item<'_>, policy: Policy) -> (Quality, Option<i32>) {
    let mut quality = Quality::FULL;
    let mut level = None;
    for (key, value) in item.parameters() {
        match key {
            b"q" | b"Q" if policy == Policy::Modern => quality = Quality::parse_rounding_up(value),
            b"q" | b"Q" => quality = Quality::parse(value),
            // Apache takes `qs` for `q`, whichever comes last (R53).
            _ if policy == Policy::Apache && key.eq_ignore_ascii_case(b"qs") => quality = Quality::parse(value),
            _ if key.eq_ignore_ascii_case(b"level") => level = Some(grammar::atoi(value)),
            _ => {}
        }
    }
    (quality, level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &[u8], policy: Policy) -> Preferences<'_> {
        let mut preferences = Preferences::default();
        preferences.read(Dimensions::TYPE, Some(value), policy);
        preferences
    }

    #[test]
    fn empty_and_absent_differ_as_the_policy_says() {
        for (policy, accept, encoding) in [(Policy::Apache, true, true), (Policy::Modern, false, true)] {
            let mut preferences = Preferences::default();
            preferences.read(Dimensions::TYPE, Some(b" , "), policy);
            preferences.read(Dimensions::CODING, Some(b""), policy);
            preferences.read(Dimensions::LANGUAGE, None, policy);
            assert_eq!(preferences.of(Dimensions::TYPE).is_some(), accept);
            assert_eq!(preferences.of(Dimensions::CODING).is_some(), encoding);
            assert!(preferences.of(Dimensions::LANGUAGE).is_none());
        }
    }

    #[test]
    fn chrome_s_fields_need_no_allocation() {
        let field =
            b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
            application/signed-exchange;v=b3;q=0.7";
        let preferences = accept(field, Policy::Modern);
        let items = preferences.of(Dimensions::TYPE).unwrap();
        assert_eq!(items.len(), 8);
        assert!(preferences.is_inline());
        assert_eq!(items[7].quality.thousandths(), 700);
    }

    #[test]
    fn qs_counts_for_apache_only() {
        let first = |value: &'static [u8], policy| accept(value, policy).of(Dimensions::TYPE).unwrap()[0].quality;
        assert_eq!(first(b"a;q=0.5;qs=0.1", Policy::Apache).thousandths(), 100);
        assert_eq!(first(b"a;qs=0.1;Q=0.5", Policy::Apache).thousandths(), 500);
        assert_eq!(first(b"a;qs=0.1", Policy::Modern).thousandths(), 1000);
    }

    proptest::proptest! {
        #[test]
        fn a_plain_weight_is_read_as_any_other(parameters in ";? ?[qQ]?=?[01]?[.]?[0-9x]{0,4}", apache: bool) {
            let policy = if apache { Policy::Apache } else { Policy::Modern };
            let field = format!("a{parameters}");
            if let (Some(item), Some(quality)) =
                (grammar::items(field.as_bytes()).next(), plain_weight(parameters.as_bytes()))
            {
                proptest::prop_assert_eq!(parameters_of(&item, policy), (quality, None));
            }
        }

        #[test]
        fn what_is_rendered_is_read_back(items in proptest::collection::vec(("[a-z]{1,8}/[a-z+]{1,8}", 0u16..=1000), 1..20)) {
            let rendered: Vec<_> =
                items.iter().map(|(name, q)| format!("{name};q={}", Quality::from_thousandths(*q))).collect();
            let rendered = rendered.join(", ");
            let preferences = accept(rendered.as_bytes(), Policy::Modern);
            let read = preferences.of(Dimensions::TYPE).unwrap();
            proptest::prop_assert_eq!(read.len(), items.len());
            for (preference, (name, q)) in read.iter().zip(&items) {
                proptest::prop_assert_eq!(preference.name, name.as_bytes());
                proptest::prop_assert_eq!(preference.quality.thousandths(), *q);
            }
        }
    }
}

//! The lists of weighted items that all `Accept*` fields are made of, read as tolerantly as Apache reads them.
//!
//! RFC 9110 gives a strict grammar (section 5.6); what clients send is looser, and a server that wants to
//! please them needs an answer for any bytes. The rules are R51 and R52 of Apache's behaviour: an item
//! is a name and its parameters; commas, but also white space, part items; a quote opens a run that ends
//! at the next quote or at the end of the field. Parsing cannot fail and takes linear time.

use nom::branch::alt;
use nom::bytes::complete::{take_till, take_while};
use nom::character::complete::char;
use nom::combinator::{opt, recognize};
use nom::multi::many0_count;
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// One item: a name (perhaps empty, not yet folded to lower case) and the parameters that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The name as sent: a media range, language range, charset or coding.
    pub name: &'a [u8],
    /// Value of the last `q` parameter.
    pub q: Option<&'a [u8]>,
    /// Value of the last `qs` parameter, and whether it stands after the last `q`.
    pub qs: Option<(&'a [u8], bool)>,
    /// Value of the last `level` parameter.
    pub level: Option<&'a [u8]>,
    /// Value of the last `charset` parameter.
    pub charset: Option<&'a [u8]>,
}

/// White space as Apache counts it: space, tab, LF, CR, VT, FF.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// The items of a field value, in order. Items without name and parameters are left out.
pub fn items(mut value: &[u8]) -> impl Iterator<Item = Item<'_>> {
    std::iter::from_fn(move || {
        loop {
            // `item` accepts any input and takes at least one byte of what is not empty.
            let (rest, item) = match item(value) {
                Ok(parsed) if !value.is_empty() => parsed,
                _ => return None,
            };
            value = rest;
            if !item.name.is_empty() || item.q.is_some() || item.qs.is_some() {
                return Some(item);
            }
        }
    })
}

/// The first item of a field value and what follows it, after at most one comma (R52).
fn item(input: &[u8]) -> IResult<&[u8], Item<'_>> {
    let (input, _) = take_while(is_space)(input)?;
    let (input, name) = token(&NAME_ENDS, input)?;
    let (mut input, _) = take_while(is_space)(input)?;
    let mut item = Item { name, q: None, qs: None, level: None, charset: None };
    while let [b';', rest @ ..] = input {
        let (rest, _) = take_while(is_space)(rest)?;
        let (rest, parameter) = token(&PARAMETER_ENDS, rest)?;
        input = rest;
        if let Some((key, value)) = key_and_value(parameter) {
            if key.eq_ignore_ascii_case(b"q") {
                item.q = Some(value);
                item.qs = item.qs.map(|(qs, _)| (qs, false));
            } else if key.eq_ignore_ascii_case(b"qs") {
                item.qs = Some((value, true));
            } else if key.eq_ignore_ascii_case(b"level") {
                item.level = Some(value);
            } else if key.eq_ignore_ascii_case(b"charset") {
                item.charset = Some(value);
            }
        }
    }
    let (input, _) = opt(char(',')).parse(input)?;
    Ok((input, item))
}

/// The bytes up to one that ends the token, quoted runs skipped over (R51). May be empty.
fn token<'a>(ends: &Ends, input: &'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    let plain = |input: &'a [u8]| -> IResult<&'a [u8], &'a [u8]> { take_till(|byte| ends[usize::from(byte)])(input) };
    recognize((plain, many0_count((quoted, plain)))).parse(input)
}

/// For each byte whether it ends a token; a quote does, so that a quoted run can follow.
type Ends = [bool; 256];

/// What ends a name.
const NAME_ENDS: Ends = ends(b",;\" \t\n\r\x0b\x0c");
/// What ends a parameter.
const PARAMETER_ENDS: Ends = ends(b",;\"");

const fn ends(bytes: &[u8]) -> Ends {
    let mut table = [false; 256];
    let mut number = 0;
    while number < bytes.len() {
        table[bytes[number] as usize] = true;
        number += 1;
    }
    table
}

/// A quote and everything up to and with the next one, or to the end.
fn quoted(input: &[u8]) -> IResult<&[u8], &[u8]> {
    recognize((char('"'), take_till(|byte| byte == b'"'), opt(char('"')))).parse(input)
}

/// Key and value of a parameter, or `None` if nothing follows the key (R52).
fn key_and_value(parameter: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = parameter.iter().position(|&byte| byte == b'=' || is_space(byte))?;
    let (key, rest) = parameter.split_at(end);
    let value: IResult<&[u8], &[u8]> = preceded(
        take_while(|byte| byte == b'=' || is_space(byte)),
        alt((preceded(char('"'), take_till(|byte| matches!(byte, b'"' | b'\r' | b'\n'))), take_till(is_space))),
    )
    .parse(&rest[1..]);
    value.ok().map(|(_, value)| (key, value))
}

/// C's `atoi`: white space, a sign, digits; what does not begin so is 0. Values that do not fit saturate.
pub fn atoi(text: &[u8]) -> i32 {
    let text = &text[text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len())..];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i32, |value, byte| value.saturating_mul(10).saturating_add(i32::from(byte - b'0')));
    if negative { -value } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_q(value: &str) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        items(value.as_bytes()).map(|item| (text(item.name), item.q.map(text))).collect()
    }

    fn expect(value: &str, items: &[(&str, Option<&str>)]) {
        let items: Vec<_> = items.iter().map(|(name, q)| (name.to_string(), q.map(str::to_string))).collect();
        assert_eq!(names_and_q(value), items, "{value:?}");
    }

    #[test]
    fn ordinary_lists() {
        expect("", &[]);
        expect("text/html", &[("text/html", None)]);
        expect("text/html, */*;q=0.8", &[("text/html", None), ("*/*", Some("0.8"))]);
        expect("a;q=1,b;q=0", &[("a", Some("1")), ("b", Some("0"))]);
    }

    #[test]
    fn what_apache_tolerates() {
        expect("text/html text/plain;q=0.5", &[("text/html", None), ("text/plain", Some("0.5"))]);
        expect("text/html;q=0.1 text/plain;x=1", &[("text/html", Some("0.1"))]);
        expect(",,text/html,", &[("text/html", None)]);
        expect(";q=0.5, text/html", &[("", Some("0.5")), ("text/html", None)]);
        expect("text/html ; Q = 0.1, b", &[("text/html", Some("0.1")), ("b", None)]);
        expect("a;q=\"0.1\"", &[("a", Some("0.1"))]);
        expect("a;q=0.1;q=0.9", &[("a", Some("0.9"))]);
        expect("a;q 0.1", &[("a", Some("0.1"))]);
        expect("a;q", &[("a", None)]);
        expect("a;q=", &[("a", Some(""))]);
        expect("a;a=\"x,y;q=0.1\", b", &[("a", None), ("b", None)]);
        expect("a;a=\"x, b", &[("a", None)]);
        expect("\"text/html\", b", &[("\"text/html\"", None), ("b", None)]);
    }

    #[test]
    fn the_last_of_q_and_qs_is_known() {
        let last = |value: &'static str| items(value.as_bytes()).next().and_then(|item| item.qs).map(|(_, last)| last);
        assert_eq!(last("a;q=0.1;qs=0.2"), Some(true));
        assert_eq!(last("a;qs=0.2;q=0.1"), Some(false));
    }

    #[test]
    fn atoi_is_c_s() {
        for (text, value) in [("3", 3), (" 3x", 3), ("-2", -2), ("+7", 7), ("x", 0), ("", 0), ("99999999999", i32::MAX)]
        {
            assert_eq!(atoi(text.as_bytes()), value, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_items_and_no_more_than_there_is_room_for(value: Vec<u8>) {
            let count = items(&value).count();
            proptest::prop_assert!(count <= value.len());
        }
    }
}

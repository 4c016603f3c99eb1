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

/// One item: a name (perhaps empty, not yet folded to lower case) and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The name as sent: a media range, language range, charset or coding.
    pub name: &'a [u8],
    /// From the first semicolon to the end of the last parameter; empty if there are none.
    parameters: &'a [u8],
}

impl<'a> Item<'a> {
    /// The parameters as sent, from the first semicolon on; empty if there are none.
    pub fn parameter_bytes(&self) -> &'a [u8] {
        self.parameters
    }

    /// Keys (as sent) and values of the parameters, in order. One without a value is left out (R52).
    pub fn parameters(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.parameters;
        std::iter::from_fn(move || {
            while let [b';', tail @ ..] = rest {
                // A token is there for any input.
                let (tail, parameter) = parameter(tail).unwrap_or((&[], &[]));
                rest = tail;
                if let Some(found) = key_and_value(parameter) {
                    return Some(found);
                }
            }
            None
        })
    }
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// White space as Apache counts it: space, tab, LF, VT, FF, CR.
pub const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The items of a field value, in order. Items without name and parameters are left out.
pub fn items(value: &[u8]) -> Items<'_> {
    Items { rest: value }
}

/// The items of a field value.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Item<'a>> {
        while !self.rest.is_empty() {
            // `item` accepts any input and takes at least one byte of what is not empty.
            let (rest, item) = item(self.rest).ok()?;
            self.rest = rest;
            if !item.name.is_empty() || !item.parameters.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// The first item of a field value and what follows it, after at most one comma (R52).
#[inline(always)]
fn item(input: &[u8]) -> IResult<&[u8], Item<'_>> {
    let (after_name, name) = token(&NAME_ENDS, without_leading_space(input))?;
    let after_name = without_leading_space(after_name);
    let mut rest = after_name;
    while let [b';', tail @ ..] = rest {
        (rest, _) = parameter(tail)?;
    }
    let parameters = &after_name[..after_name.len() - rest.len()];
    Ok((rest.strip_prefix(b",").unwrap_or(rest), Item { name, parameters }))
}

/// The rest of `input` behind white space, of which there mostly is none.
#[inline(always)]
fn without_leading_space(mut input: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = input
        && is_space(*first)
    {
        input = rest;
    }
    input
}

/// One parameter, behind its semicolon.
#[inline(always)]
fn parameter(input: &[u8]) -> IResult<&[u8], &[u8]> {
    token(&PARAMETER_ENDS, without_leading_space(input))
}

/// The bytes up to one that ends the token, quoted runs skipped over (R51). May be empty.
#[inline(always)]
fn token<'a>(ends: &Ends, input: &'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    let end = input.iter().position(|&byte| ends[usize::from(byte)]).unwrap_or(input.len());
    let (token, rest) = input.split_at(end);
    match rest {
        [b'"', ..] => quoted_token(ends, input),
        _ => Ok((rest, token)),
    }
}

/// A token with quoted runs, which hardly any client sends.
#[cold]
fn quoted_token<'a>(ends: &Ends, input: &'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    let plain = |input: &'a [u8]| -> IResult<&'a [u8], &'a [u8]> { take_till(|byte| ends[usize::from(byte)])(input) };
    recognize((plain, many0_count((quoted, plain)))).parse(input)
}

/// The first token of `value`, as Apache reads the names in a type map (R38, R51).
pub fn first_token(value: &[u8]) -> &[u8] {
    token(&NAME_ENDS, without_leading_space(value)).map_or(&[], |(_, token)| token)
}

/// For each byte whether it ends a token; a quote does, so that a quoted run can follow.
type Ends = [bool; 256];

/// What ends a name.
static NAME_ENDS: Ends = ends(b",;\" \t\n\r\x0b\x0c");
/// What ends a parameter.
static PARAMETER_ENDS: Ends = ends(b",;\"");

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
        let is_q = |(key, _): &(&[u8], &[u8])| key.eq_ignore_ascii_case(b"q");
        let q = |item: &Item<'_>| item.parameters().filter(is_q).last().map(|(_, value)| text(value));
        items(value.as_bytes()).map(|item| (text(item.name), q(&item))).collect()
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
    fn parameters_come_in_order_and_only_with_a_value() {
        let item = items(b" a ; x ; y=1;z;q=\"2;3\", b").next().unwrap();
        let found: Vec<_> = item.parameters().collect();
        assert_eq!(item.name, b"a");
        assert_eq!(found, [(&b"x"[..], &b""[..]), (b"y", b"1"), (b"q", b"2;3")]);
    }

    #[test]
    fn a_first_token_ends_as_a_name_does() {
        for (value, token) in [("x.html; y", "x.html"), (" \ta,b", "a"), ("", ""), ("\"a b\"c d", "\"a b\"c")] {
            assert_eq!(first_token(value.as_bytes()), token.as_bytes(), "{value:?}");
        }
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

//! Transparent negotiation (RFC 2295): what a Negotiate field allows the server to do.

use super::select::Algorithm;
use crate::resource::Policy;

/// What the client's Negotiate field says (RFC 2295, section 8.4; R87).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// Whether the client can make use of a list of variants: it gets Alternates, and 300 instead of 406.
    pub capable: bool,
    /// How the server may choose for the client; `None` if it may only send the list.
    pub algorithm: Option<Algorithm>,
}

impl Negotiate {
    /// Reads a Negotiate field. `None` means that it counts as absent: the server chooses as usual.
    ///
    /// `trans` alone is not believed from Lynx. For Apache a field with nothing in it that is known forbids
    /// everything (D12); the modern policy ignores what it does not know.
    pub fn read(value: &[u8], user_agent: &[u8], policy: Policy) -> Option<Negotiate> {
        if value == b"trans" && user_agent.starts_with(b"Lynx") {
            return None;
        }
        let mut negotiate = Negotiate { capable: false, algorithm: None };
        for item in items(value).map(<[u8]>::trim_ascii) {
            let is = |name: &[u8]| item.eq_ignore_ascii_case(name);
            let known = is(b"trans") || is(b"vlist") || is(b"guess-small") || is(b"*");
            negotiate.capable |= known || item.first().is_some_and(u8::is_ascii_digit);
            if is(b"1.0") {
                negotiate.algorithm = Some(Algorithm::Remote);
            } else if is(b"*") && negotiate.algorithm.is_none() {
                negotiate.algorithm = Some(Algorithm::LocalStrict);
            }
        }
        (negotiate.capable || policy == Policy::Apache).then_some(negotiate)
    }
}

/// The items of a list: commas within quotes and comments, or behind a backslash, part nothing.
fn items(mut value: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if value.is_empty() {
            return None;
        }
        let (mut escaped, mut quoted, mut comments) = (false, false, 0);
        let end = value.iter().position(|&byte| {
            match byte {
                _ if std::mem::take(&mut escaped) => {}
                b'\\' => escaped = true,
                b'"' if comments == 0 => quoted = !quoted,
                b'(' if !quoted => comments += 1,
                b')' if !quoted && comments > 0 => comments -= 1,
                b',' => return !quoted && comments == 0,
                _ => {}
            }
            false
        });
        let end = end.unwrap_or(value.len());
        let item = &value[..end];
        value = value.get(end + 1..).unwrap_or_default();
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_may_say() {
        let read = |value: &str, policy| Negotiate::read(value.as_bytes(), b"Mozilla/5.0", policy);
        let (remote, strict) = (Some(Algorithm::Remote), Some(Algorithm::LocalStrict));
        for (value, capable, algorithm) in [
            ("trans", true, None),
            ("TRANS", true, None),
            ("vlist", true, None),
            ("guess-small", true, None),
            ("2.0", true, None),
            ("1.0", true, remote),
            ("*", true, strict),
            ("*, 1.0", true, remote),
            ("1.0, *", true, remote),
            ("foo, 1.0", true, remote),
            ("\"a,b\", (c,d) , *", true, strict),
        ] {
            for policy in [Policy::Apache, Policy::Modern] {
                assert_eq!(read(value, policy), Some(Negotiate { capable, algorithm }), "{value}");
            }
        }
        for nothing in ["", "foo", "trans;x=1", "\"trans\"", ",,", "\\, *", "\"a, *", "(a, *), b"] {
            assert_eq!(read(nothing, Policy::Apache), Some(Negotiate { capable: false, algorithm: None }), "{nothing}");
            assert_eq!(read(nothing, Policy::Modern), None, "{nothing}");
        }
        assert_eq!(Negotiate::read(b"trans", b"Lynx/2.8", Policy::Apache), None);
        assert!(Negotiate::read(b"trans, *", b"Lynx/2.8", Policy::Apache).is_some());
    }
}

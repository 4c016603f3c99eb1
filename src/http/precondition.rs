//! Preconditions (RFC 9110, section 13) on the selected representation.

use super::date;
use super::request::{Method, RequestHead};
use super::response::field_value;

/// By what a representation is recognised.
#[derive(Clone, Copy, Debug)]
pub struct Validators<'a> {
    /// Its entity tag, quotes included; empty if it has none.
    pub etag: &'a [u8],
    /// Its rendered fields. Last-Modified is looked for among them only where a condition asks for it.
    pub fields: &'a [u8],
}

impl Validators<'_> {
    /// When the representation was last changed, in seconds since 1970, if that is known.
    fn last_modified(&self) -> Option<u64> {
        field_value(self.fields, "Last-Modified").and_then(date::parse)
    }
}

/// What the preconditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They hold, or there are none: the request is to be answered as it stands.
    Proceed,
    /// The client has the representation: 304.
    NotModified,
    /// It is not the representation that the client takes it for: 412.
    Failed,
}

/// Judges If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in the order of RFC 9110, section 13.2.2.
///
/// To be asked only if the answer would be a success. A date that is none, or more than one, is as good as absent, and
/// so is any date if it is not known when the representation was changed.
pub fn judge(request: &RequestHead<'_>, validators: Validators<'_>) -> Verdict {
    // Whether the representation has changed since the date that a field tells.
    let changed_since = |field: Option<&[u8]>| {
        let since = date::parse(field?)?;
        Some(validators.last_modified()? > since)
    };
    let failed = match request.if_match.as_deref() {
        Some(field) => !names(field, validators.etag, Comparison::Strong),
        None => changed_since(request.if_unmodified_since.as_deref()) == Some(true),
    };
    if failed {
        return Verdict::Failed;
    }
    let reads = matches!(request.method, Method::Get | Method::Head);
    let current = match request.if_none_match.as_deref() {
        Some(field) => names(field, validators.etag, Comparison::Weak),
        None => reads && changed_since(request.if_modified_since.as_deref()) == Some(false),
    };
    match (current, reads) {
        (false, _) => Verdict::Proceed,
        (true, true) => Verdict::NotModified,
        (true, false) => Verdict::Failed,
    }
}

/// Whether Range is to be followed as far as If-Range goes (RFC 9110, section 13.1.5): the field must hold the entity
/// tag, by strong comparison, or the very date of the last change.
pub fn if_range_holds(field: &[u8], validators: Validators<'_>) -> bool {
    let field = field.trim_ascii();
    match entity_tag(field) {
        Some((tag, b"")) => compare(tag, validators.etag, Comparison::Strong),
        Some(_) => false,
        None => date::parse(field).is_some_and(|date| validators.last_modified() == Some(date)),
    }
}

/// How entity tags are compared (RFC 9110, section 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    /// Both must be strong: equal bytes.
    Strong,
    /// `W/` makes no difference.
    Weak,
}

fn compare(a: &[u8], b: &[u8], comparison: Comparison) -> bool {
    let opaque = |tag| <[u8]>::strip_prefix(tag, b"W/").unwrap_or(tag);
    match comparison {
        Comparison::Strong => a == b && !a.starts_with(b"W/"),
        Comparison::Weak => opaque(a) == opaque(b),
    }
}

/// Whether a list of entity tags holds `etag`, or is `*`, which any representation is.
///
/// What is not a well-formed entity tag ends the reading; what was found before counts.
fn names(list: &[u8], etag: &[u8], comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        while let [b',' | b' ' | b'\t', tail @ ..] = rest {
            rest = tail;
        }
        let Some((tag, tail)) = entity_tag(rest) else { return false };
        if compare(tag, etag, comparison) {
            return true;
        }
        rest = tail;
    }
}

/// The entity tag that `bytes` begin with, and what follows it.
fn entity_tag(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let opaque = bytes.strip_prefix(b"W/").unwrap_or(bytes).strip_prefix(b"\"")?;
    let end = opaque.iter().position(|&byte| byte == b'"')?;
    let tail = &opaque[end + 1..];
    Some((&bytes[..bytes.len() - tail.len()], tail))
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn comparison_over_a_list() {
        for (field, strong, weak) in [
            ("\"a\"", true, true),
            ("W/\"a\"", false, true),
            ("\"b\", \"a\"", true, true),
            ("\"b\",,  W/\"a\" , \"c\"", false, true),
            ("W/\"a\", \"a\"", true, true),
            ("*", true, true),
            (" * ", true, true),
            ("*, \"b\"", false, false),
            ("\"*\"", false, false),
            ("\"b,a\"", false, false),
            ("a", false, false),
            ("\"a", false, false),
            ("w/\"a\"", false, false),
            ("\"A\"", false, false),
            ("", false, false),
            ("\"a\" garbage", true, true),
            ("garbage \"a\"", false, false),
        ] {
            let hit = |comparison| names(field.as_bytes(), b"\"a\"", comparison);
            assert_eq!((hit(Comparison::Strong), hit(Comparison::Weak)), (strong, weak), "{field:?}");
        }
        assert!(names(b"\"a\"", b"W/\"a\"", Comparison::Weak));
        assert!(!names(b"\"a\"", b"W/\"a\"", Comparison::Strong));
        assert!(!names(b"W/\"a\"", b"W/\"a\"", Comparison::Strong));
    }

    /// Last-Modified of the representation that is asked for below, the second before and the one after.
    const DATES: [&str; 3] =
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"];
    const FIELDS: &[u8] = b"ETag: \"a\"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    const KNOWN: Validators<'_> = Validators { etag: b"\"a\"", fields: FIELDS };
    const UNDATED: Validators<'_> = Validators { etag: b"\"a\"", fields: b"ETag: \"a\"\r\n" };

    /// A request with these fields.
    fn request<'a>(method: Method, fields: &[(&str, &'a str)]) -> RequestHead<'a> {
        let mut request = RequestHead { method, ..RequestHead::get(b"/") };
        for (name, value) in fields {
            *request.field_mut(name.as_bytes()).expect("a known field") = Some(value.as_bytes().into());
        }
        request
    }

    #[test]
    fn each_condition_alone() {
        use Verdict::{Failed, NotModified, Proceed};
        let [same, before, after] = DATES;
        for (name, value, get, post) in [
            ("If-Match", "\"a\"", Proceed, Proceed),
            ("If-Match", "*", Proceed, Proceed),
            ("If-Match", "\"b\"", Failed, Failed),
            ("If-Match", "W/\"a\"", Failed, Failed),
            ("If-Match", "", Failed, Failed),
            ("If-None-Match", "\"a\"", NotModified, Failed),
            ("If-None-Match", "W/\"a\"", NotModified, Failed),
            ("If-None-Match", "*", NotModified, Failed),
            ("If-None-Match", "\"b\"", Proceed, Proceed),
            ("If-Modified-Since", before, Proceed, Proceed),
            ("If-Modified-Since", same, NotModified, Proceed),
            ("If-Modified-Since", after, NotModified, Proceed),
            ("If-Modified-Since", "yesterday", Proceed, Proceed),
            ("If-Unmodified-Since", before, Failed, Failed),
            ("If-Unmodified-Since", same, Proceed, Proceed),
            ("If-Unmodified-Since", after, Proceed, Proceed),
            ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT, Sun, 06 Nov 1994 08:49:36 GMT", Proceed, Proceed),
        ] {
            for (method, expected) in
                [(Method::Get, get), (Method::Head, get), (Method::Post, post), (Method::NotAllowed, post)]
            {
                let request = request(method, &[(name, value)]);
                assert_eq!(judge(&request, KNOWN), expected, "{method:?} {name}: {value}");
                if name.ends_with("Since") {
                    assert_eq!(judge(&request, UNDATED), Proceed, "{method:?} {name}: {value}");
                }
            }
        }
        assert_eq!(judge(&request(Method::Get, &[]), KNOWN), Proceed);
    }

    #[test]
    fn what_if_range_takes() {
        let [same, before, after] = DATES;
        for (field, holds) in [
            ("\"a\"", true),
            (" \"a\" ", true),
            ("\"b\"", false),
            ("W/\"a\"", false),
            ("*", false),
            ("\"a\", \"b\"", false),
            ("\"a\"x", false),
            ("a", false),
            ("", false),
            (same, true),
            ("Sunday, 06-Nov-94 08:49:37 GMT", true),
            (before, false),
            (after, false),
            ("Sun, 06 Nov 1994", false),
        ] {
            assert_eq!(if_range_holds(field.as_bytes(), KNOWN), holds, "{field:?}");
        }
        assert!(!if_range_holds(same.as_bytes(), UNDATED));
        assert!(!if_range_holds(b"W/\"a\"", Validators { etag: b"W/\"a\"", fields: b"" }));
        assert!(!if_range_holds(b"", Validators { etag: b"", fields: b"" }));
    }

    /// RFC 9110, section 13.2.2, as it is written there; `holds` says of each field whether its condition is true.
    fn model(request: &RequestHead<'_>, holds: impl Fn(&str) -> bool, dated: bool) -> Verdict {
        let reads = matches!(request.method, Method::Get | Method::Head);
        // 1. When recipient is the origin server and If-Match is present, evaluate the If-Match precondition.
        if request.if_match.is_some() {
            if !holds("If-Match") {
                return Verdict::Failed;
            }
        // 2. When recipient is the origin server, If-Match is not present, and If-Unmodified-Since is present.
        } else if request.if_unmodified_since.is_some() && dated && !holds("If-Unmodified-Since") {
            return Verdict::Failed;
        }
        // 3. When If-None-Match is present.
        if request.if_none_match.is_some() {
            return match holds("If-None-Match") {
                true => Verdict::Proceed,
                false if reads => Verdict::NotModified,
                false => Verdict::Failed,
            };
        }
        // 4. When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present.
        if reads && request.if_modified_since.is_some() && dated && !holds("If-Modified-Since") {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    proptest::proptest! {
        #[test]
        fn the_order_is_that_of_the_rfc(
            method in select(vec![Method::Get, Method::Head, Method::Post]),
            if_match in option::of(select(vec![("\"a\"", true), ("*", true), ("\"b\"", false)])),
            if_unmodified_since in option::of(select(vec![(DATES[0], true), (DATES[1], false), (DATES[2], true)])),
            if_none_match in option::of(select(vec![("\"b\"", true), ("*", false), ("W/\"a\"", false)])),
            if_modified_since in option::of(select(vec![(DATES[0], false), (DATES[1], true), (DATES[2], false)])),
            dated: bool,
        ) {
            let all = [
                ("If-Match", if_match),
                ("If-Unmodified-Since", if_unmodified_since),
                ("If-None-Match", if_none_match),
                ("If-Modified-Since", if_modified_since),
            ];
            let fields: Vec<_> = all.iter().filter_map(|(name, field)| Some((*name, (*field)?.0))).collect();
            let holds = |name: &str| all.iter().any(|(field, given)| {
                *field == name && given.is_some_and(|(_, holds)| holds)
            });
            let request = request(method, &fields);
            let verdict = judge(&request, if dated { KNOWN } else { UNDATED });
            proptest::prop_assert_eq!(verdict, model(&request, holds, dated), "{:?}", fields);
        }
    }
}

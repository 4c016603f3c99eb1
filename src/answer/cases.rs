//! Cases: requests with the answers expected of them, one a line, for `mkroot explain --cases`.
//!
//! A line holds the status, the file, Vary and the request, parted by white space; fields follow, each behind a bar:
//!
//! ```text
//! # what a browser gets
//! 200 chart.svg accept  /2005/chart | Accept: image/svg+xml, image/*;q=0.5
//! 406 -         accept  /2005/chart | Accept: text/html
//! 301 -         ?       HEAD /2005
//! ```
//!
//! The file is the name of the selected file, percent-encoded, without its directory (in a type map, the URI). Vary is a
//! list without spaces, in any order and case. `-` means that there is none, `?` that it does not matter. The method
//! is GET if it is not said. Blank lines and lines that begin with `#` are left out.

use std::fmt;

use super::answer;
use crate::http::escape;
use crate::http::request::{Method, RequestHead, join_field};
use crate::http::response::field_value;
use crate::webroot::Webroot;

/// A request and the answer expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case<'t> {
    /// Number of its line, from 1.
    pub line: usize,
    /// The answer expected; a part that does not matter is `None`.
    expected: Outcome,
    method: Method,
    target: &'t str,
    fields: Vec<(&'t str, &'t str)>,
}

/// What is looked at in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// The selected file, empty for none.
    file: Option<String>,
    /// Names in lower case, sorted.
    vary: Option<Vec<String>>,
}

/// A line that is no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, and what would do.
    pub message: String,
}

/// An answer that is not the one expected.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Number of the case's line, from 1.
    pub line: usize,
    expected: Outcome,
    found: Outcome,
}

/// The cases that `text` holds.
///
/// # Errors
///
/// The first line that is no case.
pub fn parse(text: &str) -> Result<Vec<Case<'_>>, Malformed> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            case(line)
                .map_err(|message| Malformed { line: number + 1, message })
                .map(|case| Case { line: number + 1, ..case })
        })
        .collect()
}

fn case(line: &str) -> Result<Case<'_>, String> {
    let mut parts = line.split(" | ");
    let words: Vec<_> = parts.next().unwrap_or_default().split_whitespace().collect();
    let (status, file, vary, method, target) = match words[..] {
        [status, file, vary, target] => (status, file, vary, "GET", target),
        [status, file, vary, method, target] => (status, file, vary, method, target),
        _ => {
            return Err(
                "expected status, file, Vary and request, such as: 200 a.html accept /a | Accept: text/html".into()
            );
        }
    };
    let status = status.parse().ok().filter(|status| (100..600).contains(status));
    let status = status.ok_or_else(|| format!("{:?} is no status; expected one such as 200", words[0]))?;
    if !target.starts_with('/') {
        return Err(format!("{target:?} is no request target; expected a path such as /a"));
    }
    let fields = parts.map(|field| match field.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim(), value.trim())),
        _ => Err(format!("{field:?} is no field; expected one such as Accept: text/html")),
    });
    let said = |word: &str| match word {
        "?" => None,
        "-" => Some(String::new()),
        word => Some(word.to_string()),
    };
    Ok(Case {
        line: 0,
        expected: Outcome { status, file: said(file), vary: said(vary).map(|list| names(&list)) },
        method: Method::from_name(method),
        target,
        fields: fields.collect::<Result<_, _>>()?,
    })
}

/// The names in a Vary field value, comparable.
fn names(list: &str) -> Vec<String> {
    let names = list.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

impl Case<'_> {
    /// Asks `webroot`; returns in what the answer differs, if it does.
    pub fn check(&self, webroot: Webroot<'_>) -> Option<Difference> {
        let mut request = RequestHead { method: self.method, ..RequestHead::get(self.target.as_bytes()) };
        for (name, value) in &self.fields {
            if let Some(place) = request.field_mut(name.as_bytes()) {
                join_field(place, value.as_bytes());
            }
        }
        let answer = answer(webroot, &request);
        let mut file = Vec::new();
        if let Some(stored) = answer.selected {
            escape::push_uri(&mut file, stored.file_name(), true);
        }
        let vary = field_value(answer.fields.bytes(), "Vary").unwrap_or_default();
        let found = Outcome {
            status: answer.status.code(),
            file: Some(String::from_utf8_lossy(&file).into_owned()),
            vary: Some(names(&String::from_utf8_lossy(vary))),
        };
        let Outcome { status, file, vary } = &self.expected;
        let holds = *status == found.status
            && (file.is_none() || *file == found.file)
            && (vary.is_none() || *vary == found.vary);
        (!holds).then(|| Difference { line: self.line, expected: self.expected.clone(), found })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, got {}", self.expected, self.found)
    }
}

impl fmt::Display for Outcome {
    /// As it stands in a case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |part: Option<String>| match part {
            None => "?".to_string(),
            Some(text) if text.is_empty() => "-".to_string(),
            Some(text) => text,
        };
        let vary = self.vary.as_ref().map(|names| names.join(","));
        write!(f, "{} {} {}", self.status, shown(self.file.clone()), shown(vary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_case() {
        let cases = parse("# c\n\n200 a%20b.html Accept,accept-language  HEAD /a?q | Accept: a/b | X: y | z\n");
        assert_eq!(
            cases.unwrap_err(),
            Malformed { line: 3, message: "\"z\" is no field; expected one such as Accept: text/html".into() }
        );
        let text = "# c\n\n200 a%20b.html Vary,Accept  HEAD /a?q | Accept: a/b | Accept-Language:\n404 - ? /b";
        let cases = parse(text).unwrap();
        assert_eq!((cases[0].line, cases[1].line), (3, 4));
        assert_eq!(cases[0].expected.to_string(), "200 a%20b.html accept,vary");
        assert_eq!(cases[0].fields, [("Accept", "a/b"), ("Accept-Language", "")]);
        assert_eq!((cases[0].method, cases[0].target), (Method::Head, "/a?q"));
        assert_eq!(cases[1].expected.to_string(), "404 - ?");
    }

    #[test]
    fn what_is_no_case_is_named() {
        for (line, message) in [
            ("200 a.html", "expected status, file"),
            ("OK a.html - /a", "\"OK\" is no status"),
            ("200 a.html - a", "\"a\" is no request target"),
            ("200 a.html - /a | Accept", "\"Accept\" is no field"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.message.starts_with(message), "{line}: {error:?}");
        }
    }
}

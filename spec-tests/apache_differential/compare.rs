//! What two answers to one request must have in common, and where they may differ for a reason.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, Content, Site, split};
use crate::support::{Response, text};

/// What the two servers said.
pub struct Answers {
    pub apache: Response,
    pub ours: Response,
}

/// Something in which answers differ: what Apache's has, in the light of the case, and ours.
pub struct Difference {
    pub what: &'static str,
    pub apache: String,
    pub ours: String,
}

/// By what faults are told apart: both statuses, and the names of what differs.
pub type Kind = (u16, u16, Vec<&'static str>);

/// What is to be thought of two answers.
pub enum Verdict {
    Same,
    /// They differ for a reason.
    Excepted(&'static str),
    Wrong(Kind, Vec<Difference>),
}

/// Compares two answers.
pub fn judge(case: &Case, answers: &Answers) -> Verdict {
    let found = differences(case, answers);
    if found.is_empty() {
        return Verdict::Same;
    }
    match EXCEPTIONS.iter().find(|exception| (exception.applies)(case, answers, &found)) {
        Some(exception) => Verdict::Excepted(exception.reason),
        None => {
            let names = found.iter().map(|difference| difference.what).collect();
            Verdict::Wrong((answers.apache.status, answers.ours.status, names), found)
        }
    }
}

/// A reason why answers may differ, and whether it applies.
struct Exception {
    reason: &'static str,
    applies: fn(&Case, &Answers, &[Difference]) -> bool,
}

/// In numbers such as B3, the bugs of Apache that are not copied.
const EXCEPTIONS: [Exception; 7] = [
    Exception {
        reason: "to Apache there are files whose names begin with a dot; to us there are none",
        applies: |case, Answers { apache, ours }, _| {
            let is_hidden = |segment: &str| segment.starts_with('.') && !matches!(segment, "." | "..");
            // The file may be asked for in part or under a condition. What begins such a name is 404 to Apache whatever
            // the method.
            let may_differ =
                matches!((apache.status, ours.status), (200 | 206 | 304 | 412, 404) | (404, 200 | 405 | 501));
            may_differ && case.request.path.split('/').any(is_hidden)
        },
    },
    Exception {
        reason: "B3: Apache shifts a body after which a bad Content-Length ended the map",
        applies: |_, Answers { apache, ours }, differences| {
            // The byte that is lacking is the last one of what Apache read at once, which may be in the middle.
            let one_on = |theirs: &[u8], ours: &[u8]| {
                let same = theirs[1..].iter().zip(ours).take_while(|(theirs, ours)| theirs == ours).count();
                theirs.len() == ours.len() && theirs[1 + same..] == ours[same + 1..]
            };
            differences.len() == 1
                && differences[0].what == "content"
                && !apache.content.is_empty()
                && one_on(&apache.content, &ours.content)
        },
    },
    Exception {
        reason: "Apache gives a missing file that it chose the length of a directory in Alternates",
        applies: |_, Answers { apache, ours }, differences| {
            let without_lengths = |text: &str| {
                let mut parts = text.split(" {length ");
                let first = parts.next().unwrap_or_default().to_string();
                first + &parts.map(|part| part.split_once('}').map_or("", |(_, rest)| rest)).collect::<String>()
            };
            let [Difference { what: "Alternates", apache: theirs, ours: mine }] = differences else { return false };
            // The name may be there all the same: without its query, or decoded.
            apache.status == ours.status && without_lengths(theirs) == without_lengths(mine)
        },
    },
    Exception {
        reason: "a type map that is not there: to Apache 404 for any method; to us a path like any other",
        applies: |case, Answers { apache, ours }, _| {
            let reads = matches!(case.request.method, "GET" | "HEAD" | "POST");
            let has_maps = case.site.settings.values().any(|settings| {
                let is_map = |value: &String| value.eq_ignore_ascii_case("application/x-type-map");
                settings.type_maps.iter().flatten().next().is_some() || settings.types.values().any(is_map)
            });
            !reads && has_maps && apache.status == 404 && matches!(ours.status, 200 | 405 | 501)
        },
    },
    Exception {
        reason: "a range of an empty file: Apache sends the file; to us there is no such range",
        applies: |_, Answers { apache, ours }, _| {
            (apache.status, ours.status) == (200, 416) && apache.content.is_empty()
        },
    },
    Exception {
        reason: "a date, of what stands in a map: Apache knows when that was changed, and does not say it",
        applies: |case, Answers { apache, ours }, _| {
            let is_condition = |(name, _): &(String, String)| name.to_ascii_lowercase().starts_with("if-");
            let is_asked = case.request.fields.iter().any(is_condition);
            is_asked
                && ours.status == 200
                && matches!(apache.status, 206 | 304 | 412)
                && ours.field("Last-Modified").is_none()
        },
    },
    Exception {
        reason: "a map that leads back to itself: Apache says 404, 500 or 506 by the route; we say 506",
        applies: |case, Answers { apache, ours }, _| {
            ours.status == 506 && matches!(apache.status, 404 | 500 | 506) && has_cycle(&case.site)
        },
    },
];

/// Everything in which the answers differ.
fn differences(case: &Case, Answers { apache, ours }: &Answers) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what, apache: String, ours: String| {
        if apache != ours {
            found.push(Difference { what, apache, ours });
        }
    };
    compare("status", apache.status.to_string(), ours.status.to_string());
    for name in ["Vary", "Content-Location", "Location", "TCN", "Alternates"] {
        compare(name, expected(case, apache, name), all(ours, name));
    }
    // A list or an error page of ours need not look like Apache's.
    if apache.status == 200 && ours.status == 200 && case.request.method != "OPTIONS" {
        for name in ["Content-Type", "Content-Language", "Content-Encoding"] {
            compare(name, all(apache, name), all(ours, name));
        }
        // To HEAD, Apache does not send a length of 0.
        let length = |response| Some(all(response, "Content-Length")).filter(|length| !length.is_empty());
        compare("Content-Length", length(apache).unwrap_or("0".into()), length(ours).unwrap_or("0".into()));
        compare("content", content(&apache.content), content(&ours.content));
    }
    if apache.status == 206 && ours.status == 206 {
        for name in ["Content-Type", "Content-Language", "Content-Encoding", "Content-Range", "Content-Length"] {
            compare(name, all(apache, name), all(ours, name));
        }
        compare("content", text(&apache.content), text(&ours.content));
    }
    found
}

/// A content, for people: tagged contents by the path of their file.
pub fn content(bytes: &[u8]) -> String {
    let shown = text(bytes);
    match shown.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((path, _)) => format!("file /{path} ({} bytes)", bytes.len()),
        None => format!("{shown:?}").replace(&"x".repeat(8000), "{8000 times x}"),
    }
}

/// What our field is to be, by Apache's: it cannot be told not to negotiate transparently.
fn expected(case: &Case, apache: &Response, name: &str) -> String {
    let value = all(apache, name);
    match name {
        "TCN" | "Alternates" if !case.site.transparent => String::new(),
        "Vary" if !case.site.transparent => {
            let kept: Vec<_> = value.split(',').filter(|item| item.trim() != "negotiate").collect();
            kept.join(",").trim_start().to_string()
        }
        "Location" => match value.strip_prefix("http://") {
            Some(rest) => rest[rest.find('/').unwrap_or(rest.len())..].to_string(),
            None => value,
        },
        _ => value,
    }
}

/// All values of a field.
fn all(response: &Response, name: &str) -> String {
    let lines = response.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    lines.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
}

/// Whether some map of a site can lead to itself, by way of names that are negotiated or not.
fn has_cycle(site: &Site) -> bool {
    let edges: BTreeMap<&str, BTreeSet<&str>> =
        site.files.keys().map(|path| (path.as_str(), successors(site, path))).collect();
    edges.keys().any(|&start| {
        let mut reached = BTreeSet::new();
        let mut ahead: Vec<_> = edges[start].iter().copied().collect();
        while let Some(path) = ahead.pop() {
            if reached.insert(path) {
                ahead.extend(&edges[path]);
            }
        }
        reached.contains(start)
    })
}

/// The maps that could answer for what a map names.
fn successors<'s>(site: &'s Site, path: &str) -> BTreeSet<&'s str> {
    let Content::Map(lines) = &site.files[path] else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for line in lines {
        // Any word may be a URI: it can stand on a line of its own.
        for word in line.split([' ', '\t', ';', ',', ':', '\r', '\n']) {
            let word = word.split('?').next().unwrap_or_default();
            let (_, name) = split(word);
            let leads_to = |other: &str| {
                let other_name = split(other).1;
                name.is_empty() && word.ends_with('/')
                    || other_name == name
                    || other_name.starts_with(&format!("{name}."))
            };
            let maps = site.files.iter().filter(|(_, content)| matches!(content, Content::Map(_)));
            found.extend(maps.map(|(other, _)| other.as_str()).filter(|other| !word.is_empty() && leads_to(other)));
        }
    }
    found
}

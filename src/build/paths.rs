//! `[errors]` and `[redirects]`: paths that the author leads elsewhere.

use super::config::{ConfigError, Configs, Place};
use super::group::escaped;
use crate::http::{Status, target};
use crate::webroot::layout::key_for_all_below;
use crate::webroot::writer::TargetDraft;

/// The errors that the answer to a request can be, if the request is understood.
const ERRORS: [Status; 10] = [
    Status::BadRequest,
    Status::NotFound,
    Status::MethodNotAllowed,
    Status::NotAcceptable,
    Status::Gone,
    Status::PreconditionFailed,
    Status::RangeNotSatisfiable,
    Status::InternalServerError,
    Status::NotImplemented,
    Status::VariantAlsoNegotiates,
];

/// A page that is shown for an error.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// The key of its resource.
    pub key: Vec<u8>,
    /// Where that is said.
    pub place: Place,
}

/// A path that leads elsewhere.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// The key of the path; of a directory if all that lies below leads elsewhere.
    pub key: Vec<u8>,
    /// Whether that is so.
    pub below: bool,
    /// Where it leads.
    pub leads: Leads,
    /// Where that is said.
    pub place: Place,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub enum Leads {
    /// To a path of this server or a URI.
    To(Status, String),
    /// Nowhere: 410.
    Nowhere,
}

impl Redirect {
    /// The key under which the index has it.
    pub fn index_key(&self) -> Vec<u8> {
        if self.below { key_for_all_below(&self.key) } else { self.key.clone() }
    }

    /// What it answers.
    pub fn target(&self) -> TargetDraft {
        match &self.leads {
            Leads::To(status, to) => TargetDraft::Redirect(*status, to.clone().into_bytes()),
            Leads::Nowhere => TargetDraft::Failure(Status::Gone),
        }
    }

    /// The key of this server's to which it leads, up to a `*` in it.
    fn next_key(&self) -> Option<Vec<u8>> {
        let Leads::To(_, to) = &self.leads else { return None };
        let end = if self.below { to.find(['*', '?', '#']) } else { to.find(['?', '#']) };
        let path = &to[..end.unwrap_or(to.len())];
        if !path.starts_with('/') {
            return None;
        }
        target::key(path.as_bytes(), &mut Vec::new()).ok().map(<[u8]>::to_vec)
    }

    /// Whether it leads to where it was.
    pub fn leads_to_itself(&self) -> bool {
        let Leads::To(_, to) = &self.leads else { return false };
        let ends_alike = !self.below || to.split(['?', '#']).next().is_some_and(|path| path.ends_with('*'));
        ends_alike && self.next_key().is_some_and(|next| next == self.key)
    }

    /// Whether it leads each path below itself to another one there, so that who asks for what does not exist is led on
    /// and on.
    pub fn leads_on(&self) -> bool {
        self.leads_below_itself() && !self.leads_to_one_place()
    }

    fn leads_below_itself(&self) -> bool {
        self.below && self.next_key().is_some_and(|next| next.starts_with(&self.key))
    }

    fn leads_to_one_place(&self) -> bool {
        matches!(&self.leads, Leads::To(_, to) if !to.contains('*'))
    }
}

/// The status whose pages `[errors]` can name.
///
/// # Errors
///
/// Lists them.
pub fn error_status(code: &str) -> Result<Status, String> {
    let found = code.parse().ok().and_then(Status::from_code).filter(|status| ERRORS.contains(status));
    found.ok_or_else(|| {
        let codes = ERRORS.map(|status| status.code().to_string()).join(", ");
        format!("{code:?} is not the status of an error that can have a page; expected one of {codes}")
    })
}

/// The status of a redirect; `None` for 410.
///
/// # Errors
///
/// Lists them.
pub fn redirect_status(code: i64) -> Result<Option<Status>, String> {
    let found = u16::try_from(code).ok().and_then(Status::from_code);
    match found {
        Some(Status::Gone) => Ok(None),
        Some(status) if Status::REDIRECTS.contains(&status) => Ok(Some(status)),
        _ => Err(format!("{code} is not the status of a redirect; expected 301, 302, 303, 307, 308 or 410")),
    }
}

/// The key of a path of the site, as it is written in a file in `directory`: percent-encoded where it must be.
///
/// # Errors
///
/// If it is no path, or leads out of the directory.
pub fn site_key(path: &str, directory: &[u8]) -> Result<Vec<u8>, String> {
    let wrong = || format!("{path:?} is not a path of the site; expected one such as \"/a/b\"");
    let relative = path.strip_prefix('/').filter(|path| !path.contains(['?', '#'])).ok_or_else(wrong)?;
    let mut scratch = Vec::new();
    let whole = [&escaped(directory)[..], relative.as_bytes()].concat();
    let key = target::key(&whole, &mut scratch).map_err(|_| wrong())?;
    if key.starts_with(directory) { Ok(key.to_vec()) } else { Err(wrong()) }
}

/// The key that a redirect begins at, and whether it is for all that lies below.
///
/// # Errors
///
/// If it is no path, or has a `*` anywhere but as its last segment.
pub fn redirect_key(path: &str, directory: &[u8]) -> Result<(Vec<u8>, bool), String> {
    let (exact, below) = match path.strip_suffix('*') {
        Some(above) if above.ends_with('/') => (above, true),
        _ => (path, false),
    };
    if exact.contains('*') {
        return Err(format!(
            "{path:?} has a * that is not its last segment; expected a path such as \"/old/*\" (the character itself is \
             %2A)"
        ));
    }
    site_key(exact, directory).map(|key| (key, below))
}

/// Whether a redirect can lead to `to`: an absolute path, or a URI (RFC 3986, section 3). One for all `below` a path may
/// have a `*` in its path, but not in what says which server it is.
///
/// # Errors
///
/// Says what is wrong and what would do.
pub fn check_location(to: &str, below: bool) -> Result<(), String> {
    let expected = "expected a path such as \"/new\" or a URI such as \"https://example.org/\"";
    if let Some(other) = to.chars().find(|&character| !is_uri_character(character)) {
        return Err(format!("{to:?} holds {other:?}, which no URI does; it must be percent-encoded"));
    }
    let is_encoded = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !to.split('%').skip(1).all(is_encoded) {
        return Err(format!("{to:?} has a % without two hexadecimal digits; the character itself is %25"));
    }
    let path_start = match to.split_once(':') {
        _ if to.starts_with("//") => None,
        _ if to.starts_with('/') => Some(0),
        Some((scheme, rest)) if is_scheme(scheme) => match rest.strip_prefix("//") {
            Some(rest) if rest.starts_with(['/', '?', '#']) || rest.is_empty() => None,
            Some(rest) => Some(rest.find(['/', '?', '#']).map_or(to.len(), |end| to.len() - rest.len() + end)),
            None if rest.is_empty() || ["http", "https"].contains(&&scheme.to_ascii_lowercase()[..]) => None,
            None => Some(to.len()),
        },
        _ => None,
    };
    let Some(path_start) = path_start else { return Err(format!("{to:?} leads nowhere; {expected}")) };
    let mut stars = to.match_indices('*').filter(|_| below);
    match (stars.next(), stars.next()) {
        (Some(_), Some(_)) => Err(format!("{to:?} has more than one *")),
        (Some((at, _)), None) if at < path_start => {
            Err(format!("{to:?} has its * before its path, so that a request could choose the server"))
        }
        _ => Ok(()),
    }
}

fn is_uri_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(character)
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
}

/// Looks at what can only be known once the whole site is: whether the pages of errors are there, and whether a
/// redirect for all below a path leads on to something. `resources` are sorted by key.
///
/// # Errors
///
/// Names the place in the configuration file.
pub fn check(configs: &Configs, resources: &[(Vec<u8>, TargetDraft)], negotiate: bool) -> Result<(), ConfigError> {
    let target = |key: &[u8]| {
        let found = resources.binary_search_by(|(other, _)| other.as_slice().cmp(key));
        found.ok().map(|number| &resources[number].1)
    };
    for ErrorPage { key, place } in &configs.get(b"/").error_pages {
        let shown = String::from_utf8_lossy(key);
        match target(key) {
            None if negotiate => return Err(place.wrong(format!("{shown} names nothing in this site"))),
            None => {
                let message =
                    "names nothing in this site; without --negotiate pages have their files' whole names only";
                return Err(place.wrong(format!("{shown} {message}")));
            }
            Some(TargetDraft::Redirect(_, location)) => {
                let location = String::from_utf8_lossy(location);
                return Err(place.wrong(format!("{shown} is redirected, to {location}; expected what has a page")));
            }
            Some(TargetDraft::Failure(status)) => {
                return Err(place.wrong(format!("{shown} answers {status}; expected what has a page")));
            }
            Some(TargetDraft::File(..) | TargetDraft::Negotiated(_) | TargetDraft::Index(..)) => {}
        }
    }
    for redirect in configs.redirects().filter(|redirect| redirect.leads_below_itself() && !redirect.leads_on()) {
        let next = redirect.next_key().unwrap_or_default();
        if target(&next).is_none() {
            let next = String::from_utf8_lossy(&next);
            return Err(redirect.place.wrong(format!("this leads to itself, since there is nothing at {next}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_anchored_and_decoded() {
        let key = |path: &str, directory: &str| {
            redirect_key(path, directory.as_bytes()).map(|(key, below)| (String::from_utf8(key).unwrap(), below))
        };
        for (path, directory, expected, below) in [
            ("/old", "/", "/old", false),
            ("/old/", "/", "/old/", false),
            ("/a%20b/é", "/", "/a b/é", false),
            ("/old", "/a b%/", "/a b%/old", false),
            ("/", "/d/", "/d/", false),
            ("/*", "/", "/", true),
            ("/*", "/d/", "/d/", true),
            ("/a//b/*", "/", "/a/b/", true),
            ("/%2A", "/", "/*", false),
        ] {
            assert_eq!(key(path, directory), Ok((expected.into(), below)), "{path} in {directory}");
        }
        for path in ["", "old", "*", "/a*", "/*/b", "/*/*", "/a?b", "/a#b", "/../b", "/%", "/a%2Fb", "/%00"] {
            assert!(key(path, "/d/").is_err(), "{path}");
        }
    }

    #[test]
    fn locations_are_paths_or_uris() {
        for to in
            ["/", "/a?b#c", "/%41", "https://example.org", "HTTP://[::1]:80/x", "mailto:a@b", "/a*b*", "https://a*b/"]
        {
            assert_eq!(check_location(to, false), Ok(()), "{to}");
        }
        for to in ["/*", "/a/*?b", "https://example.org/*", "https://example.org?q=*", "/a"] {
            assert_eq!(check_location(to, true), Ok(()), "{to}");
        }
        for to in [
            "",
            "a",
            "//evil",
            "/ a",
            "/é",
            "/\\evil",
            "/a\r\nb",
            "https:",
            "https:/x",
            "https:///x",
            "1:x",
            "/%4",
            "/%zz",
        ] {
            assert!(check_location(to, false).is_err(), "{to}");
        }
        for to in ["https://*", "https://example.org*", "https://example.org:*/", "*", "/*/*", "javascript:*", "*://x/"]
        {
            assert!(check_location(to, true).is_err(), "{to}");
        }
    }

    #[test]
    fn what_leads_to_itself_is_known() {
        let redirect = |path: &str, to: &str| {
            let (key, below) = redirect_key(path, b"/").unwrap();
            let place = Place { path: "x".into(), line: 1, column: 1 };
            Redirect { key, below, leads: Leads::To(Status::Found, to.into()), place }
        };
        for (path, to, itself, leads_on) in [
            ("/a", "/a", true, false),
            ("/a", "/%61?b#c", true, false),
            ("/a", "/a/", false, false),
            ("/a", "https://x/a", false, false),
            ("/a/*", "/a/*", true, true),
            ("/a/*", "/a/*?x", true, true),
            ("/a/*", "/a/*/x", false, true),
            ("/a/*", "/a/b/*", false, true),
            ("/a/*", "/a/", false, false),
            ("/a/*", "/b/*", false, false),
            ("/*", "/b/*", false, true),
            ("/*", "https://x/*", false, false),
        ] {
            let redirect = redirect(path, to);
            assert_eq!((redirect.leads_to_itself(), redirect.leads_on()), (itself, leads_on), "{path} {to}");
        }
    }

    #[test]
    fn statuses_are_those_that_make_sense() {
        assert_eq!(error_status("404"), Ok(Status::NotFound));
        for code in ["", "200", "414", "431", "404x", "four"] {
            assert!(error_status(code).unwrap_err().contains("404, 405"), "{code}");
        }
        assert_eq!(redirect_status(308), Ok(Some(Status::PermanentRedirect)));
        assert_eq!(redirect_status(410), Ok(None));
        for code in [-1, 0, 200, 300, 304, 305, 404, 65_837] {
            assert!(redirect_status(code).is_err(), "{code}");
        }
    }
}

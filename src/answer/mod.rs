//! The answer to a request: (webroot, request head) → status, fields, which bytes. Pure.
//!
//! This is the server without the network. The I/O models, `mkroot explain`, the tests and the benches all
//! call [`answer`] or [`answer_traced`], so a way of sending may be slow but cannot answer differently.

pub mod explain;
mod generated;

use std::ops::Range;

use smallvec::SmallVec;

use crate::http::request::{Method, RequestHead};
use crate::http::response::push_field;
use crate::http::{Status, precondition, target};
use crate::negotiation::{Choice, NoTrace, Preferences, Trace, select};
use crate::resource::{Dimensions, Policy, Settings, Variant};
use crate::webroot::{Run, StoredVariant, Target, Webroot};

/// What the methods of a resource are, as the Allow field has them.
const ALLOW: &[u8] = b"GET, HEAD, OPTIONS";

/// An answer, ready to be sent.
#[derive(Debug)]
pub struct Answer<'w> {
    /// The status code.
    pub status: Status,
    /// Field lines besides Date, Server and Connection.
    pub fields: Fields<'w>,
    /// What follows the head.
    pub content: Content,
    /// The variant that was selected, if one was.
    pub selected: Option<StoredVariant<'w>>,
}

/// Field lines, each ended by CRLF.
#[derive(Debug)]
pub enum Fields<'w> {
    /// From the webroot.
    Stored(&'w [u8]),
    /// Made for this answer.
    Generated(Vec<u8>),
}

impl Fields<'_> {
    /// The lines.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Fields::Stored(bytes) => bytes,
            Fields::Generated(bytes) => bytes,
        }
    }
}

/// What follows a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    None,
    /// These bytes of the webroot file.
    Stored(Range<u64>),
    /// These bytes.
    Generated(Vec<u8>),
}

/// What negotiation has to say to whoever wants to explain it; the server does not listen.
pub trait Listener: Trace {
    /// `variants` are about to be negotiated with these preferences and settings.
    fn negotiating(&mut self, _variants: &[Variant<'_>], _preferences: &Preferences<'_>, _settings: &Settings) {}
    /// That came of it.
    fn decided(&mut self, _choice: Choice) {}
}

impl Listener for NoTrace {}

/// Answers a request. Allocates only for what is made for it: errors, redirects and lists.
pub fn answer<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>) -> Answer<'w> {
    answer_traced(webroot, request, &mut NoTrace)
}

/// As [`answer`], telling `listener` how a variant is selected.
pub fn answer_traced<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>, listener: &mut impl Listener) -> Answer<'w> {
    let mut answer = judge(webroot, request, listener);
    if request.method == Method::Head {
        answer.content = Content::None;
    }
    answer
}

/// An answer without a resource, for a request whose head cannot be understood.
pub fn rejection(status: Status) -> Answer<'static> {
    generated::error(status, None, &[])
}

fn judge<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>, listener: &mut impl Listener) -> Answer<'w> {
    if request.method == Method::Unknown {
        return generated::error(Status::NotImplemented, request.accept.as_deref(), &[]);
    }
    if request.method == Method::Options && request.target == b"*" {
        return generated::options(ALLOW);
    }
    let mut scratch = Vec::new();
    let parts = target::parse(request.target);
    let found = parts.and_then(|parts| {
        let key = target::key(parts.path, &mut scratch)?;
        webroot.find(key).map(|resource| (resource, parts.query)).ok_or(Status::NotFound)
    });
    let (resource, query) = match found {
        Ok(found) => found,
        Err(status) => return generated::error(status, request.accept.as_deref(), &[]),
    };
    match request.method {
        Method::Options => return generated::options(ALLOW),
        Method::NotAllowed => {
            let mut fields = Vec::new();
            push_field(&mut fields, "Allow", ALLOW);
            return generated::error(Status::MethodNotAllowed, request.accept.as_deref(), &fields);
        }
        Method::Get | Method::Head | Method::Unknown => {}
    }
    match resource.target() {
        Target::Index(alternatives) => {
            // All but the last give way when they have nothing acceptable.
            let mut rejected_by = Dimensions::NONE;
            let mut last = None;
            for alternative in alternatives.iter() {
                match one(alternative, request, query, listener) {
                    Ok(answer) => return answer,
                    Err((run, rejecting)) => {
                        rejected_by |= rejecting;
                        last = Some(run);
                    }
                }
            }
            match last {
                Some(run) => generated::not_acceptable(run, rejected_by, request.accept.as_deref()),
                None => generated::error(Status::NotFound, request.accept.as_deref(), &[]),
            }
        }
        target => one(target, request, query, listener)
            .unwrap_or_else(|(run, rejecting)| generated::not_acceptable(run, rejecting, request.accept.as_deref())),
    }
}

/// What one target answers, or the variants of which none is acceptable and what they were refused for.
fn one<'w>(
    target: Target<'w>,
    request: &RequestHead<'_>,
    query: Option<&[u8]>,
    listener: &mut impl Listener,
) -> Result<Answer<'w>, (Run<'w>, Dimensions)> {
    match target {
        Target::File(run) => Ok(representation(run.get(0), request)),
        Target::Negotiated(run, settings) => match negotiate(run, settings, request, listener) {
            Choice::Selected(number) => Ok(representation(run.get(number), request)),
            Choice::NotAcceptable(rejected_by) => Err((run, rejected_by)),
        },
        Target::Redirect(location) => Ok(generated::redirect(location, query, request.accept.as_deref())),
        // The reader refuses an index within an index.
        Target::Index(_) => Ok(generated::error(Status::NotFound, request.accept.as_deref(), &[])),
    }
}

/// Chooses among the variants of a run.
fn negotiate(run: Run<'_>, settings: &Settings, request: &RequestHead<'_>, listener: &mut impl Listener) -> Choice {
    let variants: SmallVec<[Variant<'_>; 12]> = run.iter().map(|stored| stored.variant()).collect();
    let preferences = preferences(&variants, settings.policy, request);
    listener.negotiating(&variants, &preferences, settings);
    let choice = select(&variants, &preferences, settings, listener);
    listener.decided(choice);
    choice
}

/// The request's preferences, in the dimensions that can make a difference between these variants.
fn preferences<'r>(variants: &[Variant<'_>], policy: Policy, request: &'r RequestHead<'_>) -> Preferences<'r> {
    let mut preferences = Preferences::default();
    preferences.read(Dimensions::TYPE, request.accept.as_deref(), policy);
    preferences.read(Dimensions::CODING, request.accept_encoding.as_deref(), policy);
    if variants.iter().any(|variant| variant.languages.is_some()) {
        preferences.read(Dimensions::LANGUAGE, request.accept_language.as_deref(), policy);
    }
    // Apache gives text without a charset one (R71), so there the field always matters.
    if policy == Policy::Apache || variants.iter().any(|variant| variant.charset.is_some()) {
        preferences.read(Dimensions::CHARSET, request.accept_charset.as_deref(), policy);
    }
    preferences
}

/// 200 with the selected representation, or 304 if the client has it.
fn representation<'w>(stored: Option<StoredVariant<'w>>, request: &RequestHead<'_>) -> Answer<'w> {
    // A run is never empty; a file that was overwritten while it was served can only seem so.
    let Some(stored) = stored else { return generated::error(Status::NotFound, request.accept.as_deref(), &[]) };
    let current =
        request.if_none_match.as_deref().is_some_and(|field| precondition::none_match_hits(field, stored.etag()));
    let (status, fields, content) = if current {
        (Status::NotModified, stored.not_modified_block(), Content::None)
    } else {
        (Status::Ok, stored.block(), Content::Stored(stored.body()))
    };
    Answer { status, fields: Fields::Stored(fields), content, selected: Some(stored) }
}

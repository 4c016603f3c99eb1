//! The answer to a request: (webroot, request head) → status, fields, which bytes. Pure.
//!
//! This is the server without the network. The I/O models, `mkroot explain`, the tests and the benches all
//! call [`answer`] or [`answer_traced`], so a way of sending may be slow but cannot answer differently.
//!
//! This file finds the resource and judges the method; `negotiated` chooses among variants; `conditional` judges
//! preconditions and ranges; `generated` makes what no file holds.

pub mod cases;
mod conditional;
pub mod explain;
mod generated;
mod memory;
mod negotiated;

use std::ops::Range;

use crate::http::request::{Method, RequestHead};
use crate::http::response::{changed_fields, push_field};
use crate::http::{Status, target};
use crate::negotiation::{Algorithm, Choice, NoTrace, Preferences, Trace, adapted};
use crate::resource::{Dimensions, Policy, Settings, Variant};
use crate::webroot::{Alternatives, Negotiated, StoredVariant, Target, Webroot};
use generated::Page;
pub use memory::{Memory, Question};
use negotiated::{LedOn, List};

/// What the methods of a resource are, as the Allow field has them.
const ALLOW: &[u8] = b"GET, HEAD, OPTIONS";
/// The same where Apache is followed, which lets files be read by POST.
const APACHE_ALLOW: &[u8] = b"GET, HEAD, OPTIONS, POST";
/// How many type maps may lead to one another before the answer is 506.
const MOST_MAPS: usize = 8;

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

impl Answer<'_> {
    /// An answer that no webroot has a part in: these field lines, each ended by CRLF, and this content, whose length is said
    /// besides.
    pub fn made(status: Status, mut fields: Vec<u8>, content: Vec<u8>) -> Answer<'static> {
        push_field(&mut fields, "Content-Length", content.len().to_string().as_bytes());
        Answer { status, fields: Fields::Generated(fields), content: Content::Generated(content), selected: None }
    }
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
    /// All of these, one behind the other.
    Parts(Vec<Part>),
}

/// A piece of a content that is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes of the webroot file.
    Stored(Range<u64>),
    /// These bytes.
    Generated(Vec<u8>),
}

impl Content {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Content::None => 0,
            Content::Stored(range) => range.end - range.start,
            Content::Generated(bytes) => bytes.len() as u64,
            Content::Parts(parts) => parts.iter().map(Part::length).sum(),
        }
    }
}

impl Part {
    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Part::Stored(range) => range.end - range.start,
            Part::Generated(bytes) => bytes.len() as u64,
        }
    }
}

/// Who takes part in negotiation without changing what comes of it: to explain it, or to remember it.
pub trait Listener: Trace {
    /// The number of the variant that is the choice, if the same was asked before and that is known still.
    fn recall(&self, _question: &Question<'_>) -> Option<usize> {
        None
    }
    /// The variant with this number is the choice.
    fn remember(&mut self, _question: &Question<'_>, _variant: usize) {}

    /// The variants of a resource, as they are seen here, are about to be negotiated with these preferences. Without an
    /// algorithm the client wants the list and nothing else.
    fn negotiating(
        &mut self,
        _resource: &Negotiated<'_>,
        _variants: &[Variant<'_>],
        _preferences: &Preferences<'_>,
        _algorithm: Option<Algorithm>,
    ) {
    }
    /// That came of it.
    fn decided(&mut self, _choice: Choice) {}
}

impl Listener for NoTrace {}

/// Answers a request. Allocates only for what is made for it: errors, redirects, lists, and the fields of parts.
pub fn answer<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>) -> Answer<'w> {
    answer_traced(webroot, request, &mut NoTrace)
}

/// As [`answer`], telling `listener` how a variant is selected.
pub fn answer_traced<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>, listener: &mut impl Listener) -> Answer<'w> {
    whole_answer_traced(webroot, request, listener).to(request.method)
}

/// As [`answer`], but with the content that a HEAD asks about: whoever must look at it first sends the answer
/// [to](Answer::to) the method afterwards. What is in `memory` need not be decided again; the answer is the same.
pub fn whole_answer<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>, memory: &mut Memory) -> Answer<'w> {
    whole_answer_traced(webroot, request, memory)
}

fn whole_answer_traced<'w>(
    webroot: Webroot<'w>,
    request: &RequestHead<'_>,
    listener: &mut impl Listener,
) -> Answer<'w> {
    let mut answer = found(webroot, request, listener);
    let settings = webroot.settings();
    if answer.status.is_error() || answer.selected.is_none() {
        answer = match page_of_site(webroot, request, answer.status) {
            // The author has said what goes with its file.
            Some(page) => generated::dressed(answer, page, settings.policy),
            None => generated::with_fields_of_site(answer, settings),
        };
    }
    answer
}

/// An answer without a resource: to a `request` that leads to no site or must not be answered from its own, or to one whose
/// head cannot be understood. It has the fields of `site`, if there is one to speak for.
pub fn rejection(site: Option<Webroot<'_>>, status: Status, request: Option<&RequestHead<'_>>) -> Answer<'static> {
    let accept = request.and_then(|request| request.accept.as_deref());
    let mut answer = Page::error(status).answer(Policy::Modern, accept);
    if let Some(webroot) = site {
        answer = generated::with_fields_of_site(answer, webroot.settings());
    }
    match request {
        Some(request) => answer.to(request.method),
        None => answer,
    }
}

/// The page that the site has for an error, negotiated as if it had been asked for itself. Nobody hears how: it is the error
/// that has to be explained.
fn page_of_site<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>, status: Status) -> Option<Answer<'w>> {
    let target = webroot.settings().error_pages.get(&status.code())?;
    let head =
        RequestHead { method: Method::Get, target: target.as_bytes(), negotiate: None, ..request.unconditional() };
    Some(found(webroot, &head, &mut NoTrace)).filter(|page| page.status == Status::Ok)
}

/// A request on its way to an answer.
#[derive(Clone, Copy)]
struct Asked<'w, 'r> {
    webroot: Webroot<'w>,
    request: &'r RequestHead<'r>,
    query: Option<&'r [u8]>,
    /// Whether the path goes on behind the resource (R19).
    path_info: bool,
    /// What of the key comes behind the path whose redirect is for all below.
    rest: Option<&'r [u8]>,
    /// Whether something else, a directory index for instance, looks for what to answer with; that is done as if by
    /// GET (R21).
    as_get: bool,
    /// How many type maps led here.
    maps: usize,
}

/// What a resource has to say.
enum Reply<'w> {
    Answer(Answer<'w>),
    /// Variants, but none that may be sent.
    List(List<'w>),
    /// Look elsewhere.
    LedOn(LedOn<'w>),
}

impl<'w> Reply<'w> {
    fn answer(self, asked: &Asked<'w, '_>) -> Answer<'w> {
        match self {
            Reply::Answer(answer) => answer,
            Reply::List(list) => list.answer(asked.accept()),
            // `reply` follows these to their end.
            Reply::LedOn(_) => asked.error(Status::VariantAlsoNegotiates, asked.webroot.settings().policy),
        }
    }
}

impl<'w> Asked<'w, '_> {
    fn accept(&self) -> Option<&[u8]> {
        self.request.accept.as_deref()
    }

    fn error(&self, status: Status, policy: Policy) -> Answer<'w> {
        Page::error(status).answer(policy, self.accept())
    }

    /// What the client calls the codings of what it gets, if that is something else (R75).
    fn name_of(&self, codings: &[u8], policy: Policy) -> Option<Vec<u8>> {
        let field = self.request.accept_encoding.as_deref()?;
        let mut preferences = Preferences::default();
        preferences.read(Dimensions::CODING, Some(field), policy);
        adapted(codings, preferences.of(Dimensions::CODING), policy)
    }

    /// 404, or what Apache says of a method before it notices that there is nothing, with further field lines.
    fn not_found(&self, policy: Policy, fields: &[u8]) -> Answer<'w> {
        let page = |status| Page { fields: fields.to_vec(), ..Page::error(status) }.answer(policy, self.accept());
        match (policy, self.request.method) {
            _ if self.as_get => page(Status::NotFound),
            (Policy::Apache, Method::NotAllowed) => self.not_allowed(policy, fields),
            (Policy::Apache, Method::Options) => generated::options(APACHE_ALLOW, fields),
            (Policy::Apache, Method::Unknown) => page(Status::NotImplemented),
            _ => page(Status::NotFound),
        }
    }

    /// 405, with further field lines.
    fn not_allowed(&self, policy: Policy, fields: &[u8]) -> Answer<'w> {
        let mut lines = fields.to_vec();
        push_field(&mut lines, "Allow", if policy == Policy::Apache { APACHE_ALLOW } else { ALLOW });
        Page { fields: lines, ..Page::error(Status::MethodNotAllowed) }.answer(policy, self.accept())
    }
}

/// Finds the resource.
fn found<'w>(webroot: Webroot<'w>, request: &RequestHead<'_>, listener: &mut impl Listener) -> Answer<'w> {
    let root_policy = webroot.settings().policy;
    let mut asked = Asked { webroot, request, query: None, path_info: false, rest: None, as_get: false, maps: 0 };
    match request.method {
        Method::Trace => return asked.not_allowed(root_policy, b""),
        Method::Unknown if root_policy == Policy::Modern => return asked.error(Status::NotImplemented, root_policy),
        _ => {}
    }
    let mut scratch = Vec::new();
    let key = match target::parse(request.method, request.target) {
        Ok(target::Target::Resource { path, query }) => {
            asked.query = query;
            target::key(path, &mut scratch)
        }
        Ok(target::Target::Server) => return generated::options(ALLOW, b""),
        Ok(target::Target::Tunnel) => return asked.not_allowed(root_policy, b""),
        Err(status) => Err(status),
    };
    let key = match key {
        Ok(key) => key,
        Err(status) => return asked.error(status, root_policy),
    };
    let target = match webroot.find(key) {
        Some(resource) => Some(resource.target()),
        None => match webroot.find_redirect_below(key) {
            Some((resource, rest)) => {
                asked.rest = Some(rest);
                Some(resource.target())
            }
            None => {
                asked.path_info = true;
                before_path_info(webroot, key)
            }
        },
    };
    let Some(target) = target else { return asked.not_found(root_policy, b"") };
    reply(target, &asked, listener).answer(&asked)
}

/// The resource behind the first segment of `key` that is no directory (R15, R19): the rest is path-info.
fn before_path_info<'w>(webroot: Webroot<'w>, key: &[u8]) -> Option<Target<'w>> {
    let slashes = (1..key.len()).filter(|&end| key[end] == b'/');
    let first = slashes.map(|end| webroot.find(&key[..end])).find(|found| match found.map(|found| found.target()) {
        // A directory, or a path that leads elsewhere without what lies below it; go on there.
        Some(Target::Redirect(..) | Target::Failure(Status::Gone)) => false,
        _ => true,
    });
    first.flatten().map(|found| found.target())
}

/// What a resource has to say, or the one that its type map leads to. A loop, since the stack is short, and bounded, since
/// maps can lead back to themselves.
fn reply<'w>(target: Target<'w>, asked: &Asked<'w, '_>, listener: &mut impl Listener) -> Reply<'w> {
    followed(target, asked, listener).0
}

/// As [`reply`], and whether a file was found that then led elsewhere.
fn followed<'w>(target: Target<'w>, asked: &Asked<'w, '_>, listener: &mut impl Listener) -> (Reply<'w>, bool) {
    match own_reply(target, asked, listener) {
        Reply::LedOn(led_on) => led_to_the_end(led_on, asked, listener),
        reply => (reply, false),
    }
}

/// As [`followed`], from the first choice that leads elsewhere.
fn led_to_the_end<'w>(first: LedOn<'w>, asked: &Asked<'w, '_>, listener: &mut impl Listener) -> (Reply<'w>, bool) {
    let mut passed: Vec<LedOn<'w>> = Vec::new();
    let (mut led_on, mut asked) = (first, *asked);
    let reply = loop {
        let Some(next) = asked.webroot.find(led_on.key).filter(|_| asked.maps < MOST_MAPS) else {
            break Reply::Answer(asked.error(Status::VariantAlsoNegotiates, asked.webroot.settings().policy));
        };
        let target = next.target();
        asked.maps += 1;
        asked.path_info = led_on.path_info;
        // For a map found by a shorter name Apache looks at files, and at what can stand for them, as if by GET.
        let is_map = matches!(target, Target::Negotiated(Negotiated { map: true, literal: true, .. }));
        led_on.meets(is_map);
        asked.as_get |= led_on.by_name;
        passed.push(led_on);
        led_on = match own_reply(target, &asked, listener) {
            Reply::LedOn(further) => further,
            reply => break reply,
        };
    };
    let Some((last, before)) = passed.split_last() else { return (reply, false) };
    let led_by_file = !passed[0].by_name;
    let answer = match reply {
        // Apache only looks at what can stand for a file, and if that does not answer takes no more than its status.
        Reply::Answer(answer) if last.found_map(&answer) => last.refused(Status::VariantAlsoNegotiates, &asked),
        Reply::List(list) if last.looks_first => last.refused(list.status, &asked),
        Reply::Answer(answer) if last.looks_first && is_failure(answer.status) => last.refused(answer.status, &asked),
        reply => last.end(reply.answer(&asked)),
    };
    (Reply::Answer(before.iter().rev().fold(answer, |answer, led_on| led_on.end(answer))), led_by_file)
}

/// Whether a look-up as if by GET would have failed; that the method is not allowed is found out later, and so is what
/// conditions make of a representation.
fn is_failure(status: Status) -> bool {
    !matches!(
        status,
        Status::Ok
            | Status::PartialContent
            | Status::NotModified
            | Status::MethodNotAllowed
            | Status::PreconditionFailed
            | Status::RangeNotSatisfiable
            | Status::NotImplemented
    )
}

/// What a resource has to say itself.
fn own_reply<'w>(target: Target<'w>, asked: &Asked<'w, '_>, listener: &mut impl Listener) -> Reply<'w> {
    let policy = match target {
        Target::File(_, settings) | Target::Index(_, settings) => settings.policy,
        Target::Negotiated(Negotiated { settings, .. }) => settings.policy,
        Target::Redirect(..) | Target::Failure(_) => asked.webroot.settings().policy,
    };
    if policy == Policy::Modern {
        match asked.request.method {
            Method::Get | Method::Head => {}
            Method::Options => return Reply::Answer(generated::options(ALLOW, b"")),
            _ => return Reply::Answer(asked.not_allowed(policy, b"")),
        }
    }
    match target {
        Target::File(..) if asked.path_info => Reply::Answer(asked.not_found(policy, b"")),
        Target::File(run, settings) => match run.get(0) {
            Some(stored) => Reply::Answer(literal(stored, settings, asked)),
            // A run is never empty; a file that was overwritten while it was served can only seem so.
            None => Reply::Answer(asked.not_found(policy, b"")),
        },
        Target::Negotiated(negotiated) => negotiated::negotiate(negotiated, asked, listener),
        Target::Redirect(status, location) => {
            let location = generated::with_rest(location, asked.rest);
            Reply::Answer(generated::redirect_with(status, &location, Vec::new(), asked, policy))
        }
        Target::Index(alternatives, _) if policy == Policy::Apache => apache_index(alternatives, asked, listener),
        Target::Index(alternatives, _) => index(alternatives, asked, listener),
        Target::Failure(status) => Reply::Answer(asked.error(status, policy)),
    }
}

/// A directory: the first name that has something acceptable answers. If none has, Vary names what any was refused for
/// (D9).
fn index<'w>(alternatives: Alternatives<'w>, asked: &Asked<'w, '_>, listener: &mut impl Listener) -> Reply<'w> {
    let mut rejected_by = Dimensions::NONE;
    let mut last = None;
    for alternative in alternatives.iter() {
        match reply(alternative, asked, listener) {
            Reply::Answer(Answer { status: Status::NotFound, .. }) => {}
            Reply::Answer(answer) => return Reply::Answer(answer),
            Reply::List(list) => {
                rejected_by |= list.vary;
                last = Some(list);
            }
            Reply::LedOn(_) => {}
        }
    }
    match last {
        Some(list) => Reply::List(List { vary: rejected_by, ..list }),
        None => Reply::Answer(asked.not_found(Policy::Modern, b"")),
    }
}

/// A directory, as Apache has it (R20, R21): a name that is missing gives way, one that has nothing acceptable only
/// if it is not the last, and then its status is remembered.
fn apache_index<'w>(alternatives: Alternatives<'w>, asked: &Asked<'w, '_>, listener: &mut impl Listener) -> Reply<'w> {
    let count = alternatives.iter().len();
    let mut remembered = None;
    for (number, alternative) in alternatives.iter().enumerate() {
        let literal = match alternative {
            Target::Negotiated(negotiated) => negotiated.literal,
            Target::Failure(_) => false,
            Target::File(..) | Target::Redirect(..) | Target::Index(..) => true,
        };
        let (reply, led_by_file) = followed(alternative, &Asked { as_get: !literal, ..*asked }, listener);
        let status = match &reply {
            Reply::Answer(answer) => answer.status,
            Reply::List(list) => list.status,
            Reply::LedOn(_) => Status::NotFound,
        };
        match status {
            _ if literal || led_by_file => return reply,
            Status::NotFound => {}
            Status::NotAcceptable if number + 1 == count => return reply,
            Status::NotAcceptable
            | Status::BadRequest
            | Status::InternalServerError
            | Status::VariantAlsoNegotiates => remembered = Some(status),
            _ => return reply,
        }
    }
    Reply::Answer(match remembered {
        Some(status) => asked.error(status, Policy::Apache),
        None => asked.not_found(Policy::Apache, b""),
    })
}

/// A file asked for by its whole name. Only the name of its coding depends on the request (R16, R75).
fn literal<'w>(stored: StoredVariant<'w>, settings: &Settings, asked: &Asked<'w, '_>) -> Answer<'w> {
    let token = stored.codings().and_then(|codings| asked.name_of(codings, settings.policy));
    let answer = representation(stored);
    let answer = match token {
        None => answer,
        Some(token) => answer.with(|name| (name == "Content-Encoding").then(|| token.clone())),
    };
    judged(answer, stored, settings.policy, asked)
}

/// 200 with the selected representation.
fn representation(stored: StoredVariant<'_>) -> Answer<'_> {
    let fields = Fields::Stored(stored.block());
    Answer { status: Status::Ok, fields, content: Content::Stored(stored.body()), selected: Some(stored) }
}

/// What method and conditions make of `answer`, which is 200 with the whole of `stored`. Apache judges methods last
/// (R22), and conditions only if the method reads.
fn judged<'w>(answer: Answer<'w>, stored: StoredVariant<'w>, policy: Policy, asked: &Asked<'w, '_>) -> Answer<'w> {
    match asked.request.method {
        Method::Get | Method::Head | Method::Post => conditional::conditional(answer, stored, policy, asked),
        Method::Options => generated::options(APACHE_ALLOW, answer.fields.bytes()),
        Method::Trace | Method::Connect | Method::NotAllowed => asked.not_allowed(policy, &about_choice(&answer)),
        Method::Unknown => {
            Page { fields: about_choice(&answer), ..Page::error(Status::NotImplemented) }.answer(policy, asked.accept())
        }
    }
}

/// The field lines of an answer that tell of the choice that was made.
fn about_choice(answer: &Answer<'_>) -> Vec<u8> {
    let tells = |name: &str| matches!(name, "Content-Location" | "Vary" | "TCN" | "Alternates");
    changed_fields(answer.fields.bytes(), |name| (!tells(name)).then(Vec::new))
}

impl<'w> Answer<'w> {
    /// What of the answer is sent to a request with this method: to HEAD no content.
    #[must_use]
    pub fn to(self, method: Method) -> Answer<'w> {
        if method == Method::Head { Answer { content: Content::None, ..self } } else { self }
    }

    /// The same answer with some of its fields changed.
    fn with(self, change: impl FnMut(&str) -> Option<Vec<u8>>) -> Answer<'w> {
        let fields = Fields::Generated(changed_fields(self.fields.bytes(), change));
        Answer { fields, ..self }
    }
}

//! The answer of a resource that has variants: the chosen one, a list of them, or what a type map leads to.

use smallvec::SmallVec;

use super::generated::{self, Page};
use super::{Answer, Asked, Fields, Listener, Question, Reply, about_choice, judged, representation};
use crate::http::request::{Method, RequestHead};
use crate::http::response::{field_value, joined, push_field};
use crate::http::{Status, escape};
use crate::negotiation::{Algorithm, Choice, Negotiate, Preference, Preferences, adapted, select};
use crate::resource::{Dimensions, Policy, Settings, Variant};
use crate::webroot::{Negotiated, Outcome, Run, StoredVariant};

/// A list of variants from which the client must choose: 300 or 406.
pub(super) struct List<'w> {
    pub status: Status,
    pub run: Run<'w>,
    pub settings: &'w Settings,
    /// The dimensions that Vary names.
    pub vary: Dimensions,
    /// Whether it is sent by a transparently negotiated resource (RFC 2295).
    pub transparent: bool,
    /// The Alternates field; empty where the settings want none.
    pub alternates: Vec<u8>,
}

impl<'w> List<'w> {
    /// The list as a page and, where the settings say so, in the Alternates field.
    pub fn answer(&self, accept: Option<&[u8]>) -> Answer<'w> {
        let mut fields = Vec::new();
        let negotiate = self.transparent && self.settings.transparent;
        push_field(&mut fields, "TCN", if negotiate { b"list" } else { b"" });
        push_field(&mut fields, "Alternates", &self.alternates);
        // What has no address is had under that of what it was made of.
        let listed = self.run.iter().filter(|stored| stored.has_address() || stored.is_listing());
        let links = listed.map(|stored| generated::Link::to(&stored)).collect();
        let explanation = match self.status {
            Status::MultipleChoices => "These are to choose from:",
            _ if self.run.get(0).is_some_and(|stored| stored.is_listing()) => {
                "This directory can be listed as one of these, and none is what the request accepts:"
            }
            _ => "None of these is what the request accepts. They can be had by name:",
        };
        let policy = self.settings.policy;
        // The page itself is chosen by Accept, unless all is to be as with Apache.
        let vary = self.vary.with(Dimensions::TYPE, policy == Policy::Modern);
        push_field(&mut fields, "Vary", self.settings.vary(vary, negotiate).as_bytes());
        Page { fields, links, ..Page::new(self.status, explanation) }.answer(policy, accept)
    }
}

/// What may be different from the block that the webroot holds.
#[derive(Default)]
struct Changes {
    /// The name of the coding, in the client's own words (R75).
    coding: Option<Vec<u8>>,
    vary: Option<String>,
    /// Content-Location and TCN are not sent where the choice is not transparent (R86).
    without_choice: bool,
    /// For a client that can use it (R87).
    alternates: Option<Vec<u8>>,
}

impl Changes {
    #[inline]
    fn apply<'w>(self, answer: Answer<'w>) -> Answer<'w> {
        // Nearly always there are none.
        if matches!(self, Changes { coding: None, vary: None, without_choice: false, alternates: None }) {
            return answer;
        }
        self.make(answer)
    }

    fn make<'w>(self, answer: Answer<'w>) -> Answer<'w> {
        let Changes { coding, vary, without_choice, alternates } = self;
        let had_vary = field_value(answer.fields.bytes(), "Vary").is_some();
        let mut answer = answer.with(|name| match name {
            "Content-Encoding" => coding.clone(),
            "Vary" => vary.as_ref().map(|vary| vary.clone().into_bytes()),
            "Content-Location" | "TCN" if without_choice => Some(Vec::new()),
            _ => None,
        });
        if let Fields::Generated(lines) = &mut answer.fields {
            if let Some(vary) = vary.filter(|_| !had_vary) {
                push_field(lines, "Vary", vary.as_bytes());
            }
            push_field(lines, "Alternates", &alternates.unwrap_or_default());
        }
        answer
    }
}

/// Chooses among the variants of `negotiated`, and answers with what the chosen one leads to.
pub(super) fn negotiate<'w>(
    negotiated: Negotiated<'w>,
    asked: &Asked<'w, '_>,
    listener: &mut impl Listener,
) -> Reply<'w> {
    let Negotiated { run, settings, .. } = negotiated;
    let request = asked.request;
    let policy = settings.policy;
    let reads = asked.as_get || matches!(request.method, Method::Get | Method::Head);
    let transparent = negotiated.transparent && reads && !asked.path_info;
    let client = request
        .negotiate
        .as_deref()
        .filter(|_| transparent && settings.transparent)
        .and_then(|field| Negotiate::read(field, request.user_agent.as_deref().unwrap_or_default(), policy));

    let question = Question::new(asked.webroot.build_id(), negotiated.number, request);
    if client.is_none()
        && let Some(number) = listener.recall(&question)
    {
        let selection = Selection { number, coding: None, vary: negotiated.vary, transparent, alternates: None };
        return selected(selection, &negotiated, asked);
    }

    #[allow(clippy::needless_late_init)] // it must outlive the variants, which come to borrow from it
    let tokens: Vec<Option<Vec<u8>>>;
    let mut variants: SmallVec<[Variant<'_>; 12]> = run.iter().map(|stored| stored.variant()).collect();
    // Who asks for a file by its whole name is asked only about what there is to choose.
    let asked_about = if negotiated.is_file() { negotiated.vary } else { Dimensions::ALL };
    let preferences = preferences(&variants, policy, request, asked_about);
    let accept_encoding = preferences.of(Dimensions::CODING);
    // An empty vector, as nearly always, is not allocated.
    tokens = match accept_encoding.is_some() && !negotiated.map && any_to_adapt(&variants, accept_encoding) {
        true => variants.iter().map(|variant| adapted(variant.codings?, accept_encoding, policy)).collect(),
        false => Vec::new(),
    };
    for (variant, token) in variants.iter_mut().zip(&tokens) {
        variant.codings = token.as_deref().or(variant.codings);
    }
    let vary = match policy {
        Policy::Apache if !tokens.is_empty() => Variant::differences(&variants),
        _ => negotiated.vary,
    };

    let algorithm = match client {
        None => Some(Algorithm::Local),
        Some(client) => client.algorithm,
    };
    listener.negotiating(&negotiated, &variants, &preferences, algorithm);
    let choice = match algorithm {
        Some(algorithm) => select(&variants, &preferences, settings, algorithm, listener),
        None => Choice::NotAcceptable(Dimensions::NONE),
    };
    listener.decided(choice);

    let capable = client.is_some_and(|client| client.capable);
    let list = |status, vary| {
        // Apache sends the field even where the resource is not transparent.
        let wanted = settings.transparent && (transparent || policy == Policy::Apache);
        let alternates = if wanted { alternates(run, &variants, policy) } else { Vec::new() };
        Reply::List(List { status, run, settings, vary, transparent, alternates })
    };
    let number = match choice {
        Choice::Selected(number) => number,
        Choice::Indefinite(_) => return list(Status::MultipleChoices, vary),
        Choice::NotAcceptable(_) if capable => return list(Status::MultipleChoices, vary),
        // That nothing is acceptable also depends on what refused (D8).
        Choice::NotAcceptable(rejected_by) if policy == Policy::Modern => {
            return list(Status::NotAcceptable, vary | rejected_by);
        }
        Choice::NotAcceptable(_) => return list(Status::NotAcceptable, vary),
    };
    if client.is_none() && tokens.is_empty() {
        listener.remember(&question, number);
    }
    let coding = tokens.get(number).cloned().flatten();
    let alternates = capable.then(|| alternates(run, &variants, policy));
    selected(Selection { number, coding, vary, transparent, alternates }, &negotiated, asked)
}

/// A variant that was selected.
struct Selection {
    number: usize,
    /// The name of its coding, in the client's own words.
    coding: Option<Vec<u8>>,
    vary: Dimensions,
    /// Whether the resource is transparently negotiated for this request.
    transparent: bool,
    /// For a client that can use it.
    alternates: Option<Vec<u8>>,
}

/// The answer with the selected variant.
fn selected<'w>(selection: Selection, negotiated: &Negotiated<'w>, asked: &Asked<'w, '_>) -> Reply<'w> {
    let Negotiated { run, settings, .. } = *negotiated;
    let Selection { number, coding, vary, transparent, alternates } = selection;
    let policy = settings.policy;
    // A run that was overwritten while it was served can seem shorter than it was.
    let Some(stored) = run.get(number) else { return Reply::Answer(asked.not_found(policy, b"")) };
    if transparent && stored.also_varies() {
        return Reply::Answer(asked.error(Status::VariantAlsoNegotiates, policy));
    }
    let negotiate = transparent && settings.transparent;
    let as_stored = vary == negotiated.vary && transparent == negotiated.transparent;
    let coding = match negotiated.map {
        false => coding,
        // What a map says of codings is not what its files are sent with.
        true => field_value(stored.block(), "Content-Encoding")
            .filter(|_| stored.outcome() == Outcome::Body)
            .and_then(|codings| asked.name_of(codings, policy)),
    };
    let changes = Changes {
        coding,
        vary: (!as_stored).then(|| settings.vary(vary, negotiate)),
        without_choice: transparent != negotiated.transparent || asked.path_info,
        alternates,
    };
    chosen(stored, changes, transparent, negotiated, asked)
}

/// The answer with the variant that was chosen, or where it leads.
fn chosen<'w>(
    stored: StoredVariant<'w>,
    changes: Changes,
    transparent: bool,
    negotiated: &Negotiated<'w>,
    asked: &Asked<'w, '_>,
) -> Reply<'w> {
    let policy = negotiated.settings.policy;
    let file_name = stored.file_name();
    // A map that was found by a shorter name serves its files even so, for Apache (B12).
    let refuses_path_info = !(negotiated.map && !negotiated.literal && policy == Policy::Apache);
    // That of another map goes on behind the URI, where a query swallows it.
    let path_info = asked.path_info && refuses_path_info && !(policy == Policy::Apache && file_name.contains(&b'?'));
    let outcome = match stored.outcome() {
        Outcome::Body if path_info => Outcome::Failure { status: Status::NotFound, chosen: true },
        outcome => outcome,
    };
    Reply::Answer(match outcome {
        Outcome::Body | Outcome::InlineBody => {
            let answer = changes.apply(representation(stored));
            match (outcome, asked.request.method) {
                (Outcome::InlineBody, Method::Options) => asked.not_allowed(policy, &about_choice(&answer)), // B11
                _ => judged(answer, stored, policy, asked),
            }
        }
        Outcome::Failure { status, chosen } if chosen || !transparent => {
            let fields = about_choice(&changes.apply(representation(stored)));
            match status {
                Status::NotFound => asked.not_found(policy, &fields),
                _ => Page { fields, ..Page::error(status) }.answer(policy, asked.accept()),
            }
        }
        Outcome::Failure { status, .. } => asked.error(status, policy),
        // B8
        Outcome::Redirect(_) if transparent && policy == Policy::Apache => {
            asked.error(Status::MovedPermanently, policy)
        }
        Outcome::Redirect(location) => {
            let mut fields = Vec::new();
            let about = about_choice(&changes.apply(representation(stored)));
            push_field(&mut fields, "Vary", field_value(&about, "Vary").unwrap_or_default());
            generated::redirect(location, fields, asked, policy)
        }
        Outcome::Reference(key) => {
            let is_plain = !file_name.iter().any(|byte| b"%?#".contains(byte));
            return Reply::LedOn(LedOn {
                key,
                fields: about_choice(&changes.apply(representation(stored))),
                policy,
                path_info,
                by_name: !negotiated.literal,
                transparent,
                looks_first: policy == Policy::Apache && (!negotiated.literal || (transparent && is_plain)),
            });
        }
    })
}

/// A choice that leads to another resource of the webroot (R48).
pub(super) struct LedOn<'w> {
    /// The resource's key.
    pub key: &'w [u8],
    /// The field lines that tell of the choice.
    fields: Vec<u8>,
    policy: Policy,
    /// Whether path-info goes on behind it.
    pub path_info: bool,
    /// Whether the type map was found by a shorter name than its own, and leads to no other map by its whole name.
    pub by_name: bool,
    /// Whether the choice is that of a transparently negotiated resource.
    transparent: bool,
    /// Whether Apache looks the other resource up before it decides to answer with it: through MultiViews always, else
    /// if the choice is transparent, and there under the name as it stands.
    pub looks_first: bool,
}

impl LedOn<'_> {
    /// Notes what the other resource is: a type map by its whole name, or not.
    pub fn meets(&mut self, map: bool) {
        self.by_name &= !map;
        self.looks_first &= !map;
    }

    /// Whether a look-up has found a type map under a shorter name, which a transparent choice must not lead to.
    pub fn found_map(&self, answer: &Answer<'_>) -> bool {
        let in_map = |stored: StoredVariant<'_>| stored.outcome() == Outcome::InlineBody && stored.also_varies();
        self.looks_first && self.transparent && answer.selected.is_some_and(in_map)
    }

    /// What comes of a look-up that was not successful.
    pub fn refused<'w>(&self, status: Status, asked: &Asked<'w, '_>) -> Answer<'w> {
        let fields = if self.transparent { Vec::new() } else { self.fields.clone() };
        Page { fields, ..Page::error(status) }.answer(self.policy, asked.accept())
    }

    /// The answer of the other resource as that of this one: Vary of both, the other's Content-Location.
    pub fn end<'w>(&self, answer: Answer<'w>) -> Answer<'w> {
        let of_first = |name| field_value(&self.fields, name).unwrap_or_default();
        let of_last = |name| field_value(answer.fields.bytes(), name).unwrap_or_default().to_vec();
        let mut location = of_last("Content-Location");
        if !location.is_empty() && self.policy == Policy::Modern {
            location = self.rebased(&location);
        }
        // Apache's order depends on how it came to the map.
        let (vary, separator) = (of_last("Vary"), if self.policy == Policy::Modern { &b", "[..] } else { b"," });
        let vary = match self.by_name {
            true => joined(&vary, of_first("Vary"), separator),
            false => joined(of_first("Vary"), &vary, separator),
        };
        let mut alternates = of_last("Alternates");
        if !alternates.is_empty() && !of_first("Alternates").is_empty() {
            alternates = [of_first("Alternates"), &alternates].join(&b", "[..]);
        }
        let fields =
            [("Content-Location", location), ("TCN", of_last("TCN")), ("Alternates", alternates), ("Vary", vary)];
        let mut answer = answer.with(|name| fields.iter().any(|(field, _)| *field == name).then(Vec::new));
        if let Fields::Generated(lines) = &mut answer.fields {
            for (name, value) in fields {
                push_field(lines, name, if value.is_empty() { of_first(name) } else { &value });
            }
        }
        answer
    }

    /// A reference relative to the other resource, as one that is right here as well.
    fn rebased(&self, reference: &[u8]) -> Vec<u8> {
        let directory = self.key.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        let mut rebased = Vec::new();
        if !reference.starts_with(b"/") {
            escape::push_uri(&mut rebased, &self.key[..directory], true);
        }
        rebased.extend(reference.strip_prefix(b"./").unwrap_or(reference));
        rebased
    }
}

/// Whether a coding may have to be called something else (R75).
fn any_to_adapt(variants: &[Variant<'_>], field: Option<&[Preference<'_>]>) -> bool {
    let prefixed = |name: &[u8]| matches!(name, [b'x' | b'X', b'-', ..]);
    let coded = || variants.iter().filter_map(|variant| variant.codings);
    coded().next().is_some()
        && (field.is_some_and(|items| items.iter().any(|item| prefixed(item.name))) || coded().any(prefixed))
}

/// Whether an Accept-Encoding field may have something to say of what is not coded.
fn may_refuse_identity(field: &[u8]) -> bool {
    field.contains(&b'*') || field.windows(8).any(|name| name.eq_ignore_ascii_case(b"identity"))
}

/// The request's preferences in these dimensions, as far as they can make a difference between these variants.
pub(super) fn preferences<'r>(
    variants: &[Variant<'_>],
    policy: Policy,
    request: &'r RequestHead<'_>,
    dimensions: Dimensions,
) -> Preferences<'r> {
    let mut preferences = Preferences::default();
    let mut read = |dimension, field: Option<&'r [u8]>| {
        if dimensions.intersects(dimension) {
            preferences.read(dimension, field, policy);
        }
    };
    read(Dimensions::TYPE, request.accept.as_deref());
    let coded = variants.iter().any(|variant| !variant.is_identity_like());
    let accept_encoding = request.accept_encoding.as_deref();
    read(Dimensions::CODING, accept_encoding.filter(|field| coded || may_refuse_identity(field)));
    if variants.iter().any(|variant| variant.languages.is_some()) {
        read(Dimensions::LANGUAGE, request.accept_language.as_deref());
    }
    // Apache gives text without a charset one (R71), so there the field always matters.
    if policy == Policy::Apache || variants.iter().any(|variant| variant.charset.is_some()) {
        read(Dimensions::CHARSET, request.accept_charset.as_deref());
    }
    preferences
}

/// The Alternates field (RFC 2295, section 8.3; R94, R95): what is left to be said of `variants` once tokens were
/// adapted, under the names that they have in `run`.
fn alternates(run: Run<'_>, variants: &[Variant<'_>], policy: Policy) -> Vec<u8> {
    let mut out = Vec::new();
    for (stored, variant) in run.iter().zip(variants).filter(|(stored, _)| stored.has_address()) {
        if !out.is_empty() {
            out.extend(b", ");
        }
        out.extend(b"{\"");
        match policy {
            Policy::Apache => escape::push_uri(&mut out, variant.file_name, false),
            Policy::Modern => out.extend(generated::reference_to(&stored)),
        }
        out.extend(format!("\" {}", variant.source_quality).bytes());
        let mut part = |name: &str, value: &[u8]| {
            if !value.is_empty() {
                out.extend(b" {");
                out.extend(name.bytes());
                out.push(b' ');
                out.extend(value);
                out.push(b'}');
            }
        };
        part("type", variant.media_type);
        part("charset", variant.charset.unwrap_or_default());
        part("language", variant.languages.unwrap_or_default());
        part("encoding", variant.codings.unwrap_or_default());
        part("length", variant.length.map(|length| length.to_string()).unwrap_or_default().as_bytes());
        out.push(b'}');
    }
    out
}

//! Why a request is answered as it is: the server's own decision, step by step, for people and for programs.

mod text;

use serde::Serialize;

use super::negotiated::preferences;
use super::{Listener, answer_traced};
use crate::http::request::RequestHead;
use crate::http::response::field_lines;
use crate::negotiation::{Algorithm, Choice, Preferences, Scores, Step, Trace, Why, select};
use crate::resource::{Dimensions, Policy, Settings, Variant};
use crate::webroot::{Negotiated as Resource, StoredVariant, Webroot};

/// A decision and the answer it led to.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The request target.
    pub target: String,
    /// What was negotiated, in order; a directory may try several names.
    pub negotiations: Vec<Negotiation>,
    /// The status code.
    pub status: u16,
    /// The selected file, if one was, without directory.
    pub file: Option<String>,
    /// The fields of the answer, besides Date, Server and Connection.
    pub fields: Vec<(String, String)>,
    /// Length of the content that a GET gets, in bytes.
    pub content_length: u64,
}

/// One selection among variants.
#[derive(Clone, Debug, Serialize)]
pub struct Negotiation {
    /// Whose decisions are made.
    pub policy: Policy,
    /// The fields as they were understood; those that cannot make a difference here are left out.
    pub preferences: Vec<ParsedField>,
    /// The variants in scan order, each with its qualities.
    pub variants: Vec<ScoredVariant>,
    /// How the acceptable ones were compared.
    pub comparisons: Vec<Comparison>,
    /// How the choice was made: `local` as usual, `local-strict` or `remote` because Negotiate asks for it, `none`
    /// because it asks for the list.
    pub algorithm: &'static str,
    /// The number of the selected variant, from 0.
    pub selected: Option<usize>,
    /// The number of the variant that is best by the remote algorithm, but of which the client must decide (R89).
    pub indefinite: Option<usize>,
    /// The dimensions in which some variant was refused, if none was acceptable.
    pub rejected_by: Vec<&'static str>,
    /// Under the modern policy, what Apache would have done, if that is something else.
    pub apache: Option<ApacheChoice>,
}

/// What Apache would have done with the same variants and the same request.
#[derive(Clone, Debug, Serialize)]
pub struct ApacheChoice {
    /// The number of the variant it would have selected; `None` is 406.
    pub selected: Option<usize>,
    /// What decides there.
    pub why: String,
}

/// A field of the request, parsed.
#[derive(Clone, Debug, Serialize)]
pub struct ParsedField {
    /// The field's name.
    pub name: &'static str,
    /// Its items with their weights; `None` if it is absent.
    pub items: Option<Vec<(String, String)>>,
}

/// A variant and what it was found to be worth.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ScoredVariant {
    /// File name.
    pub file: String,
    /// Media type.
    pub media_type: String,
    /// Language tags.
    pub languages: Vec<String>,
    /// Charset.
    pub charset: Option<String>,
    /// Content codings.
    pub codings: Option<String>,
    /// Source quality in thousandths.
    pub source_quality: u16,
    /// Length in bytes, if it is known.
    pub length: Option<u64>,
    /// Whether mkroot made it of what the author has.
    pub derived: bool,
    /// Qualities of type, language, charset and coding, with their reasons.
    pub qualities: Vec<ReasonedQuality>,
    /// Type quality times source quality.
    pub overall: f32,
    /// Whether it can be selected.
    pub acceptable: bool,
    /// The dimensions in which it was refused.
    pub rejected_by: Vec<&'static str>,
}

/// The quality of one dimension.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonedQuality {
    /// `type`, `language`, `charset` or `coding`.
    pub dimension: &'static str,
    /// 0 to 1.
    pub quality: f32,
    /// Where it comes from, in words.
    pub why: String,
    /// The rule that gives it.
    pub rule: &'static str,
}

/// A comparison of two acceptable variants.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The newcomer's number.
    pub variant: usize,
    /// The number of the best so far; `None` for the first acceptable variant.
    pub best: Option<usize>,
    /// Whether the newcomer took its place.
    pub wins: bool,
    /// What decided.
    pub by: &'static str,
}

/// Answers `request` and tells why.
pub fn explain(webroot: Webroot<'_>, request: &RequestHead<'_>) -> Explanation {
    let mut recorder = Recorder { request, negotiations: Vec::new(), by_apache: None };
    let answer = answer_traced(webroot, request, &mut recorder);
    Explanation {
        target: text(request.target),
        negotiations: recorder.negotiations,
        status: answer.status.code(),
        file: answer.selected.map(|stored| text(stored.file_name())),
        fields: field_lines(answer.fields.bytes()),
        content_length: answer.content.length(),
    }
}

impl Explanation {
    /// Whether the request got what it asked for, a redirect included.
    pub fn is_success(&self) -> bool {
        self.status < 400
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes down what a selection reports.
struct Recorder<'r> {
    request: &'r RequestHead<'r>,
    negotiations: Vec<Negotiation>,
    /// What Apache would choose in the current negotiation, and how.
    by_apache: Option<(Choice, Vec<Step>)>,
}

impl Recorder<'_> {
    fn current(&mut self) -> Option<&mut Negotiation> {
        self.negotiations.last_mut()
    }
}

impl Listener for Recorder<'_> {
    fn negotiating(
        &mut self,
        resource: &Resource<'_>,
        variants: &[Variant<'_>],
        preferences: &Preferences<'_>,
        algorithm: Option<Algorithm>,
    ) {
        let settings = resource.settings;
        // A file that is asked for by its whole name Apache just sends.
        let compared = settings.policy == Policy::Modern && !resource.is_file();
        let marked = |has: fn(&Variant<'_>) -> bool| variants.iter().any(has);
        let field = |name, dimension| ParsedField {
            name,
            items: preferences
                .of(dimension)
                .map(|items| items.iter().map(|item| (text(item.name), item.quality.to_string())).collect()),
        };
        let mut fields = vec![field("Accept", Dimensions::TYPE)];
        if marked(|variant| variant.languages.is_some()) {
            fields.push(field("Accept-Language", Dimensions::LANGUAGE));
        }
        if marked(|variant| variant.charset.is_some()) || preferences.of(Dimensions::CHARSET).is_some() {
            fields.push(field("Accept-Charset", Dimensions::CHARSET));
        }
        if marked(|variant| variant.codings.is_some()) || preferences.of(Dimensions::CODING).is_some() {
            fields.push(field("Accept-Encoding", Dimensions::CODING));
        }
        self.by_apache =
            (compared && algorithm == Some(Algorithm::Local)).then(|| as_apache(variants, self.request, settings));
        self.negotiations.push(Negotiation {
            policy: settings.policy,
            preferences: fields,
            variants: variants.iter().zip(resource.run.iter()).map(unscored).collect(),
            comparisons: Vec::new(),
            algorithm: match algorithm {
                Some(Algorithm::Local) => "local",
                Some(Algorithm::LocalStrict) => "local-strict",
                Some(Algorithm::Remote) => "remote",
                None => "none",
            },
            selected: None,
            indefinite: None,
            rejected_by: Vec::new(),
            apache: None,
        });
    }

    fn decided(&mut self, choice: Choice) {
        let by_apache = self.by_apache.take();
        let Some(current) = self.current() else { return };
        match choice {
            Choice::Selected(number) => current.selected = Some(number),
            Choice::Indefinite(number) => current.indefinite = Some(number),
            Choice::NotAcceptable(rejected_by) => current.rejected_by = rejected_by.names().collect(),
        }
        if let Some((theirs, steps)) = by_apache.filter(|(theirs, _)| *theirs != choice) {
            current.apache = otherwise(current, theirs, &steps);
        }
    }
}

/// What Apache would select, and how.
fn as_apache(variants: &[Variant<'_>], request: &RequestHead<'_>, settings: &Settings) -> (Choice, Vec<Step>) {
    let settings = Settings { policy: Policy::Apache, ..settings.clone() };
    let preferences = preferences(variants, Policy::Apache, request, Dimensions::ALL);
    let mut steps = Vec::new();
    (select(variants, &preferences, &settings, Algorithm::Local, &mut steps), steps)
}

/// Why Apache would have done something else: what speaks there against what was selected here.
fn otherwise(negotiation: &Negotiation, theirs: Choice, steps: &[Step]) -> Option<ApacheChoice> {
    let ours = negotiation.selected;
    let selected = match theirs {
        Choice::Selected(number) | Choice::Indefinite(number) => Some(number),
        Choice::NotAcceptable(_) if ours.is_none() => return None,
        Choice::NotAcceptable(_) => None,
    };
    let refused = steps.iter().find_map(|step| match step {
        Step::Scored { variant, scores } if Some(*variant) == ours && scores.rejected_by != Dimensions::NONE => {
            let dimensions = scores.rejected_by.names().collect::<Vec<_>>().join(", ");
            Some(format!("{} is refused there for its {dimensions}", negotiation.variants[*variant].file))
        }
        _ => None,
    });
    let compared = |with: Option<usize>| {
        steps.iter().rev().find_map(|step| match step {
            Step::Compared { variant, best, wins, by } => {
                let (winner, loser) = if *wins { (variant, best) } else { (best, variant) };
                let fits = Some(*winner) == selected && (with.is_none() || Some(*loser) == with);
                fits.then(|| by.describe().to_string())
            }
            _ => None,
        })
    };
    let why = refused.or_else(|| compared(ours)).or_else(|| compared(None));
    Some(ApacheChoice { selected, why: why.unwrap_or_else(|| "it is the only one that is acceptable there".into()) })
}

impl Trace for Recorder<'_> {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        let Some(current) = self.current() else { return };
        match step() {
            Step::Scored { variant, scores } => score(current, variant, &scores),
            Step::First { variant } => current.comparisons.push(Comparison {
                variant,
                best: None,
                wins: true,
                by: "it is the first that is acceptable",
            }),
            Step::Compared { variant, best, wins, by } => {
                current.comparisons.push(Comparison { variant, best: Some(best), wins, by: by.describe() });
            }
        }
    }
}

fn unscored((variant, stored): (&Variant<'_>, StoredVariant<'_>)) -> ScoredVariant {
    ScoredVariant {
        file: text(variant.file_name),
        media_type: text(variant.media_type),
        languages: variant.language_tags().map(text).collect(),
        charset: variant.charset.map(text),
        codings: variant.codings.map(text),
        source_quality: variant.source_quality.thousandths(),
        length: variant.length,
        derived: stored.is_derived(),
        ..ScoredVariant::default()
    }
}

fn score(negotiation: &mut Negotiation, number: usize, scores: &Scores) {
    let Negotiation { preferences, variants, .. } = negotiation;
    let variant = &mut variants[number];
    let scored = [scores.media_type, scores.language, scores.charset, scores.coding];
    let dimensions = Dimensions::EACH.into_iter().zip(Dimensions::ALL.names()).zip(Dimensions::ALL.fields());
    variant.qualities = dimensions
        .zip(scored)
        .map(|(((dimension, name), field), (quality, why))| {
            let items = preferences.iter().find(|parsed| parsed.name == field).and_then(|parsed| parsed.items.as_ref());
            ReasonedQuality { dimension: name, quality, why: reason(why, items), rule: why.rule(dimension) }
        })
        .collect();
    variant.overall = scores.overall;
    variant.rejected_by = scores.rejected_by.names().collect();
    variant.acceptable = variant.rejected_by.is_empty() && !scores.worthless;
}

fn reason(why: Why, items: Option<&Vec<(String, String)>>) -> String {
    let item = |number: usize| items.and_then(|items| items.get(number)).map_or("?", |(name, _)| name.as_str());
    match why {
        Why::FieldAbsent => "no field".into(),
        Why::NotMarked => "not marked".into(),
        Why::NoneMarked => "none marked".into(),
        Why::Named(_) => "named".into(),
        Why::Prefix(number) | Why::Wildcard(number) => format!("by {}", item(number)),
        Why::WildcardFiddle(number) => format!("by {}, R60", item(number)),
        Why::BroaderLanguage(number) => format!("by {}, R66", item(number)),
        Why::Fallback => "fallback, R68".into(),
        Why::Unmentioned => "not mentioned".into(),
        Why::NoMatch => "no match".into(),
    }
}

//! Why a variant was selected: the steps of a decision in the order in which they were taken.
//!
//! [`super::select`] reports to a [`Trace`]. The server passes [`NoTrace`], which the compiler removes
//! altogether, so `mkroot explain` runs the server's own code.

use crate::resource::Dimensions;

/// Why a variant has the quality it has in one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The request does not have the field.
    FieldAbsent,
    /// The variant says nothing in this dimension, so the field does not apply.
    NotMarked,
    /// No variant says anything in this dimension.
    NoneMarked,
    /// Item number *n* of the field (from 0) named it.
    Named(usize),
    /// Item number *n* of the field is a language range that begins the tag.
    Prefix(usize),
    /// Item number *n* of the field is a wildcard, and nothing more specific matched.
    Wildcard(usize),
    /// A wildcard matched, and weighs little since no item of the field has a weight (R60).
    WildcardFiddle(usize),
    /// A longer range began with one of its languages (R66).
    BroaderLanguage(usize),
    /// No language fits; it stands in by language priority (R68).
    Fallback,
    /// The field does not mention it, which this dimension tolerates.
    Unmentioned,
    /// Nothing in the field matches.
    NoMatch,
}

impl Why {
    /// The rule that gives a quality for this reason in one `dimension`.
    pub fn rule(self, dimension: Dimensions) -> &'static str {
        match (dimension, self) {
            (_, Why::WildcardFiddle(_)) => "R60",
            (Dimensions::TYPE, Why::FieldAbsent) => "R57",
            (Dimensions::TYPE, _) => "R59",
            (Dimensions::LANGUAGE, Why::FieldAbsent) => "R62",
            (Dimensions::LANGUAGE, Why::NotMarked | Why::NoneMarked) => "R63",
            (Dimensions::LANGUAGE, Why::Wildcard(_)) => "R65",
            (Dimensions::LANGUAGE, Why::BroaderLanguage(_)) => "R66",
            (Dimensions::LANGUAGE, Why::Fallback) => "R68",
            (Dimensions::LANGUAGE, _) => "R64",
            (Dimensions::CHARSET, Why::FieldAbsent) => "R70",
            (Dimensions::CHARSET, Why::NotMarked) => "R71",
            (Dimensions::CHARSET, _) => "R72",
            (_, Why::FieldAbsent) => "R73",
            (_, _) => "R74",
        }
    }
}

/// The qualities of one variant in each dimension.
#[derive(Clone, Copy, Debug)]
pub struct Scores {
    /// Quality of the media type by Accept.
    pub media_type: (f32, Why),
    /// Quality of the language by Accept-Language.
    pub language: (f32, Why),
    /// Quality of the charset by Accept-Charset.
    pub charset: (f32, Why),
    /// Quality of the coding by Accept-Encoding.
    pub coding: (f32, Why),
    /// Media type times source quality, in binary32 (R78); by RVSA times charset and language as well (R88).
    pub overall: f32,
    /// Dimensions whose quality is 0: the variant is not acceptable unless this is empty.
    pub rejected_by: Dimensions,
    /// Whether the source quality is 0, so that no request can select the variant.
    pub worthless: bool,
}

/// What decided between two acceptable variants, in the order in which it is asked (R78-R82).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Media type times source quality.
    Quality,
    /// Media type times source quality times charset times language, by RVSA/1.0 (RFC 2296, section 3.4).
    RemoteQuality,
    /// The order of types in Accept, or `type-priority` (modern policy).
    TypeOrder,
    /// Language quality.
    LanguageQuality,
    /// Position in `language-priority`.
    LanguagePriority,
    /// Level of an HTML type.
    Level,
    /// What the author made comes before what mkroot made of it.
    Origin,
    /// Charset.
    Charset,
    /// Coding quality.
    Coding,
    /// The shorter content.
    Length,
    /// Everything equal: the earlier variant stays.
    Order,
}

impl Key {
    /// What the key is called in explanations, and its rule.
    pub fn describe(self) -> &'static str {
        match self {
            Key::Quality => "quality of type times source quality (R78)",
            Key::RemoteQuality => "overall quality by RVSA/1.0 (R88)",
            Key::TypeOrder => "order of types: as Accept lists them, else type-priority",
            Key::LanguageQuality => "quality of language (R79)",
            Key::LanguagePriority => "language-priority (R79)",
            Key::Level => "level (R80)",
            Key::Origin => "what the author made comes before what was derived from it",
            Key::Charset => "charset (R81)",
            Key::Coding => "quality of coding (R79)",
            Key::Length => "shorter content (R82)",
            Key::Order => "nothing; the earlier variant stays (R82)",
        }
    }
}

/// One step of a decision. Variants are given by their number, from 0.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A variant was scored.
    Scored {
        /// Which variant.
        variant: usize,
        /// Its qualities.
        scores: Scores,
    },
    /// The first acceptable variant.
    First {
        /// Which variant.
        variant: usize,
    },
    /// A variant was compared with the best so far.
    Compared {
        /// Which variant.
        variant: usize,
        /// The best so far.
        best: usize,
        /// Whether it takes the best one's place.
        wins: bool,
        /// What decided.
        by: Key,
    },
}

/// Who wants to hear of steps.
pub trait Trace {
    /// Whether anybody listens. If not, what cannot matter any more need not be worked out.
    const LISTENS: bool = true;

    /// A step was taken. `step` is evaluated only if somebody listens.
    fn step(&mut self, step: impl FnOnce() -> Step);
}

/// Nobody listens.
pub struct NoTrace;

impl Trace for NoTrace {
    const LISTENS: bool = false;

    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

impl Trace for Vec<Step> {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}

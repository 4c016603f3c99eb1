//! A variant: one stored alternative of a resource, as the builder describes it and selection sees it.

use super::{Dimensions, Quality};

/// What is known of a variant before any request: written once by the builder, never changed by selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant<'a> {
    /// Its file name, without directory.
    pub file_name: &'a [u8],
    /// `type/subtype` in lower case; empty if unknown.
    pub media_type: &'a [u8],
    /// The level of an HTML type (R54, R55).
    pub level: Level,
    /// How good this variant is by itself: `qs` (R11).
    pub source_quality: Quality,
    /// Its charset in lower case, if one is declared.
    pub charset: Option<&'a [u8]>,
    /// Its language tags joined by `,`, if it has any.
    pub languages: Option<&'a [u8]>,
    /// Its content codings joined by `", "` in the order of application, if any (R6).
    pub codings: Option<&'a [u8]>,
    /// Length of its content in bytes, or what a type map declares; `None` if unknown, which counts as the
    /// smallest (R47, R82).
    pub length: Option<u64>,
    /// Whether mkroot made it of a representation of another type, as Markdown of a page. Where nothing that a client says
    /// tells the types apart, it gets what the author made.
    pub converted: bool,
}

impl<'a> Variant<'a> {
    /// A variant of which nothing is known but its name, its type (`type/subtype` in lower case) and its length.
    pub fn of_type(file_name: &'a [u8], media_type: &'a [u8], length: u64) -> Variant<'a> {
        Variant {
            file_name,
            media_type,
            level: Level::of(media_type, None),
            source_quality: Quality::FULL,
            charset: None,
            languages: None,
            codings: None,
            length: Some(length),
            converted: false,
        }
    }

    /// The dimensions in which variants differ (R92). That one was made of another decides before their charsets do, so these
    /// matter only among those that were made and among those that were not.
    pub fn differences(variants: &[Variant<'a>]) -> Dimensions {
        let Some((first, others)) = variants.split_first() else { return Dimensions::NONE };
        let differ = |value: fn(&Variant<'a>) -> &'a [u8]| others.iter().any(|other| value(other) != value(first));
        let charsets_differ = [false, true].into_iter().any(|converted| {
            let alike = variants.iter().filter(|variant| variant.converted == converted);
            let mut charsets = alike.map(|variant| variant.charset.unwrap_or_default());
            charsets.next().is_some_and(|first| charsets.any(|other| other != first))
        });
        Dimensions::NONE
            .with(Dimensions::TYPE, differ(|variant| variant.media_type))
            .with(Dimensions::LANGUAGE, differ(|variant| variant.languages.unwrap_or_default()))
            .with(Dimensions::CHARSET, charsets_differ)
            .with(Dimensions::CODING, differ(|variant| variant.codings.unwrap_or_default()))
    }

    /// Its language tags, in the order of the file name.
    pub fn language_tags(&self) -> LanguageTags<'a> {
        LanguageTags { rest: self.languages }
    }

    /// Whether its codings are none at all in effect: R73's `7bit`, `8bit`, `binary`.
    pub fn is_identity_like(&self) -> bool {
        matches!(self.codings, None | Some(b"" | b"7bit" | b"8bit" | b"binary"))
    }
}

/// The tags of a list that is joined by `,`.
#[derive(Clone, Debug)]
pub struct LanguageTags<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for LanguageTags<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let Some(comma) = rest.iter().position(|&byte| byte == b',') else { return Some(rest) };
        self.rest = Some(&rest[comma + 1..]);
        Some(&rest[..comma])
    }
}

/// The `level` of an HTML type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The level: declared, or implied by the type.
    pub value: i32,
    /// Whether a `level` parameter declared it.
    pub declared: bool,
}

impl Level {
    /// The level of `media_type` given its `level` parameter, if it has one (R55).
    #[inline]
    pub fn of(media_type: &[u8], parameter: Option<i32>) -> Level {
        const HTML: [(&[u8], i32); 3] =
            [(b"text/html", 2), (b"text/x-server-parsed-html", 2), (b"text/x-server-parsed-html3", 3)];
        let implied = HTML.iter().find(|(name, _)| super::folds_to(media_type, name)).map_or(0, |&(_, level)| level);
        Level { value: parameter.unwrap_or(implied), declared: parameter.is_some() }
    }
}

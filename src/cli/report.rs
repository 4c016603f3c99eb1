//! What `mkroot ls` prints: resources and their variants, as text or JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::http::Status;
use crate::http::response::field_lines;
use crate::webroot::{Negotiated, Run, StoredVariant, Target, Webroot, hexadecimal};

/// A webroot's contents.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// Identifies what was built, in hexadecimal.
    pub build_id: String,
    /// Length of the file in bytes.
    pub file_length: u64,
    /// Of that, header and index.
    pub index_length: u64,
    /// The resources, sorted by path.
    pub resources: Vec<ListedResource>,
}

/// One resource.
#[derive(Debug, Serialize)]
pub struct ListedResource {
    /// Its path, decoded; what is not UTF-8 is shown as U+FFFD. That of a redirect for all that lies below ends in `/*`.
    pub path: String,
    /// `file`, `negotiated`, `type map`, `redirect`, `gone`, `index`, `listing`, `broken` for a type map that cannot be
    /// read, or `hidden` where files begin with the name but none can stand for it (with Apache's policy only).
    pub kind: &'static str,
    /// Where a redirect leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// The status of a redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its variants, in the order in which they are considered; of an index, those of all its names.
    pub variants: Vec<ListedVariant>,
}

/// One variant.
#[derive(Debug, Serialize)]
pub struct ListedVariant {
    /// File name.
    pub file: String,
    /// Media type without parameters.
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
    /// Entity tag, quotes included.
    pub etag: String,
    /// BLAKE3 of the content, in hexadecimal.
    pub digest: String,
    /// The fields it is sent with.
    pub fields: Vec<(String, String)>,
}

impl Listing {
    /// Lists a webroot.
    pub fn of(webroot: Webroot<'_>) -> Listing {
        let mut resources: Vec<_> =
            webroot.resources().map(|resource| listed(resource.key(), resource.target())).collect();
        resources.sort_by(|a, b| a.path.cmp(&b.path));
        Listing {
            build_id: hexadecimal(&webroot.build_id()),
            file_length: webroot.file_length(),
            index_length: webroot.index_length(),
            resources,
        }
    }

    /// As a person reads it: a line for each resource, and one for each variant of those that have several.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for resource in &self.resources {
            let path = &resource.path;
            // Writing to a string cannot fail.
            let _ = match (&resource.location, &resource.variants[..]) {
                (Some(location), _) => match resource.status {
                    None | Some(301) => writeln!(out, "{path} -> {location}"),
                    Some(status) => writeln!(out, "{path} -> {location}  {status}"),
                },
                (None, [only]) if resource.kind == "file" => writeln!(out, "{path}  {}", only.summary(false)),
                (None, variants) => {
                    let _ = writeln!(out, "{path}  {}", resource.kind);
                    variants.iter().try_for_each(|variant| writeln!(out, "    {}", variant.summary(true)))
                }
            };
        }
        out
    }
}

impl ListedVariant {
    fn summary(&self, named: bool) -> String {
        let mut parts = Vec::new();
        if named {
            parts.push(self.file.clone());
        }
        parts.push(if self.media_type.is_empty() { "-".into() } else { self.media_type.clone() });
        if self.source_quality != 1000 {
            parts.push(format!("qs={}", f32::from(self.source_quality) / 1000.0));
        }
        parts.extend(self.charset.clone());
        if !self.languages.is_empty() {
            parts.push(self.languages.join(","));
        }
        parts.extend(self.codings.clone());
        parts.extend(self.length.map(|length| format!("{length} bytes")));
        parts.extend(self.derived.then(|| "derived".to_string()));
        parts.join("  ")
    }
}

fn listed(key: &[u8], target: Target<'_>) -> ListedResource {
    let variants = |run: Run<'_>| run.iter().map(|stored| listed_variant(&stored)).collect::<Vec<_>>();
    let (kind, leads, variants) = match target {
        Target::File(run, _) => ("file", None, variants(run)),
        Target::Negotiated(Negotiated { run, map: true, .. }) => ("type map", None, variants(run)),
        Target::Negotiated(Negotiated { run, .. }) => ("negotiated", None, variants(run)),
        Target::Redirect(status, location) => ("redirect", Some((status.code(), text(location))), Vec::new()),
        Target::Failure(Status::Gone) => ("gone", None, Vec::new()),
        Target::Failure(Status::NotFound) => ("hidden", None, Vec::new()),
        Target::Failure(_) => ("broken", None, Vec::new()),
        Target::Index(alternatives, _) => {
            let runs = alternatives.iter().filter_map(|alternative| match alternative {
                Target::File(run, _) | Target::Negotiated(Negotiated { run, .. }) => Some(run),
                Target::Redirect(..) | Target::Index(..) | Target::Failure(_) => None,
            });
            let stored: Vec<_> = runs.flat_map(|run| run.iter()).collect();
            let is_listing = stored.first().is_some_and(StoredVariant::is_listing);
            let kind = if is_listing { "listing" } else { "index" };
            (kind, None, stored.iter().map(listed_variant).collect())
        }
    };
    let path = match key {
        [directory @ .., b'/', b'/'] => text(directory) + "/*",
        key => text(key),
    };
    let (status, location) = leads.unzip();
    ListedResource { path, kind, location, status, variants }
}

fn listed_variant(stored: &StoredVariant<'_>) -> ListedVariant {
    let variant = stored.variant();
    ListedVariant {
        file: text(variant.file_name),
        media_type: text(variant.media_type),
        languages: variant.language_tags().map(text).collect(),
        charset: variant.charset.map(text),
        codings: variant.codings.map(text),
        source_quality: variant.source_quality.thousandths(),
        length: variant.length,
        derived: stored.is_derived(),
        etag: text(stored.etag()),
        digest: hexadecimal(&stored.digest()),
        fields: field_lines(stored.block()),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

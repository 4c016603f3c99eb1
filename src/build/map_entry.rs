//! Where the entries of a type map lead: to a file, to another resource, or nowhere (R45-R48).

use super::config::Config;
use super::extensions::Naming;
use super::group::{MapFile, Negotiation, content_location, entity_tag, escaped};
use super::site::{Candidates, Found, Site};
use super::type_map::Entry;
use crate::http::response::{Block, Representation};
use crate::http::{Status, escape, target};
use crate::resource::{Level, Policy, Quality, Variant};
use crate::webroot::writer::OutcomeDraft;

/// A type map within its site.
pub struct Context<'a> {
    pub site: &'a Site<'a>,
    /// The configuration of the map's directory.
    pub config: &'a Config,
    /// The number of the map's file.
    pub map: usize,
    /// Whether the map was found by a shorter name, through MultiViews; for Apache its URIs are file names then (R45).
    pub by_name: bool,
}

/// An entry as selection will see it, and what comes of choosing it.
pub struct Prepared<'a> {
    pub variant: Variant<'a>,
    entry: &'a Entry,
    map: usize,
    /// The file that it names, if it names one that is sent as it is.
    pub file: Option<usize>,
    pub outcome: Outcome,
    /// Whether what it names is negotiated itself (R48).
    pub also_varies: bool,
}

/// As [`OutcomeDraft`], with strings of its own.
pub enum Outcome {
    Body,
    InlineBody,
    Reference(Vec<u8>),
    Redirect(Vec<u8>),
    Failure { status: Status, chosen: bool },
}

impl Outcome {
    pub fn draft(&self) -> OutcomeDraft<'_> {
        match self {
            Outcome::Body => OutcomeDraft::Body { inline: false },
            Outcome::InlineBody => OutcomeDraft::Body { inline: true },
            Outcome::Reference(key) => OutcomeDraft::Reference(key),
            Outcome::Redirect(location) => OutcomeDraft::Redirect(location),
            Outcome::Failure { status, chosen } => OutcomeDraft::Failure { status: *status, chosen: *chosen },
        }
    }
}

impl<'a> Context<'a> {
    /// What `entry` is to selection, and where it leads.
    pub fn prepare(&self, entry: &'a Entry) -> Prepared<'a> {
        // Apache looks for a file of the name that an entry has, even if it has a body too.
        let looked_up = self.by_name && self.config.settings.policy == Policy::Apache && !entry.uri.is_empty();
        let inline = entry.body.is_some() && !looked_up;
        let raw = self.raw_key(&entry.uri);
        let named = match self.config.settings.policy {
            Policy::Apache => raw.clone(), // B5: as if the URI were a name
            Policy::Modern => self.resolved_key(&entry.uri),
        };
        let named = named.as_deref().ok().map(|key| self.site.find(key));
        let length = entry.length.or_else(|| match named {
            Some(Found::File(number)) if entry.body.is_none() => Some(self.site.known(number).length),
            _ => None,
        });
        let content_type = entry.content_type.as_ref();
        let variant = Variant {
            file_name: if entry.uri.is_empty() { self.site.name(self.map) } else { &entry.uri },
            media_type: content_type.map_or(&[], |known| &known.media_type),
            level: content_type.map_or(Level::of(b"", None), |known| known.level),
            source_quality: content_type.map_or(Quality::NONE, |known| known.source_quality),
            charset: content_type.and_then(|known| known.charset.as_deref()),
            languages: entry.languages.as_deref(),
            codings: entry.coding.as_deref(),
            length,
            converted: false,
        };
        let (outcome, file, also_varies) = match inline {
            // A body leads to its map, which a mark gives away as such.
            true => (Outcome::InlineBody, None, self.site.known(self.map).metadata.marked_as_map),
            false => self.outcome(&entry.uri, raw),
        };
        Prepared { variant, entry, map: self.map, file, outcome, also_varies }
    }

    /// Where a URI leads, the number of the file if it is to be sent as it is, and whether the map thereby leads to
    /// another negotiation.
    fn outcome(&self, uri: &[u8], raw: Result<Vec<u8>, Status>) -> (Outcome, Option<usize>, bool) {
        let apache = self.config.settings.policy == Policy::Apache;
        let failure = |status, chosen| (Outcome::Failure { status, chosen }, None, false);
        if apache && self.by_name {
            // B9: here URIs are names of files, which cannot lead out of the map's directory.
            if leads_upwards(uri) {
                return failure(Status::BadRequest, false);
            }
            if uri.starts_with(b"/") {
                return failure(Status::NotFound, false);
            }
        }
        // Apache looks for another negotiation behind the name as it stands.
        let name = uri.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let marked = Naming::new(self.config).describe(name).marked_as_map;
        let behind_raw = raw.as_deref().map_or(Found::Nothing, |key| self.site.find(key));
        let also_varies = marked
            || match behind_raw {
                Found::Candidates(Candidates::Files(_)) => true,
                Found::Candidates(Candidates::Map(inner)) => {
                    self.site.known(*inner).type_map.as_deref().is_some_and(MapFile::is_transparent)
                }
                _ => false,
            };
        let key = match apache && self.by_name {
            true => raw.clone(),
            false => self.resolved_key(uri),
        };
        let key = match key {
            Ok(key) => key,
            Err(status) => return failure(status, true),
        };
        match self.site.find(&key) {
            Found::File(number) if self.site.known(number).type_map.is_none() => {
                (Outcome::Body, Some(number), also_varies)
            }
            Found::Directory if !key.ends_with(b"/") => {
                (Outcome::Redirect(escaped(&[&key[..], b"/"].concat())), None, also_varies)
            }
            Found::File(_) | Found::Directory | Found::Candidates(_) => (Outcome::Reference(key), None, also_varies),
            // Apache sees that nothing can stand for the name before it has chosen it, if the name is that of the URI.
            Found::Hidden => {
                let chosen = apache && behind_raw != Found::Hidden;
                (Outcome::Failure { status: Status::NotFound, chosen }, None, also_varies)
            }
            Found::Nothing => (Outcome::Failure { status: Status::NotFound, chosen: true }, None, also_varies),
        }
    }

    /// The key of the file that has `uri` as its name, as it stands, below the map's directory.
    fn raw_key(&self, uri: &[u8]) -> Result<Vec<u8>, Status> {
        let path = [self.site.directory(self.map), uri].concat();
        target::key(&escaped(&path), &mut Vec::new()).map(<[u8]>::to_vec)
    }

    /// The key that `uri` leads to as a URI below the map's directory. A leading slash does not lead to
    /// the root, for Apache (B9).
    fn resolved_key(&self, uri: &[u8]) -> Result<Vec<u8>, Status> {
        let end = uri.iter().position(|&byte| byte == b'?' || byte == b'#').unwrap_or(uri.len());
        let directory = match uri.starts_with(b"/") && self.config.settings.policy == Policy::Modern {
            true => Vec::new(),
            false => escaped(self.site.directory(self.map)),
        };
        let path = [&directory[..], &uri[..end]].concat();
        target::key(&path, &mut Vec::new()).map(<[u8]>::to_vec)
    }
}

/// Whether the dot segments of a path lead above where it begins.
fn leads_upwards(path: &[u8]) -> bool {
    let mut depth = 0;
    path.split(|&byte| byte == b'/').any(|segment| {
        depth += match segment {
            b"" | b"." => 0,
            b".." => -1,
            _ => 1,
        };
        depth < 0
    })
}

/// What is known of a body that stands in a type map, besides what its entry says.
pub struct InlineBody<'b> {
    /// BLAKE3.
    pub digest: [u8; 32],
    /// SHA-256, if it is to be sent.
    pub repr_digest: Option<[u8; 32]>,
    /// The field lines that the author wants with the map's file.
    pub further: &'b [u8],
}

impl<'a> Prepared<'a> {
    /// What Content-Location says if this is chosen; empty for nothing.
    pub fn content_location(&self, site: &Site<'_>, policy: Policy, negotiation: &Negotiation<'_>) -> Vec<u8> {
        match (&self.outcome, policy) {
            (Outcome::InlineBody, _) => Vec::new(),
            _ if !negotiation.located => Vec::new(),
            (_, Policy::Apache) => content_location(&self.entry.uri, policy),
            (_, Policy::Modern) => match (self.file, &self.outcome) {
                (Some(number), _) => self.reference_to(site, site.key(number)),
                (_, Outcome::Reference(key)) => self.reference_to(site, key),
                _ => escape::reference(&self.entry.uri),
            },
        }
    }

    /// The fields of the answer of what is no file: a body in the map, or else of a negotiation only.
    pub fn block(
        &self,
        site: &'a Site<'_>,
        location: &[u8],
        body: Option<&InlineBody<'_>>,
        negotiation: &Negotiation<'_>,
    ) -> Block {
        let mut representation = Representation {
            content_location: location,
            vary: negotiation.vary.as_bytes(),
            tcn: negotiation.tcn.as_bytes(),
            ..Representation::default()
        };
        let (Outcome::InlineBody, Some(body)) = (&self.outcome, body) else { return representation.render() };
        let mut content_type = self.variant.media_type.to_vec();
        if let Some(charset) = self.variant.charset {
            content_type.extend(b"; charset=");
            content_type.extend(charset);
        }
        // What the entry does not say the map's own name may.
        let of_map = &site.known(self.map).metadata;
        let said = |by_entry: Option<&'a [u8]>, by_name: &'a Option<Vec<u8>>| by_entry.or(by_name.as_deref());
        representation.content_language = said(self.variant.languages, &of_map.languages).unwrap_or_default();
        representation.content_encoding = said(self.variant.codings, &of_map.codings).unwrap_or_default();
        let etag = entity_tag(
            &body.digest,
            &[&content_type, representation.content_language, representation.content_encoding],
        );
        representation.etag = etag.as_bytes();
        representation.content_type = &content_type;
        representation.content_length = self.entry.body.as_ref().map(|body| body.len() as u64);
        representation.further = body.further;
        representation.repr_digest = body.repr_digest;
        representation.render()
    }

    /// A reference from the map to a resource of the site. Not the URI of the map: that may have a query or a fragment, and
    /// mean something else to a client (B10).
    fn reference_to(&self, site: &Site<'_>, key: &[u8]) -> Vec<u8> {
        match key.strip_prefix(site.directory(self.map)) {
            Some(name) if !name.is_empty() && !name.contains(&b'/') => escape::sibling_reference(name),
            _ => escaped(key),
        }
    }

    /// Whether it names nothing that is there.
    pub fn is_missing(&self) -> bool {
        matches!(self.outcome, Outcome::Failure { .. })
    }

    /// What is wrong with where it leads; `transparent` tells whether the map can be negotiated transparently.
    pub fn fault(&self, transparent: bool) -> Option<String> {
        let uri = String::from_utf8_lossy(&self.entry.uri);
        match self.outcome {
            Outcome::Failure { status: Status::NotFound, chosen: false } => {
                Some(format!("names {uri}, which is no file, and no file can stand for it"))
            }
            Outcome::Failure { status: Status::BadRequest, .. } => {
                Some(format!("names {uri}, which is no path within the site"))
            }
            Outcome::Failure { .. } => Some(format!("names {uri}, which is not there")),
            _ if self.also_varies && transparent => Some(format!(
                "names {uri}, which is negotiated itself; who is given it gets 506 (RFC 2295, section 8.1)"
            )),
            Outcome::Redirect(_) => Some(format!("names {uri}, which is a directory; who is given it is redirected")),
            Outcome::Body | Outcome::InlineBody | Outcome::Reference(_) => None,
        }
    }
}

//! `.mkroot.toml` → [`Config`]; errors say where in the file and what would do.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use toml::Spanned;

use super::derive::{self, Derive};
use super::extensions::is_token;
use super::fields::{self, FieldRule};
use super::globs::{Directories, Files};
use super::group::escaped;
use super::near;
use super::paths::{self, ErrorPage, Leads, Redirect};
use super::walk::{Tree, parent};
use crate::http::Status;
use crate::resource::{Policy, Settings};

/// The file in a site's root that configures how it is packed.
pub const FILE_NAME: &str = ".mkroot.toml";

/// How a site, or a directory of it, is packed.
#[derive(Clone, Debug)]
pub struct Config {
    /// What decides between variants, and what answers need besides.
    pub settings: Settings,
    /// Whether the well-known extensions mean something, and files of unknown type are looked into.
    pub builtin_extensions: bool,
    /// DefaultLanguage: the language of files whose names give none.
    pub default_language: Option<String>,
    /// DirectoryIndex. `None` is the default: `index` where there is negotiation, else `index.html`.
    pub directory_index: Option<Vec<String>>,
    /// Which files are type maps.
    pub type_maps: TypeMaps,
    /// Types by extension, in lower case; may have parameters.
    pub types: HashMap<String, String>,
    /// Language tags by extension.
    pub languages: HashMap<String, String>,
    /// Charsets by extension.
    pub charsets: HashMap<String, String>,
    /// Content codings by extension.
    pub encodings: HashMap<String, String>,
    /// Fields of files; of those for the same file and name the last wins.
    pub fields: Vec<FieldRule>,
    /// Whether files are sent with a digest of their contents (RFC 9530).
    pub repr_digest: bool,
    /// The pages of errors. Only a site's root has any.
    pub error_pages: Vec<ErrorPage>,
    /// The redirects that this directory's own file declares.
    pub redirects: Vec<Redirect>,
    /// Which directories are listed.
    pub listed: Vec<Directories>,
    /// Files, and directories by their keys without the final slash, that no listing shows.
    pub unlisted: Vec<Files>,
    /// Which representations are made.
    pub derive: Derive,
    /// The file that says so, if there is one; those of the directories above count, too.
    pub source: Option<Source>,
}

/// A file that was read as a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// BLAKE3 of what it held.
    pub digest: [u8; 32],
}

impl Default for Config {
    fn default() -> Config {
        Config {
            settings: Settings::default(),
            builtin_extensions: true,
            default_language: None,
            directory_index: None,
            type_maps: TypeMaps { extensions: vec!["var".into()], anywhere: false, names: GlobSet::empty() },
            types: HashMap::new(),
            languages: HashMap::new(),
            charsets: HashMap::new(),
            encodings: HashMap::new(),
            fields: Vec::new(),
            repr_digest: false,
            error_pages: Vec::new(),
            redirects: Vec::new(),
            listed: Vec::new(),
            unlisted: Vec::new(),
            derive: Derive::default(),
            source: None,
        }
    }
}

/// The configuration of each directory of a site: that of the nearest file above it, which itself builds on those
/// above.
#[derive(Debug)]
pub struct Configs {
    all: Vec<Config>,
    by_directory: HashMap<Vec<u8>, usize>,
}

impl Configs {
    /// The configurations of `tree`, whose root has `root`.
    ///
    /// # Errors
    ///
    /// If a configuration file cannot be read, or holds an unknown key or a bad value.
    pub fn of(tree: &Tree, root: &Config) -> Result<Configs, ConfigError> {
        let files: HashMap<_, _> = tree.configurations.iter().map(|(key, path)| (key.as_slice(), path)).collect();
        let mut configs = Configs { all: vec![root.clone()], by_directory: HashMap::new() };
        for directory in &tree.directories {
            let above = parent(directory).and_then(|above| configs.by_directory.get(above)).copied().unwrap_or(0);
            let number = match files.get(&directory[..]) {
                Some(path) => {
                    configs.all.push(configs.all[above].refined_by(path, directory)?);
                    configs.all.len() - 1
                }
                None => above,
            };
            configs.by_directory.insert(directory.clone(), number);
        }
        let below = configs.redirects().filter(|redirect| redirect.below);
        let longest_redirect = below.map(|redirect| redirect.key.len()).max().unwrap_or(0);
        for config in &mut configs.all {
            config.settings.longest_redirect = longest_redirect;
        }
        Ok(configs)
    }

    /// All redirects, those that nearer files declare behind those of farther ones.
    pub fn redirects(&self) -> impl Iterator<Item = &Redirect> {
        self.all.iter().flat_map(|config| &config.redirects)
    }

    /// The files that the configurations were read from.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.all.iter().filter_map(|config| config.source.as_ref())
    }

    /// All of them; the first is that of the root.
    pub fn all(&self) -> impl Iterator<Item = &Config> {
        self.all.iter()
    }

    /// The configuration of a directory, by its key.
    pub fn get(&self, directory: &[u8]) -> &Config {
        match &self.all[..] {
            [only] => only,
            all => &all[self.by_directory.get(directory).copied().unwrap_or(0)],
        }
    }
}

/// Which files are type maps, by their names (R7).
#[derive(Clone, Debug, Default)]
pub struct TypeMaps {
    /// AddHandler type-map: extensions, in lower case.
    pub extensions: Vec<String>,
    /// Whether these mark a file wherever in its name they stand, as for Apache, or only if no type follows. That is the
    /// default: `fn.var.html` is a page to anybody who has not asked for more.
    pub anywhere: bool,
    /// SetHandler type-map in a `<Files>` section: whole names.
    pub names: GlobSet,
}

/// What is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key or value in it is not understood.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong and what would do.
        message: String,
    },
}

impl ConfigError {
    /// What the reader of TOML says of `text`, which came from `path`.
    pub fn of_toml(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
        let message = near::with_neighbour(&error.message().replace('\n', ", "));
        Place::of(path, text, error.span().unwrap_or_default()).wrong(message)
    }
}

impl Config {
    /// This configuration as the file at `path` changes it for `directory`, given by its key: what the file does not
    /// mention stays.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds an unknown key or a bad value.
    pub fn refined_by(&self, path: &Path, directory: &[u8]) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
        self.refined(&text, path, directory)
    }

    /// The configuration of a site in the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`Config::refined_by`].
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        Config::default().refined_by(path, ROOT)
    }

    /// The configuration of a site: `.mkroot.toml` in its root, or the defaults if there is none.
    ///
    /// # Errors
    ///
    /// As [`Config::refined_by`].
    pub fn of_site(site: &Path) -> Result<Config, ConfigError> {
        match Config::read(&site.join(FILE_NAME)) {
            Err(ConfigError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(Config::default())
            }
            result => result,
        }
    }

    /// The configuration of a site, in `file` if that is said, else as [`Config::of_site`].
    ///
    /// # Errors
    ///
    /// As [`Config::refined_by`].
    pub fn said_or_of_site(file: Option<&Path>, site: &Path) -> Result<Config, ConfigError> {
        match file {
            Some(file) => Config::read(file),
            None => Config::of_site(site),
        }
    }

    /// This configuration as `text` changes it for `directory`, given by its key; `path` is where that came from, for
    /// messages.
    ///
    /// # Errors
    ///
    /// If there is an unknown key or a bad value.
    pub fn refined(&self, text: &str, path: &Path, directory: &[u8]) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| ConfigError::of_toml(path, text, &error))?;
        let at = |span: Range<usize>| Place::of(path, text, span);
        let mut config = self.clone();
        file.refine(&mut config, directory, &at).map_err(|(span, message)| at(span).wrong(message))?;
        config.source = Some(Source { path: path.to_path_buf(), digest: *blake3::hash(text.as_bytes()).as_bytes() });
        Ok(config)
    }
}

/// The key of a site's root.
pub(super) const ROOT: &[u8] = b"/";

/// A place in a configuration file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// Where `span` begins in `text`, which came from `path`.
    fn of(path: &Path, text: &str, span: Range<usize>) -> Place {
        let before = &text[..text.floor_char_boundary(span.start)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            path: path.to_path_buf(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// That something is wrong here.
    pub fn wrong(&self, message: String) -> ConfigError {
        ConfigError::Invalid { path: self.path.clone(), line: self.line, column: self.column, message }
    }
}

/// A place in the file and what is wrong there.
pub(super) type Invalid = (Range<usize>, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    negotiation: Negotiation,
    #[serde(default)]
    types: HashMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    languages: HashMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    charsets: HashMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    encodings: HashMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    headers: HashMap<Spanned<String>, HashMap<Spanned<String>, Spanned<String>>>,
    #[serde(default)]
    cache: HashMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    errors: HashMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    redirects: HashMap<Spanned<String>, Spanned<Redirection>>,
    #[serde(default)]
    digests: Digests,
    #[serde(default)]
    listing: Listing,
    #[serde(default)]
    derive: derive::Table,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Listing {
    directories: Option<Vec<Spanned<String>>>,
    hide: Option<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Digests {
    repr_digest: Option<bool>,
}

/// Where a path leads: a string, or a table.
enum Redirection {
    To(String),
    Table(RedirectionTable),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RedirectionTable {
    to: Option<Spanned<String>>,
    status: Option<Spanned<i64>>,
}

impl<'de> Deserialize<'de> for Redirection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Redirection, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Redirection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or URI, or { to = \"…\", status = 302 }")
            }

            fn visit_str<E: de::Error>(self, to: &str) -> Result<Redirection, E> {
                Ok(Redirection::To(to.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Redirection, A::Error> {
                RedirectionTable::deserialize(MapAccessDeserializer::new(map)).map(Redirection::Table)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Negotiation {
    policy: Option<Policy>,
    builtin_extensions: Option<bool>,
    language_priority: Option<Vec<Spanned<String>>>,
    force_language_priority: Option<Vec<Force>>,
    default_language: Option<Spanned<String>>,
    directory_index: Option<Vec<Spanned<String>>>,
    type_maps: Option<Vec<Spanned<String>>>,
    transparent: Option<bool>,
    type_priority: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Force {
    Prefer,
    Fallback,
}

impl File {
    /// Changes `config`, that of `directory`, to what this file says; `at` tells where in it something stands.
    fn refine(self, config: &mut Config, directory: &[u8], at: &dyn Fn(Range<usize>) -> Place) -> Result<(), Invalid> {
        let negotiation = self.negotiation;
        let settings = &mut config.settings;
        settings.policy = negotiation.policy.unwrap_or(settings.policy);
        settings.transparent = negotiation.transparent.unwrap_or(settings.transparent);
        if let Some(tags) = negotiation.language_priority {
            settings.language_priority = lower_case(checked(tags, language_tag)?);
        }
        if let Some(force) = negotiation.force_language_priority {
            settings.prefer = force.contains(&Force::Prefer);
            settings.fallback = force.contains(&Force::Fallback);
        }
        if let Some(types) = negotiation.type_priority {
            settings.type_priority = lower_case(checked(types, media_type)?);
        }
        config.builtin_extensions = negotiation.builtin_extensions.unwrap_or(config.builtin_extensions);
        if negotiation.default_language.is_some() {
            config.default_language = checked(negotiation.default_language, language_tag)?.pop();
        }
        if let Some(names) = negotiation.directory_index {
            config.directory_index = Some(checked(names, file_name)?);
        }
        if let Some(globs) = negotiation.type_maps {
            config.type_maps = type_maps(globs)?;
        }
        // Apache sends any type as it stands (R10).
        let apache = config.settings.policy == Policy::Apache;
        let any_type = |value: &str| if apache { Ok(()) } else { media_type(value) };
        config.types.extend(table(self.types, any_type, false)?);
        config.languages.extend(table(self.languages, language_tag, true)?);
        config.charsets.extend(table(self.charsets, token, true)?);
        config.encodings.extend(table(self.encodings, token, true)?);
        config.repr_digest = self.digests.repr_digest.unwrap_or(config.repr_digest);
        for (pattern, entries) in in_order(self.headers) {
            let files = files(&pattern, directory)?;
            for (name, value) in in_order(entries) {
                fields::check_name(name.get_ref()).map_err(|message| (name.span(), message))?;
                config.fields.push(rule(files.clone(), name.into_inner(), value)?);
            }
        }
        for (pattern, value) in in_order(self.cache) {
            let files = files(&pattern, directory)?;
            config.fields.push(rule(files, fields::CACHE_CONTROL.into(), value)?);
        }
        for (code, page) in in_order(self.errors) {
            if directory != ROOT {
                return Err((code.span(), "the pages of errors are declared in the site's root only".into()));
            }
            let status = paths::error_status(code.get_ref()).map_err(|message| (code.span(), message))?;
            let key = paths::site_key(page.get_ref(), ROOT).map_err(|message| (page.span(), message))?;
            let target = String::from_utf8_lossy(&escaped(&key)).into_owned();
            config.settings.error_pages.insert(status.code(), target);
            config.error_pages.push(ErrorPage { key, place: at(page.span()) });
        }
        if directory == ROOT {
            config.settings.fields = String::from_utf8_lossy(&fields::lines_of_site(&config.fields)).into_owned();
        }
        config.redirects = redirects(self.redirects, directory, at)?;
        if let Some(patterns) = self.listing.directories {
            config.listed = globs(patterns, |pattern| Directories::new(pattern, directory))?;
        }
        if let Some(patterns) = self.listing.hide {
            config.unlisted = globs(patterns, |pattern| Files::new(pattern, directory))?;
        }
        self.derive.refine(&mut config.derive, directory)?;
        Ok(())
    }
}

/// The entries of a table in the order of the file, so that of two faults always the same is named.
fn in_order<T>(entries: HashMap<Spanned<String>, T>) -> Vec<(Spanned<String>, T)> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn files(pattern: &Spanned<String>, directory: &[u8]) -> Result<Files, Invalid> {
    Files::new(pattern.get_ref(), directory).map_err(|message| (pattern.span(), message))
}

pub(super) fn globs<T>(
    patterns: Vec<Spanned<String>>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Invalid> {
    let one = |pattern: Spanned<String>| read(pattern.get_ref()).map_err(|message| (pattern.span(), message));
    patterns.into_iter().map(one).collect()
}

fn rule(files: Files, name: String, value: Spanned<String>) -> Result<FieldRule, Invalid> {
    fields::check_value(value.get_ref()).map_err(|message| (value.span(), message))?;
    Ok(FieldRule::new(files, name, value.into_inner()))
}

/// The redirects of the file in `directory`.
fn redirects(
    entries: HashMap<Spanned<String>, Spanned<Redirection>>,
    directory: &[u8],
    at: &dyn Fn(Range<usize>) -> Place,
) -> Result<Vec<Redirect>, Invalid> {
    let mut redirects: Vec<Redirect> = Vec::new();
    for (path, redirection) in in_order(entries) {
        let span = redirection.span();
        let (to, status) = match redirection.into_inner() {
            Redirection::To(to) => (Some(Spanned::new(span.clone(), to)), None),
            Redirection::Table(RedirectionTable { to, status }) => (to, status),
        };
        let (key, below) = paths::redirect_key(path.get_ref(), directory).map_err(|message| (path.span(), message))?;
        let status = match status {
            None => Some(Status::MovedPermanently),
            Some(code) => paths::redirect_status(*code.get_ref()).map_err(|message| (code.span(), message))?,
        };
        let leads = match (to, status) {
            (Some(to), Some(status)) => {
                paths::check_location(to.get_ref(), below).map_err(|message| (to.span(), message))?;
                Leads::To(status, to.into_inner())
            }
            (None, None) => Leads::Nowhere,
            (Some(to), None) => {
                return Err((to.span(), "what is gone (410) leads nowhere; leave out one of both".into()));
            }
            (None, Some(_)) => {
                return Err((span, "it says not where it leads; expected to = \"/new\", or status = 410".into()));
            }
        };
        let redirect = Redirect { key, below, leads, place: at(path.span()) };
        if redirect.leads_to_itself() {
            return Err((path.span(), format!("{:?} leads to itself", path.get_ref())));
        }
        if redirects.iter().any(|other| (&other.key, other.below) == (&redirect.key, redirect.below)) {
            let message = format!("{:?} is there twice; how it is percent-encoded makes no difference", path.get_ref());
            return Err((path.span(), message));
        }
        redirects.push(redirect);
    }
    Ok(redirects)
}

/// `*.ext` names an extension, anything else is a glob for whole names.
fn type_maps(patterns: Vec<Spanned<String>>) -> Result<TypeMaps, Invalid> {
    let mut extensions = Vec::new();
    let mut names = GlobSet::builder();
    for pattern in patterns {
        match pattern.get_ref().strip_prefix("*.") {
            Some(extension) if !extension.is_empty() && !extension.contains(['.', '*', '?', '[', '{', '\\', '/']) => {
                extensions.push(extension.to_ascii_lowercase());
            }
            _ => {
                names.add(Glob::new(pattern.get_ref()).map_err(|error| (pattern.span(), error.to_string()))?);
            }
        }
    }
    let names = names.build().map_err(|error| (0..0, error.to_string()))?;
    Ok(TypeMaps { extensions, anywhere: true, names })
}

/// The values, each of which must pass `check`.
fn checked(
    values: impl IntoIterator<Item = Spanned<String>>,
    check: impl Fn(&str) -> Result<(), String>,
) -> Result<Vec<String>, Invalid> {
    let one = |value: Spanned<String>| match check(value.get_ref()) {
        Ok(()) => Ok(value.into_inner()),
        Err(message) => Err((value.span(), message)),
    };
    values.into_iter().map(one).collect()
}

fn lower_case(values: Vec<String>) -> Vec<String> {
    values.into_iter().map(|value| value.to_ascii_lowercase()).collect()
}

/// A table of extensions: keys in lower case, without a leading dot; values pass `check`, and are put in
/// lower case if `fold` says so (R2, R12; type values are folded later, when parameters are known).
fn table(
    entries: HashMap<Spanned<String>, Spanned<String>>,
    check: impl Fn(&str) -> Result<(), String>,
    fold: bool,
) -> Result<HashMap<String, String>, Invalid> {
    let mut table = HashMap::with_capacity(entries.len());
    for (key, value) in in_order(entries) {
        let extension = key.get_ref().strip_prefix('.').unwrap_or(key.get_ref()).to_ascii_lowercase();
        if extension.is_empty() || extension.contains(['.', '/', '\0']) {
            let message = format!("{:?} is not an extension; expected one without dots, such as html", key.get_ref());
            return Err((key.span(), message));
        }
        check(value.get_ref()).map_err(|message| (value.span(), message))?;
        let value = value.into_inner();
        if table.insert(extension, if fold { value.to_ascii_lowercase() } else { value }).is_some() {
            let message = format!("{:?} is there twice; case and a leading dot make no difference", key.get_ref());
            return Err((key.span(), message));
        }
    }
    Ok(table)
}

fn media_type(value: &str) -> Result<(), String> {
    match value.parse::<mime::Mime>() {
        Ok(mime) if mime.subtype() != mime::STAR => Ok(()),
        _ => Err(format!("{value:?} is not a media type; expected one such as \"text/html; charset=utf-8\"")),
    }
}

fn language_tag(value: &str) -> Result<(), String> {
    let subtag =
        |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if value.split('-').all(subtag) {
        return Ok(());
    }
    Err(format!("{value:?} is not a language tag; expected one such as \"en\" or \"pt-BR\""))
}

fn token(value: &str) -> Result<(), String> {
    if is_token(value) {
        return Ok(());
    }
    Err(format!("{value:?} is not a name of a charset or coding; expected one such as \"utf-8\" or \"gzip\""))
}

fn file_name(value: &str) -> Result<(), String> {
    if !value.is_empty() && !value.contains(['/', '\0']) && value != "." && value != ".." {
        return Ok(());
    }
    Err(format!("{value:?} is not a file name; expected one such as \"index\" or \"index.html\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        parse_in(text, "/")
    }

    fn parse_in(text: &str, directory: &str) -> Result<Config, String> {
        let path = Path::new("site/.mkroot.toml");
        Config::default().refined(text, path, directory.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_what_a_person_would_want() {
        let config = parse("").unwrap();
        assert_eq!(config.settings, Settings::default());
        assert!(config.settings.prefer && config.settings.fallback && config.builtin_extensions);
        assert_eq!(config.directory_index, None);
    }

    #[test]
    fn every_key_is_read() {
        let config = parse(
            "[negotiation]\npolicy = \"apache\"\nbuiltin-extensions = false\nlanguage-priority = [\"EN\", \"fr\"]\n\
             force-language-priority = [\"prefer\"]\ndefault-language = \"pt-BR\"\ndirectory-index = [\"home\"]\n\
             type-maps = [\"*.var\"]\ntransparent = false\ntype-priority = [\"text/plain\"]\n\
             [types]\nhtml = \"text/html; charset=utf-8\"\n[languages]\n\".Swiss\" = \"de-CH\"\n\
             [charsets]\nu = \"UTF-8\"\n[encodings]\ngz = \"gzip\"\n",
        )
        .unwrap();
        assert_eq!(config.settings.policy, Policy::Apache);
        assert_eq!(config.settings.language_priority, ["en", "fr"]);
        assert!(config.settings.prefer && !config.settings.fallback && !config.builtin_extensions);
        assert_eq!(config.settings.type_priority, ["text/plain"]);
        assert_eq!(config.default_language.as_deref(), Some("pt-BR"));
        assert_eq!(config.directory_index, Some(vec!["home".into()]));
        assert_eq!(config.types["html"], "text/html; charset=utf-8");
        assert_eq!(config.languages["swiss"], "de-ch");
        assert_eq!(config.charsets["u"], "utf-8");
        assert_eq!(config.encodings["gz"], "gzip");
    }

    #[test]
    fn what_a_nearer_file_does_not_mention_stays() {
        let site = parse(
            "[negotiation]\nlanguage-priority = [\"en\"]\ntype-maps = [\"*.Map\", \"?*.html\"]\ndefault-language = \"de\"\n\
             [types]\na = \"x/a\"\nb = \"x/b\"\n",
        )
        .unwrap();
        let nearer = site
            .refined("[negotiation]\nlanguage-priority = []\n[types]\nb = \"x/c\"\n", Path::new("d"), b"/d/")
            .unwrap();
        assert!(nearer.settings.language_priority.is_empty());
        assert_eq!((nearer.types["a"].as_str(), nearer.types["b"].as_str()), ("x/a", "x/c"));
        assert_eq!(nearer.default_language.as_deref(), Some("de"));
        assert_eq!(nearer.type_maps.extensions, ["map"]);
        assert!(nearer.type_maps.names.is_match("a.html") && !nearer.type_maps.names.is_match("a.html.en"));
    }

    #[test]
    fn what_holds_for_the_site_is_in_its_settings() {
        let text = "[errors]\n404 = \"/not found\"\n\"410\" = \"/a%2Fb\"\n";
        assert!(parse(text).unwrap_err().contains(":3:9: \"/a%2Fb\" is not a path"));
        let config = parse(
            "[errors]\n404 = \"/not found\"\n\"410\" = \"/d/gone\"\n[digests]\nrepr-digest = true\n\
             [headers]\n\"/**\" = { X-A = \"1\", X-B = \"2\" }\n\"*\" = { X-C = \"3\" }\n[cache]\n\"/**\" = \"no-cache\"\n",
        )
        .unwrap();
        let pages: Vec<_> = config.settings.error_pages.iter().map(|(code, page)| (*code, page.as_str())).collect();
        assert_eq!(pages, [(404, "/not%20found"), (410, "/d/gone")]);
        let mut lines: Vec<_> = config.settings.fields.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["X-A: 1", "X-B: 2"]);
        assert!(config.repr_digest);
        // A directory's own file can change neither for all.
        let below = b"/d/";
        let text = "[headers]\n\"/**\" = { X-A = \"\" }\n[digests]\nrepr-digest = false\n";
        let nearer = config.refined(text, Path::new("x"), below).unwrap();
        assert_eq!(nearer.settings, config.settings);
        assert!(!nearer.repr_digest);
        let error = parse_in("[errors]\n404 = \"/404\"\n", "/d/").unwrap_err();
        assert!(error.contains(":2:1: ") && error.contains("root"), "{error}");
    }

    #[test]
    fn what_is_listed_is_said_anew_by_a_nearer_file() {
        let lists = |config: &Config, key: &[u8]| config.listed.iter().any(|directories| directories.contain(key));
        let hides = |config: &Config, key: &[u8]| config.unlisted.iter().any(|files| files.contain(key));
        assert!(!lists(&parse("").unwrap(), b"/"));
        let site = parse("[listing]\ndirectories = [\"/pub/**\"]\nhide = [\"*~\", \"/pub/old\"]\n").unwrap();
        assert!(lists(&site, b"/pub/") && lists(&site, b"/pub/a/") && !lists(&site, b"/"));
        assert!(hides(&site, b"/pub/a/b~") && hides(&site, b"/pub/old") && !hides(&site, b"/old"));
        let off = site.refined("[listing]\ndirectories = []\n", Path::new("x"), b"/pub/a/").unwrap();
        assert!(!lists(&off, b"/pub/a/") && hides(&off, b"/pub/a/b~"));
        let other = site.refined("[listing]\nhide = [\"/b\"]\n", Path::new("x"), b"/pub/a/").unwrap();
        assert!(lists(&other, b"/pub/a/") && hides(&other, b"/pub/a/b") && !hides(&other, b"/pub/a/b~"));
    }

    #[test]
    fn redirects_are_a_files_own() {
        let text =
            "[redirects]\n\"/old\" = \"/new\"\n\"/b/*\" = { to = \"/c/*\", status = 308 }\n\"/d\" = { status = 410 }\n";
        let config = parse_in(text, "/e f/").unwrap();
        let mut found = config.redirects.iter().map(|redirect| {
            let target = format!("{:?}", redirect.leads);
            (String::from_utf8_lossy(&redirect.index_key()).into_owned(), target)
        });
        assert_eq!(found.next(), Some(("/e f/old".into(), "To(MovedPermanently, \"/new\")".into())));
        assert_eq!(found.next(), Some(("/e f/b//".into(), "To(PermanentRedirect, \"/c/*\")".into())));
        assert_eq!(found.next(), Some(("/e f/d".into(), "Nowhere".into())));
        assert!(found.next().is_none());
        assert!(config.refined("", Path::new("x"), b"/e f/g/").unwrap().redirects.is_empty());
    }

    #[test]
    fn mistakes_are_shown_with_their_place_and_what_would_do() {
        for (text, place, parts) in [
            (
                "[negotiation]\nforce-language-priority = [\"prefered\"]\n",
                "2:28",
                &["prefered", "prefer", "fallback"][..],
            ),
            ("[negotiation]\nfoo = 1\n", "2:1", &["foo", "policy"]),
            ("[negotiaton]\n", "1:2", &["negotiaton", "negotiation"]),
            ("[negotiation]\npolicy = \"modem\"\n", "2:10", &["modem", "modern", "apache"]),
            ("[negotiation]\ndefault-language = \"en_US\"\n", "2:20", &["en_US", "pt-BR"]),
            ("[negotiation]\ndirectory-index = [\"a\", \"b/c\"]\n", "2:25", &["b/c", "index.html"]),
            ("[negotiation]\ntransparent = 1\n", "2:15", &["boolean"]),
            ("[negotiation]\ntype-maps = [\"{\"]\n", "2:14", &["{"]),
            ("[types]\nx = \"html\"\n", "2:5", &["html", "text/html; charset=utf-8"]),
            ("[types]\nx = \"image/*\"\n", "2:5", &["image/*"]),
            ("[types]\n\"a.b\" = \"text/html\"\n", "2:1", &["a.b"]),
            ("[charsets]\nx = \"\"\n", "2:5", &["utf-8"]),
            ("[types]\nx = 1\n", "2:5", &["string"]),
            ("[types]\nx = \"a/b\"\n\".X\" = \"a/c\"\n", "3:1", &["twice"]),
            ("é = [\n", "1:6", &["]"]),
            ("[headers]\n\"/a/\" = {}\n", "2:1", &["/a/", "*.html"]),
            ("[headers]\n\"a/*\" = {}\n", "2:1", &["a/*", "\"/a/*\""]),
            ("[headers]\n\"*\" = { \"X Y\" = \"1\" }\n", "2:9", &["X Y"]),
            ("[headers]\n\"*\" = { X-A = \"1\", Cache-Control = \"no-cache\" }\n", "2:20", &["[cache]"]),
            ("[headers]\n\"*\" = { X-A = \"a\\r\\nb\" }\n", "2:15", &["printable"]),
            ("[headers]\n\"*\" = \"X-A: 1\"\n", "2:7", &["string"]),
            ("[cache]\n\"*\" = \" no-cache\"\n", "2:7", &["space"]),
            ("[cache]\n\"{\" = \"no-cache\"\n", "2:1", &["{"]),
            ("[errors]\n404 = \"/404\"\n200 = \"/ok\"\n", "3:1", &["200", "404, 405"]),
            ("[errors]\n404 = \"404\"\n", "2:7", &["404", "/a/b"]),
            ("[errors]\n404 = \"/404?a\"\n", "2:7", &["/404?a"]),
            ("[redirects]\n\"old\" = \"/new\"\n", "2:1", &["old", "/a/b"]),
            ("[redirects]\n\"/*/old\" = \"/new\"\n", "2:1", &["last segment", "%2A"]),
            ("[redirects]\n\"/old\" = \"new\"\n", "2:10", &["new", "https://example.org/"]),
            ("[redirects]\n\"/old\" = { to = \"/a b\" }\n", "2:17", &["' '", "percent-encoded"]),
            ("[redirects]\n\"/old\" = { to = \"/a\", status = 304 }\n", "2:32", &["304", "308"]),
            ("[redirects]\n\"/old\" = { to = \"/a\", status = 410 }\n", "2:17", &["410"]),
            ("[redirects]\n\"/old\" = {}\n", "2:10", &["to = "]),
            ("[redirects]\n\"/old\" = { too = \"/a\" }\n", "2:12", &["too"]),
            ("[redirects]\n\"/old\" = 1\n", "2:10", &["integer", "a path or URI"]),
            ("[redirects]\n\"/old\" = { to = 1 }\n", "2:17", &["integer", "string"]),
            ("[redirects]\n\"/a\" = \"/b\"\n\"/%61\" = \"/c\"\n", "3:1", &["twice"]),
            ("[redirects]\n\"/a\" = \"/%61#b\"\n", "2:1", &["itself"]),
            ("[redirects]\n\"/a/*\" = \"https://x*/\"\n", "2:10", &["choose the server"]),
            ("[digests]\nrepr = true\n", "2:1", &["repr-digest"]),
            ("[listing]\ndirectory = [\"/\"]\n", "2:1", &["directory", "directories", "hide"]),
            ("[listing]\ndirectories = \"/**\"\n", "2:15", &["string", "sequence"]),
            ("[listing]\ndirectories = [\"/**\", \"\"]\n", "2:23", &["matches no directory", "\"/downloads/**\""]),
            ("[listing]\ndirectories = [\"a/b\"]\n", "2:16", &["a/b", "\"/a/b\"", "\"pub\""]),
            ("[listing]\ndirectories = [\"{\"]\n", "2:16", &["{"]),
            ("[listing]\nhide = [\"*~\", \"old/\"]\n", "2:15", &["old/", "*.html"]),
            ("[listing]\nhide = [\n    \"a/*\",\n]\n", "3:5", &["a/*", "\"/a/*\""]),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("site/.mkroot.toml:{place}: ")), "{text:?}: {error}");
            assert!(parts.iter().all(|part| error.contains(part)), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{error:?}");
        }
    }
}

//! `.mkroot.toml` → [`Config`]; errors say where in the file and what would do.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use globset::{Glob, GlobSet};
use serde::Deserialize;
use toml::Spanned;

use super::extensions::is_token;
use crate::resource::{Policy, Settings};

/// The file in a site's root that configures how it is packed.
pub const FILE_NAME: &str = ".mkroot.toml";

/// How a site is packed.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What decides between variants.
    pub settings: Settings,
    /// Whether the well-known extensions mean something, and files of unknown type are looked into.
    pub builtin_extensions: bool,
    /// DefaultLanguage: the language of files whose names give none.
    pub default_language: Option<String>,
    /// DirectoryIndex. `None` is the default: `index` where there is negotiation, else `index.html`.
    pub directory_index: Option<Vec<String>>,
    /// AddHandler type-map: names of files that are type maps. This version only warns of them.
    pub type_maps: GlobSet,
    /// Types by extension, in lower case; may have parameters.
    pub types: HashMap<String, String>,
    /// Language tags by extension.
    pub languages: HashMap<String, String>,
    /// Charsets by extension.
    pub charsets: HashMap<String, String>,
    /// Content codings by extension.
    pub encodings: HashMap<String, String>,
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

impl Config {
    /// The configuration in the file at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or holds an unknown key or a bad value.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_path_buf(), source })?;
        Config::parse(&text, path)
    }

    /// The configuration of a site: `.mkroot.toml` in its root, or the defaults if there is none.
    ///
    /// # Errors
    ///
    /// As [`Config::read`].
    pub fn of_site(site: &Path) -> Result<Config, ConfigError> {
        match Config::read(&site.join(FILE_NAME)) {
            Err(ConfigError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Config::parse("", Path::new(FILE_NAME))
            }
            result => result,
        }
    }

    /// The configuration that `text` holds; `path` is where it came from, for messages.
    ///
    /// # Errors
    ///
    /// If there is an unknown key or a bad value.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let at = |span: Range<usize>, message: String| {
            let before = &text[..text.floor_char_boundary(span.start)];
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            ConfigError::Invalid {
                path: path.to_path_buf(),
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                message,
            }
        };
        let file: File = toml::from_str(text)
            .map_err(|error| at(error.span().unwrap_or_default(), error.message().replace('\n', ", ")))?;
        file.resolve().map_err(|(span, message)| at(span, message))
    }
}

/// A place in the file and what is wrong there.
type Invalid = (Range<usize>, String);

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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Negotiation {
    policy: Policy,
    builtin_extensions: bool,
    language_priority: Vec<Spanned<String>>,
    force_language_priority: Vec<Force>,
    default_language: Option<Spanned<String>>,
    directory_index: Option<Vec<Spanned<String>>>,
    type_maps: Vec<Spanned<String>>,
    transparent: Spanned<bool>,
    type_priority: Option<Vec<Spanned<String>>>,
}

impl Default for Negotiation {
    fn default() -> Negotiation {
        Negotiation {
            policy: Policy::default(),
            builtin_extensions: true,
            language_priority: Vec::new(),
            force_language_priority: vec![Force::Prefer, Force::Fallback],
            default_language: None,
            directory_index: None,
            type_maps: vec![Spanned::new(0..0, "*.var".into())],
            transparent: Spanned::new(0..0, false),
            type_priority: None,
        }
    }
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Force {
    Prefer,
    Fallback,
}

impl File {
    fn resolve(self) -> Result<Config, Invalid> {
        let Negotiation { policy, transparent, .. } = &self.negotiation;
        if *transparent.get_ref() {
            let message = "transparent negotiation (RFC 2295) is not part of this version; leave it false";
            return Err((transparent.span(), message.into()));
        }
        let policy = *policy;
        let negotiation = self.negotiation;
        let defaults = Settings::default();
        let settings = Settings {
            policy,
            language_priority: lower_case(checked(negotiation.language_priority, language_tag)?),
            prefer: negotiation.force_language_priority.contains(&Force::Prefer),
            fallback: negotiation.force_language_priority.contains(&Force::Fallback),
            type_priority: match negotiation.type_priority {
                Some(types) => lower_case(checked(types, media_type)?),
                None => defaults.type_priority,
            },
        };
        let any_type = |value: &str| if policy == Policy::Apache { Ok(()) } else { media_type(value) };
        Ok(Config {
            settings,
            builtin_extensions: negotiation.builtin_extensions,
            default_language: checked(negotiation.default_language, language_tag)?.into_iter().next(),
            directory_index: match negotiation.directory_index {
                Some(names) => Some(checked(names, file_name)?),
                None => None,
            },
            type_maps: globs(negotiation.type_maps)?,
            types: table(self.types, any_type, false)?,
            languages: table(self.languages, language_tag, true)?,
            charsets: table(self.charsets, token, true)?,
            encodings: table(self.encodings, token, true)?,
        })
    }
}

fn globs(patterns: Vec<Spanned<String>>) -> Result<GlobSet, Invalid> {
    let mut set = GlobSet::builder();
    for pattern in patterns {
        let glob = Glob::new(pattern.get_ref()).map_err(|error| (pattern.span(), error.to_string()))?;
        set.add(glob);
    }
    set.build().map_err(|error| (0..0, error.to_string()))
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
    for (key, value) in entries {
        let extension = key.get_ref().strip_prefix('.').unwrap_or(key.get_ref()).to_ascii_lowercase();
        if extension.is_empty() || extension.contains(['.', '/', '\0']) {
            let message = format!("{:?} is not an extension; expected one without dots, such as html", key.get_ref());
            return Err((key.span(), message));
        }
        check(value.get_ref()).map_err(|message| (value.span(), message))?;
        let value = value.into_inner();
        table.insert(extension, if fold { value.to_ascii_lowercase() } else { value });
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
        Config::parse(text, Path::new("site/.mkroot.toml")).map_err(|error| error.to_string())
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
            ("[negotiation]\ntransparent = true\n", "2:15", &["RFC 2295"]),
            ("[negotiation]\ntype-maps = [\"{\"]\n", "2:14", &["{"]),
            ("[types]\nx = \"html\"\n", "2:5", &["html", "text/html; charset=utf-8"]),
            ("[types]\nx = \"image/*\"\n", "2:5", &["image/*"]),
            ("[types]\n\"a.b\" = \"text/html\"\n", "2:1", &["a.b"]),
            ("[charsets]\nx = \"\"\n", "2:5", &["utf-8"]),
            ("[types]\nx = 1\n", "2:5", &["string"]),
            ("é = [\n", "1:6", &["]"]),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(&format!("site/.mkroot.toml:{place}: ")), "{text:?}: {error}");
            assert!(parts.iter().all(|part| error.contains(part)), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{error:?}");
        }
    }
}

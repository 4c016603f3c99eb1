//! File names → metadata: what the extensions say of type, languages, charset and codings (R1-R14).

use super::config::Config;
use super::type_map::Type;
use super::well_known;
use crate::http::grammar::is_token_byte;
use crate::resource::{Level, Policy, Quality};

/// What a file's name says of its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The base name and every extension that means nothing, in order (R8).
    pub residue: Vec<Vec<u8>>,
    /// Whether any extension means something; without, a file is no variant (R26).
    pub recognised: bool,
    /// The type, if the name gives one (R3, R10, R11).
    pub content_type: Option<ContentType>,
    /// The charset that an extension gives (R4).
    pub charset: Option<Vec<u8>>,
    /// Language tags joined by `,` (R5, R9).
    pub languages: Option<Vec<u8>>,
    /// Content codings joined by `", "` (R6).
    pub codings: Option<Vec<u8>>,
    /// Whether the name marks the file as a type map (R7).
    pub marked_as_map: bool,
}

/// The type that makes a file a type map, marked or not (R33).
const TYPE_MAP: &[u8] = b"application/x-type-map";

impl Metadata {
    /// Whether the file, a type map, takes the place of all other candidates (R29). To Apache one that is known by its type
    /// does only if that has no parameters, such as a charset from an extension; else it is a candidate like others.
    pub fn takes_over(&self, policy: Policy) -> bool {
        let bare = self.content_type.as_ref().is_some_and(|known| known.field_value == TYPE_MAP);
        self.is_type_map() && (self.marked_as_map || bare || policy == Policy::Modern)
    }

    /// What a request can ask for in a file: type, level and charset, languages, codings.
    pub fn asked_for(&self) -> impl PartialEq + '_ {
        let content_type = self.content_type.as_ref().map(|known| (&known.media_type, known.level, &known.charset));
        (content_type, &self.languages, &self.codings)
    }

    /// Whether the file is a type map (R33).
    pub fn is_type_map(&self) -> bool {
        self.marked_as_map || self.content_type.as_ref().is_some_and(|known| known.media_type == TYPE_MAP)
    }
}

/// A media type as it is sent and as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// The field value.
    pub field_value: Vec<u8>,
    /// `type/subtype` in lower case.
    pub media_type: Vec<u8>,
    /// Its level.
    pub level: Level,
    /// `qs`, or `q`.
    pub source_quality: Quality,
    /// Its charset in lower case.
    pub charset: Option<Vec<u8>>,
}

/// The tables in force for a site: what it declares, over what is well known.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'c> {
    config: &'c Config,
}

impl<'c> Naming<'c> {
    /// The tables that `config` asks for.
    pub fn new(config: &'c Config) -> Naming<'c> {
        Naming { config }
    }

    /// What `file_name` says.
    pub fn describe(&self, file_name: &[u8]) -> Metadata {
        let (base, extensions) = split(file_name);
        let mut metadata = Metadata { residue: vec![base.to_vec()], ..Metadata::default() };
        let type_maps = &self.config.type_maps;
        metadata.marked_as_map = std::str::from_utf8(file_name).is_ok_and(|name| type_maps.names.is_match(name));
        let mut type_value = None;
        // Extensions that are not UTF-8 mean nothing: every table's keys are.
        let fold = |extension: &[u8]| std::str::from_utf8(extension).unwrap_or_default().to_ascii_lowercase();
        let extensions: Vec<_> = extensions.collect();
        for (number, &extension) in extensions.iter().enumerate() {
            let folded = fold(extension);
            let entry = self.look_up(&folded);
            let typed_later =
                || extensions[number + 1..].iter().any(|later| self.look_up(&fold(later)).media_type.is_some());
            let marks = type_maps.extensions.contains(&folded) && (type_maps.anywhere || !typed_later());
            metadata.marked_as_map |= marks;
            // For Apache the mark alone does not make an extension known (R8, D19).
            if entry.is_empty() && !(marks && self.config.settings.policy == Policy::Modern) {
                metadata.residue.push(extension.to_vec());
                continue;
            }
            metadata.recognised = true;
            type_value = entry.media_type.or(type_value);
            if let Some(charset) = entry.charset {
                metadata.charset = Some(charset.into());
            }
            append(&mut metadata.languages, ",", entry.language);
            append(&mut metadata.codings, ", ", entry.coding);
        }
        metadata.content_type = type_value.map(|value| self.content_type(value, metadata.charset.as_deref()));
        if metadata.languages.is_none() {
            let tag = self.config.default_language.as_ref();
            metadata.languages = tag.map(|tag| match self.config.settings.policy {
                Policy::Modern => tag.to_ascii_lowercase().into_bytes(),
                Policy::Apache => tag.clone().into_bytes(), // and so no range equals it (B6)
            });
        }
        metadata
    }

    /// The type `value`, with the charset that an extension gives (R10, R11).
    pub fn content_type(&self, value: &str, charset: Option<&[u8]>) -> ContentType {
        let lower = value.to_ascii_lowercase();
        let parsed = MediaType::parse(&lower);
        let rendered = match &parsed {
            Some(parsed) => parsed.render(charset, &[]),
            None => lower.clone().into_bytes(),
        };
        let compared = Type::read(&rendered);
        let field_value = match &parsed {
            // What decides between variants is nobody else's business (D14).
            Some(parsed) if self.config.settings.policy == Policy::Modern => parsed.render(charset, &["qs", "level"]),
            _ => rendered,
        };
        match compared {
            Some(Type { media_type, charset, level, source_quality }) => {
                ContentType { field_value, media_type, level, source_quality, charset }
            }
            None => ContentType {
                field_value,
                media_type: Vec::new(),
                level: Level::of(b"", None),
                source_quality: Quality::FULL,
                charset: None,
            },
        }
    }

    /// What one extension, in lower case, means. What a site declares hides what is well known, and a
    /// declared language, charset or coding hides a well-known type (R14).
    fn look_up(&self, extension: &str) -> Entry<'c> {
        let Config { types, languages, charsets, encodings, builtin_extensions, .. } = self.config;
        let declared = Entry {
            media_type: types.get(extension).map(String::as_str),
            charset: charsets.get(extension).map(String::as_str),
            language: languages.get(extension).map(String::as_str),
            coding: encodings.get(extension).map(String::as_str),
        };
        if !declared.is_empty() || !builtin_extensions {
            return declared;
        }
        Entry {
            media_type: well_known::media_type(extension),
            charset: well_known::charset(extension),
            language: well_known::language(extension),
            coding: well_known::coding(extension),
        }
    }
}

/// What one extension means.
struct Entry<'c> {
    media_type: Option<&'c str>,
    charset: Option<&'c str>,
    language: Option<&'c str>,
    coding: Option<&'c str>,
}

impl Entry<'_> {
    fn is_empty(&self) -> bool {
        self.media_type.is_none() && self.charset.is_none() && self.language.is_none() && self.coding.is_none()
    }
}

/// Base name and extensions. Leading dots belong to the base; empty extensions do not count (R1).
fn split(file_name: &[u8]) -> (&[u8], impl Iterator<Item = &[u8]>) {
    let dots = file_name.iter().take_while(|&&byte| byte == b'.').count();
    let end = file_name[dots..].iter().position(|&byte| byte == b'.').map_or(file_name.len(), |end| dots + end);
    let (base, rest) = file_name.split_at(end);
    (base, rest.split(|&byte| byte == b'.').filter(|extension| !extension.is_empty()))
}

fn append(list: &mut Option<Vec<u8>>, separator: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    match list {
        Some(list) => {
            list.extend(separator.bytes());
            list.extend(value.bytes());
        }
        None => *list = Some(value.into()),
    }
}

/// A media type taken apart: essence and parameters, quotes kept.
struct MediaType<'a> {
    essence: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> MediaType<'a> {
    /// `None` if it is no media type by RFC 9110, section 8.3.1, read as Apache reads it: a name at the end
    /// without a value is dropped, white space may stand everywhere but within and behind a token that is a value.
    fn parse(value: &'a str) -> Option<MediaType<'a>> {
        let essence_end = value.find([';', ' ', '\t']).unwrap_or(value.len());
        let (essence, rest) = value.split_at(essence_end);
        let (main, sub) = essence.split_once('/')?;
        if !is_token(main) || !is_token(sub) {
            return None;
        }
        let mut parameters = Vec::new();
        let rest = rest.trim_start_matches(WHITE);
        if rest.is_empty() {
            return Some(MediaType { essence, parameters });
        }
        let mut rest = rest.strip_prefix(';')?.trim_start_matches(WHITE);
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let name_end = rest.find(|c| !is_token_character(c) && !WHITE.contains(&c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            if after.is_empty() {
                break;
            }
            let text = after.strip_prefix('=')?.trim_start_matches(WHITE);
            let name = name.trim_matches(WHITE);
            let length = match text.strip_prefix('"') {
                Some(quoted) => closing_quote(quoted)? + 2,
                None => text.find(|c| !is_token_character(c)).unwrap_or(text.len()),
            };
            let (text, tail) = text.split_at(length);
            let tail = if text.starts_with('"') { tail.trim_start_matches(WHITE) } else { tail };
            if name.is_empty() || text.is_empty() || !(tail.is_empty() || tail.starts_with(';')) {
                return None;
            }
            parameters.push((name, text));
            rest = tail.get(1..).unwrap_or_default().trim_start_matches(WHITE);
        }
        Some(MediaType { essence, parameters })
    }

    /// As a field value. `charset` takes the place of the first charset parameter, or comes last;
    /// parameters named in `without` are left out.
    fn render(&self, charset: Option<&[u8]>, without: &[&str]) -> Vec<u8> {
        let mut out = self.essence.as_bytes().to_vec();
        let mut push = |name: &str, value: &[u8]| {
            out.extend(b"; ");
            out.extend(name.bytes());
            out.push(b'=');
            out.extend(value);
        };
        let mut charset_to_come = charset;
        for &(name, value) in self.parameters.iter().filter(|(name, _)| !without.contains(name)) {
            match (name, charset) {
                ("charset", Some(_)) => {
                    if let Some(charset) = charset_to_come.take() {
                        push(name, charset);
                    }
                }
                _ => push(name, value.as_bytes()),
            }
        }
        if let Some(charset) = charset_to_come {
            push("charset", charset);
        }
        out
    }
}

/// White space within a media type.
const WHITE: [char; 3] = [' ', '\t', '\n'];

/// Where a quoted string ends whose first quote was passed; a backslash quotes the next character.
fn closing_quote(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some(place),
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
    None
}

/// Whether `text` is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_character)
}

fn is_token_character(character: char) -> bool {
    u8::try_from(character).is_ok_and(is_token_byte)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::default().refined(text, Path::new("test"), b"/").unwrap()
    }

    fn text(bytes: impl AsRef<[u8]>) -> String {
        String::from_utf8_lossy(bytes.as_ref()).into_owned()
    }

    /// Field value of the type, languages, codings, residue.
    fn described(config: &Config, name: &str) -> (String, String, String, String) {
        let metadata = Naming::new(config).describe(name.as_bytes());
        (
            metadata.content_type.map(|content_type| text(content_type.field_value)).unwrap_or_default(),
            metadata.languages.map(text).unwrap_or_default(),
            metadata.codings.map(text).unwrap_or_default(),
            metadata.residue.iter().map(text).collect::<Vec<_>>().join(" "),
        )
    }

    #[test]
    fn names_are_read_as_apache_reads_them() {
        let config = config("");
        for (name, content_type, languages, codings, residue) in [
            ("a.html.en", "text/html", "en", "", "a"),
            ("a.en.html", "text/html", "en", "", "a"),
            ("a.HTML.EN", "text/html", "en", "", "a"),
            ("a.html.pdf", "application/pdf", "", "", "a"),
            ("a.html.utf8.latin2", "text/html; charset=iso-8859-2", "", "", "a"),
            ("a.html.en.fr.en", "text/html", "en,fr,en", "", "a"),
            ("a.html.gz.Z", "text/html", "", "gzip, compress", "a"),
            ("a.html.es", "text/html", "es", "", "a"),
            ("a.html.zzq", "text/html", "", "", "a zzq"),
            ("a..html", "text/html", "", "", "a"),
            ("b.html.", "text/html", "", "", "b"),
            (".c.html", "text/html", "", "", ".c"),
            ("txt.html", "text/html", "", "", "txt"),
            ("a.en", "", "en", "", "a"),
            ("e", "", "", "", "e"),
            ("trait.Read.html", "text/html", "", "", "trait Read"),
        ] {
            let expected = (content_type.into(), languages.into(), codings.into(), residue.into());
            assert_eq!(described(&config, name), expected, "{name}");
        }
    }

    #[test]
    fn type_maps_are_known_by_mark_or_by_type() {
        let modern = config("");
        let apache = config(
            "[negotiation]\npolicy = \"apache\"\nbuiltin-extensions = false\ntype-maps = [\"*.var\", \"map.*\"]\n\
                             [types]\ntm = \"application/x-type-map\"\n",
        );
        for (config, name, is_map, residue) in [
            (&modern, "m.var", true, "m"),
            (&modern, "m.html.VAR", true, "m"),
            (&modern, "m.html", false, "m"),
            (&modern, "fn.var.html", false, "fn var"),
            (&apache, "fn.var.html", true, "fn var html"),
            (&apache, "m.var", true, "m var"),
            (&apache, "map.x", true, "map x"),
            (&apache, "m.tm", true, "m"),
            (&apache, "m.x", false, "m x"),
        ] {
            assert_eq!(Naming::new(config).describe(name.as_bytes()).is_type_map(), is_map, "{name}");
            assert_eq!(described(config, name).3, residue, "{name}");
        }
    }

    #[test]
    fn default_language_is_that_of_unmarked_files() {
        let config = config("[negotiation]\ndefault-language = \"pt-BR\"\n");
        assert_eq!(described(&config, "a.html").1, "pt-br");
        assert_eq!(described(&config, "a.html.fr").1, "fr");
    }

    #[test]
    fn parameters_decide_and_are_not_sent() {
        let modern = config("[types]\nz = \"Text/HTML;Charset=UTF-8; QS=0.5;level=3;foo=BAR\"\n");
        let metadata = Naming::new(&modern).describe(b"a.z");
        let content_type = metadata.content_type.unwrap();
        assert_eq!(text(&content_type.field_value), "text/html; charset=utf-8; foo=bar");
        assert_eq!(content_type.media_type, b"text/html");
        assert_eq!(content_type.source_quality.thousandths(), 500);
        assert_eq!(content_type.level, Level { value: 3, declared: true });
        assert_eq!(content_type.charset.as_deref(), Some(&b"utf-8"[..]));
        assert_eq!(described(&modern, "a.z.latin2").0, "text/html; charset=iso-8859-2; foo=bar");

        let apache =
            config("[negotiation]\npolicy = \"apache\"\n[types]\nz = \"text/html;qs=0.5\"\nx = \"text/html;\"\n");
        assert_eq!(described(&apache, "a.z").0, "text/html; qs=0.5");
        assert_eq!(described(&apache, "a.x.utf8").0, "text/html;");
    }

    #[test]
    fn media_types_are_taken_apart_as_apache_does() {
        for (value, rendered) in [
            ("text/html", Some("text/html")),
            ("text/html ;level=3;qs=0.8;x", Some("text/html; level=3; qs=0.8")),
            ("text/html; a b = \"c;\\\"d\" ; e=f;", Some("text/html; a b=\"c;\\\"d\"; e=f")),
            ("text/html;", None),
            ("text/html; a=b c", None),
            ("text/html; a=b ;c=d", None),
            ("text/html; a;c=d", None),
            ("text/html; a=", None),
            ("text/html; a=\"b", None),
            ("text", None),
        ] {
            let parsed = MediaType::parse(value).map(|parsed| text(parsed.render(None, &[])));
            assert_eq!(parsed.as_deref(), rendered, "{value}");
        }
    }

    #[test]
    fn a_declared_language_is_no_type_any_more() {
        let config = config("[languages]\nps = \"ps\"\n");
        assert_eq!(described(&config, "a.html.ps"), ("text/html".into(), "ps".into(), String::new(), "a".into()));
    }
}

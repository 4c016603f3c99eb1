//! What is compared: a site with its configuration, and a request. Both can be written down for either server.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// When every file was changed: 2020-01-01T00:00:00Z.
const MODIFIED: Duration = Duration::from_secs(1_577_836_800);

/// A site and a request to it.
#[derive(Clone, Debug)]
pub struct Case {
    pub site: Site,
    pub request: Request,
}

/// Files by path, without a slash in front, and settings by directory: `""` or with a slash behind.
#[derive(Clone, Debug, Default)]
pub struct Site {
    pub files: BTreeMap<String, Content>,
    pub settings: BTreeMap<String, Settings>,
    /// Apache always is; see [`Request::bytes_for_apache`] for what is done about it.
    pub transparent: bool,
}

/// What is in a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// So many bytes, which tell the file from all others as long as there are enough of them.
    Tagged(usize),
    /// A type map: its lines, with what ends them.
    Map(Vec<String>),
}

/// The settings of a directory. Those that are `None` come from the directory above, and the tables add to its
/// tables. In the root all are there but `default_language`.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub language_priority: Option<Vec<String>>,
    pub force_language_priority: Option<Vec<String>>,
    pub default_language: Option<String>,
    pub directory_index: Option<Vec<String>>,
    pub type_maps: Option<Vec<String>>,
    pub types: BTreeMap<String, String>,
    pub languages: BTreeMap<String, String>,
    pub charsets: BTreeMap<String, String>,
    pub encodings: BTreeMap<String, String>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    /// The target, in two parts: the path, and the query with its question mark or nothing.
    pub path: String,
    pub query: String,
    pub version: &'static str,
    /// Besides Host and Content-Length.
    pub fields: Vec<(String, String)>,
}

impl Site {
    /// The bytes of a file.
    pub fn content(&self, path: &str) -> Vec<u8> {
        match &self.files[path] {
            Content::Tagged(size) => format!("[{path}]").bytes().cycle().take(*size).collect(),
            Content::Map(lines) => lines.concat().into_bytes(),
        }
    }

    /// The directories: `""`, and all others with a slash behind.
    pub fn directories(&self) -> Vec<String> {
        let mut directories = vec![String::new()];
        for path in self.files.keys() {
            directories.extend(path.match_indices('/').map(|(slash, _)| path[..=slash].to_string()));
        }
        directories.sort();
        directories.dedup();
        directories
    }

    /// What holds in `directory`: the nearest settings that say something.
    pub fn setting<T>(&self, directory: &str, of: impl Fn(&Settings) -> Option<T>) -> Option<T> {
        let above = self.settings.iter().filter(|(other, _)| directory.starts_with(other.as_str()));
        above.filter_map(|(_, settings)| of(settings)).last()
    }

    /// Writes the site into a directory, with settings for both servers.
    pub fn write(&self, root: &Path) {
        fs::create_dir_all(root).expect("a directory");
        for path in self.files.keys() {
            let file = root.join(path);
            fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
            fs::write(&file, self.content(path)).expect("a file");
            let file = fs::File::options().write(true).open(&file).expect("the file");
            file.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).expect("its time");
        }
        for directory in self.settings.keys() {
            fs::create_dir_all(root.join(directory)).expect("a directory");
            fs::write(root.join(directory).join(".mkroot.toml"), self.toml(directory)).expect("a file");
            fs::write(root.join(directory).join(".htaccess"), self.htaccess(directory)).expect("a file");
        }
    }

    /// The settings of a directory as connegd has them.
    pub fn toml(&self, directory: &str) -> String {
        let settings = &self.settings[directory];
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mut text = "[negotiation]\n".to_string();
        if directory.is_empty() {
            let transparent = if self.transparent { "transparent = true\n" } else { "" };
            text += &format!("policy = \"apache\"\nbuiltin-extensions = false\n{transparent}");
        }
        if let Some(language) = &settings.default_language {
            let _ = writeln!(text, "default-language = {}", quoted(language));
        }
        for (key, values) in [
            ("language-priority", &settings.language_priority),
            ("force-language-priority", &settings.force_language_priority),
            ("directory-index", &settings.directory_index),
            ("type-maps", &settings.type_maps),
        ] {
            let Some(values) = values else { continue };
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            let _ = writeln!(text, "{key} = [{}]", values.join(", "));
        }
        for (name, table) in settings.tables() {
            let _ = writeln!(text, "[{name}]");
            for (extension, value) in table {
                let _ = writeln!(text, "{} = {}", quoted(extension), quoted(value));
            }
        }
        text
    }

    /// The settings of a directory as Apache has them.
    pub fn htaccess(&self, directory: &str) -> String {
        let settings = &self.settings[directory];
        let mut text = String::new();
        for (name, values, empty) in [
            // There is no way to unsay the list of the directory above; a language that no variant has will do.
            ("LanguagePriority", settings.language_priority.clone(), "!none"),
            ("ForceLanguagePriority", settings.force_language_priority.clone(), "None"),
            ("DefaultLanguage", settings.default_language.clone().map(|language| vec![language]), ""),
            ("DirectoryIndex", settings.directory_index.clone(), "disabled"),
        ] {
            let Some(values) = values else { continue };
            let values: Vec<_> = values.iter().map(|value| in_quotes(value)).collect();
            text += &format!("{name} {}\n", if values.is_empty() { empty.to_string() } else { values.join(" ") });
        }
        let names = ["AddType", "AddLanguage", "AddCharset", "AddEncoding"];
        for (name, (_, table)) in names.into_iter().zip(settings.tables()) {
            for (extension, value) in table {
                text += &format!("{name} {} {}\n", in_quotes(value), in_quotes(extension));
            }
        }
        if let Some(globs) = &settings.type_maps {
            let mark = |glob: &String, handler| match as_extension(glob) {
                Some(extension) if handler == "None" => format!("RemoveHandler {}\n", in_quotes(extension)),
                Some(extension) => format!("AddHandler {handler} {}\n", in_quotes(extension)),
                None => format!("<Files {}>\nSetHandler {handler}\n</Files>\n", in_quotes(glob)),
            };
            // The list replaces that of the directory above. What a file both removes and adds is removed.
            let above = if directory.is_empty() { None } else { self.type_maps(parent(directory)) };
            let is_kept = |glob: &&String| globs.iter().any(|new| new.eq_ignore_ascii_case(glob));
            let dropped = above.iter().flatten().filter(|glob| !is_kept(glob));
            text.extend(dropped.map(|glob| mark(glob, "None")));
            text.extend(globs.iter().map(|glob| mark(glob, "type-map")));
        }
        text
    }

    fn type_maps(&self, directory: &str) -> Option<Vec<String>> {
        self.setting(directory, |settings| settings.type_maps.clone())
    }

    /// Whether the setting `type-maps` or the type makes this path that of a type map. There need not be a file.
    pub fn is_map(&self, path: &str) -> bool {
        let (directory, name) = split(path);
        let extensions: Vec<_> = name.split('.').skip(1).map(str::to_ascii_lowercase).collect();
        let globs = self.type_maps(directory).unwrap_or_default();
        let marked = globs.iter().any(|glob| match as_extension(glob) {
            Some(extension) => extensions.contains(&extension.to_ascii_lowercase()),
            None => globset::Glob::new(glob).expect("a glob").compile_matcher().is_match(name),
        });
        let tables = || self.settings.values().map(|settings| &settings.types);
        marked
            || extensions.iter().any(|extension| {
                tables().any(|types| types.iter().any(|(key, value)| is_key(key, extension) && is_map_type(value)))
            })
    }
}

/// The two names of a path: that of the directory, with a slash behind, and that of the file.
pub fn split(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

/// The directory above a directory.
fn parent(directory: &str) -> &str {
    split(directory.trim_end_matches('/')).0
}

/// An argument of a directive.
fn in_quotes(argument: &str) -> String {
    format!("\"{}\"", argument.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether a key of a table stands for an extension in lower case.
pub fn is_key(key: &str, extension: &str) -> bool {
    key.trim_start_matches('.').eq_ignore_ascii_case(extension)
}

pub fn is_map_type(value: &str) -> bool {
    value.to_ascii_lowercase().starts_with("application/x-type-map")
}

/// The extension that a glob stands for, with its dot, if it stands for one: that is AddHandler's business.
fn as_extension(glob: &str) -> Option<&str> {
    glob.strip_prefix('*').filter(|rest| rest.starts_with('.') && !rest[1..].contains(['.', '*', '?', '[', ']']))
}

impl Settings {
    fn tables(&self) -> [(&'static str, &BTreeMap<String, String>); 4] {
        [
            ("types", &self.types),
            ("languages", &self.languages),
            ("charsets", &self.charsets),
            ("encodings", &self.encodings),
        ]
    }
}

impl Request {
    /// The head of the request to a host.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let Request { method, path, query, version, fields } = self;
        let mut head = format!("{method} {path}{query} {version}\r\nHost: {host}\r\n");
        if version.ends_with('0') {
            head += "Connection: keep-alive\r\n";
        }
        if *method == "POST" {
            head += "Content-Length: 0\r\n";
        }
        for (name, value) in fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    /// As [`Request::bytes`], for Apache. Where connegd ignores Negotiate, Apache does not get to see it.
    pub fn bytes_for_apache(&self, host: &str, transparent: bool) -> Vec<u8> {
        let mut request = self.clone();
        request.fields.retain(|(name, _)| transparent || !name.eq_ignore_ascii_case("Negotiate"));
        request.bytes(host)
    }
}

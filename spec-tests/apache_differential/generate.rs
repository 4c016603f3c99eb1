//! Random sites and requests. They are made so that variants tie in one dimension after the other, and of the
//! parts that real clients and real sites are made of, with some nonsense mixed in.

mod map;
mod request;
mod site;

pub use request::request;
pub use site::site;

use crate::support::random::Random;

/// What sites and requests may make use of.
#[derive(Clone, Copy)]
pub struct Features {
    /// Type maps.
    pub maps: bool,
    /// `transparent = true`.
    pub transparent: bool,
    /// POST, OPTIONS, DELETE.
    pub methods: bool,
    /// Paths that go on behind a file.
    pub path_info: bool,
    /// `.mkroot.toml` in directories below the root.
    pub per_directory: bool,
    /// `x-gzip` and the like, which change with the request (R75).
    pub x_codings: bool,
    /// Preconditions, and ranges of one part.
    pub conditions: bool,
}

impl Features {
    /// Those that a list with commas names, or all if there is none.
    pub fn named(list: Option<&str>) -> Features {
        let names: Option<Vec<_>> = list.map(|list| list.split(',').filter(|name| !name.is_empty()).collect());
        const KNOWN: [&str; 7] =
            ["maps", "transparent", "methods", "path-info", "per-directory", "x-codings", "conditions"];
        for name in names.iter().flatten() {
            assert!(KNOWN.contains(name), "{name} is no feature; there are {}", KNOWN.join(", "));
        }
        let [maps, transparent, methods, path_info, per_directory, x_codings, conditions] =
            KNOWN.map(|name| names.as_ref().is_none_or(|names| names.contains(&name)));
        Features { maps, transparent, methods, path_info, per_directory, x_codings, conditions }
    }
}

// Extensions, and what they mean in most sites.

const TYPES: [(&str, &str); 16] = [
    ("html", "text/html"),
    ("htm", "text/html"),
    ("txt", "text/plain"),
    ("css", "text/css"),
    ("md", "text/markdown"),
    ("ttl", "text/turtle"),
    ("json", "application/json"),
    ("rdf", "application/rdf+xml"),
    ("xh", "application/xhtml+xml"),
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("avif", "image/avif"),
    ("sph", "text/x-server-parsed-html"),
    ("sph3", "text/x-server-parsed-html3"),
    ("h1", "text/html;level=1"),
    ("h3", "text/html;level=3"),
];
const SOURCE_QUALITIES: [&str; 14] =
    ["0.5", "0.9", "0.3", "0.1", "0.8", "0.5", "0.9", "0.8", "1", "0", "0.001", "0.0009", "x", "\"0.7\""];
const OTHER_PARAMETERS: [&str; 9] = [
    "level=1",
    "level=2",
    "level=4",
    "charset=utf-8",
    "Charset=ISO-8859-1",
    "charset=\"UTF-8\"",
    "foo=BAR",
    "charset=",
    "x",
];
const LANGUAGES: [(&str, &str); 13] = [
    ("en", "en"),
    ("fr", "fr"),
    ("de", "de"),
    ("es", "ES"),
    ("pt", "pt"),
    ("en-gb", "en-GB"),
    ("us", "en-us"),
    ("pt-br", "pt-BR"),
    ("eng", "eng"),
    ("hant", "zh-Hant-TW"),
    ("zh", "zh"),
    ("kl", "i-klingon"),
    ("fil", "fil"),
];
const CHARSETS: [(&str, &str); 5] =
    [("utf8", "utf-8"), ("latin1", "ISO-8859-1"), ("latin2", "iso-8859-2"), ("koi8", "KOI8-R"), ("u8", "UTF-8")];
const CODINGS: [(&str, &str); 8] = [
    ("gz", "gzip"),
    ("br", "br"),
    ("zst", "zstd"),
    ("Z", "compress"),
    ("gzz", "GZIP"),
    ("id", "identity"),
    ("bin", "binary"),
    ("7", "7bit"),
];
const X_CODINGS: [(&str, &str); 3] = [("gz", "x-gzip"), ("xz", "X-GZip"), ("Z", "x-compress")];

/// The bases of type maps' names.
const MAP_BASES: [&str; 5] = ["m", "n", "o", "index", "map"];

fn random_case(random: &mut Random, text: &str, chance: usize) -> String {
    if random.percent(chance) { text.to_ascii_uppercase() } else { text.to_string() }
}

/// A parameter of the type of a variant.
fn type_parameter(random: &mut Random) -> String {
    if random.percent(40) {
        return random.pick(&OTHER_PARAMETERS).to_string();
    }
    format!("{}={}", random.pick(&["qs", "qs", "qs", "qs", "QS", "q"]), random.pick(&SOURCE_QUALITIES))
}

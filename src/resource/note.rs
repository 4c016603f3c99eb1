//! What about a site may surprise its author.

use serde::{Deserialize, Serialize};

/// Something about a resource that was noticed when its site was packed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The path of a file or resource within the site; what is not UTF-8 is shown as U+FFFD.
    pub path: String,
    /// The line in that file, from 1, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What about it, as the end of a sentence that begins with its name.
    pub what: String,
}

impl Note {
    /// A note about the file or resource with this key.
    pub fn about(key: &[u8], line: Option<usize>, what: impl Into<String>) -> Note {
        Note { path: String::from_utf8_lossy(key).into_owned(), line, what: what.into() }
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{} {}", self.path, self.what),
        }
    }
}

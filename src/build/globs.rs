//! Globs of `.mkroot.toml`: which files, and which directories, of a site they are for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use globset::{GlobBuilder, GlobMatcher};

use super::walk::last_segment;

/// Files of a site, by a glob.
#[derive(Clone, Debug)]
pub struct Files {
    paths: Paths,
    /// Whether these are all there are.
    all: bool,
}

impl Files {
    /// Files that match `pattern`, which stands in a file in `directory`.
    ///
    /// # Errors
    ///
    /// If it is no glob, or cannot match any file.
    pub fn new(pattern: &str, directory: &[u8]) -> Result<Files, String> {
        if pattern.is_empty() || pattern.ends_with('/') {
            return Err(format!("{pattern:?} matches no file; expected a glob such as \"*.html\" or \"/assets/**\""));
        }
        check_anchor(pattern, "*.html")?;
        let paths = match pattern.strip_prefix('/') {
            Some(path) => Paths::below(directory, path)?,
            None => Paths::called(pattern)?,
        };
        Ok(Files { paths, all: pattern == "/**" && directory == b"/" })
    }

    /// Whether these are all there are.
    pub fn are_all(&self) -> bool {
        self.all
    }

    /// Whether the file with this key is one of them.
    pub fn contain(&self, key: &[u8]) -> bool {
        self.paths.contain(key, last_segment(key))
    }
}

/// Directories of a site, by a glob.
#[derive(Clone, Debug)]
pub struct Directories {
    paths: Paths,
}

impl Directories {
    /// Directories that match `pattern`, which stands in a file in `directory`. Their paths end in a slash, so `/d/**`
    /// is `/d/` itself and all below it; that `/d` is meant for `/d/` goes without saying.
    ///
    /// # Errors
    ///
    /// If it is no glob, or cannot match any directory.
    pub fn new(pattern: &str, directory: &[u8]) -> Result<Directories, String> {
        if pattern.is_empty() {
            return Err("\"\" matches no directory; expected a glob such as \"/downloads/**\" or \"pub\"".into());
        }
        let paths = match pattern.strip_prefix('/') {
            Some(path) if path.is_empty() || path.ends_with('/') || path.ends_with("**") => {
                Paths::below(directory, path)?
            }
            Some(path) => Paths::below(directory, &format!("{path}/"))?,
            None => {
                let name = pattern.strip_suffix('/').unwrap_or(pattern);
                check_anchor(name, "pub")?;
                Paths::called(name)?
            }
        };
        Ok(Directories { paths })
    }

    /// Whether the directory with this key, which ends in a slash, is one of them.
    pub fn contain(&self, key: &[u8]) -> bool {
        self.paths.contain(key, last_segment(key))
    }
}

/// What a glob matches: paths from a directory on, or names wherever they are.
#[derive(Clone, Debug)]
struct Paths {
    directory: Option<Vec<u8>>,
    glob: GlobMatcher,
}

impl Paths {
    fn below(directory: &[u8], pattern: &str) -> Result<Paths, String> {
        Ok(Paths { directory: Some(directory.to_vec()), glob: glob(pattern)? })
    }

    fn called(pattern: &str) -> Result<Paths, String> {
        Ok(Paths { directory: None, glob: glob(pattern)? })
    }

    fn contain(&self, key: &[u8], name: &[u8]) -> bool {
        let matched = match &self.directory {
            Some(directory) => key.strip_prefix(&directory[..]),
            None => Some(name),
        };
        matched.is_some_and(|matched| self.glob.is_match(OsStr::from_bytes(matched)))
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    Ok(glob.map_err(|error| error.to_string().replace('\n', ", "))?.compile_matcher())
}

/// A glob for paths begins with a slash; one for names, such as `name`, has none.
fn check_anchor(pattern: &str, name: &str) -> Result<(), String> {
    if pattern.starts_with('/') || !pattern.contains('/') {
        return Ok(());
    }
    Err(format!(
        "{pattern:?} has a slash but does not begin with one; expected \"/{pattern}\" for paths from this directory on, or \
         a glob for names such as {name:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, directory: &str, key: &str) -> bool {
        Files::new(pattern, directory.as_bytes()).unwrap().contain(key.as_bytes())
    }

    #[test]
    fn globs_are_for_names_or_anchored() {
        for (pattern, directory, key, expected) in [
            ("/**", "/", "/a", true),
            ("/**", "/", "/a/b/.c", true),
            ("/**", "/d/", "/d/a/b", true),
            ("/**", "/d/", "/a", false),
            ("*.html", "/", "/a.html", true),
            ("*.html", "/d/", "/d/e/f/a.html", true),
            ("*.html", "/", "/a.html.en", false),
            ("*.html*", "/", "/a.html.en", true),
            ("/*.html", "/", "/a.html", true),
            ("/*.html", "/", "/d/a.html", false),
            ("/*.html", "/d/", "/d/a.html", true),
            ("/d/**", "/", "/d/a/b", true),
            ("/d/**", "/", "/e/d/a", false),
            ("/**/a", "/", "/a", true),
            ("/**/a", "/", "/d/e/a", true),
            ("/{a,b}/?", "/", "/b/x", true),
            ("/{a,b}/?", "/", "/b/xy", false),
            ("a", "/", "/d/a", true),
            ("d", "/", "/d/a", false),
            ("*", "/[x]/", "/[x]/a", true),
            ("/*", "/[x]/", "/[x]/a", true),
        ] {
            assert_eq!(matches(pattern, directory, key), expected, "{pattern} in {directory}: {key}");
        }
        let latin = Files::new("/*.txt", b"/").unwrap();
        assert!(latin.contain(b"/\xff.txt"));
        for pattern in ["", "/", "/d/", "d/*.html", "**/x", "{"] {
            assert!(Files::new(pattern, b"/").is_err(), "{pattern}");
        }
    }

    #[test]
    fn directories_end_in_a_slash() {
        for (pattern, directory, key, expected) in [
            ("/**", "/", "/", true),
            ("/**", "/", "/d/e/", true),
            ("/**", "/d/", "/d/", true),
            ("/**", "/d/", "/e/", false),
            ("/", "/", "/", true),
            ("/", "/", "/d/", false),
            ("/", "/d/", "/d/", true),
            ("/d/**", "/", "/d/", true),
            ("/d/**", "/", "/d/e/f/", true),
            ("/d/**", "/", "/de/", false),
            ("/d/", "/", "/d/", true),
            ("/d", "/", "/d/", true),
            ("/d", "/", "/d/e/", false),
            ("/*", "/", "/d/", true),
            ("/*", "/", "/d/e/", false),
            ("/*/", "/", "/", false),
            ("/d/*", "/", "/d/e/", true),
            ("/d/*", "/", "/d/", false),
            ("/**/pub", "/", "/pub/", true),
            ("/**/pub", "/", "/d/pub/", true),
            ("/{d,e}", "/", "/e/", true),
            ("pub", "/", "/d/pub/", true),
            ("pub/", "/", "/d/pub/", true),
            ("pub", "/", "/pub/d/", false),
            ("pub", "/pub/", "/pub/", true),
            ("p*", "/", "/d/pub/", true),
            ("*", "/", "/", true),
        ] {
            let directories = Directories::new(pattern, directory.as_bytes()).unwrap();
            assert_eq!(directories.contain(key.as_bytes()), expected, "{pattern} in {directory}: {key}");
        }
        assert!(Directories::new("/\u{e9}*", b"/").unwrap().contain("/\u{e9}t\u{e9}/".as_bytes()));
        assert!(Directories::new("/d*", b"/").unwrap().contain(b"/d\xff/"));
        for pattern in ["", "d/*", "**/x", "{"] {
            assert!(Directories::new(pattern, b"/").is_err(), "{pattern}");
        }
    }
}

//! What decides which file a path leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// The way that a path leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The paths of all links on the way, and of what is there in the end. No directory in them is a link, and it need not
    /// be there.
    pub steps: BTreeSet<PathBuf>,
    /// What is there in the end.
    pub end: PathBuf,
}

impl Way {
    /// The way from `directory`, an absolute path without links, to `path`.
    pub fn of(directory: &Path, path: &Path) -> Way {
        let mut steps = BTreeSet::new();
        let mut here = directory.to_path_buf();
        let mut ahead = vec![path.to_path_buf()];
        let mut links = 0;
        while let Some(path) = ahead.pop() {
            let mut components = path.components();
            let Some(first) = components.next() else { continue };
            if !components.as_path().as_os_str().is_empty() {
                ahead.push(components.as_path().to_path_buf());
            }
            match first {
                Component::Prefix(_) | Component::CurDir => continue,
                Component::RootDir => {
                    here = PathBuf::from("/");
                    continue;
                }
                Component::ParentDir => {
                    here.pop();
                    continue;
                }
                Component::Normal(_) => {}
            }
            let next = here.join(first);
            match next.read_link() {
                Ok(target) if links < MOST_LINKS => {
                    links += 1;
                    steps.insert(next);
                    ahead.push(target);
                }
                _ => here = next,
            }
        }
        steps.insert(here.clone());
        Way { steps, end: here }
    }

    /// Whether what happens at `path`, which does not lead through links, may change the way.
    pub fn leads_through(&self, path: &Path) -> bool {
        self.steps.iter().any(|step| step.starts_with(path))
    }

    /// Whether an entry of `directory` decides.
    pub fn depends_on(&self, directory: &Path) -> bool {
        self.steps.iter().any(|step| step.parent() == Some(directory))
    }
}

/// What a map has at `path` and below.
pub(super) fn below<'m, V>(
    map: &'m BTreeMap<PathBuf, V>,
    path: &'m Path,
) -> impl Iterator<Item = (&'m PathBuf, &'m V)> + 'm {
    let from = map.range::<Path, _>((Bound::Included(path), Bound::Unbounded));
    from.take_while(move |(found, _)| found.starts_with(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_one_by_one() {
        let root = tempfile::tempdir().expect("a directory");
        let root = root.path().canonicalize().expect("a path");
        for directory in ["hosts", "releases/1", "files"] {
            std::fs::create_dir_all(root.join(directory)).expect("a directory");
        }
        symlink("releases/1", root.join("current")).expect("a link");
        symlink("../current/a.webroot", root.join("hosts/a")).expect("a link");
        symlink(root.join("files/b.webroot"), root.join("hosts/b")).expect("a link");
        symlink("loop", root.join("hosts/loop")).expect("a link");
        symlink("../missing/x", root.join("hosts/lost")).expect("a link");
        symlink("..", root.join("hosts/up")).expect("a link");
        std::fs::write(root.join("hosts/c"), "").expect("a file");
        let shown = |path: &Path| path.strip_prefix(&root).expect("a path below").display().to_string();
        let found = |name: &str| {
            let way = Way::of(&root.join("hosts"), Path::new(name));
            (way.steps.iter().map(|step| shown(step)).collect::<Vec<_>>(), shown(&way.end))
        };
        for (name, steps, end) in [
            ("a", &["current", "hosts/a", "releases/1/a.webroot"][..], "releases/1/a.webroot"),
            ("b", &["files/b.webroot", "hosts/b"], "files/b.webroot"),
            ("c", &["hosts/c"], "hosts/c"),
            ("none", &["hosts/none"], "hosts/none"),
            ("loop", &["hosts/loop"], "hosts/loop"),
            ("lost", &["hosts/lost", "missing/x"], "missing/x"),
            ("up", &["", "hosts/up"], ""),
            ("up/current/./../2", &["current", "hosts/up", "releases/2"], "releases/2"),
        ] {
            assert_eq!(found(name), (steps.iter().map(|step| step.to_string()).collect(), end.into()), "{name}");
        }
        assert_eq!(Way::of(Path::new("/"), &root.join("files")).end, root.join("files"));
    }

    #[test]
    fn what_happens_above_changes_the_way() {
        let way = Way::of(Path::new("/"), Path::new("/nonexistent/a/b"));
        for (path, expected) in [
            ("/nonexistent", true),
            ("/nonexistent/a/b", true),
            ("/nonexistent/a/b/c", false),
            ("/nonexistent/x", false),
        ] {
            assert_eq!(way.leads_through(Path::new(path)), expected, "{path}");
        }
    }
}

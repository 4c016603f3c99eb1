//! The direction in which data flows, read off the `use crate::` lines.

use std::fs;
use std::path::Path;

/// Which modules each may use; see the table in lib.rs.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("resource", &[]),
    ("sys", &[]),
    ("http", &["resource"]),
    ("webroot", &["resource", "sys", "http"]),
    ("negotiation", &["resource", "http"]),
    ("answer", &["resource", "http", "negotiation", "webroot"]),
    ("build", &["resource", "http", "webroot", "sys"]),
    ("runtime", &["answer", "http", "webroot", "sys"]),
    ("live", &["resource", "build", "webroot", "runtime", "sys"]),
    ("ops", &["resource", "http", "negotiation", "webroot", "answer", "runtime"]),
    ("cli", &["resource", "build", "answer", "http", "webroot", "runtime", "live", "ops"]),
];

fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs::read_to_string(&path).expect("a source")));
        }
    }
}

fn of_module(module: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module), &mut found);
    assert!(!found.is_empty());
    found
}

#[test]
fn modules_use_only_what_lies_below_them() {
    for (module, allowed) in MAY_USE {
        for (path, source) in of_module(module) {
            for line in source.lines() {
                let Some(rest) =
                    line.trim_start().split("crate::").nth(1).filter(|_| !line.trim_start().starts_with("//"))
                else {
                    continue;
                };
                let used = rest.split([':', ';', '{', ' ', '>', '<', '(', ')', ',']).next().unwrap_or_default();
                let known = used == module || allowed.contains(&used);
                assert!(known, "{path}: {module} uses {used}: {line}");
            }
        }
    }
}

#[test]
fn pure_modules_touch_neither_files_nor_sockets_nor_clocks() {
    for module in ["resource", "negotiation", "answer"] {
        for (path, source) in of_module(module) {
            for word in ["std::fs", "std::net", "std::env", "std::io", "SystemTime", "Instant", "std::thread"] {
                assert!(!source.contains(word), "{path}: {word}");
            }
        }
    }
}

#[test]
fn unsafe_lives_in_sys() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    for (path, source) in all {
        let blocks =
            source.lines().filter(|line| line.contains("unsafe {") && !line.trim_start().starts_with("//")).count();
        assert!(blocks == 0 || path.contains("/sys/"), "{path}");
        assert!(source.matches("SAFETY:").count() >= blocks, "{path}: an unsafe block without its reason");
    }
}

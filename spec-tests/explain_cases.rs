//! Golden traces: each file of fixtures/explain holds arguments for `mkroot explain`, one a line, then a line
//! of dashes, then what is to be printed. Last-Modified is left out, it is that of the checkout.

use std::fs;
use std::path::Path;

use crate::support::{chart_site, mkroot, text};

const RULER: &str = "----------\n";

#[test]
fn traces_are_as_recorded() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/explain");
    let mut cases: Vec<_> =
        fs::read_dir(directory).expect("cases").map(|entry| entry.expect("a case").path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    for path in cases {
        let case = fs::read_to_string(&path).expect("a case");
        let (arguments, expected) = case.split_once(RULER).expect("a ruler");
        let site = chart_site();
        let mut line = vec!["explain".to_string(), site.display().to_string()];
        line.extend(arguments.lines().flat_map(|argument| match argument.strip_prefix("-H ") {
            Some(field) => vec!["-H".to_string(), field.to_string()],
            None => vec![argument.to_string()],
        }));
        let output = mkroot(&line);
        assert!(output.stderr.is_empty(), "{}: {}", path.display(), text(&output.stderr));
        let printed = text(&output.stdout);
        let printed: String =
            printed.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("Last-Modified:")).collect();
        assert_eq!(printed, expected, "{} differs; if that is intended, record it again", path.display());
    }
}

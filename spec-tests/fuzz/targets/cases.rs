//! Files of cases. An answer that is not the expected one, written into its case, is the expected one.
#![no_main]

use std::sync::LazyLock;

use connegd::answer::cases::parse;
use connegd::resource::Policy;
use connegd::webroot::Mapped;
use libfuzzer_sys::fuzz_target;

static SITE: LazyLock<Mapped> = LazyLock::new(|| connegd_fuzz::webroot(Policy::Modern));

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let lines: Vec<_> = text.lines().collect();
    let cases = match parse(text) {
        Ok(cases) => cases,
        Err(malformed) => {
            assert!(!lines[malformed.line - 1].trim().is_empty() && !malformed.message.is_empty());
            return;
        }
    };
    assert!(cases.windows(2).all(|pair| pair[0].line < pair[1].line));
    let marked = |line: &&&str| line.starts_with('#') || line.trim().is_empty();
    assert_eq!(cases.len() + lines.iter().filter(marked).count(), lines.len());
    for case in cases {
        let Some(difference) = case.check(SITE.webroot()) else { continue };
        let shown = difference.to_string();
        let (_, found) = shown.split_once(", got ").expect("what came");
        // The first three words are what is expected.
        let words: Vec<_> = lines[case.line - 1].splitn(2, " | ").collect();
        let request: Vec<_> = words[0].split_whitespace().skip(3).collect();
        let corrected = [&[&format!("{found} {}", request.join(" "))[..]], &words[1..]].concat().join(" | ");
        let corrected = parse(&corrected).expect("a case");
        assert!(corrected[0].check(SITE.webroot()).is_none(), "{found}");
    }
});

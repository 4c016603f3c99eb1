//! Configuration files.
#![no_main]

use std::hint::black_box;
use std::path::Path;

use connegd::build::{Config, ConfigError};
use connegd::http::request::Method;
use connegd::http::response::field_lines;
use connegd::http::target::{self, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("site/.mkroot.toml");
    let config = match Config::default().refined(text, path, b"/") {
        Ok(config) => config,
        Err(ConfigError::Invalid { line, column, message, .. }) => {
            assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
            let length = text.split('\n').nth(line - 1).expect("a line of the file").chars().count();
            return assert!((1..=length + 1).contains(&column), "{line}:{column} of {length}: {message}");
        }
        Err(error) => panic!("{error}"),
    };
    let settings = &config.settings;
    for word in settings.language_priority.iter().chain(&settings.type_priority).chain(&config.type_maps.extensions) {
        assert!(!word.is_empty() && *word == word.to_ascii_lowercase(), "{word:?}");
    }
    for table in [&config.types, &config.languages, &config.charsets, &config.encodings] {
        for extension in table.keys() {
            assert!(!extension.is_empty() && !extension.contains(['.', '/']), "{extension:?}");
            assert_eq!(*extension, extension.to_ascii_lowercase());
        }
    }
    let lines = &settings.fields;
    assert!(lines.is_empty() || lines.ends_with("\r\n"));
    assert_eq!(field_lines(lines.as_bytes()).len(), lines.matches('\n').count(), "{lines:?}");
    for page in settings.error_pages.values() {
        let Ok(Target::Resource { path, query: None }) = target::parse(Method::Get, page.as_bytes()) else {
            panic!("{page:?} is no path")
        };
        assert!(target::key(path, &mut Vec::new()).is_ok(), "{page:?}");
    }
    for redirect in &config.redirects {
        let key = redirect.index_key();
        assert!(key.starts_with(b"/") && !redirect.leads_to_itself());
        assert_eq!(key.windows(2).any(|bytes| bytes == b"//"), redirect.below, "{:?}", String::from_utf8_lossy(&key));
        black_box(redirect.target());
    }
    assert!(config.directory_index.iter().flatten().all(|name| !name.is_empty() && !name.contains('/')));

    // Said once more, or in a directory below, the same has no effect.
    let again = config.refined(text, path, b"/").expect("it was right before");
    assert_eq!(format!("{:?}", again.settings), format!("{settings:?}"));
    let tables =
        |config: &Config| [&config.types, &config.languages, &config.charsets, &config.encodings].map(Clone::clone);
    assert_eq!(tables(&again), tables(&config));
    assert_eq!(again.directory_index, config.directory_index);
    assert_eq!(again.type_maps.extensions, config.type_maps.extensions);
    assert_eq!(again.default_language, config.default_language);
});

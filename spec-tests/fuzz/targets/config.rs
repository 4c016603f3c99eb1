//! Configuration files.
#![no_main]

use std::path::Path;

use connegd::build::{Config, ConfigError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("site/.mkroot.toml");
    let config = match Config::default().refined(text, path) {
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
    assert!(config.directory_index.iter().flatten().all(|name| !name.is_empty() && !name.contains('/')));

    // Said once more, or in a directory below, the same has no effect.
    let again = config.refined(text, path).expect("it was right before");
    assert_eq!(format!("{:?}", again.settings), format!("{settings:?}"));
    let tables =
        |config: &Config| [&config.types, &config.languages, &config.charsets, &config.encodings].map(Clone::clone);
    assert_eq!(tables(&again), tables(&config));
    assert_eq!(again.directory_index, config.directory_index);
    assert_eq!(again.type_maps.extensions, config.type_maps.extensions);
    assert_eq!(again.default_language, config.default_language);
});

//! Type maps under both policies.
#![no_main]

use connegd::build::type_map::{Entry, TypeMap, parse};
use connegd::resource::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let [apache, modern] = [Policy::Apache, Policy::Modern].map(|policy| parse(content, policy));
    let lines = content.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let (apache, modern) = match (apache, modern) {
        (Ok(apache), Ok(modern)) => (apache, modern),
        (Err(apache), Err(modern)) => {
            assert_eq!(apache, modern);
            return assert!((1..=lines).contains(&apache.line), "{apache:?}");
        }
        pair => panic!("{pair:?}"),
    };
    let common = |map: &TypeMap| TypeMap { entries: map.entries.iter().map(folded).collect(), ..map.clone() };
    assert_eq!(common(&modern), common(&apache));
    assert!(modern.ended_early.is_none_or(|fault| (1..=lines).contains(&fault.line)));

    let (mut line, mut position) = (0, 0);
    for entry in &apache.entries {
        assert!((line + 1..=lines).contains(&entry.line), "{entry:?}");
        line = entry.line;
        assert!(!entry.uri.is_empty() || entry.body.is_some());
        if let Some(body) = &entry.body {
            // A declared length can stretch it over what follows, for Apache.
            assert!(position <= body.start && body.start <= body.end && body.end <= content.len());
            position = body.start;
        }
        if let Some(content_type) = &entry.content_type {
            assert_eq!(content_type.media_type, content_type.media_type.to_ascii_lowercase());
        }
        reads_back(entry);
    }
});

/// What both policies make of an entry: codings in lower case (B7), without the end of a description (B14), and of a body
/// where it begins.
fn folded(entry: &Entry) -> Entry {
    Entry {
        coding: entry.coding.as_ref().map(|coding| coding.to_ascii_lowercase()),
        description: Vec::new(),
        body: entry.body.as_ref().map(|body| body.start..body.start),
        length: entry.length.filter(|_| entry.body.is_none()),
        ..entry.clone()
    }
}

/// Renders an entry whose words are plain, and reads it again.
fn reads_back(entry: &Entry) {
    let plain = |word: &[u8]| {
        !word.is_empty() && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/.%-+".contains(byte))
    };
    let Entry { uri, content_type: Some(content_type), languages, coding, length, body: None, .. } = entry else {
        return;
    };
    let tags = languages.iter().flat_map(|tags| tags.split(|&byte| byte == b','));
    let mut words = [uri, &content_type.media_type].into_iter().chain(&content_type.charset).chain(coding);
    if !words.all(|word| plain(word)) || !tags.into_iter().all(plain) {
        return;
    }
    let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
    let parameter =
        |name: &str, value: Option<String>| value.map_or(String::new(), |value| format!(" ; {name}={value}"));
    let header =
        |name: &str, value: Option<String>| value.map_or(String::new(), |value| format!("{name}:(c) {value} (c)\r\n"));
    let rendered = format!(
        "# comment\n\n{}{}{}{}{}",
        header("URI", Some(text(uri))),
        header(
            "content-TYPE",
            Some(format!(
                "{}{}{}{}",
                text(&content_type.media_type),
                parameter("Charset", content_type.charset.as_ref().map(text)),
                parameter("level", Some(content_type.level.value.to_string()).filter(|_| content_type.level.declared)),
                parameter("qs", Some(content_type.source_quality.to_string())),
            ))
        ),
        header("Content-Language", languages.as_ref().map(text)),
        header("Content-Encoding", coding.as_ref().map(text)),
        header("Content-Length", length.map(|length| length.to_string())),
    );
    let map = parse(rendered.as_bytes(), Policy::Apache);
    let expected = Entry { line: 3, description: Vec::new(), ..entry.clone() };
    assert_eq!(map, Ok(TypeMap { entries: vec![expected], ..TypeMap::default() }), "{rendered}");
}

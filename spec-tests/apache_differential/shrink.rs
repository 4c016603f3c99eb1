//! Smaller cases: whatever can be left out of one.

use std::collections::BTreeMap;

use super::case::{Case, Content, Settings};

/// The smallest case found that is still `wrong`, leaving out one thing after the other.
pub fn shrink(mut case: Case, wrong: impl Fn(&Case) -> bool) -> Case {
    while let Some(smaller) = smaller(&case).into_iter().find(&wrong) {
        case = smaller;
    }
    case
}

/// Cases with one thing less, what promises most first.
fn smaller(case: &Case) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut with = |change: &dyn Fn(&mut Case)| {
        let mut smaller = case.clone();
        change(&mut smaller);
        cases.push(smaller);
    };
    for half in halves(&case.site.files.keys().cloned().collect::<Vec<_>>()) {
        with(&|case| case.site.files.retain(|path, _| !half.contains(path)));
    }
    for directory in case.site.settings.keys().filter(|directory| !directory.is_empty()) {
        with(&|case| drop(case.site.settings.remove(directory)));
    }
    for number in 0..case.request.fields.len() {
        with(&|case| drop(case.request.fields.remove(number)));
    }
    if case.site.transparent {
        with(&|case| case.site.transparent = false);
    }
    if case.request.method != "GET" {
        with(&|case| case.request.method = "GET");
    }
    if case.request.version != "HTTP/1.1" {
        with(&|case| case.request.version = "HTTP/1.1");
    }
    if !case.request.query.is_empty() {
        with(&|case| case.request.query.clear());
    }
    for path in simpler_paths(&case.request.path) {
        with(&|case| case.request.path.clone_from(&path));
    }
    for (directory, settings) in &case.site.settings {
        for settings in smaller_settings(settings, directory.is_empty()) {
            with(&|case| *case.site.settings.get_mut(directory).expect("its settings") = settings.clone());
        }
    }
    for (path, content) in &case.site.files {
        let Content::Map(lines) = content else { continue };
        for half in halves(&(0..lines.len()).collect::<Vec<_>>()) {
            let kept = lines.iter().enumerate().filter(|(number, _)| !half.contains(number));
            let kept: Vec<_> = kept.map(|(_, line)| line.clone()).collect();
            with(&|case| drop(case.site.files.insert(path.clone(), Content::Map(kept.clone()))));
        }
    }
    // Of half a condition the two servers make what they like.
    let is_condition = |name: &str| name.to_ascii_lowercase().starts_with("if-");
    let fields = case.request.fields.iter().enumerate().filter(|(_, (name, _))| !is_condition(name));
    for (number, (_, value)) in fields {
        for value in smaller_values(value) {
            with(&|case| case.request.fields[number].1.clone_from(&value));
        }
    }
    cases
}

/// A path with a segment less.
fn simpler_paths(path: &str) -> Vec<String> {
    let segments: Vec<_> = path.split('/').collect();
    let without = |number: usize| {
        let kept = segments.iter().enumerate().filter(|(other, _)| *other != number);
        kept.map(|(_, segment)| *segment).collect::<Vec<_>>().join("/")
    };
    (1..segments.len()).map(without).filter(|path| path.starts_with('/')).collect()
}

/// What may be left out of a list: the whole of it, halves, quarters and so on, and each element.
fn halves<T: Clone>(list: &[T]) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let mut length = list.len();
    while length > 0 {
        parts.extend(list.chunks(length).map(<[T]>::to_vec));
        length /= 2;
    }
    parts
}

/// Settings with one entry less.
fn smaller_settings(settings: &Settings, is_root: bool) -> Vec<Settings> {
    type List = fn(&mut Settings) -> &mut Option<Vec<String>>;
    type Table = fn(&mut Settings) -> &mut BTreeMap<String, String>;
    const LISTS: [List; 4] = [
        |settings| &mut settings.language_priority,
        |settings| &mut settings.force_language_priority,
        |settings| &mut settings.directory_index,
        |settings| &mut settings.type_maps,
    ];
    const TABLES: [Table; 4] = [
        |settings| &mut settings.types,
        |settings| &mut settings.languages,
        |settings| &mut settings.charsets,
        |settings| &mut settings.encodings,
    ];
    let mut found = Vec::new();
    let mut original = settings.clone();
    for table in TABLES {
        for (key, value) in table(&mut original).clone() {
            let mut smaller = settings.clone();
            table(&mut smaller).remove(&key);
            found.push(smaller);
            if let Some((kept, _)) = value.rsplit_once(';') {
                let mut smaller = settings.clone();
                table(&mut smaller).insert(key, kept.trim_end().to_string());
                found.push(smaller);
            }
        }
    }
    for list in LISTS {
        let Some(values) = list(&mut original).clone() else { continue };
        for number in 0..values.len() {
            let mut smaller = settings.clone();
            list(&mut smaller).as_mut().expect("the list").remove(number);
            found.push(smaller);
        }
        if !is_root {
            let mut smaller = settings.clone();
            *list(&mut smaller) = None;
            found.push(smaller);
        }
    }
    if settings.default_language.is_some() {
        found.push(Settings { default_language: None, ..settings.clone() });
    }
    found
}

/// A field value with an item, a parameter or, once it is short, a character less.
fn smaller_values(value: &str) -> Vec<String> {
    let mut values = Vec::new();
    for separator in [',', ';'] {
        let parts: Vec<_> = value.split(separator).collect();
        for number in (0..parts.len()).filter(|_| parts.len() > 1) {
            let mut kept = parts.clone();
            kept.remove(number);
            values.push(kept.join(&separator.to_string()).trim().to_string());
        }
    }
    if value.len() <= 40 {
        for (place, letter) in value.char_indices() {
            values.push([&value[..place], &value[place + letter.len_utf8()..]].concat().trim().to_string());
        }
    }
    values.retain(|smaller| smaller != value);
    values
}

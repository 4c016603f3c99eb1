//! What about a site will surprise its author: variants nobody can get, names that answer 404 beside files that
//! look as if they should, choices without a default.

use std::collections::BTreeMap;

use super::config::Configs;
use super::extensions::Metadata;
use super::site::{Candidates, Site, names_of};
use crate::resource::{Note, Policy, Quality, Settings};

/// What is noteworthy about the names of `site` that are negotiated, or look as if they should be.
pub fn notes(site: &Site<'_>, configs: &Configs) -> Vec<Note> {
    let mut notes = Vec::new();
    for (name, candidates) in site.negotiated() {
        match candidates {
            Candidates::Files(numbers) if !site.is_directory_name(name) => {
                let settings = &configs.get(site.directory(numbers[0])).settings;
                unreachable(site, name, numbers, &mut notes);
                without_default(site, name, numbers, settings, &mut notes);
            }
            _ => {}
        }
    }
    hidden(site, &mut notes);
    hiding(site, &mut notes);
    notes
}

fn note(path: &[u8], what: String) -> Note {
    Note::about(path, None, what)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Variants with a source quality of 0, and those that another one resembles in everything a request can ask
/// for: then the better or, of equals, the shorter one is always chosen (R77, R78, R82).
fn unreachable(site: &Site<'_>, name: &[u8], numbers: &[usize], notes: &mut Vec<Note>) {
    let asked_for = |number: usize| site.known(number).metadata.asked_for();
    let rank = |number: usize| (source_quality(site, number), std::cmp::Reverse(site.known(number).length));
    for (place, &number) in numbers.iter().enumerate() {
        let reason = if source_quality(site, number) == Quality::NONE {
            "its source quality is 0".to_string()
        } else {
            let twin = numbers.iter().enumerate().find(|&(other_place, &other)| {
                let better = rank(other) > rank(number) || (rank(other) == rank(number) && other_place < place);
                other != number && better && asked_for(other) == asked_for(number)
            });
            let Some((_, &twin)) = twin else { continue };
            format!("{} says the same of itself and is preferred", text(site.name(twin)))
        };
        notes.push(note(name, format!("can never answer with {}: {reason}", text(site.name(number)))));
    }
}

fn source_quality(site: &Site<'_>, number: usize) -> Quality {
    site.known(number).metadata.content_type.as_ref().map_or(Quality::NONE, |known| known.source_quality)
}

/// Names at which a client that takes any type can be told 406.
fn without_default(site: &Site<'_>, name: &[u8], numbers: &[usize], settings: &Settings, notes: &mut Vec<Note>) {
    let worthy: Vec<_> = numbers.iter().filter(|&&number| source_quality(site, number) != Quality::NONE).collect();
    if worthy.is_empty() {
        notes.push(note(name, "has no default: even who takes any type (*/*) gets 406".into()));
        return;
    }
    let languages = |number: usize| site.known(number).metadata.languages.as_deref();
    let listed = |tags: &[u8]| {
        let mut tags = tags.split(|&byte| byte == b',');
        tags.any(|tag| settings.language_priority.iter().any(|entry| tag.starts_with(entry.as_bytes())))
    };
    let stands_in = |number: usize| match languages(number) {
        None => true,
        Some(tags) => settings.fallback && (settings.policy == Policy::Modern || listed(tags)),
    };
    if !worthy.iter().any(|&&number| stands_in(number)) {
        let what = "has no default: who takes any type (*/*) but none of its languages gets 406";
        notes.push(note(name, what.into()));
    }
}

/// Names that answer 404 although there are files that begin with them, because of what is unknown about these (D17).
fn hidden(site: &Site<'_>, notes: &mut Vec<Note>) {
    for (name, numbers) in site.hidden() {
        // Of a file's several beginnings the shortest tells it all.
        let shortest = |&number: &usize| {
            let file = &site.tree.files[number];
            names_of(file.name()).next().is_some_and(|first| name[file.directory().len()..] == *first)
        };
        let numbers: Vec<_> = numbers.iter().copied().filter(shortest).collect();
        if numbers.is_empty() {
            continue;
        }
        let Metadata { residue, .. } = &site.known(numbers[0]).metadata;
        let unknown: Vec<_> = residue.iter().skip(1).map(|unknown| text(unknown)).collect();
        let reason = match &unknown[..] {
            [] => "its extensions give no media type".to_string(),
            [one] => format!("nothing says what its extension {one} means"),
            several => format!("nothing says what its extensions {} mean", several.join(" and ")),
        };
        let others = match numbers.len() - 1 {
            0 => String::new(),
            1 => " and another file".into(),
            count => format!(" and {count} other files"),
        };
        let file = text(site.name(numbers[0]));
        notes.push(note(name, format!("answers 404 although there is {file}{others}: {reason}")));
    }
}

/// Whether a type map has an entry of this name.
fn lists(site: &Site<'_>, map: usize, file_name: &[u8]) -> bool {
    site.map(map).is_some_and(|map| map.entries.iter().any(|entry| entry.uri == file_name))
}

/// Files whose whole names are also the beginnings of variants, which a request for that name never gets (D18),
/// and maps that take the place of variants beside them (R29).
fn hiding(site: &Site<'_>, notes: &mut Vec<Note>) {
    let mut hidden: BTreeMap<Vec<u8>, Vec<String>> = BTreeMap::new();
    for (number, file) in site.tree.files.iter().enumerate() {
        let known = site.known(number);
        if !known.metadata.recognised || known.sniffed || known.type_map.is_some() {
            continue;
        }
        for name in names_of(file.name()) {
            let key = [file.directory(), name].concat();
            let taken = match site.candidates(&key) {
                Some(candidates) if site.is_empty_map(candidates) => false, // that is noted with the map
                Some(Candidates::Map(map)) => !lists(site, *map, file.name()),
                Some(Candidates::Files(_)) => false,
                None => site.file(&key).is_some_and(|file| !site.beside(file).contains(&number)),
            };
            if taken {
                hidden.entry(key).or_default().push(text(file.name()));
            }
        }
    }
    for (key, names) in hidden {
        let names = names.join(", ");
        notes.push(match site.candidates(&key) {
            Some(Candidates::Map(map)) => {
                note(&key, format!("is decided by the type map {}, which does not list {names}", text(site.name(*map))))
            }
            _ => note(&key, format!("is a file, so who asks for it gets that and never {names}")),
        });
    }
}

#!/usr/bin/env python3
"""Proves that the differential test can fail: it must notice every one of these faults in the decision.

    spec-tests/mutants.py [--tie-breaks] [--only NAME]... [--sites N] [--seed S] [--list]

Each mutant is the program with one fault: in one file one text, which must be there exactly once, is replaced by
another. A copy of the tree is changed and built; the differential test, built from the tree itself, is run with
CONNEGD_BIN and MKROOT_BIN set to the mutant and has to fail. Before that the unchanged copy has to pass. Exit status 1
if a mutant survives, 2 if a mutant cannot be made.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEST = "apache_differential::the_apache_policy_answers_as_apache_does"

SELECT = "src/negotiation/select.rs"
TYPE = "src/negotiation/media_type.rs"
LANGUAGE = "src/negotiation/language.rs"
CHARSET = "src/negotiation/charset.rs"
CODING = "src/negotiation/coding.rs"
TRANSPARENT = "src/negotiation/transparent.rs"
PREFERENCES = "src/negotiation/preferences.rs"
VARIANT = "src/resource/variant.rs"
QUALITY = "src/resource/quality.rs"
GRAMMAR = "src/http/grammar.rs"
SITE = "src/build/site.rs"
GROUP = "src/build/group.rs"
EXTENSIONS = "src/build/extensions.rs"
TYPE_MAP = "src/build/type_map.rs"
MAP_ENTRY = "src/build/map_entry.rs"
ANSWER = "src/answer/mod.rs"
NEGOTIATED = "src/answer/negotiated.rs"

# All mutants are: name, file, text, what it becomes.

# The comparison of two variants, key by key (R78 to R82): each key left out, and each the wrong way round.
TIE_BREAKS = [
    ("quality-ignored", SELECT,
     "policy: Policy) -> (bool, Key) {\n    if newcomer.overall != best.overall {",
     "policy: Policy) -> (bool, Key) {\n    if false {"),
    ("quality-reversed", SELECT,
     "(newcomer.overall > best.overall, Key::Quality)",
     "(newcomer.overall < best.overall, Key::Quality)"),
    ("language-ignored", SELECT, "if newcomer.language.quality != best.language.quality {", "if false {"),
    ("language-reversed", SELECT,
     "(newcomer.language.quality > best.language.quality, Key",
     "(newcomer.language.quality < best.language.quality, Key"),
    ("priority-ignored", SELECT, "if place(newcomer) != place(best) {", "if false {"),
    ("priority-reversed", SELECT, "(place(newcomer) < place(best), Key", "(place(newcomer) > place(best), Key"),
    ("level-ignored", SELECT,
     "by_level(newcomer, best, policy) {",
     "by_level(newcomer, best, policy).filter(|_| false) {"),
    ("level-matched-reversed", SELECT,
     "newcomer.media_type.level_matched > best",
     "newcomer.media_type.level_matched < best"),
    ("level-matched-unasked", SELECT,
     "if newcomer.media_type.level_matched != best.media_type.level_matched {",
     "if false {"),
    ("level-lower-ignored", SELECT, "(new.level.value != old.level.value).then_some", "false.then_some"),
    ("level-of-any-types", SELECT, "if !comparable || (policy", "if (policy"),
    ("level-of-html3-apart", SELECT,
     "matches!(variant.media_type, b\"text/html\" | b\"text/x-server-parsed-html\" | b\"text/x-server-parsed-html3\")",
     "matches!(variant.media_type, b\"text/html\" | b\"text/x-server-parsed-html\")"),
    ("level-higher", SELECT, "then_some(new.level.value < old", "then_some(new.level.value > old"),
    ("level-of-one-type-only", SELECT, " || (html(new) && html(old));", ";"),
    ("charset-ignored", SELECT, "if newcomer.charset != best.charset {", "if false {"),
    ("charset-reversed", SELECT,
     "(newcomer.charset > best.charset, Key",
     "(newcomer.charset < best.charset, Key"),
    ("charset-told-ignored", SELECT,
     "if charset::is_more_telling(newcomer.variant, best.variant) {",
     "if false {"),
    ("charset-told-reversed", SELECT,
     "if charset::is_more_telling(newcomer.variant, best.variant) {",
     "if charset::is_more_telling(best.variant, newcomer.variant) {"),
    ("charset-told-both-ways", SELECT,
     "        return (true, Key::Charset);\n    }\n",
     "        return (true, Key::Charset);\n    }\n"
     "    if charset::is_more_telling(best.variant, newcomer.variant) {\n"
     "        return (false, Key::Charset);\n    }\n"),
    ("coding-ignored", SELECT,
     "        return (true, Key::Charset);\n    }\n    if newcomer.coding != best.coding {",
     "        return (true, Key::Charset);\n    }\n    if false {"),
    ("coding-reversed", SELECT,
     "(newcomer.coding > best.coding, Key::Coding);\n    }\n    if newcomer.variant.length",
     "(newcomer.coding < best.coding, Key::Coding);\n    }\n    if newcomer.variant.length"),
    ("length-ignored", SELECT, "if newcomer.variant.length != best.variant.length {", "if false {"),
    ("length-reversed", SELECT, "(newcomer.variant.length < best", "(newcomer.variant.length > best"),
    ("length-unknown-is-longest", SELECT,
     "(newcomer.variant.length < best.variant.length, Key",
     "(newcomer.variant.length.unwrap_or(u64::MAX) < best.variant.length.unwrap_or(u64::MAX), Key"),
    ("last-of-equals", SELECT,
     "Key::Length);\n    }\n    (false, Key::Order)",
     "Key::Length);\n    }\n    (true, Key::Order)"),
]

# All others.
MUTANTS = [
    # The scan (R78), and what it remembers.
    ("quality-in-decimals", SELECT,
     "media_type.quality * variant.source_quality.as_f32();",
     "(media_type.quality * variant.source_quality.as_f32() * 1e6).round() / 1e6;"),
    ("source-quality-ignored", SELECT,
     "media_type.quality * variant.source_quality.as_f32();",
     "media_type.quality;"),
    ("level-matched-ignored", TYPE, "level_matched: level.value };", "level_matched: 0 };"),
    ("equals-are-passed-over", SELECT,
     "best.media_type.rank) < (best.overall, media_type.rank)",
     "best.media_type.rank) <= (best.overall, media_type.rank)"),
    ("better-are-passed-over", SELECT,
     "best.media_type.rank) < (best.overall, media_type.rank)",
     "best.media_type.rank) > (best.overall, media_type.rank)"),
    ("equal-languages-are-passed-over", SELECT, "language.quality) < (best.overall", "language.quality) <= (best.overall"),
    ("better-languages-are-passed-over", SELECT, "language.quality) < (best.overall", "language.quality) > (best.overall"),
    ("types-known-without-level", SELECT,
     "(place_of(variant.media_type), variant.level.value, variant.level.declared)",
     "place_of(variant.media_type)"),
    ("types-known-by-length", SELECT,
     "(place_of(variant.media_type), variant.level.value, variant.level.declared)",
     "(variant.media_type.len(), variant.level.value)"),
    ("languages-known-by-length", SELECT, "variant.languages.map(place_of)", "variant.languages.map(<[u8]>::len)"),
    ("codings-known-by-length", SELECT, "variant.codings.map(place_of)", "variant.codings.map(<[u8]>::len)"),
    ("known-by-nothing", SELECT, "if *known == key {", "if true {"),
    ("never-marked", SELECT, "variants.iter().any(|variant| variant.languages.is_some())", "false"),
    # Not the opposite: without any language all variants would have the same quality (R63), whatever it is.
    # What makes a variant unacceptable (R77).
    ("type-refuses-nothing", SELECT, ".with(Dimensions::TYPE, media_type.quality == 0.0)", ""),
    ("language-refuses-nothing", SELECT, ".with(Dimensions::LANGUAGE, language.quality == 0.0)", ""),
    ("charset-refuses-nothing", SELECT, ".with(Dimensions::CHARSET, charset == 0.0 && charset_counts)", ""),
    ("coding-refuses-nothing", SELECT, ".with(Dimensions::CODING, coding == 0.0)", ""),
    ("worthless-is-sent", SELECT, "if worthless || rejects", "if rejects"),
    # Transparent negotiation (R86 to R89).
    ("remote-quality-ignored", SELECT,
     "best: &Candidate<'_, '_>) -> (bool, Key) {\n    if newcomer.overall != best.overall {",
     "best: &Candidate<'_, '_>) -> (bool, Key) {\n    if false {"),
    ("remote-quality-reversed", SELECT,
     "(newcomer.overall > best.overall, Key::RemoteQuality)",
     "(newcomer.overall < best.overall, Key::RemoteQuality)"),
    ("remote-coding-ignored", SELECT,
     "Key::RemoteQuality);\n    }\n    if newcomer.coding != best.coding {",
     "Key::RemoteQuality);\n    }\n    if false {"),
    ("remote-without-charset", SELECT, "overall * charset * language.quality", "overall * language.quality"),
    ("remote-without-language", SELECT, "overall * charset * language.quality", "overall * charset"),
    ("always-definite", SELECT, "&& !best.definite", "&& false"),
    ("definite-by-any-type", SELECT, "matches!(media_type.why, Why::Named(_))", "true"),
    ("definite-by-any-language", SELECT, "&& (variant.languages.is_none() || decides(language.why))", ""),
    ("definite-by-any-charset", SELECT, "&& (variant.charset.is_none() || decides(charset_why))", ""),
    ("digits-are-unknown", TRANSPARENT, "known || item.first().is_some_and(u8::is_ascii_digit)", "known"),
    ("lynx-is-believed", TRANSPARENT, "if value == b\"trans\" && user_agent.starts_with(b\"Lynx\") {", "if false {"),
    ("star-above-1-0", TRANSPARENT, "is(b\"*\") && negotiate.algorithm.is_none()", "is(b\"*\")"),
    ("trans-is-unknown", TRANSPARENT, "is(b\"trans\") || is(b\"vlist\")", "is(b\"vlist\")"),
    ("negotiate-quotes-nothing", TRANSPARENT, "return !quoted && comments == 0", "return true"),
    ("nothing-known-is-absent", TRANSPARENT, "negotiate.capable || policy == Policy::Apache", "negotiate.capable"),
    ("refused-though-capable", NEGOTIATED,
     "Choice::NotAcceptable(_) if capable =>",
     "Choice::NotAcceptable(_) if false =>"),
    ("choice-negotiates-again", NEGOTIATED, "if transparent && stored.also_varies() {", "if false {"),
    ("posts-are-transparent", NEGOTIATED, "negotiated.transparent && reads &&", "negotiated.transparent &&"),
    # Type (R57 to R61).
    ("fiddle-never", TYPE, "items.iter().all(|item| item.quality == Quality::FULL)", "items.len() > 999"),
    ("fiddle-always", TYPE, "items.iter().all(|item| item.quality == Quality::FULL)", "items.len() < 999"),
    ("fiddle-though-strict", TYPE, "let fiddle = fiddles && field", "let fiddle = field"),
    ("fiddle-swapped", TYPE, "[0.01, 0.02]", "[0.02, 0.01]"),
    ("last-full-wildcard", TYPE,
     "items.iter().position(|item| matches!(item.name, b\"*\"",
     "items.iter().rposition(|item| matches!(item.name, b\"*\""),
    ("full-wildcard-first", TYPE,
     "(Some(index), _) | (None, Some(index)) => (items",
     "(_, Some(index)) | (Some(index), None) => (items"),
    ("last-subtype-wildcard", TYPE, "(first..items.len()).find(", "(first..items.len()).rev().find("),
    ("type-wildcard-is-name", TYPE, "(FIDDLED[1], Why", "(1.0, Why"),
    ("level-must-be-equal", TYPE, "asked.value >= stored.value", "asked.value == stored.value"),
    ("level-no-bound", TYPE, "asked.value >= stored.value", "asked.value >= i32::MIN"),
    ("server-parsed-is-not-html", TYPE, "&& folds_to(range, b\"text/html\")", "&& folds_to(range, b\"\")"),
    # Language (R62 to R69).
    ("unmarked-is-fine", LANGUAGE, "if any_marked && fiddles { (BARELY,", "if any_marked && fiddles { (1.0,"),
    ("unmarked-though-strict", LANGUAGE, "if any_marked && fiddles {", "if any_marked {"),
    ("unmarked-above-broader", LANGUAGE, "const BARELY: f32 = 0.0001;", "const BARELY: f32 = 0.01;"),
    ("broader-is-as-good", LANGUAGE, "const BROADER: f32 = 0.001;", "const BROADER: f32 = 1.0;"),
    ("broader-though-strict", LANGUAGE, "if !fiddles {", "if false {"),
    ("broader-to-the-last-dash", LANGUAGE,
     "item.name.iter().position(|&byte| byte == b'-')",
     "item.name.iter().rposition(|&byte| byte == b'-')"),
    ("broader-at-a-dash", LANGUAGE,
     "Policy::Apache => tag.get(..prefix.len()).is_some_and(|start| folds_to(prefix, start)),",
     "Policy::Apache => covers(prefix, tag),"),
    ("last-range", LANGUAGE,
     "item.name.len() > items[longest].name.len()",
     "item.name.len() >= items[longest].name.len()"),
    ("shortest-range", LANGUAGE,
     "item.name.len() > items[longest].name.len()",
     "item.name.len() < items[longest].name.len()"),
    ("range-at-any-place", LANGUAGE, "=> ends_subtag(tag, range.len()) && folds_to", "=> folds_to"),
    ("first-tag-only", LANGUAGE,
     "Some(index) if best.is_none_or(|(quality, _)| items[index].quality > quality) => {",
     "Some(index) if best.is_none() => {"),
    ("last-wildcard-language", LANGUAGE,
     "items.iter().position(|item| item.is_wildcard())",
     "items.iter().rposition(|item| item.is_wildcard())"),
    ("wildcard-beside-ranges", LANGUAGE, "wildcard.filter(|_| some_tag_unmatched)", "wildcard"),
    ("prefer-ignored", LANGUAGE, "if settings.prefer { priority", "if false { priority"),
    ("prefer-always", LANGUAGE, "if settings.prefer { priority", "if true { priority"),
    ("fallback-never", LANGUAGE, "if !settings.fallback {", "if true {"),
    ("fallback-always", LANGUAGE, "if !settings.fallback {", "if false {"),
    ("priority-at-a-dash", LANGUAGE, "(!whole_subtags || ends_subtag", "(false || ends_subtag"),
    ("priority-by-case", LANGUAGE, "start.eq_ignore_ascii_case(entry)", "start == entry"),
    ("priority-of-last-tag", LANGUAGE, "filter_map(first).min()", "filter_map(first).last()"),
    ("priority-of-worst-tag", LANGUAGE, "filter_map(first).min()", "filter_map(first).max()"),
    ("fallback-is-good", LANGUAGE,
     "(Policy::Apache, Some(index)) => (BARELY,",
     "(Policy::Apache, Some(index)) => (0.01,"),
    # Not the empty range (R56): only an empty tag tells, which the generator does not make.
    # Charset (R70 to R72).
    ("last-charset", CHARSET, "items.iter().position(|item| folds_to", "items.iter().rposition(|item| folds_to"),
    ("first-charset-wildcard", CHARSET,
     "items.iter().rposition(|item| item.is_wildcard())",
     "items.iter().position(|item| item.is_wildcard())"),
    ("text-has-no-charset", CHARSET,
     "variant.media_type.starts_with(b\"text/\")",
     "variant.media_type.starts_with(b\"test/\")"),
    ("charset-guessed-though-strict", CHARSET,
     "policy == Policy::Apache && fiddles && ",
     "policy == Policy::Apache && "),
    ("latin-1-unmentioned", CHARSET, "Policy::Apache if charset == LATIN_1", "Policy::Apache if charset == b\"\""),
    ("latin-1-is-told", CHARSET, "is_none_or(|charset| charset == LATIN_1)", "is_none()"),
    # Coding (R73 to R75).
    ("absent-field-any-coding", CODING, "if identity { 1.0 } else { 0.5 }", "1.0"),
    ("identity-unmentioned", CODING,
     "const UNMENTIONED_IDENTITY: f32 = 0.0001;",
     "const UNMENTIONED_IDENTITY: f32 = 1.0;"),
    ("identity-unmentioned-is-refused", CODING,
     "const UNMENTIONED_IDENTITY: f32 = 0.0001;",
     "const UNMENTIONED_IDENTITY: f32 = 0.0;"),
    ("identity-unmentioned-is-0.01", CODING,
     "const UNMENTIONED_IDENTITY: f32 = 0.0001;",
     "const UNMENTIONED_IDENTITY: f32 = 0.01;"),
    ("7bit-is-a-coding", VARIANT, "b\"\" | b\"7bit\" |", "b\"\" |"),
    ("last-coding", CODING, "items.iter().position(|item| folds_to", "items.iter().rposition(|item| folds_to"),
    ("first-coding-wildcard", CODING,
     "items.iter().rposition(|item| plain(item) == b\"*\")",
     "items.iter().position(|item| plain(item) == b\"*\")"),
    ("codings-one-by-one", CODING, "if !identity && policy == Policy::Modern", "if !identity"),
    ("x-counts", CODING, "let name = name.strip_prefix(b\"x-\").unwrap_or(name);", ""),
    ("refused-name-is-not-sent", CODING,
     "policy == Policy::Apache || item.quality != Quality::NONE",
     "item.quality != Quality::NONE"),
    ("x-is-never-sent", CODING, ".then_some(prefixed)", ".then_some(plain.to_vec())"),
    ("plain-name-after-prefixed", CODING,
     "} else if asks_for(plain) {",
     "} else if asks_for(plain) && !asks_for(&prefixed) {"),
    ("adapted-after-the-choice", NEGOTIATED, "token.as_deref().or(variant.codings)", "variant.codings"),
    ("adapted-without-vary", NEGOTIATED, "Policy::Apache if !tokens.is_empty() =>", "Policy::Apache if false =>"),
    ("adapted-unsaid", NEGOTIATED, "false => tokens.get(number).cloned().flatten(),", "false => None,"),
    ("adapted-in-maps", NEGOTIATED, "accept_encoding.is_some() && !negotiated.map &&", "accept_encoding.is_some() &&"),
    # Fields (R50 to R56).
    ("empty-is-absent", PREFERENCES,
     "if policy == Policy::Apache || dimension == Dimensions::CODING || says",
     "if dimension == Dimensions::CODING || says"),
    ("qs-is-nothing", PREFERENCES, "policy == Policy::Apache && key.eq_ignore_ascii_case(b\"qs\")", "false"),
    ("level-unasked", PREFERENCES,
     "level = Some(grammar::atoi(value))",
     "level = Some(grammar::atoi(value)).and(None)"),
    ("one-is-little", PREFERENCES,
     "[b'q', b'=', b'1'] => Some(Quality::FULL)",
     "[b'q', b'=', b'1'] => Some(Quality::LEAST)"),
    ("no-number-is-nothing", QUALITY, "_ => return Quality::FULL,", "_ => return Quality::NONE,"),
    ("two-decimals", QUALITY, "digits.zip([100, 10, 1])", "digits.zip([100, 10])"),
    ("spaces-part-nothing", GRAMMAR, "ends(b\",;\\\" \\t\\n\\r\\x0b\\x0c\")", "ends(b\",;\\\"\")"),
    ("quotes-in-values-stay", GRAMMAR,
     "preceded(char('\"'), take_till(|byte| matches!(byte, b'\"' |",
     "preceded(char('\"'), take_till(|byte| matches!(byte,"),
    ("quotes-in-names-end", GRAMMAR,
     "[b'\"', ..] => quoted_token(ends, input),",
     "[b'\"', ..] => Ok((&rest[1..], token)),"),
    # Candidates, their order, and what answers depend on (R24 to R31, R92).
    ("scan-order-by-name-only", SITE, "(std::cmp::Reverse(quality), self", "(quality.map(|_| 0), self"),
    ("scan-order-backwards", SITE, "order(a).cmp(&order(b))", "order(b).cmp(&order(a))"),
    ("unknown-name-is-found", SITE, "if !metadata.recognised || ", "if "),
    ("guessed-type-is-found", SITE,
     "metadata.content_type.is_some() && !known.sniffed",
     "metadata.content_type.is_some()"),
    ("map-beside-files", SITE, "_ if is_map => {", "None if is_map => {"),
    ("empty-map-counts", SITE, "is_some_and(|map| map.entries.is_empty())", "is_some_and(|_| false)"),
    ("residue-ignored", SITE, " || !covers_residue(name, &metadata.residue)", ""),
    ("vary-without-charset", VARIANT,
     ".with(Dimensions::CHARSET, differ(|variant| variant.charset.unwrap_or_default()))", ""),
    ("vary-without-type", VARIANT, ".with(Dimensions::TYPE, differ(|variant| variant.media_type))", ""),
    ("vary-without-language", VARIANT,
     ".with(Dimensions::LANGUAGE, differ(|variant| variant.languages.unwrap_or_default()))", ""),
    ("vary-without-coding", VARIANT,
     ".with(Dimensions::CODING, differ(|variant| variant.codings.unwrap_or_default()))", ""),
    ("implied-level-none", VARIANT, "map_or(0, |&(_, level)| level)", "map_or(0, |_| 0)"),
    ("html3-level-2", VARIANT, "(b\"text/x-server-parsed-html3\", 3)", "(b\"text/x-server-parsed-html3\", 2)"),
    # Names (R1 to R11).
    ("first-type", EXTENSIONS, "entry.media_type.or(type_value)", "type_value.or(entry.media_type)"),
    ("empty-extensions-count", EXTENSIONS, ".filter(|extension| !extension.is_empty())", ".filter(|_| true)"),
    ("first-charset-extension", EXTENSIONS,
     "metadata.charset = Some(charset.into());",
     "metadata.charset.get_or_insert(charset.into());"),
    ("first-extension-of-a-kind", EXTENSIONS,
     "list.extend(separator.bytes());\n            list.extend(value.bytes());", "let _ = (list, separator);"),
    ("default-language-folds", EXTENSIONS,
     "=> tag.clone().into_bytes(), // and",
     "=> tag.to_ascii_lowercase().into_bytes(), // and"),
    ("no-default-language", EXTENSIONS, "self.config.default_language.as_ref();", "None::<&String>;"),
    ("mark-makes-known", EXTENSIONS, "!(marks && self.config.settings.policy == Policy::Modern)", "!marks"),
    ("charset-of-type-stays", EXTENSIONS, "(\"charset\", Some(_)) => {", "(\"charset\", Some(_)) if false => {"),
    ("map-with-parameters-takes-over", EXTENSIONS, "|| bare || policy == Policy::Modern", "|| true"),
    # Type maps (R34 to R42).
    ("comments-are-headers", TYPE_MAP,
     "if !line.starts_with(b\"#\") {\n                return Some(line);",
     "if true {\n                return Some(line);"),
    ("comments-end-headers", TYPE_MAP,
     "if !line.starts_with(b\"#\") {\n                if start == 0 {",
     "if true {\n                if start == 0 {"),
    ("headers-do-not-go-on", TYPE_MAP, "if start == 0 {", "if true {"),
    ("parentheses-stay", TYPE_MAP, "inside |= byte == b'(';", "inside |= false;"),
    ("parenthesis-left-open", TYPE_MAP, "inside &= byte != b')';", "inside &= false;"),
    ("colon-not-needed", TYPE_MAP,
     "ok_or(fault(\"expected a header such as `URI: x.html`\"))?", "unwrap_or(header.len() - 1)"),
    ("value-not-needed", TYPE_MAP, "if value.is_empty() {", "if false {"),
    ("names-of-headers-by-case", TYPE_MAP, "header[..colon].to_ascii_lowercase();", "header[..colon].to_vec();"),
    ("undescribed-count", TYPE_MAP, "if described && (", "if ("),
    ("nameless-count", TYPE_MAP,
     "if described && (!finished.uri.is_empty() || finished.body.is_some())",
     "if described"),
    ("coding-folds", TYPE_MAP,
     "if policy == Policy::Modern {\n                    coding.make",
     "if true {\n                    coding.make"),
    ("bad-length-is-passed-over", TYPE_MAP,
     "return Ok(TypeMap { ended_early: Some(fault(what)), ..map });\n"
     "                    }\n                }\n                described",
     "let _ = fault(what);\n                    }\n                }\n                described"),
    ("length-is-ignored", TYPE_MAP,
     "(None, _) => entry.length = Some(length),",
     "(None, _) => entry.length = Some(length).filter(|_: &u64| false),"),
    ("length-leaves-the-body", TYPE_MAP,
     "(Some(_), Policy::Modern) => {}",
     "(Some(_), _) if policy != Policy::Modern => {}\n(Some(_), Policy::Modern) => {}"),
    ("length-beside-type-only", TYPE_MAP,
     "                }\n                described = true;\n            }\n            b\"description\"",
     "                }\n            }\n            b\"description\""),
    ("body-keeps-its-name", TYPE_MAP, "entry.uri.clear();", ""),
    ("body-to-the-whole-line", TYPE_MAP, "let tag = value.trim_ascii_end();", "let tag = &value[..];"),
    ("body-without-end-goes-on", TYPE_MAP,
     "return Ok(TypeMap { ended_early: Some(fault(what)), ..map });\n"
     "                    }\n                }\n            }",
     "let _ = fault(what);\n                    }\n                }\n            }"),
    ("behind-the-tag-counts", TYPE_MAP, "self.advance(rest.iter().position", "let _ = (rest.iter().position"),
    ("body-is-shorter", TYPE_MAP, "const PIECE: usize = 8191;", "const PIECE: usize = 8150;"),
    ("body-is-longer", TYPE_MAP, "const PIECE: usize = 8191;", "const PIECE: usize = 8250;"),
    ("one-separator-too-many", TYPE_MAP,
     "if let [b',' | b';', rest @ ..] = value {", "while let [b',' | b';', rest @ ..] = value {"),
    ("languages-keep-case", TYPE_MAP, "tags.extend(token.to_ascii_lowercase());", "tags.extend(token);"),
    ("q-of-a-map-is-nothing", TYPE_MAP, "key.eq_ignore_ascii_case(b\"q\") || ", ""),
    ("empty-charset-counts", TYPE_MAP, ".filter(|charset| !charset.is_empty())", ".filter(|_| true)"),
    # Where the entries of a map lead (R45 to R48).
    ("typeless-is-full", MAP_ENTRY, "map_or(Quality::NONE,", "map_or(Quality::FULL,"),
    ("length-not-looked-up", MAP_ENTRY,
     "Some(Found::File(number)) if entry.body.is_none() =>",
     "Some(Found::File(number)) if false =>"),
    ("escapes-resolved", MAP_ENTRY,
     "Policy::Apache => raw.clone(), // B5",
     "Policy::Apache => self.resolved_key(&entry.uri), // B5"),
    ("slash-is-the-root", MAP_ENTRY,
     "uri.starts_with(b\"/\") && self.config.settings.policy == Policy::Modern",
     "uri.starts_with(b\"/\")"),
    ("slash-by-name", MAP_ENTRY, "if uri.starts_with(b\"/\") {", "if false {"),
    ("upwards-by-name", MAP_ENTRY, "if leads_upwards(uri) {", "if false {"),
    ("query-is-name", MAP_ENTRY, "byte == b'?' || byte == b'#'", "byte == b'#'"),
    ("never-negotiates-again", MAP_ENTRY,
     "Found::Candidates(Candidates::Files(_)) => true,",
     "Found::Candidates(Candidates::Files(_)) => false,"),
    ("mark-does-not-lead-on", MAP_ENTRY,
     "let also_varies = marked\n            ||",
     "let also_varies = (marked && false)\n            ||"),
    ("map-name-says-nothing", MAP_ENTRY,
     "by_entry.or(by_name.as_deref())",
     "by_entry.or(by_name.as_deref().filter(|_| false))"),
    ("always-located", GROUP, "let located = transparent ||", "let located = true ||"),
    ("never-located", GROUP, "let located = transparent ||", "let located = false ||"),
    # Path-info (R19).
    ("path-info-behind-files", ANSWER, "Target::File(..) if asked.path_info =>", "Target::File(..) if false =>"),
    ("path-info-behind-the-chosen", NEGOTIATED,
     "Outcome::Body if path_info =>",
     "Outcome::Body if false =>"),
    ("path-info-never-behind-maps", NEGOTIATED,
     "asked.path_info && refuses_path_info &&",
     "asked.path_info &&"),
    ("path-info-transparent", NEGOTIATED, "reads && !asked.path_info;", "reads;"),
    ("path-info-told-of-choice", NEGOTIATED, "transparent != negotiated.transparent || asked.path_info,", "false,"),
    ("path-info-behind-a-query", NEGOTIATED,
     "refuses_path_info && !(policy == Policy::Apache &&",
     "refuses_path_info && !(false &&"),
    ("path-info-behind-the-last", ANSWER,
     "slashes.map(|end| webroot.find(&key[..end])).find(",
     "slashes.rev().map(|end| webroot.find(&key[..end])).find("),
    # Directories (R17, R20, R21).
    ("index-backwards", GROUP,
     "for name in names {\n                let key",
     "for name in names.iter().rev() {\n                let key"),
    ("index-first-only", GROUP,
     "for name in names {\n                let key",
     "for name in names.iter().take(1) {\n                let key"),
    ("index-directory-hides-nothing", GROUP,
     "candidates.is_none() || config.settings.policy == Policy::Apache",
     "candidates.is_none()"),
    ("index-missing-ends-it", ANSWER,
     "            Status::NotFound => {}\n            Status::NotAcceptable if",
     "            Status::NotAcceptable if"),
    ("index-last-gives-way", ANSWER,
     "Status::NotAcceptable if number + 1 == count =>",
     "Status::NotAcceptable if false =>"),
    ("index-never-gives-way", ANSWER, "Status::NotAcceptable if number + 1 == count =>", "Status::NotAcceptable =>"),
    ("index-forgets-statuses", ANSWER, "remembered = Some(status),", "remembered = None,"),
    ("index-as-by-its-method", ANSWER, "&Asked { as_get: !literal, ..*asked }", "&Asked { as_get: false, ..*asked }"),
]


def main():
    arguments = argparse.ArgumentParser(description="Faults that the differential test must notice.")
    arguments.add_argument("--tie-breaks", action="store_true", help="only those of the comparison of two variants")
    arguments.add_argument("--only", action="append", metavar="NAME", help="this mutant; may be repeated")
    arguments.add_argument("--sites", default="120", metavar="N", help="sites that a mutant is tried on (120)")
    arguments.add_argument("--seed", default="20000", metavar="S", help="seed of the first of them (20000)")
    arguments.add_argument("--list", action="store_true", help="only check that every mutant can be made")
    options = arguments.parse_args()
    known = TIE_BREAKS if options.tie_breaks else TIE_BREAKS + MUTANTS
    names = [name for name, *_ in known]
    if len(set(names)) != len(names) or set(options.only or []) - set(names):
        sys.exit(f"mutants.py: names must be unique, and those of --only among {', '.join(names)}")
    chosen = [mutant for mutant in known if mutant[0] in (options.only or names)]

    broken = [mutant[0] for mutant in chosen if not mutated(mutant)]
    for name in broken:
        print(f"{name}: its text is not there exactly once", file=sys.stderr)
    if broken or options.list:
        sys.exit(2 if broken else 0)
    sys.exit(try_all(chosen, options))


def mutated(mutant):
    """The file of a mutant, changed; None if the text is not there exactly once."""
    _, file, old, new = mutant
    text = (ROOT / file).read_text()
    return text.replace(old, new) if text.count(old) == 1 else None


def try_all(mutants, options):
    test, target = test_program(), target_directory()
    # At the same place each time, so that little has to be built again.
    tree = target / "mutants"
    copy_tree(tree)
    # The test is told to end at the first difference.
    environment = os.environ | {"CONNEGD_DIFFERENTIAL": options.sites, "CONNEGD_SEED": options.seed}
    environment |= {"CONNEGD_SHOWN": "0", "RUST_BACKTRACE": "0"}

    def build():
        # The encoders of images have no part in decisions, and take long to build.
        command = ["cargo", "build", "--quiet", "--no-default-features", "--bins", "--target-dir", str(target)]
        built = subprocess.run(command, cwd=tree, capture_output=True, text=True)
        return built.stderr if built.returncode != 0 else None

    def run(slot):
        programs = {f"{name.upper()}_BIN": str(slot / name) for name in ["connegd", "mkroot"]}
        command = [test, "--exact", TEST, "--nocapture"]
        result = subprocess.run(command, cwd=ROOT, env=environment | programs, capture_output=True, text=True)
        if "SKIPPED" in result.stderr:
            sys.exit("mutants.py: there is no Apache to compare with")
        return result

    def copies(slot):
        """The programs just built, where the next build leaves them alone."""
        slot = tree / slot
        slot.mkdir(exist_ok=True)
        for name in ["connegd", "mkroot"]:
            shutil.copy(target / "debug" / f"mutant-{name}", slot / name)
        return slot

    fault = build()
    result = fault or run(copies("slot-0"))
    if fault or result.returncode != 0:
        print(f"The program without a fault must pass:\n{fault or result.stdout}", file=sys.stderr)
        return 2

    # While one mutant is tried the next is built.
    caught = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=1) as tester:
        tried = None
        for number, mutant in enumerate([*mutants, None]):
            report = None
            if mutant:
                name, file, *_ = mutant
                start = time.monotonic()
                (tree / file).write_text(mutated(mutant))
                fault = build()
                shutil.copyfile(ROOT / file, tree / file)
                seconds = time.monotonic() - start
                # The copies are not those of the mutant that is still being tried.
                report = (name, seconds, fault, fault or tester.submit(timed, run, copies(f"slot-{number % 2}")))
            if tried:
                caught += told(*tried)
            tried = report
    print(f"{caught} of {len(mutants)} were caught")
    return 0 if caught == len(mutants) else 1


def timed(run, slot):
    start = time.monotonic()
    return run(slot), time.monotonic() - start


def told(name, build_seconds, fault, future):
    """Says what became of a mutant; returns whether it was caught."""
    if fault:
        print(f"{name:32} does not build\n{fault}", flush=True)
        return False
    result, seconds = future.result()
    word = "SURVIVED" if result.returncode == 0 else "caught"
    how = re.search(r"^(after \d+ sites).*\n(?:.*with a reason.*\n)*(.*differ: .*)", result.stdout, re.M)
    how = f"{how[1]}:{how[2].partition(' differ:')[2]}" if how else "" if word == "SURVIVED" else "the test broke off"
    print(f"{name:32} {word:8} {build_seconds:5.1f} + {seconds:4.1f} s  {how}", flush=True)
    return word == "caught"


def copy_tree(tree):
    """A copy of the tree. Package and programs have other names there: what is built of both lies in one directory,
    where the other packages are found built, and cargo must not take the one for the other."""
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for file in filter(lambda file: file and (ROOT / file).is_file(), files):
        content = (ROOT / file).read_bytes()
        if file == "Cargo.toml":
            content = content.replace(b'[package]\nname = "connegd"', b'[package]\nname = "mutant"')
            content = content.replace(b"[lib]\n", b'[lib]\nname = "connegd"\n')
            content = content.replace(b'[[bin]]\nname = "', b'[[bin]]\nname = "mutant-')
            content = content.replace(b'default-run = "', b'default-run = "mutant-')
        elif file == "Cargo.lock":
            content = content.replace(b'name = "connegd"', b'name = "mutant"')
        # What is there already stays, with its time.
        if not (tree / file).is_file() or (tree / file).read_bytes() != content:
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            (tree / file).write_bytes(content)


def test_program():
    """The test program, built if need be."""
    build = ["cargo", "test", "--test", "spec", "--no-run", "--message-format", "json", "--quiet"]
    messages = subprocess.run(build, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    programs = [json.loads(line).get("executable") for line in messages if line.startswith("{")]
    tests = [program for program in programs if program and pathlib.Path(program).name.startswith("spec-")]
    return tests[-1]


def target_directory():
    metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    return pathlib.Path(json.loads(subprocess.check_output(metadata, cwd=ROOT))["target_directory"])


if __name__ == "__main__":
    main()

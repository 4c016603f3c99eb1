#!/usr/bin/env python3
"""Proves that the differential test can fail: it must notice every one of these faults in the decision.

    spec-tests/mutants.py [--only NAME]... [--sites N] [--list]

Each mutant is the program with one fault: in one file one text, which must be there exactly once, is replaced by
another. A copy of the tree is changed and built; the differential test, built from the tree itself, is run with
CONNEGD_BIN set to the mutant and has to fail. Before that the unchanged copy has to pass. Exit status 1 if a mutant
survives, 2 if a mutant cannot be made.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
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
SITE = "src/build/site.rs"
EXTENSIONS = "src/build/extensions.rs"

# name, file, text, what it becomes
MUTANTS = [
    # The keys of the comparison, one after the other (R78 to R82).
    ("quality-ignored", SELECT,
     "policy: Policy) -> (bool, Key) {\n    if newcomer.overall != best.overall {",
     "policy: Policy) -> (bool, Key) {\n    if false {"),
    ("quality-reversed", SELECT,
     "(newcomer.overall > best.overall, Key::Quality)",
     "(newcomer.overall < best.overall, Key::Quality)"),
    ("quality-in-decimals", SELECT,
     "media_type.quality * variant.source_quality.as_f32();",
     "(media_type.quality * variant.source_quality.as_f32() * 1e6).round() / 1e6;"),
    ("source-quality-ignored", SELECT,
     "media_type.quality * variant.source_quality.as_f32();",
     "media_type.quality;"),
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
    ("level-matched-ignored", TYPE, "level_matched: variant.level.value };", "level_matched: 0 };"),
    ("level-higher", SELECT, "then_some(new.level.value < old", "then_some(new.level.value > old"),
    ("level-of-one-type-only", SELECT, " || (html(new) && html(old));", ";"),
    ("charset-ignored", SELECT, "if newcomer.charset != best.charset {", "if false {"),
    ("charset-reversed", SELECT,
     "(newcomer.charset > best.charset, Key",
     "(newcomer.charset < best.charset, Key"),
    ("charset-told-ignored", SELECT,
     "if charset::is_more_telling(newcomer.variant, best.variant) {",
     "if false {"),
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
    ("last-of-equals", SELECT,
     "Key::Length);\n    }\n    (false, Key::Order)",
     "Key::Length);\n    }\n    (true, Key::Order)"),
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
    # Type (R57 to R61).
    ("fiddle-never", TYPE, "items.iter().all(|item| item.quality == Quality::FULL)", "items.len() > 999"),
    ("fiddle-always", TYPE, "items.iter().all(|item| item.quality == Quality::FULL)", "items.len() < 999"),
    ("fiddle-though-strict", TYPE, "let fiddle = fiddles && field", "let fiddle = field"),
    ("fiddle-swapped", TYPE, "[0.01, 0.02]", "[0.02, 0.01]"),
    ("last-full-wildcard", TYPE, "anything = anything.or(Some(index))", "anything = Some(index)"),
    ("full-wildcard-first", TYPE,
     "(Some(index), _) | (None, Some(index)) => (items",
     "(_, Some(index)) | (Some(index), None) => (items"),
    ("level-must-be-equal", TYPE, "asked.value >= stored.value", "asked.value == stored.value"),
    ("level-no-bound", TYPE, "asked.value >= stored.value", "asked.value >= i32::MIN"),
    ("server-parsed-is-not-html", TYPE, "&& folds_to(range, b\"text/html\"))", "&& folds_to(range, b\"\"))"),
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
    ("range-at-any-place", LANGUAGE,
     "Some(b'-') => folds_to(range, &tag[..range.len()]),\n        Some(_) => false,",
     "Some(_) => folds_to(range, &tag[..range.len()]),"),
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
    ("priority-at-a-dash", LANGUAGE, "&& (settings.policy == Policy::Apache || matches!", "&& (false || matches!"),
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
    ("last-coding", CODING, "items.iter().position(is_named)", "items.iter().rposition(is_named)"),
    ("first-coding-wildcard", CODING,
     "items.iter().rposition(|item| item.is_wildcard())",
     "items.iter().position(|item| item.is_wildcard())"),
    ("codings-one-by-one", CODING, "if !identity && policy == Policy::Modern", "if !identity"),
    ("x-counts", CODING, "let name = name.strip_prefix(b\"x-\").unwrap_or(name);", ""),
    ("refused-name-is-not-sent", CODING,
     "policy == Policy::Apache || item.quality != Quality::NONE",
     "item.quality != Quality::NONE"),
    ("x-is-never-sent", CODING, ".then_some(prefixed)", ".then_some(plain.to_vec())"),
    # Fields (R50 to R56).
    ("empty-is-absent", PREFERENCES,
     "if policy == Policy::Apache || dimension == Dimensions::CODING || says",
     "if dimension == Dimensions::CODING || says"),
    ("qs-is-nothing", PREFERENCES, "policy == Policy::Apache && key.eq_ignore_ascii_case(b\"qs\")", "false"),
    # Candidates, their order, and what answers depend on (R24 to R31, R92).
    ("scan-order-by-name-only", SITE, "(std::cmp::Reverse(quality), self", "(quality.map(|_| 0), self"),
    ("scan-order-backwards", SITE, "order(a).cmp(&order(b))", "order(b).cmp(&order(a))"),
    ("residue-ignored", SITE, " || !covers_residue(name, &metadata.residue)", ""),
    ("vary-without-charset", VARIANT,
     ".with(Dimensions::CHARSET, differ(|variant| variant.charset.unwrap_or_default()))", ""),
    # Names (R1 to R11).
    ("first-type", EXTENSIONS, "entry.media_type.or(type_value)", "type_value.or(entry.media_type)"),
    ("empty-extensions-count", EXTENSIONS, ".filter(|extension| !extension.is_empty())", ".filter(|_| true)"),
]


def main():
    arguments = argparse.ArgumentParser(description="Faults that the differential test must notice.")
    arguments.add_argument("--only", action="append", metavar="NAME", help="this mutant; may be repeated")
    arguments.add_argument("--sites", default="120", metavar="N", help="sites that a mutant is tried on (120)")
    arguments.add_argument("--list", action="store_true", help="only check that every mutant can be made")
    options = arguments.parse_args()
    names = [name for name, *_ in MUTANTS]
    if len(set(names)) != len(names) or set(options.only or []) - set(names):
        sys.exit(f"mutants.py: names must be unique, and those of --only among {', '.join(names)}")
    chosen = [mutant for mutant in MUTANTS if mutant[0] in (options.only or names)]

    broken = [mutant[0] for mutant in chosen if not mutated(mutant)]
    for name in broken:
        print(f"{name}: its text is not there exactly once", file=sys.stderr)
    if broken or options.list:
        sys.exit(2 if broken else 0)
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        sys.exit(try_all(chosen, pathlib.Path(directory), options.sites))


def mutated(mutant):
    """The file of a mutant, changed; None if the text is not there exactly once."""
    _, file, old, new = mutant
    text = (ROOT / file).read_text()
    return text.replace(old, new) if text.count(old) == 1 else None


def try_all(mutants, tree, sites):
    for file in subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0"):
        if file and (ROOT / file).is_file():
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, tree / file)
    test = test_program()
    # Apart from the usual directory, so that the programs there stay what they are.
    target = target_directory() / "mutants"
    environment = os.environ | {"CONNEGD_DIFFERENTIAL": sites, "CONNEGD_SHOWN": "0", "RUST_BACKTRACE": "0"}
    for program in ["connegd", "mkroot"]:
        environment[f"{program.upper()}_BIN"] = str(target / "debug" / program)

    def verdict():
        build = ["cargo", "build", "--quiet", "--bins", "--target-dir", str(target)]
        built = subprocess.run(build, cwd=tree, capture_output=True, text=True)
        if built.returncode != 0:
            return "does not build", built.stderr
        command = [test, "--exact", TEST, "--nocapture"]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if "SKIPPED" in run.stderr:
            sys.exit("mutants.py: there is no Apache to compare with")
        return "survived" if run.returncode == 0 else "caught", run.stdout

    word, output = verdict()
    if word != "survived":
        print(f"The program without a fault must pass:\n{output}", file=sys.stderr)
        return 2
    failures = 0
    for mutant in mutants:
        name, file, *_ = mutant
        start = time.monotonic()
        (tree / file).write_text(mutated(mutant))
        word, output = verdict()
        shutil.copyfile(ROOT / file, tree / file)
        print(f"{name:32} {word:14} {time.monotonic() - start:5.1f} s", flush=True)
        if word == "does not build":
            print(output, file=sys.stderr)
        failures += word != "caught"
    print(f"{len(mutants) - failures} of {len(mutants)} were caught")
    return 1 if failures else 0


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

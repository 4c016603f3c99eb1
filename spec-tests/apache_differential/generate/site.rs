//! Random sites: names, sizes and settings.

use super::{CHARSETS, CODINGS, Features, LANGUAGES, MAP_BASES, TYPES, X_CODINGS, map, random_case, type_parameter};
use crate::apache_differential::case::{Content, Settings, Site, is_key, split};
use crate::support::random::Random;

const BASES: [&str; 9] = ["a", "b", "c", "chart", "index", "m", "ab", "home", "a b"];
const ODD_BASES: [&str; 9] = ["A", "a&b", "a%b", "é", "h:i", "txt", "a+b;c=d@e", ".c", "p[q]{r}'"];
const DIRECTORIES: [&str; 8] = ["d/", "d/e/", "s/", "a/", "pic.html/", "index/", "a b/", "s/t/u/"];
const UNKNOWN: [&str; 4] = ["zzq", "bak", "x1", "2"];

/// A site whose type maps, if any, are alone with their base names: Apache takes one of several in the order in
/// which the file system lists them (B15).
pub fn site(random: &mut Random, features: Features) -> Site {
    let mut site = Site { transparent: features.transparent && random.percent(50), ..Site::default() };
    let codings = if features.x_codings { [&CODINGS[..], &X_CODINGS].concat() } else { CODINGS.to_vec() };
    // Few of each, so that variants meet. The last types are all HTML, with levels.
    let types = if random.percent(15) { &TYPES[12..] } else { &TYPES };
    let vocabulary = Vocabulary {
        types: random.some(types, &[1, 2, 3]),
        languages: random.some(&LANGUAGES, &[0, 1, 2, 2, 3, 4]),
        charsets: random.some(&CHARSETS, &[0, 0, 0, 1, 2, 3]),
        codings: random.some(&codings, &[0, 0, 1, 1, 2, 3]),
    };
    let mut directories = vec![String::new()];
    for _ in 0..random.pick(&[0, 0, 1, 1, 2]) {
        directories.push(random.pick(&DIRECTORIES).to_string());
    }
    for directory in &directories {
        let mut bases = random.some(&BASES, &[1, 2]);
        if random.percent(10) {
            bases.push(random.pick(&ODD_BASES));
        }
        for base in bases {
            let words = vocabulary.narrowed(random);
            for _ in 0..random.pick(&[1, 3, 4, 5, 6, 8]) {
                let path = format!("{directory}{}", words.file_name(random, base));
                let least = path.len() + 2;
                let size = least.max(random.pick(&[40, 40, 40, 41, 39, 60]));
                site.files.insert(path, Content::Tagged(size));
            }
        }
    }
    site.settings.insert(String::new(), vocabulary.root_settings(random, features));
    if features.per_directory {
        for directory in site.directories().into_iter().filter(|directory| !directory.is_empty()) {
            if random.percent(50) {
                site.settings.insert(directory, vocabulary.settings(random, features));
            }
        }
    }
    if features.maps {
        add_maps(random, &vocabulary, &directories, &mut site);
    }
    // What is a directory cannot be a file.
    let directories = site.directories();
    site.files.retain(|path, _| !directories.contains(&format!("{path}/")));
    site
}

/// The extensions of a site, with what they mean.
pub struct Vocabulary {
    pub types: Vec<(&'static str, &'static str)>,
    pub languages: Vec<(&'static str, &'static str)>,
    charsets: Vec<(&'static str, &'static str)>,
    pub codings: Vec<(&'static str, &'static str)>,
}

impl Vocabulary {
    /// Words for the files of one base name: in some dimensions they do not differ, or say nothing.
    fn narrowed(&self, random: &mut Random) -> Vocabulary {
        let mut narrow = |table: &Vec<(&'static str, &'static str)>, chances: [usize; 2]| match random.below(100) {
            roll if roll < chances[0] => Vec::new(),
            roll if roll < chances[1] => random.some(table, &[1]),
            _ => table.clone(),
        };
        Vocabulary {
            types: narrow(&self.types, [0, 40]),
            languages: narrow(&self.languages, [20, 30]),
            charsets: narrow(&self.charsets, [35, 50]),
            codings: narrow(&self.codings, [35, 50]),
        }
    }

    fn file_name(&self, random: &mut Random, base: &str) -> String {
        let mut extensions = Vec::new();
        for (chance, second, table) in
            [(93, 4, &self.types), (80, 25, &self.languages), (65, 4, &self.charsets), (65, 6, &self.codings)]
        {
            if !table.is_empty() && random.percent(chance) {
                extensions.push(random.pick(table).0);
                if random.percent(second) {
                    extensions.push(random.pick(table).0);
                }
            }
        }
        if random.percent(7) {
            extensions.push(random.pick(&UNKNOWN));
        }
        if random.percent(4) {
            extensions.push(""); // two dots together, or one at the end
        }
        // Mostly in the usual order, so that names by which several files can be asked for are long as well.
        if random.percent(40) {
            random.shuffle(&mut extensions);
        }
        let mut name = base.to_string();
        for extension in extensions {
            name.push('.');
            name += &random_case(random, extension, 4);
        }
        name
    }

    fn root_settings(&self, random: &mut Random, features: Features) -> Settings {
        let mut settings = self.settings(random, features);
        settings.language_priority.get_or_insert_default();
        settings.force_language_priority.get_or_insert_default();
        settings.type_maps.get_or_insert_with(|| vec!["*.var".into()]);
        settings.directory_index.get_or_insert_with(|| vec!["index".into()]);
        for (table, words) in [
            (&mut settings.types, &self.types),
            (&mut settings.languages, &self.languages),
            (&mut settings.charsets, &self.charsets),
            (&mut settings.encodings, &self.codings),
        ] {
            for &(extension, value) in words {
                if random.percent(97) && !table.keys().any(|key| is_key(key, &extension.to_ascii_lowercase())) {
                    table.insert(table_key(random, extension), random_case(random, value, 10));
                }
            }
        }
        settings
    }

    /// Settings for any directory: a few keys and entries.
    fn settings(&self, random: &mut Random, features: Features) -> Settings {
        let mut settings = Settings::default();
        if random.percent(60) {
            let tags = self.languages.iter().chain(&LANGUAGES).take(8).map(|(_, tag)| tag.to_string());
            let tags: Vec<_> = tags.chain(["e".into(), "EN".into()]).collect();
            settings.language_priority = Some(random.some(&tags, &[0, 1, 2, 3, 4]));
        }
        if random.percent(75) {
            let force: &[&str] =
                random.pick(&[&[][..], &["prefer"], &["fallback"], &["prefer", "fallback"], &["fallback", "prefer"]]);
            settings.force_language_priority = Some(force.iter().map(ToString::to_string).collect());
        }
        if random.percent(12) {
            settings.default_language = Some(random.pick(&["en", "FR", "pt-BR", "De"]).to_string());
        }
        if random.percent(60) {
            let names = ["index", "index.html", "home", "a", "index.var", "m", "none", "chart", "b.html"];
            settings.directory_index =
                Some(random.some(&names, &[0, 1, 2, 3]).into_iter().map(str::to_string).collect());
        }
        if features.maps && random.percent(60) {
            let globs = ["map.txt", "m.t?t", "n.*", "o.[v-x]*", "*.map", "*.VAR"];
            let mut globs = random.some(&globs, &[0, 1, 2]);
            if random.percent(75) {
                globs.push("*.var");
            }
            settings.type_maps = Some(globs.into_iter().map(str::to_string).collect());
        }
        for &(extension, value) in &self.types {
            if random.percent(45) {
                let mut value = random_case(random, value, 10);
                for _ in 0..random.pick(&[1, 1, 1, 2]) {
                    value += random.pick(&[";", ";", "; ", "; ", " ;", " ; "]);
                    value += &type_parameter(random);
                }
                settings.types.insert(table_key(random, extension), value);
            }
        }
        if features.maps && random.percent(45) {
            settings.types.insert("var".into(), "application/x-type-map".into());
        }
        // An extension that means something in two tables, or another thing than elsewhere.
        if random.percent(12)
            && let Some((extension, _)) = self.languages.first()
        {
            settings.types.insert(extension.to_string(), "application/ecmascript".into());
        }
        if random.percent(8)
            && let Some((extension, _)) = self.codings.first()
        {
            settings.types.insert(extension.to_string(), "application/x-gzip".into());
        }
        if random.percent(15)
            && let Some((extension, _)) = self.languages.first()
        {
            settings.languages.insert(extension.to_string(), random.pick(&LANGUAGES).1.to_string());
        }
        if random.percent(5) {
            settings.charsets.insert(UNKNOWN[0].to_string(), random.pick(&CHARSETS).1.to_string());
        }
        settings
    }
}

/// An extension as it may stand in a table.
fn table_key(random: &mut Random, extension: &str) -> String {
    let key = random_case(random, extension, 8);
    if random.percent(8) { format!(".{key}") } else { key }
}

fn add_maps(random: &mut Random, vocabulary: &Vocabulary, directories: &[String], site: &mut Site) {
    for directory in directories {
        for base in random.some(&MAP_BASES, &[0, 1, 1, 2]) {
            let extensions =
                random.pick(&["var", "var", "var", "var", "VAR", "map", "html.var", "var.html", "zzq.var"]);
            let name = if base == "map" { "map.txt".to_string() } else { format!("{base}.{extensions}") };
            let path = format!("{directory}{name}");
            let lines = map::lines(random, vocabulary, &path, site);
            site.files.insert(path, Content::Map(lines));
        }
    }
    // Ordinary files may be marked as maps as well: those are broken ones. Of each base name one map stays.
    let mut seen: Vec<String> = Vec::new();
    let maps: Vec<_> = site.files.keys().filter(|path| site.is_map(path)).cloned().collect();
    for path in maps {
        let (directory, name) = split(&path);
        let base = format!("{directory}{}", name.split('.').next().unwrap_or_default());
        if seen.contains(&base) {
            site.files.remove(&path);
        } else {
            seen.push(base);
        }
    }
}

//! Random requests to a site.

use super::{CHARSETS, CODINGS, Features, LANGUAGES, TYPES, random_case};
use crate::apache_differential::case::{Content, Request, Site, is_map_type, split};
use crate::support::random::Random;

/// A request to a site.
pub fn request(random: &mut Random, features: Features, site: &Site) -> Request {
    let words = Words::of(site, features);
    let mut fields = Vec::new();
    // A client that weighs everything: by chance RVSA seldom has a definite choice (R88, R89).
    let weighs = site.transparent && random.percent(12);
    for (name, absent, generate) in [
        ("Accept", 20, accept as fn(&mut Random, &Words) -> String),
        ("Accept-Language", 25, accept_language),
        ("Accept-Charset", if words.charsets.is_empty() { 90 } else { 40 }, accept_charset),
        ("Accept-Encoding", 35, accept_encoding),
        ("Negotiate", if site.transparent { 70 } else { 93 }, negotiate),
    ] {
        if random.percent(absent) && !(weighs && name != "Accept-Encoding") {
            continue;
        }
        let mut value = match name {
            "Accept" if weighs => weighed(random, &words.types),
            "Accept-Language" if weighs => weighed(random, &words.languages),
            "Accept-Charset" if weighs => weighed(random, &words.charsets),
            "Negotiate" if weighs => "1.0".to_string(),
            _ => generate(random, &words),
        };
        if random.percent(7) {
            spoil(random, &mut value);
        }
        let name = random_case(random, name, 5);
        // In two lines, or in one.
        match value.split_once(',').filter(|_| random.percent(6)) {
            Some((first, rest)) => {
                fields.push((name.clone(), first.trim().to_string()));
                fields.push((name, rest.trim().to_string()));
            }
            None => fields.push((name, value.trim().to_string())),
        }
    }
    // From Lynx `trans` is not believed.
    let is_trans = fields.iter().any(|(_, value)| value == "trans");
    if random.percent(if is_trans { 40 } else { 3 }) {
        fields.push(("User-Agent".to_string(), "Lynx/2.8".to_string()));
    }
    let version = if random.percent(97) { "HTTP/1.1" } else { "HTTP/1.0" };
    let methods: &[&str] = if features.methods { &["POST", "POST", "OPTIONS", "DELETE", "HEAD"] } else { &["HEAD"] };
    let method = if random.percent(82) { "GET" } else { random.pick(methods) };
    if features.conditions && random.percent(25) {
        fields.extend(conditions(random, method));
    }
    random.shuffle(&mut fields);
    let (path, query) = target(random, features, site);
    Request { method, path, query, version, fields }
}

/// A condition that means the same to both servers, whose entity tags have nothing in common; or a range, perhaps on a
/// condition.
///
/// Left out is what Apache has its own way with: several conditions at once, of which it makes something else than RFC
/// 9110, section 13.2.2; Range where the method is not GET; 416, which ends the connection; an If-Range that is neither
/// tag nor date; and 1970-01-01T00:00:00Z and the future, which are no dates to it.
fn conditions(random: &mut Random, method: &str) -> Vec<(String, String)> {
    let before = ["Tue, 31 Dec 2019 23:59:59 GMT", "Fri Jan  1 00:00:00 1971", "Tuesday, 31-Dec-19 00:00:00 GMT"];
    let since = ["Wed, 01 Jan 2020 00:00:00 GMT", "Wed Jan  1 00:00:01 2020", "Thursday, 02-Jan-20 00:00:00 GMT"];
    let dates = [before, since].concat();
    let tags = ["\"x\"", "W/\"x\", \"y\"", "*"];
    let ranges = ["bytes=0-2", "bytes=5-", "bytes=-3", "bytes=0-", "bytes=-9999999", "bytes=5-3", "lines=1-2"];
    let mut field = |name: &str, values: &[&str]| {
        let value = random.pick(values).to_string();
        (random_case(random, name, 5), value)
    };
    let [range, if_range] = [field("Range", &ranges), field("If-Range", &[tags[0], before[0], since[0]])];
    let conditions = [
        field("If-Match", &tags),
        field("If-None-Match", &tags),
        field("If-Modified-Since", &dates),
        field("If-Unmodified-Since", &dates),
    ];
    match random.below(3) {
        0 if method == "GET" => vec![range],
        1 if method == "GET" => vec![range, if_range],
        _ => vec![random.pick(&conditions)],
    }
}

fn target(random: &mut Random, features: Features, site: &Site) -> (String, String) {
    let paths: Vec<_> = site.files.keys().collect();
    let maps: Vec<_> = paths.iter().copied().filter(|path| matches!(site.files[*path], Content::Map(_))).collect();
    let is_map = !maps.is_empty() && random.percent(35);
    let paths = if is_map { maps } else { paths };
    let path = if paths.is_empty() { "a.html" } else { random.pick(&paths) };
    let (directory, name) = split(path);
    let dots: Vec<_> = name.match_indices('.').map(|(dot, _)| dot).filter(|&dot| dot > 0).collect();
    let first = dots.first().map_or(name, |&dot| &name[..dot]);
    let mut path = match random.below(100) {
        // A map is not always found by a shorter name (R33).
        0..=39 if is_map => path.to_string(),
        0..=52 => format!("{directory}{first}"),
        53..=68 if !dots.is_empty() => format!("{directory}{}", &name[..random.pick(&dots)]),
        53..=75 => path.to_string(),
        76..=84 => directory.to_string(),
        85..=87 => directory.trim_end_matches('/').to_string(),
        88 => path.chars().take(random.below(path.len())).collect(),
        89 => format!("{path}.html"),
        90 => format!("{directory}{first}.{}", random.pick(&TYPES).0),
        91 => format!("{directory}{first}."),
        92 => path.to_ascii_uppercase(),
        93 => random.pick(&["zzz", "nodir/x", "d/nodir/x.html", ".c", "none"]).to_string(),
        94..=97 if features.path_info => {
            let before = if random.percent(60) { first } else { name };
            format!("{directory}{before}{}", random.pick(&["/", "/x", "/x.html", "/x/y", "/."]))
        }
        _ => format!("{directory}{first}"),
    };
    path.insert(0, '/');
    let mut path = escaped(&path);
    match random.below(30) {
        0 => path.insert(path.rfind('/').unwrap_or(0), '/'),
        1 => path.insert_str(path.rfind('/').unwrap_or(0), "/."),
        2 => path.insert_str(0, "/d/.."),
        3 if random.percent(10) => path.insert_str(0, "/.."),
        4 | 5 => {
            let letters: Vec<_> = path.char_indices().filter(|(_, letter)| letter.is_ascii_lowercase()).collect();
            if let Some(&(place, letter)) = letters.get(random.below(letters.len().max(1)))
                && !path[..place].ends_with('%')
                && !path[..place.saturating_sub(1)].ends_with('%')
            {
                path.replace_range(place..=place, &format!("%{:02x}", letter as u32));
            }
        }
        _ => {}
    }
    let query = if random.percent(6) { random.pick(&["?x=1", "?", "?a=b&c"]) } else { "" };
    (path, query.to_string())
}

/// A path with everything in hexadecimal that must be.
fn escaped(path: &str) -> String {
    let mut escaped = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/.-_~!$&'()*+,;=:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped += &format!("%{byte:02X}");
        }
    }
    escaped
}

/// What the fields of a request to a site can name.
#[derive(Default)]
struct Words {
    types: Vec<String>,
    /// The types again, with their source qualities in tenths.
    weighted: Vec<(String, usize)>,
    languages: Vec<String>,
    charsets: Vec<String>,
    codings: Vec<String>,
    /// Whether codings may begin with `x-`.
    x_codings: bool,
}

impl Words {
    fn of(site: &Site, features: Features) -> Words {
        let mut words = Words { x_codings: features.x_codings, ..Words::default() };
        for settings in site.settings.values() {
            for value in settings.types.values().filter(|value| !is_map_type(value)) {
                let essence = value.split([';', ' ']).next().unwrap_or_default().to_ascii_lowercase();
                words.types.push(essence.clone());
                match value.split_once("qs=0.") {
                    None => words.weighted.push((essence, 10)),
                    Some((_, tenths)) => words.weighted.extend(tenths.parse().map(|tenths| (essence, tenths))),
                }
            }
            words.languages.extend(settings.languages.values().cloned());
            words.languages.extend(settings.default_language.clone());
            words.charsets.extend(settings.charsets.values().cloned());
            words.codings.extend(settings.encodings.values().cloned());
        }
        words.types.extend(words.types.is_empty().then(|| "text/html".to_string()));
        words.languages.extend(words.languages.is_empty().then(|| "en".to_string()));
        words
    }
}

const QUALITIES: [&str; 24] = [
    "1", "0.9", "0.8", "0.5", "0.5", "0.7", "0.3", "0.1", "0", "0", "0.001", "0.2", "0.18", "0.75", "0.225", "0.07",
    "0.6", "1.0", "0.0", "0.25", "0.45", "0.01", "0.02", "0.000",
];
const ODD_QUALITIES: [&str; 20] = [
    "1.5", "-1", "abc", "", ".5", "0.", "0.1239", "0.0009", "00.9", "0x9", "+0.5", "0.5x", "\"0.5\"", "\" 0.5\"", "2",
    " 0.4", "0,5", "1.000", "0.999", "\"0.3",
];

fn weight(random: &mut Random, plain: usize) -> String {
    if random.percent(plain) {
        return String::new();
    }
    let key = random.pick(&["q", "q", "q", "q", "q", "q", "q", "q", "Q", "qs"]);
    let separator = random.pick(&[";", ";", ";", ";", "; ", " ;", " ; "]);
    let equals = random.pick(&["=", "=", "=", "=", "=", "=", "=", "=", " = ", " "]);
    let quality = if random.percent(92) { random.pick(&QUALITIES) } else { random.pick(&ODD_QUALITIES) };
    format!("{separator}{key}{equals}{quality}")
}

/// A list of items that are made by `item`, each with a weight.
fn list(random: &mut Random, most: usize, item: impl Fn(&mut Random) -> String) -> String {
    let plain = random.pick(&[20, 60, 100]);
    let mut text = String::new();
    let mut names: Vec<String> = Vec::new();
    for number in 0..random.between(1, most) {
        if number > 0 {
            text += random.pick(&[", ", ", ", ", ", ",", ",", ",,", " "]);
        }
        // The same once more: then it matters whether the first counts or the last.
        let name = if number > 0 && random.percent(8) { random.pick(&names) } else { item(random) };
        text += &name;
        text += &weight(random, plain);
        names.push(name);
    }
    text
}

/// All of these words, each with a weight.
fn weighed(random: &mut Random, words: &[String]) -> String {
    let item = |word: &String| format!("{word};q={}", random.pick(&["1", "0.9", "0.7", "0.5"]));
    words.iter().map(item).collect::<Vec<_>>().join(", ")
}

fn accept(random: &mut Random, words: &Words) -> String {
    const REAL: [&str; 11] = [
        "text/*, */*",
        "image/*, */*",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
         application/signed-exchange;v=b3;q=0.7",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
        "text/markdown, text/html, */*",
        "text/markdown, text/plain;q=0.9, */*;q=0.8",
        "text/html, */*",
        "*/*",
        "text/turtle, application/rdf+xml;q=0.9, application/ld+json;q=0.8",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    ];
    if random.percent(25) {
        return random.pick(&REAL).to_string();
    }
    if random.percent(3) {
        return String::new();
    }
    if words.weighted.len() > 1 && random.percent(25) {
        // With these, type times source quality is equal for both, but for the errors of binary32 (R78).
        let pair = random.some(&words.weighted, &[2]);
        let (first, second) = (&pair[0], &pair[1]);
        let hundredths = random.pick(&[20, 30, 50, 60, 70, 75, 90]);
        let [q, p] = [second.1, first.1].map(|tenths| format!("0.{:03}", (tenths * hundredths).min(999)));
        return format!("{};q={q}, {};q={p}", first.0, second.0);
    }
    list(random, 5, |random| {
        let mut name = match random.below(20) {
            0..=11 => random.pick(&words.types),
            12 | 13 => {
                let name = random.pick(&words.types);
                format!("{}/*", name.split('/').next().unwrap_or_default())
            }
            14 | 15 => random.pick(&["*/*", "*/*", "*/*", "*"]).to_string(),
            16 | 17 => random.pick(&TYPES).1.to_string(),
            18 => random.pick(&["text/h*", "*/html", "te/*", "text", "/*", "x/y", "\"text/html\""]).to_string(),
            _ => "text/html".to_string(),
        };
        if random.percent(10) {
            name += random.pick(&[
                ";level=1",
                ";level=2",
                ";level=3",
                "; level=0",
                ";level=x",
                ";version=5",
                ";charset=utf-8",
            ]);
        }
        random_case(random, &name, 4)
    })
}

fn accept_language(random: &mut Random, words: &Words) -> String {
    const REAL: [&str; 7] = [
        "en-US,en;q=0.9",
        "en-US,en;q=0.5",
        "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7",
        "fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5",
        "pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7",
        "zh-Hant-TW,zh;q=0.9",
        "*",
    ];
    if random.percent(20) {
        return random.pick(&REAL).to_string();
    }
    if random.percent(3) {
        return String::new();
    }
    list(random, 4, |random| {
        let tag = random.pick(&words.languages);
        let tag = match random.below(20) {
            0..=9 => tag,
            10 | 11 => tag.split('-').next().unwrap_or_default().to_string(),
            12 | 13 => format!("{tag}-{}", random.pick(&["us", "x", "CH", "br"])),
            14 | 15 => "*".to_string(),
            16..=18 => random.pick(&LANGUAGES).1.to_string(),
            _ => random.pick(&["-x", "e", "en_us", "en-", "i-en", "xx", "\"en\"", "en-gb-oed", "*-us"]).to_string(),
        };
        random_case(random, &tag, 6)
    })
}

fn accept_charset(random: &mut Random, words: &Words) -> String {
    if random.percent(4) {
        return String::new();
    }
    list(random, 3, |random| {
        let name = match random.below(10) {
            0..=4 if !words.charsets.is_empty() => random.pick(&words.charsets),
            0..=6 => random.pick(&CHARSETS).1.to_string(),
            7 | 8 => "*".to_string(),
            _ => random.pick(&["iso-8859-1", "us-ascii", "\"utf-8\"", "utf"]).to_string(),
        };
        random_case(random, &name, 6)
    })
}

fn accept_encoding(random: &mut Random, words: &Words) -> String {
    if random.percent(20) {
        return random
            .pick(&["gzip, deflate, br, zstd", "gzip, deflate", "gzip", "gzip;q=0", "br;q=1.0, gzip;q=0.8, *;q=0.1"])
            .to_string();
    }
    if random.percent(4) {
        return String::new();
    }
    list(random, 4, |random| {
        let name = match random.below(12) {
            0..=5 if !words.codings.is_empty() => random.pick(&words.codings),
            0..=7 => random.pick(&CODINGS).1.to_string(),
            8 | 9 => "identity".to_string(),
            10 => "*".to_string(),
            _ => random.pick(&["x-gzip", "x-br", "x-compress", "deflate", "x-"]).to_string(),
        };
        let name = if words.x_codings { name } else { name.trim_start_matches("x-").to_string() };
        random_case(random, &name, 6)
    })
}

fn negotiate(random: &mut Random, _: &Words) -> String {
    let known =
        ["trans", "vlist", "guess-small", "*", "1.0", "1.0", "1.0, *", "2.0", "trans, vlist", "1.0 , trans", "*,trans"];
    let odd =
        ["", "foo", "trans;x=1", "TRANS", "\"trans\"", ",", "1", "trans *", "foo, *", "\"a, 1.0\", b", "(x, *), \"y"];
    if random.percent(80) { random.pick(&known).to_string() } else { random.pick(&odd).to_string() }
}

/// Puts something into a field value that should not be there.
fn spoil(random: &mut Random, value: &mut String) {
    let mut places: Vec<_> = value.char_indices().map(|(place, _)| place).collect();
    places.push(value.len());
    let place = random.pick(&places);
    let rubbish = ["\"", ";", ";;", ",", " ", "\t", "=", ";q", ";q=", "*", "/", "\\", "é", "(x)", ";q=\"", "%"];
    value.insert_str(place, random.pick(&rubbish));
}

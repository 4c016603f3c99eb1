//! The extensions that mean something without being declared: compile-time tables.
//!
//! Types come from the table of `mime_guess`, corrected where it is behind its registry; an extension
//! that names a language or a coding never names a type as well, else `page.html.es` would be
//! JavaScript (R14).

use phf::{Map, phf_map};

/// Content codings by extension, lower-case (the registry of RFC 9110, section 16.6.1).
static CODINGS: Map<&str, &str> = phf_map! {
    "br" => "br", "dcb" => "dcb", "dcz" => "dcz", "gz" => "gzip", "z" => "compress", "zst" => "zstd",
};

/// Languages by extension: those with many readers on the Web, by their ISO 639-1 codes, and the regional
/// and script forms in use. Codes that are better known as something else are left out and can be
/// declared: `as`, `br` (Brotli), `in`, `la`, `ps` (PostScript), `so` (libraries), `ts` (MPEG streams).
static LANGUAGES: Map<&str, &str> = phf_map! {
    "af" => "af", "am" => "am", "ar" => "ar", "az" => "az", "be" => "be", "bg" => "bg", "bn" => "bn", "bs" => "bs",
    "ca" => "ca", "cs" => "cs", "cy" => "cy", "da" => "da", "de" => "de", "el" => "el", "en" => "en", "eo" => "eo",
    "es" => "es", "et" => "et", "eu" => "eu", "fa" => "fa", "fi" => "fi", "fo" => "fo", "fr" => "fr", "fy" => "fy",
    "ga" => "ga", "gd" => "gd", "gl" => "gl", "gu" => "gu", "he" => "he", "hi" => "hi", "hr" => "hr", "hu" => "hu",
    "hy" => "hy", "id" => "id", "is" => "is", "it" => "it", "ja" => "ja", "ka" => "ka", "kk" => "kk", "km" => "km",
    "kn" => "kn", "ko" => "ko", "ku" => "ku", "ky" => "ky", "lb" => "lb", "lo" => "lo", "lt" => "lt", "lv" => "lv",
    "mk" => "mk", "ml" => "ml", "mn" => "mn", "mr" => "mr", "ms" => "ms", "mt" => "mt", "my" => "my", "nb" => "nb",
    "ne" => "ne", "nl" => "nl", "nn" => "nn", "no" => "no", "oc" => "oc", "pa" => "pa", "pl" => "pl", "pt" => "pt",
    "rm" => "rm", "ro" => "ro", "ru" => "ru", "se" => "se", "si" => "si", "sk" => "sk", "sl" => "sl", "sq" => "sq",
    "sr" => "sr", "sv" => "sv", "sw" => "sw", "ta" => "ta", "te" => "te", "tg" => "tg", "th" => "th", "tk" => "tk",
    "tr" => "tr", "tt" => "tt", "ug" => "ug", "uk" => "uk", "ur" => "ur", "uz" => "uz", "vi" => "vi", "xh" => "xh",
    "yi" => "yi", "yo" => "yo", "zh" => "zh", "zu" => "zu",
    "de-at" => "de-at", "de-ch" => "de-ch", "de-de" => "de-de", "en-au" => "en-au", "en-ca" => "en-ca",
    "en-gb" => "en-gb", "en-ie" => "en-ie", "en-in" => "en-in", "en-nz" => "en-nz", "en-us" => "en-us",
    "es-419" => "es-419", "es-ar" => "es-ar", "es-es" => "es-es", "es-mx" => "es-mx", "fr-be" => "fr-be",
    "fr-ca" => "fr-ca", "fr-ch" => "fr-ch", "fr-fr" => "fr-fr", "it-ch" => "it-ch", "nl-be" => "nl-be",
    "pt-br" => "pt-br", "pt-pt" => "pt-pt", "sr-cyrl" => "sr-cyrl", "sr-latn" => "sr-latn", "zh-cn" => "zh-cn",
    "zh-hans" => "zh-hans", "zh-hant" => "zh-hant", "zh-hk" => "zh-hk", "zh-sg" => "zh-sg", "zh-tw" => "zh-tw",
};

/// Charsets by extension: the names that Apache's distribution declares.
static CHARSETS: Map<&str, &str> = phf_map! {
    "ascii" => "us-ascii", "us-ascii" => "us-ascii", "utf8" => "utf-8", "utf-8" => "utf-8",
    "utf16be" => "utf-16be", "utf16le" => "utf-16le",
    "latin1" => "iso-8859-1", "iso8859-1" => "iso-8859-1", "latin2" => "iso-8859-2", "iso8859-2" => "iso-8859-2",
    "latin3" => "iso-8859-3", "iso8859-3" => "iso-8859-3", "latin4" => "iso-8859-4", "iso8859-4" => "iso-8859-4",
    "cyr" => "iso-8859-5", "iso8859-5" => "iso-8859-5", "arb" => "iso-8859-6", "iso8859-6" => "iso-8859-6",
    "grk" => "iso-8859-7", "iso8859-7" => "iso-8859-7", "heb" => "iso-8859-8", "iso8859-8" => "iso-8859-8",
    "latin5" => "iso-8859-9", "iso8859-9" => "iso-8859-9", "latin6" => "iso-8859-10", "iso8859-10" => "iso-8859-10",
    "iso8859-13" => "iso-8859-13", "latin8" => "iso-8859-14", "iso8859-14" => "iso-8859-14",
    "latin9" => "iso-8859-15", "iso8859-15" => "iso-8859-15", "latin10" => "iso-8859-16", "iso8859-16" => "iso-8859-16",
    "iso2022-jp" => "iso-2022-jp", "jis" => "iso-2022-jp", "iso2022-kr" => "iso-2022-kr", "iso2022-cn" => "iso-2022-cn",
    "big5" => "big5", "cn-big5" => "big5", "gb" => "gb2312", "gb2312" => "gb2312", "gbk" => "gbk", "gb18030" => "gb18030",
    "shift_jis" => "shift_jis", "sjis" => "shift_jis", "euc-jp" => "euc-jp", "euc-kr" => "euc-kr", "euc-cn" => "gb2312",
    "koi8" => "koi8-r", "koi8-r" => "koi8-r", "koi8-ru" => "koi8-u", "koi8-u" => "koi8-u",
    "cp-866" => "ibm866", "cp866" => "ibm866",
    "cp-1250" => "windows-1250", "win-1250" => "windows-1250", "cp-1251" => "windows-1251", "win-1251" => "windows-1251",
    "cp-1252" => "windows-1252", "win-1252" => "windows-1252",
};

/// Types that `mime_guess` does not know, or knows by an older name than the registry's.
static TYPES: Map<&str, &str> = phf_map! {
    "apng" => "image/apng", "bz2" => "application/x-bzip2", "cjs" => "text/javascript", "geojson" => "application/geo+json",
    "jsonl" => "application/jsonl", "jxl" => "image/jxl", "md" => "text/markdown", "mjs" => "text/javascript",
    "n3" => "text/n3", "nq" => "application/n-quads", "nt" => "application/n-triples", "otf" => "font/otf",
    "rss" => "application/rss+xml", "shex" => "text/shex", "tgz" => "application/gzip",
    "toml" => "application/toml", "trig" => "application/trig", "ts" => "video/mp2t", "ttf" => "font/ttf",
    "txz" => "application/x-xz",
    "yaml" => "application/yaml", "yml" => "application/yaml",
};

/// The content coding that `extension` (lower-case) names.
pub fn coding(extension: &str) -> Option<&'static str> {
    CODINGS.get(extension).copied()
}

/// The language tag that `extension` (lower-case) names.
pub fn language(extension: &str) -> Option<&'static str> {
    LANGUAGES.get(extension).copied()
}

/// The charset that `extension` (lower-case) names.
pub fn charset(extension: &str) -> Option<&'static str> {
    CHARSETS.get(extension).copied()
}

/// The media type that `extension` (lower-case) names. It names none if it names a language, charset or coding.
pub fn media_type(extension: &str) -> Option<&'static str> {
    if coding(extension).is_some() || language(extension).is_some() || charset(extension).is_some() {
        return None;
    }
    TYPES.get(extension).copied().or_else(|| mime_guess::from_ext(extension).first_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_language_coding_or_charset_is_a_type_as_well() {
        for extension in LANGUAGES.keys().chain(CODINGS.keys()).chain(CHARSETS.keys()) {
            assert_eq!(media_type(extension), None, "{extension}");
        }
        for extension in ["es", "tr", "pl", "sl", "sr", "gl", "pt"] {
            assert_eq!(language(extension), Some(extension), "R14 names {extension}");
        }
        for extension in LANGUAGES.keys() {
            assert!(coding(extension).is_none() && charset(extension).is_none(), "{extension}");
        }
    }

    #[test]
    fn tables_are_in_lower_case_and_hold_sound_values() {
        for (extension, value) in
            LANGUAGES.entries().chain(CODINGS.entries()).chain(CHARSETS.entries()).chain(TYPES.entries())
        {
            assert_eq!(*extension, extension.to_ascii_lowercase());
            assert_eq!(*value, value.to_ascii_lowercase());
        }
        for value in TYPES.values() {
            assert!(value.parse::<mime::Mime>().is_ok(), "{value}");
        }
    }

    #[test]
    fn the_web_s_types_are_known() {
        for (extension, expected) in [
            ("html", "text/html"),
            ("md", "text/markdown"),
            ("css", "text/css"),
            ("js", "text/javascript"),
            ("json", "application/json"),
            ("svg", "image/svg+xml"),
            ("png", "image/png"),
            ("jpg", "image/jpeg"),
            ("webp", "image/webp"),
            ("avif", "image/avif"),
            ("woff2", "font/woff2"),
            ("wasm", "application/wasm"),
            ("pdf", "application/pdf"),
            ("ttl", "text/turtle"),
            ("rdf", "application/rdf+xml"),
            ("jsonld", "application/ld+json"),
            ("xhtml", "application/xhtml+xml"),
            ("txt", "text/plain"),
            ("mp4", "video/mp4"),
            ("ts", "video/mp2t"),
            ("ico", "image/x-icon"),
            ("tar", "application/x-tar"),
        ] {
            assert_eq!(media_type(extension), Some(expected), "{extension}");
        }
    }
}

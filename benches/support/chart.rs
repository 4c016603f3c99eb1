//! The site that ships with the project, and what clients ask of it.

use std::fs::File;
use std::path::Path;

use connegd::build::{self, Config, Options, Report};
use connegd::http::request::{self, Limits, Parsed, RequestHead};
use connegd::negotiation::Preferences;
use connegd::resource::{Dimensions, Policy, Settings, Variant};

/// A page with eight variants in two dimensions, for a browser.
pub const CHROME: &str = "GET / HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,\
    image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n\r\n";
/// An image with two variants, for a program.
pub const AGENT: &str =
    "GET /2005/chart HTTP/1.1\r\nHost: localhost:8080\r\nAccept: image/svg+xml; q=1, image/*; q=0.5\r\n\r\n";
/// No browser sends it any more; this is what Chrome sent as long as it did.
pub const ACCEPT_CHARSET: &[u8] = b"ISO-8859-1,utf-8;q=0.7,*;q=0.3";

/// The variants of [`CHROME`]'s page: four languages, each in two types.
pub fn page() -> Vec<Variant<'static>> {
    let of = |languages: &'static str| {
        ["text/html", "text/markdown"].map(|media_type| Variant {
            languages: Some(languages.as_bytes()),
            charset: Some(b"utf-8"),
            ..Variant::of_type(b"index", media_type.as_bytes(), 900)
        })
    };
    ["de", "en", "fr", "ja"].into_iter().flat_map(of).collect()
}

/// What decides on it.
pub fn settings() -> Settings {
    Settings { language_priority: ["en", "fr", "de", "ja"].map(String::from).into(), ..Settings::default() }
}

/// The head of a request.
pub fn head(text: &str) -> RequestHead<'_> {
    let Parsed::Head(head, _) = request::parse(text.as_bytes(), &Limits::default()) else { panic!("{text}") };
    head
}

/// All that a request wants, and [`ACCEPT_CHARSET`].
pub fn four_fields<'r>(head: &'r RequestHead<'_>) -> Preferences<'r> {
    let mut preferences = Preferences::default();
    preferences.read(Dimensions::TYPE, head.accept.as_deref(), Policy::Modern);
    preferences.read(Dimensions::LANGUAGE, head.accept_language.as_deref(), Policy::Modern);
    preferences.read(Dimensions::CODING, head.accept_encoding.as_deref(), Policy::Modern);
    preferences.read(Dimensions::CHARSET, Some(ACCEPT_CHARSET), Policy::Modern);
    preferences
}

/// Packs the site.
pub fn pack(file: &File) {
    struct Quiet;
    impl Report for Quiet {}
    let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites/chart");
    let options = Options { negotiate: true, config: Config::of_site(&site).expect("a configuration") };
    build::pack(&site, file, &options, None, &Quiet).expect("a webroot");
}

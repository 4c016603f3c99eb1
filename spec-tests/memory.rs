//! What is remembered of earlier choices changes no answer, whatever was asked before.

use std::path::Path;
use std::sync::LazyLock;

use connegd::answer::{Memory, whole_answer};
use connegd::build::{self, Config, Options, Report};
use connegd::http::request::RequestHead;
use connegd::webroot::Mapped;
use proptest::prelude::*;
use proptest::sample::{Index, select};

struct Quiet;
impl Report for Quiet {}

static SITES: LazyLock<[Mapped; 2]> = LazyLock::new(|| {
    ["chart", "agents"].map(|name| {
        let site = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/sites").join(name);
        let file = tempfile::tempfile().expect("a temporary file");
        let options = Options { negotiate: true, config: Config::of_site(&site).expect("a configuration") };
        build::pack(&site, &file, &options, None, &Quiet).expect("a webroot");
        Mapped::from_file(file).expect("a sound webroot")
    })
});

const TARGETS: &[&str] = &[
    "/",
    "/2005/chart",
    "/2005/chart.svg",
    "/docs/intro",
    "/images/harbour",
    "/letters/greeting",
    "/vocab/terms",
    "/style",
    "/page",
    "/news",
    "/picture",
    "/none",
];
const ACCEPT: &[&str] =
    &["", "*/*", "text/html", "image/png", "text/markdown, text/html, */*", "image/*;q=0.5, image/svg+xml"];
const LANGUAGE: &[&str] = &["", "fr", "de, en;q=0.5", "ja;q=0, *", "xx"];
const CODING: &[&str] = &["", "gzip", "x-gzip", "br, gzip;q=0.5", "identity;q=0, *;q=0", "zstd"];
const CHARSET: &[&str] = &["utf-8", "iso-8859-1, *;q=0"];

/// A site, a target and the four fields, by their numbers.
type Asked = (usize, &'static str, [Option<&'static str>; 4]);

fn asked() -> impl Strategy<Value = Asked> {
    let field = |values: &'static [&'static str]| prop::option::of(select(values));
    let fields = (field(ACCEPT), field(LANGUAGE), field(CHARSET), field(CODING));
    (0..2usize, select(TARGETS), fields).prop_map(|(site, target, (a, l, c, e))| (site, target, [a, l, c, e]))
}

fn answered((site, target, fields): Asked, memory: &mut Memory) -> String {
    let mut head = RequestHead::get(target.as_bytes());
    let places = ["accept", "accept-language", "accept-charset", "accept-encoding"];
    for (name, value) in places.into_iter().zip(fields) {
        *head.field_mut(name.as_bytes()).expect("a field") = value.map(|value| value.as_bytes().into());
    }
    let answer = whole_answer(SITES[site].webroot(), &head, memory);
    let fields = String::from_utf8_lossy(answer.fields.bytes()).into_owned();
    format!("{:?}\n{fields}{:?}", answer.status, answer.content)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_answer_is_the_same_as_without_a_memory(
        questions in prop::collection::vec(asked(), 1..40),
        order in prop::collection::vec(any::<Index>(), 1..400),
    ) {
        let mut memory = Memory::new();
        for number in order {
            let question = *number.get(&questions);
            prop_assert_eq!(answered(question, &mut memory), answered(question, &mut Memory::new()), "{:?}", question);
        }
    }
}

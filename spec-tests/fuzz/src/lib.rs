//! What several fuzz targets need: a small site with everything in it, packed as each policy has it.

use std::io::Read;

use connegd::build::{self, Config, Options, Report};
use connegd::resource::{Policy, Settings};
use connegd::webroot::Mapped;

struct Quiet;
impl Report for Quiet {}

/// One file of each kind that makes a difference to an answer.
const SITE: [(&str, &str); 9] = [
    ("page.en.html", "<p>one"),
    ("page.fr.html", "<p>un"),
    ("page.fr.md.gz", "two"),
    ("other.txt.utf8", "three"),
    ("other.txt.latin1.br", "four"),
    ("plain", "five"),
    ("d/page.html", "one"),
    ("d/a b.html", "six"),
    (
        "m.var",
        "URI: page.en.html\nContent-Type: text/html; qs=0.5\nContent-Language: en\n\nURI: d\nContent-Type: a/b\n\n\
        URI: page\nContent-Type: text/css\n\nContent-Type: text/plain\nContent-Language: de\nBody: E\ninline\nE\n",
    ),
];

/// What the site's author wants besides.
const TABLES: &str = "[errors]\n404 = \"/other\"\n[redirects]\n\"/old\" = { to = \"/page?a#b\", status = 302 }\n\
    \"/o/*\" = \"/d/*\"\n\"/gone\" = { status = 410 }\n[headers]\n\"/**\" = { X-A = \"1\" }\n[cache]\n\"*.html\" = \"no-cache\"\n\
    [digests]\nrepr-digest = true\n";

/// The site as a webroot; the names of its resources are among `/`, `/page`, `/other`, `/plain`, `/d/`, `/m`, `/old`, `/o/`.
/// Apache's policy goes with transparent negotiation.
pub fn webroot(policy: Policy) -> Mapped {
    let site = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(site.path().join("d")).expect("a directory");
    for (name, content) in SITE {
        std::fs::write(site.path().join(name), content).expect("a file");
    }
    let settings = Settings {
        policy,
        language_priority: vec!["en".into()],
        transparent: policy == Policy::Apache,
        ..Settings::default()
    };
    let directory_index = Some(vec!["none".into(), "page".into(), "other".into()]);
    let config = Config { settings, directory_index, ..Config::default() };
    let config = config.refined(TABLES, "site".as_ref(), b"/").expect("a configuration");
    let file = tempfile::tempfile().expect("a file");
    build::pack(site.path(), &file, &Options { negotiate: true, config }, None, &Quiet).expect("a webroot");
    Mapped::from_file(file).expect("a sound webroot")
}

/// The bytes of that webroot.
pub fn webroot_bytes(policy: Policy) -> Vec<u8> {
    let mapped = webroot(policy);
    let mut bytes = Vec::new();
    let mut file = &**mapped.file();
    std::io::Seek::rewind(&mut file).expect("a file");
    file.read_to_end(&mut bytes).expect("its bytes");
    bytes
}

/// How many of a webroot's first bytes tell something: the fields of its header. After them come zeros, and a checksum.
pub const HEADER_FIELDS: usize = 224;

/// A webroot without what is the same in all: its header's fields and its index. Reversed by [`whole_webroot`].
pub fn webroot_input(sound: &[u8]) -> Vec<u8> {
    [&sound[..HEADER_FIELDS], &sound[index_start(sound)..]].concat()
}

/// A webroot with the fields and the index that `input` holds and the bodies of `sound`. Length and checksums are right,
/// so that reading goes on behind them.
pub fn whole_webroot(input: &[u8], sound: &[u8]) -> Vec<u8> {
    let (fields, index) = input.split_at(input.len().min(HEADER_FIELDS));
    let mut bytes = sound[..index_start(sound)].to_vec();
    bytes[..fields.len()].copy_from_slice(fields);
    bytes.extend(index);
    let length = bytes.len() as u64;
    bytes[32..40].copy_from_slice(&length.to_le_bytes());
    if let Some(index) = bytes.get(index_start(&bytes)..) {
        let checksum = twox_hash::XxHash3_64::oneshot(index);
        bytes[56..64].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = twox_hash::XxHash3_64::oneshot(&bytes[..4088]);
    bytes[4088..4096].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn index_start(bytes: &[u8]) -> usize {
    let field = bytes[40..48].try_into().expect("8 bytes");
    usize::try_from(u64::from_le_bytes(field)).unwrap_or(usize::MAX)
}

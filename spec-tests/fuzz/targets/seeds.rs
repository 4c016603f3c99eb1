//! No target: writes the first inputs of the targets below the directory that `SEEDS` names, from the project's fixtures.
//!
//! All programs of this package are instrumented and linked with libFuzzer, so this one does its work before libFuzzer
//! gets to its own.
#![no_main]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use connegd::resource::Policy;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(init: write_and_exit(), |_input: &[u8]| {});

fn write_and_exit() {
    write(Path::new(&std::env::var_os("SEEDS").expect("SEEDS names a directory")));
    std::process::exit(0);
}

fn write(seeds: &Path) {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let text = |path: &str| fs::read(fixtures.join(path)).expect("a fixture");
    let put = |target: &str, inputs: &BTreeSet<Vec<u8>>| {
        let directory = seeds.join(target);
        fs::create_dir_all(&directory).expect("a directory");
        for (number, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("seed-{number:03}")), input).expect("a seed");
        }
    };

    // What clients send, and what sites hold, as the examples of Apache's behaviour have them.
    let examples: Vec<Value> = serde_json::from_slice(&text("apache/examples.json")).expect("examples");
    let [mut requests, mut targets, mut fields, mut negotiate, mut conditions, mut ranges, mut maps] =
        [const { BTreeSet::new() }; 7];
    for example in &examples {
        let request = &example["request"];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let of = |name: &str| {
            let all = request["headers"].as_array().into_iter().flatten();
            let mut named = all.filter(|field| word(&field[0]).eq_ignore_ascii_case(name));
            named.next().map(|field| word(&field[1])).unwrap_or_default()
        };
        let (method, path) = (word(&request["method"]), word(&request["path"]));
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n");
        for field in request["headers"].as_array().into_iter().flatten() {
            head += &format!("{}: {}\r\n", word(&field[0]), word(&field[1]));
        }
        requests.insert((head + "\r\n").into_bytes());
        targets.insert(path.into_bytes());
        let accept = ["Accept", "Accept-Language", "Accept-Charset", "Accept-Encoding"].map(of);
        fields.insert(accept.join("\0").into_bytes());
        negotiate.insert(of("Negotiate").into_bytes());
        let names = ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"];
        conditions.insert([b"\xdf", names.map(of).join("\0").as_bytes()].concat());
        ranges.insert([&[20, 0], of("Range").as_bytes()].concat());
        let files = example["files"].as_object().into_iter().flatten();
        maps.extend(files.filter_map(|(_, content)| content.as_str()).map(|content| content.as_bytes().to_vec()));
    }
    requests.extend(["/", "/page", "/m", "/m.var/x", "/d/a%20b.html", "/other?x", "http://h/d"].map(|path| {
        let fields = "Accept: text/html;level=2, */*;q=0.1\r\nAccept-Language: fr-ca, *;q=0\r\nConnection: close\r\n\
            Accept-Encoding: x-gzip, br;q=0\r\nNegotiate: 1.0, *\r\nIf-None-Match: *\r\nContent-Length: 0\r\n";
        format!("GET {path} HTTP/1.0\r\n{fields}\r\n").into_bytes()
    }));
    let forms =
        ["http://host:1/a/../b//%2e/c?d", "/%41%2f", "/a/./b/..", "*", "[::1.2.3.4]:80", "[v1.a:b]", "h%41-_.:1"];
    targets.extend(forms.map(|target| target.as_bytes().to_vec()));
    let content = [
        "PUT /page HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "POST /m HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n",
        "\r\n\r\nHEAD /d/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    ];
    let connections = content.iter().map(|text| text.as_bytes().to_vec()).chain(requests.iter().cloned());
    let connections = connections.map(|bytes| [b"\x05\x11", &bytes[..]].concat()).collect();
    let dates = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"];
    for what in [0x9f, 0xdf, 0xff, 0xdc, 0xdd, 0xd8, 0xf2] {
        let fields = ["\"x\", \"a\"", "\"x\", W/\"a\"", dates[0], dates[1], "\"a\""].join("\0");
        conditions.insert([&[what], fields.as_bytes()].concat());
        conditions.insert(
            [&[what], ["*", "\"x\"", dates[2], "Mon, 07 Nov 1994 08:49:37 GMT", dates[0]].join("\0").as_bytes()]
                .concat(),
        );
    }
    let many = (0..201).map(|number| format!("{}-", number * 20)).collect::<Vec<_>>().join(",");
    ranges.extend(
        [
            "bytes=0-0",
            "bytes=500-600, 3-, -5",
            "Bytes=0-99999999999999999999,-0",
            "900-999,0-9,89-90,170-",
            "items=0-1",
            &many,
        ]
        .map(|field| [b"\xe8\x03", field.as_bytes()].concat()),
    );
    let dates = dates.iter().map(|date| date.as_bytes().to_vec()).collect();
    for (target, inputs) in [
        ("request", &requests),
        ("connection", &connections),
        ("target", &targets),
        ("accept", &fields),
        ("negotiate", &negotiate),
        ("precondition", &conditions),
        ("range", &ranges),
        ("date", &dates),
        ("type_map", &maps),
    ] {
        put(target, inputs);
    }

    let every_key = "[negotiation]\npolicy = \"apache\"\nbuiltin-extensions = false\nlanguage-priority = [\"EN\", \"fr\"]\n\
        force-language-priority = [\"prefer\"]\ndefault-language = \"pt-BR\"\ndirectory-index = [\"home\"]\n\
        type-maps = [\"*.var\", \"[a-z]?.{x,y}\"]\ntransparent = false\ntype-priority = [\"text/plain\"]\n\
        [types]\nhtml = \"text/html; charset=utf-8\"\n[languages]\n\".Swiss\" = \"de-CH\"\n\
        [charsets]\nu = \"UTF-8\"\n[encodings]\ngz = \"gzip\"\n";
    let every_table = "[errors]\n404 = \"/404\"\n\"410\" = \"/d%20e/gone\"\n[redirects]\n\"/old\" = \"/new?a#b\"\n\
        \"/temp\" = { to = \"https://example.org/\", status = 302 }\n\"/blog/*\" = \"/news/*\"\n\"/gone\" = { status = 410 }\n\
        [headers]\n\"/**\" = { X-A = \"1\", \"x-b\" = \"\" }\n\"*.{html,svg}\" = { X-A = \"2\" }\n\"/d/[a-z]?\" = { X-C = \"3\" }\n\
        [cache]\n\"/assets/**\" = \"public, max-age=31536000, immutable\"\n\"*.html\" = \"no-cache\"\n\
        [digests]\nrepr-digest = true\n";
    let twice = "[types]\nhtml = \"text/html\"\nHTML = \"text/plain\"\n";
    put("config", &[text("sites/chart/.mkroot.toml"), every_key.into(), every_table.into(), twice.into()].into());
    let cases = "200 page.en.html accept HEAD /page | Accept: text/html | Accept-Language: en\n\n404 - ? POST /x\n\
        200 ? - /d/a%20b.html\n300 - negotiate OPTIONS /m.var | Negotiate: *\n";
    put("cases", &[text("cases/chart.cases"), cases.into()].into());
    let roots = [Policy::Modern, Policy::Apache]
        .map(|policy| connegd_fuzz::webroot_input(&connegd_fuzz::webroot_bytes(policy)));
    put("webroot", &roots.into());
}

//! The contract of the two programs: arguments, messages, exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::{CommandFactory, FromArgMatches};
use connegd::cli::settings::{ServerSettings, Settings};
use connegd::cli::{args, help, table};

use crate::support::{Server, Workshop, chart_site, run, text};

#[test]
fn a_pipe_sees_neither_progress_nor_summary() {
    let workshop = Workshop::with_site(&[("a.html", b"a")]);
    assert_eq!(run(&workshop, "--negotiate @/site @/out.webroot"), (0, String::new(), String::new()));
    assert_eq!(run(&workshop, "@/site @/out.webroot --quiet"), (0, String::new(), String::new()));
}

#[test]
fn mistakes_are_named_and_give_status_2() {
    let workshop = Workshop::with_site(&[("a.html", b"a"), (".mkroot.toml", b"[negotiation]\npolicy = \"modem\"\n")]);
    fs::create_dir(workshop.path().join("directory")).unwrap();
    fs::write(workshop.path().join("good.toml"), "").unwrap();
    for (line, message) in [
        ("@/site @/out.webroot", "mkroot: @/site/.mkroot.toml:2:10: unknown variant `modem`"),
        ("--config @/none.toml @/site @/out.webroot", "mkroot: @/none.toml: No such file"),
        ("--config @/good.toml @/nothing @/out.webroot", "mkroot: @/nothing: No such file"),
        ("--config @/good.toml @/good.toml @/out.webroot", "mkroot: @/good.toml: it is not a directory"),
        ("--config @/good.toml @/site @/directory", "mkroot: @/directory: it exists and is not a regular file"),
        ("--config @/good.toml @/site @/nowhere/out.webroot", "mkroot: @/nowhere/out.webroot: No such file"),
        ("ls @/none.webroot", "mkroot: @/none.webroot: No such file"),
        ("ls @/good.toml", "mkroot: @/good.toml: it has 0 bytes"),
        ("check @/none.webroot", "mkroot: @/none.webroot: No such file"),
        ("explain @/none.webroot /", "mkroot: @/none.webroot: No such file"),
        ("explain @/good.toml / -H Accept", "mkroot: -H \"Accept\": expected a field such as 'Accept: text/html'"),
    ] {
        let (status, stdout, stderr) = run(&workshop, line);
        assert_eq!((status, stdout.as_str()), (2, ""), "{line}: {stderr}");
        assert!(stderr.starts_with(message), "{line}:\n  expected {message}\n  got      {stderr}");
    }
    assert_eq!(workshop.entries(), ["directory", "good.toml"]);
}

#[test]
fn the_answer_no_gives_status_1() {
    let workshop = Workshop::with_site(&[("a.html", b"a")]);
    workshop.pack();
    assert_eq!(run(&workshop, "check @/out.webroot").0, 0);
    assert_eq!(run(&workshop, "explain @/out.webroot /a").0, 0);
    assert_eq!(run(&workshop, "explain @/out.webroot /b").0, 1);
    assert_eq!(run(&workshop, "explain @/out.webroot /a -H Accept:image/png").0, 1);
    let mut bytes = fs::read(workshop.out()).unwrap();
    bytes[4096] ^= 1;
    fs::write(workshop.out(), bytes).unwrap();
    let (status, stdout, _) = run(&workshop, "check @/out.webroot");
    assert_eq!(status, 1);
    assert_eq!(stdout, "@/out.webroot:4096: the content of /a, /a.html is damaged (bytes 4096 to 4097)\n");
}

#[test]
fn ls_shows_resources_as_text_and_json() {
    let workshop = Workshop::with_site(&[("d/a.html.en", b"one"), ("d/a.txt.fr.gz", b"two"), ("index.html", b"three")]);
    workshop.pack();
    let (status, stdout, _) = run(&workshop, "ls @/out.webroot");
    assert_eq!(status, 0);
    let expected = "\
/  index
    index.html  text/html  5 bytes
/d -> /d/
/d/a  negotiated
    a.html.en  text/html  en  3 bytes
    a.txt.fr.gz  text/plain  fr  gzip  3 bytes
/d/a.html  negotiated
    a.html.en  text/html  en  3 bytes
/d/a.html.en  text/html  en  3 bytes
/d/a.txt  negotiated
    a.txt.fr.gz  text/plain  fr  gzip  3 bytes
/d/a.txt.fr  negotiated
    a.txt.fr.gz  text/plain  fr  gzip  3 bytes
/d/a.txt.fr.gz  text/plain  fr  gzip  3 bytes
/index  negotiated
    index.html  text/html  5 bytes
/index.html  text/html  5 bytes
";
    assert_eq!(stdout, expected);
    let (status, stdout, _) = run(&workshop, "ls --json @/out.webroot");
    let json: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(status, 0);
    let variant = &json["resources"][2]["variants"][1];
    assert_eq!(json["resources"][2]["path"], "/d/a");
    assert_eq!((&variant["languages"][0], &variant["codings"]), (&"fr".into(), &"gzip".into()));
    assert_eq!(variant["digest"], blake3::hash(b"two").to_hex().as_str());
}

#[test]
fn explain_speaks_json() {
    let (status, stdout, _) = run(
        &Workshop::with_site(&[]),
        &format!("explain --json {} /2005/chart -H Accept:image/png", chart_site().display()),
    );
    let json: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(status, 0);
    assert_eq!((&json["status"], &json["file"]), (&200.into(), &"chart.png".into()));
    assert_eq!(json["negotiations"][0]["variants"][1]["rejected_by"][0], "type");
}

#[test]
fn the_cases_of_every_site_hold() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = fs::read_dir(fixtures.join("cases")).expect("fixtures/cases");
    let files: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let site = fixtures.join("sites").join(file.file_stem().expect("a name"));
        let line = format!("explain --cases {} {}", file.display(), site.display());
        let (status, stdout, stderr) = run(&Workshop::with_site(&[]), &line);
        assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
        assert!(stdout.ends_with(" cases hold\n") && stdout.lines().count() == 1, "{stdout}");
    }
}

#[test]
fn cases_are_checked_one_by_one() {
    let workshop = Workshop::with_site(&[("a.html.en", b"en"), ("a.html.fr", b"fr")]);
    workshop.pack();
    let cases = "# c\n200 a.html.fr accept,accept-language /a | Accept-Language: fr\n\n\
                 200 a.html.fr accept /a | Accept-Language: en\n404 - ? /b\n406 ? ? /a\n";
    fs::write(workshop.path().join("cases"), cases).unwrap();
    let (status, stdout, _) = run(&workshop, "explain --cases @/cases @/out.webroot");
    let expected = "\
@/cases:4: expected 200 a.html.fr accept, got 200 a.html.en accept,accept-language
@/cases:6: expected 406 ? ?, got 200 a.html.en accept,accept-language
@/cases: 2 of 4 cases hold
";
    assert_eq!((status, stdout.as_str()), (1, expected));

    fs::write(workshop.path().join("cases"), "200 a.html.fr\n").unwrap();
    let (status, _, stderr) = run(&workshop, "explain --cases @/cases @/out.webroot");
    assert_eq!(status, 2);
    assert!(stderr.starts_with("mkroot: @/cases:1: expected status, file, Vary and request"), "{stderr}");
}

#[test]
fn connegd_says_what_is_wrong_with_its_arguments() {
    let workshop = Workshop::with_site(&[("a.html", b"a")]);
    let out = workshop.pack();
    let bytes = fs::read(&out).unwrap();
    fs::write(workshop.path().join("cut.webroot"), &bytes[..bytes.len() - 1]).unwrap();
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = occupied.local_addr().unwrap().to_string();
    for (arguments, message) in [
        (["--listen", "127.0.0.1:0", "none.webroot"], "connegd: none.webroot: No such file"),
        (["--listen", "127.0.0.1:0", "cut.webroot"], "connegd: cut.webroot: it should have "),
        (["--listen", &port, "out.webroot"], &format!("connegd: --listen {port}: Address already in use")),
        (["--listen", "somewhere", "out.webroot"], "error: invalid value 'somewhere' for '--listen"),
        (["--workers", "0", "out.webroot"], "error: invalid value '0' for '--workers"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_connegd"))
            .args(arguments)
            .current_dir(workshop.path())
            .stdin(Stdio::null())
            .output()
            .expect("connegd runs");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with(message), "expected {message}\ngot {stderr}");
    }
}

#[test]
fn connegd_packs_a_site_and_leaves_no_file() {
    let workshop = Workshop::with_site(&[("a.html", b"hello")]);
    let server = Server::start(&workshop.site());
    assert_eq!(server.get("/a", &[]).text(), "hello");
    drop(server);
    assert!(workshop.entries().is_empty());
}

#[test]
fn sigterm_ends_with_status_0_and_does_not_wait_for_idle_connections() {
    let workshop = Workshop::with_site(&[("a.html", b"hello")]);
    let mut server = Server::start(&workshop.pack());
    let mut idle = server.connect();
    idle.send(crate::support::head("GET", "/a", &[]));
    assert_eq!(idle.receive(false).status, 200);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(idle.is_closed());
}

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a page")
}

#[test]
fn the_page_of_options_is_what_the_programs_say() {
    let lines = |text: String| text.lines().map(String::from).collect::<Vec<_>>();
    let (written, made) = (lines(page("docs/options.md")), lines(table::page()));
    let differs = made.iter().zip(&written).find(|(made, written)| made != written);
    let again = "write it anew: cargo run --example manual -- --table > docs/options.md";
    assert_eq!(differs, None, "docs/options.md is not what the programs say; {again}");
    assert_eq!(made.len(), written.len(), "{again}");
}

#[test]
fn readme_mentions_only_options_that_there_are() {
    let options = page("docs/options.md");
    let readme = page("README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| `-"));
    let names = rows.filter_map(|row| row.split(['`', ' ', '|']).find(|word| word.starts_with("--")));
    let names: Vec<_> = names.collect();
    assert!(names.len() > 8, "{names:?}");
    for name in names {
        assert!(options.contains(&format!("| `{name}`")), "docs/options.md does not have {name}");
    }
}

#[test]
fn the_table_of_limits_says_what_help_says() {
    let groups = table::groups(&args::Connegd::command());
    let limits = groups.into_iter().find(|group| group.heading == "Limits").expect("limits");
    let said = |row: table::Row| (row.names[0].clone(), row.default.expect("a default"));
    let page = page("docs/limits.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `--")).map(|row| {
        let cells: Vec<_> = row.split(" | ").collect();
        (format!("--{}", cells[0].trim_end_matches('`')), cells[1].to_string())
    });
    assert_eq!(rows.collect::<Vec<_>>(), limits.rows.into_iter().map(said).collect::<Vec<_>>());
}

/// The options of connegd that its file can say.
fn keyed() -> Vec<table::Row> {
    let rows = table::groups(&args::Connegd::command()).into_iter().flat_map(|group| group.rows);
    rows.filter(|row| row.key.is_some()).collect()
}

/// What connegd makes of these words, also where one of them is nothing without another.
fn flags(words: &[&str]) -> Settings {
    let command = args::Connegd::command().ignore_errors(true);
    let matches = command.get_matches_from(std::iter::once("connegd").chain(words.iter().copied()));
    args::Connegd::from_arg_matches(&matches).expect("flags").settings
}

/// What connegd makes of a file of settings in which `key` has `value`, if it can be one.
fn file(key: &str, value: &str) -> Option<Settings> {
    let forms = [value.to_string(), format!("\"{value}\""), format!("[\"{value}\"]")];
    forms.iter().find_map(|form| toml::from_str(&format!("{key} = {form}\n")).ok())
}

#[test]
fn every_option_is_a_key_of_the_file_and_says_the_same_there() {
    let nothing = format!("{:?}", Settings::default());
    assert!(keyed().len() > 20);
    for row in keyed() {
        // Something of the kind that it takes: a choice, a number, a place.
        let value = match row.value.as_deref().unwrap_or_default().trim_matches(['[', '=', ']']) {
            "" => "true",
            "SECONDS" | "BYTES" | "BYTES_PER_SECOND" | "N" | "PORT" => "77",
            "ADDR:PORT" => "127.0.0.1:7",
            "LEVEL" => "debug",
            "MODEL|list" => "dio",
            "combined|json" => "json",
            "open|background|off" => "open",
            "off|on|strict" => "strict",
            "on|off" => "off",
            "VALUE" => "max-age=77",
            _ => "x",
        };
        let key = row.key.as_deref().unwrap_or_default();
        let by_file = file(key, value).unwrap_or_else(|| panic!("the file cannot say {key} = {value}"));
        let by_flag = match (row.names.first(), &row.value) {
            (None, _) => flags(&[value]),
            (Some(name), None) => flags(&[name]),
            (Some(name), Some(_)) => flags(&[&format!("{name}={value}")]),
        };
        assert_eq!(format!("{by_file:?}"), format!("{by_flag:?}"), "{key}");
        assert_ne!(format!("{by_file:?}"), nothing, "{key} changes nothing");
    }
}

#[test]
fn defaults_are_what_help_says() {
    let settled = |words: &[&str]| {
        let arguments = args::Connegd { config: None, check_config: false, settings: flags(words) };
        format!("{:?}", ServerSettings::of(&arguments).expect("settings"))
    };
    let mut looked_at = 0;
    for row in keyed() {
        // Who says no address gets the default only if systemd has opened no socket.
        let Some(default) = row.default.filter(|_| row.names != ["--listen"]) else { continue };
        // What is said in words cannot be typed.
        if !default.contains(' ') {
            assert_eq!(settled(&[&format!("{}={default}", row.names[0])]), settled(&[]), "{}", row.names[0]);
            looked_at += 1;
        }
    }
    assert!(looked_at > 15, "{looked_at} defaults are few");
}

/// What stands there as a comment is for people who take the hash away.
#[test]
fn the_settings_of_the_package_are_right_with_and_without_comments() {
    let file = page("packaging/connegd.toml");
    let uncommented = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).into();
    let all: Vec<String> = file.lines().map(uncommented).collect();
    assert!(all.len() > 10 && all.join("\n") != file.trim_end());
    for text in [file, all.join("\n")] {
        toml::from_str::<Settings>(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn help_teaches() {
    for (program, examples) in [("connegd", help::CONNEGD.examples), ("mkroot", help::MKROOT.examples)] {
        let [short, long] = ["-h", "--help"].map(|flag| run_plainly(program, flag));
        assert!(long.lines().count() > short.lines().count() + 10, "{program}");
        assert!(short.contains("Exit status: 0") && short.contains("--help says more"), "{short}");
        for (command, meaning) in examples {
            assert!(long.contains(command) && long.contains(meaning.split(' ').next().unwrap_or_default()), "{long}");
        }
        // No colours where there is no terminal.
        assert!(!long.contains('\x1b'), "{long}");
    }
}

/// What a program prints when it is asked for help.
fn run_plainly(program: &str, flag: &str) -> String {
    let path = if program == "mkroot" { env!("CARGO_BIN_EXE_mkroot") } else { env!("CARGO_BIN_EXE_connegd") };
    let output = Command::new(path).arg(flag).stdin(Stdio::null()).output().expect("it runs");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    text(&output.stdout)
}

#[test]
fn what_is_mistyped_is_answered_with_what_is_near() {
    let workshop = Workshop::with_site(&[("a.html", b"a")]);
    for (arguments, settings, expected) in [
        ("--worker 2 site", "", "a similar argument exists: '--workers'"),
        ("--vhost site", "", "a similar argument exists: '--vhosts'"),
        ("--listen localhost:80 site", "", "names are not looked up; 127.0.0.1:80 is for this machine only"),
        ("--listen 8080 site", "", "[::]:8080 for everybody"),
        ("--ops 9090 site", "", "127.0.0.1:9090 is for this machine only"),
        ("--config F", "listen = [\"localhost:80\"]", "F:1:11: \"localhost:80\" is no address with a port"),
        ("--config F", "worker = 2", "F:1:1: unknown field `worker`, did you mean `workers`? expected one of"),
        ("--config F", "[limits]\nmax-header = 2", "unknown field `max-header`, did you mean `max-head`?"),
    ] {
        fs::write(workshop.path().join("F"), settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_connegd"));
        let output = command.args(arguments.split(' ')).current_dir(workshop.path()).output().expect("it runs");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(expected), "{arguments} {settings}: expected {expected}\ngot {stderr}");
    }
}

//! The contract of the two programs: arguments, messages, exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use connegd::cli::args;

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

/// Every option and what it is called, as the programs' own definitions have them.
fn options(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_long()).map(|long| format!("--{long}"));
    let below = command.get_subcommands().flat_map(options);
    own.chain(below).filter(|option| option != "--help" && option != "--version").collect()
}

#[test]
fn readme_and_help_know_every_option() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [readme, limits] =
        ["README.md", "docs/limits.md"].map(|page| fs::read_to_string(root.join(page)).expect("a page"));
    for mut command in [args::Mkroot::command(), args::Connegd::command()] {
        let options = options(&command);
        let help = std::iter::once(command.render_long_help().to_string())
            .chain(command.get_subcommands_mut().map(|command| command.render_long_help().to_string()))
            .collect::<String>();
        assert!(!options.is_empty());
        for option in options {
            assert!(help.contains(&option), "--help does not mention {option}");
            let mentioned = [&readme, &limits].iter().any(|page| page.contains(&format!("`{option}")));
            assert!(mentioned, "neither README.md nor docs/limits.md mentions {option}");
        }
    }
}

#[test]
fn the_table_of_limits_says_what_help_says() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md")).expect("a page");
    let help = args::Connegd::command().render_long_help().to_string();
    let (_, help) = help.split_once("Limits:").expect("the heading of the limits");
    let defaults =
        |text: &str| text.split("[default: ").nth(1).and_then(|rest| rest.split(']').next().map(String::from));
    let mut shown = help.split("\n      --").skip(1).map(|option| {
        let name = option.split_whitespace().next().expect("a name");
        (format!("--{name}"), defaults(option).unwrap_or_else(|| panic!("--{name} has no default")))
    });
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `--")).map(|row| {
        let cells: Vec<_> = row.split(" | ").collect();
        (format!("--{}", cells[0].trim_end_matches('`')), cells[1].to_string())
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 10);
    for row in &rows {
        assert_eq!(shown.next().as_ref(), Some(row));
    }
    assert_eq!(shown.next(), None);
}

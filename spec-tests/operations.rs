//! What a server tells those who run it: lines of logs, numbers, whether it is well.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use connegd::runtime::confine::{Needs, need_only};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::apache_server::Apache;
use crate::support::{Connection, Response, Server, Workshop, chart_site, eventually, head, text};

fn workshop() -> Workshop {
    Workshop::with_site(&[
        ("page.en.html", b"<p>yes".as_slice()),
        ("page.fr.html", b"<p>oui, oui"),
        ("long.bin", &[b'x'; 300_000]),
    ])
}

/// A server whose access log is a file, and that file.
fn logging(workshop: &Workshop, flags: &[&str]) -> (Server, std::path::PathBuf) {
    let log = workshop.path().join("access.log");
    let path = log.to_str().expect("a path in UTF-8").to_string();
    let flags: Vec<_> = ["--access-log", &path].into_iter().chain(flags.iter().copied()).collect();
    (Server::start_with_flags(&workshop.pack(), &flags), log)
}

/// The lines of a log, once the server has ended, which writes the last of them.
fn lines(server: Server, log: &Path) -> Vec<String> {
    drop(server);
    text(&fs::read(log).expect("a log")).lines().map(String::from).collect()
}

/// A line without its date.
fn undated(line: &str) -> String {
    match (line.find(" ["), line.find("] ")) {
        (Some(from), Some(to)) => format!("{}{}", &line[..from], &line[to + 1..]),
        _ => panic!("no date: {line}"),
    }
}

#[test]
fn every_answer_has_a_line_in_the_combined_format() {
    let workshop = workshop();
    let (server, log) = logging(&workshop, &[]);
    let mut connection = server.connect();
    let fields = ["Accept-Language: fr", "User-Agent: a\"b\\c", "Referer: http://x/"];
    connection.send(head("GET", "/page", &fields) + &head("HEAD", "/page?q", &[]));
    connection.receive(false);
    connection.receive(true);
    server.get("/nothing", &[]);
    server.get("/long.bin", &["Range: bytes=0-99999"]);
    let mut wrong = server.connect();
    wrong.send("GET\u{1} / HTTP/1.1\r\nHost: x\r\n\r\n");
    wrong.receive(false);
    let mut unlimited = server.connect();
    unlimited.send(head("POST", "/page", &["Content-Length: 9999999", "User-Agent: u"]));
    unlimited.receive(false);
    let found: Vec<_> = lines(server, &log).iter().map(|line| undated(line)).collect();
    let expected = [
        r#"127.0.0.1 - - "GET /page HTTP/1.1" 200 11 "http://x/" "a\"b\\c""#,
        r#"127.0.0.1 - - "HEAD /page?q HTTP/1.1" 200 - "-" "-""#,
        r#"127.0.0.1 - - "GET /nothing HTTP/1.1" 404 "#,
        r#"127.0.0.1 - - "GET /long.bin HTTP/1.1" 206 100000 "-" "-""#,
        r#"127.0.0.1 - - "GET\x01 / HTTP/1.1" 400 "#,
        r#"127.0.0.1 - - "POST /page HTTP/1.1" 413 "#,
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    // Workers write side by side, so their order is not that of the requests.
    for expected in expected {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} is not in {found:#?}");
    }
    assert!(found.iter().any(|line| line.contains("413") && line.ends_with(r#""-" "u""#)), "{found:#?}");
}

/// Apache's own lines for the same requests are the same, but for dates, and what a list of variants is long.
#[test]
fn lines_are_what_apache_writes() {
    if !Apache::is_installed() {
        return eprintln!("left out: there is no Apache here");
    }
    let workshop = workshop();
    let (server, log) = logging(&workshop, &[]);
    let apache = Apache::start(&workshop.site(), "Options MultiViews\nAddType text/html html\nAddLanguage en en");
    let requests: Vec<Vec<u8>> = vec![
        head(
            "GET",
            "/page.en.html",
            &["User-Agent: Mozilla/5.0 (X11; Linux)", "Referer: https://example.com/?a=\"b\""],
        )
        .into(),
        head("GET", "/page.en.html?%00=\"\\", &[]).into(),
        b"GET /page.en.html HTTP/1.1\r\nHost: a\r\nUser-Agent: \t\xe4\xf6\xfc \\ \xff\r\n\r\n".to_vec(),
        head("HEAD", "/page.fr.html", &["User-Agent:"]).into(),
        b"GET /long.bin HTTP/1.0\r\nRange: bytes=5-9\r\n\r\n".to_vec(),
    ];
    let mut expected = Vec::new();
    for request in &requests {
        for mut connection in [server.connect(), apache.connect()] {
            connection.send(request);
            let _ = connection.try_receive(request.starts_with(b"HEAD"), false);
        }
        eventually("Apache writes a line", || apache.access_log().len() > expected.len());
        expected = apache.access_log();
    }
    let mut found: Vec<_> = lines(server, &log).iter().map(|line| undated(line)).collect();
    let mut expected: Vec<_> = expected.iter().map(|line| undated(line)).collect();
    // Pages of errors are of different lengths.
    for line in found.iter_mut().chain(&mut expected).filter(|line| line.contains("\" 400 ")) {
        let (before, after) = line.split_once("\" 400 ").expect("a status");
        *line = format!("{before}\" 400 N{}", &after[after.find(' ').expect("a length")..]);
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_line_of_json_says_what_was_chosen() {
    let workshop = workshop();
    let (server, log) = logging(&workshop, &["--log-format", "json"]);
    server.get("/page", &["Accept-Language: fr", "Accept: text/html", "User-Agent: \t\"x"]);
    let lines = lines(server, &log);
    let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
    let expected = serde_json::json!({
        "client": "127.0.0.1", "method": "GET", "target": "/page", "protocol": "HTTP/1.1", "host": "localhost",
        "status": 200, "bytes": 11, "site": "__default__", "variant": "page.fr.html", "type": "text/html",
        "language": "fr", "negotiated": ["type", "language"],
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&line[name], value, "{name} in {line}");
    }
    assert!(line["duration_us"].is_u64() && line["build"].as_str().is_some_and(|build| build.len() == 32), "{line}");
    assert!(line["time"].as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24), "{line}");
}

#[test]
fn a_client_that_goes_away_leaves_a_line_that_says_so() {
    let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 64 << 20])]);
    let (server, log) = logging(&workshop, &["--log-format", "json"]);
    let mut connection = server.connect();
    connection.send(head("GET", "/long.bin", &[]));
    connection.peek(&mut [0; 1]);
    drop(connection);
    eventually("the line is there", || fs::read(&log).is_ok_and(|log| log.ends_with(b"\n")));
    let lines = lines(server, &log);
    let line: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert!(line["aborted"] == true && line["bytes"].as_u64().is_some_and(|bytes| bytes < 64 << 20), "{line}");
}

#[test]
fn sigusr1_opens_both_logs_anew_and_no_line_is_lost() {
    let workshop = workshop();
    let messages = workshop.path().join("error.log");
    let (server, log) = logging(&workshop, &["--error-log", messages.to_str().expect("a path in UTF-8")]);
    let names = ["access.1", "error.1"].map(|name| workshop.path().join(name));
    server.get("/before", &[]);
    for (from, to) in [&log, &messages].into_iter().zip(&names) {
        fs::rename(from, to).expect("renamed");
    }
    server.signal(Signal::USR1);
    eventually("they are opened anew", || log.exists() && messages.exists());
    server.get("/after", &[]);
    let after = lines(server, &log);
    let before = text(&fs::read(&names[0]).expect("a log"));
    assert!(before.lines().count() == 1 && before.contains("/before"), "{before}");
    assert!(after.len() == 1 && after[0].contains("/after"), "{after:?}");
}

#[test]
fn a_log_goes_to_standard_output_where_that_is_said() {
    let workshop = workshop();
    let server = Server::start_with_flags(&workshop.pack(), &["--access-log", "-"]);
    server.get("/page", &["Accept-Language: en"]);
    let output = server.output();
    assert!(output.lines().count() == 1 && output.contains("\"GET /page HTTP/1.1\" 200 6 "), "{output}");
}

#[test]
fn messages_go_where_they_are_wanted_and_only_those_that_are() {
    let workshop = workshop();
    let out = workshop.pack();
    let path = workshop.path().join("error.log");
    let log = path.to_str().expect("a path in UTF-8");
    let refused = |flags: &[&str]| {
        let mut command = Server::command(&out, &[&["--error-log", log], flags].concat());
        command.stderr(Stdio::piped());
        let server = Server::run(command);
        let new = workshop.path().join("new");
        fs::write(&new, "no webroot").expect("a file");
        fs::rename(&new, &out).expect("renamed");
        eventually("it is refused", || fs::read(&path).is_ok_and(|log| log.ends_with(b"\n")));
        assert_eq!(server.messages(), "");
        let said = fs::read_to_string(&path).expect("a log");
        fs::remove_file(&path).expect("removed");
        workshop.pack();
        said
    };
    let said = refused(&["--log-level", "error"]);
    assert!(said.contains("Z error ") && said.contains("it does not begin as a webroot does"), "{said}");
    assert!(!said.contains("serving build"), "{said}");
    let said = refused(&["--log-format", "json"]);
    let line: Value = serde_json::from_str(said.lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["level"], "error");
    assert!(line["message"].as_str().is_some_and(|message| message.contains("out.webroot")), "{line}");
}

/// What can be asked at the desk of operations.
fn ask(server: &Server, target: &str) -> Response {
    let mut connection = Connection::to(server.operations());
    connection.send(head("GET", target, &[]));
    connection.receive(false)
}

/// The samples of an exposition, by name and labels.
fn samples(server: &Server) -> BTreeMap<String, f64> {
    let response = ask(server, "/metrics");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((response.status, response.field("Content-Type")), (200, Some(media_type)));
    let text = response.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').expect("a sample"))
        .map(|(name, value)| (name.into(), value.parse().expect("a number")))
        .collect()
}

#[test]
fn metrics_count_what_was_answered() {
    let workshop = workshop();
    let server = Server::start_with_flags(&workshop.pack(), &["--ops", "127.0.0.1:0"]);
    let before = samples(&server);
    for _ in 0..3 {
        server.get("/page", &["Accept-Language: fr"]);
    }
    let tag = server.get("/page", &["Accept-Language: fr"]).field("ETag").expect("a tag").to_string();
    server.get("/page", &["Accept-Language: fr", &format!("If-None-Match: {tag}")]);
    server.get("/page", &["Accept: image/png"]);
    server.get("/long.bin", &[]);
    let after = samples(&server);
    let value = |name: &str| after.get(name).copied().unwrap_or_else(|| panic!("{name} is not in {after:#?}"));
    let labels =
        |status: u16, media_type: &str| format!("{{host=\"__default__\",status=\"{status}\",type=\"{media_type}\"}}");
    for (status, media_type, requests, bytes) in [
        (200, "text/html", 4.0, Some(44.0)),
        (304, "text/html", 1.0, Some(0.0)),
        (406, "", 1.0, None),
        (200, "application/octet-stream", 1.0, Some(300_000.0)),
    ] {
        let labels = labels(status, media_type);
        assert_eq!(value(&format!("connegd_requests_total{labels}")), requests, "{labels}");
        let found = value(&format!("connegd_response_bytes_total{labels}"));
        assert!(bytes.is_none_or(|bytes| bytes == found), "{labels}: {found}");
    }
    assert_eq!(value("connegd_request_duration_seconds_count"), 7.0);
    assert_eq!(value("connegd_request_duration_seconds_bucket{le=\"+Inf\"}"), 7.0);
    assert_eq!(value("connegd_transfers_total{model=\"auto\"}"), 1.0);
    assert_eq!(value("connegd_transfer_bytes_total{model=\"auto\"}"), 300_000.0);
    let accepted = "connegd_connections_accepted_total";
    assert_eq!(value(accepted) - before[accepted], 8.0);
    // The next site is counted, and so is one that is none.
    workshop.write("more.txt", b"more");
    workshop.pack();
    eventually("it is served", || server.get("/more.txt", &[]).status == 200);
    fs::write(workshop.path().join("new"), "no webroot").expect("a file");
    fs::rename(workshop.path().join("new"), workshop.out()).expect("renamed");
    eventually("it is refused", || samples(&server)["connegd_refused_webroots_total"] == 1.0);
    assert_eq!(samples(&server)["connegd_swaps_total"], 1.0);
    workshop.pack();
}

#[test]
fn sites_are_listed_with_what_they_are() {
    let server = Server::start_in_silence_with(&chart_site(), &["--ops", "127.0.0.1:0"]);
    let response = ask(&server, "/sites");
    assert_eq!(response.field("Content-Type"), Some("application/json"));
    let sites: Value = serde_json::from_slice(&response.content).expect("JSON");
    let site = &sites[0];
    assert_eq!(
        (&site["host"], &site["available"], &site["resources"]),
        (&"__default__".into(), &true.into(), &62.into())
    );
    assert!(site["build"].as_str().is_some_and(|build| build.len() == 32) && site["age_seconds"].is_u64(), "{site}");
    assert!(site["bytes"].as_u64() > site["index_bytes"].as_u64(), "{site}");
}

#[test]
fn health_is_told_and_so_is_that_there_is_nothing_to_serve() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut command = Server::command(Path::new("--vhosts"), &["--ops", "127.0.0.1:0"]);
    command.arg(directory.path()).stderr(Stdio::null());
    let server = Server::run(command);
    for (target, status, content) in [
        ("/healthz", 200, "ok\n"),
        ("/readyz", 503, "there is nothing to serve\n"),
        ("/nothing", 404, "there are /metrics, /healthz, /readyz, /sites and /explain\n"),
    ] {
        let response = ask(&server, target);
        assert_eq!((response.status, response.text().as_str()), (status, content), "{target}");
        assert_eq!(response.field("Cache-Control"), Some("no-store"));
    }
    fs::copy(workshop().pack(), directory.path().join("localhost")).expect("a webroot");
    eventually("it is served", || ask(&server, "/readyz").status == 200);
    assert!(ask(&server, "/").text().contains("/metrics"));
    // Other methods, and sites, are not answered there.
    let mut connection = Connection::to(server.operations());
    connection.send(head("HEAD", "/metrics", &[]) + &head("PUT", "/metrics", &[]) + &head("GET", "/page", &[]));
    assert_eq!(
        [connection.receive(true).status, connection.receive(false).status, connection.receive(false).status],
        [200, 405, 404]
    );
    assert_eq!(server.get("/metrics", &[]).status, 404);
}

#[test]
fn decisions_are_explained_at_the_desk_and_where_a_site_is_made() {
    let flags = ["--ops", "127.0.0.1:0", "--explain"];
    let server = Server::start_in_silence_with(&chart_site(), &flags);
    let asked = "/explain?host=__default__&url=/2005/chart&client=own&fields=Accept:+image/png";
    for response in [ask(&server, asked), server.get(asked, &[])] {
        assert_eq!((response.status, response.field("Content-Type")), (200, Some("text/html; charset=utf-8")));
        let page = response.text();
        assert!(
            page.contains("chart.png") && page.contains("15102") && page.contains("data:image/png;base64,"),
            "{page}"
        );
        let policy = response.field("Content-Security-Policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("script"), "{policy}");
    }
    // It says where the page can be had.
    let page = ask(&server, asked).text();
    assert!(page.contains(&format!("http://{}/2005/chart", server.address)), "{page}");
    assert_eq!(ask(&server, "/explain?host=nowhere&url=/").status, 404);
    assert_eq!(server.get("/explainer", &[]).status, 404);
    // Elsewhere nobody hears of it unless that was said.
    assert_eq!(workshop().serve().get("/explain", &[]).status, 404);
}

/// A line of the status of a process, as the kernel tells it.
fn status(server: &Server, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_start_matches(':').trim().to_string()
}

/// Whether this kernel can keep files from a thread; the one that tries is of no other use afterwards.
fn has_landlock() -> bool {
    let found = std::thread::spawn(|| need_only(&Needs::default()) == Ok(true)).join().expect("an answer");
    if !found {
        eprintln!("left out: this kernel has no Landlock");
    }
    found
}

#[test]
fn rights_that_nobody_needs_are_given_up() {
    if !has_landlock() {
        return;
    }
    let workshop = workshop();
    let out = workshop.pack();
    for (sandbox, no_new_rights, filter) in [("off", "0", "0"), ("on", "1", "0"), ("strict", "1", "2")] {
        let server = Server::start_with_flags(&out, &["--sandbox", sandbox]);
        let found = (status(&server, "NoNewPrivs"), status(&server, "Seccomp"));
        assert_eq!(found, (no_new_rights.into(), filter.into()), "{sandbox}");
    }
}

/// Everything works all the same, where nothing can be read but what is served.
#[test]
fn a_strict_sandbox_has_all_that_is_needed() {
    if !has_landlock() {
        return;
    }
    let workshop = workshop();
    let (out, logs, hosts) = (workshop.pack(), workshop.path().join("logs"), workshop.path().join("hosts"));
    fs::create_dir(&logs).expect("a directory");
    fs::create_dir(&hosts).expect("a directory");
    std::os::unix::fs::symlink(&out, hosts.join("localhost")).expect("a link");
    let log = logs.join("access.log");
    let log_path = log.to_str().expect("a path in UTF-8");
    let flags = ["--sandbox", "strict", "--access-log", log_path, "--ops", "127.0.0.1:0", "--vhosts"];
    let server = Server::start_with_flags(&hosts, &flags);
    assert_eq!(server.get("/page", &["Accept-Language: fr"]).text(), "<p>oui, oui");
    // Replaced, rotated, and asked about itself.
    workshop.write("more.txt", b"more");
    workshop.pack();
    eventually("the new one is served", || server.get("/more.txt", &[]).status == 200);
    fs::rename(&log, logs.join("old")).expect("renamed");
    server.signal(Signal::USR1);
    eventually("it is opened anew", || log.exists());
    assert!(samples(&server)["process_resident_memory_bytes"] > 0.0);
    // A site is packed into a file without a name, and again.
    let site = Server::start_with_flags(&workshop.site(), &["--sandbox", "strict"]);
    workshop.write("even-more.txt", b"even more");
    eventually("it is packed again", || site.get("/even-more.txt", &[]).status == 200);
}

#[test]
fn root_becomes_who_it_is_told_to() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("left out: only root can become somebody else");
    }
    let workshop = workshop();
    let out = workshop.pack();
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(workshop.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    let server = Server::start_with_flags(&out, &["--user", "nobody"]);
    assert!(status(&server, "Uid").split_whitespace().all(|id| id == "65534"), "{}", status(&server, "Uid"));
    assert_eq!(status(&server, "Groups"), status(&server, "Gid").split_whitespace().next().expect("a group"));
    assert!(u64::from_str_radix(&status(&server, "CapEff"), 16) == Ok(0));
    assert_eq!(server.get("/page", &["Accept-Language: fr"]).text(), "<p>oui, oui");
    let output = Server::command(&out, &["--user", "no-such-user"]).output().expect("connegd runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--user no-such-user: "), "{}", text(&output.stderr));
}

#[test]
fn settings_are_checked_without_serving() {
    let workshop = workshop();
    let out = workshop.pack();
    let hosts = workshop.path().join("hosts");
    fs::create_dir(&hosts).expect("a directory");
    fs::copy(&out, hosts.join("a.example")).expect("a webroot");
    let (out, at) = (out.to_str().expect("UTF-8").to_string(), hosts.to_str().expect("UTF-8").to_string());
    let check = |arguments: &[&str]| {
        let output =
            crate::support::connegd_command(&[&["--check-config"], arguments].concat()).output().expect("connegd runs");
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let right = "the settings are right; 1 host would be served\n";
    assert_eq!(check(&[&out]), (Some(0), right.into(), String::new()));
    let (status, stdout, _) = check(&["--vhosts", &at]);
    assert_eq!((status, stdout.as_str()), (Some(0), right));
    fs::write(hosts.join("b.example"), "no webroot").expect("a file");
    let (status, stdout, stderr) = check(&["--vhosts", &at]);
    assert_eq!((status, stdout.as_str()), (Some(1), "1 host would be served, and 1 webroot could not\n"));
    assert!(stderr.contains("b.example: it does not begin as a webroot does"), "{stderr}");
    for arguments in [&["/nowhere"][..], &["--config", "/nowhere", &out], &[]] {
        assert_eq!(check(arguments).0, Some(1), "{arguments:?}");
    }
}

/// Who balances loads must hear that a server is about to end for as long as it is.
#[test]
fn who_asks_is_told_that_it_is_about_to_end_until_it_has() {
    let workshop = Workshop::with_site(&[("long.bin", &vec![b'x'; 64 << 20])]);
    let flags = ["--ops", "127.0.0.1:0", "--grace", "60"];
    let server = Server::start_with_flags(&workshop.pack(), &flags);
    let mut reading = server.connect();
    reading.send(head("GET", "/long.bin", &[]));
    reading.peek(&mut [0; 1]);
    server.terminate();
    eventually("it says so", || {
        let response = ask(&server, "/readyz");
        (response.status, response.text().as_str()) == (503, "it is about to end\n")
    });
    assert_eq!(ask(&server, "/healthz").status, 200);
    assert!(reading.drain() > 64 << 20);
}

#[test]
fn what_is_missing_is_found_by_looking() {
    let workshop = workshop();
    let out = workshop.pack();
    let (out, nowhere) = (out.to_str().expect("UTF-8"), "/nowhere/access.log");
    for (flags, expected) in [
        (["--user", "no-such-user"], "--user no-such-user: there is no such user"),
        (["--access-log", nowhere], "--access-log /nowhere/access.log: there is no such directory"),
        (["--readable", "/nowhere"], "--readable /nowhere: there is no such directory"),
        (["--error-log", nowhere], "--error-log /nowhere/access.log: there is no such directory"),
    ] {
        let arguments = ["--check-config", flags[0], flags[1], out];
        let output = crate::support::connegd_command(&arguments).output().expect("connegd runs");
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(1) && stderr.contains(expected), "{flags:?}: {stderr}");
    }
}

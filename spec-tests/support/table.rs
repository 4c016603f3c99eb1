//! Tables of cases: section, what it shows, a request, the answers expected of it. One line each.
//!
//! A request is its bytes, or `METHOD target | Field: value | …`. Of an answer the status is told, then, each behind a bar,
//! `Field: value`, `Field: *` (it is there), `!Field` (it is not), `= content`. Several answers are parted by `>>`. A word in
//! braces stands for what the test gives it. Interim answers do not count, but for `100` where it is told.
//!
//! Whatever an answer says of the connection must be true: after `Connection: close` it ends, else a further request on it
//! is answered.

use std::fmt::Write as _;

use super::{Connection, Response, Server, head};

/// Section, words, request, answers.
pub type Case = (&'static str, &'static str, &'static str, &'static str);

/// What a further request asks for, and gets.
pub const FURTHER: (&str, &str) = ("further.txt", "further");

/// Runs all cases, each on a connection of its own; fails with all that went wrong.
pub fn check(server: &Server, cases: &[Case], words: &[(&str, String)]) {
    let fill = |text: &str| {
        words.iter().fold(text.to_string(), |text, (word, value)| text.replace(&format!("{{{word}}}"), value))
    };
    let mut failures = String::new();
    for (section, shows, request, expected) in cases {
        let (request, expected) = (fill(request), fill(expected));
        let bytes = if request.contains('\n') { request } else { written(&request) };
        let mut transcript = String::new();
        if let Err(wrong) = run(server, &bytes, &expected, &mut transcript) {
            let asked: String = bytes.chars().take(500).collect();
            let _ = write!(
                failures,
                "\n==== {section}, {shows}: {wrong}\n{}\n---- expected {expected}, got\n{transcript}",
                asked.escape_debug()
            );
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// A request of one line as its bytes.
fn written(line: &str) -> String {
    let mut parts = line.split(" | ");
    let (method, target) = parts.next().and_then(|first| first.split_once(' ')).expect("a method and a target");
    head(method, target, &parts.collect::<Vec<_>>())
}

fn run(server: &Server, bytes: &str, expected: &str, transcript: &mut String) -> Result<(), String> {
    let mut connection = server.connect();
    connection.send_as_far_as_possible(bytes);
    let answers: Vec<_> = expected.split(" >> ").collect();
    for (number, expected) in answers.iter().enumerate() {
        let to_head = bytes.starts_with("HEAD ");
        let response = connection.try_receive(to_head, expected.starts_with("100"))?;
        let _ = writeln!(
            transcript,
            "{}\n{:?}\n{} bytes: {:.200}",
            response.status_line,
            response.fields,
            response.content.len(),
            response.text()
        );
        compare(&response, expected)?;
        if number + 1 == answers.len() {
            stands_by_its_word(&mut connection, &response)?;
        }
    }
    Ok(())
}

fn compare(response: &Response, expected: &str) -> Result<(), String> {
    for part in expected.split(" | ") {
        let wrong = || Err(format!("not {part:?}"));
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            if response.status.to_string() != part {
                return wrong();
            }
        } else if let Some(content) = part.strip_prefix("= ") {
            if response.text() != content {
                return wrong();
            }
        } else if let Some(absent) = part.strip_prefix('!') {
            if response.field(absent).is_some() {
                return wrong();
            }
        } else {
            let (name, value) = part.split_once(": ").unwrap_or_else(|| panic!("{part:?} is no expectation"));
            if response.field(name).is_none_or(|found| value != "*" && found != value) {
                return wrong();
            }
        }
    }
    if response.status >= 200 && response.field("Date").is_none() {
        return Err("there is no date".into());
    }
    Ok(())
}

/// What the answer says of the connection must be true of it.
fn stands_by_its_word(connection: &mut Connection, response: &Response) -> Result<(), String> {
    if response.field("Connection") == Some("close") {
        connection.finish_sending();
        return if connection.is_closed() { Ok(()) } else { Err("more comes behind the last answer".into()) };
    }
    connection.send_as_far_as_possible(head("GET", &format!("/{}", FURTHER.0), &[]));
    match connection.try_receive(false, false) {
        Ok(further) if further.status == 200 && further.text() == FURTHER.1 => Ok(()),
        Ok(further) => Err(format!("a further request gets {} {:?}", further.status_line, further.text())),
        Err(error) => Err(format!("a further request gets nothing: {error}")),
    }
}

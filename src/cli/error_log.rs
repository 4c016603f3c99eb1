//! Where messages are written, and how: for a person at a terminal, with dates to a file, with priorities to the system's log,
//! as JSON for a program.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::SystemTime;

use log::Level;
use serde::Serialize;

use crate::http::date;
use crate::runtime::{Destination, Format, Syslog, open_log};

/// Facility daemon (RFC 5424, section 6.2.1).
const FACILITY: u32 = 3;

/// A log of messages.
#[derive(Debug)]
pub struct ErrorLog {
    sink: Sink,
    format: Format,
}

#[derive(Debug)]
enum Sink {
    Stderr,
    /// The journal reads it, and understands priorities.
    JournalOnStderr,
    File(PathBuf, File),
    Syslog(Syslog),
}

/// A message as JSON.
#[derive(Serialize)]
struct Entry<'a> {
    time: String,
    level: &'static str,
    message: &'a str,
}

impl ErrorLog {
    /// Standard error, for people.
    pub const STDERR: ErrorLog = ErrorLog { sink: Sink::Stderr, format: Format::Combined };

    /// Writes to `destination` from now on. What is standard output for others is standard error here.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn open(destination: &Destination, format: Format) -> io::Result<ErrorLog> {
        let sink = match destination {
            Destination::Stdout if is_journal() => Sink::JournalOnStderr,
            Destination::Stdout => Sink::Stderr,
            Destination::File(path) => Sink::File(path.clone(), open_log(path)?),
            Destination::Syslog => Sink::Syslog(Syslog::connect(FACILITY)?),
        };
        Ok(ErrorLog { sink, format })
    }

    /// Opens the file anew, which somebody may have renamed; else goes on with the former.
    pub fn reopen(&mut self) {
        if let Sink::File(path, file) = &mut self.sink {
            match open_log(path) {
                Ok(new) => *file = new,
                Err(error) => {
                    let what =
                        format!("{} cannot be opened anew: {error}\nit is written on to where it was", path.display());
                    self.write("connegd", Level::Error, &what);
                }
            }
        }
    }

    /// Lets a user open it anew, if it is a file of root's.
    pub fn give_to(&self, user: u32, group: u32) {
        if let Sink::File(_, file) = &self.sink
            && file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.uid() == 0)
        {
            // Who may not is not root, and has made it for itself.
            let _ = std::os::unix::fs::fchown(file, Some(user), Some(group));
        }
    }

    /// Writes a message of `program`. If that fails there is nobody to tell.
    pub fn write(&mut self, program: &str, level: Level, message: &str) {
        let text = match self.format {
            Format::Json => json(level, message),
            Format::Combined => plain(message),
        };
        let _ = match &mut self.sink {
            Sink::Stderr if self.format == Format::Json => {
                io::stderr().lock().write_all(format!("{text}\n").as_bytes())
            }
            Sink::Stderr => {
                let mark = if level == Level::Warn { "warning: " } else { "" };
                io::stderr().lock().write_all(format!("{program}: {mark}{text}\n").as_bytes())
            }
            Sink::JournalOnStderr => {
                let severity = severity(level);
                let lines: String = text.lines().map(|line| format!("<{severity}>{line}\n")).collect();
                io::stderr().lock().write_all(lines.as_bytes())
            }
            Sink::File(_, file) if self.format == Format::Json => file.write_all(format!("{text}\n").as_bytes()),
            Sink::File(_, file) => file.write_all(format!("{} {} {text}\n", now(), name(level)).as_bytes()),
            Sink::Syslog(syslog) => syslog.send(severity(level), text.as_bytes()),
        };
    }
}

/// The message with its further lines indented. Control characters, which names of files can hold, are shown instead of sent
/// to the terminal.
fn plain(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '\n' => shown.push_str("\n  "),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

fn json(level: Level, message: &str) -> String {
    // There is nothing in it that has no form in JSON.
    serde_json::to_string(&Entry { time: now(), level: name(level), message }).unwrap_or_default()
}

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    date::rfc3339(since.map_or(0, |since| since.as_secs()))
}

fn name(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    }
}

/// RFC 5424, section 6.2.1.
fn severity(level: Level) -> u32 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Whether standard error leads to the journal, as systemd says where it does (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let metadata = File::open("/proc/self/fd/2").and_then(|file| file.metadata());
    !io::stderr().is_terminal()
        && metadata.is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_dates_and_levels_and_json_has_them_as_members() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("error.log");
        let destination = Destination::File(path.clone());
        for (format, expected) in [(Format::Combined, "error a\\u{1b}\n  b\n"), (Format::Json, "\"a\\u001b\\nb\"}\n")] {
            let mut log = ErrorLog::open(&destination, format).expect("a log");
            std::fs::rename(&path, directory.path().join("old")).expect("renamed");
            log.reopen();
            log.write("x", Level::Error, "a\x1b\nb");
            let text = std::fs::read_to_string(&path).expect("a log");
            assert!(text.ends_with(expected) && text.contains("T") && text.contains("Z"), "{text}");
        }
    }
}

//! The one place where messages are printed, and the exit status.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked: 0.
    Done,
    /// The answer is no, for instance because damage was found: 1.
    No,
}

/// Runs a program: a failure is printed after the program's name and gives exit status 2. A reader of stdout
/// that went away is not a failure.
pub fn run(program: &str, main: impl FnOnce() -> Result<Outcome, Box<dyn Error>>) -> ExitCode {
    match main() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            say(program, &error.to_string());
            ExitCode::from(2)
        }
    }
}

/// Prints a message to stderr, after the program's name. Further lines are indented; control characters, which
/// names of files can hold, are shown instead of sent to the terminal.
pub fn say(program: &str, message: &str) {
    let mut shown = String::with_capacity(message.len());
    for character in message.chars() {
        match character {
            '\n' => shown.push_str("\n  "),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    // There is no way to report that stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{program}: {shown}");
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

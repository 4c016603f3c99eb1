//! The one place where messages are printed, and the exit status.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// How many messages may wait to be printed, besides those that are being printed. Few servers ever say so many.
const MOST_WAITING: usize = 16_384;
/// How long the end of the process waits for messages to be printed.
const FAREWELL: Duration = Duration::from_millis(500);

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
    let status = match main() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            say(program, &error.to_string());
            ExitCode::from(2)
        }
    };
    flush();
    status
}

/// Prints a message to stderr, after the program's name. Further lines are indented; control characters, which
/// names of files can hold, are shown instead of sent to the terminal.
pub fn say(program: &str, message: &str) {
    let mut shown = format!("{program}: ");
    for character in message.chars() {
        match character {
            '\n' => shown.push_str("\n  "),
            control if control.is_control() => shown.extend(control.escape_default()),
            other => shown.push(other),
        }
    }
    shown.push('\n');
    match QUEUE.get() {
        Some(queue) => queue.push(shown),
        None => print(&shown),
    }
}

fn print(shown: &str) {
    // There is no way to report that stderr is closed.
    let _ = io::stderr().lock().write_all(shown.as_bytes());
}

/// From now on who says something does not wait until it is printed, which takes for ever where stderr is a pipe that nobody
/// reads; a thread does. What a panic has to say goes the same way.
///
/// # Errors
///
/// If there is no thread to be had.
pub fn print_in_background(program: &'static str) -> io::Result<()> {
    let queue = QUEUE.get_or_init(Queue::default);
    std::thread::Builder::new().name("messages".into()).spawn(move || {
        loop {
            let (messages, lost) = queue.take();
            messages.iter().for_each(|message| print(message));
            if lost > 0 {
                print(&format!("{program}: {lost} messages were lost here, since nobody read what was said before\n"));
            }
        }
    })?;
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        say(program, &format!("thread {name} {panic}\nthis is a mistake in {program}"));
    }));
    Ok(())
}

/// Waits until everything is printed, but not for long.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.wait_until_empty();
    }
}

/// What waits to be printed, once that is done in the background.
static QUEUE: OnceLock<Queue> = OnceLock::new();

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    messages: Vec<String>,
    /// How many there was no room for.
    lost: usize,
    is_printing: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: String) {
        let mut waiting = self.waiting();
        if waiting.messages.len() < MOST_WAITING {
            waiting.messages.push(message);
        } else {
            waiting.lost += 1;
        }
        self.changed.notify_all();
    }

    /// All that wait, as soon as there are any, and how many more there would have been. Those that were taken the last time
    /// are printed.
    fn take(&self) -> (Vec<String>, usize) {
        let mut waiting = self.waiting();
        waiting.is_printing = false;
        self.changed.notify_all();
        let is_empty = |waiting: &mut Waiting| waiting.messages.is_empty();
        waiting = self.changed.wait_while(waiting, is_empty).unwrap_or_else(PoisonError::into_inner);
        waiting.is_printing = true;
        (std::mem::take(&mut waiting.messages), std::mem::take(&mut waiting.lost))
    }

    fn wait_until_empty(&self) {
        let is_busy = |waiting: &mut Waiting| waiting.is_printing || !waiting.messages.is_empty();
        // Whether it is in time or not, there is nothing more to be done.
        let _ = self.changed.wait_timeout_while(self.waiting(), FAREWELL, is_busy);
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_messages_wait_and_the_others_are_counted() {
        let queue = Queue::default();
        (0..MOST_WAITING + 3).for_each(|number| queue.push(number.to_string()));
        let (messages, lost) = queue.take();
        assert_eq!((messages.len(), messages[0].as_str(), lost), (MOST_WAITING, "0", 3));
        queue.push("next".into());
        assert_eq!(queue.take(), (vec!["next".into()], 0));
    }
}

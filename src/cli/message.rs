//! The one place where messages are printed, and the exit status.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use log::{Level, LevelFilter};

use super::error_log::ErrorLog;

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
pub fn run(program: &'static str, main: impl FnOnce() -> Result<Outcome, Box<dyn Error>>) -> ExitCode {
    log::set_max_level(LevelFilter::Info);
    let status = match main() {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) if is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            say_at(program, Level::Error, &error.to_string());
            ExitCode::from(2)
        }
    };
    flush();
    status
}

/// Says something that a person may want to know. Further lines are indented; control characters, which names of files can hold,
/// are shown instead of sent to the terminal.
pub fn say(program: &'static str, message: &str) {
    say_at(program, Level::Info, message);
}

/// The same about something that may be wrong.
pub fn warn(program: &'static str, message: &str) {
    say_at(program, Level::Warn, message);
}

/// The same with this level, unless that is not wanted.
pub fn say_at(program: &'static str, level: Level, message: &str) {
    if level > log::max_level() {
        return;
    }
    match QUEUE.get() {
        Some(queue) => queue.push(Message { program, level, text: message.into() }),
        None => log().write(program, level, message),
    }
}

/// What is written from now on is written to `log`, and nothing that is less grave than `most`.
pub fn write_to(log: ErrorLog, most: LevelFilter) {
    *self::log() = log;
    // There is only one to be heard.
    let _ = log::set_logger(&Libraries);
    log::set_max_level(most);
}

/// Opens the log anew, which somebody may have renamed.
pub fn reopen() {
    log().reopen();
}

/// Lets a user open the log anew.
pub fn give_to(user: u32, group: u32) {
    log().give_to(user, group);
}

/// Hears what libraries say of what they do, which is of use to who looks for a mistake.
struct Libraries;

impl log::Log for Libraries {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        log::max_level() >= LevelFilter::Debug
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) && record.level() <= Level::Debug {
            say_at("connegd", Level::Debug, &format!("{}: {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}

fn log() -> MutexGuard<'static, ErrorLog> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on who says something does not wait until it is printed, which takes for ever where stderr is a pipe that nobody
/// reads; a thread does. What a panic has to say goes the same way, and what libraries say of what they do.
///
/// # Errors
///
/// If there is no thread to be had.
pub fn print_in_background(program: &'static str) -> io::Result<()> {
    let queue = QUEUE.get_or_init(Queue::default);
    std::thread::Builder::new().name("messages".into()).spawn(move || {
        loop {
            let (messages, lost) = queue.take();
            messages.iter().for_each(|Message { program, level, text }| log().write(program, *level, text));
            if lost > 0 {
                let what = format!("{lost} messages were lost here, since nobody read what was said before");
                log().write(program, Level::Error, &what);
            }
        }
    })?;
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        say_at(program, Level::Error, &format!("thread {name} {panic}\nthis is a mistake in {program}"));
    }));
    Ok(())
}

/// Waits until everything is printed, but not for long.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.wait_until_empty();
    }
}

/// Where everything is printed.
static LOG: Mutex<ErrorLog> = Mutex::new(ErrorLog::STDERR);

/// What waits to be printed, once that is done in the background.
static QUEUE: OnceLock<Queue> = OnceLock::new();

#[derive(Debug, PartialEq)]
struct Message {
    program: &'static str,
    level: Level,
    text: String,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    messages: Vec<Message>,
    /// How many there was no room for.
    lost: usize,
    is_printing: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: Message) {
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
    fn take(&self) -> (Vec<Message>, usize) {
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
        let message = |text: String| Message { program: "x", level: Level::Info, text };
        (0..MOST_WAITING + 3).for_each(|number| queue.push(message(number.to_string())));
        let (messages, lost) = queue.take();
        assert_eq!((messages.len(), messages[0].text.as_str(), lost), (MOST_WAITING, "0", 3));
        queue.push(message("next".into()));
        assert_eq!(queue.take(), (vec![message("next".into())], 0));
    }
}

//! How packing is shown on a terminal: a progress bar, warnings, a closing summary.

use std::cell::RefCell;
use std::io::{IsTerminal, stderr};
use std::path::Path;

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::message;
use crate::build::{Report, Summary, Warning};
use crate::resource::Note;

/// Shows a packing on stderr. Without a terminal, or if it is to be quiet, only warnings.
pub struct Progress {
    program: &'static str,
    shown: bool,
    with_notes: bool,
    bar: RefCell<Option<ProgressBar>>,
}

impl Progress {
    /// For `program`; `quiet` shows warnings only.
    pub fn new(program: &'static str, quiet: bool) -> Progress {
        let shown = !quiet && stderr().is_terminal();
        Progress { program, shown, with_notes: true, bar: RefCell::new(None) }
    }

    /// For a packing on the way to something else: warnings only, and nothing about single resources.
    pub fn in_passing(program: &'static str) -> Progress {
        Progress { program, shown: false, with_notes: false, bar: RefCell::new(None) }
    }

    /// Shows a bar for `what`, in place of any other.
    fn show_bar(&self, what: String, bytes: u64) {
        if !self.shown {
            return;
        }
        let style = ProgressStyle::with_template("{msg} [{bar:32}] {bytes}/{total_bytes} {eta}");
        let bar = ProgressBar::new(bytes).with_message(what);
        let bar = match style {
            Ok(style) => bar.with_style(style.progress_chars("=> ")),
            Err(_) => bar,
        };
        if let Some(former) = self.bar.replace(Some(bar)) {
            former.finish_and_clear();
        }
    }

    /// Clears the bar and shows what came of it.
    pub fn finish(&self, summary: &Summary) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if !self.shown {
            return;
        }
        let Summary {
            files,
            bytes,
            reused,
            resources,
            negotiated,
            variants,
            derived,
            derived_reused,
            duplicates_saved,
            webroot_length,
            elapsed,
        } = *summary;
        let unread =
            if reused > 0 { format!(", {} of them taken over unread,", HumanCount(reused)) } else { String::new() };
        let derived = match (derived, derived_reused) {
            (0, _) => String::new(),
            (all, 0) => format!("; {} were derived", HumanCount(all)),
            (all, reused) => format!("; {} were derived, {} of them before", HumanCount(all), HumanCount(reused)),
        };
        message::say(
            self.program,
            &format!(
                "{} files ({}){unread} became {} resources, {} of them negotiated between {} variants{derived}\n\
                 {} written, {} saved by duplicates, in {:.2?}",
                HumanCount(files),
                HumanBytes(bytes),
                HumanCount(resources),
                HumanCount(negotiated),
                HumanCount(variants),
                HumanBytes(webroot_length),
                HumanBytes(duplicates_saved),
                elapsed,
            ),
        );
    }
}

impl Drop for Progress {
    /// A bar that an error leaves behind would stand in the way of its message.
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// How many notes are shown while packing; a site can have thousands of the same kind.
const SHOWN_NOTES: usize = 10;

impl Report for Progress {
    fn begin(&self, files: u64, bytes: u64) {
        self.show_bar(format!("packing {} files", HumanCount(files)), bytes);
    }

    fn begin_deriving(&self, files: u64, bytes: u64) {
        self.show_bar(format!("deriving from {} files", HumanCount(files)), bytes);
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar.borrow() {
            bar.inc(bytes);
        }
    }

    fn notes(&self, site: &Path, notes: &[Note]) {
        if !self.with_notes {
            return;
        }
        for note in notes.iter().take(SHOWN_NOTES) {
            message::warn(self.program, &format!("{}{note}", site.display()));
        }
        if let Some(more @ 1..) = notes.len().checked_sub(SHOWN_NOTES) {
            message::warn(self.program, &format!("there are {more} more; mkroot check lists them all"));
        }
    }

    fn warn(&self, warning: &Warning) {
        let show = || message::warn(self.program, &format!("{} {}", warning.path.display(), warning.what));
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(show),
            None => show(),
        }
    }
}

//! A webroot that is being served, and how far it can be believed.

use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{PoisonError, RwLock};

use super::messages::Messages;
use crate::answer::{Answer, Content, Part};
use crate::http::Status;
use crate::webroot::{Mapped, Webroot};

/// A webroot that answers for one or several hosts. It lives until the last answer from it is on its way.
#[derive(Debug)]
pub struct Site {
    mapped: Mapped,
    name: String,
    /// Bits of [`WITHDRAWN`] and [`DAMAGED`].
    state: AtomicU8,
    /// Contents that are not what they should be, as ranges of the file in bytes.
    damage: RwLock<Vec<Range<u64>>>,
}

/// What becomes of a site that somebody has written to, and what to do.
pub const OUT_OF_SERVICE: &str = "its site is not served until there is a sound one\n\
     replace a webroot by renaming a new one over it, as mkroot does";

/// Nothing of it is sent any more.
const WITHDRAWN: u8 = 1;
/// Some of its contents are not sent any more.
const DAMAGED: u8 = 2;

impl Site {
    /// Serves `mapped`, which messages call `name`.
    pub fn new(mapped: Mapped, name: impl Into<String>) -> Site {
        Site { mapped, name: name.into(), state: AtomicU8::new(0), damage: RwLock::default() }
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The webroot.
    pub fn webroot(&self) -> Webroot<'_> {
        self.mapped.webroot()
    }

    /// The webroot, opened and mapped.
    pub fn mapped(&self) -> &Mapped {
        &self.mapped
    }

    /// The file, to send from.
    pub fn file(&self) -> &File {
        self.mapped.file()
    }

    /// Whether it is still what was opened, as far as is known.
    pub fn is_available(&self) -> bool {
        self.state.load(Ordering::Acquire) & WITHDRAWN == 0 && self.mapped.is_intact()
    }

    /// Lets nothing of it be sent any more, since its file is not what was opened. Returns whether that is news.
    pub fn withdraw(&self) -> bool {
        self.state.fetch_or(WITHDRAWN, Ordering::AcqRel) & WITHDRAWN == 0
    }

    /// The same because of something that was noticed while it was served; says so, once.
    pub fn withdraw_as_cut_short(&self, messages: &Messages) {
        if self.withdraw() {
            messages.say(&format!("{}: it was cut short while it was served; {OUT_OF_SERVICE}", self.name));
        }
    }

    /// Lets a content, given by its place in the file, not be sent any more.
    pub fn condemn(&self, content: Range<u64>) {
        self.damage.write().unwrap_or_else(PoisonError::into_inner).push(content);
        self.state.fetch_or(DAMAGED, Ordering::AcqRel);
    }

    /// Whether `answer`, which must be whole, may be sent, or with which status to refuse.
    ///
    /// # Errors
    ///
    /// 503 if nothing of the site may be, 500 if the content may not.
    pub fn permit(&self, answer: &Answer<'_>) -> Result<(), Status> {
        if !self.is_available() {
            return Err(Status::ServiceUnavailable);
        }
        if self.state.load(Ordering::Acquire) & DAMAGED != 0 && self.is_damaged(answer) {
            return Err(Status::InternalServerError);
        }
        Ok(())
    }

    /// Whether what `answer` sends is damaged.
    fn is_damaged(&self, answer: &Answer<'_>) -> bool {
        let damage = self.damage.read().unwrap_or_else(PoisonError::into_inner);
        let hit = |range: &Range<u64>| damage.iter().any(|bad| bad.start < range.end && range.start < bad.end);
        match &answer.content {
            Content::Stored(range) => hit(range),
            Content::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Stored(range) if hit(range))),
            Content::None | Content::Generated(_) => false,
        }
    }
}

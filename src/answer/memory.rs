//! Choices that were made before: the same fields, asked of the same variants, choose the same one again.
//!
//! Clients say the same with every request, and many say the same as others, so most of what is asked has been decided
//! already. A memory is bounded: a choice lies where the hash of its question says, and displaces what lay there.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::Listener;
use crate::http::request::RequestHead;
use crate::negotiation::{Step, Trace};

/// How many choices are remembered at most.
const PLACES: usize = 256;
/// Longer fields, in bytes all together, are not remembered.
const LONGEST: usize = 1024;

/// What a choice depends on, where the client leaves it to the server.
#[derive(Clone, Copy, Debug)]
pub struct Question<'r> {
    /// Which webroot; equal ones have the same.
    build_id: [u8; 16],
    /// Which of its targets.
    target: u64,
    /// Accept, Accept-Language, Accept-Charset and Accept-Encoding, as they were sent.
    fields: [Option<&'r [u8]>; 4],
    /// Where its answer lies.
    place: usize,
}

impl<'r> Question<'r> {
    /// What `request` asks of the target with this number in the webroot with this id.
    pub fn new(build_id: [u8; 16], target: u64, request: &'r RequestHead<'_>) -> Question<'r> {
        let fields = [&request.accept, &request.accept_language, &request.accept_charset, &request.accept_encoding];
        Question::of_fields(build_id, target, fields.map(Option::as_deref))
    }

    fn of_fields(build_id: [u8; 16], target: u64, fields: [Option<&'r [u8]>; 4]) -> Question<'r> {
        let mut hasher = FxHasher::default();
        hasher.write(&build_id);
        hasher.write_u64(target);
        fields.iter().flatten().for_each(|field| hasher.write(field));
        // The upper bits of this hash are the better ones.
        Question { build_id, target, fields, place: (hasher.finish() >> 32) as usize % PLACES }
    }

    fn is_short(&self) -> bool {
        self.fields.iter().flatten().map(|field| field.len()).sum::<usize>() <= LONGEST
    }
}

/// The latest choices, and what they were the answers to.
#[derive(Debug, Default)]
pub struct Memory {
    /// None as long as nothing is remembered, then [`PLACES`].
    places: Vec<Option<Remembered>>,
}

#[derive(Clone, Debug)]
struct Remembered {
    build_id: [u8; 16],
    target: u64,
    /// How long each field is, if it is there.
    lengths: [Option<u16>; 4],
    /// The fields, one behind the other.
    fields: Vec<u8>,
    /// The number of the chosen variant.
    variant: u32,
}

impl Memory {
    /// A memory of nothing.
    pub const fn new() -> Memory {
        Memory { places: Vec::new() }
    }
}

impl Trace for Memory {
    const LISTENS: bool = false;

    fn step(&mut self, _: impl FnOnce() -> Step) {}
}

impl Listener for Memory {
    fn recall(&self, question: &Question<'_>) -> Option<usize> {
        let remembered = self.places.get(question.place)?.as_ref()?;
        remembered.answers(question).then_some(remembered.variant as usize)
    }

    fn remember(&mut self, question: &Question<'_>, variant: usize) {
        let Ok(variant) = u32::try_from(variant) else { return };
        if !question.is_short() {
            return;
        }
        self.places.resize(PLACES, None);
        let place = &mut self.places[question.place];
        let mut fields = place.take().map_or(Vec::new(), |displaced| displaced.fields);
        fields.clear();
        question.fields.iter().flatten().for_each(|field| fields.extend_from_slice(field));
        let lengths = question.fields.map(|field| field.map(|field| field.len() as u16));
        let Question { build_id, target, .. } = *question;
        *place = Some(Remembered { build_id, target, lengths, fields, variant });
    }
}

impl Remembered {
    fn answers(&self, question: &Question<'_>) -> bool {
        let mut rest = &self.fields[..];
        let mut is_next = |(asked, length): (&Option<&[u8]>, &Option<u16>)| match (asked, length) {
            (None, None) => true,
            (Some(asked), Some(length)) if asked.len() == usize::from(*length) => {
                let (field, behind) = rest.split_at(asked.len());
                rest = behind;
                field == *asked
            }
            _ => false,
        };
        (self.target, self.build_id) == (question.target, question.build_id)
            && question.fields.iter().zip(&self.lengths).all(&mut is_next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question<'r>(target: u64, fields: [Option<&'r [u8]>; 4]) -> Question<'r> {
        Question::of_fields([7; 16], target, fields)
    }

    #[test]
    fn only_the_very_same_question_is_known() {
        let asked = question(1, [Some(b"ab"), None, None, Some(b"c")]);
        let mut memory = Memory::new();
        assert_eq!(memory.recall(&asked), None);
        memory.remember(&asked, 3);
        assert_eq!(memory.recall(&asked), Some(3));
        for other in [
            question(2, asked.fields),
            Question::of_fields([8; 16], 1, asked.fields),
            question(1, [Some(b"ab"), None, Some(b"c"), None]),
            question(1, [Some(b"a"), None, None, Some(b"bc")]),
            question(1, [Some(b"ab"), Some(b""), None, Some(b"c")]),
            question(1, [Some(b"ab"), None, None, None]),
        ] {
            // Wherever it lies: it is not taken for the other.
            assert!(!memory.places.iter().flatten().any(|remembered| remembered.answers(&other)), "{other:?}");
        }
        memory.remember(&asked, 4);
        assert_eq!(memory.recall(&asked), Some(4));
    }

    #[test]
    fn it_is_bounded() {
        let mut memory = Memory::new();
        let long = vec![b'x'; LONGEST + 1];
        memory.remember(&question(1, [Some(&long), None, None, None]), 0);
        assert!(memory.places.is_empty());
        for target in 0..10_000 {
            memory.remember(&question(target, [Some(&long[1..]), None, None, None]), 0);
        }
        let bytes: usize = memory.places.iter().flatten().map(|remembered| remembered.fields.capacity()).sum();
        assert!(memory.places.len() == PLACES && bytes <= PLACES * LONGEST, "{bytes}");
        let known = memory.places.iter().flatten().count();
        assert!(known > PLACES / 2, "{known}: the hash does not spread");
    }
}

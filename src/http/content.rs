//! The content of a request, which no resource here wants: it is read past, to where the next request begins.

use super::Status;
use super::grammar::is_token_byte;
use super::request::Content;

/// Reads past the content of one request, in whatever pieces it comes (RFC 9112, sections 6 and 7.1).
///
/// Chunks are taken apart strictly: a byte that does not fit is a fault, since somebody in front of this server may
/// have found the next request elsewhere.
#[derive(Clone, Debug)]
pub struct Skipper {
    state: State,
    /// Bytes of content, and of sizes, extensions and trailers, that may still come.
    content_left: u64,
    framing_left: u64,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes, and then the end.
    Length(u64),
    /// Digits of a chunk's size; whether there has been one.
    Size(u64, bool),
    /// The rest of a line of a chunk's size, behind a semicolon.
    Extension(u64),
    /// The end of that line.
    SizeLf(u64),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkCr,
    ChunkLf,
    /// A field of the trailer, or the empty line: whether a byte of its name has been read.
    TrailerName(bool),
    TrailerValue,
    TrailerLf,
    /// The end of the empty line.
    LastLf,
    Done,
}

impl Skipper {
    /// Of `content`, which may be `most` bytes long; sizes of chunks, extensions and trailers may take as many again.
    ///
    /// # Errors
    ///
    /// 413 if it says of itself that it is longer.
    pub fn new(content: Content, most: u64) -> Result<Skipper, Status> {
        let state = match content {
            Content::None => State::Done,
            Content::Length(length) if length > most => return Err(Status::ContentTooLarge),
            Content::Length(length) => State::Length(length),
            Content::Chunked => State::Size(0, false),
        };
        Ok(Skipper { state, content_left: most, framing_left: most })
    }

    /// Whether all of the content has been read.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes what belongs to the content off the beginning of `bytes`; returns how many bytes that were, all of them
    /// unless the content is at its end.
    ///
    /// # Errors
    ///
    /// 400 for what is no chunk, 413 if the content is longer than it may be. What follows cannot be understood then.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Status> {
        let mut taken = 0;
        while taken < bytes.len() && !self.is_done() {
            let rest = &bytes[taken..];
            taken += match self.state {
                State::Length(left) => {
                    let count = left.min(rest.len() as u64);
                    self.state = if count == left { State::Done } else { State::Length(left - count) };
                    count as usize
                }
                State::Chunk(left) => {
                    let count = left.min(rest.len() as u64);
                    self.state = if count == left { State::ChunkCr } else { State::Chunk(left - count) };
                    count as usize
                }
                state => {
                    self.framing_left = self.framing_left.checked_sub(1).ok_or(Status::ContentTooLarge)?;
                    self.state = self.after(state, rest[0])?;
                    1
                }
            };
        }
        Ok(taken)
    }

    /// The state behind a byte that is not of the content itself.
    fn after(&mut self, state: State, byte: u8) -> Result<State, Status> {
        Ok(match (state, byte) {
            (State::Size(size, _), _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                State::Size(size.saturating_mul(16).saturating_add(digit.into()), true)
            }
            (State::Size(size, true), b';') => State::Extension(size),
            (State::Size(size, true) | State::Extension(size), b'\r') => State::SizeLf(size),
            (State::Extension(size), _) if is_text(byte) => State::Extension(size),
            (State::SizeLf(0), b'\n') => State::TrailerName(false),
            (State::SizeLf(size), b'\n') => {
                self.content_left = self.content_left.checked_sub(size).ok_or(Status::ContentTooLarge)?;
                State::Chunk(size)
            }
            (State::ChunkCr, b'\r') => State::ChunkLf,
            (State::ChunkLf, b'\n') => State::Size(0, false),
            (State::TrailerName(false), b'\r') => State::LastLf,
            (State::TrailerName(true), b':') => State::TrailerValue,
            (State::TrailerName(_), _) if is_token_byte(byte) => State::TrailerName(true),
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, _) if is_text(byte) => State::TrailerValue,
            (State::TrailerLf, b'\n') => State::TrailerName(false),
            (State::LastLf, b'\n') => State::Done,
            _ => return Err(Status::BadRequest),
        })
    }
}

/// Whether a byte may stand in a field value (RFC 9110, section 5.5).
const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 64;

    /// What comes of `bytes` in one piece: how many belong to the content, and whether it ends with them.
    fn skip(content: Content, bytes: &[u8]) -> Result<(usize, bool), Status> {
        let mut skipper = Skipper::new(content, MOST)?;
        let taken = skipper.take(bytes)?;
        Ok((taken, skipper.is_done()))
    }

    #[test]
    fn a_length_says_where_the_next_request_begins() {
        assert_eq!(skip(Content::None, b"GET"), Ok((0, true)));
        assert_eq!(skip(Content::Length(3), b"abcGET"), Ok((3, true)));
        assert_eq!(skip(Content::Length(3), b"ab"), Ok((2, false)));
        assert_eq!(skip(Content::Length(MOST), b""), Ok((0, false)));
        assert_eq!(skip(Content::Length(MOST + 1), b""), Err(Status::ContentTooLarge));
    }

    #[test]
    fn chunks() {
        let long = format!("41\r\n{}\r\n0\r\n\r\n", "x".repeat(65));
        let many = "1\r\nx\r\n".repeat(40);
        for (bytes, expected) in [
            ("0\r\n\r\nGET", Ok((5, true))),
            ("3\r\nabc\r\n0\r\n\r\nGET", Ok((13, true))),
            ("003\r\nabc\r\n00\r\n\r\n", Ok((16, true))),
            ("A\r\n0123456789\r\n0\r\n\r\n", Ok((20, true))),
            ("3;a=b;c=\"d e\"\r\nabc\r\n0;x\r\n\r\n", Ok((27, true))),
            ("0\r\nA: b\r\nC-d:\t\r\n\r\n", Ok((18, true))),
            ("3\r\nab", Ok((5, false))),
            ("", Ok((0, false))),
            ("\r\n", Err(Status::BadRequest)),
            (";a\r\n", Err(Status::BadRequest)),
            ("+3\r\nabc\r\n", Err(Status::BadRequest)),
            ("-1\r\n", Err(Status::BadRequest)),
            (" 3\r\nabc\r\n", Err(Status::BadRequest)),
            ("3 \r\nabc\r\n", Err(Status::BadRequest)),
            ("0x3\r\nabc\r\n", Err(Status::BadRequest)),
            ("3\nabc\r\n", Err(Status::BadRequest)),
            ("3\r\rabc", Err(Status::BadRequest)),
            ("3;a\nabc\r\n", Err(Status::BadRequest)),
            ("3;\0\r\nabc\r\n", Err(Status::BadRequest)),
            ("3\r\nabcd\r\n", Err(Status::BadRequest)),
            ("3\r\nabc\n0\r\n\r\n", Err(Status::BadRequest)),
            ("0\r\n A: b\r\n\r\n", Err(Status::BadRequest)),
            ("0\r\nA b\r\n\r\n", Err(Status::BadRequest)),
            ("0\r\n: b\r\n\r\n", Err(Status::BadRequest)),
            ("0\r\nA: b\n\r\n", Err(Status::BadRequest)),
            ("0\r\n\n", Err(Status::BadRequest)),
            ("0\r\n\r\r", Err(Status::BadRequest)),
            (&long, Err(Status::ContentTooLarge)),
            (&many, Err(Status::ContentTooLarge)),
            ("ffffffffffffffffffff\r\n", Err(Status::ContentTooLarge)),
        ] {
            assert_eq!(skip(Content::Chunked, bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "([0-3][;xyz]{0,3}\r\n|[a-c]{0,3}|\r\n|0\r\n|A: b\r\n|.|\n){0,12}",
            cuts: Vec<proptest::sample::Index>,
        ) {
            let bytes = text.as_bytes();
            let whole = skip(Content::Chunked, bytes);
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut skipper = Skipper::new(Content::Chunked, MOST).unwrap();
            let mut total = Ok(0);
            for piece in cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]) {
                total = total.and_then(|total| Ok(total + skipper.take(piece)?));
            }
            proptest::prop_assert_eq!(total.map(|total| (total, skipper.is_done())), whole);
        }
    }
}

//! Proactive negotiation (RFC 9110, section 12): fields and variants in, a choice out. Pure.
//!
//! The rules and their numbers (R57…, D1…) are those of Apache's mod_negotiation as it was observed, and of
//! the places where RFC 9110 asks for something else. `policy = "apache"` follows the first to the letter,
//! `"modern"` the second.
//!
//! [`Preferences`] are what the request asks for; [`select`] scores every variant in each dimension,
//! drops those that are not acceptable and keeps the best of the rest. The work is proportional to the
//! number of variants times the number of items in the fields, without allocation for ordinary requests.
//!
//! Mistakes of others that this module exists to avoid: `q=0` means *not acceptable*, not *least wanted*;
//! names are compared without regard to case; a coding names the bytes, so no coding is ever sent under
//! another's name; a second line of a field counts like the first.

mod charset;
mod coding;
mod language;
mod media_type;
mod preferences;
mod select;
mod trace;
mod transparent;

pub use coding::adapted;
pub use preferences::{Preference, Preferences};
pub use select::{Algorithm, Choice, select};
pub use trace::{Key, NoTrace, Scores, Step, Trace, Why};
pub use transparent::Negotiate;

//! The nouns that every other module shares: variants, quality values, names and settings.

mod dimensions;
mod names;
mod note;
mod quality;
mod settings;
mod variant;

pub use dimensions::Dimensions;
pub use names::{coding_names, folds_to};
pub use note::Note;
pub use quality::Quality;
pub use settings::{Policy, Settings};
pub use variant::{LanguageTags, Level, Variant};

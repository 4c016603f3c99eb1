//! The formats of images that others are made of.

/// An image of a format that others are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl Format {
    /// That of a media type.
    pub fn of(media_type: &[u8]) -> Option<Format> {
        match media_type {
            b"image/png" => Some(Format::Png),
            b"image/jpeg" => Some(Format::Jpeg),
            _ => None,
        }
    }
}

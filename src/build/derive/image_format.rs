//! The formats of images: which others are made of, and which are made.

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

/// A format that is made of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NewFormat {
    /// AVIF.
    Avif,
    /// WebP (RFC 9649).
    Webp,
}

impl NewFormat {
    /// All of them, in the order in which variants are made of an image.
    pub const ALL: [NewFormat; 2] = [NewFormat::Avif, NewFormat::Webp];

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            NewFormat::Avif => "AVIF",
            NewFormat::Webp => "WebP",
        }
    }

    /// The extension of its file names, and its name in settings.
    pub fn extension(self) -> &'static str {
        match self {
            NewFormat::Avif => "avif",
            NewFormat::Webp => "webp",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            NewFormat::Avif => "image/avif",
            NewFormat::Webp => "image/webp",
        }
    }
}

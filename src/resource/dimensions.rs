//! Dimensions of negotiation, and the request fields that speak about them.

/// A set of dimensions in which variants differ or requests choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dimensions(u8);

impl Dimensions {
    /// No dimension.
    pub const NONE: Dimensions = Dimensions(0);
    /// Every dimension.
    pub const ALL: Dimensions = Dimensions(15);
    /// Media type: Accept.
    pub const TYPE: Dimensions = Dimensions(1);
    /// Language: Accept-Language.
    pub const LANGUAGE: Dimensions = Dimensions(2);
    /// Charset: Accept-Charset.
    pub const CHARSET: Dimensions = Dimensions(4);
    /// Content coding: Accept-Encoding.
    pub const CODING: Dimensions = Dimensions(8);

    /// Each of them alone, in the order in which Apache lists them (R92).
    pub const EACH: [Dimensions; 4] = [Dimensions::TYPE, Dimensions::LANGUAGE, Dimensions::CHARSET, Dimensions::CODING];

    /// The same with their names and fields.
    const IN_ORDER: [(Dimensions, &str, &str); 4] = [
        (Dimensions::TYPE, "type", "Accept"),
        (Dimensions::LANGUAGE, "language", "Accept-Language"),
        (Dimensions::CHARSET, "charset", "Accept-Charset"),
        (Dimensions::CODING, "coding", "Accept-Encoding"),
    ];

    /// The set as four bits: type 1, language 2, charset 4, coding 8.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that [`Dimensions::bits`] made these of; other bits are left out.
    pub const fn from_bits(bits: u8) -> Dimensions {
        Dimensions(bits & 15)
    }

    /// Whether `other` shares a dimension with this set.
    pub const fn intersects(self, other: Dimensions) -> bool {
        self.0 & other.0 != 0
    }

    /// This set, and `other` if `condition` holds.
    #[must_use]
    pub const fn with(self, other: Dimensions, condition: bool) -> Dimensions {
        if condition { Dimensions(self.0 | other.0) } else { self }
    }

    /// What the dimensions are called: `type`, `language`, `charset`, `coding`.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::IN_ORDER.into_iter().filter(move |(one, ..)| self.intersects(*one)).map(|(_, name, _)| name)
    }

    /// The request fields that speak about the dimensions.
    pub fn fields(self) -> impl Iterator<Item = &'static str> {
        Self::IN_ORDER.into_iter().filter(move |(one, ..)| self.intersects(*one)).map(|(.., field)| field)
    }
}

impl std::ops::BitOr for Dimensions {
    type Output = Dimensions;
    fn bitor(self, other: Dimensions) -> Dimensions {
        self.with(other, true)
    }
}

impl std::ops::BitOrAssign for Dimensions {
    fn bitor_assign(&mut self, other: Dimensions) {
        *self = *self | other;
    }
}

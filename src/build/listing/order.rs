//! The order of names in a listing: as people count, so `v2` comes before `v10`.

use std::cmp::Ordering;

/// Compares names: numbers by their value, letters without regard to their case (in ASCII), all else byte by byte.
/// Names that are alike in this are ordered by their bytes, so that no two are equal.
pub fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some((first, left_rest)), Some((second, right_rest))) = (left.split_first(), right.split_first()) else {
            return left.len().cmp(&right.len()).then(a.cmp(b));
        };
        let order = if first.is_ascii_digit() && second.is_ascii_digit() {
            let (left_number, left_rest) = number(left);
            let (right_number, right_rest) = number(right);
            (left, right) = (left_rest, right_rest);
            left_number.len().cmp(&right_number.len()).then(left_number.cmp(right_number))
        } else {
            (left, right) = (left_rest, right_rest);
            first.to_ascii_lowercase().cmp(&second.to_ascii_lowercase())
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits that `text` begins with, without leading zeros, and what comes behind them.
fn number(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    (&digits[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::sample::select;

    use super::*;

    #[test]
    fn numbers_count_and_case_does_not() {
        let sorted: [&[u8]; 16] = [
            b"-a",
            b"0",
            b"00",
            b"01",
            b"1",
            b"a",
            b"a1.zip",
            b"A2.zip",
            b"a10.zip",
            b"a123456789012345678901234567890",
            b"B",
            b"b",
            b"v1.9",
            b"v1.10",
            b"v1.10.1",
            b"\xff",
        ];
        for (place, first) in sorted.iter().enumerate() {
            for second in &sorted[place + 1..] {
                assert_eq!(
                    natural(first, second),
                    Ordering::Less,
                    "{} {}",
                    first.escape_ascii(),
                    second.escape_ascii()
                );
                assert_eq!(natural(second, first), Ordering::Greater);
            }
            assert_eq!(natural(first, first), Ordering::Equal);
        }
    }

    proptest::proptest! {
        #[test]
        fn it_is_an_order(names in vec(vec(select(b"0019aAb.\xff".to_vec()), 0..6), 3)) {
            let [a, b, c] = &names[..] else { panic!("three") };
            proptest::prop_assert_eq!(natural(a, b), natural(b, a).reverse());
            proptest::prop_assert_eq!(natural(a, b) == Ordering::Equal, a == b);
            if natural(a, b) != Ordering::Greater && natural(b, c) != Ordering::Greater {
                proptest::prop_assert_ne!(natural(a, c), Ordering::Greater);
            }
        }
    }
}

//! Names that are like one that is not known: who mistypes a key wants to hear of one, not of all.

/// How like two names must be, from 0 to 1: `header-time` and `header-timeout` are, `uring` and `auto` are not.
const LIKE: f64 = 0.8;

/// A message of serde about an unknown name, which lists those that it knows; the one that may have been meant, if there
/// is one, comes before the list.
pub fn with_neighbour(message: &str) -> String {
    let Some((what, known)) = message.split_once(", expected ").filter(|_| message.starts_with("unknown ")) else {
        return message.into();
    };
    // Every other piece stands between backticks.
    let said = what.split('`').nth(1).unwrap_or_default();
    let likeness = |name| strsim::jaro(said, name);
    let nearest = known.split('`').skip(1).step_by(2).max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|name| likeness(name) > LIKE) {
        Some(name) => format!("{what}, did you mean `{name}`? expected {known}"),
        None => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_said_first_and_a_far_one_is_not() {
        let known = "expected one of `workers`, `verify`, `header-timeout`, `header`";
        for (said, near) in [("header-time", "header-timeout"), ("workes", "workers"), ("verfiy", "verify")] {
            let message = with_neighbour(&format!("unknown field `{said}`, {known}"));
            assert_eq!(message, format!("unknown field `{said}`, did you mean `{near}`? {known}"));
        }
        for other in ["uring", ""].map(|said| format!("unknown field `{said}`, {known}")) {
            assert_eq!(with_neighbour(&other), other);
        }
        for other in ["invalid type: string \"a\", expected u64", "unknown field `x`, there are no fields"] {
            assert_eq!(with_neighbour(other), other);
        }
    }
}

//! How names of types, tags and codings are compared.

/// Whether `asked`, folded to lower case, is `stored` as it stands.
///
/// Apache lower-cases what clients send and most of what is configured, but not all of it: what a site
/// stored in capitals is then never found (B6, B7). Comparing this way keeps that without copying.
#[inline]
pub fn folds_to(asked: &[u8], stored: &[u8]) -> bool {
    asked.len() == stored.len() && asked.iter().zip(stored).all(|(asked, stored)| asked.to_ascii_lowercase() == *stored)
}

/// The single codings in a Content-Encoding value, in the order in which they were applied.
pub fn coding_names(codings: &[u8]) -> impl Iterator<Item = &[u8]> {
    codings.split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
}

//! The settings that are needed at run time: those that decide between variants, and what holds for a site as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Dimensions;

/// Whose decisions are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// RFC 9110 where Apache departs from it, and two tie-breaks that today's clients need.
    #[default]
    Modern,
    /// What Apache's mod_negotiation decides, quirks included.
    Apache,
}

/// What answers need to know of a site, stored in the webroot once per distinct value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Whose decisions are made.
    pub policy: Policy,
    /// LanguagePriority: language tags, the most wanted first, in lower case.
    pub language_priority: Vec<String>,
    /// ForceLanguagePriority Prefer: among equal languages the priority decides.
    pub prefer: bool,
    /// ForceLanguagePriority Fallback: when no language fits, the priority decides instead of 406.
    pub fallback: bool,
    /// Media types that come first where the client named none, in lower case. Modern policy only.
    pub type_priority: Vec<String>,
    /// Whether Negotiate is heeded, and TCN and Alternates are sent (RFC 2295).
    pub transparent: bool,
    /// Of the site as a whole: field lines, each ended by CRLF, of answers that no file holds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fields: String,
    /// Of the site as a whole: by status code, the request target of the page that an error shows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub error_pages: BTreeMap<u16, String>,
    /// Of the site as a whole: how long, in bytes, the longest path is that has a redirect for all below it; 0 if none has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub longest_redirect: usize,
}

impl Settings {
    /// The Vary field value that names `dimensions`, and Negotiate if `negotiate` says so; empty for nothing (R92; RFC
    /// 9110, section 12.5.5).
    pub fn vary(&self, dimensions: Dimensions, negotiate: bool) -> String {
        let negotiate = negotiate.then_some("Negotiate");
        let fields: Vec<_> = negotiate.into_iter().chain(dimensions.fields()).collect();
        match self.policy {
            Policy::Modern => fields.join(", "),
            Policy::Apache => fields.join(",").to_ascii_lowercase(),
        }
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            policy: Policy::Modern,
            language_priority: Vec::new(),
            prefer: true,
            fallback: true,
            type_priority: vec!["text/html".into(), "application/xhtml+xml".into()],
            transparent: false,
            fields: String::new(),
            error_pages: BTreeMap::new(),
            longest_redirect: 0,
        }
    }
}

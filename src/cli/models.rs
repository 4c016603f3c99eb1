//! What `connegd --io list` prints: the ways of sending, and which of them this kernel offers.

use std::fmt::Write as _;

use crate::runtime::Model;

/// A line for each model: its name, `yes` or `no`, how it sends or what is missing.
pub fn models() -> String {
    let mut lines = String::new();
    for model in Model::ALL {
        let (offered, what) = match model.check() {
            Ok(()) => ("yes", model.summary().to_string()),
            Err(error) => ("no", error.to_string()),
        };
        let _ = writeln!(lines, "{:<15} {offered:<4} {what}", model.name());
    }
    lines
}

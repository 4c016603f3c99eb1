//! What the RFCs and the contract of the two programs say, checked from outside.
//!
//! Modules are named for where the truth comes from. `support` starts the real programs, on ports that are
//! free and in directories that are removed, and speaks raw bytes to them; nothing here waits for time to
//! pass.

mod apache_examples;
mod apache_manual;
mod architecture;
mod cli;
mod explain_cases;
mod mkroot;
mod rfc9110_negotiation;
mod rfc9112_messages;
mod support;
mod webroot_damage;
mod webroot_format;

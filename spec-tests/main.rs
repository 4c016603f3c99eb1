//! What the RFCs and the contract of the two programs say, checked from outside.
//!
//! Modules are named for where the truth comes from. `support` starts the real programs, on ports that are
//! free and in directories that are removed, and speaks raw bytes to them; nothing here waits for time to
//! pass.

mod agents;
mod apache_differential;
mod apache_examples;
mod apache_manual;
mod apache_type_map;
mod architecture;
mod cli;
mod decoding;
mod derived;
#[cfg(feature = "images")]
mod derived_images;
mod directories;
mod docs;
mod explain_cases;
mod explain_page;
mod hosts;
mod hosts_model;
mod incremental;
mod limits;
mod listing;
mod live_sites;
mod memory;
mod mkroot;
mod negotiation_properties;
mod notes;
mod operations;
mod rfc2295;
mod rfc9110_methods;
mod rfc9110_negotiation;
mod rfc9110_preconditions;
mod rfc9110_ranges;
mod rfc9112_framing;
mod rfc9112_messages;
mod rfc9112_syntax;
mod sending;
mod signals;
mod site_settings;
mod support;
mod takeover;
#[cfg(feature = "tls")]
mod tls;
mod waiting_room;
mod webroot_damage;
mod webroot_format;

//! connegd: a static web server that does HTTP content negotiation right, and the packer that makes it cheap.
//!
//! One URL, many representations: `/2005/chart` is an SVG for a browser and a PNG for a client that
//! asks for one. Apache decides that with a directory scan for every request; here `mkroot` decides
//! everything that can be known beforehand and packs a *site* (a directory) into a *webroot* (one
//! immutable file): for each resource its variants, with header blocks ready to send, behind a
//! perfect hash. `connegd` maps that file and answers from it.
//!
//! # The price of the design
//!
//! A site that changes must be packed again, and a webroot is about as large as its site. In
//! exchange a request costs no `stat`, no `open` and no directory scan, whatever the site's size.
//!
//! # Modules
//!
//! Data flows one way: site → [`build`] → [`webroot`] → [`negotiation`] → [`answer`] → [`runtime`]. [`live`] starts it
//! again when a site or a webroot changes.
//!
//! | module | what lives there | may use |
//! |---|---|---|
//! | [`resource`] | the nouns: variant, quality value, settings | nothing |
//! | [`http`] | RFC 9110 semantics and RFC 9112 syntax, without a socket | resource |
//! | [`webroot`] | the file: its specification, reader, writer, verification | resource, http, sys |
//! | [`negotiation`] | fields and variants in, a choice out | resource, http |
//! | [`answer`] | (webroot, request head) → status, fields, which bytes | resource, http, negotiation, webroot |
//! | [`build`] | site directory → webroot file, offline | resource, http, webroot, sys |
//! | [`runtime`] | sockets, coroutines, hosts and what they serve at the moment | answer, http, webroot, sys |
//! | [`live`] | keeps that up with what lies in the file system | resource, build, webroot, runtime, sys |
//! | [`sys`] | the only unsafe code: memory maps, coroutine start, what the kernel is asked | nothing of ours |
//! | [`ops`] | what a server tells those who run it: metrics, sites, why an answer is as it is | resource, http, negotiation, webroot, answer, runtime |
//! | [`cli`] | arguments, messages and reports of the two programs | resource, build, answer, http, webroot, runtime, live, ops |
//!
//! `negotiation`, `http` and `answer` are pure: no I/O, no clock.
//!
//! # Quirks
//!
//! - A webroot that is written to while it is served is taken out of service, since nobody can tell which of its bytes are
//!   still right. `mkroot` never does that, it renames a finished file into place.
//! - Paths are bytes. A file name that is not UTF-8 is served under its percent-encoded name.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod answer;
pub mod build;
pub mod cli;
pub mod http;
pub mod live;
pub mod negotiation;
pub mod ops;
pub mod resource;
pub mod runtime;
pub mod sys;
pub mod webroot;

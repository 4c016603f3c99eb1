//! Pages for those who run the server, apart from what it serves. Pure: they are rendered of what they are given.

pub mod explain;

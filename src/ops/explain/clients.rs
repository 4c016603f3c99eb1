//! What clients say of themselves in 2026, as far as it decides anything.

/// A client to choose in the form.
#[derive(Debug)]
pub struct Client {
    /// What the query calls it.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The fields that it sends.
    pub fields: &'static [(&'static str, &'static str)],
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// Those that can be chosen; the first is chosen if nobody says otherwise. The last sends nothing of its own.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "chrome",
        title: "Chrome",
        fields: &[
            (
                "Accept",
                "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
                 application/signed-exchange;v=b3;q=0.7",
            ),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Accept-Language", "en-US,en;q=0.9"),
        ],
    },
    Client {
        name: "chrome-image",
        title: "Chrome, for an image in a page",
        fields: &[
            ("Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
            ("Accept-Language", "en-US,en;q=0.9"),
        ],
    },
    Client {
        name: "firefox",
        title: "Firefox",
        fields: &[
            ("Accept", BROWSER),
            ("Accept-Language", "en-US,en;q=0.5"),
            ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ],
    },
    Client {
        name: "safari",
        title: "Safari",
        fields: &[("Accept", BROWSER), ("Accept-Language", "en-US,en;q=0.9"), ("Accept-Encoding", "gzip, deflate, br")],
    },
    Client {
        name: "claude-code",
        title: "Claude Code",
        fields: &[("Accept", "text/markdown, text/html, */*"), ("Accept-Encoding", "gzip, compress, deflate, br")],
    },
    Client {
        name: "cursor",
        title: "Cursor",
        fields: &[("Accept", "text/markdown, text/plain;q=0.9, */*;q=0.8"), ("Accept-Encoding", "gzip, deflate, br")],
    },
    Client {
        name: "codex",
        title: "Codex CLI",
        fields: &[("Accept", "text/html, */*"), ("Accept-Encoding", "gzip, br, deflate")],
    },
    Client { name: "curl", title: "curl", fields: &[("Accept", "*/*")] },
    Client {
        name: "rdf",
        title: "an RDF tool",
        fields: &[
            ("Accept", "text/turtle, application/rdf+xml;q=0.9, application/ld+json;q=0.8"),
            ("Accept-Encoding", "gzip, deflate"),
        ],
    },
    Client { name: "own", title: "only the fields below", fields: &[] },
];

/// The client that the query calls `name`.
pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}

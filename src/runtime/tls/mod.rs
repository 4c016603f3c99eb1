//! TLS 1.2 and 1.3, by rustls: certificates by host, sessions that are resumed, and what is done about those who speak plainly.

mod certificates;
mod kernel;
mod session;

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::crypto::CryptoProvider;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache};
use rustls::{HandshakeKind, ServerConfig};

pub use certificates::{Certificates, Expiry, Identity, Pair};
use kernel::Kernel;
pub(super) use kernel::{finish, reject, take_notice};
pub(super) use session::{Received, Session};

/// Sessions of TLS 1.2 that can be resumed by clients that keep no tickets.
const SESSIONS: usize = 4096;

/// How connections are made secure.
pub struct Tls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
    /// What the kernel can take over.
    kernel: Kernel,
    counts: Counts,
}

/// What lies between the socket of a connection and HTTP.
#[derive(Debug)]
pub(super) enum Layer {
    /// Nothing.
    Plain,
    /// TLS by this program; or about to be.
    Session(Box<Session>),
    /// TLS by the kernel.
    Kernel,
}

/// What became of handshakes since the server began.
#[derive(Debug, Default)]
struct Counts {
    full: AtomicU64,
    resumed: AtomicU64,
    failed: AtomicU64,
    taken_over: AtomicU64,
}

/// The same, as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshakes {
    /// With keys agreed on anew.
    pub full: u64,
    /// Of clients that had been here before.
    pub resumed: u64,
    /// Broken off.
    pub failed: u64,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tls({:?})", self.counts)
    }
}

impl Tls {
    /// Speaks TLS with these certificates, which may be replaced at any time. Long contents are encrypted by the kernel, if it
    /// can do that and `by_kernel` wants it to.
    ///
    /// # Errors
    ///
    /// If this program was built without cryptography, or has no source of randomness.
    pub fn new(certificates: Arc<Certificates>, by_kernel: bool) -> io::Result<Tls> {
        let provider = provider()?;
        let ticketer = ticketer()?;
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.ticketer = ticketer;
        // The suites are all good ones: whoever has no hardware for AES prefers another.
        config.ignore_client_order = false;
        let kernel = if by_kernel { Kernel::ask().unwrap_or_default() } else { Kernel::default() };
        config.enable_secret_extraction = kernel.is_able();
        Ok(Tls { config: Arc::new(config), certificates, kernel, counts: Counts::default() })
    }

    /// The certificates.
    pub fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// How many connections the kernel has taken over so far.
    pub fn taken_over(&self) -> u64 {
        self.counts.taken_over.load(Ordering::Relaxed)
    }

    /// What became of handshakes so far.
    pub fn handshakes(&self) -> Handshakes {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Handshakes {
            full: read(&self.counts.full),
            resumed: read(&self.counts.resumed),
            failed: read(&self.counts.failed),
        }
    }

    fn note(&self, kind: Option<HandshakeKind>) {
        let count = match kind {
            Some(HandshakeKind::Resumed) => &self.counts.resumed,
            Some(_) => &self.counts.full,
            None => &self.counts.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

impl Layer {
    /// That of a new connection, which is to be secure if there is TLS.
    ///
    /// # Errors
    ///
    /// If there is no randomness.
    pub fn begin(tls: Option<&Arc<Tls>>) -> io::Result<Layer> {
        tls.map_or(Ok(Layer::Plain), |tls| Ok(Layer::Session(Box::new(Session::begin(tls)?))))
    }

    /// Whether what is sent is encrypted.
    pub fn is_secure(&self) -> bool {
        !matches!(self, Layer::Plain)
    }

    /// Whether keys were to be agreed on, and have not been.
    pub fn is_unfinished(&self) -> bool {
        matches!(self, Layer::Session(session) if session.is_unfinished())
    }

    /// Lets the kernel take over, if it can and this is a moment at which nothing is half done.
    ///
    /// # Errors
    ///
    /// If it could not after all; the connection is closed then.
    pub fn hand_over(&mut self, stream: &TcpStream) -> io::Result<()> {
        *self = match std::mem::replace(self, Layer::Kernel) {
            Layer::Session(session) if session.can_be_handed_over() && kernel::prepare(stream).is_ok() => {
                session.hand_over(stream)?;
                Layer::Kernel
            }
            other => other,
        };
        Ok(())
    }
}

/// The cryptography. Built in unless the program was built without it.
#[cfg(feature = "tls")]
fn provider() -> io::Result<Arc<CryptoProvider>> {
    Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

#[cfg(feature = "tls")]
fn ticketer() -> io::Result<Arc<dyn ProducesTickets>> {
    rustls::crypto::aws_lc_rs::Ticketer::new().map_err(io::Error::other)
}

#[cfg(not(feature = "tls"))]
fn provider() -> io::Result<Arc<CryptoProvider>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this program was built without TLS (feature tls)"))
}

#[cfg(not(feature = "tls"))]
fn ticketer() -> io::Result<Arc<dyn ProducesTickets>> {
    provider().map(|_| unreachable!("it is not there"))
}

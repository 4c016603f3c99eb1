//! Certificates with their keys, by the names of hosts. They are read from files, and replaced as a whole.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::provider;
use crate::http::host;
use crate::runtime::HostName;

/// The files of a certificate: its chain, in PEM, the host's own first, and its key. Both may be the same file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// For which host it is besides those that it names itself.
    pub name: HostName,
    /// The chain.
    pub chain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    /// The hosts that it is for: of the pair, then as it says itself.
    names: Vec<HostName>,
    expiry: Expiry,
}

/// Until when a certificate can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The file of the certificate.
    pub file: PathBuf,
    /// The host of its pair.
    pub host: String,
    /// In seconds since 1970.
    pub until: u64,
}

impl Identity {
    /// Whether it has the same certificate.
    pub fn is_same_as(&self, other: &Identity) -> bool {
        self.key.cert == other.key.cert
    }
}

impl Expiry {
    /// How many seconds are left at `now`, none if it is over.
    pub fn left(&self, now: SystemTime) -> u64 {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.until.saturating_sub(now)
    }
}

impl Pair {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// What is wrong with which of them, as a sentence.
    pub fn read(&self) -> Result<Identity, String> {
        let Pair { name, chain, key } = self;
        let provider = provider().map_err(|error| error.to_string())?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain).and_then(Iterator::collect);
        let certificates = certificates.map_err(|error| wrong(chain, "certificate", &error))?;
        let Some(own) = certificates.first() else {
            return Err(format!(
                "{}: there is no certificate in it, which would begin with -----BEGIN CERTIFICATE-----",
                chain.display()
            ));
        };
        let parsed =
            Certificate::from_der(own).map_err(|error| format!("{}: no certificate: {error}", chain.display()))?;
        let expiry = parsed.tbs_certificate().validity().not_after.to_unix_duration().as_secs();
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, "private key", &error))?;
        let names = std::iter::once(name.clone()).chain(names(&parsed)).collect();
        let certified = certified(certificates, secret, &provider)
            .map_err(|why| format!("{}: {why}; the certificate is in {}", key.display(), chain.display()))?;
        let expiry = Expiry { file: chain.clone(), host: name.to_string(), until: expiry };
        Ok(Identity { key: Arc::new(certified), names, expiry })
    }

    /// The pairs of a directory, as far as they are pairs: NAME.pem or NAME.crt with NAME.key, for the host NAME, and the
    /// directories that certbot makes, NAME/fullchain.pem with NAME/privkey.pem. A NAME.pem without NAME.key holds both.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or a name in it is none of a host.
    pub fn of_directory(directory: &Path) -> Result<Vec<Pair>, String> {
        let failed = |error| format!("{}: {error}", directory.display());
        let mut pairs = BTreeMap::new();
        for entry in directory.read_dir().map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let chain_in = path.join("fullchain.pem");
            let (name, chain, key) = match (path.extension().and_then(|extension| extension.to_str()), path.file_stem())
            {
                _ if file_name.starts_with('.') || file_name == "README" => continue,
                _ if chain_in.is_file() => (file_name.to_string(), chain_in, path.join("privkey.pem")),
                (Some("pem" | "crt"), Some(stem)) if path.is_file() => {
                    let key = path.with_extension("key");
                    let key = if key.is_file() { key } else { path.clone() };
                    (stem.to_string_lossy().into_owned(), path.clone(), key)
                }
                _ => continue,
            };
            let host = HostName::of_file(&name).map_err(|wrong| format!("{} {wrong}", path.display()))?;
            if let Some(Pair { chain: other, .. }) =
                pairs.insert(host.clone(), Pair { name: host, chain: chain.clone(), key })
            {
                return Err(format!("{} is for the same host as {}", chain.display(), other.display()));
            }
        }
        Ok(pairs.into_values().collect())
    }
}

fn wrong(file: &Path, what: &str, error: &pem::Error) -> String {
    let file = file.display();
    match error {
        pem::Error::NoItemsFound => format!("{file}: there is no {what} in it"),
        pem::Error::Io(error) => format!("{file}: {error}"),
        error => format!("{file}: no {what} can be read: {error}"),
    }
}

/// The names that a certificate is for (RFC 5280, section 4.2.1.6). Addresses are not asked for by name.
fn names(certificate: &Certificate) -> Vec<HostName> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate().get_extension::<SubjectAltName>() else {
        return Vec::new();
    };
    let dns = names.iter().filter_map(|name| match name {
        GeneralName::DnsName(name) => HostName::of_file(name.as_str()).ok(),
        _ => None,
    });
    dns.collect()
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    let key = provider.key_provider.load_private_key(key).map_err(|error| error.to_string())?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(_) => Err("this is the key of another certificate".into()),
    }
}

/// All certificates there are, to be replaced at any time.
#[derive(Debug, Default)]
pub struct Certificates(ArcSwap<Table>);

#[derive(Default)]
struct Table {
    by_name: HashMap<HostName, Arc<CertifiedKey>>,
    /// For who names no host, or one that there is no certificate for.
    default: Option<Arc<CertifiedKey>>,
    expiries: Vec<Expiry>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Certificates {
    /// Uses these from now on. Of several for one host the one whose pair has its name is used, else the first. If there is
    /// only one, everybody gets it.
    pub fn replace(&self, identities: &[Identity]) {
        let mut table =
            Table { expiries: identities.iter().map(|identity| identity.expiry.clone()).collect(), ..Table::default() };
        for identity in identities {
            if let Some(name) = identity.names.first() {
                table.by_name.insert(name.clone(), identity.key.clone());
            }
        }
        for identity in identities {
            for name in &identity.names {
                table.by_name.entry(name.clone()).or_insert_with(|| identity.key.clone());
            }
        }
        table.default = match identities {
            [only] => Some(only.key.clone()),
            _ => table.by_name.get(&HostName::Default).cloned(),
        };
        self.0.store(Arc::new(table));
    }

    /// Until when they can be used.
    pub fn expiries(&self) -> Vec<Expiry> {
        self.0.load().expiries.clone()
    }
}

impl Table {
    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase().into_bytes();
        self.by_name.get(&HostName::Exact(name.clone().into())).or_else(|| {
            // A star stands for one label (RFC 9525, section 6.3).
            let domain = host::domains(&name).next()?;
            self.by_name.get(&HostName::Below(domain.into()))
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.load();
        hello.server_name().and_then(|name| table.find(name)).or(table.default.as_ref()).cloned()
    }
}

//! TLS by the kernel (kTLS): once keys are agreed on, it can encrypt what is sent and decrypt what comes. A content is then
//! sent from its file as it is without TLS, and is nowhere copied to be encrypted.

use std::io::{self, IoSliceMut};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::sys::socket::sockopt::{TcpTlsRx, TcpTlsTx, TcpUlp, TlsCryptoInfo};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, TlsGetRecordType, recvmsg, setsockopt};
use rustls::crypto::cipher::{AeadKey, Iv};
use rustls::{CipherSuite, ConnectionTrafficSecrets, ExtractedSecrets, ProtocolVersion, ServerConnection};

use crate::sys;

/// The kind of records that say that nothing more will come, or what is wrong (RFC 8446, section 6).
const ALERT: u8 = 21;
/// Alerts, with their levels.
const CLOSE_NOTIFY: [u8; 2] = [1, 0];
const UNEXPECTED_MESSAGE: [u8; 2] = [2, 10];
const BAD_RECORD_MAC: [u8; 2] = [2, 20];
/// What alerts of a client say who will send no more: that this is all, and that it has changed its mind.
const CLOSED: u8 = 0;
const CANCELED: u8 = 90;

/// What the kernel can do.
#[derive(Default)]
pub(super) struct Kernel(Vec<(ProtocolVersion, Cipher)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Chacha20Poly1305,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

impl Kernel {
    /// Asks this machine's kernel, by letting it take over connections to itself.
    ///
    /// # Errors
    ///
    /// If it has no TLS, or there is no such connection.
    pub fn ask() -> io::Result<Kernel> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let connect = || TcpStream::connect(listener.local_addr()?);
        // Without TLS at all this looks for a module, and so would all that follow.
        prepare(&connect()?)?;
        let versions = [ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2];
        let ciphers = [Cipher::Aes128Gcm, Cipher::Aes256Gcm, Cipher::Chacha20Poly1305];
        let all = versions.iter().flat_map(|&version| ciphers.map(|cipher| (version, cipher)));
        let works = |&(version, cipher): &(_, Cipher)| {
            let stream = connect()?;
            prepare(&stream)?;
            set_up(&stream, version, &cipher.any_secrets())
        };
        Ok(Kernel(all.filter(|agreed| works(agreed).is_ok()).collect()))
    }

    /// Whether there is anything that it can do.
    pub fn is_able(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether it can take over this connection.
    pub fn can_take(&self, connection: &ServerConnection) -> bool {
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let agreed = connection.protocol_version().zip(suite.and_then(Cipher::of));
        agreed.is_some_and(|agreed| self.0.contains(&agreed))
    }
}

impl Cipher {
    /// That of a suite.
    fn of(suite: CipherSuite) -> Option<Cipher> {
        Some(match suite {
            CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => Cipher::Aes128Gcm,
            CipherSuite::TLS13_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => Cipher::Aes256Gcm,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => Cipher::Chacha20Poly1305,
            _ => return None,
        })
    }

    /// Keys that nothing is ever sent with.
    fn any_secrets(self) -> ExtractedSecrets {
        let secrets = || {
            let (key, iv) = (AeadKey::from([0; 32]), Iv::new([0; 12]));
            match self {
                // Of this key the first half is used.
                Cipher::Aes128Gcm => ConnectionTrafficSecrets::Aes128Gcm { key, iv },
                Cipher::Aes256Gcm => ConnectionTrafficSecrets::Aes256Gcm { key, iv },
                Cipher::Chacha20Poly1305 => ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv },
            }
        };
        ExtractedSecrets { tx: (0, secrets()), rx: (0, secrets()) }
    }
}

/// Gets a connection ready to be taken over. Until it is, nothing changes.
///
/// # Errors
///
/// If there is no TLS, or the client has closed its side: the kernel wants connections that are whole.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    Ok(setsockopt(stream, TcpUlp::default(), b"tls")?)
}

/// Lets the kernel take over what was [prepared](prepare), with these keys. If it does not after all, the connection is of no
/// use any more, and is closed.
///
/// # Errors
///
/// Those of setsockopt(2).
pub(super) fn take_over(stream: &TcpStream, version: ProtocolVersion, secrets: &ExtractedSecrets) -> io::Result<()> {
    // Nothing may go out plainly.
    set_up(stream, version, secrets).inspect_err(|_| drop(stream.shutdown(Shutdown::Both)))
}

fn set_up(stream: &TcpStream, version: ProtocolVersion, secrets: &ExtractedSecrets) -> io::Result<()> {
    let told = |keys, way| information(version, keys, way).ok_or(io::ErrorKind::Unsupported);
    setsockopt(stream, TcpTlsTx, &told(&secrets.tx, Way::Out)?)?;
    setsockopt(stream, TcpTlsRx, &told(&secrets.rx, Way::In)?)?;
    Ok(())
}

/// What the kernel has to know of one direction, in which so many records have gone.
fn information(
    version: ProtocolVersion,
    (number, secrets): &(u64, ConnectionTrafficSecrets),
    way: Way,
) -> Option<TlsCryptoInfo> {
    let head = |cipher_type| libc::tls_crypto_info { version: version.into(), cipher_type };
    let rec_seq = number.to_be_bytes();
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => {
            let (salt, iv) = halves(version, iv, way)?;
            let key = *key.as_ref().first_chunk()?;
            let info = head(libc::TLS_CIPHER_AES_GCM_128);
            Some(TlsCryptoInfo::Aes128Gcm(libc::tls12_crypto_info_aes_gcm_128 { info, iv, key, salt, rec_seq }))
        }
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => {
            let (salt, iv) = halves(version, iv, way)?;
            let key = *key.as_ref().first_chunk()?;
            let info = head(libc::TLS_CIPHER_AES_GCM_256);
            Some(TlsCryptoInfo::Aes256Gcm(libc::tls12_crypto_info_aes_gcm_256 { info, iv, key, salt, rec_seq }))
        }
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => {
            let iv = *iv.as_ref().first_chunk()?;
            let key = *key.as_ref().first_chunk()?;
            let info = head(libc::TLS_CIPHER_CHACHA20_POLY1305);
            Some(TlsCryptoInfo::Chacha20Poly1305(libc::tls12_crypto_info_chacha20_poly1305 {
                info,
                iv,
                key,
                salt: [],
                rec_seq,
            }))
        }
        _ => None,
    }
}

/// What is fixed of the nonces of AES-GCM, and where the rest begins.
///
/// In TLS 1.2 the sender chooses the rest and sends it along (RFC 5288, section 3). rustls has used those that differ from this
/// one by the number of a record; the kernel counts on from what it is given. So that none is ever used twice it gets one that
/// is half of all there are away.
fn halves(version: ProtocolVersion, iv: &Iv, way: Way) -> Option<([u8; 4], [u8; 8])> {
    let (salt, rest) = iv.as_ref().split_first_chunk()?;
    let mut rest = *rest.first_chunk()?;
    if version == ProtocolVersion::TLSv1_2 && way == Way::Out {
        rest[0] ^= 0x80;
    }
    Some((*salt, rest))
}

/// Looks at a record that the kernel has put by since it is no content: it should say that the client will send no more.
///
/// # Errors
///
/// If it says something else, such as that there are new keys, which the kernel cannot be given; the client has been told.
pub(in crate::runtime) fn take_notice(stream: &TcpStream) -> io::Result<()> {
    let mut content = [0; 2];
    let mut control = cmsg_space!(u8);
    let mut pieces = [IoSliceMut::new(&mut content)];
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut pieces, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let is_whole = message.bytes == 2;
    let mut kinds = message.cmsgs()?;
    let is_alert = kinds.any(|kind| kind == ControlMessageOwned::TlsGetRecordType(TlsGetRecordType::Alert));
    match content {
        [_, CLOSED | CANCELED] if is_alert && is_whole => Ok(()),
        _ if is_alert => Err(io::ErrorKind::ConnectionAborted.into()),
        _ => {
            tell(stream, UNEXPECTED_MESSAGE);
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}

/// Says that nothing more will be sent.
pub(in crate::runtime) fn finish(stream: &TcpStream) {
    tell(stream, CLOSE_NOTIFY);
}

/// Says that what came was not sent by who has the keys, or was changed on its way.
pub(in crate::runtime) fn reject(stream: &TcpStream) {
    // Until it is taken off, the error is what sending comes to as well.
    let _ = stream.take_error();
    tell(stream, BAD_RECORD_MAC);
}

fn tell(stream: &TcpStream, alert: [u8; 2]) {
    // Who does not hear it learns from the end of the connection that it is the end.
    let _ = sys::send_record(stream, ALERT, &alert);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_nonce_of_tls_1_2_is_used_twice() {
        let iv = Iv::new(*b"saltnonce678");
        let (salt, rest) = halves(ProtocolVersion::TLSv1_2, &iv, Way::Out).expect("a nonce");
        assert_eq!(salt, *b"salt");
        let (first, begun) = (u64::from_be_bytes(*b"nonce678"), u64::from_be_bytes(rest));
        for sent in [0, 1, 2, 1000, u64::from(u32::MAX)] {
            let used = first ^ sent;
            assert!(begun.wrapping_sub(used) > 1 << 62 && used.wrapping_sub(begun) > 1 << 62);
        }
        assert_eq!(halves(ProtocolVersion::TLSv1_2, &iv, Way::In), Some((*b"salt", *b"nonce678")));
        assert_eq!(halves(ProtocolVersion::TLSv1_3, &iv, Way::Out), Some((*b"salt", *b"nonce678")));
    }
}

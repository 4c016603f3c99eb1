//! TLS: the answers are those that there are without it, and who cannot agree on keys is no danger to others. The other side is
//! rustls's client here; `spec-tests/tls.sh` asks openssl and curl.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use crate::support::{Connection, Server, Workshop, eventually, head, text};
use crate::waiting_room::waiting;

/// A read that takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn client(versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("authority.pem")).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

fn any_client() -> Arc<ClientConfig> {
    client(rustls::ALL_VERSIONS)
}

/// A secure connection of a client.
struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    fn to(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> Secure {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        let name = ServerName::try_from(name.to_string()).expect("a name");
        Secure(StreamOwned::new(ClientConnection::new(config.clone(), name).expect("a client"), stream))
    }

    /// Agrees on keys.
    fn handshake(&mut self) -> Result<(), String> {
        while self.0.conn.is_handshaking() {
            self.0.conn.complete_io(&mut self.0.sock).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The certificate that the server has shown.
    fn certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().expect("certificates")[0].to_vec()
    }

    fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).expect("the server reads");
        self.0.flush().expect("the server reads");
    }

    /// Receives one response with a content.
    fn receive(&mut self) -> (String, Vec<u8>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = text(&head);
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        let mut content = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut content).expect("a content");
        (head, content)
    }

    /// The rest until the end, which must have been said.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("an end that is said");
        rest
    }
}

fn workshop() -> Workshop {
    let long: Vec<u8> = (0..5_000_011_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    Workshop::with_site(&[
        ("page.en.html", b"<p>yes".as_slice()),
        ("page.fr.html", b"<p>oui, oui"),
        ("empty.txt", b""),
        ("short.bin", &long[..8192]),
        ("middle.bin", &long[..100_000]),
        ("long.bin", &long),
    ])
}

/// A server with the certificate for localhost, and further arguments.
fn secure_server(workshop: &Workshop, flags: &[&str]) -> Server {
    let (chain, key) = (fixture("localhost.pem"), fixture("localhost.key"));
    let own = ["--tls-cert", path(&chain), "--tls-key", path(&key)];
    Server::start_with_flags(&workshop.pack(), &[&own, flags].concat())
}

#[test]
fn answers_are_those_that_there_are_without() {
    let workshop = workshop();
    let server = secure_server(&workshop, &["--listen-http", "127.0.0.1:0"]);
    let plain: SocketAddr = server.announced[0].strip_prefix("listening on http://").unwrap().parse().unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut secure = Secure::to(server.address, "localhost", &client(&[version]));
        let mut open = Connection::to(plain);
        let targets = ["/page", "/empty.txt", "/short.bin", "/middle.bin", "/long.bin", "/nothing", "/page"];
        for target in targets {
            let request = head("GET", target, &["Accept-Language: fr"]);
            secure.send(&request);
            open.send(&request);
            let ((head, content), expected) = (secure.receive(), open.receive(false));
            assert!(content == expected.content, "{target}: {} bytes of {}", content.len(), expected.content.len());
            assert_eq!(head.lines().next(), Some(&*expected.status_line), "{target}");
            assert_eq!(head.lines().count(), expected.fields.len() + 2, "{target}: {head}");
        }
        assert_eq!(secure.0.conn.protocol_version().map(u16::from), Some(version.version.into()));
        assert_eq!(secure.0.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        // Many at once, and a part of one that is long.
        secure.send(&head("GET", "/page", &["Accept-Language: en"]).repeat(50));
        (0..50).for_each(|_| assert_eq!(secure.receive().1, b"<p>yes"));
        secure.send(&head("GET", "/long.bin", &["Range: bytes=1000000-2000000", "Connection: close"]));
        let part = secure.receive().1;
        open.send(head("GET", "/long.bin", &["Range: bytes=1000000-2000000"]));
        assert!(part == open.receive(false).content);
        assert_eq!(secure.rest(), b"");
    }
}

#[test]
fn a_head_may_come_byte_by_byte_in_records_of_its_own() {
    let workshop = workshop();
    let server = secure_server(&workshop, &[]);
    let mut secure = Secure::to(server.address, "localhost", &any_client());
    secure.handshake().expect("keys");
    for byte in head("GET", "/page", &["Accept-Language: en"]).chars() {
        secure.send(&byte.to_string());
    }
    assert_eq!(secure.receive().1, b"<p>yes");
    // The same with the handshake.
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(any_client(), name).expect("a client");
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    stream.set_nodelay(true).expect("a socket option");
    while client.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("bytes");
        }
        bytes.iter().for_each(|byte| stream.write_all(&[*byte]).expect("the server reads"));
        if client.is_handshaking() {
            client.read_tls(&mut stream).expect("bytes");
            client.process_new_packets().expect("a handshake");
        }
    }
    let mut secure = Secure(StreamOwned::new(client, stream));
    secure.send(&head("GET", "/page", &["Accept-Language: fr"]));
    assert_eq!(secure.receive().1, b"<p>oui, oui");
}

#[test]
fn sessions_are_resumed() {
    let workshop = workshop();
    let server = secure_server(&workshop, &["--ops", "127.0.0.1:0"]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let config = client(&[version]);
        let kinds: Vec<_> = (0..3)
            .map(|_| {
                let mut secure = Secure::to(server.address, "localhost", &config);
                secure.send(&head("GET", "/page", &["Connection: close"]));
                secure.rest();
                secure.0.conn.handshake_kind().expect("a handshake")
            })
            .collect();
        assert!(
            kinds[0] != HandshakeKind::Resumed && kinds[1..].iter().all(|kind| *kind == HandshakeKind::Resumed),
            "{kinds:?}"
        );
    }
    let mut operations = Connection::to(server.operations());
    operations.send(head("GET", "/metrics", &[]));
    let metrics = operations.receive(false).text();
    for (result, count) in [("full", 2), ("resumed", 4), ("failed", 0)] {
        let line = format!("connegd_tls_handshakes_total{{result=\"{result}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    assert!(metrics.contains("connegd_certificate_expiry_seconds{host=\"__default__\",file=\""), "{metrics}");
}

/// The certificate in a file.
fn certificate(name: &str) -> Vec<u8> {
    CertificateDer::from_pem_file(fixture(name)).expect("a certificate").to_vec()
}

#[test]
fn each_host_has_its_certificate() {
    let workshop = workshop();
    let directory = workshop.path().join("certificates");
    let live = directory.join("example.com");
    fs::create_dir_all(&live).expect("a directory");
    let copy = |from: &str, to: &Path| {
        fs::copy(fixture(from), to).expect("a file");
    };
    copy("example.pem", &live.join("fullchain.pem"));
    copy("example.key", &live.join("privkey.pem"));
    copy("below.pem", &directory.join("*.example.org.crt"));
    copy("below.key", &directory.join("*.example.org.key"));
    fs::write(directory.join("README"), "not a certificate").expect("a file");
    let server = Server::start_with_flags(&workshop.pack(), &["--tls-certs", path(&directory)]);
    let shown = |name: &str| {
        let mut secure = Secure::to(server.address, name, &any_client());
        secure.handshake().map(|()| secure.certificate())
    };
    for name in ["example.com", "www.example.com", "EXAMPLE.com"] {
        assert_eq!(shown(name).as_ref(), Ok(&certificate("example.pem")), "{name}");
    }
    assert_eq!(shown("a.example.org").as_ref(), Ok(&certificate("below.pem")));
    // A star is one label, and who is not known gets no other host's certificate.
    for name in ["a.b.example.org", "example.org", "localhost"] {
        assert!(shown(name).is_err(), "{name}");
    }
    // One more, while it runs; and one less.
    let both =
        [fs::read(fixture("localhost.pem")), fs::read(fixture("localhost.key"))].map(|file| file.expect("a file"));
    fs::write(directory.join("localhost.pem"), both.concat()).expect("a file");
    eventually("it is used", || shown("localhost").as_ref() == Ok(&certificate("localhost.pem")));
    fs::remove_file(directory.join("localhost.pem")).expect("removed");
    eventually("it is not used any more", || shown("localhost").is_err());
}

#[test]
fn a_renewed_certificate_is_used_at_once_and_a_wrong_one_is_not() {
    let workshop = workshop();
    // As certbot has them: links that lead elsewhere in the end.
    let live = workshop.path().join("live");
    fs::create_dir(&live).expect("a directory");
    let names = ["chain.pem", "key.pem"].map(|name| live.join(name));
    let lead_to = |which: &str| {
        for (link, extension) in names.iter().zip(["pem", "key"]) {
            let new = live.join("new");
            std::os::unix::fs::symlink(fixture(&format!("{which}.{extension}")), &new).expect("a link");
            fs::rename(&new, link).expect("a link");
        }
    };
    lead_to("localhost");
    let flags = ["--tls-cert", path(&names[0]), "--tls-key", path(&names[1])];
    let log = workshop.path().join("error.log");
    let flags = [&flags[..], &["--error-log", path(&log)]].concat();
    let server = Server::start_with_flags(&workshop.pack(), &flags);
    let said = |what: &str| fs::read_to_string(&log).is_ok_and(|log| log.contains(what));
    let shown = || {
        let mut secure = Secure::to(server.address, "localhost", &any_client());
        secure.handshake().expect("keys");
        secure.certificate()
    };
    let mut before = Secure::to(server.address, "localhost", &any_client());
    before.send(&head("GET", "/page", &["Accept-Language: en"]));
    assert_eq!((before.receive().1, shown()), (b"<p>yes".to_vec(), certificate("localhost.pem")));
    lead_to("renewed");
    eventually("the new one is used", || shown() == certificate("renewed.pem"));
    // Who was there is not disturbed.
    before.send(&head("GET", "/page", &["Accept-Language: en"]));
    assert_eq!(before.receive().1, b"<p>yes");
    assert!(said("chain.pem: the new certificate is used"));
    // A key of another certificate.
    let new = live.join("new");
    fs::copy(fixture("below.key"), &new).expect("a file");
    fs::rename(&new, &names[1]).expect("renamed");
    let complaint = "this is the key of another certificate";
    eventually("it is said what is wrong", || said(complaint) && said("the former certificate is used on"));
    assert_eq!(shown(), certificate("renewed.pem"));
    // Asked to look, it is done when that is done.
    lead_to("localhost");
    server.signal(rustix::process::Signal::HUP);
    eventually("the other one is used", || shown() == certificate("localhost.pem"));
}

#[test]
fn who_speaks_plainly_is_told_so_or_sent_on() {
    let workshop = workshop();
    let refusing = secure_server(&workshop, &["--hsts", "max-age=9; includeSubDomains"]);
    let response = refusing.get("/page", &[]);
    assert_eq!((response.status, response.field("Strict-Transport-Security")), (400, None));
    assert_eq!(response.text(), "This port speaks HTTPS only.\n");
    let mut secure = Secure::to(refusing.address, "localhost", &any_client());
    secure.send(&head("GET", "/page", &["Accept-Language: en"]));
    let answer = secure.receive().0;
    assert!(answer.contains("\r\nStrict-Transport-Security: max-age=9; includeSubDomains\r\n\r\n"), "{answer}");
    let server = secure_server(&workshop, &["--listen-http", "127.0.0.1:0", "--redirect-http"]);
    let plain: SocketAddr = server.announced[0].strip_prefix("listening on http://").unwrap().parse().unwrap();
    let port = server.address.port();
    for address in [plain, server.address] {
        for (request, location) in [
            ("GET /page?a HTTP/1.1\r\nHost: localhost:80\r\n\r\n", format!("https://localhost:{port}/page?a")),
            ("GET http://[::1]/%20 HTTP/1.1\r\nHost: x\r\n\r\n", format!("https://[::1]:{port}/%20")),
            ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", format!("https://x:{port}/")),
        ] {
            let mut connection = Connection::to(address);
            connection.send(request);
            let response = connection.receive(false);
            assert_eq!((response.status, response.field("Location")), (308, Some(&*location)), "{request}");
        }
        let mut connection = Connection::to(address);
        connection.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(connection.receive(false).status, 400);
    }
    let standard = secure_server(&workshop, &["--listen-http", "127.0.0.1:0", "--redirect-http=443"]);
    let response = standard.get("/", &[]);
    assert_eq!(response.field("Location"), Some("https://localhost/"));
}

#[test]
fn who_is_idle_waits_as_others_do_and_is_served_on() {
    let workshop = workshop();
    let server = secure_server(&workshop, &[]);
    let mut secure = Secure::to(server.address, "localhost", &any_client());
    secure.send(&head("GET", "/page", &["Accept-Language: en"]));
    secure.receive();
    // One that has said nothing, and one that is in the middle of a handshake.
    let _silent = TcpStream::connect(server.address).expect("a connection");
    let mut halfway = TcpStream::connect(server.address).expect("a connection");
    halfway.write_all(&[22, 3, 1]).expect("the server reads");
    eventually("all wait", || waiting(&server) == 3);
    for language in ["en", "fr"] {
        secure.send(&head("GET", "/page", &[&format!("Accept-Language: {language}")]));
        assert!(secure.receive().0.starts_with("HTTP/1.1 200 "));
    }
}

#[test]
fn what_is_no_handshake_ends_and_others_are_served() {
    let workshop = workshop();
    let server = secure_server(&workshop, &["--ops", "127.0.0.1:0"]);
    let rubbish: [&[u8]; 5] = [
        &[22; 40_000],
        &[22, 3, 1, 0, 4, 1, 0, 0, 0],
        &[22, 3, 3, 0xff, 0xff, 1],
        &[22, 3, 1, 0, 0],
        &[22, 1, 0, 0, 1, 1],
    ];
    for bytes in rubbish {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        // The server may have had enough before it has read all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            // An alert, if anything.
            Ok(_) => assert!(answer.is_empty() || answer[0] == 21, "{answer:?}"),
        }
    }
    let mut secure = Secure::to(server.address, "localhost", &any_client());
    secure.send(&head("GET", "/page", &["Accept-Language: en"]));
    assert_eq!(secure.receive().1, b"<p>yes");
    // Bytes that are not what was agreed on.
    secure
        .0
        .sock
        .write_all(&[23, 3, 3, 0, 32].into_iter().chain([0; 32]).collect::<Vec<_>>())
        .expect("the server reads");
    let mut rest = Vec::new();
    assert!(secure.0.read_to_end(&mut rest).is_err() && rest.is_empty());
    let mut operations = Connection::to(server.operations());
    operations.send(head("GET", "/metrics", &[]));
    let metrics = operations.receive(false).text();
    assert!(metrics.contains("connegd_tls_handshakes_total{result=\"failed\"} 5\n"), "{metrics}");
}

/// Who says that it will send no more gets its answers, and the end is said, although the connection itself is left open.
#[test]
fn the_end_of_a_client_is_understood() {
    let workshop = workshop();
    let server = secure_server(&workshop, &[]);
    let mut secure = Secure::to(server.address, "localhost", &any_client());
    secure.handshake().expect("keys");
    let request = head("GET", "/page", &["Accept-Language: en"]);
    secure.0.conn.writer().write_all(request.as_bytes()).expect("room");
    secure.0.conn.send_close_notify();
    secure.0.flush().expect("the server reads");
    assert_eq!(secure.receive().1, b"<p>yes");
    assert_eq!(secure.rest(), b"");
}

#[test]
fn who_only_ever_begins_is_not_let_in_for_a_while() {
    let workshop = workshop();
    let server = secure_server(&workshop, &["--max-failed-handshakes", "5", "--ops", "127.0.0.1:0"]);
    let hello = [22, 3, 1, 0, 4, 1, 0, 0, 0];
    for _ in 0..5 {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        stream.write_all(&hello).expect("the server reads");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    eventually("it is closed unanswered", || {
        let mut secure = Secure::to(server.address, "localhost", &any_client());
        secure.handshake().is_err()
    });
    let mut operations = Connection::to(server.operations());
    operations.send(head("GET", "/metrics", &[]));
    assert!(!operations.receive(false).text().contains("connegd_connections_barred_total 0\n"));
    // From elsewhere everything is as before.
    let elsewhere = server.connect_from([127, 0, 0, 7]).into_stream();
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(any_client(), name).expect("a client");
    let mut secure = Secure(StreamOwned::new(client, elsewhere));
    secure.handshake().expect("keys");
}

#[test]
fn who_speaks_another_protocol_is_told_so() {
    let server = secure_server(&workshop(), &[]);
    let speaking = |protocol: &[u8]| {
        let mut config = ClientConfig::clone(&any_client());
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    };
    Secure::to(server.address, "localhost", &speaking(b"http/1.0")).handshake().expect("keys");
    let mut secure = Secure::to(server.address, "localhost", &speaking(b"h2"));
    let refused = secure.handshake().expect_err("no common protocol");
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_before_anything_is_served() {
    let workshop = workshop();
    let out = workshop.pack();
    let (chain, key, other) = (fixture("localhost.pem"), fixture("localhost.key"), fixture("below.key"));
    let empty = workshop.path().join("empty");
    fs::create_dir(&empty).expect("a directory");
    for (flags, expected) in [
        (vec!["--tls-cert", path(&chain)], "there is no private key in it"),
        (vec!["--tls-cert", path(&key), "--tls-key", path(&key)], "there is no certificate in it"),
        (vec!["--tls-cert", path(&chain), "--tls-key", path(&other)], "this is the key of another certificate"),
        (vec!["--tls-cert", "/nowhere", "--tls-key", path(&key)], "No such file or directory"),
        (vec!["--tls-certs", path(&empty)], "there is no certificate in it, such as"),
        (vec!["--tls-key", path(&key)], "--tls-key is the key of --tls-cert, which is not said"),
        (vec!["--redirect-http"], "--redirect-http is for a server that speaks TLS"),
        (vec!["--hsts", "1"], "has no max-age; say for instance"),
    ] {
        let output = Server::command(&out, &flags).output().expect("connegd runs");
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {stderr}");
        assert!(stderr.contains(expected), "{flags:?}: {stderr}");
    }
}

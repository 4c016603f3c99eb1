//! A whole connection: bytes give the same answers in whatever pieces they come. The first two bytes say how they are
//! cut.
#![no_main]

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use connegd::answer::Answer;
use connegd::http::request;
use connegd::resource::Policy;
use connegd::runtime::connection::{End, Shared, Wire, serve};
use connegd::runtime::{Failure, HostName, Hosts, Inquiry, Limits, Messages, Observer, Phase, Security, Site, Staff};
use libfuzzer_sys::fuzz_target;

/// Small bounds, so that short inputs reach them.
const LIMITS: request::Limits = request::Limits { target: 60, head: 400, fields: 8 };

static SERVER: LazyLock<Shared> = LazyLock::new(|| Shared {
    hosts: {
        let hosts = Hosts::default();
        let site = Site::new(connegd_fuzz::webroot(Policy::Modern), "fuzz");
        hosts.change([(HostName::Default, Arc::new(site))], &[]);
        Arc::new(hosts)
    },
    messages: Messages::new(|_, message| panic!("{message}")),
    limits: Limits { head: LIMITS, content: 40, ..Limits::default() },
    observer: Observer::default(),
    desk: None,
    security: Security::default(),
    stopping: Arc::default(),
});

/// A client that sends pieces, ends its side, and keeps what it is sent.
struct Client<'a> {
    pieces: Vec<&'a [u8]>,
    received: Vec<u8>,
    phase: Phase,
    finished: bool,
}

impl Wire for Client<'_> {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
    }

    fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let waits = !matches!(self.phase, Phase::Answering | Phase::Sending);
        assert!(waits, "it reads while it is at {:?}: nobody would notice if that took for ever", self.phase);
        if buffer.capacity() == 0 {
            buffer.reserve(4096);
        }
        let room = buffer.capacity() - buffer.len();
        assert!(room > 0 && buffer.capacity() <= 64 * 1024);
        let Some(piece) = self.pieces.last_mut() else { return Ok(0) };
        let (now, later) = piece.split_at(room.min(piece.len()));
        buffer.extend(now);
        *piece = later;
        self.pieces.truncate(self.pieces.len() - usize::from(later.is_empty()));
        Ok(now.len())
    }

    fn send(&mut self, bytes: &[u8], _more: bool) -> io::Result<()> {
        assert!(bytes.is_empty() || !self.finished);
        self.received.extend(bytes);
        Ok(())
    }

    fn fetch(&mut self, site: &Site, range: Range<u64>, output: &mut Vec<u8>) -> Result<(), Failure> {
        output.extend_from_slice(site.webroot().bytes(range));
        Ok(())
    }

    fn transfer(&mut self, _site: &Site, _range: Range<u64>) -> Result<(), Failure> {
        unreachable!("no file of the site is so long")
    }

    fn consult(&mut self, staff: &Staff, inquiry: Inquiry) -> io::Result<Answer<'static>> {
        Ok(staff.answer(&inquiry))
    }

    fn is_secure(&self) -> bool {
        false
    }

    fn client(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    fn sent(&self) -> u64 {
        self.received.len() as u64
    }

    fn finish_sending(&mut self) -> io::Result<()> {
        self.finished = true;
        Ok(())
    }

    fn close(&mut self) {}
}

fuzz_target!(|input: &[u8]| {
    let [first, second, bytes @ ..] = input else { return };
    let whole = answers(&[bytes]);
    assert!(whole.is_empty() || whole.starts_with("HTTP/1.1 "), "{whole}");
    let every = usize::from(*first % 16) + 1;
    let alternating = [every, usize::from(*second) + 1];
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(alternating[pieces.len() % 2].min(rest.len()));
        pieces.push(piece);
        rest = later;
    }
    for pieces in [pieces, bytes.chunks(1).collect()] {
        let found = answers(&pieces);
        assert!(found == whole, "in one piece:\n{whole}\nin {}:\n{found}", pieces.len());
    }
});

/// All that the server says, without what may depend on time: dates, and invitations to send what has not come yet.
fn answers(pieces: &[&[u8]]) -> String {
    let pieces = pieces.iter().rev().copied().filter(|piece| !piece.is_empty()).collect();
    let mut client = Client { pieces, received: Vec::new(), phase: Phase::Opening, finished: false };
    assert_eq!(serve(&mut client, &SERVER, Phase::Opening), End::Over);
    let said = String::from_utf8_lossy(&client.received).replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    said.split_inclusive('\n').filter(|line| !line.starts_with("Date: ")).collect()
}

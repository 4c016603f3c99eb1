//! A desk: who answers what no webroot does, questions about the server itself above all.
//!
//! What that takes is not for those who serve, so it has a thread of its own.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::{io, thread};

use super::flight::{Delivery, Pending, expect};
use super::phase::State;
use crate::answer::{self, Answer};
use crate::http::Status;
use crate::http::request::{Method, RequestHead};

/// So many may wait.
const MOST_WAITING: usize = 64;

/// Answers requests.
pub trait Desk: fmt::Debug + Send + Sync {
    /// Whether it does so for this request target.
    fn takes(&self, target: &[u8]) -> bool;

    /// The answer, as to a GET.
    fn answer(&self, inquiry: &Inquiry) -> Answer<'static>;
}

/// A request at a desk.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// What is asked.
    pub method: Method,
    /// The request target as sent.
    pub target: Vec<u8>,
    /// The host it is for, perhaps with a port.
    pub host: Vec<u8>,
    /// Whether it came over TLS.
    pub is_secure: bool,
}

impl Inquiry {
    /// What is asked by `head`, over TLS or not.
    pub fn of(head: &RequestHead<'_>, is_secure: bool) -> Inquiry {
        Inquiry { method: head.method, target: head.target.to_vec(), host: head.host.to_vec(), is_secure }
    }
}

/// A desk with somebody behind it.
#[derive(Debug)]
pub struct Staff {
    desk: Arc<dyn Desk>,
    jobs: SyncSender<Job>,
}

struct Job {
    inquiry: Inquiry,
    delivery: Delivery<Answer<'static>>,
}

impl Staff {
    /// Lets a thread answer at `desk`, for as long as anybody may ask.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn start(desk: Arc<dyn Desk>) -> io::Result<Staff> {
        let (jobs, taken) = sync_channel::<Job>(MOST_WAITING);
        let behind = desk.clone();
        thread::Builder::new().name("desk".into()).spawn(move || {
            for Job { inquiry, delivery } in taken {
                if !delivery.is_unwanted() {
                    delivery.deliver_from_afar(to_method(behind.answer(&inquiry), &inquiry));
                }
            }
        })?;
        Ok(Staff { desk, jobs })
    }

    /// Whether this is for it.
    pub fn takes(&self, head: &RequestHead<'_>) -> bool {
        self.desk.takes(head.target)
    }

    /// The answer to `inquiry`, by whoever asks.
    pub fn answer(&self, inquiry: &Inquiry) -> Answer<'static> {
        to_method(self.desk.answer(inquiry), inquiry)
    }

    /// Has it answered for `connection`, which is woken when that is done; `None` if too many wait.
    pub(super) fn take(&self, inquiry: Inquiry, connection: &Arc<State>) -> Option<Pending<Answer<'static>>> {
        let (pending, delivery) = expect(connection);
        self.jobs.try_send(Job { inquiry, delivery }).is_ok().then_some(pending)
    }

    /// The answer where too many wait.
    pub(super) fn too_busy() -> Answer<'static> {
        answer::rejection(None, Status::ServiceUnavailable, None)
    }
}

/// An answer to a GET as one to what was asked.
fn to_method(answer: Answer<'static>, inquiry: &Inquiry) -> Answer<'static> {
    match inquiry.method {
        Method::Get | Method::Head => answer.to(inquiry.method),
        _ => Answer::made(Status::MethodNotAllowed, b"Allow: GET, HEAD\r\n".to_vec(), Vec::new()),
    }
}

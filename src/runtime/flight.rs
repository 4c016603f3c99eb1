//! Results that are on their way to a coroutine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::phase::State;
use crate::sys;

/// How long to wait for memory when there is none for a stack.
const PAUSE: Duration = Duration::from_millis(10);

/// What a connection waits for.
#[derive(Debug)]
pub(super) struct Pending<T>(Arc<Flight<T>>);

/// The other end: who has this brings the result.
#[derive(Debug)]
pub(super) struct Delivery<T>(Arc<Flight<T>>);

#[derive(Debug)]
struct Flight<T> {
    has_landed: AtomicBool,
    result: Mutex<Option<T>>,
    connection: Arc<State>,
}

/// A result that `connection` will wait for.
pub(super) fn expect<T>(connection: &Arc<State>) -> (Pending<T>, Delivery<T>) {
    let flight =
        Flight { has_landed: AtomicBool::new(false), result: Mutex::new(None), connection: connection.clone() };
    let flight = Arc::new(flight);
    (Pending(flight.clone()), Delivery(flight))
}

impl<T> Pending<T> {
    /// The result, if it is there; else this again. The connection is woken when it has come.
    pub fn take(self) -> Result<T, Pending<T>> {
        let has_landed = self.0.has_landed.load(Ordering::Acquire);
        let result = has_landed.then(|| self.0.result.lock().unwrap_or_else(PoisonError::into_inner).take());
        result.flatten().ok_or(self)
    }
}

impl<T> Delivery<T> {
    /// Whether nobody waits any more.
    pub fn is_unwanted(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn land(self, result: T) -> Arc<State> {
        *self.0.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.0.has_landed.store(true, Ordering::Release);
        self.0.connection.clone()
    }

    /// Brings the result, on the worker that the connection lives on.
    pub fn deliver(self, result: T) {
        self.land(result).wake();
    }

    /// Brings the result from a thread that is no worker.
    pub fn deliver_from_afar(self, result: T) {
        let connection = self.land(result);
        let worker = Some(connection.worker());
        loop {
            let connection = connection.clone();
            if sys::spawn(worker, move || connection.wake()).is_ok() {
                return;
            }
            // Nobody else will wake it.
            std::thread::sleep(PAUSE);
        }
    }
}

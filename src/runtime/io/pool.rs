//! Things of which there are only so many: buffers and pipes of a worker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::runtime::phase::State;
use crate::runtime::socket::Socket;

/// Lends things, at most so many at a time, and keeps them. It belongs to one worker: who waits is woken by who gives back.
#[derive(Debug)]
pub(super) struct Pool<T> {
    most: usize,
    shelf: Mutex<Shelf<T>>,
}

#[derive(Debug)]
struct Shelf<T> {
    idle: Vec<T>,
    lent: usize,
    waiting: VecDeque<Arc<State>>,
}

/// The right to one thing, and the thing, unless it has been handed to the kernel. Dropped, both go back.
#[derive(Debug)]
pub(super) struct Loan<T> {
    pool: Arc<Pool<T>>,
    thing: Option<T>,
}

impl<T> Pool<T> {
    pub fn new(most: usize) -> Arc<Pool<T>> {
        let shelf = Shelf { idle: Vec::new(), lent: 0, waiting: VecDeque::new() };
        Arc::new(Pool { most, shelf: Mutex::new(shelf) })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<T>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether most of them are lent: who waits for a client gives back what it has, so that those who wait for the pool do
    /// not wait for that client, too.
    pub fn is_scarce(&self) -> bool {
        self.shelf().lent > self.most / 4 * 3
    }

    /// The right to one more. It has a thing if one was idle.
    pub fn try_borrow(self: &Arc<Self>) -> Option<Loan<T>> {
        let mut shelf = self.shelf();
        if shelf.lent >= self.most {
            return None;
        }
        shelf.lent += 1;
        Some(Loan { pool: self.clone(), thing: shelf.idle.pop() })
    }

    /// The same; waits until somebody gives one back.
    pub fn borrow(self: &Arc<Self>, socket: &mut Socket<'_>) -> Loan<T> {
        let mut is_queued = false;
        loop {
            let loan = self.try_borrow();
            if is_queued {
                // Events wake it as well: its place would have the next who gives back wake it for nothing, and nobody else.
                self.shelf().waiting.retain(|other| !Arc::ptr_eq(other, socket.state()));
            }
            if let Some(loan) = loan {
                return loan;
            }
            self.shelf().waiting.push_back(socket.state().clone());
            is_queued = true;
            socket.wait_for_others();
        }
    }
}

impl<T> Loan<T> {
    /// The thing, if it is there.
    pub fn take(&mut self) -> Option<T> {
        self.thing.take()
    }

    /// Puts it back, or the first one there.
    pub fn put(&mut self, thing: T) {
        self.thing = Some(thing);
    }
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {
        let mut shelf = self.pool.shelf();
        shelf.lent -= 1;
        if let Some(thing) = self.thing.take() {
            shelf.idle.push(thing);
        }
        let next = shelf.waiting.pop_front();
        drop(shelf);
        if let Some(next) = next {
            next.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_lent_and_kept() {
        let pool = Pool::new(40);
        let mut loans: Vec<_> = (0..40).map(|_| pool.try_borrow().expect("one")).collect();
        assert!(pool.is_scarce() && pool.try_borrow().is_none());
        loans.iter_mut().enumerate().for_each(|(number, loan)| loan.put(number));
        assert_eq!(loans[7].take(), Some(7));
        loans.truncate(30);
        assert!(!pool.is_scarce() && pool.shelf().lent == 30);
        drop(loans);
        assert_eq!(pool.shelf().idle.len(), 39);
        assert_eq!(pool.shelf().lent, 0);
        assert!(pool.try_borrow().expect("one").take().is_some());
    }
}

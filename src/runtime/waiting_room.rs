//! The waiting room: connections that have been idle for a while wait here for their clients, without a coroutine, its
//! stack and a buffer. What is left of one is a socket, and what the table of connections knows.

use std::net::{IpAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, ptr};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use slab::Slab;

use super::connection::Shared;
use super::connections::Membership;
use super::phase::State;
use super::polled::Polled;
use super::tls::Layer;

/// So many events are taken at once.
const EVENTS: usize = 64;

/// The connections that are idle, and a descriptor that tells which of them have something to read.
#[derive(Debug)]
pub(super) struct WaitingRoom {
    /// epoll(7). The runtime waits for it as for a socket.
    events: Polled<OwnedFd>,
    waiting: Mutex<Slab<Admitted>>,
}

/// A connection without a coroutine: a new one, or one that waits here.
#[derive(Debug)]
pub(super) struct Admitted {
    pub stream: TcpStream,
    /// What makes it secure, if anything does.
    pub layer: Layer,
    /// Whose it is.
    pub client: IpAddr,
    /// Whom it asks.
    pub shared: Arc<Shared>,
    pub membership: Membership,
}

impl WaitingRoom {
    /// # Errors
    ///
    /// If there is no descriptor for it.
    pub fn open() -> io::Result<WaitingRoom> {
        let events = Polled::new(epoll::create(CreateFlags::CLOEXEC)?)?;
        Ok(WaitingRoom { events, waiting: Mutex::default() })
    }

    fn waiting(&self) -> MutexGuard<'_, Slab<Admitted>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection wait here. Without memory for that it is closed, which is what is left to do.
    pub fn enter(self: &Arc<Self>, connection: Admitted) {
        let mut waiting = self.waiting();
        let place = waiting.vacant_entry();
        let key = place.key();
        connection.membership.state.wait_in(self.clone(), key);
        let stream = &place.insert(connection).stream;
        // An event ends the interest, so whoever has been here before is known still.
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ONESHOT;
        let (events, data) = (self.events.socket(), EventData::new_u64(key as u64));
        let watched = match epoll::add(events, stream, data, flags) {
            Err(Errno::EXIST) => epoll::modify(events, stream, data, flags),
            other => other,
        };
        if watched.is_err() {
            let refused = waiting.try_remove(key);
            drop(waiting);
            drop(refused);
        }
    }

    /// Closes the connection of `state`, which waits at `key` if it has not left meanwhile, if it is late.
    pub fn dismiss(&self, key: usize, state: &State) {
        let mut waiting = self.waiting();
        let is_there = waiting.get(key).is_some_and(|there| ptr::eq(&*there.membership.state, state));
        let dismissed = if is_there && state.is_late() { waiting.try_remove(key) } else { None };
        drop(waiting);
        drop(dismissed);
    }

    /// Calls those in who have something to read, for as long as the process lives. To be run as a coroutine.
    pub fn attend(&self, call: impl Fn(Admitted)) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            let now = Timespec::default();
            // It only fails where there is nothing to be told.
            let _ = epoll::wait(self.events.socket(), spare_capacity(&mut events), Some(&now));
            if events.is_empty() {
                self.events.wait();
            }
            for event in &events {
                // Who has left meanwhile has had its time, and if another one is at its place that finds nothing to read.
                let called = self.waiting().try_remove(event.data.u64() as usize);
                called.into_iter().for_each(&call);
            }
        }
    }
}

//! All connections there are: who may come in, who has been waiting too long, who must give way.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;

use super::date;
use super::hosts::Hosts;
use super::io::Io;
use super::limits::{Limits, Means};
use super::phase::{Clock, Deadlines, Phase, State, TICK};
use crate::sys;

/// When there are too many, one in so many of them must give way at once: looking for those costs time.
const GIVE_WAY: usize = 64;
/// So long a connection keeps its coroutine while it is idle, in milliseconds: a client that is at a page asks for more
/// soon.
const SHORT_WAIT: u64 = 500;

/// The connections of a server.
#[derive(Debug)]
pub(super) struct Connections {
    workers: usize,
    limits: Limits,
    means: Means,
    /// Webroots and connections share what the process may have.
    hosts: Arc<Hosts>,
    most_per_client: usize,
    /// What contents are sent by.
    pub io: Io,
    pub clock: Clock,
    pub deadlines: Deadlines,
    pub events: Events,
    table: Mutex<Table>,
    /// Clients whose handshakes have failed lately, by their addresses.
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

/// Handshakes of one client that have failed.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// When they are forgotten, by the clock.
    until: u64,
}

/// How long failures are remembered, in milliseconds.
const MEMORY: u64 = 10_000;
/// Of so many clients they are; more are attacked with than remembered.
const MOST_FAILURES: usize = 10_000;

/// How often something has happened to a connection. None of it is frequent.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// It was not let in, since its client has too many.
    pub refused: AtomicU64,
    /// It had to give way to others.
    pub displaced: AtomicU64,
    /// It was closed unanswered, since too many handshakes of its client had failed.
    pub barred: AtomicU64,
    /// What it was at took too long, by what that was.
    pub late: [AtomicU64; Phase::ALL.len()],
}

#[derive(Debug, Default)]
struct Table {
    members: Slab<Member>,
    by_client: HashMap<IpAddr, usize>,
    admitted: u64,
}

#[derive(Debug)]
struct Member {
    /// How many were admitted before.
    number: u64,
    state: Arc<State>,
    client: IpAddr,
}

/// A place among the connections, given up when it is dropped.
#[derive(Debug)]
pub(super) struct Membership {
    connections: Arc<Connections>,
    key: usize,
    pub state: Arc<State>,
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        let Table { members, by_client, .. } = &mut *table;
        let client = members.remove(self.key).client;
        if let Some(count) = by_client.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                by_client.remove(&client);
            }
        }
    }
}

/// Connections that are left when the server is about to end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remaining {
    /// Somebody waits for an answer that has been begun.
    pub busy: usize,
    /// They wait for their clients.
    pub waiting: usize,
    /// They have said their last.
    pub lingering: usize,
}

impl Connections {
    pub fn new(limits: &Limits, means: Means, io: Io, hosts: Arc<Hosts>) -> Connections {
        let most_per_client = match limits.connections_per_address {
            0 => usize::MAX,
            most => most,
        };
        Connections {
            workers: means.workers(),
            limits: *limits,
            means,
            hosts,
            most_per_client,
            io,
            clock: Clock::new(),
            deadlines: Deadlines::of(limits),
            events: Events::default(),
            table: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a connection of the client at `address`, or `None` if that has too many.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Membership> {
        let client = client(address);
        let mut table = self.table();
        let count = table.by_client.entry(client).or_default();
        if *count >= self.most_per_client {
            self.events.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *count += 1;
        let state = Arc::new(State::new());
        table.admitted += 1;
        let number = table.admitted;
        let key = table.members.insert(Member { number, state: state.clone(), client });
        Some(Membership { connections: self.clone(), key, state })
    }

    /// A handshake of the client at `address` has failed.
    pub fn note_failure(&self, address: IpAddr) {
        let (now, mut failures) = (self.clock.now(), self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        if failures.len() >= MOST_FAILURES {
            failures.retain(|_, failures| failures.until > now);
        }
        if failures.len() < MOST_FAILURES {
            let new = Failures { count: 0, until: now + MEMORY };
            let known = failures.entry(client(address)).or_insert(new);
            if known.until <= now {
                *known = new;
            }
            known.count += 1;
        }
    }

    /// Whether the client at `address` must wait until its failures are forgotten; counts it if so.
    pub fn bars(&self, address: IpAddr) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let known = failures.get(&client(address)).filter(|failures| failures.until > self.clock.now());
        let most = self.limits.failed_handshakes;
        let is_barred = most > 0 && known.is_some_and(|failures| failures.count >= most);
        self.events.barred.fetch_add(u64::from(is_barred), Ordering::Relaxed);
        is_barred
    }

    /// How many there may be: fewer if there are more webroots.
    fn most(&self) -> usize {
        self.limits.connections_besides(self.hosts.count(), &self.means)
    }

    /// Whether there is room for one more.
    pub fn has_room(&self) -> bool {
        self.table().members.len() < self.most()
    }

    /// Ends a few of those that have been waiting longest for their clients, so that there is room for others.
    pub fn make_room(&self) {
        let most = self.most();
        let surplus = self.table().members.len().saturating_sub(most);
        // The clock is coarse; of those that began at once the oldest go first.
        let mut waiting: Vec<_> = {
            let table = self.table();
            let members = table.members.iter().map(|(_, member)| member);
            let waits = members.filter_map(|member| Some((member.number, member.state.wait()?, member.state.clone())));
            waits.map(|(number, wait, state)| ((wait.began(&self.deadlines), number), wait, state)).collect()
        };
        let count = surplus.max(most / GIVE_WAY).clamp(1, waiting.len().max(1));
        if count < waiting.len() {
            waiting.select_nth_unstable_by_key(count, |(age, ..)| *age);
            waiting.truncate(count);
        }
        let dismissed = waiting.into_iter().filter(|(_, wait, state)| state.dismiss(*wait)).map(|(.., state)| state);
        let dismissed: Vec<_> = dismissed.collect();
        self.events.displaced.fetch_add(dismissed.len() as u64, Ordering::Relaxed);
        self.wake(dismissed);
    }

    /// Wakes connections, each on its worker.
    fn wake(&self, states: Vec<Arc<State>>) {
        let mut by_worker = vec![Vec::new(); self.workers];
        for state in states {
            by_worker[state.worker() % self.workers].push(state);
        }
        for (worker, states) in by_worker.into_iter().enumerate().filter(|(_, states)| !states.is_empty()) {
            // Without memory for a stack they are woken at another tick, once their deadlines have passed.
            let _ = sys::spawn(Some(worker), move || states.iter().for_each(|state| state.wake()));
        }
    }

    /// Ends those that have been waiting for their clients for so long.
    pub fn end_idle(&self, wait: Duration) {
        let now = self.clock.now();
        let is_old = |wait_began: u64| Duration::from_millis(now.saturating_sub(wait_began)) >= wait;
        let idle: Vec<_> = {
            let table = self.table();
            let states = table.members.iter().map(|(_, member)| &member.state);
            let waits = states.filter_map(|state| Some((state.wait()?, state)));
            let idle = waits.filter(|(wait, state)| is_old(wait.began(&self.deadlines)) && state.dismiss(*wait));
            idle.map(|(_, state)| state.clone()).collect()
        };
        self.wake(idle);
    }

    /// How many there are, by what is left for them to do.
    pub fn remaining(&self) -> Remaining {
        let mut remaining = Remaining::default();
        for (_, member) in &self.table().members {
            *match member.state.phase() {
                Phase::Content | Phase::Answering | Phase::Sending => &mut remaining.busy,
                Phase::Opening | Phase::Idle | Phase::Head => &mut remaining.waiting,
                Phase::Lingering => &mut remaining.lingering,
            } += 1;
        }
        remaining
    }

    /// How many have been admitted, and how many are at each phase.
    pub fn by_phase(&self) -> (u64, [u64; Phase::ALL.len()]) {
        let table = self.table();
        let mut counts = [0; Phase::ALL.len()];
        table.members.iter().for_each(|(_, member)| counts[member.state.phase() as usize] += 1);
        (table.admitted, counts)
    }

    /// The watchman: sets the clock, wakes those whose deadlines have passed, and has those wait elsewhere who have been
    /// idle for a while, for as long as the process lives.
    pub fn watch(&self) {
        loop {
            std::thread::sleep(TICK);
            self.clock.tick();
            date::tick();
            let now = self.clock.now();
            let long_ago = now.saturating_sub(SHORT_WAIT);
            let called: Vec<_> = {
                let table = self.table();
                let states = table.members.iter().map(|(_, member)| &member.state);
                let is_late = |state: &State| match state.expire(now) {
                    Some(news) => {
                        if let Some(phase) = news {
                            self.events.late[phase as usize].fetch_add(1, Ordering::Relaxed);
                        }
                        true
                    }
                    None => false,
                };
                let is_called = |state: &&Arc<State>| is_late(state) || state.set_aside(long_ago, &self.deadlines);
                states.filter(is_called).cloned().collect()
            };
            self.wake(called);
            // Webroots that have come may be waiting for the descriptors of connections.
            if self.table().members.len() > self.most() {
                self.make_room();
            }
        }
    }
}

/// Whom an address stands for: a whole network of 64 bits where there are so many that anybody has one.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Messages, Model};

    fn connections(connections: usize, connections_per_address: usize) -> Arc<Connections> {
        let limits = Limits { connections, connections_per_address, ..Limits::default() };
        let io = Io::start(Model::Auto, 1, &Messages::new(|_, _| ()));
        Arc::new(Connections::new(&limits, Means::of_process(1, Model::Auto), io, Arc::default()))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_client_has_so_many_and_no_more() {
        let all = connections(100, 2);
        let first = all.admit(address("192.0.2.1"));
        let second = all.admit(address("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some() && all.admit(address("192.0.2.1")).is_none());
        assert!(all.admit(address("192.0.2.2")).is_some());
        drop(first);
        assert!(all.admit(address("192.0.2.1")).is_some());
        let _network = [all.admit(address("2001:db8::1")), all.admit(address("2001:db8::2"))];
        assert!(all.admit(address("2001:db8::3")).is_none() && all.admit(address("2001:db8:0:1::3")).is_some());
        drop((second, _network));
        assert!(all.table().by_client.is_empty() && all.table().members.is_empty());
    }

    #[test]
    fn whose_handshakes_fail_too_often_must_wait() {
        let all = connections(3, 0);
        let fail = |text: &str| (0..all.limits.failed_handshakes).for_each(|_| all.note_failure(address(text)));
        (1..all.limits.failed_handshakes).for_each(|_| all.note_failure(address("192.0.2.1")));
        assert!(!all.bars(address("192.0.2.1")));
        all.note_failure(address("192.0.2.1"));
        assert!(all.bars(address("::ffff:192.0.2.1")) && !all.bars(address("192.0.2.2")));
        fail("2001:db8::1");
        assert!(all.bars(address("2001:db8::2")) && !all.bars(address("2001:db8:0:1::2")));
        assert_eq!(all.events.barred.load(Ordering::Relaxed), 2);
        // However many there are, they are not all remembered.
        (0..2 * MOST_FAILURES as u32).for_each(|number| all.note_failure(std::net::Ipv4Addr::from(number).into()));
        assert!(all.failures.lock().expect("failures").len() <= MOST_FAILURES);
    }

    #[test]
    fn those_that_wait_longest_give_way_and_those_at_work_do_not() {
        let all = connections(3, 0);
        let members: Vec<_> = (0..3).map(|_| all.admit(address("192.0.2.1")).expect("a place")).collect();
        assert!(!all.has_room());
        // The first is the first to have begun to wait, although its deadline is the last.
        members[0].state.enter_until(Phase::Idle, all.deadlines.idle + 10);
        members[1].state.enter_until(Phase::Head, all.deadlines.head + 20);
        members[2].state.enter_until(Phase::Sending, 5);
        let late = || members.iter().map(|member| member.state.is_late()).collect::<Vec<_>>();
        all.make_room();
        assert_eq!(late(), [true, false, false]);
        all.make_room();
        assert_eq!(late(), [true, true, false]);
        all.make_room();
        assert_eq!((late(), all.remaining().busy), (vec![true, true, false], 1));
    }
}

//! What a server is told from outside, by signals, and what it tells the service manager that has started it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::message;

/// Hears signals from the moment it is made on. SIGTERM and SIGINT end the process at once as long as nothing is served;
/// afterwards it is told that it must end. SIGHUP asks for a look at everything, SIGUSR1 for logs to be opened anew.
#[derive(Clone, Default)]
pub struct Control(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Whether the service manager has been told that the server ends: then nothing more is said.
    manager: Mutex<bool>,
    reopen: OnceLock<Reopen>,
}

/// Opens logs anew.
type Reopen = Box<dyn Fn() + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    /// Clients may have been promised something.
    serves: bool,
    /// The service manager knows that.
    is_ready: bool,
    /// Somebody has asked for a look since the last one was begun.
    look_wanted: bool,
    must_end: bool,
    /// Somebody has said so once more.
    must_end_at_once: bool,
    /// Nobody follows changes any more.
    is_blind: bool,
}

/// Why a server must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Told,
    /// Nobody follows changes any more.
    Blind,
}

impl Control {
    /// Hears signals from now on, in a thread of its own: whatever the process does, it does not keep them waiting.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn listen() -> io::Result<Control> {
        let control = Control::default();
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
        let told = control.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                match signal {
                    SIGHUP => told.change(|state| state.look_wanted = true),
                    SIGUSR1 => told.0.reopen.get().into_iter().for_each(|reopen| reopen()),
                    _ => told.end(),
                }
            }
        })?;
        Ok(control)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.changed.notify_all();
    }

    /// Waits until something is so.
    fn wait_until(&self, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let is_not = |state: &mut State| !is_so(state);
        self.0.changed.wait_while(self.state(), is_not).unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let mut state = self.state();
        if !state.serves {
            // Nothing has been begun, and what is half made has no name. Nobody can begin to serve meanwhile.
            message::flush();
            std::process::exit(0);
        }
        state.must_end_at_once = std::mem::replace(&mut state.must_end, true);
        drop(state);
        self.0.changed.notify_all();
    }

    /// From now on whoever serves decides how to end.
    pub fn begin_to_serve(&self) {
        self.change(|state| state.serves = true);
    }

    /// Has `reopen` called whenever somebody asks for logs to be opened anew.
    pub fn reopen_when_asked(&self, reopen: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.reopen.set(Box::new(reopen));
    }

    /// Lets a thread call `look` whenever somebody asks for a look at everything, once the server is ready. Whoever asks
    /// while one is being taken gets one more, however often.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn look_when_asked(&self, look: impl Fn() + Send + 'static) -> io::Result<()> {
        let control = self.clone();
        std::thread::Builder::new().name("reload".into()).spawn(move || {
            loop {
                control.wait_until(|state| state.is_ready && state.look_wanted).look_wanted = false;
                if let Ok(now) = NotifyState::monotonic_usec_now() {
                    control.tell_manager(&[NotifyState::Reloading, now]);
                }
                look();
                control.tell_manager(&[NotifyState::Ready]);
            }
        })?;
        Ok(())
    }

    /// Lets a thread `follow` changes for as long as the process lives. If it fails, the server must end.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub fn follow(&self, follow: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let control = self.clone();
        std::thread::Builder::new().name("live".into()).spawn(move || {
            // Nothing of it is used again.
            let _ = catch_unwind(AssertUnwindSafe(follow));
            control.change(|state| state.is_blind = true);
        })?;
        Ok(())
    }

    /// Says that the server is ready.
    pub fn announce(&self) {
        self.tell_manager(&[NotifyState::Ready]);
        self.change(|state| state.is_ready = true);
    }

    /// Waits until the server must end.
    pub fn wait_for_end(&self) -> End {
        let end = match self.wait_until(|state| state.must_end || state.is_blind).must_end {
            true => End::Told,
            false => End::Blind,
        };
        self.tell_manager(&[NotifyState::Stopping]);
        end
    }

    /// Whether the server has been told to end a second time: whoever does that does not want to wait.
    pub fn must_end_at_once(&self) -> bool {
        self.state().must_end_at_once
    }

    /// Tells systemd how things are, if it has started us.
    fn tell_manager(&self, news: &[NotifyState<'_>]) {
        let mut is_done = self.0.manager.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_done {
            *is_done = news.iter().any(|news| matches!(news, NotifyState::Stopping));
            // It would not be told of the failure either.
            let _ = sd_notify::notify(news);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_follows_nothing_any_more_must_end() {
        let control = Control::default();
        control.follow(|| panic!("on purpose")).expect("a thread");
        assert_eq!(control.wait_for_end(), End::Blind);
        let control = Control::default();
        control.begin_to_serve();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        control.follow(move || receiver.iter().for_each(drop)).expect("a thread");
        control.end();
        assert_eq!((control.wait_for_end(), control.must_end_at_once()), (End::Told, false));
        control.end();
        assert!(control.must_end_at_once());
        drop(sender);
    }
}

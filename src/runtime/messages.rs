//! Who is told what happens while the server runs.

use std::fmt;
use std::sync::Arc;

use log::Level;

/// Takes messages for the person who runs the server, each a sentence or two without the program's name.
#[derive(Clone)]
pub struct Messages(Arc<Say>);

type Say = dyn Fn(Level, &str) + Send + Sync;

impl Messages {
    /// Hands them to `say`, which any thread may call and which must not block: those who serve say something, too.
    pub fn new(say: impl Fn(Level, &str) + Send + Sync + 'static) -> Messages {
        Messages(Arc::new(say))
    }

    /// Says what happens.
    pub fn say(&self, message: &str) {
        (self.0)(Level::Info, message);
    }

    /// Says what somebody should do something about.
    pub fn complain(&self, message: &str) {
        (self.0)(Level::Error, message);
    }
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Messages")
    }
}

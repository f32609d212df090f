//! Ctrl-C and SIGTERM, as somebody who waits for calls wants to hear of them.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How often the program was asked to stop.
#[derive(Clone)]
pub struct StopRequests(Arc<AtomicUsize>);

impl StopRequests {
    /// Listens from now on. The third request ends the process at once, whatever it does.
    pub fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicUsize::new(0));
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
            .context("the operating system does not tell us of Ctrl-C")?;
        let counted = asked.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                if counted.fetch_add(1, Ordering::Relaxed) >= 2 {
                    // Nothing is lost: what was durable is, and the next start closes the rest.
                    std::process::exit(1);
                }
            }
        })?;
        Ok(Self(asked))
    }

    /// One that nobody asks but who has it.
    #[cfg(feature = "kafka")]
    pub fn by_hand() -> Self {
        Self(Arc::default())
    }

    /// As if the operating system had asked.
    #[cfg(feature = "kafka")]
    pub fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

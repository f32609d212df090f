//! All of it, on threads of its own.

use crate::counts::Counts;
use crate::hop::Hop;
use crate::lead::Lead;
use crate::relay::Relay;
use crate::stop::Stop;
use crate::work::Work;
use crate::{Desk, Error, Options, topics};
use schemas::public::Include;
use schemas::{Numbering, Vault};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::Reader;

/// How long a thread that failed waits before it starts again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A thread that ran so long before it failed waits the shortest time again.
const RAN_WELL: Duration = Duration::from_secs(60);
/// How long an older relay keeps the log to itself when it fenced this one.
const FENCED_WAIT: Duration = Duration::from_secs(5);
/// So often in a row somebody may join the group under our name before we take it for another.
const NAMESAKES_MAX: u32 = 6;
/// How often an end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the service is made of.
pub struct Parts {
    /// Brokers, topics, names.
    pub options: Options,
    /// Which log the events are in: its id.
    pub store: String,
    /// The log, to tell.
    pub reader: Arc<dyn Reader>,
    /// Opens what is sealed and may be told.
    pub vault: Box<dyn Vault + Send + Sync>,
    /// What of it may be told.
    pub include: Include,
    /// How numbers are read.
    pub numbering: Numbering,
    /// The engine.
    pub desk: Arc<dyn Desk>,
}

/// Commands in, events out, until it is stopped.
pub struct Service {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    parts: Parts,
    counts: Arc<Counts>,
    stop: Stop,
    fault: Mutex<Option<String>>,
    settled: AtomicBool,
    taking: AtomicUsize,
    telling: AtomicUsize,
}

impl Service {
    /// Looks whether the topics are as they must be, and starts. Brokers that do not answer are
    /// waited for in the background.
    ///
    /// # Errors
    /// The topics or this build do not fit the configuration.
    pub fn start(parts: Parts) -> Result<Self, Error> {
        parts.options.check()?;
        match topics::check(&parts.options) {
            Err(error @ Error::Away { .. }) => {
                tracing::warn!("{}: waiting for them", error.in_full());
            }
            result => result?,
        }
        let shared = Arc::new(Shared {
            counts: Arc::default(),
            stop: Stop::default(),
            fault: Mutex::default(),
            settled: AtomicBool::new(false),
            taking: AtomicUsize::new(0),
            telling: AtomicUsize::new(0),
            parts,
        });
        let mut this = Self { shared, threads: Vec::new() };
        if !this.shared.parts.options.keyed {
            this.spawn("kafka-hop", |s| &s.taking, |s| s.hop())?;
        }
        this.spawn("kafka-work", |s| &s.taking, |s| s.work())?;
        this.spawn("kafka-relay", |s| &s.telling, |s| s.relay())?;
        Ok(this)
    }

    /// What has happened so far.
    pub fn counts(&self) -> Arc<Counts> {
        self.shared.counts.clone()
    }

    /// What nobody but a person can mend: the service has stopped.
    pub fn fault(&self) -> Option<String> {
        self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes no more commands. What was taken is committed once it is durable.
    pub fn stop_taking(&self) {
        self.shared.stop.stop_intake();
    }

    /// Whether nothing is taken any more.
    pub fn has_stopped_taking(&self) -> bool {
        let settled = usize::from(self.shared.settled.load(Ordering::Acquire));
        self.shared.taking.load(Ordering::Acquire) <= settled
    }

    /// Tells what the log holds by now, for so long at most, and ends.
    pub fn stop(mut self, at_most: Duration) {
        let shared = &self.shared;
        let deadline = Instant::now() + at_most;
        shared.stop.stop_relay();
        let threads =
            || shared.taking.load(Ordering::Acquire) + shared.telling.load(Ordering::Acquire);
        while threads() > 0 && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        if threads() > 0 {
            tracing::warn!("brokers do not answer: what was not told is told after the next start");
        }
        shared.stop.stop_at_once();
        // A thread that waits for a broker ends with the process.
        for thread in self.threads.drain(..).filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        running: fn(&Shared) -> &AtomicUsize,
        run: fn(&Shared) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let shared = self.shared.clone();
        running(&shared).fetch_add(1, Ordering::AcqRel);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let is_over = |shared: &Shared| match name {
                    "kafka-relay" => shared.stop.relay(),
                    _ => shared.stop.intake(),
                };
                shared.supervise(name, run, is_over);
                running(&shared).fetch_sub(1, Ordering::AcqRel);
            })
            .map_err(Error::Thread)?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Shared {
    /// Starts a thread's work again whenever it fails, as long as that may help.
    fn supervise(
        &self,
        name: &str,
        run: fn(&Self) -> Result<(), Error>,
        is_over: impl Fn(&Self) -> bool,
    ) {
        let (mut wait, mut namesakes) = (FIRST_WAIT, 0);
        loop {
            let began = Instant::now();
            let Err(mut error) = run(self) else { return };
            if began.elapsed() >= RAN_WELL {
                (wait, namesakes) = (FIRST_WAIT, 0);
            }
            namesakes += u32::from(error.is_namesake());
            if namesakes >= NAMESAKES_MAX {
                error = Error::Namesake(self.parts.options.node.clone());
            }
            if error.is_final() {
                tracing::error!(name, "{}", error.in_full());
                *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.in_full());
                self.stop.stop_at_once();
                return;
            }
            if is_over(self) {
                tracing::warn!(name, "{}", error.in_full());
                return;
            }
            self.counts.restarts.fetch_add(1, Ordering::Relaxed);
            if error.is_fenced() {
                wait = wait.max(FENCED_WAIT);
            }
            tracing::warn!(name, again_in_ms = wait.as_millis(), "{}", error.in_full());
            self.stop.wait(wait);
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn hop(&self) -> Result<(), Error> {
        let Self { parts, counts, stop, .. } = self;
        let Parts { options, numbering, desk, .. } = parts;
        Hop { options, numbering: *numbering, desk: &**desk, counts, stop }.run()
    }

    fn work(&self) -> Result<(), Error> {
        let Self { parts, counts, stop, .. } = self;
        let Parts { options, store, numbering, desk, .. } = parts;
        let settled = &self.settled;
        let (numbering, desk) = (*numbering, &**desk);
        Work { options, store, numbering, desk, counts, stop, settled }.run()
    }

    fn relay(&self) -> Result<(), Error> {
        let Self { parts, counts, stop, .. } = self;
        let Parts { options, store, reader, vault, include, .. } = parts;
        let (reader, vault, include) = (&**reader, &**vault, *include);
        let lead = &Lead::join(options)?;
        let relay = Relay { options, store, reader, vault, include, counts, stop, lead };
        while !stop.relay() {
            match lead.is_ours()? {
                true => relay.run()?,
                // Another node of the log tells it.
                false => stop.wait(LOOK_EVERY),
            }
        }
        lead.leave();
        Ok(())
    }
}

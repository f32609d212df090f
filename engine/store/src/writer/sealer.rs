//! Sealing beside the writer: a thread that compresses full segments, one at a time.

use crate::StoreError;
use crate::file::Files;
use crate::log::{Log, SealReport, Sealing};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// How many full segments may wait. Then the writer waits too: each holds its index in memory.
const UNSEALED_MAX: usize = 8;

/// The writer's end of the thread that seals.
pub(super) struct Sealer<F: Files> {
    jobs: Option<SyncSender<Sealing<F>>>,
    done: Receiver<Result<SealReport, StoreError>>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
    /// How many segments were waiting when sealing failed: it is tried again when there are more.
    failed_with: Option<usize>,
}

impl<F: Files> Sealer<F> {
    pub(super) fn start() -> Result<Self, StoreError> {
        let (jobs, waiting) = sync_channel::<Sealing<F>>(1);
        let (report, done) = sync_channel(1);
        let run = move || {
            while let Ok(sealing) = waiting.recv() {
                // The writer is gone when nobody hears: then this was the last one.
                if report.send(sealing.run()).is_err() {
                    break;
                }
            }
        };
        let thread = std::thread::Builder::new().name("log-sealer".to_owned()).spawn(run);
        let thread =
            thread.map_err(|error| StoreError::of_disk("start", "the sealing thread", error))?;
        Ok(Self { jobs: Some(jobs), done, thread: Some(thread), busy: false, failed_with: None })
    }

    /// Hands on the next full segment if there is one. Waits only when too many do.
    pub(super) fn go_on(&mut self, log: &Log<F>) {
        loop {
            let waiting = log.unsealed();
            if self.busy {
                let report = if waiting < UNSEALED_MAX {
                    self.done.try_recv().ok()
                } else {
                    self.done.recv().ok()
                };
                let Some(report) = report else { return };
                self.busy = false;
                self.heard(report, waiting);
                continue;
            }
            if waiting == 0 || self.failed_with.is_some_and(|failed| waiting <= failed) {
                return;
            }
            let (Some(sealing), Some(jobs)) = (log.sealing(), &self.jobs) else { return };
            self.failed_with = None;
            self.busy = jobs.send(sealing).is_ok();
            if waiting < UNSEALED_MAX || !self.busy {
                return;
            }
        }
    }

    fn heard(&mut self, report: Result<SealReport, StoreError>, waiting: usize) {
        match report {
            Ok(SealReport { events, bytes_before, bytes_after }) => {
                tracing::debug!(
                    events,
                    bytes_before,
                    bytes_after,
                    "a segment of the log is sealed"
                );
            }
            Err(error) => {
                self.failed_with = Some(waiting);
                let why = error.in_full();
                tracing::error!(why, "a segment of the log could not be sealed and stays as it is");
            }
        }
    }
}

impl<F: Files> Drop for Sealer<F> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It ends with the segment it is at. A panic of its own changes nothing: the segment
            // stays as it was.
            drop(thread.join());
        }
    }
}

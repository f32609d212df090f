//! CPU seconds and memory of this process and of the programs beside it, as the kernel counts them.

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// CPU seconds of this process so far, all threads, user and kernel.
pub fn own() -> f64 {
    seconds(UsageWho::RUSAGE_SELF)
}

fn seconds(who: UsageWho) -> f64 {
    let usage = getrusage(who).expect("the kernel knows what we used");
    let of = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    of(usage.user_time()) + of(usage.system_time())
}

/// CPU time of this thread so far.
pub fn of_thread() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Bytes of memory this process holds now.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// A program that runs beside us: ended when it is dropped.
pub struct Beside(Child);

impl Beside {
    /// Starts it without input or output.
    ///
    /// # Errors
    /// It cannot be started; most often it is not installed.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} cannot be started; is it installed?"))?;
        Ok(Self(child))
    }

    /// Waits for its end, and gives whether it went well and its CPU seconds.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn finish(mut self) -> Result<(bool, f64)> {
        let before = seconds(UsageWho::RUSAGE_CHILDREN);
        let status = self.0.wait()?;
        Ok((status.success(), seconds(UsageWho::RUSAGE_CHILDREN) - before))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

//! What the disk and the kernel take, with nobody's program around them.

use super::percentiles;
use crate::cpu;
use anyhow::Result;
use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Appends, of 4 KiB if nothing else is said, each synced.
pub struct Syncs {
    /// How many a second.
    pub per_s: f64,
    /// How long one takes, the median, in microseconds.
    pub p50_us: f64,
}

/// Measures them for a while.
///
/// # Errors
/// The disk's.
pub fn syncs(folder: &Path, span: Duration) -> Result<Syncs> {
    syncs_of(folder, span, 4096)
}

/// The same with other bytes in each.
///
/// # Errors
/// The disk's.
pub fn syncs_of(folder: &Path, span: Duration, bytes: usize) -> Result<Syncs> {
    let path = folder.join("raw");
    let (file, page) = (File::create(&path)?, vec![7; bytes]);
    let (mut spans, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < span {
        let one = Instant::now();
        file.write_all_at(&page, (spans.len() * bytes) as u64)?;
        file.sync_data()?;
        spans.push(one.elapsed());
    }
    let per_s = spans.len() as f64 / begun.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(Syncs { per_s, p50_us: percentiles(&mut spans).0 })
}

/// As [`syncs_of`], into a file whose blocks exist and have been written, while somebody else writes
/// as many zeros to another file: what each append would cost if segments were prepared like that.
/// The zeros go past the page cache in small pieces; synced in large ones they hold the others up.
///
/// # Errors
/// The disk's.
pub fn syncs_in_prepared(folder: &Path, appends: u64, bytes: usize) -> Result<Syncs> {
    const PIECE: usize = 256 << 10;
    const ALIGNED: usize = 4096;
    let (path, next) = (folder.join("raw"), folder.join("raw.next"));
    let (file, page) = (File::create(&path)?, vec![7; bytes]);
    let wanted = appends * bytes as u64;
    (0..=wanted >> 20).try_for_each(|at| file.write_all_at(&vec![0; 1 << 20], at << 20))?;
    file.sync_all()?;
    let zeros = vec![0; PIECE + ALIGNED];
    let zeros = &zeros[zeros.as_ptr().align_offset(ALIGNED)..][..PIECE];
    let mut past_the_cache = File::options();
    past_the_cache.write(true).create(true).truncate(true).custom_flags(nix::libc::O_DIRECT);
    let (next_file, done) = (past_the_cache.open(&next)?, AtomicU64::new(0));
    let mut spans = Vec::new();
    std::thread::scope(|scope| {
        let prepare = scope.spawn(|| {
            let mut at = 0;
            while at < wanted {
                match at <= done.load(Ordering::Acquire) {
                    true => next_file.write_all_at(zeros, at)?,
                    false => {
                        std::thread::sleep(Duration::from_micros(50));
                        continue;
                    }
                }
                at += PIECE as u64;
            }
            anyhow::Ok(())
        });
        let appended = (0..appends).try_for_each(|append| {
            let one = Instant::now();
            file.write_all_at(&page, append * bytes as u64)?;
            file.sync_data()?;
            spans.push(one.elapsed());
            done.store((append + 1) * bytes as u64, Ordering::Release);
            anyhow::Ok(())
        });
        // Also after an error: it must not wait for ever.
        done.store(wanted, Ordering::Release);
        prepare.join().expect("it does not panic").and(appended)
    })?;
    let per_s = appends as f64 / spans.iter().sum::<Duration>().as_secs_f64();
    std::fs::remove_file(&path)?;
    std::fs::remove_file(&next)?;
    Ok(Syncs { per_s, p50_us: percentiles(&mut spans).0 })
}

/// CPU microseconds that the kernel takes to copy a kilobyte into fresh pages of a file: nobody can
/// append for less.
///
/// # Errors
/// The disk's.
pub fn copy_us_per_kb(folder: &Path) -> Result<f64> {
    let path = folder.join("raw");
    let (file, chunk) = (File::create(&path)?, vec![9; 1 << 20]);
    let cpu = cpu::of_thread();
    for at in 0..256 {
        file.write_all_at(&chunk, at << 20)?;
    }
    let us = (cpu::of_thread() - cpu).as_secs_f64() * 1e6 / (256.0 * 1024.0);
    std::fs::remove_file(&path)?;
    Ok(us)
}

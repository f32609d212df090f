//! What the disk and the kernel take, with nobody's program around them.

use super::percentiles;
use crate::cpu;
use anyhow::Result;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
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

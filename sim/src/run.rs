//! Runs worlds: a small one on a disk with faults, a large one over files, by shards.

use crate::checkers::{Checker, Checkers};
use crate::cluster;
use crate::world::machine::Unsynced;
use crate::world::plan::{Day, Plan};
use crate::world::{Disks, Summary, World};
use std::io;
use std::time::Duration;
use store::disk::SimDisk;

/// Runs a world whose disk may fail, to its end.
pub fn small(plan: &Plan) -> Summary {
    small_with(plan, None)
}

/// The same, and somebody more listens.
pub fn small_with(plan: &Plan, listener: Option<Box<dyn Checker>>) -> Summary {
    if plan.together.is_some() {
        return quietly(|| cluster::run(plan, listener));
    }
    // The keys of a large one follow from its seed.
    let keys = Checkers::are_all(plan).then(|| SimDisk::new(plan.seed ^ 0x4b45_5953));
    let disks = Disks { log: SimDisk::new(plan.seed), keys };
    let mut checkers = Checkers::of(plan);
    if let Some(listener) = listener {
        checkers = checkers.with(listener);
    }
    quietly(|| {
        let mut world = World::new(plan.clone(), disks, checkers);
        world.run(Duration::MAX);
        world.close()
    })
}

/// What a simulated engine says of its simulated misfortunes is for nobody.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), act)
}

/// A large world over two shards.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// What it is to be.
    pub day: Day,
    /// How many threads run the shards: one, or one each.
    pub threads: usize,
}

/// The shards meet at every minute of virtual time.
const BARRIER: Duration = Duration::from_secs(60);
/// At every so manieth of these meetings memory and log are compared.
const LOOK_EVERY: u32 = 5;

impl Large {
    /// Runs it to its end. `progress` hears the virtual time and how many calls have been asked
    /// for by then.
    ///
    /// # Errors
    /// There is no room for its log.
    pub fn run(&self, mut progress: impl FnMut(Duration, u64)) -> io::Result<Summary> {
        let folder = tempfile::tempdir()?;
        let mut worlds = Vec::new();
        for (shard, plan) in self.day.plans().enumerate() {
            let log = folder.path().join(shard.to_string());
            std::fs::create_dir(&log)?;
            let disks = Disks { log: Unsynced::new(log), keys: None };
            let checkers = Checkers::of(&plan);
            worlds.push(World::new(plan, disks, checkers));
        }
        let mut barrier = Duration::ZERO;
        let mut meetings = 0;
        while !worlds.iter().all(World::is_over) {
            barrier += BARRIER;
            meetings += 1;
            let go_on = |world: &mut World<Unsynced>| {
                quietly(|| {
                    if !world.run(barrier) && meetings % LOOK_EVERY == 0 {
                        world.look();
                    }
                });
            };
            match self.threads {
                0 | 1 => worlds.iter_mut().for_each(go_on),
                _ => std::thread::scope(|scope| {
                    for world in &mut worlds {
                        scope.spawn(move || go_on(world));
                    }
                }),
            }
            let at = worlds.iter().map(World::at).max().unwrap_or_default();
            progress(at, worlds.iter().map(World::ended).sum());
            // When nothing happens for long the barrier goes where something does.
            let next = worlds.iter().filter(|world| !world.is_over()).map(World::next_at).min();
            barrier = barrier.max(next.unwrap_or(barrier).saturating_sub(BARRIER));
        }
        let summaries: Vec<Summary> = match self.threads {
            0 | 1 => worlds.into_iter().map(|world| quietly(|| world.close())).collect(),
            _ => std::thread::scope(|scope| {
                let closing: Vec<_> = worlds
                    .into_iter()
                    .map(|world| scope.spawn(move || quietly(|| world.close())))
                    .collect();
                let joined = closing.into_iter().map(|thread| thread.join());
                joined
                    .map(|summary| summary.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect()
            }),
        };
        // The shards live side by side.
        let lasted = summaries.iter().map(|summary| summary.lasted).max().unwrap_or_default();
        let all = summaries.into_iter().fold(Summary::default(), Summary::and);
        Ok(Summary { lasted, ..all })
    }
}

//! The plan of a large world: a long list at its pace, and bursts of commands beside it.

use super::{
    Boundary, BurstPlan, FaultPlan, GatewayPlan, ListPlan, Mishap, Numbers, Plan, Terms, Wish,
};
use crate::seed::Dice;
use std::time::Duration;

/// A large world's engine dies so often: each time its whole log is read.
const CRASHES: u32 = 5;
/// A burst begins so often.
const BURST_EVERY: Duration = Duration::from_secs(600);
/// And lasts so long.
const BURST: Duration = Duration::from_secs(60);
/// It is eight in the morning where the callees live when the world begins.
const MORNING: Duration = Duration::from_secs(8 * 3_600);

/// What a large world is to be.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// Where all chance comes from.
    pub seed: u64,
    /// How many calls, redials not counted.
    pub calls: u32,
    /// How many of them start a second, taken over all of it.
    pub per_second: f64,
    /// For a minute of every ten so many times as many start; 1: never more. Below ten.
    pub bursts: f64,
    /// What goes wrong: carriers that refuse two callees of a hundred each, and lose one datagram
    /// of a hundred; an engine that dies.
    pub wish: Wish,
}

/// Two shards, whoever runs them: the same world on any number of threads.
pub(crate) const SHARDS: u32 = 2;

impl Day {
    /// The plan of each of its shards.
    pub fn plans(&self) -> impl Iterator<Item = Plan> + use<> {
        let day = *self;
        (0..SHARDS).map(move |shard| Plan::large(&day, shard, SHARDS))
    }

    /// How many of its calls are commands in bursts, and the pace of the list beside them: together
    /// they make the rate.
    fn shares(&self) -> (u32, f64) {
        if self.bursts <= 1.0 {
            return (0, self.per_second);
        }
        let share = BURST.as_secs_f64() / BURST_EVERY.as_secs_f64();
        let list = self.per_second * (1.0 - share * self.bursts) / (1.0 - share);
        let commands = share * (self.bursts * self.per_second - list) / self.per_second;
        ((commands * f64::from(self.calls)) as u32, list)
    }
}

impl Plan {
    /// One shard's part of a large world.
    pub fn large(day: &Day, shard: u32, of: u32) -> Self {
        let Day { seed, calls, per_second, bursts, wish } = *day;
        let mut plan = Self::quiet(seed.wrapping_add(u64::from(shard).rotate_left(32)));
        plan.node.calls_max = 200_000;
        plan.begins_at = Some(MORNING);
        // Congestion is the carrier's, and the next one has room: a callee who was congested
        // everywhere would have both held back for a second, and the list would wait for him.
        plan.congested = Some(0);
        let gateway = |name: &str| GatewayPlan { lanes: 100_000, ..GatewayPlan::new(name) };
        plan.gateways = vec![gateway("a"), gateway("b")];
        let prompt = Some(Duration::from_secs(4));
        let terms = Terms { talk: Duration::from_secs(30), prompt, ..Terms::default() };
        let (commands, pace) = day.shares();
        let count = calls - commands;
        plan.list = Some(ListPlan {
            numbers: Numbers::Made { count, shard, of },
            terms: terms.clone(),
            per_second: Some(pace / f64::from(of)),
            lanes: 100_000,
        });
        plan.bursts = (commands > 0).then(|| BurstPlan {
            count: commands,
            first_line: count + 1,
            per_second: bursts * per_second - pace,
            every: BURST_EVERY,
            lasts: BURST,
            terms,
            shard,
            of,
        });
        if wish.carrier {
            plan.weather.lost = 100;
            plan.gateways.iter_mut().for_each(|gateway| gateway.refuses = 200);
        }
        if wish.crash {
            let lasts = f64::from(calls) / per_second;
            let mut dice = Dice::new(plan.seed);
            let crash = |nth: u32| FaultPlan {
                at: Duration::from_secs_f64(lasts * f64::from(nth) / f64::from(CRASHES + 1)),
                what: Mishap::Crash {
                    before: Boundary::ALL[dice.below(Boundary::ALL.len() as u64) as usize],
                    power: false,
                    down: Duration::from_secs(3),
                },
            };
            plan.faults = (1..=CRASHES).map(crash).collect();
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_with_bursts_has_as_many_calls_as_one_without_and_takes_as_long() {
        let day = Day { seed: 1, calls: 60_000, per_second: 60.0, bursts: 3.0, wish: Wish::ALL };
        let shards = [0, 1].map(|shard| Plan::large(&day, shard, 2));
        assert_eq!(shards.iter().map(Plan::count).sum::<u32>(), 60_000);
        let [first, _] = shards;
        let (list, bursts) = (first.list.expect("a list"), first.bursts.expect("bursts"));
        let lasts = f64::from(list.numbers.count()) / list.per_second.expect("a pace");
        assert!((995.0..1_005.0).contains(&lasts), "{lasts} s");
        let at_once = 2.0 * list.per_second.unwrap_or(0.0) + bursts.per_second;
        assert!((179.0..181.0).contains(&at_once), "{at_once} a second in a burst");
        let (_, last) = bursts.each().last().expect("there are some");
        assert!(last < Duration::from_secs(1_000), "{last:?}");
    }
}

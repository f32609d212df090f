//! Commands that come in bursts, beside a list that goes on at its pace.

use super::{Terms, made_number, text};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// So many commands, in bursts, made up as they are needed; of every `of` the shard keeps its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BurstPlan {
    /// How many, over all shards.
    pub count: u32,
    /// The line of the first of them: numbers follow from lines, and those of a list are its own.
    pub first_line: u32,
    /// How many a second, over all shards, while a burst lasts.
    pub per_second: f64,
    /// How often a burst begins; the first one half of that after the beginning.
    #[serde(with = "text::seconds")]
    pub every: Duration,
    /// How long it lasts.
    #[serde(with = "text::seconds")]
    pub lasts: Duration,
    /// The terms of all its calls.
    pub terms: Terms,
    /// Which shard this is.
    pub shard: u32,
    /// How many shards there are.
    pub of: u32,
}

impl BurstPlan {
    /// This shard's commands in the order in which they are given: the line of each, and when.
    pub fn each(&self) -> impl Iterator<Item = (u32, Duration)> + use<> {
        let Self { count, first_line, per_second, every, lasts, shard, of, .. } = self.clone();
        let of_burst = ((per_second * lasts.as_secs_f64()) as u32).max(1);
        (0..count)
            .map(move |nth| (first_line + nth, nth))
            .filter(move |(line, _)| line % of == shard)
            .map(move |(line, nth)| {
                let within = Duration::from_secs_f64(f64::from(nth % of_burst) / per_second);
                (line, every / 2 + every * (nth / of_burst) + within)
            })
    }

    /// The number of a line.
    pub fn number(line: u32) -> String {
        made_number(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_come_at_their_time_and_each_shard_has_its_own_part_of_them() {
        let whole = BurstPlan {
            count: 45,
            first_line: 101,
            per_second: 4.0,
            every: Duration::from_secs(60),
            lasts: Duration::from_secs(5),
            terms: Terms::default(),
            shard: 0,
            of: 1,
        };
        let all: Vec<_> = whole.each().collect();
        assert_eq!(all.len(), 45);
        assert_eq!(all[0], (101, Duration::from_secs(30)));
        assert_eq!(all[19], (120, Duration::from_millis(34_750)));
        assert_eq!(all[20], (121, Duration::from_secs(90)));
        let mut parts: Vec<_> =
            (0..2).flat_map(|shard| BurstPlan { shard, of: 2, ..whole.clone() }.each()).collect();
        parts.sort_unstable();
        assert_eq!(parts, all);
    }
}

//! Plans on a seed: small worlds, in which much goes wrong, and large ones.

use super::{
    Boundary, CallPlan, EndPlan, FaultPlan, GatewayPlan, ListPlan, MediaPlan, Mishap, Numbers,
    Plan, Terms, Weather,
};
use crate::grammar::ROWS;
use crate::seed::Dice;
use std::time::Duration;

/// What may go wrong in a world.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wish {
    /// The network and the carriers.
    pub carrier: bool,
    /// The engine, its machine, its disk and its clock.
    pub crash: bool,
}

impl Wish {
    /// Everything.
    pub const ALL: Self = Self { carrier: true, crash: true };

    /// Its word of the command line.
    pub fn word(self) -> &'static str {
        match (self.carrier, self.crash) {
            (false, false) => "none",
            (true, false) => "carrier",
            (false, true) => "crash",
            (true, true) => "all",
        }
    }

    /// The wish behind a word of the command line.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::default(),
            "carrier" => Self { carrier: true, crash: false },
            "crash" => Self { carrier: false, crash: true },
            "all" => Self::ALL,
            _ => return None,
        })
    }
}

/// Everything of a small world begins within so many seconds.
const BUSY_S: u64 = 150;

impl Plan {
    /// A world of about so many calls, whatever they are and whatever befalls them.
    pub fn small(seed: u64, calls: u32, wish: Wish) -> Self {
        let mut dice = Dice::new(seed ^ 0x05ee_d0fa_9a7e);
        let mut plan = Self::quiet(seed);
        let mut roll = Roll(&mut dice);
        plan.node.calls_max = roll.one_of(&[2, 8, 30, 200]);
        plan.node.segment_bytes = roll.one_of(&[8 << 10, 64 << 10, 64 << 20]);
        plan.node.sync_us = roll.one_of(&[(200, 1_000), (1_000, 8_000), (100, 60_000)]);
        let gateways = roll.one_of(&[1, 2, 3]);
        plan.gateways = (0..gateways).map(|place| roll.gateway(place, wish)).collect();
        let of_list = if roll.in_10(6) { calls / 3 } else { 0 };
        let names: Vec<String> = plan.gateways.iter().map(|g| g.name.clone()).collect();
        plan.calls = (0..calls - of_list).map(|place| roll.call(place, &names)).collect();
        plan.calls.sort_by_key(|call| call.at);
        if of_list > 0 {
            plan.list = Some(ListPlan {
                numbers: Numbers::Told((0..of_list).map(|n| roll.number(5_000 + n)).collect()),
                terms: roll.terms(),
                per_second: roll.in_10(7).then(|| roll.one_of(&[1.0, 3.5, 20.0])),
                lanes: roll.one_of(&[1, 4, 50]),
            });
        }
        if wish.carrier {
            roll.bad_carriers(&mut plan);
        }
        if wish.crash {
            roll.bad_days(&mut plan, calls);
        }
        plan.faults.sort_by_key(|fault| fault.at);
        // Rolled last, so that older seeds keep all the rest of their worlds.
        if wish.carrier {
            plan.gateways.iter_mut().for_each(|it| it.refuses = roll.one_of(&[0, 0, 200, 2_000]));
        }
        plan.calls.iter_mut().for_each(|call| call.twice = roll.in_10(1));
        plan.begins_at = roll.in_10(3).then(|| Duration::from_secs(roll.between(0, 23) * 3_600));
        plan
    }
}

/// Dice that know of plans.
pub(super) struct Roll<'a>(pub &'a mut Dice);

impl Roll<'_> {
    pub fn in_10(&mut self, often: u64) -> bool {
        self.0.below(10) < often
    }

    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.below(all.len() as u64) as usize]
    }

    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.0.below(to - from + 1)
    }

    pub fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(self.between(from, to))
    }

    pub fn moment(&mut self) -> Duration {
        Duration::from_millis(self.between(1, BUSY_S * 1_000))
    }

    pub fn gateway(&mut self, place: u8, wish: Wish) -> GatewayPlan {
        let takes = if wish.carrier && self.in_10(3) { self.one_of(&[1, 2, 5]) } else { 0 };
        GatewayPlan {
            lanes: self.one_of(&[1, 3, 10, 100]),
            per_second: self.in_10(4).then(|| self.one_of(&[0.5, 2.0, 5.0, 30.0])),
            takes_per_second: takes,
            options_every: self.in_10(3).then_some(Duration::from_secs(30)),
            challenges: self.in_10(2),
            ..GatewayPlan::new(&char::from(b'a' + place).to_string())
        }
    }

    /// A number that no other call has, and that chooses something more often than not.
    fn number(&mut self, place: u32) -> String {
        if self.in_10(2) {
            return format!("+86139{place:04}{:04}", self.between(1_000, 8_999));
        }
        let row = &ROWS[self.0.below(ROWS.len() as u64) as usize];
        let (from, to) = (u64::from(row.codes.0), u64::from(row.codes.1));
        let (code, detail) = (self.between(from, to), self.one_of(&[0, 1, 2, 5, 12]));
        format!("+86{place:05}999{code:03}{detail:02}")
    }

    fn terms(&mut self) -> Terms {
        Terms {
            ring: Duration::from_secs(self.one_of(&[2, 8, 30, 120])),
            talk: Duration::from_secs(self.one_of(&[0, 2, 6, 40])),
            attempts: self.one_of(&[1, 1, 2, 4]),
            redial: self.in_10(8).then(|| Duration::from_secs(self.one_of(&[1, 10, 45]))),
            prompt: self.in_10(6).then(|| Duration::from_millis(self.one_of(&[700, 4_000, 9_000]))),
        }
    }

    pub fn call(&mut self, place: u32, gateways: &[String]) -> CallPlan {
        let at = self.moment();
        let later = |roll: &mut Self| at + Duration::from_millis(roll.between(0, 40_000));
        CallPlan {
            at,
            to: self.number(place),
            terms: self.terms(),
            via: self
                .in_10(1)
                .then(|| gateways[self.0.below(gateways.len() as u64) as usize].clone()),
            urgent: self.in_10(3),
            not_before: self.in_10(1).then(|| later(self)),
            deadline: self.in_10(1).then(|| later(self)),
            twice: false,
            repeats: if self.in_10(2) { self.one_of(&[1, 3]) } else { 0 },
            end: self.in_10(2).then(|| EndPlan { at: later(self), only_unanswered: self.in_10(5) }),
        }
    }

    fn bad_carriers(&mut self, plan: &mut Plan) {
        let of = |roll: &mut Self| roll.one_of(&[0, 0, 100, 600]);
        plan.weather = Weather {
            delay_us: self.one_of(&[500, 20_000, 150_000]),
            jitter_us: self.one_of(&[0, 5_000, 300_000]),
            lost: of(self),
            doubled: of(self),
            late: of(self),
            noise: of(self),
        };
        plan.media = MediaPlan {
            no_port: self.one_of(&[0, 0, 500]),
            fails: self.one_of(&[0, 0, 500]),
            report_lost: self.one_of(&[0, 0, 500]),
        };
        for _ in 0..self.between(0, 3) {
            let gateway = self.0.below(plan.gateways.len() as u64) as usize;
            let what = match self.between(0, 2) {
                0 => Mishap::CarrierRestart(gateway),
                _ => Mishap::Outage { gateway, told: self.in_10(5), lasts: self.seconds(1, 45) },
            };
            plan.faults.push(FaultPlan { at: self.moment(), what });
        }
    }

    fn bad_days(&mut self, plan: &mut Plan, calls: u32) {
        for _ in 0..self.between(1, u64::from(calls).clamp(4, 40)) {
            let crash = Mishap::Crash {
                before: self.one_of(&Boundary::ALL),
                power: self.in_10(4),
                down: Duration::from_millis(self.one_of(&[1_000, 1_500, 4_000, 20_000])),
            };
            plan.faults.push(FaultPlan { at: self.moment(), what: crash });
        }
        for _ in 0..self.between(0, 4) {
            let what = match self.between(0, 8) {
                0 => Mishap::Stop { down: self.seconds(1, 10) },
                1 => Mishap::Freeze(self.seconds(1, 40)),
                2 => Mishap::Clock(self.one_of(&[-3_600_000, -1_500, 2_000, 90_000])),
                3 => Mishap::SlowDisk(self.seconds(2, 20)),
                4 | 5 => Mishap::FailedSync,
                6 => Mishap::ShortWrites(self.seconds(5, 60)),
                7 => Mishap::FullDisk(self.seconds(1, 4)),
                _ => Mishap::DeadDisk(self.between(1, 60) as u32),
            };
            plan.faults.push(FaultPlan { at: self.moment(), what });
        }
    }
}

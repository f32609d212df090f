//! How the callees behave whose numbers choose nothing: a seeded mix with answer rates.

use super::{Extra, Plan, Reply, Sdp, Sound, Step};
use crate::seed::{Dice, Spread};
use std::fmt;
use std::time::Duration;

/// What may become of a call to such a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Share {
    /// A person answers, talks, and hangs up.
    Human,
    /// A machine answers: greeting, beep, hangs up after its recording time.
    Machine,
    /// 486.
    Busy,
    /// Rings for ever.
    NoAnswer,
    /// 603.
    Rejected,
    /// 404.
    Invalid,
    /// 480, after an announcement as early media.
    Unavailable,
    /// 503 with Retry-After.
    Congested,
    /// No answer at all to the INVITE.
    Silent,
}

impl Share {
    /// Every share, in the order of [`Mix::parts`].
    pub const ALL: [Self; 9] = [
        Self::Human,
        Self::Machine,
        Self::Busy,
        Self::NoAnswer,
        Self::Rejected,
        Self::Invalid,
        Self::Unavailable,
        Self::Congested,
        Self::Silent,
    ];

    /// The word for it, on the command line and in the ledger.
    pub fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Machine => "machine",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Congested => "congested",
            Self::Silent => "silent",
        }
    }
}

/// Answer rates and times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mix {
    /// How many parts of all calls each share of [`Share::ALL`] gets. All zero: everybody is
    /// silent.
    pub parts: [u32; 9],
    /// From the INVITE to ringing or to a refusal that does not ring.
    pub delay: Spread,
    /// From ringing to the answer, or to the refusal of one who looked at the phone.
    pub ring: Spread,
    /// From the answer to the callee's BYE.
    pub talk: Spread,
    /// Of how many calls in a hundred that ring the ringing is heard as early media (183).
    pub early_media_percent: u32,
}

impl Default for Mix {
    /// A list of consumers on a weekday: 45 of 100 are answered, 10 of these by machines.
    fn default() -> Self {
        Self {
            parts: [35, 10, 10, 25, 6, 4, 7, 2, 1],
            delay: Spread { least_ms: 50, usual_ms: 300, most_ms: 2_000 },
            ring: Spread { least_ms: 1_000, usual_ms: 6_000, most_ms: 25_000 },
            talk: Spread { least_ms: 2_000, usual_ms: 8_000, most_ms: 60_000 },
            early_media_percent: 20,
        }
    }
}

/// Of a hundred people who would answer at noon so many do at each hour of the day.
const AWAKE: [u64; 24] =
    [8, 5, 4, 4, 5, 12, 35, 60, 80, 92, 97, 100, 100, 96, 92, 92, 95, 98, 100, 100, 95, 75, 40, 18];

impl Mix {
    /// The mix whose shares are named, such as `human=40,busy=60`; the others get nothing.
    ///
    /// # Errors
    /// When a word or a number cannot be read: says which.
    pub fn with_parts(self, text: &str) -> Result<Self, MixError> {
        let mut parts = [0; 9];
        for item in text.split(',') {
            let wrong = || MixError(item.trim().to_owned());
            let (word, number) = item.split_once('=').ok_or_else(wrong)?;
            let place = Share::ALL
                .iter()
                .position(|share| share.word() == word.trim())
                .ok_or_else(wrong)?;
            // Bounded, so that nine of them can be added up.
            parts[place] =
                number.trim().parse().ok().filter(|n| *n <= 1_000_000).ok_or_else(wrong)?;
        }
        Ok(Self { parts, ..self })
    }

    /// The mix in which one share gets so many parts.
    #[must_use]
    pub fn with_part(mut self, share: Share, parts: u32) -> Self {
        let place = Share::ALL.iter().position(|one| *one == share);
        self.parts[place.expect("all shares stand there")] = parts;
        self
    }

    /// What becomes of the `nth` call (from 0) to this number, on this seed, at this time of day:
    /// who is asleep lets it ring. At all hours alike without one.
    pub fn plan_at(&self, number: &str, nth: u32, seed: u64, time: Option<Duration>) -> Plan {
        let mut dice = Dice::of(seed ^ u64::from(nth).rotate_left(32), number);
        let mut left = dice.below(self.parts.iter().map(|part| u64::from(*part)).sum());
        let share = Share::ALL
            .into_iter()
            .zip(self.parts)
            .find(|(_, part)| {
                let within = left < u64::from(*part);
                left = left.saturating_sub(u64::from(*part));
                within
            })
            .map_or(Share::Silent, |(share, _)| share);
        let is_awake = time.is_none_or(|time| {
            let hour = (time.as_secs() / 3_600 % 24) as usize;
            dice.below(100) < AWAKE[hour]
        });
        match share {
            Share::Human if !is_awake => self.plan_of(Share::NoAnswer, &mut dice),
            share => self.plan_of(share, &mut dice),
        }
    }

    /// The same at no particular time of day.
    pub fn plan(&self, number: &str, nth: u32, seed: u64) -> Plan {
        self.plan_at(number, nth, seed, None)
    }

    fn plan_of(&self, share: Share, dice: &mut Dice) -> Plan {
        let delay = Step::Wait(millis(dice.within(self.delay)));
        let ring = Step::Wait(millis(dice.within(self.ring)));
        let talk = Step::Wait(millis(dice.within(self.talk)));
        let trying = Step::Reply(Reply::of(100));
        let (ringing, ringback) = if dice.below(100) < u64::from(self.early_media_percent) {
            (Reply::of(183).sdp(Sdp::Answer), Step::Play(Sound::Ringback))
        } else {
            (Reply::of(180), Step::Wait(0))
        };
        let ringing = Step::Reply(ringing);
        let answer = Step::Reply(Reply::of(200));
        let refuse = |status| Step::Reply(Reply::of(status));
        let name = share.word();
        match share {
            Share::Human => {
                let hello = Step::Play(Sound::Hello);
                let hang_up = Step::HangUp(None);
                Plan::new(
                    name,
                    [trying, delay, ringing, ringback, ring, answer, hello, talk, hang_up],
                )
            }
            Share::Machine => {
                let greeting = 4_000 + dice.below(9_000);
                let greet = Step::Play(Sound::Greeting(greeting as u16));
                // It records for half a minute, unless the caller is through before.
                let record = Step::Wait(greeting as u32 + 30_000);
                let hang_up = Step::HangUp(None);
                Plan::new(
                    name,
                    [trying, delay, ringing, ringback, ring, answer, greet, record, hang_up],
                )
            }
            Share::Busy => Plan::new(name, [trying, delay, refuse(486)]),
            Share::NoAnswer => Plan::new(name, [trying, delay, ringing, ringback]),
            Share::Rejected => {
                Plan::new(name, [trying, delay, ringing, ringback, ring, refuse(603)])
            }
            Share::Invalid => {
                let vacant = Reply::of(404).extra(Extra::Q850(1));
                Plan::new(name, [trying, delay, Step::Reply(vacant)])
            }
            Share::Unavailable => {
                let early = Step::Reply(Reply::of(183).sdp(Sdp::Answer));
                let announce = Step::Play(Sound::Announcement);
                Plan::new(name, [trying, delay, early, announce, Step::Wait(5_000), refuse(480)])
            }
            Share::Congested => {
                Plan::new(name, [Step::Reply(Reply::of(503).extra(Extra::RetryAfter(1)))])
            }
            Share::Silent => Plan::new(name, []),
        }
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A part of a mix that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MixError(String);

impl fmt::Display for MixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no share of a mix: write NAME=PARTS, with a name of", self.0)?;
        Share::ALL.iter().try_for_each(|share| write!(f, " {}", share.word()))
    }
}

impl std::error::Error for MixError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn names(mix: &Mix, seed: u64) -> BTreeMap<&'static str, u32> {
        let mut counted = BTreeMap::new();
        for n in 0..20_000 {
            *counted.entry(mix.plan(&format!("+86138{n:08}"), 0, seed).name).or_default() += 1;
        }
        counted
    }

    #[test]
    fn the_shares_come_as_often_as_they_were_ordered() {
        let mix = Mix::default();
        let counted = names(&mix, 1);
        for (share, part) in Share::ALL.into_iter().zip(mix.parts) {
            let got = counted.get(share.word()).copied().unwrap_or(0);
            let wanted = part * 200;
            assert!(got.abs_diff(wanted) < 60 + wanted / 10, "{}: {got}/{wanted}", share.word());
        }
    }

    #[test]
    fn a_number_behaves_the_same_on_a_seed_and_may_change_its_mind_the_next_time() {
        let mix = Mix::default();
        assert_eq!(mix.plan("+861380000", 0, 9), mix.plan("+861380000", 0, 9));
        let changed =
            (0..100).filter(|n| mix.plan("13800", 0, *n) != mix.plan("13800", 1, *n)).count();
        assert!(changed > 50, "{changed}");
        assert_ne!(names(&mix, 1), names(&mix, 2));
    }

    #[test]
    fn a_mix_is_read_from_words_and_an_odd_one_is_named() {
        let mix = Mix::default().with_parts("human=3, busy=1").expect("is well formed");
        assert_eq!(mix.parts, [3, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(names(&mix, 4).len(), 2);
        for (text, named) in [
            ("humn=1", "humn=1"),
            ("human", "human"),
            ("busy=1,human=-1", "human=-1"),
            ("human=99999999999", "human=99999999999"),
            ("", ""),
        ] {
            assert_eq!(Mix::default().with_parts(text), Err(MixError(named.to_owned())));
        }
    }

    #[test]
    fn at_night_most_who_would_answer_let_it_ring() {
        let mix = Mix::default();
        let at = |hour: u64, word: &str| {
            let time = Some(Duration::from_secs(hour * 3_600));
            let plans = (0..5_000).map(|n| mix.plan_at(&format!("+86138{n:08}"), 0, 5, time));
            plans.filter(|plan| plan.name == word).count()
        };
        assert!(at(3, "human") * 15 < at(12, "human"));
        assert_eq!(at(3, "human") + at(3, "no-answer"), at(12, "human") + at(12, "no-answer"));
        assert_eq!(at(3, "machine"), at(12, "machine"), "machines do not sleep");
        assert_eq!(at(26, "human"), at(2, "human"));
    }

    #[test]
    fn a_mix_of_nothing_is_silent() {
        assert_eq!(Mix { parts: [0; 9], ..Mix::default() }.plan("1", 0, 1).name, "silent");
    }
}

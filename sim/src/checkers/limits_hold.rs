//! Limits are never exceeded: calls at once, calls at once of a gateway and of the list, calls a
//! second of a gateway and of the list, not before and not after its hour.

use super::{Checker, Findings, Map};
use crate::world::plan::{FaultPlan, Mishap, Plan};
use crate::world::{Ending, Fact};
use schemas::call::{CallEvent, CallRequested};
use schemas::{CallId, Recorded, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

#[derive(Default)]
pub struct Limits {
    calls_max: usize,
    gateways: Vec<Gateway>,
    list_lanes: Option<usize>,
    list_rate: Option<Window>,
    /// Calls that were dialled and are up: by which gateway, and whether they are of the list.
    up: Map<CallId, (usize, bool)>,
    of_list: usize,
    asked: Map<CallId, Asked>,
    /// Which process of the engine runs.
    life: u32,
    /// Whether clocks are set in this world.
    clocks_are_set: bool,
}

struct Gateway {
    name: String,
    lanes: usize,
    up: usize,
    rate: Option<Window>,
}

/// What a call may.
struct Asked {
    /// Of which process.
    life: u32,
    of_list: bool,
    not_before: Option<Timestamp>,
    deadline: Option<Timestamp>,
}

/// The starts of the last second.
struct Window {
    max: usize,
    starts: VecDeque<Timestamp>,
}

impl Window {
    fn of(per_second: f64) -> Self {
        // Events say when to the millisecond, and ten of lateness are made up for.
        Self { max: per_second.ceil() as usize + 1, starts: VecDeque::new() }
    }

    /// One more: how many that makes in a second, when they are too many.
    fn start(&mut self, at: Timestamp) -> Option<usize> {
        while self.starts.front().is_some_and(|first| at.0 - first.0 >= 1_000 || at < *first) {
            self.starts.pop_front();
        }
        self.starts.push_back(at);
        (self.starts.len() > self.max).then_some(self.starts.len())
    }
}

impl Limits {
    fn dialled(&mut self, call: CallId, gateway: &str, at: Timestamp, findings: &mut Findings) {
        let Some(place) = self.gateways.iter().position(|known| known.name == gateway) else {
            return findings
                .add(Some(call), format!("dialled through {gateway}, which is not there"));
        };
        let asked = self.asked.get(&call);
        let of_list = asked.is_some_and(|asked| asked.of_list);
        if let Some(asked) = asked {
            if asked.not_before.is_some_and(|hour| at < hour) {
                findings.add(Some(call), "dialled before its hour".to_owned());
            }
            if asked.deadline.is_some_and(|deadline| at > deadline) {
                findings.add(Some(call), "dialled after its deadline".to_owned());
            }
        }
        match self.up.insert(call, (place, of_list)) {
            Some((before, _)) => self.gateways[before].up -= 1,
            None => self.of_list += usize::from(of_list),
        }
        let gateway = &mut self.gateways[place];
        gateway.up += 1;
        if gateway.up > gateway.lanes {
            findings
                .add(Some(call), format!("{} calls at once through {}", gateway.up, gateway.name));
        }
        // What a call of an earlier process does is stamped with that one's time at least: with a
        // clock that was set back since, with the time of all that waited alike.
        let is_stamped = !self.clocks_are_set || asked.is_some_and(|it| it.life == self.life);
        let rate = gateway.rate.as_mut().filter(|_| is_stamped);
        if let Some(count) = rate.and_then(|rate| rate.start(at)) {
            findings.add(Some(call), format!("{count} tries in a second through {}", gateway.name));
        }
        if self.up.len() > self.calls_max {
            findings.add(Some(call), format!("{} calls at once", self.up.len()));
        }
        if self.list_lanes.is_some_and(|lanes| self.of_list > lanes) {
            findings.add(Some(call), format!("{} calls of the list at once", self.of_list));
        }
    }

    fn over(&mut self, call: CallId) {
        if let Some((gateway, of_list)) = self.up.remove(&call) {
            self.gateways[gateway].up -= 1;
            self.of_list -= usize::from(of_list);
        }
    }

    fn durable(&mut self, event: &Recorded<CallEvent>, findings: &mut Findings) {
        let Some(call) = event.stream.as_call() else { return };
        match &event.event {
            CallEvent::CallRequested(requested) => {
                self.requested(call, requested, event.at, findings);
            }
            CallEvent::DialStarted(dial) => self.dialled(call, &dial.gateway, event.at, findings),
            CallEvent::TryFailed(_) => self.over(call),
            CallEvent::CallEnded(_) => {
                self.over(call);
                self.asked.remove(&call);
            }
            _ => {}
        }
    }

    fn requested(
        &mut self,
        call: CallId,
        requested: &CallRequested,
        at: Timestamp,
        findings: &mut Findings,
    ) {
        let CallRequested { item, not_before, deadline, attempt, .. } = requested;
        // A redial of the list has a lane of it, and no turn of its rate.
        let of_list = item.is_some();
        let rate = self.list_rate.as_mut().filter(|_| of_list && *attempt == 1);
        if let Some(count) = rate.and_then(|rate| rate.start(at)) {
            findings.add(Some(call), format!("{count} calls of the list in a second"));
        }
        let (life, not_before, deadline) = (self.life, *not_before, *deadline);
        self.asked.insert(call, Asked { life, of_list, not_before, deadline });
    }
}

impl Checker for Limits {
    fn says(&self) -> &'static str {
        "limits hold"
    }

    fn open(&mut self, plan: &Plan) {
        let sets_clock = |fault: &FaultPlan| matches!(fault.what, Mishap::Clock(_));
        self.clocks_are_set = plan.faults.iter().any(sets_clock);
        self.calls_max = plan.node.calls_max as usize;
        self.list_lanes = plan.list.as_ref().map(|list| list.lanes as usize);
        self.list_rate = plan.list.as_ref().and_then(|list| list.per_second).map(Window::of);
        self.gateways = plan
            .gateways
            .iter()
            .map(|gateway| Gateway {
                name: gateway.name.clone(),
                lanes: gateway.lanes as usize,
                up: 0,
                rate: gateway.per_second.map(Window::of),
            })
            .collect();
    }

    fn see(&mut self, fact: &Fact<'_>, _: Duration, findings: &mut Findings) {
        match fact {
            Fact::Durable(event) => self.durable(event, findings),
            Fact::Started { life, .. } => self.life = *life,
            Fact::Gone(_) => {
                // What was up is closed, and takes no lane of the next process.
                self.up.clear();
                self.of_list = 0;
                for gateway in &mut self.gateways {
                    gateway.up = 0;
                    gateway.rate.iter_mut().for_each(|rate| rate.starts.clear());
                }
                self.list_rate.iter_mut().for_each(|rate| rate.starts.clear());
            }
            _ => {}
        }
    }

    fn close(&mut self, _: &Ending<'_>, findings: &mut Findings) {
        if !self.up.is_empty() {
            findings.add(None, format!("{} calls hold a lane in the end", self.up.len()));
        }
    }
}

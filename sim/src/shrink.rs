//! Makes a world that fails smaller while it still fails: calls, faults, carriers and bad weather
//! are left out, as many at a time as go.

use crate::world::plan::{
    CallPlan, GatewayPlan, MediaPlan, NodePlan, Numbers, Plan, Terms, Weather,
};

/// So many worlds are tried at most.
const TRIES_MAX: u32 = 1_500;

/// The smallest plan found that `fails` as this one does.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut shrinking = Shrinking { best: plan.clone(), fails, tries: 0 };
    loop {
        let before = shrinking.best.clone();
        shrinking.thin_out(|plan| &mut plan.faults);
        shrinking.thin_out(|plan| &mut plan.calls);
        shrinking.thin_out_list();
        shrinking.calm_down();
        shrinking.thin_out(|plan| &mut plan.gateways);
        shrinking.simplify_calls();
        if shrinking.best == before || shrinking.tries >= TRIES_MAX {
            return shrinking.best;
        }
    }
}

struct Shrinking<F> {
    best: Plan,
    fails: F,
    tries: u32,
}

impl<F: Fn(&Plan) -> bool> Shrinking<F> {
    /// Takes the plan when it fails too.
    fn takes(&mut self, plan: Plan) -> bool {
        if plan == self.best || plan.gateways.is_empty() || self.tries >= TRIES_MAX {
            return false;
        }
        self.tries += 1;
        let taken = (self.fails)(&plan);
        if taken {
            self.best = plan;
        }
        taken
    }

    /// Leaves out stretches of a list, first long ones, then single members.
    fn thin_out<T: Clone>(&mut self, of: impl Fn(&mut Plan) -> &mut Vec<T>) {
        let mut stretch = of(&mut self.best).len().div_ceil(2);
        while stretch > 0 {
            let mut from = 0;
            while from < of(&mut self.best).len() {
                let mut less = self.best.clone();
                let members = of(&mut less);
                let to = (from + stretch).min(members.len());
                members.drain(from..to);
                if !self.takes(less) {
                    from += stretch;
                }
            }
            stretch /= 2;
        }
    }

    fn thin_out_list(&mut self) {
        let mut without = self.best.clone();
        without.list = None;
        if self.best.list.is_none() || self.takes(without) {
            return;
        }
        let mut stretch =
            self.best.list.as_ref().map_or(0, |list| list.numbers.count().div_ceil(2));
        while stretch > 0 {
            let mut from = 0;
            loop {
                let mut less = self.best.clone();
                let Some(Numbers::Told(numbers)) = less.list.as_mut().map(|list| &mut list.numbers)
                else {
                    return;
                };
                if from >= numbers.len() {
                    break;
                }
                let to = (from + stretch as usize).min(numbers.len());
                numbers.drain(from..to);
                if !self.takes(less) {
                    from += stretch as usize;
                }
            }
            stretch /= 2;
        }
    }

    /// Better weather, and nothing out of the ordinary about the node and its carriers.
    fn calm_down(&mut self) {
        let changes: [fn(&mut Plan); 13] = [
            |plan| plan.begins_at = None,
            |plan| plan.weather = Weather::default(),
            |plan| plan.weather.lost = 0,
            |plan| plan.weather.doubled = 0,
            |plan| plan.weather.late = 0,
            |plan| plan.weather.noise = 0,
            |plan| plan.weather.jitter_us = 0,
            |plan| plan.media = MediaPlan::default(),
            |plan| plan.node = NodePlan::default(),
            |plan| plan.gateways.iter_mut().for_each(|g| *g = GatewayPlan::new(&g.name)),
            |plan| plan.gateways.iter_mut().for_each(|g| g.challenges = false),
            |plan| plan.gateways.iter_mut().for_each(|g| g.options_every = None),
            |plan| plan.gateways.iter_mut().for_each(|g| g.takes_per_second = 0),
        ];
        for change in changes {
            let mut calmer = self.best.clone();
            change(&mut calmer);
            self.takes(calmer);
        }
    }

    fn simplify_calls(&mut self) {
        let changes: [fn(&mut CallPlan); 8] = [
            |call| call.twice = false,
            |call| call.terms = Terms::default(),
            |call| call.terms.prompt = None,
            |call| call.repeats = 0,
            |call| call.end = None,
            |call| (call.not_before, call.deadline) = (None, None),
            |call| call.via = None,
            |call| call.urgent = false,
        ];
        for place in 0..self.best.calls.len() {
            for change in changes {
                let mut simpler = self.best.clone();
                change(&mut simpler.calls[place]);
                self.takes(simpler);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::plan::Wish;

    #[test]
    fn what_does_not_matter_is_left_out() {
        let plan = Plan::small(4, 40, Wish::ALL);
        let wanted = plan.calls[7].to.clone();
        let small = shrink(&plan, |plan| plan.calls.iter().any(|call| call.to == wanted));
        assert_eq!((small.calls.len(), small.faults.len(), small.gateways.len()), (1, 0, 1));
        assert_eq!((small.list, small.weather), (None, Weather::default()));
        assert_eq!(small.calls[0].terms, Terms::default());
    }
}

use super::*;
use crate::run::small;
use crate::world::plan::Wish;

fn run_worlds(wish: Wish, seeds: std::ops::Range<u64>) -> Injected {
    let mut injected = Injected::default();
    let mut broken = Vec::new();
    for seed in seeds {
        let summary = small(&Plan::among_nodes(seed, 24, wish));
        broken.extend(summary.violations.first().map(|first| (seed, first.clone())));
        injected.merge(&summary.injected);
    }
    assert_eq!(broken, []);
    injected
}

#[test]
fn nodes_that_share_the_work_keep_every_promise_when_nothing_goes_wrong() {
    assert_eq!(run_worlds(Wish::default(), 0..4).crashes(), 0);
}

#[test]
fn nodes_that_share_the_work_keep_every_promise_whatever_goes_wrong() {
    let injected = run_worlds(Wish::ALL, 0..24);
    let among = Injury::ALL.into_iter().filter(|injury| injury.is_among_nodes());
    let missing: Vec<Injury> = among.filter(|injury| injected.of(*injury) == 0).collect();
    assert_eq!(missing, [], "these never went wrong");
}

#[test]
fn a_world_of_many_nodes_is_the_same_each_time_it_is_run() {
    for seed in 0..4 {
        let plan = Plan::among_nodes(seed, 24, Wish::ALL);
        assert_eq!(Plan::read(&plan.written()).expect("it was written"), plan);
        assert_eq!(small(&plan).digest, small(&plan).digest, "seed {seed}");
    }
}

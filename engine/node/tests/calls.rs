//! Calls for real: a node with its disk and sockets, and the simulated carrier with its own.

mod world;

use schemas::Outcome;
use world::World;

#[test]
fn callees_of_every_kind_end_as_the_number_grammar_says() {
    let mut world = World::new();
    let rows = [
        ("+12125550199920101", Outcome::Completed),
        ("+12125550199948600", Outcome::Busy),
        ("+12125550199960300", Outcome::Rejected),
        ("+12125550199940400", Outcome::InvalidNumber),
        ("+12125550199948000", Outcome::Unreachable),
        ("+12125550199950300", Outcome::Failed),
        ("+12125550199921101", Outcome::Completed),
        ("+12125550199924400", Outcome::Failed),
        ("+12125550199918000", Outcome::NoAnswer),
        ("+12125550199980100", Outcome::NoAnswer),
    ];
    let ended = world.call(rows.map(|(number, _)| number));
    for ((number, expected), ended) in rows.into_iter().zip(ended) {
        assert_eq!(ended.outcome, expected, "{number}: {ended:?}");
    }
    world.check_the_carriers_ledger();
}

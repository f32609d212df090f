//! Runs a script: once as it is, then with each single fault, then with many.

use expect_test::Expect;

use super::network::Faults;
use super::run::{Run, World};
use super::script::Script;

/// Seeds of runs with many faults at once.
const SEEDS: u64 = 18;

/// The ladder of the run without faults is as expected, and no promise is broken in it, nor with
/// each single datagram lost, doubled or overtaken, nor with many of them.
pub fn check(script: Script, ladder: Expect) -> Run {
    let run = World::new(script.clone(), Faults::None).call();
    ladder.assert_eq(&run.ladder);
    assert_eq!(run.broken, Vec::<String>::new(), "without faults\n{}", run.ladder);
    let singles =
        (0..run.datagrams).flat_map(|n| [Faults::Lose(n), Faults::Double(n), Faults::Swap(n)]);
    let many = (0..SEEDS).map(|seed| Faults::Random { seed, lost: seed % 3 * 10, doubled: 10 });
    for faults in singles.chain(many) {
        let run = World::new(script.clone(), faults).call();
        assert_eq!(run.broken, Vec::<String>::new(), "with {faults:?}\n{}", run.ladder);
    }
    run
}

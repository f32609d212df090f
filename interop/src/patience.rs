//! How long a test waits for what has to come. Counted in looks and not by the clock: on a machine
//! that stood still for a minute the thing gets its time all the same.

use std::time::Duration;

/// The pause between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long anything may take before a test gives up on it: longer than 64*T1, which bounds
/// everything that SIP may wait for.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// So many looks is that.
pub const LOOKS_MAX: u128 = PATIENCE.as_millis() / LOOK_EVERY.as_millis();

/// Looks until there is something to see. `None` when there never is.
pub fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..LOOKS_MAX {
        if let Some(seen) = look() {
            return Some(seen);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    None
}

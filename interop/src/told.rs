//! What the program tells on stdout, a JSON object a line.

use serde_json::Value;

/// The objects.
///
/// # Panics
/// Something else is told.
pub fn objects(told: &[u8]) -> Vec<Value> {
    let lines = String::from_utf8_lossy(told);
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

/// Events without their positions, which each store deals anew.
pub fn without_positions(told: &[u8]) -> Vec<Value> {
    let mut events = objects(told);
    for event in &mut events {
        let event = event.as_object_mut().expect("an event is an object");
        assert!(event.remove("position").is_some(), "an event has a position");
    }
    events
}

//! The command line: wiring, nothing else.
fn main() {}

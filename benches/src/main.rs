//! What must stay fast, printed beside its limit: `cargo run --release -p benches -- [machine]`.
//!
//! Ratios and CPU time in one run; the machine is shared and noisy, so no figure is asserted.
#![allow(clippy::print_stdout)] // printing is what it is for

mod machine;

fn main() {
    let what = std::env::args().nth(1).unwrap_or_else(|| "machine".into());
    match what.as_str() {
        "machine" => machine::run(),
        other => {
            println!("unknown bench `{other}`: machine");
            std::process::exit(2);
        }
    }
}

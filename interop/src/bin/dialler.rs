//! The `callfold` program, for the tests that kill it: a test is told where a program of its own
//! package lies, and of no other.

use std::process::ExitCode;

fn main() -> ExitCode {
    callfold::cli::main()
}

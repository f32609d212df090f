//! The `callfold` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    callfold::cli::main()
}

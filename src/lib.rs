//! The `callfold` program: its configuration and its command line. Wiring, nothing else.
//!
//! - [`config`]: `callfold.toml`.
//! - [`cli`]: what is typed, and what is printed.

pub mod cli;
pub mod config;

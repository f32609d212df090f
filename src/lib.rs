//! The `callfold` program. Wiring, nothing else: its configuration ([`config`]), and what is typed
//! ([`cli`]) for the commands beside it.

pub mod cli;
pub mod config;

mod advice;
mod bar;
mod carrier;
mod demo;
#[cfg(feature = "kafka")]
mod demo_kafka;
mod demo_sound;
mod dial;
mod events;
mod history;
mod log_tools;
mod privacy;
mod records;
mod replay;
mod service;
mod signals;
mod simulate;
mod stores;
#[cfg(feature = "kafka")]
mod topics;
mod verify;

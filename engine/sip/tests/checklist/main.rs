//! The checklist of `reference/sip.md`, line by line: each a script that a callee plays in virtual
//! time, without faults and with every single one.

mod begin;
mod cancel;
mod refusal;
mod seeded;
mod world;

//! The checklist of `reference/sip.md`, line by line: each a script that a callee plays in virtual
//! time, without faults and with every single one.

mod answer;
mod begin;
mod bounds;
mod cancel;
mod challenge;
mod early;
mod gateway;
mod golden;
mod inside;
mod next_address;
mod orphan;
mod our_change;
mod refusal;
mod seeded;
mod session;
mod their_change;
mod way;
mod world;

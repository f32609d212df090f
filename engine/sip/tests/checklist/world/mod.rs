//! The world around a user agent, in virtual time: callees, a network with faults, and the owner
//! of the leg.

pub mod callee;
pub mod check;
pub mod network;
pub mod promises;
pub mod run;
pub mod script;
pub mod text;

pub use check::check;
pub use network::Faults;
pub use run::Run;
pub use script::{
    ANSWER, GATEWAY, OFFER, Plan, Script, US, Wish, ask, cancel_ask, gateway, ms, say,
};
pub use text::Text;

//! What stores on other machines have in common: how much may wait for them, and what is known of
//! their end.

mod gate;
mod head;

pub use gate::Gate;
pub use head::Head;

//! PURE. What a call is: the state machine, decide and evolve.

//! The world around the engine: the simulated carrier and its callees.

//! Shards, clock, sockets, drain; as thin as can be.

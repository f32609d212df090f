//! PURE. Owns the calls of one shard: routes signals to calls and effects to whom they belong.

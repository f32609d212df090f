//! PURE. Through which gateway: health, failover, limits.

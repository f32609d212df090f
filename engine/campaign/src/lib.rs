//! PURE. Batches: items, rate, concurrency.

//! The keys of persons, as a table.

/// The keys of persons in the tables of a common log.
pub struct PostgresKeys;

//! Folds of events into views: call records.

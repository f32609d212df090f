//! Plans as text (TOML): what is as usual is left out. A plan that was written down is the trace of
//! its run: everything follows from it.

use super::Plan;

/// A plan that cannot be read. Its cause is in the sentence, and so is no source beside it.
#[derive(Debug, thiserror::Error)]
#[error("the plan cannot be read: {0}")]
pub struct PlanError(toml::de::Error);

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// It is no TOML, or has a word that no plan has: says which and where.
    pub fn read(text: &str) -> Result<Self, PlanError> {
        toml::from_str(text).map_err(PlanError)
    }

    /// The plan as text: read again it is the same.
    ///
    /// # Panics
    /// Never: every value of a plan has a form in TOML.
    pub fn written(&self) -> String {
        toml::to_string(self).expect("every value of a plan has a form in TOML")
    }
}

/// A span in seconds.
pub(super) mod seconds {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(span.as_secs_f64())
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

/// A span in seconds, if there is one.
pub(super) mod seconds_if_any {
    use serde::{Deserializer, Serializer};
    use std::time::Duration;

    #[allow(clippy::ref_option, reason = "serde wants it so")]
    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match span {
            Some(span) => super::seconds::serialize(span, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Duration>, D::Error> {
        super::seconds::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Wish;
    use super::*;

    #[test]
    fn a_plan_that_was_written_reads_back_as_the_same_plan() {
        for seed in 0..200 {
            let plan = Plan::small(seed, 24, Wish::ALL);
            let text = plan.written();
            assert_eq!(Plan::read(&text).expect(&text), plan, "{text}");
        }
    }

    #[test]
    fn a_word_that_no_plan_has_is_named() {
        let error = Plan::read("seed = 1\nwether = 3\n").expect_err("it has no such word");
        assert!(error.to_string().contains("wether"), "{error}");
    }
}

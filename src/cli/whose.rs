//! Whose number it is that somebody typed.

use super::Failure;
use schemas::Numbering;

/// A number as it was normalised when it was called.
pub fn normalised(phone: &str, region: Option<Numbering>) -> Result<String, Failure> {
    let read = region.unwrap_or_default().read_shown(phone);
    read.map(String::from).map_err(|why| Failure::Usage(format!("--phone: {why}")))
}

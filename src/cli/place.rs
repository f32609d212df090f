//! Where a history is, as it is typed: in a data folder, or in a store that many nodes share.

use crate::history::Place;
use clap::Args;
use node::StoreUrl;
use std::path::PathBuf;

/// At least one of the two.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = true)]
pub struct PlaceArgs {
    /// The data folder; it may be in use. With --store: the folder that has the keys
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A store that many nodes share, such as postgres://callfold@db/calls; a password may come from
    /// PGPASSWORD
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
}

impl From<PlaceArgs> for Place {
    fn from(typed: PlaceArgs) -> Self {
        Self { data: typed.data, store: typed.store }
    }
}

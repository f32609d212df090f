//! The messages and services of KurrentDB's protocol, as its vendor publishes them.
//!
//! Made by `tonic-build` 0.13.1 (`build_client(false)`, `compile_fds`, the descriptors by `protox`
//! 0.9) from `streams.proto`, `gossip.proto` and `serverfeatures.proto` of the crate `kurrentdb`
//! 1.2.0 (MIT), which come with it under `protos/`. Kept here so that no test needs a compiler of
//! protocols.

#![allow(dead_code, missing_docs, unused_qualifications, clippy::all)]

pub mod google {
    pub mod rpc {
        include!("protocol/google.rpc.inc");
    }
}

pub mod event_store {
    pub mod client {
        include!("protocol/event_store.client.inc");
        pub mod streams {
            include!("protocol/event_store.client.streams.inc");
        }
        pub mod gossip {
            include!("protocol/event_store.client.gossip.inc");
        }
        pub mod server_features {
            include!("protocol/event_store.client.server_features.inc");
        }
    }
}

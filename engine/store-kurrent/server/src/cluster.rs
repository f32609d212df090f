//! Who leads, who is let in, and what the server says it can do.

use crate::protocol::event_store::client::gossip::gossip_server::Gossip;
use crate::protocol::event_store::client::gossip::member_info::VNodeState;
use crate::protocol::event_store::client::gossip::{ClusterInfo, EndPoint, MemberInfo};
use crate::protocol::event_store::client::server_features::server_features_server::ServerFeatures;
use crate::protocol::event_store::client::server_features::{SupportedMethod, SupportedMethods};
use crate::protocol::event_store::client::{Empty, Uuid, uuid};
use crate::streams::Service;
use crate::{Shared, lock};
use std::sync::atomic::Ordering;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

/// What a login looks like on the wire.
pub fn basic(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = format!("{user}:{password}").into_bytes();
    let mut text = String::from("Basic ");
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0, |all, byte| (all << 8) | usize::from(*byte))
            << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = char::from(DIGITS[(number >> (18 - 6 * place)) & 63]);
            text.push(if place <= three.len() { digit } else { '=' });
        }
    }
    text
}

impl Service {
    /// Whether a request is let in, and may be served here.
    pub fn admit(&self, metadata: &MetadataMap) -> Result<(), Status> {
        let says = |key: &str| metadata.get(key).and_then(|value| value.to_str().ok());
        match (lock(&self.shared.login).as_deref(), says("authorization")) {
            (Some(_), None) => return Err(Status::permission_denied("Access Denied")),
            (Some(wanted), Some(given)) if given != wanted => {
                return Err(Status::unauthenticated("who is this?"));
            }
            _ => {}
        }
        if says("requires-leader") == Some("true") { self.lead() } else { Ok(()) }
    }

    /// Whether this node leads; who does, otherwise.
    pub fn lead(&self) -> Result<(), Status> {
        let leader = self.shared.leader.load(Ordering::SeqCst);
        if leader == self.number {
            return Ok(());
        }
        let Some(address) = lock(&self.shared.addresses).get(leader).copied() else {
            return Err(Status::unknown("No leader info available in response"));
        };
        let mut metadata = MetadataMap::new();
        let port = address.port().to_string();
        for (key, value) in [
            ("exception", "not-leader"),
            ("leader-endpoint-host", "localhost"),
            ("leader-endpoint-port", &port),
        ] {
            metadata.insert(key, value.parse().expect("it is plain text"));
        }
        Err(Status::with_metadata(Code::NotFound, "Leader info available", metadata))
    }
}

fn members(shared: &Shared) -> Vec<MemberInfo> {
    let alive = shared.alive.load(Ordering::SeqCst);
    let leader = shared.leader.load(Ordering::SeqCst);
    let addresses = lock(&shared.addresses);
    let member = |(number, address): (usize, &std::net::SocketAddr)| {
        let id = uuid::Value::String(::uuid::Uuid::from_u128(number as u128 + 1).to_string());
        let state = if number == leader { VNodeState::Leader } else { VNodeState::Follower };
        MemberInfo {
            instance_id: Some(Uuid { value: Some(id) }),
            time_stamp: 0,
            state: state.into(),
            is_alive: alive & (1 << number) != 0,
            http_end_point: Some(EndPoint {
                address: "localhost".to_owned(),
                port: address.port().into(),
            }),
        }
    };
    addresses.iter().enumerate().map(member).collect()
}

#[tonic::async_trait]
impl Gossip for Service {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        Ok(Response::new(ClusterInfo { members: members(&self.shared) }))
    }
}

#[tonic::async_trait]
impl ServerFeatures for Service {
    async fn get_supported_methods(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<SupportedMethods>, Status> {
        let method = |name: &str| SupportedMethod {
            method_name: name.to_owned(),
            service_name: "event_store.client.streams.streams".to_owned(),
            features: Vec::new(),
        };
        let methods = ["append", "batchappend", "read"].map(method).to_vec();
        let event_store_server_version = "25.0.0".to_owned();
        Ok(Response::new(SupportedMethods { methods, event_store_server_version }))
    }
}

//! The data of events that are of no call. They are told on the command line, in no topic.

use super::{Opened, Reveal, Unsealed};
use crate::batch::BatchEvent;
use crate::node::NodeEvent;
use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of one event alone.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Data<'a> {
    Opening(Opening<'a>),
    Item(Item),
    Loaded(Loaded),
    Began(Began<'a>),
    Stopped(Stopped),
}

#[derive(Serialize)]
pub(super) struct Opening<'a> {
    name: &'a str,
    run: u32,
}

#[derive(Serialize)]
pub(super) struct Item {
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Unsealed<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Unsealed<Map<String, Value>>,
}

#[derive(Serialize)]
pub(super) struct Loaded {
    rows: u32,
    added: u32,
    rejected: u32,
}

#[derive(Serialize)]
pub(super) struct Began<'a> {
    name: &'a str,
    version: &'a str,
    sip: &'a str,
}

#[derive(Serialize)]
pub(super) struct Stopped {
    open_calls: u32,
}

/// The type and the data of a batch's event.
pub(super) fn batch<'a>(event: &'a BatchEvent, reveal: Reveal<'_>) -> (&'static str, Data<'a>) {
    match event {
        BatchEvent::BatchOpened(e) => {
            ("BatchOpened", Data::Opening(Opening { name: &e.name, run: e.run }))
        }
        BatchEvent::ItemAdded(e) => {
            let opened = Opened { callee: Some(e.callee), reveal };
            let item = Item {
                line: e.line,
                phone: opened.phone(&e.phone),
                variables: opened.variables(e.variables.as_ref()),
            };
            ("ItemAdded", Data::Item(item))
        }
        BatchEvent::BatchLoaded(e) => {
            let loaded = Loaded { rows: e.rows, added: e.added, rejected: e.rejected };
            ("BatchLoaded", Data::Loaded(loaded))
        }
    }
}

/// The type and the data of a node's event.
pub(super) fn node(event: &NodeEvent) -> (&'static str, Data<'_>) {
    match event {
        NodeEvent::NodeStarted(e) => {
            let began = Began { name: &e.name, version: &e.version, sip: &e.sip };
            ("NodeStarted", Data::Began(began))
        }
        NodeEvent::NodeStopped(e) => {
            ("NodeStopped", Data::Stopped(Stopped { open_calls: e.open_calls }))
        }
    }
}

//! `callfold run` as those who ask it over HTTP meet it, beside a carrier that speaks SIP.

mod ends;
mod requests;
mod shared;

use interop::callees::quick_carrier;
use interop::service::{Service, config};
use sim::carrier::CarrierHandle;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dialler");

/// Rings for ever; answers after a second and talks; is busy.
const RINGS: &str = "+121299918000";
const ANSWERS: &str = "+121299920001";
const BUSY: &str = "+121299948600";

struct World {
    carrier: CarrierHandle,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let carrier = quick_carrier();
        Self { carrier, folder: tempfile::tempdir().unwrap() }
    }

    fn start(&self) -> Service {
        self.start_with("")
    }

    /// Starts the service with these lines of `[node]`.
    fn start_with(&self, node: &str) -> Service {
        let text = config("north", "data", self.carrier.addr, "");
        let text = text.replace("[http]", &format!("{node}\n[http]"));
        Service::start(PROGRAM, self.folder.path(), &text)
    }
}

fn call(command: &str, phone: &str) -> String {
    format!(r#"{{"command_id": "{command}", "phone": "{phone}"}}"#)
}

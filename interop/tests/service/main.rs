//! `callfold run` as those who ask it over HTTP meet it, beside a carrier that speaks SIP.

mod ends;
mod requests;
mod shared;

use interop::service::{Service, config};
use sim::carrier::{Carrier, CarrierHandle, Options};
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
        let mut options = Options::new("127.0.0.1:0".parse().unwrap());
        options.behaviour.second_ms = 100;
        let carrier = Carrier::start(options).expect("the carrier starts");
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

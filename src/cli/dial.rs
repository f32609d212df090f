//! `callfold dial`, as it is typed.

use super::Failure;
use super::terminal;
use super::values::{PerSecond, Seconds};
use crate::config::{GatewayUri, SecretFile};
use crate::dial::{self, CONCURRENCY_DEFAULT, DialOptions, Finished, GatewayTerms};
use crate::signals::StopRequests;
use clap::Args;
use node::StoreUrl;
use schemas::{Numbering, Phone};
use sip::port::Credentials;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The variable that may hold the password of `--username`.
const PASSWORD_VARIABLE: &str = "CALLFOLD_SIP_PASSWORD";

/// Dials a list, and waits until every call has ended
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DialArgs {
    /// The list, as CSV: the first column, or the one named phone, is the number, the others are
    /// the call's variables
    #[arg(long, value_name = "FILE.csv", help_heading = "The list")]
    list: PathBuf,
    /// The batch's name; the list's file name when absent
    #[arg(long, value_name = "NAME", value_parser = batch_name, help_heading = "The list")]
    batch: Option<String>,
    /// Begin a new run of the same batch: dial again who was dialled
    #[arg(long, help_heading = "The list")]
    again: bool,
    /// The region whose national numbers the list has, such as CN
    #[arg(long, value_name = "REGION", value_parser = Numbering::of_region, help_heading = "The list")]
    region: Option<Numbering>,

    /// Whom to dial through: sip:HOST[:PORT][;transport=tcp]. More than once, the best first
    #[arg(long, value_name = "URI", required = true, help_heading = "The carrier")]
    gateway: Vec<GatewayUri>,
    /// The number to show
    #[arg(long, value_name = "NUMBER", value_parser = shown_number, help_heading = "The carrier")]
    caller_id: Option<Phone>,
    /// The user name that gateways ask for
    #[arg(long, value_name = "NAME", help_heading = "The carrier")]
    username: Option<String>,
    /// The file whose first line is the password; CALLFOLD_SIP_PASSWORD works too
    #[arg(long, value_name = "FILE", requires = "username", help_heading = "The carrier")]
    password_file: Option<PathBuf>,
    /// Our address for SIP and RTP, perhaps with the port of SIP; the one that leads to the first
    /// gateway when absent
    #[arg(long, value_name = "ADDR", value_parser = bind_address, help_heading = "The carrier")]
    bind: Option<SocketAddr>,

    /// Keep a registration at the gateways, as --username
    #[arg(long, requires = "username", help_heading = "The carrier")]
    register: bool,
    /// Ask the gateways so often whether they are alive (OPTIONS); one that is not is passed over
    #[arg(long, value_name = "SECONDS", help_heading = "The carrier")]
    probe: Option<Seconds>,
    /// How long a gateway may take for its first answer before the next one is tried
    #[arg(long, value_name = "SECONDS", default_value = "32", help_heading = "The carrier")]
    answer_within: Seconds,
    /// Follow a 3xx that leads to the same gateway
    #[arg(long, help_heading = "The carrier")]
    follow_redirects: bool,

    /// What is played after the answer; without it no RTP is sent
    #[arg(long, value_name = "FILE.wav|mp3", help_heading = "The calls")]
    prompt: Option<PathBuf>,
    /// What is mixed onto the prompt, such as a voice onto music
    #[arg(long, value_name = "FILE.wav|mp3", requires = "prompt", help_heading = "The calls")]
    overlay: Option<PathBuf>,
    /// How long after the prompt's start the overlay begins
    #[arg(long, value_name = "SECONDS", default_value = "0", help_heading = "The calls")]
    overlay_at: Seconds,
    /// How many calls start per second; as many as there is room for when absent
    #[arg(long, value_name = "CPS", help_heading = "The calls")]
    rate: Option<PerSecond>,
    /// The most calls at once
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY_DEFAULT, help_heading = "The calls")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    concurrency: u32,
    /// How long it may ring, from the first provisional answer
    #[arg(long, value_name = "SECONDS", default_value = "30", help_heading = "The calls")]
    ring_timeout: Seconds,
    /// How long an answered call may last; 0 hangs up at the answer. 5 without a prompt, its
    /// length + 5 with one, when absent
    #[arg(long, value_name = "SECONDS", help_heading = "The calls")]
    max_talk: Option<Seconds>,
    /// How many calls a row may have, when nobody was reached
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "The calls")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=100))]
    max_attempts: u16,
    /// How long after its end a row is called again; by what it ended of when absent
    #[arg(long, value_name = "SECONDS", help_heading = "The calls")]
    redial_after: Option<Seconds>,
    /// The folder where each call is recorded, both sides
    #[arg(long, value_name = "DIR", help_heading = "The calls")]
    record: Option<PathBuf>,

    /// The data folder. Started again with the same one it goes on: who was called is not called
    /// again
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Keep the events there and not in the folder: postgres://USER@HOST/DATABASE, for nodes that
    /// share a log; a password may come from PGPASSWORD
    #[arg(long, value_name = "URL")]
    store: Option<StoreUrl>,
    /// Who dials, on a store that is shared: one process at a time has a name
    #[arg(long, value_name = "NAME", default_value = "dial", value_parser = node_name)]
    node: String,
    /// One JSON object on stdout: summary, calls, rejected rows
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  callfold dial --list spring.csv --gateway sip:192.0.2.1 --prompt hello.wav --data ./data
  callfold dial --list spring.csv --gateway sip:a.example --gateway 'sip:b.example;transport=tcp' \\
                --rate 20 --concurrency 200 --max-attempts 3 --data ./data
  callfold dial --list spring.csv --gateway sip:127.0.0.1:5070 --data ./data --json > result.json

Killed and started again with the same --data it goes on: no call is dialled twice.";

impl DialArgs {
    pub fn run(self: Box<Self>) -> Result<(), Failure> {
        let options = self.options(std::env::var(PASSWORD_VARIABLE).ok())?;
        match dial::run(&options, &StopRequests::listen()?)? {
            Finished::All => Ok(()),
            Finished::Stopped => Err(Failure::stopped()),
        }
    }

    /// What the command takes. `password` is what [`PASSWORD_VARIABLE`] holds.
    fn options(self, password: Option<String>) -> Result<DialOptions, Failure> {
        Ok(DialOptions {
            terms: GatewayTerms {
                credentials: self.credentials(password)?,
                register: self.register,
                probe_every: self.probe.map(Seconds::span),
                answer_within: Some(self.answer_within.span()),
                follow_redirects: self.follow_redirects,
            },
            list: self.list,
            batch: self.batch,
            again: self.again,
            gateways: self.gateway,
            caller_id: self.caller_id.map(String::from),
            prompt: self.prompt,
            overlay: self.overlay.map(|overlay| (overlay, self.overlay_at.ms)),
            record: self.record,
            rate: self.rate.map(|rate| rate.0),
            concurrency: self.concurrency,
            ring_timeout_ms: self.ring_timeout.ms,
            max_talk_ms: self.max_talk.map(|talk| talk.ms),
            max_attempts: self.max_attempts,
            redial_after_ms: self.redial_after.map(|after| after.ms),
            bind: self.bind,
            numbering: self.region.unwrap_or_default(),
            data: self.data,
            store: self.store,
            node: self.node,
            json: self.json,
            style: terminal::of_stderr(),
        })
    }

    fn credentials(&self, password: Option<String>) -> Result<Option<Credentials>, Failure> {
        let Some(username) = self.username.clone() else { return Ok(None) };
        let password = match (&self.password_file, password) {
            (Some(file), _) => {
                let secret = SecretFile(file.clone()).read();
                let failed = |error| Failure::Usage(format!("{:#}", anyhow::Error::new(error)));
                secret.map_err(failed)?.reveal().to_owned()
            }
            (None, Some(password)) => password,
            (None, None) => {
                let wanted = format!("--username needs --password-file, or {PASSWORD_VARIABLE}");
                return Err(Failure::Usage(wanted));
            }
        };
        Ok(Some(Credentials { username, password }))
    }
}

/// A batch's name is part of its calls' command ids.
fn batch_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=80).contains(&text.chars().count())
        && !text.chars().any(char::is_control)
        && !text.trim().is_empty();
    fits.then(|| text.to_owned()).ok_or("a batch's name has 1 to 80 printable characters")
}

fn node_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned()).ok_or("a node's name has 1 to 64 letters, digits and signs")
}

fn shown_number(text: &str) -> Result<Phone, String> {
    Numbering::INTERNATIONAL.read_shown(text).map_err(|why| why.to_string())
}

fn bind_address(text: &str) -> Result<SocketAddr, &'static str> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    let address = address.or_else(|_| text.parse());
    address.map_err(|_| "write an address such as 192.0.2.7, or 192.0.2.7:5060")
}

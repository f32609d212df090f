//! `callfold carrier`: the simulated carrier by itself.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use sim::callee::{Challenge, Mix, Scheme};
use sim::carrier::{Carrier, CarrierHandle, Options};
use sim::exchange::{Faults, Login};
use sim::grammar;
use sim::seed::Spread;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// The simulated carrier: answers SIP and RTP as the last eight digits of each number say.
///
/// Example: callfold carrier --listen 127.0.0.1:5070 --loss 2 --ledger seen.jsonl
#[derive(Args, Debug)]
#[command(after_help = after_help())]
pub struct CarrierArgs {
    /// Where it listens for SIP, by UDP and TCP; port 0 takes any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:5070")]
    listen: SocketAddr,
    /// Print the number grammar as a table, and end
    #[arg(long)]
    grammar: bool,
    /// Where all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How other numbers behave: parts of all calls, such as human=40,busy=20,no-answer=40
    #[arg(long, value_name = "NAME=PARTS,…", value_parser = mix)]
    mix: Option<Mix>,
    /// From INVITE to ringing, of other numbers: seconds as least,usual,most
    #[arg(long, value_name = "SECONDS", value_parser = spread)]
    delay: Option<Spread>,
    /// From ringing to answer, of other numbers
    #[arg(long, value_name = "SECONDS", value_parser = spread)]
    ring: Option<Spread>,
    /// From answer to the callee's hanging up, of other numbers
    #[arg(long, value_name = "SECONDS", value_parser = spread)]
    talk: Option<Spread>,
    /// Of how many calls in a hundred to other numbers the ringing comes as early media
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(..=100))]
    early_media: Option<u32>,
    /// How long a second of the grammar lasts
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(..=60_000))]
    second_ms: u32,
    /// SIP datagrams lost, each way
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = per_10_000)]
    loss: u32,
    /// SIP datagrams that come twice, each way
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = per_10_000)]
    duplicates: u32,
    /// How much later what the carrier sends leaves
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay_ms: u64,
    /// How much later than that at most, so that datagrams overtake each other
    #[arg(long, value_name = "MS", default_value_t = 0)]
    jitter_ms: u64,
    /// RTP packets lost on their way to the caller
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = per_10_000)]
    rtp_loss: u32,
    /// INVITEs taken in a second; those beyond get 503 (0: all)
    #[arg(long, value_name = "CPS", default_value_t = 0)]
    limit: u32,
    /// Answer nothing, as if the machine were gone
    #[arg(long)]
    down: bool,
    /// What every INVITE is asked for
    #[arg(long, value_name = "SCHEME")]
    auth: Option<Ask>,
    /// What every REGISTER is asked for
    #[arg(long, value_name = "SCHEME")]
    register_auth: Option<Ask>,
    /// Who may call, where that is asked
    #[arg(long, value_name = "NAME", default_value = "callfold")]
    username: String,
    /// The file with their password; `callfold` without one
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The address to show, when it listens on all of them
    #[arg(long, value_name = "IP")]
    advertise: Option<IpAddr>,
    /// RTP ports, such as 20000-29999; the system's choice without
    #[arg(long, value_name = "FIRST-LAST", value_parser = ports)]
    rtp_ports: Option<RangeInclusive<u16>>,
    /// The most calls with RTP at one time; each holds two ports
    #[arg(long, value_name = "CALLS", default_value_t = 10_000)]
    rtp_calls: usize,
    /// Write the ledger as JSON lines: one for every INVITE, once its call is over for 32 s
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Print the summary every so often (SIGUSR1 prints it at any time)
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    summary_every: Option<u64>,
    /// Print the last summary as JSON on stdout
    #[arg(long)]
    json: bool,
}

/// A challenge for everybody.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ask {
    /// 401, MD5.
    Md5,
    /// 401, SHA-256.
    Sha256,
    /// 407, MD5.
    ProxyMd5,
    /// 407, SHA-256.
    ProxySha256,
}

impl From<Ask> for Challenge {
    fn from(ask: Ask) -> Self {
        match ask {
            Ask::Md5 => Self::www(Scheme::Md5),
            Ask::Sha256 => Self::www(Scheme::Sha256),
            Ask::ProxyMd5 => Self::proxy(Scheme::Md5),
            Ask::ProxySha256 => Self::proxy(Scheme::Sha256),
        }
    }
}

/// Runs the carrier until Ctrl-C or SIGTERM.
///
/// # Errors
/// When it cannot start: the port in use, a file that cannot be read or written.
pub fn run(arguments: CarrierArgs) -> Result<()> {
    if arguments.grammar {
        return Ok(std::io::stdout().write_all(grammar::table().as_bytes())?);
    }
    let (every, json) = (arguments.summary_every, arguments.json);
    let options = options(arguments)?;
    raise_open_files();
    // Before the carrier's threads are there: they must not take the signals.
    let signals = signals()?;
    let carrier = Carrier::start(options)?;
    say(&format!("the simulated carrier listens on {} (UDP and TCP)\n", carrier.addr));
    wait(&carrier, &signals, every.map(Duration::from_secs));
    let report = carrier.stop();
    say(&report.to_string());
    if json {
        let mut line = serde_json::to_string(&report.totals)?;
        line.push('\n');
        std::io::stdout().write_all(line.as_bytes())?;
    }
    match report.ledger_fault {
        None => Ok(()),
        Some(fault) => Err(fault).context("the ledger's file is incomplete"),
    }
}

fn options(arguments: CarrierArgs) -> Result<Options> {
    let mut options = Options::new(arguments.listen);
    options.advertise = arguments.advertise;
    options.rtp_ports = arguments.rtp_ports;
    options.rtp_calls_max = arguments.rtp_calls;
    options.rtp_loss_per_10_000 = arguments.rtp_loss;
    options.ledger = arguments.ledger;
    let behaviour = &mut options.behaviour;
    behaviour.seed = arguments.seed;
    behaviour.second_ms = arguments.second_ms;
    let mix = arguments.mix.unwrap_or_default();
    behaviour.mix = Mix {
        delay: arguments.delay.unwrap_or(mix.delay),
        ring: arguments.ring.unwrap_or(mix.ring),
        talk: arguments.talk.unwrap_or(mix.talk),
        early_media_percent: arguments.early_media.unwrap_or(mix.early_media_percent),
        ..mix
    };
    behaviour.faults = Faults {
        loss_per_10_000: arguments.loss,
        duplicates_per_10_000: arguments.duplicates,
        delay: Duration::from_millis(arguments.delay_ms),
        jitter: Duration::from_millis(arguments.jitter_ms),
        invites_per_second: arguments.limit,
        refusals_per_10_000: 0,
        down: arguments.down,
    };
    let password = match &arguments.password_file {
        None => Login::default().password,
        Some(path) => std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the password from {}", path.display()))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
    };
    behaviour.login = Login { username: arguments.username, password };
    behaviour.challenge = arguments.auth.map(Challenge::from).unwrap_or_default();
    behaviour.register_challenge = arguments.register_auth.map(Challenge::from).unwrap_or_default();
    Ok(options)
}

/// Prints summaries until somebody wants it to end.
fn wait(carrier: &CarrierHandle, signals: &Receiver<Signal>, every: Option<Duration>) {
    loop {
        let heard = match every {
            Some(every) => signals.recv_timeout(every),
            None => signals.recv().map_err(RecvTimeoutError::from),
        };
        match heard {
            Ok(Signal::SIGUSR1) | Err(RecvTimeoutError::Timeout) => {
                say(&format!("{}\n", carrier.totals()));
            }
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// The signals that are for us, from a thread that waits for them.
fn signals() -> Result<Receiver<Signal>> {
    let ours = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1]);
    ours.thread_block().context("cannot take over the signals")?;
    let (tell, heard) = channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        while let Ok(signal) = ours.wait() {
            if tell.send(signal).is_err() {
                return;
            }
        }
    })?;
    Ok(heard)
}

/// A call with RTP holds two files, and the usual limit is 1024 of them.
fn raise_open_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Without it there are fewer calls with RTP, and the summary says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

fn say(text: &str) {
    // Nobody reads it: nothing to do about it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn after_help() -> String {
    format!(
        "The number grammar: a number that ends in 999, a code of three digits and two digits nn\n\
         chooses what its callee does, and what should become of the call:\n\n{}\n\
         Other numbers behave by a seeded mix (--mix). docs/test-numbers.md has this as a table.",
        grammar::listing()
    )
}

fn mix(text: &str) -> Result<Mix, String> {
    Mix::default().with_parts(text).map_err(|error| error.to_string())
}

/// `0.5` is 50 of 10 000.
fn per_10_000(text: &str) -> Result<u32, String> {
    match text.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok((percent * 100.0).round() as u32),
        _ => Err("write a percentage from 0 to 100".to_owned()),
    }
}

/// `1,6,25` or `6`, in seconds.
fn spread(text: &str) -> Result<Spread, String> {
    let wrong = || "write seconds as LEAST,USUAL,MOST, such as 1,6,25, or one number".to_owned();
    let parts: Vec<u64> = text
        .split(',')
        .map(|part| match part.trim().parse::<f64>() {
            Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok((seconds * 1_000.0) as u64),
            _ => Err(wrong()),
        })
        .collect::<Result<_, _>>()?;
    match parts[..] {
        [ms] => Ok(Spread::exactly_ms(ms)),
        [least_ms, usual_ms, most_ms] if least_ms <= usual_ms && usual_ms <= most_ms => {
            Ok(Spread { least_ms, usual_ms, most_ms })
        }
        _ => Err(wrong()),
    }
}

/// `20000-29999`.
fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let parsed = text
        .split_once('-')
        .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    match parsed {
        Some((first, last)) if first >= 1_024 && last > first => Ok(first..=last),
        _ => Err("write two ports from 1024 on, such as 20000-29999".to_owned()),
    }
}

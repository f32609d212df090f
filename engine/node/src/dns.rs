//! Where a gateway is: RFC 3263 by a thread with a resolver, asked by the shard's loop.
//!
//! An address needs no question. With a port, or for `localhost`, the name's addresses count;
//! without, its SRV records by priority and weight, then its addresses on port 5060.

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use sip::port::{GatewayId, Peer, Targets, Transport};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// The longest that one name is looked for.
const LOOKUP_MAX: Duration = Duration::from_secs(5);
/// The most addresses of one gateway that are tried.
const PEERS_MAX: usize = 8;
/// The port of SIP without TLS (RFC 3261, 19.1.2).
const SIP_PORT: u16 = 5060;
/// Records are asked for again after their time to live, but not more often than the first and
/// not less often than the second.
const TTL: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// What is to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// For whom.
    pub gateway: GatewayId,
    /// The name, or an address.
    pub host: String,
    /// The port, when the URI gave one.
    pub port: Option<u16>,
    /// The transport.
    pub transport: Transport,
}

/// The gateway's peers, best first, and how long they are good for; or why there are none, for
/// people.
pub type Found = Result<Targets, String>;

/// Asks the resolver's thread.
#[derive(Clone, Debug)]
pub struct Dns {
    questions: Sender<Question>,
}

impl Dns {
    /// Starts the thread; `answer` is called on it for each question. It ends with the last clone.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(answer: impl FnMut(GatewayId, Found) + Send + 'static) -> std::io::Result<Self> {
        let (questions, asked) = channel();
        std::thread::Builder::new().name("dns".into()).spawn(move || run(asked, answer))?;
        Ok(Self { questions })
    }

    /// Asks; the answer comes later.
    pub fn ask(&self, question: Question) {
        // The thread ends only with us.
        let _ = self.questions.send(question);
    }
}

/// Finds a gateway's peers, waiting for them at most five seconds.
pub fn find_now(question: &Question) -> Found {
    if let Some(found) = without_asking(question) {
        return found;
    }
    let runtime = runtime()?;
    runtime.block_on(async {
        let resolver = resolver()?;
        find(&resolver, question).await
    })
}

fn run(asked: Receiver<Question>, mut answer: impl FnMut(GatewayId, Found)) {
    let runtime = runtime();
    // Made at the first name: who has only addresses needs no resolver.
    let mut resolver = None;
    for question in asked {
        let found = without_asking(&question).unwrap_or_else(|| {
            let runtime = runtime.as_ref().map_err(String::clone)?;
            runtime.block_on(async {
                if resolver.is_none() {
                    resolver = Some(self::resolver()?);
                }
                let resolver = resolver.as_ref().expect("made above");
                find(resolver, &question).await
            })
        });
        answer(question.gateway, found);
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the resolver cannot be started: {error}"))
}

fn resolver() -> Result<TokioResolver, String> {
    TokioResolver::builder_tokio()
        .and_then(|builder| builder.build())
        .map_err(|error| format!("the resolver's configuration cannot be read: {error}"))
}

/// An address, or `localhost`, which must work without any name server.
fn without_asking(question: &Question) -> Option<Found> {
    let host = question.host.trim_start_matches('[').trim_end_matches(']');
    let address = match host.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) if host.eq_ignore_ascii_case("localhost") => IpAddr::from([127, 0, 0, 1]),
        Err(_) => return None,
    };
    let port = question.port.unwrap_or(SIP_PORT);
    Some(Ok(Targets { peers: vec![peer(question, address, port)], ttl: TTL.1 }))
}

async fn find(resolver: &TokioResolver, question: &Question) -> Found {
    match tokio::time::timeout(LOOKUP_MAX, look_up(resolver, question)).await {
        Ok(found) => found,
        Err(_) => Err(format!("no name server answered for {} in 5 s", question.host)),
    }
}

async fn look_up(resolver: &TokioResolver, question: &Question) -> Found {
    let mut peers = Vec::new();
    let mut good_until = Instant::now() + TTL.1;
    if question.port.is_none() {
        for (host, port) in services(resolver, question, &mut good_until).await {
            if peers.len() >= PEERS_MAX {
                break;
            }
            if let Ok(addresses) = resolver.lookup_ip(host.as_str()).await {
                good_until = good_until.min(addresses.valid_until());
                peers.extend(addresses.iter().map(|address| peer(question, address, port)));
            }
        }
    }
    if peers.is_empty() {
        let port = question.port.unwrap_or(SIP_PORT);
        let addresses = resolver.lookup_ip(question.host.as_str()).await.map_err(|error| {
            match error.is_no_records_found() || error.is_nx_domain() {
                true => format!("{} has no address in the DNS", question.host),
                false => format!("{} has no address: {error}", question.host),
            }
        })?;
        good_until = good_until.min(addresses.valid_until());
        peers.extend(addresses.iter().map(|address| peer(question, address, port)));
    }
    peers.truncate(PEERS_MAX);
    match peers.is_empty() {
        true => Err(format!("{} has no address", question.host)),
        false => Ok(Targets { peers, ttl: (good_until - Instant::now()).clamp(TTL.0, TTL.1) }),
    }
}

/// The hosts and ports of the SRV records, in the order they are to be tried (RFC 2782).
async fn services(
    resolver: &TokioResolver,
    question: &Question,
    good_until: &mut Instant,
) -> Vec<(String, u16)> {
    let transport = match question.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let name = format!("_sip._{transport}.{}", question.host);
    let Ok(found) = resolver.srv_lookup(name.as_str()).await else { return Vec::new() };
    *good_until = found.valid_until().min(*good_until);
    let mut services: Vec<(u16, u16, String, u16)> = found
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => {
                let host = srv.target.to_utf8();
                Some((srv.priority, srv.weight, host, srv.port))
            }
            _ => None,
        })
        .filter(|(_, _, host, _)| host != ".")
        .collect();
    by_priority_and_weight(&mut services, || getrandom::u32().unwrap_or_default());
    services.into_iter().map(|(_, _, host, port)| (host, port)).collect()
}

/// Orders by priority, and within one at random by weight (RFC 2782, "Weight").
fn by_priority_and_weight<T>(services: &mut [(u16, u16, T, u16)], mut dice: impl FnMut() -> u32) {
    services.sort_by_key(|(priority, weight, ..)| (*priority, *weight));
    let mut from = 0;
    while from < services.len() {
        let priority = services[from].0;
        let same = services[from..].iter().take_while(|s| s.0 == priority).count();
        let total: u64 = services[from..from + same].iter().map(|s| u64::from(s.1)).sum();
        let mut roll = u64::from(dice()) % (total + 1);
        let chosen = services[from..from + same].iter().position(|service| {
            let here = u64::from(service.1) >= roll;
            roll = roll.saturating_sub(service.1.into());
            here
        });
        // The rest keeps its order: those of weight 0 stand first, as the RFC asks.
        services[from..=from + chosen.unwrap_or(0)].rotate_right(1);
        from += 1;
    }
}

fn peer(question: &Question, address: IpAddr, port: u16) -> Peer {
    Peer { transport: question.transport, address: SocketAddr::new(address, port) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(host: &str, port: Option<u16>) -> Question {
        Question { gateway: GatewayId(0), host: host.into(), port, transport: Transport::Udp }
    }

    #[test]
    fn an_address_and_localhost_need_no_name_server() {
        let found =
            |host, port| find_now(&question(host, port)).unwrap().peers[0].address.to_string();
        assert_eq!(found("127.0.0.1", Some(5070)), "127.0.0.1:5070");
        assert_eq!(found("192.0.2.1", None), "192.0.2.1:5060");
        assert_eq!(found("[2001:db8::1]", Some(5080)), "[2001:db8::1]:5080");
        assert_eq!(found("localhost", None), "127.0.0.1:5060");
    }

    // RFC 2606: .invalid never resolves.
    #[test]
    fn a_name_without_an_address_is_told_in_one_sentence() {
        let error = find_now(&question("gateway.invalid", None)).unwrap_err();
        assert!(error.contains("gateway.invalid"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn services_are_tried_by_priority_and_more_often_by_weight() {
        let mut first = [0_u32; 2];
        let mut seed = 1_u32;
        for _ in 0..3_000 {
            let mut services = [(20, 100, "c", 1), (10, 60, "a", 1), (10, 20, "b", 1)];
            by_priority_and_weight(&mut services, || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed >> 8
            });
            assert_eq!(services[2].2, "c", "a higher number comes last");
            first[usize::from(services[0].2 == "b")] += 1;
        }
        assert!((2_050..2_450).contains(&first[0]), "three quarters begin with a: {first:?}");
    }
}

//! Bytes to a [`Description`]: what of an SDP matters here, each media with its session-level
//! defaults.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::{Direction, MEDIA_MAX, SDP_BYTES_MAX, SdpFault};

/// The most formats that are read of one `m=` line. More are ignored: the best stand first.
const FORMATS_MAX: usize = 64;

/// An SDP, as far as it matters for audio.
#[derive(Debug)]
pub(super) struct Description<'a> {
    /// Every `m=` in order: an answer must mirror them all.
    pub media: Vec<Media<'a>>,
}

/// One `m=` and the lines below it.
#[derive(Debug)]
pub(super) struct Media<'a> {
    /// `audio`, `video`, `image`, …
    pub kind: &'a str,
    /// 0 when it is refused.
    pub port: u16,
    /// `RTP/AVP`, `udptl`, …
    pub protocol: &'a str,
    /// The formats as they were written, to be mirrored in a refusal.
    pub formats_text: &'a str,
    /// The payload types among them, best first.
    pub formats: Vec<u8>,
    /// `a=rtpmap`: what a payload type means.
    pub maps: Vec<Map<'a>>,
    /// The address of its own `c=` line, else the session's.
    pub address: Option<Connection>,
    /// Its own direction, else the session's, else both ways.
    pub direction: Direction,
    /// `a=ptime`, as they wrote it.
    pub ptime_ms: Option<u32>,
    /// `a=maxptime`, as they wrote it.
    pub ptime_ms_max: Option<u32>,
    /// `a=rtcp` (RFC 3605): a port, and an address when it is another.
    pub rtcp: Option<(u16, Option<IpAddr>)>,
}

/// One `a=rtpmap`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Map<'a> {
    pub payload_type: u8,
    pub name: &'a str,
    pub rate_hz: u32,
    pub channels: u32,
}

/// What a `c=` line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Connection {
    /// Audio goes there.
    To(IpAddr),
    /// `0.0.0.0` or `::`: nowhere for now (hold, RFC 3264, 8.4).
    Nowhere(IpAddr),
    /// Nowhere that audio may go, and why.
    Unusable(&'static str),
}

/// What stands before the first `m=` and holds for each of them.
#[derive(Default)]
struct Defaults {
    address: Option<Connection>,
    direction: Option<Direction>,
    ptime_ms: Option<u32>,
    ptime_ms_max: Option<u32>,
}

impl<'a> Description<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, SdpFault> {
        if bytes.len() > SDP_BYTES_MAX {
            return Err(SdpFault::TooLong(bytes.len()));
        }
        if !bytes.trim_ascii_start().starts_with(b"v=0") {
            return Err(SdpFault::NotSdp);
        }
        let mut defaults = Defaults::default();
        let mut media: Vec<Media<'a>> = Vec::new();
        // Some peers write only CR, or only LF. Either ends a line; the empty ones between do not
        // count.
        let lines =
            bytes.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            // A name in Latin-1 or GBK (`s=`, `i=`) is no reason to lose the call: not UTF-8, not
            // needed.
            let Ok(line) = str::from_utf8(line) else { continue };
            let Some((kind, value)) = line.trim_ascii_end().split_once('=') else { continue };
            match kind {
                "m" if media.len() == MEDIA_MAX => return Err(SdpFault::TooManyMedia),
                "m" => media.push(
                    Media::read(value, &defaults)
                        .map_err(|what| SdpFault::Line { line: number + 1, what })?,
                ),
                "c" => {
                    let address = Some(Connection::read(value));
                    match media.last_mut() {
                        Some(media) => media.address = address,
                        None => defaults.address = address,
                    }
                }
                "a" => match media.last_mut() {
                    Some(media) => media.read_attribute(value),
                    None => defaults.read_attribute(value),
                },
                // Bandwidth, keys, times, names, and what is not invented yet.
                _ => {}
            }
        }
        Ok(Self { media })
    }
}

impl<'a> Media<'a> {
    fn read(value: &'a str, defaults: &Defaults) -> Result<Self, &'static str> {
        let mut parts = value.splitn(4, ' ');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let kind = next().ok_or("m= without a kind")?;
        let port = next().ok_or("m= without a port")?;
        let protocol = next().ok_or("m= without a protocol")?;
        let formats_text = next().ok_or("m= without formats")?;
        // `49170/2` is two pairs of ports, for layered video. The first is the audio's.
        let port = port.split('/').next().unwrap_or(port);
        let formats = if kind == "audio" { payload_types(formats_text) } else { Vec::new() };
        Ok(Self {
            kind,
            port: port.parse().map_err(|_| "the port of m= is not a number below 65536")?,
            protocol,
            formats_text,
            formats,
            maps: Vec::new(),
            address: defaults.address,
            direction: defaults.direction.unwrap_or(Direction::SendRecv),
            ptime_ms: defaults.ptime_ms,
            ptime_ms_max: defaults.ptime_ms_max,
            rtcp: None,
        })
    }

    /// An attribute that cannot be read counts as absent: it is never worth the call.
    fn read_attribute(&mut self, attribute: &'a str) {
        if let Some(direction) = Direction::named(attribute) {
            self.direction = direction;
            return;
        }
        match attribute.split_once(':') {
            Some(("rtpmap", value)) if self.maps.len() < FORMATS_MAX => {
                self.maps.extend(Map::read(value))
            }
            Some(("ptime", value)) => self.ptime_ms = milliseconds(value),
            Some(("maxptime", value)) => self.ptime_ms_max = milliseconds(value),
            Some(("rtcp", value)) => self.rtcp = rtcp(value),
            _ => {}
        }
    }

    /// What a payload type means here: by its map, else by its static meaning (RFC 3551, 6).
    pub fn meaning(&self, payload_type: u8) -> Option<Map<'a>> {
        let mapped = self.maps.iter().copied().find(|map| map.payload_type == payload_type);
        mapped.or(match payload_type {
            0 => Some(Map { payload_type, name: "PCMU", rate_hz: 8_000, channels: 1 }),
            8 => Some(Map { payload_type, name: "PCMA", rate_hz: 8_000, channels: 1 }),
            _ => None,
        })
    }

    /// Where the audio goes, and whether it may go there now.
    pub fn destination(&self) -> Result<(SocketAddr, bool), SdpFault> {
        match self.address.ok_or(SdpFault::NoAddress)? {
            Connection::To(ip) => Ok((SocketAddr::new(ip, self.port), true)),
            Connection::Nowhere(ip) => Ok((SocketAddr::new(ip, self.port), false)),
            Connection::Unusable(why) => Err(SdpFault::Address(why)),
        }
    }
}

impl<'a> Map<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let (payload_type, encoding) = value.split_once(' ')?;
        let mut parts = encoding.trim_ascii().split('/');
        Some(Self {
            payload_type: payload_type.parse().ok().filter(|&number| number < 128)?,
            name: parts.next()?,
            rate_hz: parts.next()?.parse().ok()?,
            channels: parts.next().and_then(|channels| channels.parse().ok()).unwrap_or(1),
        })
    }
}

impl Connection {
    /// One that cannot be read is only unusable: it may be the video's.
    fn read(value: &str) -> Self {
        let mut parts = value.split_ascii_whitespace();
        let (net, family, address) = (parts.next(), parts.next(), parts.next());
        if !net.is_some_and(|net| net.eq_ignore_ascii_case("IN"))
            || !matches!(family, Some("IP4" | "IP6"))
        {
            return Self::Unusable("not an Internet address (IN IP4 or IN IP6)");
        }
        // A multicast address carries `/ttl`; it is refused below, but as what it is.
        let address = address.and_then(|address| address.split('/').next());
        let Some(ip) = address.and_then(|address| IpAddr::from_str(address).ok()) else {
            return Self::Unusable("a name or nothing instead of an IP address");
        };
        match ip {
            _ if ip.is_unspecified() => Self::Nowhere(ip),
            // One forged SDP must not make us flood a network segment.
            _ if ip.is_multicast() => Self::Unusable("a multicast address"),
            IpAddr::V4(Ipv4Addr::BROADCAST) => Self::Unusable("the broadcast address"),
            // An IPv4 address in IPv6's clothes goes out by the IPv4 socket it means.
            IpAddr::V6(v6) => Self::To(v6.to_ipv4_mapped().map_or(ip, IpAddr::V4)),
            IpAddr::V4(_) => Self::To(ip),
        }
    }
}

impl Defaults {
    fn read_attribute(&mut self, attribute: &str) {
        match attribute.split_once(':') {
            Some(("ptime", value)) => self.ptime_ms = milliseconds(value),
            Some(("maxptime", value)) => self.ptime_ms_max = milliseconds(value),
            _ => self.direction = Direction::named(attribute).or(self.direction),
        }
    }
}

fn payload_types(formats: &str) -> Vec<u8> {
    let numbers = formats.split_ascii_whitespace().filter_map(|format| format.parse().ok());
    numbers.filter(|&number: &u8| number < 128).take(FORMATS_MAX).collect()
}

/// `20`, and the `20.0` that some gateways write.
fn milliseconds(value: &str) -> Option<u32> {
    value.trim_ascii().split('.').next()?.parse().ok()
}

/// `53020` or `53020 IN IP4 126.16.64.4` (RFC 3605, 2.1).
fn rtcp(value: &str) -> Option<(u16, Option<IpAddr>)> {
    let mut parts = value.split_ascii_whitespace();
    let port = parts.next()?.parse().ok().filter(|&port| port != 0)?;
    let address = parts.nth(2).and_then(|address| address.parse().ok());
    Some((port, address.filter(|ip: &IpAddr| !ip.is_multicast() && !ip.is_unspecified())))
}

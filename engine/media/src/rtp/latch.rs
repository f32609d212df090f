//! Who is *they*: the one address whose packets count (symmetric RTP, RFC 4961; strict source).
//!
//! Their SDP names an address. Behind a NAT it is not where their packets come from, and the only
//! way to reach them is to answer to where they do come from. So for a short while after the answer
//! another source may prove itself, by packets that follow on each other; then it is the only one.
//! Whoever sprays RTP over our ports later ("RTP bleed") is a stranger: counted, never heard, never
//! answered. The signalled address itself is theirs at any time: who can send from there is them,
//! or could forge any packet.

use std::net::SocketAddr;

use super::packet::Header;

/// Packets in sequence that prove another port of the signalled address.
const PROOF_SAME_ADDRESS: u8 = 2;

/// Packets in sequence that prove another address: 200 ms, in which the signalled one goes first if
/// it sends.
const PROOF_OTHER_ADDRESS: u8 = 10;

/// A candidate that was not heard for so long makes room for another.
const CANDIDATE_STALE_US: u64 = 200_000;

/// How far from the signalled address their audio may come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symmetric {
    /// Not at all: only from the signalled address and port, and there we send.
    Off,
    /// From any port of the signalled address.
    SameAddress,
    /// From anywhere: what a peer behind a NAT needs.
    Anywhere,
}

/// Whose a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Theirs.
    Theirs,
    /// Not theirs, or not yet proven.
    Stranger,
}

/// The decision, and what it still hangs on.
#[derive(Clone, Debug)]
pub struct Latch {
    symmetric: Symmetric,
    window_us: u64,
    window_ends_us: u64,
    signalled: Option<SocketAddr>,
    latched: Option<SocketAddr>,
    candidate: Option<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    source: SocketAddr,
    ssrc: u32,
    next: u16,
    proven: u8,
    heard_us: u64,
}

impl Latch {
    /// Nobody is expected yet. A window of `window_us` opens with [`Latch::expect`].
    pub fn new(symmetric: Symmetric, window_us: u64) -> Self {
        let (signalled, latched, candidate) = (None, None, None);
        Self { symmetric, window_us, window_ends_us: 0, signalled, latched, candidate }
    }

    /// Their SDP named this address. Said again unchanged it changes nothing; another one begins
    /// anew.
    pub fn expect(&mut self, signalled: SocketAddr, now_us: u64) {
        if self.signalled != Some(signalled) {
            self.signalled = Some(signalled);
            self.latched = None;
            self.candidate = None;
            self.reopen(now_us);
        }
    }

    /// They answered: audio may only begin here, long after early media's SDP.
    pub fn reopen(&mut self, now_us: u64) {
        self.window_ends_us = now_us + self.window_us;
    }

    /// Where our audio goes: to the proven source, else to the signalled one.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.latched.or(self.signalled)
    }

    /// Whether RTCP from there is theirs: RTCP has its own port, so the address alone must do.
    pub fn knows(&self, source: SocketAddr) -> bool {
        [self.latched, self.signalled]
            .into_iter()
            .flatten()
            .any(|theirs| theirs.ip() == source.ip())
    }

    /// Whose this packet is. `header` must be of a payload type that was agreed on.
    #[inline]
    pub fn judge(&mut self, source: SocketAddr, header: &Header, now_us: u64) -> Origin {
        if self.latched == Some(source) {
            Origin::Theirs
        } else {
            self.consider(source, header, now_us)
        }
    }

    fn consider(&mut self, source: SocketAddr, header: &Header, now_us: u64) -> Origin {
        let Some(signalled) = self.signalled else { return Origin::Stranger };
        if source == signalled {
            self.latched = Some(source);
            self.candidate = None;
            return Origin::Theirs;
        }
        let same_address = source.ip() == signalled.ip();
        let may = match self.symmetric {
            Symmetric::Off => false,
            Symmetric::SameAddress => same_address,
            Symmetric::Anywhere => true,
        };
        if !may || self.latched.is_some() || now_us > self.window_ends_us {
            return Origin::Stranger;
        }
        let next = header.sequence.wrapping_add(1);
        let fresh = Candidate { source, ssrc: header.ssrc, next, proven: 1, heard_us: now_us };
        let candidate = match self.candidate {
            Some(held) if held.source == source => {
                let follows = held.ssrc == header.ssrc && held.next == header.sequence;
                if follows { Candidate { proven: held.proven + 1, ..fresh } } else { fresh }
            }
            // A port of the signalled address is the better guess; another stranger must wait.
            Some(held) => {
                let better = same_address && held.source.ip() != signalled.ip();
                let stale = now_us.saturating_sub(held.heard_us) > CANDIDATE_STALE_US;
                if better || stale { fresh } else { held }
            }
            None => fresh,
        };
        self.candidate = Some(candidate);
        let proof = if same_address { PROOF_SAME_ADDRESS } else { PROOF_OTHER_ADDRESS };
        if candidate.source != source || candidate.proven < proof {
            return Origin::Stranger;
        }
        self.latched = Some(source);
        self.candidate = None;
        Origin::Theirs
    }
}

#[cfg(test)]
mod tests {
    use super::Symmetric::{Anywhere, Off, SameAddress};
    use super::*;

    const WINDOW_MS: u64 = 5_000;
    const SIGNALLED: &str = "192.0.2.5:5000";
    const OTHER_PORT: &str = "192.0.2.5:5004";
    const NAT: &str = "203.0.113.9:40000";

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address in a test")
    }

    /// `count` packets in sequence from `source`, the first at `at_ms`: how many of them are
    /// theirs.
    type Burst = (u64, &'static str, u16, u16);

    /// Bursts in order: how many packets of each are theirs, and where ours go at the end.
    fn check(symmetric: Symmetric, bursts: &[(Burst, u16)], destination: &str) {
        let mut latch = Latch::new(symmetric, WINDOW_MS * 1_000);
        latch.expect(address(SIGNALLED), 0);
        for &((at_ms, source, first, count), expected) in bursts {
            let theirs = (0..count).filter(|packet| {
                let sequence = first.wrapping_add(*packet);
                let header =
                    Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
                let now_us = (at_ms + u64::from(*packet) * 20) * 1_000;
                latch.judge(address(source), &header, now_us) == Origin::Theirs
            });
            assert_eq!(theirs.count() as u16, expected, "{source} at {at_ms} ms");
        }
        assert_eq!(latch.destination(), Some(address(destination)));
    }

    #[test]
    fn the_signalled_address_is_believed_at_once_and_a_stranger_never_after() {
        check(Anywhere, &[((0, SIGNALLED, 7, 1), 1), ((20, NAT, 1, 100), 0)], SIGNALLED);
        check(Anywhere, &[((0, SIGNALLED, 7, 1), 1), ((20, OTHER_PORT, 1, 100), 0)], SIGNALLED);
        check(Anywhere, &[((60_000, SIGNALLED, 7, 9), 9)], SIGNALLED);
    }

    #[test]
    fn another_source_proves_itself_by_packets_in_sequence() {
        check(Anywhere, &[((0, NAT, 65_530, 20), 11)], NAT);
        check(Anywhere, &[((0, OTHER_PORT, 7, 20), 19)], OTHER_PORT);
        let scattered: Vec<_> = (0..100).map(|n| ((n * 20, NAT, n as u16 * 7, 1), 0)).collect();
        check(Anywhere, &scattered, SIGNALLED);
    }

    #[test]
    fn how_far_away_it_may_be_is_an_option() {
        check(Off, &[((0, OTHER_PORT, 7, 20), 0)], SIGNALLED);
        check(SameAddress, &[((0, NAT, 7, 20), 0), ((400, OTHER_PORT, 7, 20), 19)], OTHER_PORT);
    }

    #[test]
    fn the_window_closes_and_an_answer_opens_it_again() {
        check(Anywhere, &[((WINDOW_MS + 1, NAT, 7, 20), 0)], SIGNALLED);
        let mut latch = Latch::new(Anywhere, WINDOW_MS * 1_000);
        latch.expect(address(SIGNALLED), 0);
        latch.reopen(30_000_000);
        let header =
            |sequence| Header { marker: false, payload_type: 0, sequence, timestamp: 0, ssrc: 1 };
        let theirs = (0..20)
            .filter(|&n| latch.judge(address(NAT), &header(n), 31_000_000) == Origin::Theirs);
        assert_eq!(theirs.count(), 11);
    }

    #[test]
    fn the_signalled_address_takes_back_what_a_stranger_won() {
        check(
            Anywhere,
            &[((0, NAT, 7, 20), 11), ((400, SIGNALLED, 7, 5), 5), ((500, NAT, 27, 20), 0)],
            SIGNALLED,
        );
    }

    #[test]
    fn a_stranger_who_sprays_does_not_keep_the_peer_out() {
        let mut bursts = Vec::new();
        for n in 0..20 {
            bursts.push(((n * 20, NAT, n as u16 * 1_000, 1), 0));
            bursts.push(((n * 20, OTHER_PORT, n as u16, 1), u16::from(n >= 1)));
        }
        check(Anywhere, &bursts, OTHER_PORT);
    }

    #[test]
    fn a_new_address_begins_anew_and_the_same_one_does_not() {
        let mut latch = Latch::new(Anywhere, WINDOW_MS * 1_000);
        let header = Header { marker: false, payload_type: 0, sequence: 1, timestamp: 0, ssrc: 1 };
        assert_eq!(
            latch.judge(address(SIGNALLED), &header, 0),
            Origin::Stranger,
            "nobody is expected"
        );
        latch.expect(address(SIGNALLED), 0);
        assert_eq!(latch.judge(address(SIGNALLED), &header, 0), Origin::Theirs);
        latch.expect(address(SIGNALLED), 9_000_000);
        assert_eq!(latch.window_ends_us, WINDOW_MS * 1_000);
        latch.expect(address(OTHER_PORT), 9_000_000);
        assert_eq!(latch.judge(address(SIGNALLED), &header, 9_000_000), Origin::Stranger);
        assert_eq!(latch.destination(), Some(address(OTHER_PORT)));
        assert!(latch.knows(address("192.0.2.5:1")) && !latch.knows(address(NAT)));
    }
}

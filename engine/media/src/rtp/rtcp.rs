//! RTCP: what we tell them about both directions every few seconds, and what they tell us (RFC
//! 3550, 6).
//!
//! A compound packet of ours is a report (SR when we sent since the last one, else RR), a name, and
//! at the end a BYE. Of theirs we use the loss that they report about us, the time of their SR
//! (their round trip hangs on it), and their BYE; everything else is stepped over.

use super::packet::is_rtcp_type;
use super::receive::Tally;

/// Room for the longest compound packet of ours: SR with a block, SDES, BYE.
pub const COMPOUND_BYTES_MAX: usize = 28 + 24 + SDES_BYTES + 8;

/// SDES with our name of 16 characters, ended and padded to words.
const SDES_BYTES: usize = 4 + 4 + 2 + NAME_BYTES + 2;
const NAME_BYTES: usize = 16;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// Seconds from 1900, NTP's beginning, to 1970.
const UNIX_IN_NTP_S: u64 = 2_208_988_800;

/// What goes into a compound packet of ours.
#[derive(Clone, Copy, Debug)]
pub struct Ours<'a> {
    /// Our SSRC.
    pub ssrc: u32,
    /// Our name for the session, random and without meaning (RFC 7022): never a host or a number.
    pub name: &'a [u8; NAME_BYTES],
    /// What we sent, when we sent since the report before.
    pub sent: Option<Sent>,
    /// What we received, and their SR before.
    pub heard: Option<(Tally, LastReport)>,
    /// Whether it is our last.
    pub goodbye: bool,
}

/// A sender report's worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sent {
    /// Now, in microseconds since 1970.
    pub unix_us: u64,
    /// Now, in our RTP timestamps.
    pub timestamp: u32,
    /// RTP packets so far.
    pub packets: u32,
    /// Payload bytes so far.
    pub octets: u32,
}

/// Their last sender report: what a round trip is measured by (RFC 3550, 6.4.1, LSR and DLSR).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LastReport {
    /// The middle 32 bits of its NTP time; 0 when there was none.
    pub ntp: u32,
    /// How long ago it came, in 1/65536 s.
    pub ago: u32,
}

/// What they told us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// A sender report, with the middle 32 bits of its NTP time.
    Report {
        /// Who reports.
        ssrc: u32,
        /// Its time, to be sent back.
        ntp: u32,
    },
    /// How a stream arrives there.
    Block {
        /// Whose stream.
        about: u32,
        /// Loss since the report before, in 1/256.
        lost_256ths: u8,
    },
    /// They leave.
    Goodbye {
        /// Who.
        ssrc: u32,
    },
}

impl Ours<'_> {
    /// Writes the compound packet; how many bytes of `into` it takes.
    pub fn write(&self, into: &mut [u8; COMPOUND_BYTES_MAX]) -> usize {
        let mut out = Writer { into, at: 0 };
        let blocks = u8::from(self.heard.is_some());
        match &self.sent {
            Some(sent) => {
                out.head(SENDER_REPORT, blocks, 6 + u16::from(blocks) * 6);
                out.word(self.ssrc);
                let seconds = sent.unix_us / 1_000_000 + UNIX_IN_NTP_S;
                let fraction = ((sent.unix_us % 1_000_000) << 32) / 1_000_000;
                out.word(seconds as u32);
                out.word(fraction as u32);
                out.word(sent.timestamp);
                out.word(sent.packets);
                out.word(sent.octets);
            }
            None => {
                out.head(RECEIVER_REPORT, blocks, 1 + u16::from(blocks) * 6);
                out.word(self.ssrc);
            }
        }
        if let Some((tally, last)) = &self.heard {
            out.word(tally.ssrc);
            // A signed 24-bit count (RFC 3550, 6.4.1).
            out.word(u32::from(tally.lost_256ths) << 24 | tally.lost.min(0x7f_ffff));
            out.word(tally.highest);
            out.word(tally.jitter);
            out.word(last.ntp);
            out.word(last.ago);
        }
        out.head(SOURCE_DESCRIPTION, 1, (SDES_BYTES / 4 - 1) as u16);
        out.word(self.ssrc);
        out.bytes(&[1, NAME_BYTES as u8]);
        out.bytes(self.name);
        out.bytes(&[0, 0]);
        if self.goodbye {
            out.head(GOODBYE, 1, 1);
            out.word(self.ssrc);
        }
        out.at
    }
}

struct Writer<'a> {
    into: &'a mut [u8; COMPOUND_BYTES_MAX],
    at: usize,
}

impl Writer<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.into[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    /// `words` are those after this one.
    fn head(&mut self, packet_type: u8, count: u8, words: u16) {
        self.bytes(&[0x80 | count, packet_type]);
        self.bytes(&words.to_be_bytes());
    }
}

/// What a compound packet of theirs tells, in order. Reading stops where it cannot be understood:
/// what stood before holds.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = Told> {
    let packets = std::iter::from_fn(move || {
        let (&[first, packet_type, high, low], rest) = bytes.split_first_chunk::<4>()?;
        let body = rest.get(..usize::from(u16::from_be_bytes([high, low])) * 4)?;
        if first >> 6 != 2 || !is_rtcp_type(packet_type) {
            return None;
        }
        bytes = &rest[body.len()..];
        Some((first & 0x1f, packet_type, body))
    });
    packets.flat_map(|(count, packet_type, body)| {
        // Everything is words; the first is who sends, then an SR has five of its own.
        let word = move |at: usize| {
            let bytes = body.get(at * 4..at * 4 + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().expect("four bytes were taken")))
        };
        let blocks_at = match packet_type {
            SENDER_REPORT => Some(6),
            RECEIVER_REPORT => Some(1),
            _ => None,
        };
        let report = (packet_type == SENDER_REPORT)
            .then(|| Some(Told::Report { ssrc: word(0)?, ntp: word(1)? << 16 | word(2)? >> 16 }))
            .flatten();
        let blocks = blocks_at.into_iter().flat_map(move |begin| {
            (0..usize::from(count)).map_while(move |block| {
                let (about, loss) = (word(begin + block * 6)?, word(begin + block * 6 + 1)?);
                word(begin + block * 6 + 5)?;
                Some(Told::Block { about, lost_256ths: (loss >> 24) as u8 })
            })
        });
        let goodbyes = if packet_type == GOODBYE { usize::from(count) } else { 0 };
        let goodbyes = (0..goodbyes).map_while(move |at| Some(Told::Goodbye { ssrc: word(at)? }));
        report.into_iter().chain(blocks).chain(goodbyes)
    })
}

#[cfg(test)]
mod tests {
    use ::rtcp::goodbye::Goodbye;
    use ::rtcp::packet::Packet;
    use ::rtcp::receiver_report::ReceiverReport;
    use ::rtcp::sender_report::SenderReport;
    use ::rtcp::source_description::SourceDescription;
    use webrtc_util::marshal::Marshal;

    use super::*;
    use crate::seeded::Seeded;

    const TALLY: Tally =
        Tally { ssrc: 77, lost_256ths: 51, lost: 0xffff_ffff, highest: 70_000, jitter: 9 };
    const SENT: Sent = Sent { unix_us: 1_500_000, timestamp: 5, packets: 6, octets: 960 };

    fn ours(sent: Option<Sent>, heard: Option<(Tally, LastReport)>, goodbye: bool) -> Vec<u8> {
        let mut into = [0; COMPOUND_BYTES_MAX];
        let ours = Ours { ssrc: 42, name: b"0123456789abcdef", sent, heard, goodbye };
        let length = ours.write(&mut into);
        into[..length].to_vec()
    }

    fn by_the_crate(bytes: &[u8]) -> Vec<Box<dyn Packet + Send + Sync>> {
        ::rtcp::packet::unmarshal(&mut &bytes[..]).expect("the rtcp crate reads ours")
    }

    #[test]
    fn a_sender_report_of_ours_is_what_the_rtcp_crate_reads() {
        let bytes = ours(Some(SENT), Some((TALLY, LastReport { ntp: 3, ago: 4 })), true);
        assert_eq!(bytes.len(), COMPOUND_BYTES_MAX);
        let packets = by_the_crate(&bytes);
        let report = packets[0].as_any().downcast_ref::<SenderReport>().expect("first an SR");
        assert_eq!((report.ssrc, report.rtp_time), (42, 5));
        assert_eq!((report.packet_count, report.octet_count), (6, 960));
        assert_eq!(report.ntp_time, (UNIX_IN_NTP_S + 1) << 32 | 1 << 31);
        let block = &report.reports[0];
        assert_eq!((block.ssrc, block.fraction_lost, block.total_lost), (77, 51, 0x7f_ffff));
        assert_eq!((block.last_sequence_number, block.jitter), (70_000, 9));
        assert_eq!((block.last_sender_report, block.delay), (3, 4));
        let names = packets[1].as_any().downcast_ref::<SourceDescription>().expect("then SDES");
        assert_eq!(&names.chunks[0].items[0].text[..], b"0123456789abcdef");
        let goodbye = packets[2].as_any().downcast_ref::<Goodbye>().expect("then BYE");
        assert_eq!(goodbye.sources, [42]);
    }

    #[test]
    fn who_sent_nothing_makes_a_receiver_report() {
        let packets = by_the_crate(&ours(None, Some((TALLY, LastReport::default())), false));
        let report = packets[0].as_any().downcast_ref::<ReceiverReport>().expect("an RR");
        assert_eq!((report.ssrc, report.reports.len(), packets.len()), (42, 1, 2));
        let packets = by_the_crate(&ours(None, None, false));
        assert!(
            packets[0].as_any().downcast_ref::<ReceiverReport>().expect("an RR").reports.is_empty()
        );
    }

    #[test]
    fn theirs_is_read_packet_by_packet() {
        let block = |ssrc, fraction_lost| ::rtcp::reception_report::ReceptionReport {
            ssrc,
            fraction_lost,
            ..Default::default()
        };
        let report = SenderReport {
            ssrc: 7,
            ntp_time: 0x1122_3344_5566_7788,
            reports: vec![block(1, 10), block(2, 20)],
            ..Default::default()
        };
        let goodbye = Goodbye { sources: vec![7, 8], ..Default::default() };
        let bytes = [report.marshal().expect("an SR"), goodbye.marshal().expect("a BYE")].concat();
        assert_eq!(
            read(&bytes).collect::<Vec<_>>(),
            [
                Told::Report { ssrc: 7, ntp: 0x3344_5566 },
                Told::Block { about: 1, lost_256ths: 10 },
                Told::Block { about: 2, lost_256ths: 20 },
                Told::Goodbye { ssrc: 7 },
                Told::Goodbye { ssrc: 8 },
            ]
        );
        assert_eq!(
            read(&bytes[..bytes.len() - 1]).count(),
            3,
            "a cut packet is not read, the one before is"
        );
        assert_eq!(read(b"\x80\xc8\x00\x00").count(), 0, "an SR without its words");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let full = ours(Some(SENT), Some((TALLY, LastReport::default())), true);
        let mut seeded = Seeded(6);
        let mut told = 0;
        for _ in 0..60_000 {
            told += read(&seeded.mutated(&[&full, &ours(None, None, true)])).count();
        }
        assert!(told > 10_000, "only {told}: the mutations leave nothing to read");
    }
}

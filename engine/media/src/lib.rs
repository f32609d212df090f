//! RTP, codecs, prompts, digits, mixing, and the pump's slot wheel. Knows nothing of calls.
//!
//! [`port`] is what goes in and out. [`pump::Pump`] does it: a thread that owns the sockets. Below
//! it everything is a value that is told the time: [`stream`] is one call's audio, [`wheel`] says
//! whose turn it is, [`rtp`], [`dtmf`], [`jitter`] are its parts. [`sdp`] settles addresses and
//! codecs, [`clip`] and [`prompt`] make audio files ready, [`record`] writes what was said,
//! [`sink`] is the address of calls without media.
//!
//! ```no_run
//! use media::port::{MediaHeard, MediaOrder, StreamId};
//! use media::prompt::{FolderLimits, Prompts};
//! use media::pump::{Pump, PumpOptions};
//! use media::sdp::{self, Direction};
//! use media::port::Codec;
//!
//! # fn call(answer: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let prompts = Prompts::new();
//! for fault in prompts.load_folder("prompts".as_ref(), FolderLimits::default()) {
//!     eprintln!("{fault}");
//! }
//! let (tell, heard) = std::sync::mpsc::channel();
//! let pump = Pump::start(PumpOptions::default(), prompts, move |what| drop(tell.send(what)))?;
//!
//! let stream = StreamId(1);
//! let MediaHeard::Opened { local, .. } = pump.open(stream, None) else { return Ok(()) };
//! let codecs = [Codec::Pcma, Codec::Pcmu];
//! let offer = sdp::offer(local, 1, 1, &codecs, Direction::SendRecv); // into the INVITE
//! # drop(offer);
//! pump.order(MediaOrder::Connect { stream, agreed: sdp::read_answer(answer)? }); // of the 200
//! pump.order(MediaOrder::Answered { stream });
//! pump.order(MediaOrder::Play { stream, prompt: "greeting.wav".to_owned() });
//! for what in heard {
//!     match what {
//!         MediaHeard::PromptFinished { .. } => pump.order(MediaOrder::Close { stream }),
//!         MediaHeard::Closed { report, .. } => {
//!             println!("{report:?}");
//!             break;
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

pub mod clip;
pub mod codec;
pub mod dtmf;
pub mod jitter;
pub mod port;
pub mod ports;
pub mod prompt;
pub mod pump;
pub mod record;
pub mod rtp;
pub mod sdp;
#[cfg(test)]
mod seeded;
pub mod sink;
pub mod stream;
pub mod tones;
pub mod wheel;

//! What the engine must do after an event is durable. Values: who runs them is another's
//! business, and replay runs none.

use schemas::call::{DialStarted, Priority};
use schemas::{CalleeKey, Sealed, Timestamp};
use std::sync::Arc;

/// Something to do. One-shot effects belong to an event; those marked *standing* belong to a
/// state: its entry asks for them, its exit takes them back, and a call that comes back from its
/// stream asks again.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Standing. Put the call into the waiting list: it wants a gateway and a lane.
    JoinQueue {
        /// Who goes first.
        priority: Priority,
        /// Not before.
        not_before: Option<Timestamp>,
        /// The one gateway it may use.
        only: Option<String>,
        /// The gateways that it has tried, none of which is tried again.
        tried: Vec<String>,
    },
    /// Take it out of the waiting list.
    LeaveQueue,
    /// Standing. Tell the call when this moment has come; at once when it has passed. Replaces a
    /// timer of the same name.
    StartTimer(Timer, Timestamp),
    /// Forget a timer.
    StopTimer(Timer),
    /// Standing. Open the call's media: it listens before the INVITE leaves.
    OpenMedia {
        /// Whether audio is played or kept; without it the call only needs an address to name.
        audio: bool,
        /// Whether it is recorded.
        record: bool,
    },
    /// Close the media; its report is awaited when there was audio.
    CloseMedia,
    /// Send the INVITE.
    SendInvite(Arc<Invite>),
    /// Use the SDP that came with the last answer.
    ConnectMedia,
    /// Send the ACK of the 2xx.
    AcceptAnswer,
    /// Send CANCEL, or remember it until it may leave.
    SendCancel {
        /// Whether it rang long enough; a command asked otherwise.
        no_answer: bool,
    },
    /// Send BYE.
    SendBye,
    /// Play the call's prompt.
    PlayPrompt(String),
    /// Stop or resume sending.
    PauseMedia(bool),
    /// Answer the re-INVITE that was heard.
    AnswerReinvite,
    /// Cancel or hang up what an earlier process left open.
    CloseOrphan(Box<OpenDialog>),
}

/// All that an INVITE needs and the event of it holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Invite {
    /// Whose number it is.
    pub callee: CalleeKey,
    /// The number, sealed.
    pub phone: Sealed,
    /// Gateway, identity and dialog ids.
    pub dial: Arc<DialStarted>,
}

/// A dialog that an earlier process left open.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenDialog {
    /// The INVITE of the open try.
    pub invite: Arc<Invite>,
    /// The callee's half (`schemas::call::Dialog`, sealed) when it had been answered.
    pub dialog: Option<Sealed>,
}

/// What a call waits for, each with a way out by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// When it is too late to dial at all.
    Deadline,
    /// When the network must have taken the INVITE up, whatever the transaction does.
    Setup,
    /// When it has rung long enough.
    Ring,
    /// When a cancelled INVITE must have ended.
    Cancel,
    /// When the call has lasted as long as it may.
    MaxTalk,
    /// When a call that was hung up must have ended.
    Close,
}

impl Timer {
    /// Every timer.
    pub const ALL: [Self; 6] =
        [Self::Deadline, Self::Setup, Self::Ring, Self::Cancel, Self::MaxTalk, Self::Close];
}

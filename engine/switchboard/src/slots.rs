//! The calls that have not ended, each in a slot that its leg and stream name.

use call::{Call, Invite, Signal};
use hashbrown::HashMap;
use media::port::Agreed;
use routing::GatewayIndex;
use schemas::{CallId, Revision, Timestamp};
use sip::port::LegId;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use store::Expected;

use crate::{BatchIndex, Ticket};

/// So many signals may wait for a call's events in flight; of more, those that only inform are
/// dropped and counted.
pub(crate) const HELD_MAX: usize = 64;

/// A call, and what the switchboard must know to route for it.
pub(crate) struct Slot {
    pub id: CallId,
    pub call: Call,
    /// Its first event is still on its way: what it means to be is not yet so.
    pub unborn: bool,
    /// Who is told once its first event is durable: the command that it is, and those that repeat
    /// it meanwhile, by the fingerprint of what they ask for.
    pub asked: Vec<(Ticket, [u8; 8])>,
    /// Who asked for its end, and is told once what follows from that is durable.
    pub ends: Vec<Ticket>,
    pub last_revision: Option<Revision>,
    pub last_at: Timestamp,
    /// How many of its events are on their way to the disk.
    pub in_flight: u32,
    /// What it heard meanwhile.
    pub held: VecDeque<Signal>,
    pub batch: Option<BatchIndex>,
    /// Whose work it is; the node's own when of none.
    pub partition: Option<u32>,
    /// It waits for the next owner of its partition.
    pub is_parked: bool,
    pub has_lane: bool,
    pub is_waiting: bool,
    /// The gateway whose lane it takes.
    pub gateway: Option<GatewayIndex>,
    /// The try that is up.
    pub leg: Option<LegId>,
    pub media: MediaState,
    /// The INVITE that waits for the media's address.
    pub invite: Option<Arc<Invite>>,
    /// What the last SDP settled, until the call says that it counts.
    pub agreed: Option<Agreed>,
    /// Our answer to the re-INVITE that was heard.
    pub reinvite: Option<Box<ReinviteAnswer>>,
    /// The version of our session description (RFC 3264, 8).
    pub sdp_version: u32,
    pub deadlines: [Option<Timestamp>; 6],
}

/// Our answer to a re-INVITE, ready to be sent when the call says so.
pub(crate) struct ReinviteAnswer {
    pub sdp: Vec<u8>,
    pub agreed: Option<Agreed>,
}

/// Where a call's audio is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MediaState {
    /// There is none.
    Closed,
    /// The call wants an address only: all calls without audio share one.
    Sink,
    /// The socket is being opened.
    Opening,
    /// It listens here.
    Open(SocketAddr),
    /// It was told to close; its report is to come.
    Closing,
}

impl Slot {
    pub fn new(id: CallId, call: Call, at: Timestamp) -> Self {
        Self {
            id,
            call,
            unborn: true,
            asked: Vec::new(),
            ends: Vec::new(),
            last_revision: None,
            last_at: at,
            in_flight: 0,
            held: VecDeque::new(),
            batch: None,
            partition: None,
            is_parked: false,
            has_lane: false,
            is_waiting: false,
            gateway: None,
            leg: None,
            media: MediaState::Closed,
            invite: None,
            agreed: None,
            reinvite: None,
            sdp_version: 1,
            deadlines: [None; 6],
        }
    }

    /// What the next append expects of the call's stream.
    pub fn expected(&self) -> Expected {
        self.last_revision.map_or(Expected::NoStream, Expected::Exact)
    }

    /// Whether audio is played or kept.
    pub fn has_audio(&self) -> bool {
        matches!(self.media, MediaState::Opening | MediaState::Open(_))
    }
}

/// A slot, and which of its uses is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    index: u32,
    use_: u32,
}

impl Key {
    pub fn index(self) -> u32 {
        self.index
    }
}

/// The slots: found by index, by call, or by leg.
pub(crate) struct Slots {
    slots: Vec<(u32, Option<Box<Slot>>)>,
    free: Vec<u32>,
    // The ids are UUIDs made by SHA-1 and the map is never iterated: a fixed hasher is safe.
    by_call: HashMap<CallId, Key, foldhash::fast::FixedState>,
    /// Redials, by their command's first call.
    redials: HashMap<CallId, Key, foldhash::fast::FixedState>,
}

impl Slots {
    pub fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_call: HashMap::default(),
            redials: HashMap::default(),
        }
    }

    pub fn insert(&mut self, slot: Slot) -> Key {
        let (id, first) = (slot.id, slot.call.facts().requested.first_call);
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            u32::try_from(self.slots.len() - 1).expect("fewer than four billion calls at once")
        });
        let place = &mut self.slots[index as usize];
        place.1 = Some(Box::new(slot));
        let key = Key { index, use_: place.0 };
        self.by_call.insert(id, key);
        self.redials.extend(first.map(|first| (first, key)));
        key
    }

    pub fn remove(&mut self, key: Key) {
        let place = &mut self.slots[key.index as usize];
        if let Some(slot) = place.1.take() {
            place.0 = place.0.wrapping_add(1);
            self.by_call.remove(&slot.id);
            if let Some(first) = slot.call.facts().requested.first_call {
                self.redials.remove(&first);
            }
            self.free.push(key.index);
        }
    }

    /// The key, when its slot still holds the call it was made for.
    pub fn check(&self, key: Key) -> Option<Key> {
        let (use_, slot) = self.slots.get(key.index as usize)?;
        (*use_ == key.use_ && slot.is_some()).then_some(key)
    }

    pub fn key_at(&self, index: u32) -> Option<Key> {
        let (use_, slot) = self.slots.get(index as usize)?;
        slot.as_ref().map(|_| Key { index, use_: *use_ })
    }

    pub fn of_call(&self, call: CallId) -> Option<Key> {
        self.by_call.get(&call).copied()
    }

    /// The live call of the command whose first call this is: that one, or a redial.
    pub fn of_command(&self, first: CallId) -> Option<Key> {
        self.of_call(first).or_else(|| self.redials.get(&first).copied())
    }

    /// The call whose try this leg is; its index stands in the leg.
    pub fn of_leg(&self, leg: LegId) -> Option<Key> {
        let key = self.key_at((leg.0 >> 32) as u32)?;
        (self[key].leg == Some(leg)).then_some(key)
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut Slot> {
        self.check(key).map(|key| &mut self[key])
    }

    pub fn keys(&self) -> Vec<Key> {
        (0..self.slots.len() as u32).filter_map(|index| self.key_at(index)).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter_map(|(_, slot)| slot.as_deref())
    }

    pub fn all(&self, is_so: impl Fn(&Slot) -> bool) -> bool {
        self.slots.iter().all(|(_, slot)| slot.as_deref().is_none_or(&is_so))
    }

    pub fn len(&self) -> usize {
        self.by_call.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_call.is_empty()
    }
}

impl Index<Key> for Slots {
    type Output = Slot;

    fn index(&self, key: Key) -> &Slot {
        self.slots[key.index as usize].1.as_deref().expect("the key was checked")
    }
}

impl IndexMut<Key> for Slots {
    fn index_mut(&mut self, key: Key) -> &mut Slot {
        self.slots[key.index as usize].1.as_deref_mut().expect("the key was checked")
    }
}

//! Reading: one stream by its back pointers, everything in order from a position.

use super::frame::{self, Fault, Frame, Record};
use super::marks;
use super::sealed::Sealed;
use super::segments::{Place, Spot};
use super::shared::Shared;
use super::walk::{FrameWalk, Step};
use crate::StoreError;
use crate::api::{EVENTS_LOOKED_AT, Reader, Stored};
use crate::file::{File, Files};
use crate::filter::Filter;
use schemas::event::Encoded;
use schemas::{Position, Revision, StreamId};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// Reads a log while its writer writes, and never holds it up. Clones read the same log.
pub struct LogReader<F: Files> {
    shared: Arc<Shared<F>>,
}

impl<F: Files> Clone for LogReader<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F: Files> LogReader<F> {
    pub(crate) fn new(shared: Arc<Shared<F>>) -> Self {
        Self { shared }
    }

    /// How many segments it keeps an index of in memory.
    #[cfg(test)]
    pub(crate) fn unsealed(&self) -> usize {
        self.shared.segments().raw.len()
    }

    /// Shows every durable event after a position to `visit`, in order and without copying it,
    /// until there is none or `visit` breaks off. Says where it stopped: the position of the last
    /// event shown, or `after`.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn scan(
        &self,
        after: Position,
        visit: impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<Position, StoreError> {
        self.shared.scan(after.0, self.shared.seen()?, visit).map(Position)
    }
}

impl<F: Files> Reader for LogReader<F> {
    fn head(&self) -> Result<Position, StoreError> {
        self.shared.seen().map(Position)
    }

    fn read_stream(
        &self,
        stream: StreamId,
        from: Revision,
        limit: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let durable = self.shared.seen()?;
        let Some(tail) = self.shared.tail(stream)? else { return Ok(Vec::new()) };
        if limit == 0 || tail.revision < from {
            return Ok(Vec::new());
        }
        // The walk goes backward, and of a long stream only the first ones are wanted.
        let last = u32::try_from(limit - 1).unwrap_or(u32::MAX).saturating_add(from.0);
        let far = tail.revision.0.saturating_sub(last) > marks::STEP;
        let near = far.then(|| self.shared.marks().behind(stream, last)).flatten();
        let mut events = VecDeque::new();
        self.shared.walk_back(stream, near.unwrap_or(tail.position), |record| {
            if record.revision < from.0 {
                return ControlFlow::Break(());
            }
            if record.revision <= last && record.position <= durable {
                events.push_front(record.to_stored());
            }
            ControlFlow::Continue(())
        })?;
        Ok(events.into())
    }

    fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        let durable = self.shared.seen()?;
        let up_to = durable.min(after.0.saturating_add(limit as u64));
        let mut events =
            Vec::with_capacity(usize::try_from(up_to.saturating_sub(after.0)).unwrap_or(0));
        self.shared.scan(after.0, up_to, |record| {
            events.push(record.to_stored());
            ControlFlow::Continue(())
        })?;
        Ok(events)
    }

    fn read_all_backward(&self, before: Position, limit: usize) -> Result<Vec<Stored>, StoreError> {
        // Positions are dense here, so the way back is the way forward from further back.
        let last = before.0.saturating_sub(1).min(self.shared.seen()?);
        let after = last.saturating_sub(limit as u64);
        let mut events =
            self.read_all(Position(after), usize::try_from(last - after).unwrap_or(limit))?;
        events.reverse();
        Ok(events)
    }

    fn read_matching(
        &self,
        after: Position,
        filter: &Filter,
        limit: usize,
    ) -> Result<(Vec<Stored>, Position), StoreError> {
        let durable = self.shared.seen()?;
        let up_to = durable.min(after.0.saturating_add(EVENTS_LOOKED_AT as u64));
        let mut events = Vec::new();
        if limit == 0 {
            return Ok((events, after));
        }
        // What is not wanted is not copied.
        let looked = self.shared.scan(after.0, up_to, |record| {
            if filter.wants(record.stream, record.kind) {
                events.push(record.to_stored());
            }
            if events.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok((events, Position(looked)))
    }

    fn wait(&self, after: Position, at_most: Duration) -> Result<Position, StoreError> {
        match self.shared.beside {
            None => Ok(Position(self.shared.wait(after, at_most))),
            Some(_) => self.shared.poll(after, at_most).map(Position),
        }
    }
}

impl Record<'_> {
    /// A copy that owns its body.
    pub fn to_stored(&self) -> Stored {
        Stored {
            position: Position(self.position),
            stream: self.stream,
            revision: Revision(self.revision),
            at: self.at,
            encoded: Encoded { kind: self.kind, version: self.version, body: self.body.to_vec() },
        }
    }
}

impl<F: Files> Shared<F> {
    /// How far a reader may see.
    fn seen(&self) -> Result<u64, StoreError> {
        self.refresh()?;
        Ok(self.durable())
    }

    /// Shows the events of a stream from the one at `position` backward, until its first one or
    /// until `visit` breaks off.
    pub(crate) fn walk_back(
        &self,
        stream: StreamId,
        position: u64,
        mut visit: impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut buffer = Vec::new();
        let mut position = position;
        // The stream's number in the sealed segment that the walk is in.
        let mut numbered = None;
        let mut marked = u32::MAX;
        // The revisions of a stream are dense: each is one less than the one behind it.
        let mut due = None;
        let mut misplaced = false;
        while position != 0 {
            let mut first = 0;
            let mut visit = |record: Record<'_>| {
                first = record.revision;
                misplaced = due.is_some_and(|due| due != i64::from(first));
                due = Some(i64::from(first) - 1);
                if misplaced { ControlFlow::Break(()) } else { visit(record) }
            };
            let (previous, flow) = match self.spot_of(position)? {
                Spot::Frame(place) => {
                    self.visit_frame(&place, stream, position, &mut buffer, &mut visit)?
                }
                Spot::Sealed(span) => {
                    let sealed = self.sealed(span)?;
                    self.visit_block(&sealed, stream, position, &mut numbered, &mut visit)?
                }
            };
            if misplaced {
                let why = format!(
                    "the back pointers of {stream} lead to its revision {first} out of its turn"
                );
                return Err(StoreError::Corrupt { file: self.files.place(""), offset: 0, why });
            }
            if flow.is_break() {
                return Ok(());
            }
            if first > marks::STEP && marked - first >= marks::STEP && previous <= self.durable() {
                self.marks().leave(stream, first - 1, previous);
                marked = first;
            }
            position = previous;
        }
        Ok(())
    }

    /// Shows the events of the frame that `position` is the last one of, backward. The position
    /// of the stream's event before them.
    fn visit_frame(
        &self,
        place: &Place<F::File>,
        stream: StreamId,
        position: u64,
        buffer: &mut Vec<u8>,
        visit: &mut impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(u64, ControlFlow<()>), StoreError> {
        let frame = self.fetch(place, buffer)?;
        let fault = |why: &str| self.corrupt(&place.name, place.offset.into(), why);
        if frame.head.stream != stream || frame.last_position() != position {
            return Err(fault("a back pointer leads to another stream's event"));
        }
        let impossible = |what: Fault| fault(&what.to_string());
        let mut records = frame.records();
        // Most appends are of one event.
        let flow = match (frame.count, records.next()) {
            (1, Some(only)) => visit(only.map_err(impossible)?),
            (_, first) => {
                let all = first.into_iter().chain(records).collect::<Result<Vec<_>, _>>();
                all.map_err(impossible)?.into_iter().rev().try_for_each(visit)
            }
        };
        Ok((frame.head.previous, flow))
    }

    /// Shows the events of a stream in the block of a sealed segment that `position` is in, from it
    /// backward. The position of the stream's event before them.
    fn visit_block(
        &self,
        sealed: &Sealed<F::File>,
        stream: StreamId,
        mut position: u64,
        numbered: &mut Option<(u64, u32)>,
        visit: &mut impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(u64, ControlFlow<()>), StoreError> {
        let index = sealed.block_of(position);
        let block = self.block(sealed, index)?;
        let fault = |why: &str| sealed.source.corrupt(sealed.block_at(index), why);
        let rows = block.rows_to(position).ok_or_else(|| fault("a row is impossible"))?;
        loop {
            let row = rows[(position - block.first) as usize];
            if *numbered != Some((sealed.span.base, row.stream)) {
                if sealed.stream(row.stream)? != stream {
                    return Err(fault("a back pointer leads to another stream's event"));
                }
                *numbered = Some((sealed.span.base, row.stream));
            }
            let flow = visit(row.record(stream));
            if flow.is_break() || row.previous < block.first {
                return Ok((row.previous, flow));
            }
            position = row.previous;
        }
    }

    /// Shows all events in `after + 1 ..= up_to`, and says where it stopped.
    pub(crate) fn scan(
        &self,
        after: u64,
        up_to: u64,
        mut visit: impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<u64, StoreError> {
        let mut seen = after;
        while seen < up_to {
            let (stopped, flow) = match self.spot_of(seen + 1)? {
                Spot::Frame(place) => self.scan_frames(&place, seen, up_to, &mut visit)?,
                Spot::Sealed(span) => {
                    let sealed = self.sealed(span)?;
                    scan_sealed(&sealed, seen, up_to, &mut visit)?
                }
            };
            if stopped == seen {
                return Err(self.lost(seen + 1));
            }
            seen = stopped;
            if flow.is_break() {
                break;
            }
        }
        Ok(seen)
    }

    fn scan_frames(
        &self,
        place: &Place<F::File>,
        after: u64,
        up_to: u64,
        visit: &mut impl FnMut(Record<'_>) -> ControlFlow<()>,
    ) -> Result<(u64, ControlFlow<()>), StoreError> {
        let mut walk = FrameWalk::new(&*place.file, place.salt, place.offset, place.end);
        let mut seen = after;
        loop {
            match walk.step().map_err(|error| self.failed("read", &place.name, error))? {
                Step::End => return Ok((seen, ControlFlow::Continue(()))),
                Step::Bad(offset, fault) => {
                    return Err(self.corrupt(&place.name, offset.into(), fault));
                }
                Step::Frame(offset, frame) => {
                    for record in frame.records() {
                        let record = record
                            .map_err(|fault| self.corrupt(&place.name, offset.into(), fault))?;
                        if record.position <= after {
                            continue;
                        }
                        if record.position > up_to {
                            return Ok((seen, ControlFlow::Continue(())));
                        }
                        if record.position != seen + 1 {
                            return Err(self.corrupt(
                                &place.name,
                                offset.into(),
                                "an event is missing",
                            ));
                        }
                        seen = record.position;
                        if visit(record).is_break() {
                            return Ok((seen, ControlFlow::Break(())));
                        }
                    }
                }
            }
        }
    }

    /// Reads one frame.
    fn fetch<'b>(
        &self,
        place: &Place<F::File>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Frame<'b>, StoreError> {
        let length = (place.frame_end - place.offset) as usize;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let bytes = &mut buffer[..length];
        let read = place.file.read_exact_at(bytes, place.offset.into());
        read.map_err(|error| self.failed("read", &place.name, error))?;
        let frame = frame::decode(bytes, place.salt, place.offset);
        frame.map_err(|fault: Fault| self.corrupt(&place.name, place.offset.into(), fault))
    }

    fn spot_of(&self, position: u64) -> Result<Spot<F::File>, StoreError> {
        let spot = self.segments().spot_of(position);
        spot.ok_or_else(|| self.lost(position))
    }

    fn lost(&self, position: u64) -> StoreError {
        let why = format!("event {position} is in none of the segments");
        StoreError::Corrupt { file: self.files.place(""), offset: 0, why }
    }
}

fn scan_sealed<F: File>(
    sealed: &Sealed<F>,
    after: u64,
    up_to: u64,
    visit: &mut impl FnMut(Record<'_>) -> ControlFlow<()>,
) -> Result<(u64, ControlFlow<()>), StoreError> {
    let streams = sealed.streams()?;
    let mut seen = after;
    for index in sealed.block_of(after + 1)..sealed.blocks() {
        let block = sealed.block(index)?;
        let impossible = || sealed.source.corrupt(sealed.block_at(index), "a row is impossible");
        for row in block.rows() {
            let row = row.ok_or_else(impossible)?;
            if row.position <= after {
                continue;
            }
            if row.position > up_to {
                return Ok((seen, ControlFlow::Continue(())));
            }
            let stream = *streams.get(row.stream as usize).ok_or_else(impossible)?;
            seen = row.position;
            if visit(row.record(stream)).is_break() {
                return Ok((seen, ControlFlow::Break(())));
            }
        }
    }
    Ok((seen, ControlFlow::Continue(())))
}

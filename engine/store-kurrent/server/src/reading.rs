//! Reads and subscriptions.

use crate::log::{Log, Record};
use crate::protocol::event_store::client::streams::ReadResp;
use crate::protocol::event_store::client::streams::read_req::Options;
use crate::protocol::event_store::client::streams::read_req::options::{
    AllOptions, CountOption, FilterOption, FilterOptions, StreamOption, all_options,
    filter_options, stream_options,
};
use crate::protocol::event_store::client::streams::read_resp::{
    CaughtUp, Checkpoint, Content, ReadEvent, StreamNotFound, SubscriptionConfirmation, read_event,
};
use crate::protocol::event_store::client::{StreamIdentifier, Uuid, uuid};
use crate::streams::{Answers, name_of};
use crate::{Shared, lock};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;

type Teller = mpsc::UnboundedSender<Result<ReadResp, Status>>;

/// Answers a read, once or for ever.
pub fn read(shared: &Arc<Shared>, options: Options) -> Result<Answers<ReadResp>, Status> {
    let (teller, told) = mpsc::unbounded_channel();
    let backward = options.read_direction == 1;
    let filter = Wanted::of(options.filter_option)?;
    let all = match options.stream_option {
        Some(StreamOption::All(AllOptions { all_option })) => all_option,
        Some(StreamOption::Stream(one)) => {
            let Some(CountOption::Count(count)) = options.count_option else {
                return Err(Status::unimplemented("subscriptions are to everything"));
            };
            let name = name_of(one.stream_identifier)?;
            let log = lock(&shared.log);
            one_stream(&log, &name, one.revision_option, backward, count, &teller)?;
            return Ok(UnboundedReceiverStream::new(told));
        }
        None => return Err(Status::invalid_argument("no stream")),
    };
    let log = lock(&shared.log);
    let position = match all {
        Some(all_options::AllOption::Position(position)) => position.commit_position,
        Some(all_options::AllOption::End(_)) => log.end(),
        _ => 0,
    };
    let unaligned = || Status::invalid_argument(format!("no record begins at {position}"));
    let (before, from) = log.split(position).ok_or_else(unaligned)?;
    match options.count_option {
        Some(CountOption::Count(count)) => {
            let count = counted(count, &filter)?;
            let wanted = |record: &&Record| filter.wants(record);
            match backward {
                true => tell(before.iter().rev().filter(wanted).take(count), &teller),
                false => tell(from.iter().filter(wanted).take(count), &teller),
            }
        }
        Some(CountOption::Subscription(_)) => {
            // What stands at the position has been seen.
            let next = from.first().map_or(log.end(), |record| match record.position == position {
                true if position > 0 => position + 1,
                _ => record.position,
            });
            drop(log);
            tokio::spawn(follow(shared.clone(), next, filter, teller));
        }
        None => return Err(Status::invalid_argument("no count")),
    }
    Ok(UnboundedReceiverStream::new(told))
}

/// As the real one counts: it turns the number into 32 bits with a sign, and a window that is not
/// larger than the count is an error.
fn counted(count: u64, filter: &Wanted) -> Result<usize, Status> {
    let wrong = |why: &str| Status::invalid_argument(why.to_owned());
    let count = i32::try_from(count).map_err(|_| wrong("the count does not fit"))?;
    if count == 0 || filter.window.is_some_and(|window| i64::from(window) <= i64::from(count)) {
        return Err(wrong("the count is nothing, or not below the window"));
    }
    Ok(count.unsigned_abs() as usize)
}

fn one_stream(
    log: &Log,
    name: &str,
    from: Option<stream_options::RevisionOption>,
    backward: bool,
    count: u64,
    teller: &Teller,
) -> Result<(), Status> {
    use stream_options::RevisionOption as From;
    if log.is_deleted(name) {
        let mut status = Status::failed_precondition("Event stream is deleted.");
        status.metadata_mut().insert("exception", "stream-deleted".parse().expect("plain text"));
        return Err(status);
    }
    let Some(records) = log.stream(name) else {
        let stream_identifier = Some(StreamIdentifier { stream_name: name.as_bytes().to_vec() });
        say(teller, Content::StreamNotFound(StreamNotFound { stream_identifier }));
        return Ok(());
    };
    let count = counted(count, &Wanted::default())?;
    match (from, backward) {
        (Some(From::Revision(from)), false) => {
            tell(records.filter(|record| record.revision >= from).take(count), teller);
        }
        (Some(From::Revision(from)), true) => {
            tell(records.rev().filter(|record| record.revision <= from).take(count), teller);
        }
        (_, false) => tell(records.take(count), teller),
        (_, true) => tell(records.rev().take(count), teller),
    }
    Ok(())
}

async fn follow(shared: Arc<Shared>, mut next: u64, filter: Wanted, teller: Teller) {
    let mut ends = shared.end.subscribe();
    let subscription_id = "subscription".to_owned();
    say(&teller, Content::Confirmation(SubscriptionConfirmation { subscription_id }));
    let mut caught_up = false;
    loop {
        {
            let log = lock(&shared.log);
            ends.mark_unchanged();
            // Positions of which one was passed by 1 are no places of records.
            let fresh = log.split(log.end()).map_or(&[][..], |(all, _)| all);
            let at = fresh.partition_point(|record| record.position < next);
            let (wanted, passed): (Vec<&Record>, Vec<&Record>) =
                fresh[at..].iter().partition(|record| filter.wants(record));
            tell(wanted.into_iter(), &teller);
            if let (Some(last), true) = (passed.last(), filter.window.is_some()) {
                let position = last.position;
                let timestamp = None;
                say(
                    &teller,
                    Content::Checkpoint(Checkpoint {
                        commit_position: position,
                        prepare_position: position,
                        timestamp,
                    }),
                );
            }
            next = log.end();
        }
        if !caught_up {
            caught_up = true;
            say(&teller, Content::CaughtUp(CaughtUp::default()));
        }
        tokio::select! {
            moved = ends.changed() => if moved.is_err() { return },
            () = teller.closed() => return,
        }
    }
}

/// Which records a reader wants.
#[derive(Default)]
struct Wanted {
    prefixes: Vec<String>,
    kinds: bool,
    window: Option<u32>,
}

impl Wanted {
    fn of(option: Option<FilterOption>) -> Result<Self, Status> {
        let Some(FilterOption::Filter(FilterOptions { filter, window, .. })) = option else {
            return Ok(Self::default());
        };
        let (expression, kinds) = match filter {
            Some(filter_options::Filter::StreamIdentifier(expression)) => (expression, false),
            Some(filter_options::Filter::EventType(expression)) => (expression, true),
            None => return Err(Status::invalid_argument("a filter without a filter")),
        };
        if !expression.regex.is_empty() {
            return Err(Status::unimplemented("only prefixes"));
        }
        let window = match window {
            Some(filter_options::Window::Max(window)) => Some(window),
            _ => None,
        };
        Ok(Self { prefixes: expression.prefix, kinds, window })
    }

    fn wants(&self, record: &Record) -> bool {
        let text = match self.kinds {
            true => record.event.metadata.get("type").map_or("", String::as_str),
            false => &record.stream,
        };
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| text.starts_with(prefix))
    }
}

fn tell<'a>(records: impl Iterator<Item = &'a Record>, teller: &Teller) {
    for record in records {
        let position = record.position;
        let id = uuid::Value::String(record.event.id.to_string());
        let mut metadata = record.event.metadata.clone();
        metadata.insert("created".to_owned(), "17900000000000000".to_owned());
        let event = read_event::RecordedEvent {
            id: Some(Uuid { value: Some(id) }),
            stream_identifier: Some(StreamIdentifier {
                stream_name: record.stream.as_bytes().to_vec(),
            }),
            stream_revision: record.revision,
            prepare_position: position,
            commit_position: position,
            metadata,
            custom_metadata: record.event.custom_metadata.clone(),
            data: record.event.data.clone(),
        };
        let position = Some(read_event::Position::CommitPosition(position));
        say(teller, Content::Event(ReadEvent { event: Some(event), link: None, position }));
    }
}

fn say(teller: &Teller, content: Content) {
    // Who has gone away hears nothing.
    drop(teller.send(Ok(ReadResp { content: Some(content) })));
}

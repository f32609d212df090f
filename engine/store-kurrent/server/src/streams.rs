//! Appends, one by one and in sessions.

use crate::log::{Expected, Proposed, Refused, Written};
use crate::protocol::event_store::client::streams::batch_append_req::ProposedMessage;
use crate::protocol::event_store::client::streams::batch_append_req::options::ExpectedStreamPosition;
use crate::protocol::event_store::client::streams::batch_append_resp::{self, Success};
use crate::protocol::event_store::client::streams::streams_server::Streams;
use crate::protocol::event_store::client::streams::{
    AppendReq, AppendResp, BatchAppendReq, BatchAppendResp, DeleteReq, DeleteResp, ReadReq,
    ReadResp, TombstoneReq, TombstoneResp, append_req, append_resp,
};
use crate::protocol::event_store::client::{AllStreamPosition, Empty, Uuid, uuid};
use crate::protocol::google::rpc;
use crate::{Shared, Trouble, lock};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// One node's services.
#[derive(Clone)]
pub struct Service {
    pub number: usize,
    pub shared: Arc<Shared>,
    pub cuts: watch::Sender<u64>,
}

pub type Answers<T> = UnboundedReceiverStream<Result<T, Status>>;

impl Service {
    fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Written, Refused> {
        let mut log = lock(&self.shared.log);
        let written = log.append(stream, expected, events)?;
        self.shared.end.send_replace(log.end());
        Ok(written)
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

#[tonic::async_trait]
impl Streams for Service {
    type ReadStream = Answers<ReadResp>;
    type BatchAppendStream = Answers<BatchAppendResp>;

    async fn read(&self, request: Request<ReadReq>) -> Result<Response<Self::ReadStream>, Status> {
        self.admit(request.metadata())?;
        self.shared.reads.fetch_add(1, Ordering::SeqCst);
        let options = request.into_inner().options;
        let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
        crate::reading::read(&self.shared, options).map(Response::new)
    }

    async fn append(
        &self,
        request: Request<Streaming<AppendReq>>,
    ) -> Result<Response<AppendResp>, Status> {
        use append_req::Content;
        use append_req::options::ExpectedStreamRevision as Revision;
        self.admit(request.metadata())?;
        let mut messages = request.into_inner();
        let (mut options, mut events) = (None, Vec::new());
        while let Some(message) = messages.message().await? {
            match message.content {
                Some(Content::Options(given)) => options = Some(given),
                Some(Content::ProposedMessage(event)) => events.push(Proposed {
                    id: id_of(event.id)?,
                    metadata: event.metadata,
                    custom_metadata: event.custom_metadata,
                    data: event.data,
                }),
                None => {}
            }
        }
        let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
        let stream = name_of(options.stream_identifier)?;
        let expected = match options.expected_stream_revision {
            Some(Revision::Revision(revision)) => Expected::Revision(revision),
            Some(Revision::NoStream(_)) => Expected::NoStream,
            Some(Revision::StreamExists(_)) => Expected::Exists,
            Some(Revision::Any(_)) | None => Expected::Any,
        };
        let result = match Service::append(self, &stream, expected, events) {
            Ok(written) => append_resp::Result::Success(append_resp::Success {
                current_revision_option: Some(
                    append_resp::success::CurrentRevisionOption::CurrentRevision(written.last),
                ),
                position_option: Some(append_resp::success::PositionOption::Position(
                    append_resp::Position {
                        commit_position: written.position,
                        prepare_position: written.position,
                    },
                )),
            }),
            Err(Refused::WrongExpectedVersion { current }) => wrong_version(current, expected),
            Err(Refused::StreamDeleted) => {
                return Err(Status::failed_precondition("Event stream is deleted."));
            }
            Err(Refused::TooLarge) => {
                return Err(Status::invalid_argument("Maximum Append Size Exceeded."));
            }
        };
        Ok(Response::new(AppendResp { result: Some(result) }))
    }

    async fn delete(&self, _: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        Err(Status::unimplemented("nobody of ours deletes"))
    }

    async fn tombstone(&self, _: Request<TombstoneReq>) -> Result<Response<TombstoneResp>, Status> {
        Err(Status::unimplemented("nobody of ours deletes"))
    }

    async fn batch_append(
        &self,
        request: Request<Streaming<BatchAppendReq>>,
    ) -> Result<Response<Self::BatchAppendStream>, Status> {
        self.admit(request.metadata())?;
        self.shared.sessions.fetch_add(1, Ordering::SeqCst);
        let (answers, told) = mpsc::unbounded_channel();
        let (service, mut messages) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(message)) = messages.message().await {
                let said = match service.lead().and_then(|()| service.in_session(message)) {
                    Ok(Done::Says(answer)) => Ok(answer),
                    Ok(Done::SaysNothing) => continue,
                    // What was under way behind a cut is lost with it.
                    Ok(Done::Cut) => break,
                    Err(status) => Err(status),
                };
                let ends = said.is_err();
                if answers.send(said).is_err() || ends {
                    break;
                }
            }
        });
        Ok(Response::new(UnboundedReceiverStream::new(told)))
    }
}

/// What came of an append of a session.
enum Done {
    Says(BatchAppendResp),
    SaysNothing,
    Cut,
}

impl Service {
    /// One append of a session. A refusal is an answer like others: the real one goes on after it.
    fn in_session(&self, message: BatchAppendReq) -> Result<Done, Status> {
        self.shared.batch_appends.fetch_add(1, Ordering::SeqCst);
        let trouble = lock(&self.shared.troubles).pop_front().unwrap_or(Trouble::Passes);
        let BatchAppendReq { correlation_id, options, proposed_messages, .. } = message;
        let options = options.ok_or_else(|| Status::invalid_argument("no options"))?;
        let stream_identifier = options.stream_identifier.clone();
        let stream = name_of(options.stream_identifier)?;
        let expected = match options.expected_stream_position {
            Some(ExpectedStreamPosition::StreamPosition(revision)) => Expected::Revision(revision),
            Some(ExpectedStreamPosition::NoStream(())) => Expected::NoStream,
            Some(ExpectedStreamPosition::StreamExists(())) => Expected::Exists,
            Some(ExpectedStreamPosition::Any(())) | None => Expected::Any,
        };
        let events = proposed_messages.into_iter().map(proposed).collect::<Result<_, _>>()?;
        let result = match trouble {
            Trouble::CutBefore => {
                self.cut();
                return Ok(Done::Cut);
            }
            Trouble::Silence => return Ok(Done::SaysNothing),
            Trouble::CutAfter => {
                let _ = self.append(&stream, expected, events);
                self.cut();
                return Ok(Done::Cut);
            }
            // The real one leaves the code out, which then says that all is well.
            Trouble::NotReady => error(rpc::Code::Ok, "Server Is Not Ready"),
            Trouble::TimesOut => {
                let _ = self.append(&stream, expected, events);
                error(rpc::Code::DeadlineExceeded, "Timeout")
            }
            Trouble::Passes => answer(self.append(&stream, expected, events)),
        };
        let result = Some(result);
        let expected_stream_position = None;
        Ok(Done::Says(BatchAppendResp {
            correlation_id,
            stream_identifier,
            expected_stream_position,
            result,
        }))
    }
}

fn answer(result: Result<Written, Refused>) -> batch_append_resp::Result {
    use batch_append_resp::success::{CurrentRevisionOption, PositionOption};
    match result {
        Ok(written) => batch_append_resp::Result::Success(Success {
            current_revision_option: Some(CurrentRevisionOption::CurrentRevision(written.last)),
            position_option: Some(PositionOption::Position(AllStreamPosition {
                commit_position: written.position,
                prepare_position: written.position,
            })),
        }),
        Err(Refused::WrongExpectedVersion { .. }) => {
            error(rpc::Code::FailedPrecondition, "WrongExpectedVersion")
        }
        Err(Refused::StreamDeleted) => error(rpc::Code::FailedPrecondition, "StreamDeleted"),
        Err(Refused::TooLarge) => error(rpc::Code::InvalidArgument, "MaximumAppendSizeExceeded"),
    }
}

fn error(code: rpc::Code, message: &str) -> batch_append_resp::Result {
    let message = message.to_owned();
    batch_append_resp::Result::Error(rpc::Status { code: code.into(), message, details: None })
}

fn wrong_version(current: Option<u64>, expected: Expected) -> append_resp::Result {
    use append_resp::wrong_expected_version::{CurrentRevisionOption, ExpectedRevisionOption};
    let current = match current {
        Some(revision) => CurrentRevisionOption::CurrentRevision(revision),
        None => CurrentRevisionOption::CurrentNoStream(Empty {}),
    };
    let expected = match expected {
        Expected::Revision(revision) => ExpectedRevisionOption::ExpectedRevision(revision),
        Expected::NoStream => ExpectedRevisionOption::ExpectedNoStream(Empty {}),
        Expected::Exists => ExpectedRevisionOption::ExpectedStreamExists(Empty {}),
        Expected::Any => ExpectedRevisionOption::ExpectedAny(Empty {}),
    };
    append_resp::Result::WrongExpectedVersion(append_resp::WrongExpectedVersion {
        current_revision_option: Some(current),
        expected_revision_option: Some(expected),
        ..Default::default()
    })
}

fn proposed(event: ProposedMessage) -> Result<Proposed, Status> {
    let ProposedMessage { id, metadata, custom_metadata, data } = event;
    Ok(Proposed { id: id_of(id)?, metadata, custom_metadata, data })
}

pub fn name_of(
    stream: Option<crate::protocol::event_store::client::StreamIdentifier>,
) -> Result<String, Status> {
    let name = stream.map(|stream| stream.stream_name).unwrap_or_default();
    String::from_utf8(name).map_err(|_| Status::invalid_argument("a name is text"))
}

fn id_of(id: Option<Uuid>) -> Result<::uuid::Uuid, Status> {
    match id.and_then(|id| id.value) {
        Some(uuid::Value::Structured(two)) => Ok(::uuid::Uuid::from_u64_pair(
            two.most_significant_bits.cast_unsigned(),
            two.least_significant_bits.cast_unsigned(),
        )),
        Some(uuid::Value::String(text)) => {
            text.parse().map_err(|_| Status::invalid_argument("an id is a UUID"))
        }
        None => Err(Status::invalid_argument("an event has an id")),
    }
}

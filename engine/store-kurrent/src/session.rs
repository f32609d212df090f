//! One batch session: appends one after the other on one long request, answered as they are done.
//!
//! An append by itself costs two waits of 40 ms with `kurrentdb` 1.2.0, which leaves Nagle's
//! algorithm on; in a session nothing waits. But the client ends a session at the first refusal in
//! it, and answers what is still under way with an error that says nothing. So whatever is not
//! plainly in or refused is of unknown outcome, and the session is not used again.

use crate::connection::{Connection, Failure};
use futures_util::future::join_all;
use kurrentdb::{BatchAppendClient, BatchAppendOptions, Error, EventData, StreamState};
use std::time::Duration;
use tokio::time::timeout;

/// An append as it is sent.
pub struct Sending {
    pub stream: String,
    pub expected: StreamState,
    pub events: Vec<EventData>,
}

/// What the server made of an append.
#[derive(Clone, Debug)]
pub enum Sent {
    /// It stands: its last revision, and where, when the server says so.
    In { last: Option<u64>, position: Option<u64> },
    /// The stream was not as expected.
    Refused,
    /// It can never go in.
    Rejected(String),
    /// The server will do no append of ours.
    Lasting(Failure),
    /// It may or may not stand.
    Unsure(Failure),
    /// It may or may not stand: the session had ended, or the answer to another append ended it.
    Ended,
}

/// A session. Of no use after any answer but [`Sent::In`].
pub struct Session {
    /// Which client it goes through.
    pub number: u64,
    client: BatchAppendClient,
    silence_max: Duration,
}

impl Session {
    /// Begins one. What is wrong with the way to the server shows when something is sent.
    pub async fn begin(connection: &Connection) -> Result<Self, Failure> {
        let options = BatchAppendOptions::default().requires_leader(true);
        let options = match connection.address().login() {
            Some(login) => options.authenticated(login.clone()),
            None => options,
        };
        let (number, client) = connection.client().await?;
        let silence_max = connection.silence_max();
        let begun = timeout(silence_max, client.batch_append(&options)).await;
        let begun = begun.map_or_else(|_| Err(Failure::silence()), |done| Ok(done?));
        let begun = begun.inspect_err(|failure| connection.heed(number, failure));
        Ok(Self { number, client: begun?, silence_max })
    }

    /// Sends appends to different streams, in this order. What each came to.
    pub async fn send(&self, sendings: Vec<Sending>) -> Vec<Sent> {
        let mut answers: Vec<Option<Sent>> = vec![None; sendings.len()];
        let client = &self.client;
        let sending = sendings.into_iter().zip(&mut answers).map(|(one, answer)| async move {
            let Sending { stream, expected, events } = one;
            let result = client.append_to_stream(stream, expected, events).await;
            *answer = Some(match result {
                Ok(done) => Sent::In {
                    last: done.current_revision(),
                    position: done.current_position().map(|position| position.commit),
                },
                Err(error) => of_error(error),
            });
        });
        // Without an end of its own: the client gives the server a deadline in the year 4000.
        // Who has no answer by then is of unknown outcome, as its empty place says.
        drop(timeout(self.silence_max, join_all(sending)).await);
        let silence = || Sent::Unsure(Failure::silence());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silence)).collect()
    }
}

fn of_error(error: Error) -> Sent {
    match error {
        // The code of a refusal is not the same in all versions of the server.
        Error::Grpc { message, .. } if message == "WrongExpectedVersion" => Sent::Refused,
        Error::WrongExpectedVersion { .. } => Sent::Refused,
        Error::Grpc { message, .. } if message == "StreamDeleted" => {
            Sent::Rejected("somebody has deleted its stream".to_owned())
        }
        Error::Grpc { message, .. } if message == "MaximumAppendSizeExceeded" => Sent::Rejected(
            "it is larger than the server takes: start it with --max-append-size 16000000"
                .to_owned(),
        ),
        Error::Grpc { message, .. } if message == "AccessDenied" => {
            Sent::Lasting(Error::AccessDenied.into())
        }
        Error::ServerError(why) if why.contains("Batch-append stream has been closed") => {
            Sent::Ended
        }
        other => {
            let failure = Failure::from(other);
            if failure.lasting { Sent::Lasting(failure) } else { Sent::Unsure(failure) }
        }
    }
}

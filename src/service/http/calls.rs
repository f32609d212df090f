//! The requests about calls.

use super::problem::Problem;
use super::{Door, Front, Readiness};
use crate::service::desk::Busy;
use crate::service::lookup::Lookup;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use projections::call_record::RecordView;
use schemas::commands::{COMMAND_BYTES_MAX, Command, CommandRefusal, EndCall, PlaceCall};
use schemas::{CallId, CommandId};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use switchboard::Answer;
use tokio::sync::oneshot;

type Doorway = State<Arc<Door>>;

/// `POST /v1/calls`
pub async fn place(
    State(door): Doorway,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    refuse_strange_pages(&headers)?;
    let front = door.front()?;
    let body = read(body, door.limits.body).await?;
    let key = idempotency_key(&headers)?;
    let call = PlaceCall::parse(&body, key, &front.numbering).map_err(refused)?;
    refuse_unknown_names(front, &call)?;
    let command_id = call.command_id.clone();
    let (status, call) = match ask(&door, Command::PlaceCall(Box::new(call))).await? {
        Answer::Accepted(call) => (StatusCode::ACCEPTED, call),
        Answer::Repeated(call) => (StatusCode::OK, call),
        Answer::Conflict(_) => {
            let detail = "another command with this command_id was accepted before, with other \
                          content";
            return Err(Problem::new(409, detail).code("conflict").field(Some("command_id")));
        }
        Answer::Refused(why) => {
            return Err(Problem::new(422, why).code("refused"));
        }
        Answer::Stopping => return Err(stopping()),
        Answer::NotOurs | Answer::NoSuchCall(_) => return Err(elsewhere()),
    };
    let record = look(front, move |lookup| lookup.record(call)).await?;
    let state = record.map_or("requested", |record| record.state);
    let answer = json!({"call_id": call.to_string(), "command_id": command_id, "state": state});
    Ok(in_json(status, answer.to_string()))
}

/// `GET /v1/calls/{call_id}`
pub async fn record(State(door): Doorway, Path(call): Path<String>) -> Result<Response, Problem> {
    let call = call_id(&call)?;
    told(look(door.front()?, move |lookup| lookup.record(call)).await?)
}

/// `GET /v1/calls?command_id=`
pub async fn of_command(
    State(door): Doorway,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Problem> {
    let command = query.get("command_id").and_then(|text| CommandId::new(text));
    let Some(command) = command else {
        let detail = "`command_id` is missing: whose call is asked for";
        return Err(Problem::new(422, detail).code("missing_field").field(Some("command_id")));
    };
    told(look(door.front()?, move |lookup| lookup.record_of_command(&command)).await?)
}

/// `GET /v1/calls/{call_id}/events`
pub async fn events(State(door): Doorway, Path(call): Path<String>) -> Result<Response, Problem> {
    let call = call_id(&call)?;
    let events = look(door.front()?, move |lookup| lookup.events(call)).await?;
    if events.is_empty() {
        return Err(no_such_call());
    }
    let mut body = vec![b'['];
    for (n, event) in events.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        body.extend_from_slice(event);
    }
    body.push(b']');
    Ok(in_json(StatusCode::OK, body))
}

/// `POST /v1/calls/{call_id}/hangup`
pub async fn hang_up(
    State(door): Doorway,
    Path(call): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    end(&door, &call, &headers, false).await
}

/// `POST /v1/calls/{call_id}/cancel`: as hang-up, of a call that has not been answered.
pub async fn cancel(
    State(door): Doorway,
    Path(call): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    end(&door, &call, &headers, true).await
}

async fn end(
    door: &Door,
    call: &str,
    headers: &HeaderMap,
    only_unanswered: bool,
) -> Result<Response, Problem> {
    refuse_strange_pages(headers)?;
    let call = call_id(call)?;
    let command_id = match idempotency_key(headers)? {
        Some(key) => CommandId::new(key).ok_or_else(|| {
            Problem::new(422, "the Idempotency-Key must be 1 to 128 printable characters")
        })?,
        // Nobody repeats it by name, and to end what has ended does nothing.
        None => CommandId::new(&format!("http/end/{call}")).expect("printable and short"),
    };
    let end = EndCall { command_id, call, of: None, only_unanswered };
    let answer = ask(door, Command::EndCall(end)).await?;
    if answer == Answer::Stopping {
        return Err(stopping());
    }
    let record = look(door.front()?, move |lookup| lookup.record(call)).await?;
    let record = record.ok_or_else(no_such_call)?;
    if record.state != "ended" && !matches!(answer, Answer::Accepted(_)) {
        return Err(elsewhere());
    }
    let (command_id, state) = (record.command_id, record.state);
    let answer = json!({"call_id": call.to_string(), "command_id": command_id, "state": state});
    Ok(in_json(StatusCode::ACCEPTED, answer.to_string()))
}

/// `GET /readyz`
pub async fn ready(State(door): Doorway) -> Result<&'static str, Problem> {
    let (code, detail) = match door.readiness() {
        Readiness::Ready => return Ok("ready\n"),
        Readiness::Starting => ("starting", "the engine is starting"),
        Readiness::Full => ("full", "as many calls as may wait are waiting"),
        Readiness::Stopping => ("stopping", "the engine is stopping"),
    };
    Err(Problem::new(503, detail).code(code).retry_after(1))
}

async fn read(body: Body, within: Duration) -> Result<Vec<u8>, Problem> {
    let bytes = tokio::time::timeout(within, to_bytes(body, COMMAND_BYTES_MAX));
    match bytes.await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(refused(CommandRefusal::TooLarge)),
        Err(_) => Err(Problem::new(408, "the body did not come")),
    }
}

/// What the configuration does not have cannot be asked for.
fn refuse_unknown_names(front: &Front, call: &PlaceCall) -> Result<(), Problem> {
    let prompt = call.prompt.as_deref().filter(|name| front.prompts.get(name).is_none());
    let unknown_gateway = |name: &&str| !front.gateways.iter().any(|known| known == name);
    let gateway = call.gateway.as_deref().filter(unknown_gateway);
    let unknown = prompt.map(|name| ("prompt", name)).or(gateway.map(|name| ("gateway", name)));
    unknown.map_or(Ok(()), |(field, name)| {
        let detail = format!("there is no {field} named {name}");
        Err(Problem::new(422, detail).code("wrong_field").field(Some(field)))
    })
}

/// A page of a stranger, open in the browser of somebody who reaches us, must not place calls.
/// Browsers tell where a page comes from (Fetch, "Origin header"); programs do not.
fn refuse_strange_pages(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_ours = origin.to_str().is_ok_and(|origin| {
        origin.split_once("://").is_some_and(|(_, from)| !host.is_empty() && from == host)
    });
    match is_ours {
        true => Ok(()),
        false => Err(Problem::new(403, "pages of another origin may not ask for this")),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    // Some write it as a structured field: a string in quotes.
    let text = std::str::from_utf8(key.as_bytes()).map(|text| text.trim().trim_matches('"'));
    text.map(Some).map_err(|_| Problem::new(422, "the Idempotency-Key is no text"))
}

fn call_id(text: &str) -> Result<CallId, Problem> {
    CallId::parse(text).ok_or_else(|| Problem::new(404, "a call's id is a UUID"))
}

/// Hands a command in, and waits for its answer.
async fn ask(door: &Door, command: Command) -> Result<Answer, Problem> {
    let (tell, told) = oneshot::channel();
    // Who has hung up meanwhile asks again with the same id, and finds the call.
    let reply = Box::new(move |answer| drop(tell.send(answer)));
    match door.front()?.desk.submit(command, reply) {
        Ok(()) => {}
        Err(Busy::Full) => {
            let detail = "as many calls as may wait are waiting";
            return Err(Problem::new(429, detail).code("full").retry_after(1));
        }
        Err(Busy::Stopping) => return Err(stopping()),
    }
    match tokio::time::timeout(door.limits.answer, told).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(stopping()),
        Err(_) => {
            let detail = "the command is not durable yet; the same again tells what became of it";
            Err(Problem::new(503, detail).code("slow").retry_after(5))
        }
    }
}

/// Reads the log, off the thread that serves.
async fn look<T: Send + 'static>(
    front: &Front,
    read: impl FnOnce(Lookup) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let lookup = front.lookup.clone();
    let failed = |why: String| {
        tracing::error!(why, "a call cannot be read");
        Problem::new(500, "the log cannot be read")
    };
    match tokio::task::spawn_blocking(move || read(lookup)).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(failed(error.in_full())),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn told(record: Option<RecordView>) -> Result<Response, Problem> {
    record.map(|record| in_json(StatusCode::OK, record.to_json())).ok_or_else(no_such_call)
}

fn in_json(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn refused(refusal: CommandRefusal) -> Problem {
    let status = if refusal == CommandRefusal::TooLarge { 413 } else { 422 };
    Problem::new(status, refusal.to_string()).code(refusal.code()).field(refusal.field())
}

fn no_such_call() -> Problem {
    Problem::new(404, "there is no such call").code("no_such_call")
}

/// Two nodes share a log, and the other one has it.
fn elsewhere() -> Problem {
    let detail = "another node has this call: ask there";
    Problem::new(409, detail).code("elsewhere")
}

fn stopping() -> Problem {
    Problem::new(503, "the engine is stopping").code("stopping").retry_after(5)
}

use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream as Stream};
use std::time::Instant;

/// No test may wait for longer.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
/// Nothing that is not tested here runs out.
const LONG: Duration = Duration::from_secs(60);

const PATIENT: Limits =
    Limits { connections: 4, head: LONG, body: LONG, answer: LONG, taking: LONG, stop: SHORT };

/// A server in front of an engine that has not started.
fn server(limits: Limits) -> Server {
    let door = Door { limits, ..Door::default() };
    Server::start("127.0.0.1:0".parse().unwrap(), Arc::new(door)).unwrap()
}

fn connect(server: &Server) -> Stream {
    let stream = Stream::connect(server.local).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What comes until the peer has said all it will.
fn rest(mut stream: Stream) -> String {
    let mut text = Vec::new();
    // A connection that is cut has said all it will, too.
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn get(server: &Server, path: &str) -> String {
    let mut stream = connect(server);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    rest(stream)
}

#[test]
fn while_the_engine_starts_the_service_is_alive_and_not_ready() {
    let server = server(PATIENT);
    assert!(get(&server, "/healthz").starts_with("HTTP/1.1 200"));
    assert!(get(&server, "/metrics").contains("\ncallfold_ready 0\n"));
    for path in ["/readyz", "/v1/calls?command_id=a"] {
        let said = get(&server, path);
        assert!(said.starts_with("HTTP/1.1 503") && said.contains("\"starting\""), "{said}");
        assert!(said.contains("retry-after: 1\r\n"), "{said}");
    }
    server.stop();
}

#[test]
fn who_sends_its_head_too_slowly_is_sent_away() {
    let server = server(Limits { head: SHORT, ..PATIENT });
    let mut stream = connect(&server);
    stream.write_all(b"GET /healthz HT").unwrap();
    assert_eq!(rest(stream), "");
    server.stop();
}

#[test]
fn who_says_nothing_after_an_answer_is_sent_away() {
    let server = server(Limits { head: SHORT, ..PATIENT });
    let mut stream = connect(&server);
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(rest(stream).ends_with("alive\n"));
    server.stop();
}

#[test]
fn a_head_without_end_is_refused() {
    let server = server(PATIENT);
    let mut stream = connect(&server);
    let line = format!("x: {}\r\n", "y".repeat(1000));
    stream.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    // It may hang up while we still write.
    let _ = (0..200).try_for_each(|_| stream.write_all(line.as_bytes()));
    let said = rest(stream);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    server.stop();
}

#[test]
fn no_more_connections_than_there_is_room_for_are_served() {
    let server = server(Limits { connections: 1, ..PATIENT });
    let held = connect(&server);
    let mut second = connect(&server);
    second.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    second.set_read_timeout(Some(SHORT)).unwrap();
    let mut byte = [0];
    assert!(second.read(&mut byte).is_err(), "nobody has looked at it yet");
    held.shutdown(Shutdown::Both).unwrap();
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(rest(second).starts_with("HTTP/1.1 200"));
    server.stop();
}

#[test]
fn a_stop_does_not_wait_for_who_says_nothing() {
    let server = server(PATIENT);
    let idle = connect(&server);
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < PATIENCE);
    drop(idle);
}

#[test]
fn a_page_of_another_origin_may_not_place_calls() {
    let server = server(PATIENT);
    for (origin, status) in [("http://evil.example", "403"), ("http://a", "503")] {
        let mut stream = connect(&server);
        let head = format!("Host: a\r\nOrigin: {origin}\r\nConnection: close\r\n");
        write!(stream, "POST /v1/calls HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\n{{}}").unwrap();
        let said = rest(stream);
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
    }
    server.stop();
}

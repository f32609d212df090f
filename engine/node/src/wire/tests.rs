use super::*;
use mio::{Events, Poll};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

struct Loop {
    poll: Poll,
    wire: Wire,
    messages: Vec<(Peer, Vec<u8>)>,
    failures: Vec<Peer>,
    now: Duration,
}

impl Loop {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let wire = Wire::bind("127.0.0.1:0".parse().unwrap(), poll.registry()).unwrap();
        Self { poll, wire, messages: Vec::new(), failures: Vec::new(), now: Duration::ZERO }
    }

    fn send(&mut self, transport: Transport, address: SocketAddr, bytes: &[u8]) {
        self.wire.send(Peer { transport, address }, bytes, self.poll.registry());
    }

    /// Runs until something has come, or nothing does.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        let mut events = Events::with_capacity(16);
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "nothing came");
            let wait = if self.wire.has_more() { 0 } else { 20 };
            self.poll.poll(&mut events, Some(Duration::from_millis(wait))).unwrap();
            for event in &events {
                self.wire.is_ready(event, self.poll.registry());
            }
            let (messages, failures) = (&mut self.messages, &mut self.failures);
            self.wire.receive(self.now, |arrival| match arrival {
                Arrival::Message(peer, bytes) => messages.push((peer, bytes.to_vec())),
                Arrival::Failed(peer, _) => failures.push(peer),
            });
        }
    }
}

fn message(body: &str) -> String {
    let length = body.len();
    format!("OPTIONS sip:a SIP/2.0\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn a_datagram_goes_out_and_comes_in_whole() {
    let mut here = Loop::new();
    let there = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    there.set_read_timeout(Some(PATIENCE)).unwrap();
    here.send(Transport::Udp, there.local_addr().unwrap(), b"hello");
    let mut buffer = [0; 64];
    let (length, from) = there.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"hello"[..], here.wire.local()));
    there.send_to(b"well", from).unwrap();
    here.until(|here| !here.messages.is_empty());
    assert_eq!(here.messages[0].1, b"well");
}

// RFC 3261, 18.4.
#[test]
fn a_gateway_that_is_not_there_is_told_by_icmp() {
    let mut here = Loop::new();
    let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    here.send(Transport::Udp, gone, b"hello");
    here.until(|here| !here.failures.is_empty());
    assert_eq!(here.failures[0].address, gone);
}

#[test]
fn a_tcp_connection_is_opened_once_and_messages_are_cut_out_of_it() {
    let mut here = Loop::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    here.send(Transport::Tcp, there, message("1").as_bytes());
    here.send(Transport::Tcp, there, message("22").as_bytes());
    let (mut stream, from) = listener.accept().unwrap();
    let expected = message("1") + &message("22");
    let mut got = vec![0; expected.len()];
    here.until(|here| here.wire.tcp.is_flushed());
    stream.read_exact(&mut got).unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), expected);

    let both = message("333") + &message("");
    stream.write_all(&both.as_bytes()[..20]).unwrap();
    stream.write_all(&both.as_bytes()[20..]).unwrap();
    here.until(|here| here.messages.len() == 2);
    assert_eq!(here.messages[0].1, message("333").into_bytes());
    assert_eq!(here.messages[0].0, Peer { transport: Transport::Tcp, address: there });
    assert_ne!(from.port(), 0);

    drop(stream);
    here.until(|here| !here.failures.is_empty());
    assert!(here.wire.tcp.count() == 0);
}

#[test]
fn a_refused_connection_is_told() {
    let mut here = Loop::new();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    here.send(Transport::Tcp, gone, message("").as_bytes());
    here.until(|here| !here.failures.is_empty());
    assert_eq!(here.failures[0].address, gone);
    assert!(here.wire.tcp.count() == 0);
}

#[test]
fn a_stranger_that_sends_garbage_is_disconnected() {
    let mut here = Loop::new();
    let mut stream = TcpStream::connect(here.wire.local()).unwrap();
    stream.write_all(&[0; 100]).unwrap();
    here.until(|here| !here.failures.is_empty());
    assert!(here.wire.tcp.count() == 0);
    assert!(here.messages.is_empty());
}

/// A stranger that has sent the beginning of a message, and the node has read it.
fn half_a_message(here: &mut Loop) -> TcpStream {
    let mut stream = TcpStream::connect(here.wire.local()).unwrap();
    stream.write_all(b"OPTIONS sip:a SIP/2.0\r\nContent-Le").unwrap();
    here.until(|here| here.wire.tcp.unfinished() == 1);
    stream
}

#[test]
fn a_connection_that_holds_half_a_message_is_closed_after_30_s_however_it_drips() {
    let mut here = Loop::new();
    let mut stream = half_a_message(&mut here);
    here.now = Duration::from_secs(29);
    stream.write_all(b"ngth: 0\r\n").unwrap();
    here.until(|here| here.wire.tcp.bytes_unfinished() > 40);
    here.now = Duration::from_millis(30_001);
    here.until(|here| !here.failures.is_empty());
    assert_eq!(here.failures[0].address, stream.local_addr().unwrap());
    assert_eq!((here.wire.tcp.count(), here.messages.len()), (0, 0));
    assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "the stranger sees the end");
}

#[test]
fn a_connection_that_ends_its_messages_stays_however_long_it_is_silent() {
    let mut here = Loop::new();
    let mut stream = half_a_message(&mut here);
    here.now = Duration::from_secs(29);
    // The rest of it, and the beginning of another.
    stream.write_all(b"ngth: 0\r\n\r\nOPTIONS sip:b SIP/2.0\r\n").unwrap();
    here.until(|here| here.messages.len() == 1);
    here.now = Duration::from_secs(58);
    stream.write_all(b"Content-Length: 0\r\n\r\n").unwrap();
    here.until(|here| here.messages.len() == 2);
    here.now = Duration::from_secs(3_600);
    stream.write_all(message("").as_bytes()).unwrap();
    here.until(|here| here.messages.len() == 3);
    assert_eq!((here.wire.tcp.count(), here.failures.len()), (1, 0));
}

/// A crowd as large as the wire takes, of which nobody says anything.
fn a_silent_crowd(here: &mut Loop) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for size in 1..=tcp::CONNECTIONS_MAX {
        crowd.push(TcpStream::connect(here.wire.local()).unwrap());
        here.until(|here| here.wire.tcp.count() == size);
    }
    crowd
}

#[test]
fn a_silent_crowd_keeps_nobody_from_being_heard_nor_us_from_calling() {
    let mut here = Loop::new();
    let crowd = a_silent_crowd(&mut here);
    let mut carrier = TcpStream::connect(here.wire.local()).unwrap();
    carrier.write_all(message("1").as_bytes()).unwrap();
    here.until(|here| here.messages.len() == 1);
    // The one that has been silent for longest made room, and the user agent is told.
    assert_eq!(here.failures[0].address, crowd[0].local_addr().unwrap());

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    here.send(Transport::Tcp, listener.local_addr().unwrap(), message("2").as_bytes());
    let (mut stream, _) = listener.accept().unwrap();
    here.until(|here| here.wire.tcp.is_flushed());
    let mut got = vec![0; message("2").len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(here.failures[1].address, crowd[1].local_addr().unwrap());
    assert_eq!((here.wire.tcp.count(), here.failures.len()), (tcp::CONNECTIONS_MAX, 2));

    carrier.write_all(message("3").as_bytes()).unwrap();
    here.until(|here| here.messages.len() == 2);
}

#[test]
fn strangers_do_not_push_out_who_has_spoken() {
    let mut here = Loop::new();
    let mut crowd = a_silent_crowd(&mut here);
    for stranger in &mut crowd {
        stranger.write_all(message("").as_bytes()).unwrap();
    }
    here.until(|here| here.messages.len() == tcp::CONNECTIONS_MAX);
    let mut newcomer = TcpStream::connect(here.wire.local()).unwrap();
    newcomer.set_read_timeout(Some(PATIENCE)).unwrap();
    let turned_away = std::thread::spawn(move || newcomer.read(&mut [0; 8]).unwrap_or(0));
    here.until(|_| turned_away.is_finished());
    assert_eq!(turned_away.join().unwrap(), 0);
    assert_eq!((here.wire.tcp.count(), here.failures.len()), (tcp::CONNECTIONS_MAX, 0));
}

#[test]
fn who_pings_and_never_reads_is_closed() {
    let mut here = Loop::new();
    let mut stream = TcpStream::connect(here.wire.local()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let pings = b"\r\n\r\n".repeat(4096);
    let start = Instant::now();
    while here.failures.is_empty() {
        assert!(start.elapsed() < PATIENCE, "still open");
        while stream.write(&pings).is_ok_and(|written| written == pings.len()) {}
        let turns = std::cell::Cell::new(0);
        here.until(|_| turns.replace(turns.get() + 1) == 1);
    }
    assert_eq!(here.wire.tcp.count(), 0);
}

#[test]
fn a_flood_on_one_connection_does_not_keep_the_others_waiting() {
    let mut here = Loop::new();
    let mut flood = TcpStream::connect(here.wire.local()).unwrap();
    let many = message("").repeat(40_000);
    let writer = std::thread::spawn(move || flood.write_all(many.as_bytes()).map(|()| flood));
    here.until(|here| !here.messages.is_empty());
    // One turn hands over what it may, not all that has come.
    assert!(here.messages.len() < 10_000, "{}", here.messages.len());
    here.until(|here| here.messages.len() == 40_000);
    writer.join().unwrap().unwrap();
}

#[test]
fn a_port_in_use_is_one_clear_sentence() {
    let here = Loop::new();
    let poll = Poll::new().unwrap();
    let error = Wire::bind(here.wire.local(), poll.registry()).err().expect("it is in use");
    let text = error.to_string();
    assert!(text.contains(&here.wire.local().to_string()), "{text}");
    assert!(text.contains("another program uses this port"), "{text}");
}

#[test]
fn an_address_to_bind_is_read_with_or_without_a_port() {
    let read = |text| bind_address(text).map(|address| address.to_string());
    assert_eq!(read("127.0.0.1").unwrap(), "127.0.0.1:0");
    assert_eq!(read("127.0.0.1:5060").unwrap(), "127.0.0.1:5060");
    assert_eq!(read("::1").unwrap(), "[::1]:0");
    assert_eq!(read("[::1]:5060").unwrap(), "[::1]:5060");
    assert!(read("not an address").unwrap_err().contains("not an address"));
}

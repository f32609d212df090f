//! A line to the server that can be cut behind a statement: it arrives, and its answer does not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Forwards connections to a server.
pub struct Proxy {
    address: std::net::SocketAddr,
    line: Arc<Line>,
}

#[derive(Default)]
struct Line {
    swallow: AtomicBool,
    swallowed: AtomicU32,
}

impl Proxy {
    pub fn start(server: (&str, u16)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Line::default());
        let (own, server) = (line.clone(), (server.0.to_owned(), server.1));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else {
                    return;
                };
                own.clone().carry(client, server);
            }
        });
        Self { address, line }
    }

    /// The same address through here.
    pub fn rewrite(&self, url: &str, server: (&str, u16)) -> String {
        url.replace(&format!("{}:{}", server.0, server.1), &self.address.to_string())
    }

    /// The next answer to a statement that appends is swallowed, and its connection cut.
    pub fn swallow_next_answer(&self) {
        self.line.swallow.store(true, Ordering::SeqCst);
    }

    pub fn swallowed(&self) -> u32 {
        self.line.swallowed.load(Ordering::SeqCst)
    }
}

impl Line {
    fn carry(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_client) = (client.try_clone().unwrap(), client);
        let (mut from_server, mut to_server) = (server.try_clone().unwrap(), server);
        std::thread::spawn(move || {
            // The client's end, or the cut below.
            drop(std::io::copy(&mut from_client, &mut to_server));
            drop(to_server.shutdown(Shutdown::Both));
        });
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(read @ 1..) = from_server.read(&mut buffer) {
                let answer = &buffer[..read];
                // `2`: the parameters are bound. `D`: a row. `append` alone answers three arrays.
                if is_answer_of_append(answer) && self.swallow.swap(false, Ordering::SeqCst) {
                    self.swallowed.fetch_add(1, Ordering::SeqCst);
                    break;
                }
                if to_client.write_all(answer).is_err() {
                    break;
                }
            }
            drop(to_client.shutdown(Shutdown::Both));
        });
    }
}

/// BindComplete, then a DataRow of three columns (PostgreSQL's protocol, 55.7).
fn is_answer_of_append(answer: &[u8]) -> bool {
    answer.starts_with(&[b'2', 0, 0, 0, 4, b'D']) && answer.get(10..12) == Some(&[0, 3])
}

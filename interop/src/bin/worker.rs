//! A node that serves partitions of the work, told by the lines of its input what Kafka would tell
//! it, and saying line by line what became of that.
//!
//! `own 1 2` · `drain 1` · `leave 1` · `place 1 ID PHONE` · `end 1 ID`

use interop::caller::{call_to, gateway, node_options};
use node::{Node, Notice, Prepared, StoreUrl};
use schemas::commands::{EndCall, PlaceCall};
use schemas::{CallId, CommandId};
use sip::port::Transport;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use store::folder::MasterSource;
use switchboard::{Answer, GiveUp, Input, PartitionNews, Ticket};

/// Which command a ticket is for.
type Open = Arc<Mutex<HashMap<u64, String>>>;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let [_, name, data, store, carrier] = words.as_slice() else {
        panic!("NAME DATA STORE CARRIER");
    };
    let store: StoreUrl = store.parse().expect("a store's URL");
    let carrier = gateway(Transport::Udp, carrier.parse().expect("an address"));
    let mut options = node_options(Path::new(data), vec![carrier]);
    options.name.clone_from(name);
    (options.ring_timeout_ms, options.max_talk_ms) = (1_000, 700);
    let prepared = Prepared::open_on(options, &MasterSource::Folder, &store).expect("it opens");
    let node = prepared.start().expect("it starts");
    let open = Open::default();
    say("ready");
    let asked = open.clone();
    let asker = node.asker();
    std::thread::spawn(move || {
        let mut tickets = 0;
        for line in std::io::stdin().lines().map_while(Result::ok) {
            tickets += 1;
            let words: Vec<&str> = line.split(' ').collect();
            let partitions = words[1..].iter().map_while(|word| word.parse::<u32>().ok());
            match words[0] {
                "own" => drop(asker.own(partitions)),
                "drain" => drop(asker.give_up(partitions, GiveUp::Drain)),
                "leave" => drop(asker.give_up(partitions, GiveUp::Leave)),
                _ => {
                    asked.lock().unwrap().insert(tickets, words[2].to_owned());
                    let partition = words[1].parse().expect("a partition");
                    asker.ask(Input::Of(partition, Box::new(command(&words, Ticket(tickets)))));
                }
            }
        }
        // Whoever told us what to do is gone.
        std::process::exit(0);
    });
    tell(&node, &open);
}

fn command(words: &[&str], ticket: Ticket) -> Input {
    let id = CommandId::new(words[2]).expect("printable");
    match words[0] {
        "place" => {
            let call = PlaceCall { command_id: id, ..call_to(words[3]) };
            Input::Place(ticket, Box::new(call))
        }
        _ => {
            let command_id = CommandId::new(&format!("end/{id}")).expect("printable");
            let (call, of) = (CallId::of_command(&id), Some(id));
            Input::End(ticket, EndCall { command_id, call, of, only_unanswered: false })
        }
    }
}

fn tell(node: &Node, open: &Open) {
    for notice in &node.notices {
        match notice {
            Notice::Answer(ticket, answer) => {
                let id = open.lock().unwrap().remove(&ticket.0).expect("it was asked");
                let answer = match answer {
                    Answer::Accepted(_) => "accepted",
                    Answer::Repeated(_) => "repeated",
                    Answer::NoSuchCall(_) => "no such call",
                    Answer::NotOurs | Answer::Stopping => "not ours",
                    Answer::Conflict(_) | Answer::Refused(_) => "refused",
                };
                say(&format!("answer {id} {answer}"));
            }
            Notice::Partition(partition, news) => {
                let news = match news {
                    PartitionNews::Owned { open } => format!("owned with {open}"),
                    PartitionNews::Failed(why) => format!("failed: {why}"),
                    PartitionNews::GivenUp => "given up".to_owned(),
                    PartitionNews::Lost { .. } => "lost".to_owned(),
                };
                say(&format!("partition {partition} {news}"));
            }
            Notice::Stopped(why) => {
                say(&format!("stopped: {why}"));
                std::process::exit(1);
            }
            Notice::Ended(..) | Notice::Idle => {}
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever listened is gone, and soon so are we.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

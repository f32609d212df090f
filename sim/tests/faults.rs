//! A bad line, hostile input and many calls, on seeds, in virtual time.

mod caller;

use caller::world::{exchange, options, peer, talk};
use caller::{Caller, Script};
use sim::exchange::{Exchange, Faults, Output};
use sim::grammar;
use sim::seed::{Dice, fingerprint};
use std::time::Duration;

fn ping(n: u32) -> String {
    format!(
        "OPTIONS sip:carrier SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:4060;branch=z9hG4bK{n}\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:carrier>\r\nCall-ID: p{n}\r\nCSeq: {n} OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn invite(n: u32, number: &str) -> String {
    ping(n)
        .replace("OPTIONS sip:carrier ", &format!("INVITE sip:{number}@carrier "))
        .replace("OPTIONS", "INVITE")
}

/// How many answers come to 10 000 OPTIONS, and when the last one does.
fn answers(faults: Faults) -> (usize, Duration) {
    let mut exchange = exchange(options());
    exchange.set_faults(faults);
    let mut count = 0;
    for n in 0..10_000 {
        exchange.receive(peer(), ping(n).as_bytes(), Duration::ZERO);
        count += exchange.outputs().count();
    }
    let mut now = Duration::ZERO;
    while let Some(due) = exchange.due() {
        now = due;
        exchange.wake(now);
        count += exchange.outputs().count();
    }
    (count, now)
}

#[test]
fn datagrams_are_lost_and_doubled_as_often_as_ordered() {
    assert_eq!(answers(Faults::default()), (10_000, Duration::ZERO));
    // 5 % each way.
    let (lossy, _) = answers(Faults { loss_per_10_000: 500, ..Faults::default() });
    assert!((8_900..9_150).contains(&lossy), "{lossy}");
    let (doubled, _) = answers(Faults { duplicates_per_10_000: 500, ..Faults::default() });
    assert!((10_900..11_150).contains(&doubled), "{doubled}");
    assert_eq!(answers(Faults { down: true, ..Faults::default() }).0, 0);
}

#[test]
fn delayed_datagrams_all_come_and_overtake_each_other_only_with_jitter() {
    let ms = Duration::from_millis;
    let fixed = Faults { delay: ms(40), ..Faults::default() };
    assert_eq!(answers(fixed), (10_000, ms(40)));
    let (count, last) = answers(Faults { jitter: ms(20), ..fixed });
    assert_eq!(count, 10_000);
    assert!(last > ms(59) && last < ms(60), "{last:?}");
    let order = |faults| {
        let mut exchange = exchange(options());
        exchange.set_faults(faults);
        (0..50).for_each(|n| exchange.receive(peer(), ping(n).as_bytes(), Duration::ZERO));
        exchange.wake(ms(100));
        let sent: Vec<_> = exchange.outputs().map(|output| format!("{output:?}")).collect();
        let mut sorted = sent.clone();
        sorted.sort_unstable();
        (sent.len(), fingerprint(&sent.concat()))
    };
    let (in_order, swapped) = (order(fixed), order(Faults { jitter: ms(20), ..fixed }));
    assert_eq!(in_order.0, swapped.0);
    assert_ne!(in_order.1, swapped.1);
}

#[test]
fn invites_beyond_the_limit_of_a_second_get_503() {
    let mut exchange = exchange(options());
    exchange.set_faults(Faults { invites_per_second: 10, ..Faults::default() });
    for n in 0..45 {
        // 15 in each of three seconds.
        let now = Duration::from_secs(u64::from(n) / 15);
        exchange.receive(peer(), invite(n, "99948600").as_bytes(), now);
    }
    let finals = exchange.totals().finals;
    assert_eq!((finals.get(&486), finals.get(&503)), (Some(&30), Some(&15)));
}

/// All that a carrier sends in a world of many calls, as one number.
fn digest_of_a_day(seed: u64, calls: u32) -> u64 {
    let mut options = options();
    options.seed = seed;
    options.faults = Faults {
        loss_per_10_000: 200,
        duplicates_per_10_000: 200,
        jitter: Duration::from_millis(30),
        ..Faults::default()
    };
    let mut exchange = exchange(options);
    let mut digest = 0u64;
    let mut note = |exchange: &mut Exchange| {
        for output in exchange.outputs() {
            let text = match output {
                Output::Transmit { bytes, .. } => String::from_utf8(bytes).expect("is text"),
                Output::Rtp(_) => String::new(),
            };
            digest = digest.rotate_left(5) ^ fingerprint(&text);
        }
    };
    for n in 0..calls {
        let now = Duration::from_millis(u64::from(n) * 16);
        exchange.wake(now);
        let number = format!("86138{:08}", n % 900);
        exchange.receive(peer(), invite(n, &number).as_bytes(), now);
        note(&mut exchange);
    }
    while let Some(due) = exchange.due() {
        exchange.wake(due);
        note(&mut exchange);
    }
    assert_eq!(exchange.calls(), 0, "every call ends by itself");
    digest
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_one_others() {
    assert_eq!(digest_of_a_day(7, 700), digest_of_a_day(7, 700));
    assert_ne!(digest_of_a_day(7, 700), digest_of_a_day(8, 700));
}

/// Every message that a caller sends in all rows of the grammar.
fn corpus() -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for row in grammar::ROWS {
        let number = format!("999{:03}01", row.codes.0.max(1));
        let script = Script { cancel_after: Some(900), ..Script::default() };
        let mut caller = Caller::new(&number, &number, "UDP 127.0.0.1:4060", script);
        let mut exchange = exchange(options());
        talk(&mut exchange, &mut caller, Duration::ZERO, Duration::from_secs(60));
        messages.extend(caller.sent.into_iter().map(String::into_bytes));
    }
    messages
}

fn mutate(message: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(message.len().max(1) as u64) as usize;
        match dice.below(6) {
            0 => message.truncate(at),
            1 => message.insert(at, dice.roll() as u8),
            2 => message.splice(at..at, *b"\r\n").for_each(drop),
            3 => message.splice(at..at, vec![b'9'; dice.below(300) as usize]).for_each(drop),
            4 if at < message.len() => drop(message.remove(at)),
            _ if at < message.len() => message[at] = dice.roll() as u8,
            _ => {}
        }
    }
}

#[test]
fn a_flood_of_invites_with_one_call_id_is_cut_off() {
    let mut exchange = exchange(options());
    for n in 1..=1_000 {
        let flood = invite(n, "99918000").replace(&format!("Call-ID: p{n}"), "Call-ID: p");
        exchange.receive(peer(), flood.as_bytes(), Duration::ZERO);
    }
    assert_eq!((exchange.entries().len(), exchange.totals().plans.get("full")), (32, Some(&968)));
}

#[test]
fn hostile_input_stops_nothing_and_leaves_nothing_behind() {
    let corpus = corpus();
    let mut dice = Dice::new(4);
    let mut exchange = exchange(options());
    let mut now = Duration::ZERO;
    for n in 0..20_000 {
        let mut message = corpus[dice.below(corpus.len() as u64) as usize].clone();
        mutate(&mut message, &mut dice);
        now += Duration::from_millis(1);
        exchange.receive(peer(), &message, now);
        if n % 16 == 0 {
            exchange.wake(now);
        }
        exchange.outputs().for_each(drop);
    }
    assert!(exchange.totals().unreadable > 1_000, "{:?}", exchange.totals());
    // A good call among all that is answered.
    let mut caller = Caller::new("99920001", "good", "UDP 127.0.0.1:4060", Script::default());
    now = talk(&mut exchange, &mut caller, now, now + Duration::from_secs(30));
    assert!(caller.story.contains("< 200 BYE"), "{}", caller.story);
    while let Some(due) = exchange.due() {
        now = now.max(due);
        exchange.wake(now);
        exchange.outputs().for_each(drop);
    }
    assert_eq!(exchange.calls(), 0);
}

//! Answers of every kind: forked, routed, without SDP. (sipp takes the copy of an ACK for a repeat and
//! does not tell it: that every copy of an answer gets one is tested over a line, in `bad_line.rs`.)

use super::{TALKED, anybody, check};
use interop::sipp::Scenario;

#[test]
fn an_answer_without_sdp_is_acked_and_hung_up() {
    let story = "DialStarted CallRang CallAnswered CallHungUp CallEnded: \
                 failed 200 by us, media_mismatch";
    check(&Scenario::new("answer_without_sdp"), anybody(), story);
}

#[test]
fn ack_and_bye_go_the_way_of_the_record_route() {
    check(&Scenario::new("routed"), anybody(), TALKED);
}

#[test]
fn of_two_answers_one_is_kept_and_the_other_closed() {
    check(&Scenario::new("fork"), anybody(), TALKED);
}

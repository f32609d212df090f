//! From the INVITE to its answer.

use super::{anybody, check};
use interop::sipp::Scenario;
use sip::port::Transport;

const TALKED: &str = "DialStarted CallRang CallAnswered CallHungUp CallEnded: completed 200 by us, max_talk";

#[test]
fn sipps_own_callee_is_called_over_udp_and_tcp() {
    for transport in [Transport::Udp, Transport::Tcp] {
        check(&Scenario { transport, ..Scenario::new("-sn uas") }, anybody(), TALKED);
    }
}

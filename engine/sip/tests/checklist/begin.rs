//! A call from its INVITE to its BYE.

use expect_test::expect;

use crate::world::*;

#[test]
fn a_call_is_dialled_rings_is_answered_and_is_hung_up() {
    let script = Script::new(Plan::invite([say(0, 100), say(500, 180), say(3000, 200)]));
    check(
        script,
        expect![[r#"
        10    > INVITE 1
        20    < 100 1 INVITE
        20    * Progress 100
        520   < 180 1 INVITE
        520   * Progress 180
        3020  < 200 1 INVITE
        3020  * Answered 200 with SDP by c
        3035  > ACK 1
        4035  > BYE 2
        4045  < 200 2 BYE
        4045  * Closed
    "#]],
    );
}

use super::samples::events;
use super::*;
#[test]
fn a_type_has_one_number_and_one_name() {
    for kind in Event::kinds() {
        assert_eq!(Event::kind_name(kind.number), Some(kind.name));
        assert_eq!(Event::kind_number(kind.name), Some(kind.number));
        assert!(kind.versions.is_sorted_by(|older, newer| older < newer), "{}", kind.name);
    }
    assert_eq!(Event::kind_name(99), None);
    assert_eq!(Event::kind_number("CallFinished"), None);
}

#[test]
fn a_damaged_body_is_an_error_and_never_another_event_by_panic() {
    for event in events() {
        let Encoded { kind, version, body } = event.encode();
        for cut in 0..body.len() {
            assert!(Event::decode(kind, version, &body[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..body.len() {
            for bit in 0..8 {
                let mut flipped = body.clone();
                flipped[at] ^= 1 << bit;
                let _ = Event::decode(kind, version, &flipped);
            }
        }
        let longer = [&body[..], &[0]].concat();
        assert!(matches!(Event::decode(kind, version, &longer), Err(DecodeError::Damaged { .. })));
    }
    assert_eq!(Event::decode(1, 2, &[]), Err(DecodeError::Unknown { kind: 1, version: 2 }));
    let huge = vec![0; BODY_BYTES_MAX + 1];
    assert!(matches!(Event::decode(1, 1, &huge), Err(DecodeError::Damaged { .. })));
}

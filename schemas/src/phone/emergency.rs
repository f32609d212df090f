//! Which numbers lead to an emergency service, from anywhere. Wider than the numbers themselves:
//! country code, area code, the key for an outside line and the keys of phone services lead there
//! too.

use super::Phone;
use super::plan::{self, Plan};

/// Refused whatever the region: numbers that phones and exchanges take for an emergency in
/// countries other than their own (GSM 02.30 names 112 and 911; 110, 119, 120 and 122 are
/// China's).
const EVERYWHERE: &[&str] = &["000", "110", "112", "119", "120", "122", "911", "999"];

/// Those that stay an emergency number behind a 0 or 9 dialled for an outside line. Kept to the
/// five everybody knows: each takes two four-digit extensions from somebody.
const BEHIND_OUTSIDE_LINE: &[&str] = &["110", "112", "119", "120", "911"];

/// China's, that answer behind an area code too: `010 110` is Beijing's police.
const BEHIND_CHINESE_AREA: &[&str] = &["110", "119", "120", "122"];

/// The longest number that is looked up in every plan when the region is not known. Longer ones
/// are too often somebody's extension.
const UNKNOWN_REGION_DIGITS_MAX: usize = 3;

/// Whether dialling this leads to an emergency service, as far as anybody can tell.
pub(super) fn is_one(phone: &Phone, home: Option<&Plan>) -> bool {
    match phone.as_str().strip_prefix('+') {
        Some(digits) => is_one_abroad(digits),
        // Keys of services stand before a number, as in #31#112 or *67 911, or just around it.
        None => phone
            .as_str()
            .split(['*', '#', '-', '.', '_', '+'])
            .flat_map(|part| {
                [Some(part), part.get(2..).filter(|_| phone.as_str().starts_with('*'))]
            })
            .flatten()
            .any(|digits| is_one_here(digits, home)),
    }
}

fn is_one_abroad(digits: &str) -> bool {
    if EVERYWHERE.contains(&digits) {
        return true;
    }
    let Some((plan, rest)) = plan::of_country_code(digits) else { return false };
    let code = plan.country_code;
    let emergency = |digits: &str| {
        EVERYWHERE.contains(&digits) || plan::emergency_somewhere(digits, Some(code))
    };
    let without_zeros = rest.trim_start_matches('0');
    emergency(rest) || emergency(without_zeros) || (code == "86" && behind_area(without_zeros))
}

fn is_one_here(digits: &str, home: Option<&Plan>) -> bool {
    let outside_line = digits.strip_prefix(['0', '9']);
    if EVERYWHERE.contains(&digits)
        || outside_line.is_some_and(|rest| BEHIND_OUTSIDE_LINE.contains(&rest))
    {
        return true;
    }
    let in_china = home.is_none_or(|home| home.country_code == "86");
    if in_china && digits.strip_prefix('0').is_some_and(behind_area) {
        return true;
    }
    match home {
        Some(home) => {
            let without_plus = digits.strip_prefix(home.country_code);
            let emergency = |digits| EVERYWHERE.contains(&digits) || home.is_emergency(digits);
            emergency(digits) || without_plus.is_some_and(emergency)
        }
        None => {
            digits.len() <= UNKNOWN_REGION_DIGITS_MAX && plan::emergency_somewhere(digits, None)
        }
    }
}

/// `10110`, `755119`: a Chinese area code (10, 2x, or three digits from 3 to 9) and the number.
fn behind_area(digits: &str) -> bool {
    BEHIND_CHINESE_AREA.iter().any(|number| {
        digits
            .strip_suffix(number)
            .map(str::as_bytes)
            .is_some_and(|area| matches!(area, [b'1', b'0'] | [b'2', _] | [b'3'..=b'9', _, _]))
    })
}

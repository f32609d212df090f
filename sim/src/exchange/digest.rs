//! Digest access authentication (RFC 7616, RFC 8760) as a carrier checks it: to the letter. Written
//! apart from the engine's, so that the two cannot be wrong together.

use crate::callee::{Challenge, Scheme};
use crate::seed::Dice;
use md5::{Digest, Md5};
use sha2::Sha256;
use sip::message::{Message, Name};
use std::borrow::Cow;
use std::fmt::Write;

/// The realm of every challenge.
pub const REALM: &str = "callfold";

/// Who may call.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({}, …)", self.username)
    }
}

impl Default for Login {
    fn default() -> Self {
        Self { username: "callfold".to_owned(), password: "callfold".to_owned() }
    }
}

/// What is to be sent to one who has not proved who they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Demand {
    /// 401 or 407.
    pub status: u16,
    /// The challenge headers, each with its line end.
    pub headers: String,
}

/// Checks a request against a challenge. None: it may pass. Nothing is kept of a challenge: its
/// nonce follows from the secret and the Call-ID.
pub fn demand(
    challenge: Challenge,
    login: &Login,
    secret: u64,
    request: &Message<'_>,
) -> Option<Demand> {
    let sides = [(407, challenge.proxy), (401, challenge.www)];
    for (status, scheme) in sides {
        let Some(scheme) = scheme else { continue };
        let fresh = nonce(secret, request.call_id(), status, u8::from(challenge.stale_once));
        let name = if status == 407 { Name::ProxyAuthorization } else { Name::Authorization };
        let shown = |nonce: &str| {
            request.headers(name).any(|value| is_right(value, scheme, nonce, login, request))
        };
        if !challenge.never_right && shown(&fresh) {
            continue;
        }
        if challenge.stale_once {
            let first = nonce(secret, request.call_id(), status, 0);
            return Some(if shown(&first) {
                Demand { status, headers: headers(status, scheme, &fresh, true) }
            } else {
                Demand { status, headers: headers(status, scheme, &first, false) }
            });
        }
        return Some(Demand { status, headers: headers(status, scheme, &fresh, false) });
    }
    None
}

fn nonce(secret: u64, call_id: &str, status: u16, round: u8) -> String {
    let mut dice = Dice::of(secret ^ (u64::from(status) << 8 | u64::from(round)), call_id);
    format!("{:016x}{:016x}", dice.roll(), dice.roll())
}

fn headers(status: u16, scheme: Scheme, nonce: &str, stale: bool) -> String {
    let name = if status == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
    let mut text = String::new();
    for (algorithm, _) in algorithms(scheme) {
        let qop = match scheme {
            Scheme::NoQop => "",
            Scheme::QopList => ", qop=\"auth,auth-int\"",
            _ => ", qop=\"auth\"",
        };
        let stale = if stale { ", stale=true" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{name}: Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm={algorithm}{qop}{stale}\r\n"
        );
    }
    text
}

type Hash = fn(&str) -> String;

fn algorithms(scheme: Scheme) -> &'static [(&'static str, Hash)] {
    match scheme {
        Scheme::Md5 | Scheme::QopList | Scheme::NoQop => &[("MD5", md5)],
        Scheme::Sha256 => &[("SHA-256", sha256)],
        Scheme::Sha256OrMd5 => &[("SHA-256", sha256), ("MD5", md5)],
        Scheme::Md5Sess => &[("MD5-sess", md5)],
    }
}

/// Whether one Authorization header proves it.
fn is_right(
    value: &str,
    scheme: Scheme,
    nonce: &str,
    login: &Login,
    request: &Message<'_>,
) -> bool {
    proves(value, scheme, nonce, login, request).is_some()
}

fn proves(
    value: &str,
    scheme: Scheme,
    nonce: &str,
    login: &Login,
    request: &Message<'_>,
) -> Option<()> {
    let (kind, rest) = value.trim().split_once(' ')?;
    kind.eq_ignore_ascii_case("Digest").then_some(())?;
    let given = Given(rest);
    let same = given.quoted("username")? == login.username
        && given.quoted("realm")? == REALM
        && given.quoted("nonce")? == nonce;
    same.then_some(())?;
    // It need not be the Request-URI: a proxy may have changed that one (RFC 3261, 22.4).
    let uri = given.quoted("uri").filter(|uri| uri.starts_with("sip"))?;
    let algorithm = given.token("algorithm").unwrap_or("MD5");
    let (name, hash) =
        algorithms(scheme).iter().find(|(name, _)| name.eq_ignore_ascii_case(algorithm))?;
    let mut secret = hash(&format!("{}:{REALM}:{}", login.username, login.password));
    if name.ends_with("-sess") {
        secret = hash(&format!("{secret}:{nonce}:{}", given.quoted("cnonce")?));
    }
    let what = hash(&format!("{}:{uri}", request.method_text()));
    let wanted = if scheme == Scheme::NoQop {
        hash(&format!("{secret}:{nonce}:{what}"))
    } else {
        // RFC 7616, 3.4: qop and nc stand without quotation marks, nc has eight digits.
        let (qop, nc) = (given.token("qop")?, given.token("nc")?);
        let is_count = nc.len() == 8 && nc.bytes().all(|b| b.is_ascii_hexdigit());
        (qop == "auth" && is_count).then_some(())?;
        let cnonce = given.quoted("cnonce")?;
        hash(&format!("{secret}:{nonce}:{nc}:{cnonce}:{qop}:{what}"))
    };
    (given.quoted("response")? == wanted).then_some(())
}

/// The parameters of an Authorization header.
struct Given<'a>(&'a str);

impl<'a> Given<'a> {
    fn raw(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        while !rest.trim().is_empty() {
            let (key, after) = rest.split_once('=')?;
            let after = after.trim_start();
            let end = value_length(after)?;
            if key.trim().eq_ignore_ascii_case(name) {
                return Some(after[..end].trim_end());
            }
            rest = after[end..].trim_start().strip_prefix(',').unwrap_or("");
        }
        None
    }

    /// A value that stands without quotation marks.
    fn token(&self, name: &str) -> Option<&'a str> {
        self.raw(name).filter(|value| !value.starts_with('"'))
    }

    /// A value between quotation marks.
    fn quoted(&self, name: &str) -> Option<Cow<'a, str>> {
        let raw = self.raw(name)?;
        raw.starts_with('"').then(|| sip::message::unquote(raw))
    }
}

fn value_length(text: &str) -> Option<usize> {
    if !text.starts_with('"') {
        return Some(text.find(',').unwrap_or(text.len()));
    }
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616, 3.9.1.
    #[test]
    fn hashes_are_those_of_the_standards_example() {
        let parts = |hash: Hash| {
            let secret = hash("Mufasa:http-auth@example.org:Circle of Life");
            let what = hash("GET:/dir/index.html");
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            hash(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{what}"))
        };
        assert_eq!(parts(md5), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            parts(sha256),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    const CALL: &str = "INVITE sip:1@example.org SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:1@example.org>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n";

    fn status(challenge: Challenge, authorization: &str) -> Option<u16> {
        let text = format!("{CALL}{authorization}\r\n");
        let message = sip::message::parse(text.as_bytes()).expect("is a message");
        demand(challenge, &Login::default(), 5, &message).map(|demand| demand.status)
    }

    fn right(name: &str, quote: &str) -> String {
        let nonce = nonce(5, "c", 401, 0);
        let secret = md5("callfold:callfold:callfold");
        let what = md5("INVITE:sip:1@example.org");
        let response = md5(&format!("{secret}:{nonce}:00000001:x:auth:{what}"));
        format!(
            "{name}: Digest username=\"callfold\", realm=\"callfold\",nonce=\"{nonce}\", \
             uri=\"sip:1@example.org\",qop={quote}auth{quote}, nc=00000001, cnonce=\"x\", \
             response=\"{response}\", algorithm=MD5\r\n"
        )
    }

    #[test]
    fn the_right_answer_passes_and_each_wrong_one_does_not() {
        let md5 = Challenge::www(Scheme::Md5);
        let good = right("Authorization", "");
        assert_eq!(status(md5, &good), None);
        assert_eq!(status(Challenge::default(), ""), None);
        for bad in [
            String::new(),
            "Authorization: Basic eDp5\r\n".to_owned(),
            "Authorization: Digest \r\n".to_owned(),
            "Authorization: Digest username=\"\r\n".to_owned(),
            right("Proxy-Authorization", ""),
            right("Authorization", "\""),
            good.replace("uri=\"sip:1@", "uri=\"sip:2@"),
            good.replace("uri=\"sip:1@example.org\",", ""),
            good.replace("nc=00000001", "nc=1"),
            good.replace("username=\"callfold\"", "username=\"callfald\""),
            good.replace("response=\"", "response=\"0"),
            good.replace("algorithm=MD5", "algorithm=SHA-256"),
        ] {
            assert_eq!(status(md5, &bad), Some(401), "{bad}");
        }
        assert_eq!(status(Challenge { never_right: true, ..md5 }, &good), Some(401));
        assert_eq!(status(Challenge::proxy(Scheme::Md5), &good), Some(407));
        assert_eq!(status(Challenge { stale_once: true, ..md5 }, &good), Some(401));
    }
}

//! Reading and writing SIP by the plainest means.

/// An offer of both laws and digits.
pub fn sdp(ip: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

/// The first header of that name.
pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let head = message.split("\r\n\r\n").next().unwrap_or(message);
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or("")
}

pub(super) fn uri_of(contact: &str) -> &str {
    contact.trim_start_matches('<').split('>').next().unwrap_or(contact)
}

/// The letter at the end of a To tag: which phone of a fork.
pub(super) fn fork(to: &str) -> &str {
    match to.split(";tag=").nth(1) {
        Some(tag) => &tag[tag.len() - 1..],
        None => "",
    }
}

pub(super) fn describe_sdp(message: &str) -> String {
    let body = message.split("\r\n\r\n").nth(1).unwrap_or("");
    let Some(audio) = body.lines().find_map(|line| line.strip_prefix("m=audio ")) else {
        return if body.is_empty() || body.starts_with("Signal") { "" } else { " a body" }
            .to_owned();
    };
    let (port, formats) = audio.split_once(" RTP/AVP ").expect("is audio");
    let refused = if port == "0" { " port 0" } else { "" };
    let direction =
        body.lines().filter_map(|line| line.strip_prefix("a=")).next_back().unwrap_or("");
    let direction = if direction == "sendrecv" { "" } else { direction };
    format!(" sdp {formats} {direction}").trim_end().to_owned() + refused
}

pub(super) fn rtp_of(message: &str) -> Option<std::net::SocketAddr> {
    let body = message.split("\r\n\r\n").nth(1)?;
    let ip = body.lines().find_map(|line| line.strip_prefix("c=IN IP4 "))?;
    let port = body.lines().find_map(|line| line.strip_prefix("m=audio "))?.split(' ').next()?;
    Some(std::net::SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
}

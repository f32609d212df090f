//! A SIP message as a peer reads it: text, split by line. Its own few lines and not the crate's
//! lexer, so that a mistake there does not hide here.

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text(pub String);

impl Text {
    pub fn of(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    pub fn first_line(&self) -> &str {
        self.0.split("\r\n").next().unwrap_or("")
    }

    /// The method of a request, `SIP/2.0` of a response.
    pub fn method(&self) -> &str {
        self.first_line().split(' ').next().unwrap_or("")
    }

    /// The Request-URI.
    pub fn uri(&self) -> &str {
        self.first_line().split(' ').nth(1).unwrap_or("")
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.first_line().strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub fn headers(&self, name: &str) -> Vec<&str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or("");
        let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The first header of that name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers(name).first().copied().unwrap_or("")
    }

    pub fn has(&self, name: &str) -> bool {
        !self.headers(name).is_empty()
    }

    pub fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub fn branch(&self) -> &str {
        param(self.header("Via"), "branch")
    }

    /// The tag of From or To; empty when there is none.
    pub fn tag(&self, header: &str) -> &str {
        param(self.header(header), "tag")
    }

    pub fn cseq(&self) -> u32 {
        self.header("CSeq").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    pub fn cseq_method(&self) -> &str {
        self.header("CSeq").split(' ').nth(1).unwrap_or("")
    }
}

/// The value of a parameter; empty when it is not there or has none.
pub fn param<'a>(value: &'a str, name: &str) -> &'a str {
    let mut params = value.split(';').skip(1).filter_map(|p| p.split_once('='));
    params.find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map_or("", |(_, v)| v.trim())
}

/// What stands between the angle brackets.
pub fn bracketed(value: &str) -> &str {
    let from = value.find('<').map_or(0, |at| at + 1);
    let to = value.find('>').unwrap_or(value.len());
    &value[from..to]
}

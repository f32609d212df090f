//! Header names and methods: those we know as values, all others as text.

/// A header we know by name, long or compact, in any case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it; `NAMES` has them as they are on the wire")]
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    Route,
    RecordRoute,
    ContentType,
    ContentLength,
    ContentEncoding,
    Accept,
    Allow,
    Supported,
    Require,
    ProxyRequire,
    Unsupported,
    Expires,
    MinExpires,
    RetryAfter,
    Reason,
    SessionExpires,
    MinSe,
    RSeq,
    RAck,
    WwwAuthenticate,
    ProxyAuthenticate,
    Authorization,
    ProxyAuthorization,
    AuthenticationInfo,
    Date,
    Timestamp,
    Warning,
    UserAgent,
    Server,
    Event,
    SubscriptionState,
    ReferTo,
    ReferredBy,
    PAssertedIdentity,
    PPreferredIdentity,
    Privacy,
    Diversion,
    HistoryInfo,
    Identity,
    Path,
    ServiceRoute,
    Subject,
    Replaces,
    /// None of the above. Ask for it by its text.
    Other,
}

/// Long form, compact form, whether its values may stand in one line with commas between them.
const NAMES: [(Name, &str, Option<u8>, bool); Name::Other as usize] = [
    (Name::Via, "Via", Some(b'v'), true),
    (Name::From, "From", Some(b'f'), false),
    (Name::To, "To", Some(b't'), false),
    (Name::CallId, "Call-ID", Some(b'i'), false),
    (Name::CSeq, "CSeq", None, false),
    (Name::Contact, "Contact", Some(b'm'), true),
    (Name::MaxForwards, "Max-Forwards", None, false),
    (Name::Route, "Route", None, true),
    (Name::RecordRoute, "Record-Route", None, true),
    (Name::ContentType, "Content-Type", Some(b'c'), false),
    (Name::ContentLength, "Content-Length", Some(b'l'), false),
    (Name::ContentEncoding, "Content-Encoding", Some(b'e'), true),
    (Name::Accept, "Accept", None, true),
    (Name::Allow, "Allow", None, true),
    (Name::Supported, "Supported", Some(b'k'), true),
    (Name::Require, "Require", None, true),
    (Name::ProxyRequire, "Proxy-Require", None, true),
    (Name::Unsupported, "Unsupported", None, true),
    (Name::Expires, "Expires", None, false),
    (Name::MinExpires, "Min-Expires", None, false),
    (Name::RetryAfter, "Retry-After", None, false),
    (Name::Reason, "Reason", None, true),
    (Name::SessionExpires, "Session-Expires", Some(b'x'), false),
    (Name::MinSe, "Min-SE", None, false),
    (Name::RSeq, "RSeq", None, false),
    (Name::RAck, "RAck", None, false),
    // A challenge has commas of its own, so it is no list here; `auth` takes it apart.
    (Name::WwwAuthenticate, "WWW-Authenticate", None, false),
    (Name::ProxyAuthenticate, "Proxy-Authenticate", None, false),
    (Name::Authorization, "Authorization", None, false),
    (Name::ProxyAuthorization, "Proxy-Authorization", None, false),
    (Name::AuthenticationInfo, "Authentication-Info", None, false),
    (Name::Date, "Date", None, false),
    (Name::Timestamp, "Timestamp", None, false),
    (Name::Warning, "Warning", None, true),
    (Name::UserAgent, "User-Agent", None, false),
    (Name::Server, "Server", None, false),
    (Name::Event, "Event", Some(b'o'), false),
    (Name::SubscriptionState, "Subscription-State", None, false),
    (Name::ReferTo, "Refer-To", Some(b'r'), false),
    (Name::ReferredBy, "Referred-By", Some(b'b'), false),
    (Name::PAssertedIdentity, "P-Asserted-Identity", None, true),
    (Name::PPreferredIdentity, "P-Preferred-Identity", None, true),
    (Name::Privacy, "Privacy", None, false),
    (Name::Diversion, "Diversion", None, true),
    (Name::HistoryInfo, "History-Info", None, true),
    (Name::Identity, "Identity", Some(b'y'), false),
    (Name::Path, "Path", None, true),
    (Name::ServiceRoute, "Service-Route", None, true),
    (Name::Subject, "Subject", Some(b's'), false),
    (Name::Replaces, "Replaces", None, false),
];

/// The longest of `NAMES`; one longer is none of them.
const NAME_BYTES_MAX: usize = 20;

/// For each length, which of `NAMES` are that long, as a bit set: a name is compared with two or
/// three others instead of fifty.
const BY_LENGTH: [u64; NAME_BYTES_MAX + 1] = {
    let mut sets = [0u64; NAME_BYTES_MAX + 1];
    let mut at = 0;
    while at < NAMES.len() {
        assert!(NAMES[at].0 as usize == at, "NAMES stands in the order of the enum");
        sets[NAMES[at].1.len()] |= 1 << at;
        at += 1;
    }
    sets
};

impl Name {
    /// All names that we know.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|n| n.0)
    }

    /// Reads a header name, long or compact, in any case (RFC 3261, 7.3.3).
    pub fn read(text: &str) -> Self {
        Self::read_bytes(text.as_bytes())
    }

    pub(super) fn read_bytes(bytes: &[u8]) -> Self {
        if let [letter] = *bytes {
            let letter = letter.to_ascii_lowercase();
            return NAMES.iter().find(|n| n.2 == Some(letter)).map_or(Self::Other, |n| n.0);
        }
        let mut candidates = BY_LENGTH.get(bytes.len()).copied().unwrap_or(0);
        while candidates != 0 {
            let (name, long, ..) = NAMES[candidates.trailing_zeros() as usize];
            if bytes.eq_ignore_ascii_case(long.as_bytes()) {
                return name;
            }
            candidates &= candidates - 1;
        }
        Self::Other
    }

    /// The long form, as it is written. Empty for [`Name::Other`].
    pub fn text(self) -> &'static str {
        NAMES.get(self as usize).map_or("", |n| n.1)
    }

    /// Whether several values may stand in one line, separated by commas (RFC 3261, 7.3.1).
    pub fn is_list(self) -> bool {
        NAMES.get(self as usize).is_some_and(|n| n.3)
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident = $text:literal,)*) => {
        /// A SIP method. Methods are case-sensitive (RFC 3261, 7.1): `invite` is another one.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Method {
            $($(#[$doc])* $method,)*
            /// Any other. Its text is in the message.
            Other,
        }

        impl Method {
            /// All methods we know.
            pub const KNOWN: &[Self] = &[$(Self::$method,)*];

            /// Reads a method.
            pub fn read(text: &str) -> Self {
                match text { $($text => Self::$method,)* _ => Self::Other }
            }

            /// As it is written. Empty for [`Method::Other`].
            pub fn text(self) -> &'static str {
                match self { $(Self::$method => $text,)* Self::Other => "" }
            }
        }
    };
}

methods! {
    /// Begins a session, or changes it (RFC 3261, 13).
    Invite = "INVITE",
    /// Confirms a final answer to an INVITE.
    Ack = "ACK",
    /// Ends an INVITE without a final answer (RFC 3261, 9).
    Cancel = "CANCEL",
    /// Ends a session (RFC 3261, 15).
    Bye = "BYE",
    /// Asks what a peer can do, and whether it is there (RFC 3261, 11).
    Options = "OPTIONS",
    /// Binds an address to a contact (RFC 3261, 10).
    Register = "REGISTER",
    /// Confirms a reliable provisional answer (RFC 3262).
    Prack = "PRACK",
    /// Changes a session, also before it is answered (RFC 3311).
    Update = "UPDATE",
    /// Carries digits and the like (RFC 6086).
    Info = "INFO",
    /// Asks to call somebody else (RFC 3515).
    Refer = "REFER",
    /// Tells of an event (RFC 6665).
    Notify = "NOTIFY",
    /// Asks to be told of events (RFC 6665).
    Subscribe = "SUBSCRIBE",
    /// Carries a text (RFC 3428).
    Message = "MESSAGE",
    /// Publishes a state (RFC 3903).
    Publish = "PUBLISH",
}

//! `kurrentdb://[USER[:PASSWORD]@]HOST[:PORT][,HOST…][?KEY=VALUE&…]`, as KurrentDB writes it.
//!
//! `esdb://` is the same under the older name; `kurrentdb+discover://` asks one name of the DNS for
//! all nodes of a cluster. Several hosts are the nodes of one cluster.
//!
//! | key | means |
//! |---|---|
//! | `log` | the log's name, with which its streams begin; `callfold` when absent. One server may hold several logs |
//! | `tls` | `true` (when absent) or `false` |
//! | `tlsCaFile` | a file of certificates to trust instead of the system's |
//! | `tlsVerifyCert` | `false` trusts any certificate |
//! | `userCertFile`, `userKeyFile` | a certificate to log in with, and its key |
//!
//! and `connectionName`, `gossipTimeout`, `discoveryInterval`, `maxDiscoverAttempts`,
//! `keepAliveInterval`, `keepAliveTimeout`, in milliseconds, as the vendor documents them. A user's
//! name and password may hold any character, as `%XX`; the password may come from
//! `CALLFOLD_KURRENTDB_PASSWORD` instead.

use kurrentdb::{Authentication, ClientSettings};
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use store::StoreError;

/// What the vendor's client understands beside what is ours.
const KNOWN: &[&str] = &[
    "connectionname",
    "discoveryinterval",
    "gossiptimeout",
    "keepaliveinterval",
    "keepalivetimeout",
    "maxdiscoverattempts",
    "tls",
    "tlscafile",
    "tlsverifycert",
    "usercertfile",
    "userkeyfile",
];
/// The client waits so long before it asks a server for the first time, ours is the back-off.
const DISCOVERY_INTERVAL_MS: u32 = 20;
const SCHEMES: &[&str] = &["kurrentdb", "kurrent", "kdb", "esdb"];

/// Where the store is, and how it is reached.
pub struct Address {
    settings: ClientSettings,
    login: Option<Authentication>,
    log: String,
    shown: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], which says what is wrong and shows no password.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, hosts) = place.rsplit_once('@').unwrap_or(("", place));
        let hosts = hosts.trim_end_matches('/');
        let wrong = |why: String| StoreError::Foreign { file: format!("{scheme}://{hosts}"), why };
        if !SCHEMES.contains(&scheme.trim_end_matches("+discover")) {
            return Err(wrong("an address begins with kurrentdb://".to_owned()));
        }
        let (mut log, mut settings) = ("callfold", Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key.to_lowercase().as_str() {
                "log" => log = value,
                known if KNOWN.contains(&known) => settings.push(pair.to_owned()),
                _ => return Err(wrong(format!("there is no setting `{key}`"))),
            }
        }
        let plain = log.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if log.is_empty() || log.len() > 40 || !plain {
            return Err(wrong("a log's name is 1 to 40 letters, digits and `_`".to_owned()));
        }
        if !settings.iter().any(|pair| pair.to_lowercase().starts_with("discoveryinterval=")) {
            settings.push(format!("discoveryInterval={DISCOVERY_INTERVAL_MS}"));
        }
        // Who reads from a follower may not see what has just been acknowledged.
        settings.push("nodePreference=leader".to_owned());
        let address = format!("{scheme}://{hosts}?{}", settings.join("&"));
        let settings: ClientSettings = address
            .parse()
            .map_err(|error: kurrentdb::ClientSettingsParseError| wrong(reason(&error)))?;
        if let Some(file) = settings.tls_ca_file() {
            check_certificates(file).map_err(|why| wrong(format!("{file}: {why}")))?;
        }
        let login = login_of(login).map_err(&wrong)?;
        let shown = format!("{scheme}://{hosts}, log {log}");
        Ok(Self { settings, login, log: log.to_owned(), shown })
    }

    /// What the vendor's client is made with: without the login, which it would not decode.
    pub fn settings(&self) -> &ClientSettings {
        &self.settings
    }

    /// Who we are; nobody when absent.
    pub fn login(&self) -> Option<&Authentication> {
        self.login.as_ref()
    }

    /// The log's name. Letters, digits and `_` alone.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// For people: without the password.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// `USER[:PASSWORD]`, decoded.
fn login_of(text: &str) -> Result<Option<Authentication>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let decoded = |part: &str| -> Vec<u8> { percent_decode_str(part).collect() };
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password))),
        None => (text, std::env::var("CALLFOLD_KURRENTDB_PASSWORD").ok().map(String::into_bytes)),
    };
    let password = password.ok_or_else(|| {
        format!("no password for {user}: write it after a colon, or in CALLFOLD_KURRENTDB_PASSWORD")
    })?;
    Ok(Some(Authentication::basic(decoded(user), password)))
}

fn reason(error: &kurrentdb::ClientSettingsParseError) -> String {
    match error.error() {
        // Its message is the whole address then.
        Some(why) => why.to_string(),
        None => error.message().to_owned(),
    }
}

/// The client would panic over a file without sound certificates.
fn check_certificates(file: &str) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_never_the_password() {
        let address =
            Address::parse("esdb://jo:s3%40cret@db.example:2114?tls=false&log=spring").unwrap();
        assert_eq!(address.shown(), "esdb://db.example:2114, log spring");
        assert_eq!(address.log(), "spring");
        assert_eq!(address.login(), Some(&Authentication::basic("jo", "s3@cret")));
        assert!(!address.settings().is_secure_mode_enabled());
        assert!(!format!("{:?}", address.settings()).contains("cret"));
    }

    #[test]
    fn several_hosts_are_one_cluster_and_the_leader_is_asked() {
        let address = Address::parse("kurrentdb://a:2113,b:2113,c:2113").unwrap();
        assert_eq!(address.settings().hosts().len(), 3);
        assert_eq!(address.settings().node_preference(), kurrentdb::NodePreference::Leader);
        assert!(address.settings().is_secure_mode_enabled() && address.login().is_none());
    }

    #[test]
    fn an_address_that_cannot_be_read_says_why_and_keeps_the_password() {
        for (text, why) in [
            ("http://jo:s3cret@h", "begins with kurrentdb://"),
            ("kurrentdb://jo:s3cret@h?log=a.b", "a log's name is"),
            ("kurrentdb://jo:s3cret@h?colour=red", "no setting `colour`"),
            ("kurrentdb://jo:s3cret@h?nodePreference=follower", "no setting `nodePreference`"),
            ("kurrentdb://jo:s3cret@h:port", "port"),
            ("kurrentdb://jo:s3cret@h?tls=maybe", "maybe"),
            ("kurrentdb://jo:s3cret@h?tlsCaFile=/nowhere/ca.pem", "/nowhere/ca.pem"),
            ("kurrentdb://jo@h", "no password for jo"),
        ] {
            let error = Address::parse(text).err().expect(text).to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}

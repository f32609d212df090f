//! `postgres://USER[:PASSWORD]@HOST[:PORT][,HOST…]/DATABASE[?KEY=VALUE&…]`, as PostgreSQL writes it.
//!
//! | key | means |
//! |---|---|
//! | `schema` | where the tables stand; `callfold` when absent. One database may hold several logs |
//! | `sslmode` | `disable` (when absent), or `require`, `verify-full`: TLS, and the server's certificate is checked with both |
//! | `sslrootcert` | a file of certificates to trust instead of the system's |
//!
//! and those that `tokio_postgres::Config` knows. A password may come from `PGPASSWORD` instead.
//! With several hosts the one that takes writes is used, so a failover needs no new address.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;
use store::StoreError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long a server may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that says nothing for so long is gone: a cut cable, a machine without power.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Where the store is, and how it is reached.
pub struct Address {
    config: Config,
    schema: String,
    tls: Option<Tls>,
    shown: String,
}

/// How the connection is sealed.
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub struct Tls {
    /// Whose certificates are trusted; the system's when absent.
    pub roots: Option<PathBuf>,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`StoreError::Foreign`], which says what is wrong and shows no password.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let wrong = |why: String| StoreError::Foreign { file: without_password(address), why };
        let (mut schema, mut tls, mut roots, mut rest) = ("callfold", None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("schema", name)) => schema = name,
                Some(("sslmode", "disable")) => tls = Some(false),
                Some(("sslmode", "require" | "verify-full")) => tls = Some(true),
                Some(("sslmode", other)) => {
                    let known = "disable, require and verify-full";
                    return Err(wrong(format!("there is no sslmode `{other}` here, only {known}")));
                }
                Some(("sslrootcert", file)) => roots = Some(PathBuf::from(file)),
                _ => rest.push(pair),
            }
        }
        let plain = schema.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if schema.is_empty() || schema.len() > 40 || !plain {
            return Err(wrong("a schema's name is 1 to 40 letters, digits and `_`".to_owned()));
        }
        let tls = (tls == Some(true) || roots.is_some()).then_some(Tls { roots });
        if cfg!(not(feature = "tls")) && tls.is_some() {
            return Err(wrong("this program was built without TLS for PostgreSQL".to_owned()));
        }
        let address = format!("{address}?{}", rest.join("&"));
        let mut config: Config = address.parse().map_err(|error: tokio_postgres::Error| {
            // The sentence names a key or a place, and never a value.
            wrong(error.source().map_or_else(|| error.to_string(), ToString::to_string))
        })?;
        fill(&mut config, tls.is_some());
        let shown = shown(&config, schema);
        Ok(Self { config, schema: schema.to_owned(), tls, shown })
    }

    /// How to connect.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where the tables stand. Letters, digits and `_` alone.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// How the connection is sealed; not at all when absent.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// For people: without the password.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// What the address does not say.
fn fill(config: &mut Config, tls: bool) {
    config.ssl_mode(if tls { SslMode::Require } else { SslMode::Disable });
    config.application_name("callfold");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SILENCE_MAX);
    }
    config.keepalives_idle(SILENCE_MAX);
    if config.get_hosts().len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_password().is_none()
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
}

fn shown(config: &Config, schema: &str) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or("");
    format!("postgres://{}/{database}, schema {schema}", hosts.join(","))
}

/// For an address that cannot be read, and may hold a password all the same.
fn without_password(address: &str) -> String {
    let (before, after) = address.rsplit_once('@').unwrap_or(("", address));
    let user = before.split_once("://").map_or("", |(_, login)| login);
    let user = user.split(':').next().unwrap_or("");
    let after = after.strip_prefix("postgres://").unwrap_or(after);
    let after = after.strip_prefix("postgresql://").unwrap_or(after);
    if user.is_empty() {
        format!("postgres://{after}")
    } else {
        format!("postgres://{user}@{after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_where_and_never_the_password() {
        let address =
            Address::parse("postgres://jo:s3cret@db.example:6543/calls?schema=spring").unwrap();
        assert_eq!(address.shown(), "postgres://db.example/calls, schema spring");
        assert_eq!(address.config().get_password(), Some(&b"s3cret"[..]));
        assert_eq!(address.config().get_ports(), [6543]);
        assert_eq!(address.config().get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn an_address_that_cannot_be_read_says_why_and_keeps_the_password() {
        for (text, why) in [
            ("postgres://jo:s3cret@h/d?schema=a-b", "a schema's name is"),
            ("postgres://jo:s3cret@h/d?sslmode=prefer", "there is no sslmode `prefer`"),
            ("postgres://jo:s3cret@h:port/d", "invalid"),
            ("postgres://jo:s3cret@h/d?colour=red", "colour"),
        ] {
            let error = Address::parse(text).err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("s3cret") && error.contains("jo@h"), "{error}");
        }
    }
}

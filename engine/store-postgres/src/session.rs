//! One connection: made, told how we work, and what its errors mean to us.

use crate::address::Address;
use crate::keys::Keyrings;
use crate::migrations;
use futures_util::{StreamExt, stream};
use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use store::remote::Head;
use store::{StoreError, StoreId};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};
use uuid::Uuid;

/// How long opening may take when the server does not answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// PostgreSQL 13 is the first that makes random ids by itself.
const OLDEST_SERVER: i32 = 130_000;

/// How a session works: appends see what is committed when each command begins; every query of ours
/// has its index, also while a new table has no statistics; who waits too long gives up and comes
/// again; the server notices within 14 s that our machine is gone, and gives our claims back; and
/// what is acknowledged is on the disk.
const MANNERS: &str = "
    SET default_transaction_isolation = 'read committed';
    SET enable_seqscan = off;
    SET jit = off;
    SET client_min_messages = warning;
    SET statement_timeout = '20s';
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '20s';
    SET tcp_keepalives_idle = 5;
    SET tcp_keepalives_interval = 3;
    SET tcp_keepalives_count = 3;
    SELECT set_config('synchronous_commit', 'on', false)
        WHERE current_setting('synchronous_commit') = 'off';
    SELECT set_config(name, '5s', false) FROM pg_settings
        WHERE name = 'client_connection_check_interval';
";

/// Why something could not be done.
#[derive(Debug)]
pub struct Failure {
    /// What to do about it.
    pub kind: Kind,
    /// For people.
    pub why: String,
}

/// What to do about a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The connection is gone; whether the server did it is not known. Connect and try again.
    Lost,
    /// The server did not do it, and may the next time.
    Passing,
    /// It will never do it.
    Lasting,
}

impl Failure {
    /// Something took longer than it may.
    pub fn silence() -> Self {
        Self { kind: Kind::Lost, why: "the server does not answer".to_owned() }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            let mut why = error.to_string();
            if let Some(cause) = error.source() {
                why = format!("{why}: {cause}");
            }
            if error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).is_some() {
                why.push_str(". Start it, or put its right name and port into the URL");
            } else if why.contains("password missing") {
                why.push_str(PASSWORD);
                return Self { kind: Kind::Lasting, why };
            }
            // Anything but a word from the server: nobody knows how far it came.
            return Self { kind: Kind::Lost, why };
        };
        // Not the detail: it shows what stands in a row.
        let code = refusal.code();
        let why = format!("{} ({}){}", refusal.message(), code.code(), next_step(code));
        Self { kind: kind_of(code), why }
    }
}

const PASSWORD: &str = ". Put the right user and password into the URL, or the password into \
                        PGPASSWORD";

/// What a person can do about a refusal, behind its sentence.
fn next_step(code: &SqlState) -> &'static str {
    match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => PASSWORD,
        SqlState::INVALID_CATALOG_NAME => {
            ". Make it first (`createdb` does), or put the right name into the URL"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            ". Let the database's owner grant it: who keeps events there needs CREATE on the \
             database, or the schema as its own"
        }
        _ => "",
    }
}

fn kind_of(code: &SqlState) -> Kind {
    // 25006: we are connected to what has become a standby. 57P: it is being stopped or started.
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION || code.code().starts_with("57P") {
        return Kind::Lost;
    }
    match &code.code()[..2] {
        "08" => Kind::Lost,
        // Rolled back; no resources; cancelled or locked out; the disk of the server.
        "40" | "53" | "55" | "57" | "58" => Kind::Passing,
        // Somebody writes the table without the lock: the next try stands behind it.
        "23" => Kind::Passing,
        _ => Kind::Lasting,
    }
}

/// Who hears what the server tells all its clients.
#[derive(Clone)]
pub struct Ears {
    /// Hears of new events.
    pub head: Arc<Head>,
    /// Hear of erasures.
    pub keyrings: Arc<Keyrings>,
}

impl Ears {
    fn hear(&self, told: &str) {
        match told.parse() {
            Ok(position) => self.head.is_at_least(position),
            // `erased`, or what a later version tells.
            Err(_) => self.keyrings.look(),
        }
    }
}

/// A store that was opened.
pub struct Opened {
    /// Which one it is.
    pub id: StoreId,
}

/// Opens the store: looks at the server, and makes the tables or brings them up to date.
pub async fn open(address: &Address, make: bool) -> Result<Opened, StoreError> {
    let remote = |why| StoreError::Remote { store: address.shown().to_owned(), why };
    let failed = |failure: Failure| remote(failure.why);
    let connecting = timeout(OPEN_TIMEOUT, connect(address, None));
    let mut client =
        connecting.await.unwrap_or_else(|_| Err(Failure::silence())).map_err(failed)?;
    let told = |error: tokio_postgres::Error| failed(error.into());
    let query = "SELECT current_setting('server_version_num')::integer, pg_is_in_recovery(),
         current_setting('fsync') = 'off' OR current_setting('full_page_writes') = 'off',
         to_regnamespace($1) IS NULL";
    let row = client.query_one(query, &[&address.schema()]).await.map_err(told)?;
    let (version, standby): (i32, bool) = (row.get(0), row.get(1));
    if version < OLDEST_SERVER {
        let version = version / 10_000;
        let why = format!("it is PostgreSQL {version}, and 13 is needed at least: upgrade it");
        return Err(remote(why));
    }
    if make && standby {
        return Err(remote(
            "it is a standby, which takes no events: name the server that takes writes".to_owned(),
        ));
    }
    if row.get(2) {
        tracing::warn!("this PostgreSQL does not sync what it writes: a power cut loses calls");
    }
    let there = if row.get(3) { None } else { migrations::version(&client).await.map_err(told)? };
    match there {
        Some(found) if found > migrations::LATEST => {
            let (file, known) = (address.shown().to_owned(), migrations::LATEST.unsigned_abs());
            return Err(StoreError::Newer { file, found: found.unsigned_abs(), known });
        }
        Some(migrations::LATEST) => {}
        _ if make => make_tables(&mut client, address.schema()).await.map_err(remote)?,
        _ => {
            let why = "no node has kept its events there: look at the database and the schema in \
                       the URL";
            return Err(remote(why.to_owned()));
        }
    }
    let row = client.query_one("SELECT id FROM store", &[]).await.map_err(told)?;
    Ok(Opened { id: StoreId(row.get::<_, Uuid>(0).into_bytes()) })
}

async fn make_tables(client: &mut Client, schema: &str) -> Result<(), String> {
    let told = |error: tokio_postgres::Error| Failure::from(error).why;
    // Two nodes that start together: the second finds the tables.
    let lock = "SELECT pg_advisory_lock(hashtextextended('callfold ' || $1, 0))";
    client.execute(lock, &[&schema]).await.map_err(told)?;
    let missing = client.query_one("SELECT to_regnamespace($1) IS NULL", &[&schema]).await;
    if missing.map_err(told)?.get(0) {
        client.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await.map_err(told)?;
    }
    let mut done = migrations::run(client).await.map_err(|error| {
        let cause = error.source().map_or(String::new(), |cause| format!(": {cause}"));
        format!("{error}{cause}")
    });
    let unlock = "SELECT pg_advisory_unlock(hashtextextended('callfold ' || $1, 0))";
    if let Err(error) = client.execute(unlock, &[&schema]).await {
        done = done.and(Err(told(error)));
    }
    done
}

/// Connects, and hears what the server tells when there is somebody to hear it.
pub async fn connect(address: &Address, ears: Option<Ears>) -> Result<Client, Failure> {
    let hears = ears.is_some();
    let client = match address.tls() {
        None => {
            let (client, connection) = address.config().connect(NoTls).await?;
            drive(connection, ears);
            client
        }
        #[cfg(feature = "tls")]
        Some(tls) => {
            let lasting = |why| Failure { kind: Kind::Lasting, why };
            let sealed = crate::tls::connector(tls).map_err(lasting)?;
            let (client, connection) = address.config().connect(sealed).await?;
            drive(connection, ears);
            client
        }
        #[cfg(not(feature = "tls"))]
        Some(_) => unreachable!("an address with TLS was refused when it was read"),
    };
    let schema = address.schema();
    client.batch_execute(&format!("{MANNERS}SET search_path = \"{schema}\"")).await?;
    if hears {
        client.batch_execute(&format!("LISTEN \"{schema}_events\"")).await?;
    }
    Ok(client)
}

/// Moves the connection's bytes until it ends, which its client notices.
fn drive<S, T>(mut connection: Connection<S, T>, ears: Option<Ears>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(Ok(message)) = messages.next().await {
            if let (AsyncMessage::Notification(told), Some(ears)) = (message, &ears) {
                ears.hear(told.payload());
            }
        }
    });
}

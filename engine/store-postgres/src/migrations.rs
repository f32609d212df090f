//! The tables, by version. A migration that was released is never edited: the next one changes what
//! it made.

use refinery_core::{Migration, Runner};
use tokio_postgres::Client;

/// Where the server notes which migrations it has had.
const TABLE: &str = "migrations";
const MIGRATIONS: &[(&str, &str)] = &[("V1__events", include_str!("../migrations/V1__events.sql"))];

/// The version that this program makes, and the latest that it works with.
pub const LATEST: i32 = 1;

/// Brings the tables in the session's schema up to date.
pub async fn run(client: &mut Client) -> Result<(), refinery_core::Error> {
    let migrations: Result<Vec<_>, _> =
        MIGRATIONS.iter().map(|(name, sql)| Migration::unapplied(name, sql)).collect();
    let mut runner = Runner::new(&migrations?);
    runner.set_migration_table_name(TABLE);
    runner.run_async(client).await.map(drop)
}

/// The version of the tables in the session's schema; `None` when there are none.
pub async fn version(client: &Client) -> Result<Option<i32>, tokio_postgres::Error> {
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&TABLE]).await?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let last = client.query_one("SELECT max(version) FROM migrations", &[]).await?;
    Ok(last.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_version_is_that_of_the_last_migration() {
        let versions: Vec<i32> = MIGRATIONS
            .iter()
            .map(|(name, sql)| Migration::unapplied(name, sql).unwrap().version())
            .collect();
        assert_eq!(versions, (1..=LATEST).collect::<Vec<_>>());
    }
}

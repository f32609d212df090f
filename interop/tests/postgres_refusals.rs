//! What a person has to mend before a common log in PostgreSQL can be used: one sentence each, with
//! what to do next and without a password.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use store_postgres::PostgresStore;
use store_postgres::cluster::Cluster;

fn run(words: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialler"));
    command.args(words).current_dir(folder.path()).env_remove("PGPASSWORD");
    command.stdin(Stdio::null()).output().expect("it runs")
}

fn psql(cluster: &Cluster, sql: &str) {
    let mut psql = Command::new("psql");
    psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1"]).arg(cluster.plain_url());
    let mut child =
        psql.stdin(Stdio::piped()).spawn().expect("psql is part of PostgreSQL's client");
    let mut input = child.stdin.take().expect("it has an input");
    input.write_all(sql.as_bytes()).expect("it takes them");
    drop(input);
    assert!(child.wait().expect("it ends").success(), "{sql}");
}

/// From now on who connects needs a password.
fn ask_for_passwords(cluster: &Cluster) {
    psql(
        cluster,
        "ALTER ROLE callfold PASSWORD 'right';
         CREATE ROLE guest LOGIN PASSWORD 'guest';
         REVOKE CREATE ON DATABASE postgres FROM PUBLIC;
         DO $$ BEGIN EXECUTE format('COPY (SELECT ''host all all all scram-sha-256'') TO %L',
             current_setting('hba_file')); END $$;
         SELECT pg_reload_conf();",
    );
}

/// It ends with 1 and one sentence that has these words.
#[track_caller]
fn check(url: &str, words: &[&str]) {
    for command in [&["records"][..], &["log", "copy", "--data", "x", "--to", "log:y", "--from"]] {
        let store: &[&str] = if command[0] == "records" { &["--store", url] } else { &[url] };
        let output = run(&[command, store].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is missing: {said}");
        }
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[test]
fn who_cannot_use_the_store_is_told_what_to_do() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let (host, port) = cluster.socket();
    let url = |user: &str, database: &str| format!("postgres://{user}@{host}:{port}/{database}");
    check(&url("callfold", "calls"), &["\"calls\" does not exist", "createdb", "into the URL"]);
    check(&url("callfold", "postgres"), &["no node has kept its events", "the schema in the URL"]);

    let newer = cluster.url("newer");
    drop(PostgresStore::open(&newer, Default::default()).expect("it opens"));
    psql(&cluster, "UPDATE newer.migrations SET version = 99");
    check(&newer, &["newer version of Callfold (format 99", "run that version on it"]);

    ask_for_passwords(&cluster);
    check(&url("callfold:s3cret", "postgres"), &["password authentication failed", "PGPASSWORD"]);
    check(&url("callfold", "postgres"), &["password missing", "PGPASSWORD"]);
    check(&url("nobody:s3cret", "postgres"), &["password authentication failed", "right user"]);
    let guest = PostgresStore::open(&url("guest:guest", "postgres"), Default::default());
    let refused = guest.err().expect("it may not").to_string();
    assert!(refused.contains("permission denied") && refused.contains("CREATE on the database"));

    check("postgres://callfold:s3cret@127.0.0.1:1/calls", &["refused", "Start it"]);
}

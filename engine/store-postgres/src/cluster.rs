//! A private cluster of Debian's PostgreSQL in a temporary folder: for tests and benches.
//!
//! It ends with the process that made it, however that ends: its guardian is a shell that reads
//! from us, and stops the server when nothing more can come. Its address is one of the loopback
//! network that no other cluster of this machine has, so no port is taken from anybody.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PORT: u16 = 54_329;
/// The longest that a start, a recovery after a crash included, may take.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The guardian: starts the server, says its process, waits for our end, stops it, and removes it
/// unless it is told to keep it.
const GUARDIAN: &str = r#"
    "$1/postgres" -D "$2" -k "$2" -h "$3" -p "$4" $5 >>"$2/log" 2>&1 &
    echo $!
    read -r word
    kill -QUIT $! 2>/dev/null
    wait
    [ "$word" = keep ] || rm -rf "${2%/data}"
"#;

const KEEP: &[u8] = b"keep\n";

/// A cluster. Dropped, it is stopped and gone.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    address: String,
    options: String,
    running: Mutex<Option<Running>>,
}

struct Running {
    guardian: Child,
    line: ChildStdin,
    postmaster: String,
}

impl Cluster {
    /// Makes one that syncs as a production server does.
    ///
    /// # Errors
    /// PostgreSQL is not installed: the sentence says how to; or it does not start.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// Makes one with options of `postgres`, such as `-c fsync=off`.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_with(options: &str) -> Result<Self> {
        Self::make(options, None)
    }

    /// Makes one that takes sealed connections alone. `certify` is told its address, and gives a
    /// certificate and its key, as PEM.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_sealed(certify: impl Fn(&str) -> (String, String)) -> Result<Self> {
        Self::make("-c ssl=on", Some(&certify))
    }

    fn make(options: &str, certify: Option<Certify<'_>>) -> Result<Self> {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("callfold-postgres-").tempdir()?;
        // Two bytes of our process and one of ours: nobody else has them while we live.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let own = CLUSTERS.fetch_add(1, Ordering::Relaxed) % 250 + 2;
        let address = format!("127.{high}.{low}.{own}");
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        if is_root() {
            for path in [folder.path(), &data] {
                run(Command::new("chown").arg("postgres:").arg(path))?;
            }
        }
        let mut initdb = as_ordinary_user(&programs.join("initdb"));
        initdb.args(["--username=callfold", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        initdb.args(["--no-sync", "--no-instructions", "-D"]).arg(&data);
        run(initdb.current_dir("/"))?;
        if let Some(certify) = certify {
            put_certificate(&data, certify(&address))?;
        }
        let running = Mutex::new(None);
        let cluster = Self { folder, programs, address, options: options.to_owned(), running };
        cluster.restart()?;
        Ok(cluster)
    }

    /// The address of its database, with tables in this schema.
    pub fn url(&self, schema: &str) -> String {
        format!("postgres://callfold@{}:{PORT}/postgres?schema={schema}", self.address)
    }

    /// The address of its database, for programs that know no schema of ours.
    pub fn plain_url(&self) -> String {
        format!("postgres://callfold@{}:{PORT}/postgres", self.address)
    }

    /// Where it listens.
    pub fn socket(&self) -> (&str, u16) {
        (&self.address, PORT)
    }

    /// Kills the server with -9, as a power cut would.
    ///
    /// # Errors
    /// There is none to kill.
    pub fn kill(&self) -> Result<()> {
        let mut running = self.running.lock().expect("nobody panics while holding it");
        let Running { mut guardian, mut line, postmaster } =
            running.take().ok_or_else(|| Error::other("the server is not up"))?;
        run(Command::new("kill").args(["-KILL", &postmaster]))?;
        line.write_all(KEEP)?;
        drop(line);
        guardian.wait()?;
        Ok(())
    }

    /// Starts the server again after [`Cluster::kill`], and waits until it answers.
    ///
    /// # Errors
    /// It does not come up; the error holds the end of its log.
    pub fn restart(&self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let mut running = self.spawn()?;
            // Processes of a server that was killed may hold its memory for a moment.
            loop {
                if self.answers() {
                    *self.running.lock().expect("nobody panics while holding it") = Some(running);
                    return Ok(());
                }
                if Instant::now() > deadline {
                    return Err(Error::other(format!("no server came up:\n{}", self.log())));
                }
                if !is_alive(&running.postmaster) {
                    running.line.write_all(KEEP)?;
                    drop(running.line);
                    running.guardian.wait()?;
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// CPU time of all its processes so far, those that have ended too.
    pub fn cpu(&self) -> Duration {
        let running = self.running.lock().expect("nobody panics while holding it");
        let Some(running) = &*running else { return Duration::ZERO };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks = processes.filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // After the name: state, parent, …; user, kernel, and those of ended children.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let is_server = entry.file_name().to_str() == Some(&running.postmaster);
            let times = match is_server {
                true => &fields[11..15],
                false if fields[1] == running.postmaster => &fields[11..13],
                false => return None,
            };
            Some(times.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
        });
        // A tick is 10 ms for every program (USER_HZ).
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    fn spawn(&self) -> Result<Running> {
        let mut command = as_ordinary_user(Path::new("/bin/sh"));
        command.args(["-c", GUARDIAN, "guardian"]).arg(&self.programs).arg(self.data());
        command.args([&self.address, &PORT.to_string(), &self.options]).current_dir("/");
        let mut guardian = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (line, said) = (guardian.stdin.take(), guardian.stdout.take());
        let (Some(line), Some(said)) = (line, said) else {
            return Err(Error::other("the guardian has no pipes"));
        };
        let mut postmaster = String::new();
        BufReader::new(said).read_line(&mut postmaster)?;
        Ok(Running { guardian, line, postmaster: postmaster.trim().to_owned() })
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        ready.args([
            "-q",
            "-t",
            "1",
            "-U",
            "callfold",
            "-h",
            &self.address,
            "-p",
            &PORT.to_string(),
        ]);
        TcpStream::connect((self.address.as_str(), PORT)).is_ok()
            && ready.status().is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.data().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(12).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let running = self.running.get_mut().map(Option::take).unwrap_or_default();
        if let Some(Running { mut guardian, line, .. }) = running {
            drop(line);
            drop(guardian.wait());
        }
    }
}

/// Gives a certificate and its key for an address.
type Certify<'a> = &'a dyn Fn(&str) -> (String, String);

fn put_certificate(data: &Path, (certificate, key): (String, String)) -> Result<()> {
    let (certificate_file, key_file) = (data.join("server.crt"), data.join("server.key"));
    std::fs::write(&certificate_file, certificate)?;
    std::fs::write(&key_file, key)?;
    // The server refuses a key that others can read.
    run(Command::new("chmod").arg("600").arg(&key_file))?;
    if is_root() {
        run(Command::new("chown").arg("postgres:").args([&certificate_file, &key_file]))?;
    }
    std::fs::write(data.join("pg_hba.conf"), "hostssl all all all trust\n")
}

/// Where Debian puts the programs of the latest version that is installed.
fn programs() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten() {
        let version = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        let programs = entry.path().join("bin");
        if programs.join("initdb").exists() && programs.join("postgres").exists() {
            found.push((version, programs));
        }
    }
    let latest = found.into_iter().max().map(|(_, programs)| programs);
    latest.ok_or_else(|| {
        Error::other("PostgreSQL is not installed: apt-get install -y postgresql (or run ./x test)")
    })
}

/// `initdb` and `postgres` refuse root: then they run as the user that Debian's package made.
fn as_ordinary_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

/// Whether a process is there and more than an entry that its parent has not looked at.
fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|us| std::os::unix::fs::MetadataExt::uid(&us) == 0)
}

fn run(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(Error::other(format!("{:?}: {said}", command.get_program())))
}

//! A PostgreSQL server of the tests' own: a fresh cluster in a temporary folder, run by an ordinary
//! user, on a free port of this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::sql;
use super::store::free_port;

/// Makes a cluster and runs it until the standard input ends: so it ends with the tests, however they
/// end.
const SERVE: &str = r#"
set -eu
bin=$1 folder=$2 port=$3
shift 3
data=$folder/data
"$@" "$bin/initdb" -D "$data" -U tunegate -A trust -E UTF8 --no-locale --no-sync >"$folder/log" 2>&1
"$@" "$bin/postgres" -D "$data" -k "$data" -h 127.0.0.1 -p "$port" -F >>"$folder/log" 2>&1 &
server=$!
cat >/dev/null || true
kill -INT $server
wait $server || true
rm -rf "$folder"
"#;

/// A running server. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Child,
    port: u16,
    folder: TempDir,
}

static SHARED: LazyLock<Option<Mutex<Postgres>>> =
    LazyLock::new(|| Postgres::start().map(Mutex::new));

/// A new, empty database on a server that the tests share; `None` where there is no server.
pub(crate) fn database(name: &str) -> Option<String> {
    let server = SHARED
        .as_ref()?
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Some(server.database(name))
}

/// Programs of the newest PostgreSQL there is. Where there is none, that is a failure in CI and said
/// elsewhere.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn programs() -> Option<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let versions = tunegate::fs::list(root).unwrap_or_default();
    let newest = versions
        .into_iter()
        .max_by_key(|name| name.parse::<u32>().unwrap_or(0));
    let debian = newest.map(|version| root.join(version).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = debian
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file());
    if found.is_none() {
        let message = "PostgreSQL is missing: run scripts/test-servers";
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("skipped: {message}");
    }
    found
}

/// What comes before a program that must not run as root.
pub(crate) fn ordinary_user() -> &'static [&'static str] {
    if is_root() {
        &[
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
        ]
    } else {
        &["env"]
    }
}

pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

impl Postgres {
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), all).unwrap();
        let port = free_port();
        let process = Command::new("sh")
            .args(["-c", SERVE, "sh"])
            .arg(&programs)
            .arg(folder.path())
            .arg(port.to_string())
            .args(ordinary_user())
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            process,
            port,
            folder,
        };
        let started = Instant::now();
        while let Err(error) = sql::try_run(&server.url("postgres"), &["SELECT 1"]) {
            let log = tunegate::fs::read(&server.folder.path().join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            assert!(
                started.elapsed() < Duration::from_secs(120),
                "{error}\n{log}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://tunegate@127.0.0.1:{}/{database}", self.port)
    }

    pub(crate) fn database(&self, name: &str) -> String {
        sql::run(&self.url("postgres"), &[&format!("CREATE DATABASE {name}")]);
        self.url(name)
    }

    /// Ends every connection at once, as a crash does.
    pub(crate) fn stop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

//! The Action's first step: only the program whose SHA-256 is pinned is installed.

use std::path::PathBuf;

use assert_cmd::Command;
use tempfile::TempDir;
use tunegate::checkpoint::fingerprint::sha256_hex;
use tunegate::fs;

use crate::support::cmd::Ran;
use crate::support::repository;
use crate::support::server::{Reply, Server};

const VERSION: &str = "7.8.9";

/// A copy of what the script reads, and a server with the release.
struct Release {
    folder: TempDir,
    server: Server,
    digest: String,
}

fn triple() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    }
}

fn archive_name() -> String {
    format!("tunegate-v{VERSION}-{}.tar.gz", triple())
}

impl Release {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write_atomic(&path, text.as_bytes()).unwrap();
        };
        write("source/Cargo.toml", &format!("version = \"{VERSION}\"\n"));
        write("runner/output", "");
        write("built/tunegate", "#!/bin/sh\necho installed\n");
        let mut tar = Command::new("tar");
        tar.current_dir(folder.path().join("built"))
            .args(["-czf", "../archive.tar.gz", "tunegate"])
            .assert()
            .success();
        let archive = fs::read(&folder.path().join("archive.tar.gz")).unwrap();
        let digest = sha256_hex(&archive);
        let wanted = format!("/v{VERSION}/{}", archive_name());
        let server = Server::start(move |request| {
            if request.path() == wanted {
                Reply::new(200, archive.clone())
            } else {
                Reply::new(404, "nothing here")
            }
        });
        Self {
            folder,
            server,
            digest,
        }
    }

    /// Runs the script with this line among the pinned checksums.
    fn install(&self, pinned: &str, version: &str) -> (Ran, Option<PathBuf>) {
        let at = |name: &str| self.folder.path().join(name);
        fs::create_dir_all(&at("source/scripts")).unwrap();
        let checksums = at("source/scripts/release-checksums.txt");
        fs::write_atomic(&checksums, pinned.as_bytes()).unwrap();
        fs::write_atomic(&at("runner/output"), b"").unwrap();
        let mut command = Command::new("bash");
        command
            .arg(repository("scripts/action-install"))
            .env("SOURCE", at("source"))
            .env("VERSION", version)
            .env("RUNNER_TEMP", at("runner"))
            .env("GITHUB_OUTPUT", at("runner/output"))
            .env(
                "TUNEGATE_RELEASES",
                format!("http://127.0.0.1:{}", self.server.port),
            );
        let ran = Ran::of(&mut command);
        let output = fs::read_to_string(&at("runner/output")).unwrap();
        let binary = output.trim().strip_prefix("binary=").map(PathBuf::from);
        (ran, binary)
    }
}

#[test]
fn the_pinned_release_is_installed_and_runs() {
    let release = Release::new();
    let pinned = format!("{}  {}\n", release.digest, archive_name());
    for version in ["", VERSION, "v7.8.9"] {
        let (ran, binary) = release.install(&pinned, version);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let installed = Ran::of(&mut Command::new(binary.unwrap()));
        assert_eq!(installed.stdout, "installed\n");
    }
}

#[test]
fn nothing_is_installed_whose_checksum_is_another_or_is_missing() {
    let release = Release::new();
    let other = format!("{}  {}\n", "0".repeat(64), archive_name());
    let (ran, binary) = release.install(&other, "");
    assert_eq!((ran.code, binary), (2, None));
    let said = format!("the SHA-256 of {} is {}", archive_name(), release.digest);
    assert!(ran.stdout.contains(&said), "{}", ran.stdout);
    // A release that this version of the Action does not pin is never fetched.
    let (ran, binary) = release.install(&other, "1.2.3");
    assert_eq!((ran.code, binary), (2, None));
    assert!(
        ran.stdout.contains("no SHA-256 is pinned"),
        "{}",
        ran.stdout
    );
    let (ran, binary) = release.install("", "$(touch x)");
    assert_eq!((ran.code, binary), (2, None));
    assert!(ran.stdout.contains("not a version"), "{}", ran.stdout);
}

#[test]
fn a_release_that_is_not_there_stops_the_step() {
    let release = Release::new();
    let name = format!("tunegate-v1.2.3-{}.tar.gz", triple());
    let (ran, binary) = release.install(&format!("{}  {name}\n", "a".repeat(64)), "1.2.3");
    assert_eq!((ran.code, binary), (2, None));
    assert!(ran.stdout.contains("cannot download"), "{}", ran.stdout);
}

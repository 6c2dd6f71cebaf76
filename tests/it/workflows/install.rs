//! The program that the Action brings: only the one whose checksum is pinned.

use std::process::Command;

use sha2::Digest as _;

use super::{gate, replaced};
use crate::support::act::{Runner, program};
use crate::support::server::{Reply, Server};

/// A release on a server of its own: an archive with a program that starts the one under test.
struct Release {
    name: String,
    sha256: String,
    server: Server,
}

impl Release {
    fn of(runner: &Runner) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let name = format!(
            "tunegate-v{version}-{}-unknown-linux-gnu.tar.gz",
            std::env::consts::ARCH
        );
        runner.write(
            "release/tunegate",
            &format!("#!/bin/sh\nexec '{}' \"$@\"\n", program()),
        );
        let packed = Command::new("tar")
            .current_dir(runner.path("release"))
            .args(["--mode=0755", "-czf", "archive", "tunegate"])
            .status()
            .unwrap();
        assert!(packed.success());
        let archive = tunegate::fs::read(&runner.path("release/archive")).unwrap();
        let digits = sha2::Sha256::digest(&archive);
        let digits: Vec<String> = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = format!("/v{version}/{name}");
        let server = Server::start(move |request| {
            if request.path() == path {
                Reply::new(200, archive.clone())
            } else {
                Reply::new(404, "")
            }
        });
        Self {
            name,
            sha256: digits.concat(),
            server,
        }
    }
}

/// A repository whose workflow names no program, and a release.
fn prepared() -> Option<(Runner, Release)> {
    let mut runner = Runner::new()?;
    runner.workflow(
        "gate",
        &replaced(&gate(), "          binary: ${{ env.PROGRAM }}\n", ""),
    );
    let release = Release::of(&runner);
    runner
        .environment
        .push(("TUNEGATE_RELEASES".to_owned(), release.server.url()));
    Some((runner, release))
}

#[test]
fn a_release_with_the_pinned_checksum_is_installed_and_judges() {
    let Some((runner, release)) = prepared() else {
        return;
    };
    runner.pin(&format!("{}  {}\n", release.sha256, release.name));
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(0);
    assert_eq!(ran.output("verdict"), "pass");
    assert_eq!(release.server.log().len(), 1);
}

#[test]
fn a_release_with_another_checksum_never_runs() {
    let Some((runner, release)) = prepared() else {
        return;
    };
    runner.pin(&format!("{}  {}\n", "0".repeat(64), release.name));
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    assert_eq!(
        (ran.outcome(), ran.output("verdict").as_str()),
        ("failure", "")
    );
    let errors = ran.commands("error");
    assert!(
        errors.len() == 1 && errors[0].contains("is pinned"),
        "{errors:?}"
    );
    assert!(
        ran.has_run("Install tunegate") && !ran.has_run("Judge"),
        "{}",
        ran.text()
    );
    assert_eq!(runner.github.requests(), [""; 0]);
}

#[test]
fn a_release_that_is_not_there_fails_the_step() {
    let Some((runner, release)) = prepared() else {
        return;
    };
    let absent = replaced(&release.name, "tunegate-v", "tunegate-v9");
    runner.pin(&format!("{}  {absent}\n", release.sha256));
    let text = replaced(
        &gate(),
        "binary: ${{ env.PROGRAM }}",
        &format!("version: v9{}", env!("CARGO_PKG_VERSION")),
    );
    runner.workflow("gate", &text);
    let payload = runner.pull_request("octo/demo", "mona");
    let ran = runner.run("gate", "pull_request", &payload).expect_code(1);
    let errors = ran.commands("error");
    assert!(
        errors.len() == 1 && errors[0].contains("cannot download"),
        "{errors:?}"
    );
    assert!(!ran.has_run("Judge"), "{}", ran.text());
}

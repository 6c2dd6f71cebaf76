//! OpenMetrics, read by the parser of the Prometheus client where it is installed.

use std::process::Command as Process;

use super::{Store, nights, quiet};
use crate::support::cmd::Pair;
use crate::support::store::installed;
use crate::support::tiny::TinyCheckpoint;

const PARSE: &str = r#"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {f.name: f for f in text_string_to_metric_families(open(sys.argv[1]).read())}
for name in sorted(families):
    for sample in families[name].samples:
        labels = ",".join(f"{k}={v!r}" for k, v in sorted(sample.labels.items()))
        print(f"{sample.name} {families[name].type} {labels} {float(sample.value)!r}")
"#;

/// Every sample of a file, by a parser that is not ours.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn parsed(path: &str) -> Option<String> {
    let python = installed("python/bin/python")?;
    let import = ["-c", "import prometheus_client"];
    let there = Process::new(&python)
        .args(import)
        .output()
        .unwrap()
        .status
        .success();
    if !there {
        let message = "the client of Prometheus is missing: run scripts/test-servers";
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("skipped: {message}");
        return None;
    }
    let output = Process::new(python)
        .args(["-c", PARSE, path])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_check_is_read_by_the_parser_of_prometheus() {
    let base = TinyCheckpoint::model();
    let pair = Pair::new(&base, &base.tuned(0.01));
    let policy = pair.file(
        "odd.toml",
        "version = 1\nname = \"a\\\"b\\\\c\\n# EOF\"\nextends = \"default\"\n",
    );
    let path = pair.path("run.prom").display().to_string();
    let emit = format!("openmetrics={path}");
    let ran = pair.check(&["--policy", &policy, "--emit", &emit, "--format", "json"]);
    ran.expect_code(0);
    let text = tunegate::fs::read_to_string(std::path::Path::new(&path)).unwrap();
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(text.lines().filter(|line| *line == "# EOF").count(), 1);
    let Some(samples) = parsed(&path) else { return };
    assert!(
        samples.contains("tunegate_verdict gauge policy='a\"b\\\\c\\n# EOF',verdict='pass' 1.0"),
        "{samples}"
    );
    assert!(samples.contains("verdict='fail' 0.0"), "{samples}");
    assert!(
        samples.contains("tunegate_relative_update gauge"),
        "{samples}"
    );
    assert!(samples.contains("tunegate_run_info info"), "{samples}");
}

#[test]
fn the_newest_run_of_each_model_is_read_by_the_parser_of_prometheus() {
    let store = Store::file();
    store.record(1, &nights().report(1, &quiet()));
    store.record(2, &nights().failed(2, &quiet()));
    let report = store.write_report("other.json", &nights().report(3, &quiet()));
    store.run(
        "record",
        &[
            &report,
            "--history-model",
            "o\"ther",
            "--time",
            "2026-03-09T00:00:00Z",
        ],
    );
    let path = store.path("runs.prom").display().to_string();
    store
        .run("show", &["--emit", &format!("openmetrics={path}")])
        .expect_code(0);
    let Some(samples) = parsed(&path) else { return };
    let labels = "branch='main',model='nightly'";
    assert!(
        samples.contains(&format!(
            "tunegate_verdict gauge {labels},verdict='fail' 1.0"
        )),
        "{samples}"
    );
    assert!(
        samples.contains("tunegate_findings gauge branch='main',level='fail',model='nightly' 1.0"),
        "{samples}"
    );
    assert!(
        samples.contains("model='o\"ther',verdict='pass' 1.0"),
        "{samples}"
    );
    assert!(
        samples.contains(&format!(
            "tunegate_recorded_seconds gauge {labels} 1772420400.0"
        )),
        "{samples}"
    );
}

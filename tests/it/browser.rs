//! The HTML report in a real browser: pages that the program writes here are opened by
//! `tests/browser/report.mjs`, which says what holds there.

use std::path::{Path, PathBuf};
use std::process::Command;

use tunegate::code::Level;
use tunegate::layer::Role;
use tunegate::num::Finite;
use tunegate::report::Report;
use tunegate::report::html::{self, FlowMark, FlowSection, FlowSeries};
use tunegate::spectrum::metric::Metric;
use tunegate::verdict::{Series, Trend, TrendPoint};

use crate::support::cmd::Pair;
use crate::support::random::Random;
use crate::support::repository;
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{TinyCheckpoint, TinyTensor, narrow};

const HOSTILE: [&str; 4] = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!-- \u{202e}gpj.\"onclick=alert(3)",
    "layers.0.'>{{ 7 * 7 }}.javascript:alert(4)",
];

/// Chromium and the folder of what drives it, where they are installed. Where not, that is a failure in CI and said
/// elsewhere.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn browser() -> Option<(PathBuf, PathBuf)> {
    let programs = ["/usr/bin/chromium", "/usr/bin/chromium-browser"];
    let chromium = programs
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file());
    let modules = repository("target/test-browser");
    let found = chromium.filter(|_| modules.join("node_modules/playwright-core").is_dir());
    if found.is_none() {
        let message = "there is no browser: run scripts/test-browser";
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("skipped: {message}");
    }
    Some((found?, modules))
}

fn emit(pair: &Pair, code: i32, page: &Path) {
    let target = format!("html={}", page.display());
    pair.check(&["--policy", "sft", "--emit", &target])
        .expect_code(code);
}

fn hostile() -> Pair {
    let mut base = TinyCheckpoint::model();
    for name in HOSTILE {
        let values = Random::named(1, name).gaussians(128 * 128);
        let values = values.into_iter().map(narrow).collect();
        base = base.tensor(name, TinyTensor::new(&[128, 128], values));
    }
    Pair::new(&base, &base.tuned(0.5))
}

fn many() -> Pair {
    let mut base = TinyCheckpoint::new(3);
    for block in 0..72 {
        for part in [
            "self_attn.q_proj",
            "self_attn.k_proj",
            "self_attn.v_proj",
            "self_attn.o_proj",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
        ] {
            let name = format!("model.layers.{block}.{part}.weight");
            base = base.layer(&name, [24, 24], Spectrum::Gaussian);
        }
    }
    Pair::new(&base, &base.tuned(0.3))
}

fn trend() -> Trend {
    let point = |night: u8| TrendPoint {
        run: format!("nightly-{night}"),
        recorded: format!("2026-11-{:02}T02:00:00Z", night + 1),
        value: Finite::new(0.010 + 0.0007 * f64::from(night)).unwrap(),
        smoothed: Finite::new(0.010 + 0.0004 * f64::from(night)),
    };
    let series = |role| Series {
        metric: Metric::RelativeUpdate,
        role,
        points: (0..14).map(point).collect(),
        centre: Finite::new(0.0125),
        lower: Finite::new(0.009),
        upper: Finite::new(0.016),
        since: Some(11),
    };
    Trend {
        source: "history.sqlite".to_owned(),
        series: vec![series(None), series(Some(Role::MlpDown))],
    }
}

fn flow() -> FlowSection {
    let series = |name: &str, role, rise: f64| FlowSeries {
        name: name.to_owned(),
        role,
        metric: Metric::Alpha,
        values: (0_u8..9)
            .map(|step| (step != 4).then(|| 4.0 - rise * f64::from(step)))
            .collect(),
    };
    let gap = FlowSeries {
        metric: Metric::SpectralGap,
        ..series("all matrices", None, 0.1)
    };
    let layers = (0..8).map(|layer| series(&format!("layer.{layer}"), Some(Role::MlpDown), 0.15));
    FlowSection {
        steps: (0..9)
            .map(|step| format!("checkpoint-{}", 250 * step))
            .collect(),
        series: vec![
            series("all matrices", None, 0.12),
            series("mlp.down", Some(Role::MlpDown), 0.2),
            gap,
        ]
        .into_iter()
        .chain(layers)
        .collect(),
        marks: vec![FlowMark {
            step: 6,
            metric: Metric::Alpha,
            text: "alpha falls below 3".to_owned(),
            level: Level::Warn,
        }],
        ..FlowSection::default()
    }
}

/// With what earlier runs and checkpoints add.
fn runs(pair: &Pair) -> String {
    let text = pair.check(&["--policy", "sft", "--format", "json"]).stdout;
    let mut report = Report::from_json(&text).unwrap();
    report.judgement.trend = Some(trend());
    html::check(&report, Some(&flow())).unwrap()
}

#[test]
fn the_pages_hold_in_a_browser() {
    let Some((chromium, modules)) = browser() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = |name: &str| folder.path().join(name);
    let model = TinyCheckpoint::model();
    let sound = Pair::new(&model, &model.tuned(0.01));
    let failing = Pair::new(&model, &model.tuned(0.5));
    emit(&sound, 0, &page("pass.html"));
    emit(&failing, 1, &page("fail.html"));
    emit(&hostile(), 1, &page("hostile.html"));
    let large = many();
    emit(
        &large,
        large.check(&["--policy", "sft"]).code,
        &page("many.html"),
    );
    tunegate::fs::write_atomic(&page("runs.html"), runs(&failing).as_bytes()).unwrap();
    crate::history::page::write_all(folder.path(), &HOSTILE);
    let target = format!("html={}", page("scan.html").display());
    let base = failing.path("base").display().to_string();
    crate::support::cmd::run(&["scan", &base, "--emit", &target]).expect_code(0);
    let output = Command::new("node")
        .arg(repository("tests/browser/report.mjs"))
        .args([&chromium, &modules])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let problems = String::from_utf8_lossy(&output.stderr);
    eprintln!("{said}");
    assert!(output.status.success(), "{said}\n{problems}");
}

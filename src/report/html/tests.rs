use serde_json::Value;

use super::{FlowMark, FlowSection, FlowSeries, check, flow, page};
use crate::code::Level;
use crate::layer::{LayerName, Role};
use crate::num::{Finite, Measured};
use crate::report::{Report, sample};
use crate::spectrum::metric::Metric;
use crate::verdict::{Series, Trend, TrendPoint};

/// Ends a script, opens a comment and an element, breaks out of an attribute, turns the text round.
const HOSTILE: &str = "</script><!--<img src=x onerror=\"alert('x')\">\u{202e}&amp;";

/// The JSON in the page.
fn data(page: &str) -> Value {
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

/// The page before its scripts.
fn markup(page: &str) -> &str {
    page.split_once("<script type=\"application/json\"")
        .unwrap()
        .0
}

fn hostile() -> Report {
    let mut report = sample::fail();
    HOSTILE.clone_into(&mut report.judgement.reason);
    HOSTILE.clone_into(&mut report.policy.name);
    HOSTILE.clone_into(&mut report.policy.source);
    HOSTILE.clone_into(&mut report.comparison.base.reference);
    HOSTILE.clone_into(&mut report.comparison.tuned.reference);
    HOSTILE.clone_into(&mut report.comparison.coverage.name_map);
    report.comparison.tuned.revision = Some(HOSTILE.to_owned());
    report.comparison.layers[0].name = LayerName::new(HOSTILE);
    HOSTILE.clone_into(&mut report.comparison.layers[0].tuned_dtype);
    HOSTILE.clone_into(&mut report.limits[0].rule);
    for finding in &mut report.judgement.findings {
        HOSTILE.clone_into(&mut finding.message);
        HOSTILE.clone_into(&mut finding.rule);
        finding.layer = Some(LayerName::new(HOSTILE));
    }
    report.judgement.trend = Some(trend(HOSTILE));
    report
}

fn trend(text: &str) -> Trend {
    let point = |value: f64| TrendPoint {
        run: text.to_owned(),
        recorded: "2026-11-02T00:00:00Z".to_owned(),
        value: Finite::new(value).unwrap(),
        smoothed: None,
    };
    Trend {
        source: text.to_owned(),
        series: vec![Series {
            metric: Metric::RelativeUpdate,
            role: Some(Role::MlpDown),
            points: [0.01, 0.012, 0.03].map(point).into(),
            centre: Finite::new(0.011),
            lower: Finite::new(0.005),
            upper: Finite::new(0.02),
            since: Some(2),
        }],
    }
}

fn section(text: &str) -> FlowSection {
    FlowSection {
        steps: vec![text.to_owned(), "step-200".to_owned()],
        series: vec![FlowSeries {
            name: text.to_owned(),
            role: None,
            metric: Metric::Alpha,
            values: vec![Some(3.25), None],
        }],
        marks: vec![FlowMark {
            step: 1,
            metric: Metric::Alpha,
            text: text.to_owned(),
            level: Level::Warn,
        }],
        ..FlowSection::default()
    }
}

#[test]
fn a_page_shows_verdict_findings_and_what_to_do_without_scripts() {
    let page = check(&sample::fail(), None).unwrap();
    let markup = markup(&page);
    for part in [
        "<h1>Fail</h1>",
        "What to do:",
        "alpha-drift",
        "policies/gate.toml:17",
        "at most 0.3",
        "0.41",
        "Waived",
        "stripped <code>bert.</code> from base",
        "cls.predictions.bias",
    ] {
        assert!(markup.contains(part), "{part}");
    }
    assert!(!markup.contains("id=\"history\"") && !markup.contains("id=\"flow\""));
}

#[test]
fn every_verdict_has_a_page() {
    for report in [
        sample::pass(),
        sample::warn(),
        sample::inconclusive(),
        sample::fail(),
    ] {
        let page = check(&report, None).unwrap();
        let tone = format!("tone-{}", report.judgement.verdict.as_str());
        assert!(markup(&page).contains(&tone), "{tone}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    let make = || check(&hostile(), Some(&section("a"))).unwrap();
    assert_eq!(make(), make());
}

#[test]
fn hostile_texts_stay_texts() {
    let page = check(&hostile(), Some(&section(HOSTILE))).unwrap();
    assert_eq!(page.matches("</script>").count(), 3);
    assert_eq!(page.matches("<script").count(), 3);
    for raw in ["<img", "onerror=\"", "\u{202e}", "<!--"] {
        assert!(!page.contains(raw), "{raw}");
    }
    let data = data(&page);
    let expected = HOSTILE.replace('\u{202e}', "\\u{202e}");
    for text in [
        &data["layers"]["name"][0],
        &data["rules"][0]["rule"],
        &data["trend"]["series"][0]["points"][0]["run"],
        &data["flow"]["steps"][0],
        &data["flow"]["series"][0]["name"],
        &data["flow"]["marks"][0]["text"],
    ] {
        assert_eq!(text, &expected);
    }
}

#[test]
fn the_policy_of_the_page_names_what_it_runs_and_allows_no_request() {
    let page = check(&sample::pass(), None).unwrap();
    let (_, rest) = page
        .split_once("http-equiv=\"Content-Security-Policy\" content=\"")
        .unwrap();
    let (policy, _) = rest.split_once('"').unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
    assert!(!policy.contains("unsafe") && !policy.contains("http"));
    for script in page.split("<script>").skip(1) {
        let (script, _) = script.split_once("</script>").unwrap();
        assert!(policy.contains(&page::hash(script)));
    }
    let (_, style) = page.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    assert!(policy.contains(&page::hash(style)));
    for event in [" onclick=", " onload=", " style=\""] {
        assert!(!markup(&page).contains(event), "{event}");
    }
}

#[test]
fn numbers_are_columns_and_a_missing_one_has_its_reason() {
    let report = sample::fail();
    let data = data(&check(&report, None).unwrap());
    let count = report.comparison.layers.len();
    assert_eq!(data["layers"]["name"].as_array().unwrap().len(), count);
    let alphas = data["metrics"]["tuned"]["alpha"].as_array().unwrap();
    assert_eq!(alphas.len(), count);
    let missing = alphas.iter().position(Value::is_null).unwrap();
    let text = data["reasons"]["tuned.alpha"][missing.to_string()]
        .as_u64()
        .unwrap();
    let text = &data["texts"][usize::try_from(text).unwrap()];
    assert_eq!(text, "ks_distance 0.14 exceeds 0.1");
    assert_eq!(data["metrics"]["tuned.fit"]["alpha"][missing], 4.75);
    assert_eq!(
        data["rules"][0]["layers"][0],
        serde_json::json!([0, count - 1])
    );
    assert_eq!(data["rules"][0]["fail"], serde_json::json!({ "max": 0.3 }));
}

#[test]
fn a_spectrum_is_a_histogram_of_all_but_its_smallest_eigenvalues() {
    let data = data(&check(&sample::pass(), None).unwrap());
    let spectrum = &data["layers"]["spectrum"][0];
    assert_eq!(spectrum["count"], 4096);
    for side in ["base", "tuned"] {
        let counts = spectrum[side].as_array().unwrap();
        let total: f64 = counts.iter().filter_map(Value::as_f64).sum();
        assert!((total - 4055.0).abs() <= 30.0, "{side}: {total}");
        assert_eq!(spectrum["largest"][side].as_array().unwrap().len(), 12);
    }
}

#[test]
fn runs_and_checkpoints_have_their_sections_where_there_are_any() {
    let mut report = sample::pass();
    report.judgement.trend = Some(trend("nightly"));
    let page = check(&report, Some(&section("step-100"))).unwrap();
    assert!(markup(&page).contains("id=\"history\""));
    assert!(markup(&page).contains("id=\"flow\""));
    let data = data(&page);
    assert_eq!(data["trend"]["series"][0]["upper"], 0.02);
    assert_eq!(
        data["flow"]["series"][0]["values"],
        serde_json::json!([3.25, null])
    );
}

#[test]
fn flow_alone_is_a_page() {
    let page = flow("flow of runs/7", &section("step-100")).unwrap();
    assert!(markup(&page).contains("flow of runs/7"));
    assert!(!markup(&page).contains("id=\"layers\""));
    assert!(!markup(&page).contains("the verdict and the findings"));
    // The marks are told without scripts, and say in which chart they stand.
    assert!(markup(&page).contains("<li>step-200: step-100</li>"));
    assert_eq!(data(&page)["flow"]["marks"][0]["metric"], "alpha");
    assert_eq!(data(&page)["kind"], "flow");
}

#[test]
fn the_charts_are_the_bundle_whose_hash_is_recorded() {
    let recorded = include_str!("vendor/plot.js.sha256");
    let charts = include_str!("vendor/plot.js");
    let digits = crate::checkpoint::fingerprint::sha256_hex(charts.as_bytes());
    assert_eq!(recorded.trim_end(), format!("{digits}  plot.js"));
    assert!(charts.starts_with("/*! The charts"));
}

#[test]
fn a_value_beside_a_limit_is_not_rounded_onto_it() {
    let mut report = sample::fail();
    let metric = report.limits[0].metric;
    for (layer, value) in
        report
            .comparison
            .layers
            .iter_mut()
            .zip([0.300_000_1, -0.299_999_99, 0.123_456_78])
    {
        layer.drift.set(metric, Measured::of(value));
    }
    let data = data(&check(&report, None).unwrap());
    assert_eq!(data["rules"][0]["fail"]["max"], 0.3);
    let column = &data["metrics"]["drift"][metric.as_str()];
    assert_eq!(column[0], 0.300_000_1);
    assert_eq!(column[1], -0.299_999_99);
    assert_eq!(column[2], 0.12346);
}

//! The template, the page's policy, and the assembly.

use std::collections::BTreeMap;

use base64::Engine as _;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::compare::{CheckpointIdentity, SkippedTensor};
use crate::report::escape;
use crate::report::templates::invalid;
use crate::report::view::{CheckpointView, Pair, Size, Target, View, short_digest};
use crate::report::{Report, ScanReport, TemplateError};

use super::data;
use super::flow::{FlowSection, FlowText};
use super::runs::{RunsPage, RunsText};

const TEMPLATE: &str = "page.html.j2";
const RUNS: &str = "runs.html.j2";
const STYLE: &str = include_str!("page/style.css");
const CHARTS: &str = include_str!("vendor/plot.js");
/// In order: each uses only what stands before it.
const SCRIPTS: [&str; 9] = [
    include_str!("page/core.js"),
    include_str!("page/limits.js"),
    include_str!("page/alpha.js"),
    include_str!("page/layer.js"),
    include_str!("page/heat.js"),
    include_str!("page/table.js"),
    include_str!("page/time.js"),
    include_str!("page/runs.js"),
    include_str!("page/main.js"),
];
/// Of the style sheet that Observable Plot puts into each chart; a browser reports another one.
const CHART_STYLE: &str = "sha256-jSYQUrW7J0b3jPqhZP9C2Xh1PyJKHKXd4s0fpGGKrww=";

/// All of it: a page is not a comment.
const WHOLE: Size = Size {
    worst: 0,
    groups: usize::MAX,
    rows: usize::MAX,
    items: usize::MAX,
    counts_only: false,
};

/// A line of the list below the verdict.
#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
    more: String,
}

/// What the template sees. Texts are escaped for HTML.
#[derive(Debug, Default, Serialize)]
struct Page {
    version: &'static str,
    title: String,
    tone: &'static str,
    heading: String,
    sentence: String,
    view: Option<View>,
    facts: Vec<Fact>,
    /// Of the runs of a history, where it is their page.
    runs: Option<RunsText>,
    /// Anchor and title.
    sections: Vec<Pair>,
    has_layers: bool,
    has_flow: bool,
    flow: FlowText,
    /// What a reader without scripts does not see.
    unscripted: &'static str,
    trend_source: Option<String>,
    skipped: Vec<Pair>,
    settings: Vec<Pair>,
    /// Place of a layer by its escaped name.
    index: BTreeMap<String, usize>,
    policy: String,
    style: &'static str,
    charts: &'static str,
    script: String,
    data: String,
}

pub(super) fn of_check(
    report: &Report,
    flow: Option<&FlowSection>,
) -> Result<String, TemplateError> {
    let view = View::new(report, Target::Html, WHOLE);
    let trend = report.judgement.trend.as_ref();
    let layers = report.comparison.layers.iter().enumerate();
    let verdict = view.verdict;
    let advisory = if report.advisory && verdict == "fail" {
        " (advisory: the exit code stays 0)"
    } else {
        ""
    };
    let page = Page {
        title: format!("{verdict}: {}", view.tuned.reference),
        tone: verdict,
        heading: format!("{}{advisory}", capitalised(verdict)),
        sentence: sentence(&view.reason),
        facts: vec![
            checkpoint("tuned", &view.tuned),
            checkpoint("base", &view.base),
            Fact {
                name: "policy",
                value: view.policy.name.clone(),
                more: format!("{} {}", view.policy.source, view.policy.digest),
            },
        ],
        has_layers: !report.comparison.layers.is_empty(),
        has_flow: flow.is_some(),
        flow: flow.map(text_of).unwrap_or_default(),
        unscripted: "the verdict and the findings are here, the charts and the table of layers are not",
        trend_source: trend.map(|trend| escape::html(&trend.source)),
        skipped: skipped(&report.comparison.coverage.reasons),
        settings: settings(&report.comparison.estimator),
        index: layers
            .map(|(index, layer)| (Target::Html.name(layer.name.as_str()), index))
            .collect(),
        view: Some(view),
        ..Page::default()
    };
    render(page, data::of_check(report, flow))
}

pub(super) fn of_scan(report: &ScanReport) -> Result<String, TemplateError> {
    let CheckpointIdentity {
        reference,
        revision,
        digest,
    } = &report.checkpoint;
    let reference = escape::html(reference);
    let page = Page {
        title: format!("spectra of {reference}"),
        tone: "none",
        heading: "Spectral table".to_owned(),
        sentence: format!(
            "{} matrices measured, {} tensors skipped.",
            report.layers.len(),
            report.skipped.len()
        ),
        facts: vec![checkpoint(
            "checkpoint",
            &CheckpointView {
                reference,
                revision: escape::html(revision.as_deref().unwrap_or_default()),
                digest: escape::html(&short_digest(digest)),
            },
        )],
        has_layers: !report.layers.is_empty(),
        unscripted: "the charts and the table of layers are not here; `--format csv` has the numbers",
        skipped: skipped(&report.skipped),
        settings: settings(&report.estimator),
        ..Page::default()
    };
    render(page, data::of_scan(report))
}

pub(super) fn of_flow(title: &str, flow: &FlowSection) -> Result<String, TemplateError> {
    let text = text_of(flow);
    let said = !text.sentence.is_empty();
    let (tone, heading) = if text.whole || !said {
        ("none", "Spectral flow")
    } else {
        ("inconclusive", "Spectral flow, not whole")
    };
    let page = Page {
        title: escape::html(title),
        tone,
        heading: heading.to_owned(),
        sentence: if said {
            sentence(&text.sentence)
        } else {
            escape::html(title)
        },
        has_flow: true,
        unscripted: "the charts are not here, all else is",
        skipped: skipped(&text.skipped),
        settings: settings(&text.estimator),
        flow: text,
        ..Page::default()
    };
    render(page, data::of_flow(flow))
}

pub(super) fn of_runs(runs: &RunsPage) -> Result<String, TemplateError> {
    let text = RunsText::of(runs);
    let fact = |name: &'static str, (value, more): &(String, String)| Fact {
        name,
        value: value.clone(),
        more: more.clone(),
    };
    let page = Page {
        title: text.title.clone(),
        tone: text.tone,
        heading: text.heading.clone(),
        sentence: text.sentence.clone(),
        facts: text
            .facts
            .iter()
            .map(|(name, value)| fact(name, value))
            .collect(),
        unscripted: "the charts are not here, the table of the runs is",
        runs: Some(text),
        ..Page::default()
    };
    render(page, data::of_runs(runs))
}

/// Where no text came with the lines, the marks are still told.
fn text_of(flow: &FlowSection) -> FlowText {
    let mut text = flow.text.clone();
    if text.marks.is_empty() {
        let line = |mark: &crate::report::html::FlowMark| {
            let step = flow.steps.get(mark.step).map_or("?", String::as_str);
            Target::Html.text(&format!("{step}: {}", mark.text))
        };
        text.marks = flow.marks.iter().map(line).collect();
    }
    text
}

fn render(mut page: Page, data: Map<String, Value>) -> Result<String, TemplateError> {
    page.version = env!("CARGO_PKG_VERSION");
    page.sections = sections(&page);
    page.style = STYLE;
    page.charts = CHARTS;
    page.script = script();
    page.policy = policy(&page.script);
    page.data = in_a_script(&Value::Object(data).to_string());
    let wrong = |error: &minijinja::Error| invalid(TEMPLATE, error);
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|error| wrong(&error))?,
    );
    environment
        .add_template(TEMPLATE, include_str!("page/page.html.j2"))
        .map_err(|error| wrong(&error))?;
    environment
        .add_template(RUNS, include_str!("page/runs.html.j2"))
        .map_err(|error| wrong(&error))?;
    let template = environment
        .get_template(TEMPLATE)
        .map_err(|error| wrong(&error))?;
    let mut text = template
        .render(Serde(page))
        .map_err(|error| wrong(&error))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn script() -> String {
    format!("(() => {{\n\"use strict\";\n{}}})();", SCRIPTS.concat())
}

/// Nothing is fetched, framed or sent; scripts and styles only by their hashes.
fn policy(script: &str) -> String {
    format!(
        "default-src 'none'; script-src '{}' '{}'; style-src '{}' '{CHART_STYLE}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(CHARTS),
        hash(script),
        hash(STYLE),
    )
}

pub(super) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let digits = base64::engine::general_purpose::STANDARD.encode(digest);
    format!("sha256-{digits}")
}

/// JSON that cannot end its script element or open a comment: no `<` is left, nor what HTML could
/// take for markup elsewhere.
fn in_a_script(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            other => text.push(other),
        }
    }
    text
}

fn sections(page: &Page) -> Vec<Pair> {
    let judged = page.view.is_some();
    let has_runs = page.runs.as_ref().is_some_and(|runs| !runs.rows.is_empty());
    [
        ("findings", "Findings", judged),
        ("depth", "Over depth", page.has_layers),
        ("layer", "Layer", page.has_layers),
        ("drift", "Use of the limits", page.has_layers && judged),
        ("layers", "All layers", page.has_layers),
        ("nights", "Nights with control limits", has_runs),
        ("runs", "All runs", has_runs),
        ("history", "Over runs", page.trend_source.is_some()),
        ("flow", "Over checkpoints", page.has_flow),
        ("about", "Coverage and settings", page.runs.is_none()),
        ("about", "How to read this", page.runs.is_some()),
    ]
    .into_iter()
    .filter(|(.., there)| *there)
    .map(|(name, value, _)| Pair {
        name: name.to_owned(),
        value: value.to_owned(),
    })
    .collect()
}

fn checkpoint(name: &'static str, view: &CheckpointView) -> Fact {
    let revision = match view.revision.as_str() {
        "" => String::new(),
        revision => format!("revision {revision}, "),
    };
    Fact {
        name,
        value: view.reference.clone(),
        more: format!("{revision}{}", view.digest),
    }
}

fn skipped(tensors: &[SkippedTensor]) -> Vec<Pair> {
    let pair = |skipped: &SkippedTensor| Pair {
        name: Target::Html.name(&skipped.tensor),
        value: Target::Html.text(&skipped.reason),
    };
    tensors.iter().map(pair).collect()
}

fn settings(estimator: &BTreeMap<String, Value>) -> Vec<Pair> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let pair = |(name, value): (&String, &Value)| Pair {
        name: escape::html(name),
        value: escape::html(&text(value)),
    };
    estimator.iter().map(pair).collect()
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

fn sentence(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

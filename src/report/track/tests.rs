//! The four forms of one flow.

use serde_json::Value;

use crate::report::human::Layout;
use crate::track::sample::{Row, flow, flow_with};
use crate::track::{DISPUTED, Order};

const NOISE: Row = (None, 0.14, 0.0, None);
const GENERAL: Row = (Some(2.6), 0.04, 0.0, Some(0.5));
const TRAPPED: Row = (Some(1.6), 0.05, 3.0, Some(90.0));
const COURSE: [Row; 6] = [NOISE, NOISE, GENERAL, GENERAL, TRAPPED, TRAPPED];

#[test]
fn the_terminal_shows_steps_sparklines_and_the_recommendation() {
    let text = super::human(&flow(&COURSE), Layout::default(), false);
    for part in [
        "6 checkpoints, steps 0 to 500",
        "at (medium)",
        "··██▁▁",
        "traps appear at step 400: 3; so in b.weight",
        "recommendation: step 300 (run/checkpoint-300)",
        "no series was searched",
        "Decide with a test set.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("a.weight  "), "{text}");
    assert!(text.lines().all(|line| !line.ends_with(' ')));
    let detailed = super::human(&flow(&COURSE), Layout::default(), true);
    assert!(detailed.contains("a.weight  "), "{detailed}");
}

#[test]
fn first_and_last_are_those_of_the_first_and_last_step() {
    let text = super::human(
        &flow(&[NOISE, GENERAL, GENERAL, NOISE]),
        Layout::default(),
        false,
    );
    let line = text.lines().find(|line| line.contains("model "));
    let cells: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(cells[..2], ["model", "alpha"]);
    assert_eq!(cells[cells.len() - 2..], ["-", "-"], "{text}");
}

#[test]
fn json_has_a_reason_beside_every_null() {
    let document: Value = serde_json::from_str(&super::json(&flow(&COURSE))).unwrap();
    assert_eq!(document["steps"][2]["phase"]["name"], "at");
    assert_eq!(document["recommendation"]["step"], "300");
    assert_eq!(document["disputed"], DISPUTED);
    let series = document["series"].as_array().unwrap();
    // The model, one role and two layers.
    assert_eq!(series.len(), 4 * crate::track::TRACKED.len());
    for series in series {
        let values = series["values"].as_array().unwrap();
        assert_eq!(values.len(), 6);
        let nulls = values.iter().filter(|value| value.is_null()).count();
        let reasons = series.get("reasons").and_then(Value::as_object);
        assert_eq!(nulls, reasons.map_or(0, serde_json::Map::len), "{series}");
    }
}

#[test]
fn csv_has_a_row_for_each_step_of_each_subject() {
    let text = super::csv(&flow(&COURSE));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 4 * 6);
    assert!(lines[0].starts_with("step,ref,subject,name,role,alpha,ks_distance,"));
    assert!(
        lines[3].starts_with("200,run/checkpoint-200,model,,,2.6,0.04,"),
        "{}",
        lines[3]
    );
    assert!(lines[3].ends_with(",at,medium"));
    assert!(
        lines[24].contains(",layer,b.weight,mlp.fc1,1.6,"),
        "{}",
        lines[24]
    );
}

#[test]
fn markdown_escapes_and_names_every_problem() {
    let broken = flow_with(&COURSE, Order::AsGiven, &[2, 4]);
    let text = super::markdown(&broken);
    for part in [
        "### Spectral flow",
        "problem at step 200, non-finite: `a.weight`",
        "problem at step 400, non-finite: `a.weight`",
        "**no recommendation: ",
        "in the order given",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

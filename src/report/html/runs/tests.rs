use std::collections::BTreeMap;

use super::*;
use crate::num::Finite;
use crate::report::html;

const HOSTILE: &str = "</script><!--<img src=x onerror=\"alert('x')\">\u{202e}&amp;";

fn row(day: usize, open: bool) -> RunRow {
    let value = Finite::new(0.015).unwrap();
    RunRow {
        id: format!("run-{day}"),
        recorded: format!("2026-03-{day:02}T03:00:00Z"),
        commit: Some("0123456789abcdef".to_owned()),
        tuned: "s3://nights/latest".to_owned(),
        policy: "nightly".to_owned(),
        verdict: if open { Verdict::Fail } else { Verdict::Pass },
        reason: "28 layers compared".to_owned(),
        fail: u32::from(open),
        warn: 0,
        deviates: open,
        open,
        acts: Vec::new(),
        group: 0,
        levels: Levels(BTreeMap::from([((Metric::RelativeUpdate, None), value)])),
    }
}

fn page(runs: Vec<RunRow>) -> RunsPage {
    RunsPage {
        model: "nightly".to_owned(),
        branch: "main".to_owned(),
        source: "nights.db".to_owned(),
        metrics: vec![Metric::RelativeUpdate],
        groups: vec![RunGroup {
            base: "hf://org/base".to_owned(),
            base_digest: "sha256:ba5e".to_owned(),
            settings: "5e77".to_owned(),
            reference: runs.iter().position(|run| !run.open),
            limits: Vec::new(),
            about: String::new(),
        }],
        runs,
        ..RunsPage::default()
    }
}

fn markup(page: &RunsPage) -> String {
    let text = html::runs(page).unwrap();
    let (markup, _) = text
        .split_once("<script type=\"application/json\"")
        .unwrap();
    markup.to_owned()
}

#[test]
fn the_first_line_says_how_the_runs_stand() {
    let mut runs: Vec<RunRow> = (1..=6).map(|day| row(day, day > 4)).collect();
    let text = markup(&page(runs.clone()));
    assert!(text.contains("<h1>Fail, 2 runs open</h1>"), "{text}");
    assert!(text.contains("2 runs since the reference are open, the first of 2026-03-05 03:00"));
    assert!(text.contains("The reference is the run of 2026-03-01 03:00, the first"));
    runs.truncate(4);
    runs[2].acts.push(RunAct {
        by: "ana".to_owned(),
        reason: "twice the data.".to_owned(),
        time: "2026-03-04T09:30:00Z".to_owned(),
    });
    let mut accepted = page(runs);
    accepted.groups[0].reference = Some(2);
    let text = markup(&accepted);
    assert!(text.contains("<h1>Pass</h1>") && text.contains("No run since the reference is open."));
    assert!(
        text.contains("accepted by ana: twice the data.</p>"),
        "{text}"
    );
}

#[test]
fn the_table_of_runs_is_there_without_scripts_newest_first() {
    let text = markup(&page(vec![row(1, false), row(2, true)]));
    let (first, second) = (text.find("data-run=\"1\""), text.find("data-run=\"0\""));
    assert!(first.is_some() && first < second);
    assert!(text.contains("<b class=\"open\">open</b>") && text.contains("<b>reference</b>"));
    assert!(text.contains("0.015") && text.contains(">0123456789ab</span>"));
}

#[test]
fn a_history_without_a_run_says_what_to_do() {
    let text = markup(&RunsPage::default());
    assert!(text.contains("<h1>No run yet</h1>") && text.contains("check --history STORE"));
    assert!(!text.contains("id=\"runs\"") && !text.contains("id=\"nights\""));
}

#[test]
fn hostile_texts_of_a_history_stay_texts() {
    let mut run = row(1, false);
    for text in [
        &mut run.id,
        &mut run.reason,
        &mut run.tuned,
        &mut run.policy,
    ] {
        HOSTILE.clone_into(text);
    }
    run.commit = Some(HOSTILE.to_owned());
    run.acts.push(RunAct {
        by: HOSTILE.to_owned(),
        reason: HOSTILE.to_owned(),
        time: HOSTILE.to_owned(),
    });
    let mut page = page(vec![run]);
    for text in [&mut page.model, &mut page.branch, &mut page.source] {
        HOSTILE.clone_into(text);
    }
    page.groups.push(page.groups[0].clone());
    HOSTILE.clone_into(&mut page.groups[1].base);
    page.others.push(HOSTILE.to_owned());
    let text = html::runs(&page).unwrap();
    assert_eq!(text.matches("<script").count(), 3);
    for raw in ["<img", "onerror=\"", "\u{202e}", "<!--"] {
        assert!(!text.contains(raw), "{raw}");
    }
}

#[test]
fn numbers_of_a_run_are_kept_as_they_are_stored() {
    let mut run = row(1, false);
    let exact = Finite::new(0.012_345_67).unwrap();
    run.levels = Levels(BTreeMap::from([((Metric::RelativeUpdate, None), exact)]));
    let data = data(&page(vec![run]));
    assert_eq!(data["values"]["relative_update"][""][0], 0.012_345_67);
}

#[test]
fn a_long_reason_is_folded_up_and_kept_whole() {
    let mut run = row(1, true);
    run.reason = "alpha-drift on 3 layers, ".repeat(12);
    let text = markup(&page(vec![run.clone()]));
    assert!(text.contains("<details><summary>alpha-drift on 3 layers"));
    assert!(text.contains(&format!("</summary>{}</details>", run.reason)));
}

//! Recording, showing, accepting and forgetting.

use super::{nights, on_each_store, quiet, time};
use crate::support::cmd::run;

#[test]
fn a_run_that_is_recorded_twice_is_one_run() {
    on_each_store("recorded_twice", |store| {
        let report = nights().report(1, &quiet());
        let first = store.record(1, &report);
        assert_eq!(store.record(2, &report), first);
        let runs = store.runs();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0]["recorded"], time(1));
        assert_eq!(runs[0]["standing"], "accepted");
        assert_eq!(runs[0]["model"], "nightly");
        assert_eq!(runs[0]["branch"], "main");
        let other = store.write_report("again.json", &report);
        let ran = store.run("record", &[&other, "--history-commit", "0a1b"]);
        assert!(ran.expect_code(0).stdout.contains(" recorded: pass"));
        assert_eq!(store.runs().len(), 2);
    });
}

#[test]
fn several_reports_are_recorded_in_their_order() {
    on_each_store("several_reports", |store| {
        let paths: Vec<String> = (1..=5)
            .map(|night| {
                let report = nights().report(night, &quiet());
                store.write_report(&format!("{night}.json"), &report)
            })
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        store.run("record", &paths).expect_code(0);
        let tuned: Vec<String> = store
            .runs()
            .iter()
            .map(|run| run["tuned"]["ref"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            tuned,
            (1..=5)
                .map(|night| format!("s3://nights/{night}"))
                .collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_wrong_report_stops_before_anything_is_recorded() {
    on_each_store("wrong_report", |store| {
        let good = store.write_report("good.json", &nights().report(1, &quiet()));
        let bad = store.write("bad.json", "{\"schema\": 1}");
        let ran = store.run("record", &[&good, &bad]).expect_code(2);
        assert!(ran.stderr.contains("bad.json"), "{}", ran.stderr);
        let shown = store.run("show", &[]);
        assert!(
            shown.code == 2 || shown.stdout.lines().count() <= 1,
            "{}",
            shown.stdout
        );
    });
}

#[test]
fn a_failed_run_waits_until_somebody_accepts_it() {
    on_each_store("accepted", |store| {
        store.record(1, &nights().report(1, &quiet()));
        let failed = store.record(2, &nights().failed(2, &quiet()));
        assert_eq!(store.runs()[1]["standing"], "open");
        for args in [
            &["--last"][..],
            &["--last", "--by", "ana"],
            &["--last", "--by", "", "--reason", "x"],
            &["--by", "ana", "--reason", "x"],
        ] {
            store.run("accept", args).expect_code(2);
        }
        assert_eq!(store.runs()[1]["standing"], "open");
        let prefix: String = failed.chars().take(6).collect();
        let args = [&prefix, "--by", "ana", "--reason", "new data since March"];
        let said = store
            .run("accept", &args.map(|text| text as &str))
            .expect_code(0);
        assert!(said.stdout.contains(&failed), "{}", said.stdout);
        let run = &store.runs()[1];
        assert_eq!(run["standing"], "anchor");
        assert_eq!(run["acts"][0]["by"], "ana");
        assert_eq!(run["acts"][0]["reason"], "new data since March");
        // A second opinion is added to the first.
        let last = ["--last", "--by", "bo", "--reason", "agreed"];
        store.run("accept", &last).expect_code(0);
        let run = &store.runs()[1];
        assert_eq!(run["acts"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn a_run_is_found_by_the_start_of_its_identity_alone() {
    on_each_store("found", |store| {
        let id = store.record(1, &nights().report(1, &quiet()));
        let shown = store.run("show", &[&id]).expect_code(0).stdout;
        assert!(shown.contains("relative_update"), "{shown}");
        let json = store
            .run("show", &[&id, "--format", "json"])
            .expect_code(0)
            .json();
        assert_eq!(json["run"]["layers"].as_array().unwrap().len(), 7);
        assert!(json["run"]["levels"]["alpha"]["all"].is_number());
        for wrong in ["zz", ""] {
            let ran = store.run("show", &[wrong]).expect_code(2);
            assert!(ran.stderr.contains("no run"), "{}", ran.stderr);
        }
        // Seventeen runs: two of them start with the same digit.
        for day in 2..=17 {
            store.record(day, &nights().report(day, &quiet()));
        }
        let firsts: Vec<char> = store
            .runs()
            .iter()
            .map(|run| run["id"].as_str().unwrap().chars().next().unwrap())
            .collect();
        let twice = firsts
            .iter()
            .find(|a| firsts.iter().filter(|b| a == b).count() > 1);
        let ran = store
            .run("show", &[&twice.unwrap().to_string()])
            .expect_code(2);
        assert!(ran.stderr.contains("runs of the history"), "{}", ran.stderr);
    });
}

#[test]
fn old_runs_are_forgotten_but_for_those_that_set_the_limits() {
    on_each_store("forgotten", |store| {
        let paths: Vec<String> = (1..=45)
            .map(|night| {
                let report = nights().report(night, &quiet());
                store.write_report(&format!("{night}.json"), &report)
            })
            .collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let first = ["--time", &time(1)];
        store
            .run("record", &[&paths[..], &first].concat())
            .expect_code(0);
        store.record(20, &nights().report(46, &quiet()));
        let ids = || -> Vec<String> {
            let runs = store.runs();
            let ids = runs.iter().map(|run| run["id"].as_str().unwrap());
            ids.map(str::to_owned).collect()
        };
        let all = ids();
        let by = ["--by", "ana", "--reason", "start"];
        store
            .run("accept", &[&[all[1].as_str()][..], &by].concat())
            .expect_code(0);
        let before = store.export();
        let dry = store
            .run("prune", &["--keep", "2", "--dry-run"])
            .expect_code(0);
        let said = dry.stdout;
        assert!(said.contains("4 of 46 runs would be forgotten"), "{said}");
        assert_eq!(store.export(), before);
        // The accepted run and the 39 after it set the limits; the newest two were asked for.
        store.run("prune", &["--keep", "2"]).expect_code(0);
        assert_eq!(ids(), [&all[1..41], &all[44..]].concat());
        let ran = store.run("prune", &["--before", "2026-03-06"]);
        let said = ran.expect_code(0).stdout;
        assert!(said.contains("1 of 42 runs forgotten"), "{said}");
        assert_eq!(ids(), [&all[1..41], &all[45..]].concat());
        store.run("prune", &[]).expect_code(2);
    });
}

#[test]
fn a_history_that_is_not_there_is_only_an_error_where_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db").display().to_string();
    for action in ["show", "trend", "export", "bisect"] {
        let ran = run(&["history", action, "--history", &path]).expect_code(2);
        assert!(ran.stderr.contains("no history at"), "{}", ran.stderr);
    }
    let accept = [
        "history",
        "accept",
        "--last",
        "--by",
        "a",
        "--reason",
        "b",
        "--history",
        &path,
    ];
    run(&accept).expect_code(2);
    assert!(!folder.path().join("none.db").exists());
    let wrong = run(&["history", "show", "--history", "mysql://me:secret@host/db"]).expect_code(2);
    assert!(wrong.stderr.contains("mysql"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("secret"), "{}", wrong.stderr);
}

#[test]
fn trends_are_drawn_with_their_limits_and_failed_nights() {
    on_each_store("trends", |store| {
        for day in 1..=9 {
            let report = if day == 5 {
                nights().failed(day, &quiet())
            } else {
                nights().report(day, &quiet())
            };
            store.record(day, &report);
        }
        let human = store.run("trend", &[]).expect_code(0).stdout;
        assert!(human.contains("median relative_update"), "{human}");
        assert!(human.contains("upper"), "{human}");
        assert!(
            human
                .lines()
                .any(|line| line.contains('┤') && line.contains('✗')),
            "{human}"
        );
        let args = ["--metric", "alpha", "--role", "mlp.up", "--format", "json"];
        let json = store.run("trend", &args).expect_code(0).json();
        let series = &json["trend"]["series"][0];
        assert_eq!(series["role"], "mlp.up");
        assert_eq!(series["points"].as_array().unwrap().len(), 9);
        assert_eq!(series["points"][4]["accepted"], false);
        let (lower, upper) = (
            series["lower"].as_f64().unwrap(),
            series["upper"].as_f64().unwrap(),
        );
        assert!(lower < upper);
        let markdown = store
            .run("trend", &["--format", "markdown"])
            .expect_code(0)
            .stdout;
        assert!(markdown.contains("| median alpha\\_drift |"), "{markdown}");
        let wrong = store.run("trend", &["--metric", "alhpa"]).expect_code(2);
        assert!(wrong.stderr.contains("alhpa"), "{}", wrong.stderr);
    });
}

#[test]
fn a_baseline_that_is_required_fills_itself_and_again_after_it_was_accepted() {
    on_each_store("required", |store| {
        let text = "version = 1\nname = \"nightly\"\n\n[baseline]\nrequired = true\n";
        let policy = store.write("required.toml", text);
        let codes: Vec<i32> = (1..=6)
            .map(|night| {
                let report = nights().report(night, &quiet());
                let report = store.write_report(&format!("{night}.json"), &report);
                let code = store
                    .run("record", &["--judge", "--policy", &policy, &report])
                    .code;
                if night == 4 {
                    let who = ["--last", "--by", "ana", "--reason", "a new recipe"];
                    store.run("accept", &who).expect_code(0);
                }
                code
            })
            .collect();
        // Two runs make a baseline; the accepted one starts another.
        assert_eq!(codes, [3, 3, 0, 0, 3, 0]);
        assert!(store.runs().iter().all(|run| run["standing"] != "open"));
    });
}

/// Wrong addresses with a password in each place that one may stand in.
const SECRETS: [&str; 5] = [
    "postgres://gate:hunter2/nights",
    "postgres://gate@db:port/x?password=hunter2",
    "mysql://h/db?password=hunter2",
    "postgres:/gate:hunter2@db/n",
    "host=db password=hunter2",
];

#[test]
fn a_wrong_place_is_refused_before_anything_is_measured_and_shows_no_password() {
    for place in SECRETS.into_iter().chain([":memory:"]) {
        let shown = run(&["history", "show", "--history", place]).expect_code(2);
        // There is no such checkpoint: what is named first was looked at first.
        let args = ["--base", "none", "--tuned", "none", "--history", place];
        let check = run(&[&["check"][..], &args].concat()).expect_code(2);
        for ran in [&shown, &check] {
            let said = &ran.stderr;
            assert!(said.contains("as a place for a history"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

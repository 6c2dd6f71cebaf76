//! `scan`: the spectral table of one checkpoint, and WeightWatcher's.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use serde_json::{Map, Value};
use tunegate::fs;
use tunegate::spectrum::metric::{Metric, Subject};
use tunegate::spectrum::weightwatcher::COLUMNS;

use crate::support::cmd::{Pair, Ran, tunegate};
use crate::support::spectrum::Spectrum;
use crate::support::tiny::{KEY, NORM, QUERY, TinyCheckpoint, TinyTensor, WIDTH};
use crate::support::{is_close, repository};

/// Agreement with WeightWatcher; its decomposition and ours differ by rounding.
const WEIGHTWATCHER_TOLERANCE: f64 = 1e-6;

fn base() -> TinyCheckpoint {
    TinyCheckpoint::model()
}

/// A folder with the checkpoint at `base`.
fn written(checkpoint: &TinyCheckpoint) -> Pair {
    Pair::new(checkpoint, &TinyCheckpoint::new(0).vector("unused", 4))
}

fn scan(pair: &Pair, args: &[&str]) -> Ran {
    let mut command = tunegate();
    command.current_dir(pair.path("")).args(["scan", "base"]);
    Ran::of(command.args(args))
}

/// Rows of a CSV document by column name, read by the grammar of RFC 4180.
fn rows(text: &str) -> (Vec<String>, Vec<BTreeMap<String, String>>) {
    let mut records = vec![vec![String::new()]];
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let record = records.last_mut().unwrap();
        match character {
            '"' if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                record.last_mut().unwrap().push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(String::new()),
            '\r' if !quoted => assert_eq!(rest.peek(), Some(&'\n')),
            '\n' if !quoted => records.push(vec![String::new()]),
            other => record.last_mut().unwrap().push(other),
        }
    }
    assert_eq!(records.pop(), Some(vec![String::new()]), "a last line end");
    let header = records.remove(0);
    let rows = records.into_iter().map(|record| {
        assert_eq!(record.len(), header.len());
        header.iter().cloned().zip(record).collect()
    });
    let rows = rows.collect();
    (header, rows)
}

#[test]
fn csv_has_the_metrics_as_columns_and_one_row_a_matrix() {
    let (header, rows) = rows(
        &scan(&written(&base()), &["--format", "csv"])
            .expect_code(0)
            .stdout,
    );
    let mut expected = vec!["name", "role", "block", "rows", "cols", "dtype"];
    let metrics = Metric::ALL
        .iter()
        .filter(|metric| metric.subject() == Subject::Checkpoint);
    expected.extend(
        metrics
            .map(|metric| metric.as_str())
            .filter(|name| !matches!(*name, "rows" | "cols")),
    );
    expected.push("phase");
    assert_eq!(header, expected);
    let matrices = base()
        .tensors
        .values()
        .filter(|tensor| tensor.shape.len() == 2)
        .count();
    assert_eq!(rows.len(), matrices);
    let query = rows.iter().find(|row| row["name"] == QUERY).unwrap();
    assert_eq!(query["role"], "attention.q");
    assert_eq!(query["block"], "0");
    assert_eq!(query["dtype"], "F32");
    assert_eq!(
        (query["rows"].as_str(), query["cols"].as_str()),
        ("128", "128")
    );
    assert_eq!(query["eigenvalue_count"], "128");
    // Rows of length one on average.
    assert!(is_close(
        query["frobenius_norm"].parse().unwrap(),
        (WIDTH as f64).sqrt(),
        1e-6
    ));
}

#[test]
fn json_and_csv_hold_the_same_numbers_and_those_of_a_check() {
    let pair = Pair::new(&base(), &base().tuned(0.01));
    let (_, rows) = rows(&scan(&pair, &["--format", "csv"]).stdout);
    let report = scan(&pair, &["--format", "json"]).expect_code(0).json();
    assert_eq!(report["schema"], 1);
    assert!(report.get("verdict").is_none() && report.get("findings").is_none());
    let layers = report["layers"].as_array().unwrap();
    assert_eq!(layers.len(), rows.len());
    let judged = pair.judged();
    for (layer, row) in layers.iter().zip(&rows) {
        let metrics = layer["metrics"].as_object().unwrap();
        assert_eq!(layer["name"], row["name"]);
        for (metric, value) in metrics.iter().filter(|(name, _)| row.contains_key(*name)) {
            let cell = &row[metric];
            // The parser of these tests is off by one unit in the last place at times.
            let same = match (value.as_f64(), value.as_str()) {
                (Some(number), _) => is_close(cell.parse().unwrap(), number, 1e-15),
                (None, Some(text)) => cell == text,
                (None, None) => cell.is_empty(),
            };
            assert!(same, "{metric} of {}: {cell}, {value}", row["name"]);
        }
        let of_check = judged.layer(&row["name"]);
        let mut metrics = layer["metrics"].clone();
        if let Some(fit) = metrics["fit"].as_object_mut() {
            assert!(fit.remove("alpha_unbiased").is_some(), "{}", row["name"]);
        }
        assert_eq!(metrics, of_check["base"], "{}", row["name"]);
        assert_eq!(layer["role"], of_check["role"]);
    }
}

#[test]
fn a_scan_writes_one_document_in_each_format_and_the_same_to_files() {
    let pair = written(&base());
    let formats = ["human", "json", "csv", "markdown"];
    let emits: Vec<String> = formats
        .iter()
        .map(|format| format!("--emit={format}={format}.out"))
        .collect();
    let emits: Vec<&str> = emits.iter().map(String::as_str).collect();
    scan(&pair, &emits).expect_code(0);
    for format in formats {
        let stdout = scan(&pair, &["--format", format]).expect_code(0).stdout;
        let written = fs::read_to_string(&pair.path(&format!("{format}.out"))).unwrap();
        assert_eq!(stdout, written, "{format}");
        assert!(
            stdout.contains(QUERY.rsplit('.').nth(1).unwrap()),
            "{stdout}"
        );
    }
}

#[test]
fn the_bytes_of_a_scan_do_not_depend_on_threads_or_shards() {
    let pair = written(&base());
    let sharded = written(&base().shards(3));
    for format in ["json", "csv"] {
        let once = scan(&pair, &["--format", format, "--threads", "1"]).stdout;
        assert!(once == scan(&pair, &["--format", format, "--threads", "2"]).stdout);
        assert!(once == scan(&sharded, &["--format", format]).stdout);
    }
}

#[test]
fn a_tensor_with_nan_has_no_spectrum_and_says_why() {
    let pair = written(&base().edit(KEY, |values| values[0] = f32::NAN));
    let report = scan(&pair, &["--format", "json"]).expect_code(0).json();
    let layers = report["layers"].as_array().unwrap();
    let layer = layers.iter().find(|layer| layer["name"] == KEY);
    let metrics = &layer.expect("the layer is listed")["metrics"];
    assert_eq!(metrics["nonfinite_count"], 1);
    assert!(metrics["alpha"].is_null() && metrics["spectral_norm"].is_null());
    assert!(
        metrics["reasons"]["spectral_norm"].is_string(),
        "{metrics:#}"
    );
    let query = layers.iter().find(|layer| layer["name"] == QUERY).unwrap();
    assert!(query["metrics"]["spectral_norm"].is_number());
}

#[test]
fn a_scan_of_one_file_is_that_of_its_folder() {
    let pair = written(&base());
    let folder = scan(&pair, &["--format", "csv"]).stdout;
    let mut command = tunegate();
    let args = ["scan", "base/model.safetensors", "--format", "csv"];
    let file = Ran::of(command.current_dir(pair.path("")).args(args)).expect_code(0);
    assert_eq!(file.stdout, folder);
}

#[test]
fn a_name_that_a_spreadsheet_would_compute_is_defused() {
    let name = "=HYPERLINK(\"http://x\",\"y\")";
    let pair = written(&TinyCheckpoint::new(1).layer(name, [16, 16], Spectrum::Gaussian));
    let (_, rows) = rows(&scan(&pair, &["--format", "csv"]).expect_code(0).stdout);
    assert_eq!(rows[0]["name"], format!("'{name}"));
}

fn reference_tensors() -> BTreeMap<String, TinyTensor> {
    let mut tensors = BTreeMap::new();
    for part in 1..=2 {
        let path = repository(&format!("tests/reference/matrices-{part}.safetensors"));
        let bytes = fs::read(&path).unwrap();
        for (name, view) in SafeTensors::deserialize(&bytes).unwrap().iter() {
            let values = view.data().chunks_exact(4);
            let values = values.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            tensors.insert(
                name.to_owned(),
                TinyTensor::new(view.shape(), values.collect()),
            );
        }
    }
    let base = tensors["bulk_and_tail_192x768"].clone();
    for tuned in ["pair.tuned_dense_192x768", "pair.tuned_lowrank_192x768"] {
        let values = tensors[tuned].values.iter().zip(&base.values);
        let difference = TinyTensor::new(
            &base.shape,
            values.map(|(tuned, base)| tuned - base).collect(),
        );
        tensors.insert(format!("{tuned} - base"), difference);
    }
    tensors.insert("pair.base_192x768".to_owned(), base);
    tensors
}

/// Whether a cell of the CSV is what WeightWatcher printed; NaN and missing values are empty cells.
fn is_cell(found: &str, expected: &Value) -> bool {
    match expected.as_str() {
        Some("nan" | "None") => found.is_empty(),
        Some(text) => found == text,
        None if matches!(found, "True" | "False") => {
            expected.as_i64() == Some(i64::from(found == "True"))
        }
        None => found.parse().is_ok_and(|found: f64| {
            is_close(found, expected.as_f64().unwrap(), WEIGHTWATCHER_TOLERANCE)
        }),
    }
}

#[test]
fn compat_prints_the_numbers_of_weightwatcher_for_every_reference_matrix() {
    let mut checkpoint = TinyCheckpoint::new(0);
    checkpoint.tensors = reference_tensors();
    let pair = written(&checkpoint);
    let ran = scan(&pair, &["--compat", "weightwatcher"]).expect_code(0);
    let (header, rows) = rows(&ran.stdout);
    assert_eq!(header, COLUMNS);
    let path = repository("tests/reference/weightwatcher-0.7.7.json");
    let table: Map<String, Value> = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(rows.len(), table.len());
    assert_eq!(table.len(), 21);
    for (name, entry) in &table {
        let row = rows.iter().find(|row| row["longname"] == *name).unwrap();
        for column in COLUMNS {
            // They name the tensor, which the reference calls `layer`.
            if matches!(column, "layer_id" | "name" | "longname") {
                continue;
            }
            let expected = &entry["weightwatcher"][column];
            assert!(!expected.is_null(), "no {column} in the reference");
            let found = &row[column];
            assert!(
                is_cell(found, expected),
                "{name}, {column}: {found}, not {expected}"
            );
        }
    }
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["layer_id"], index.to_string());
    }
    let again = scan(&pair, &["--compat", "weightwatcher", "--threads", "1"]);
    assert!(
        again.stdout == ran.stdout,
        "the bytes depend on the threads"
    );
}

#[test]
fn a_cell_that_differs_is_noticed() {
    assert!(is_cell("1.0000001", &Value::from(1.0)));
    assert!(!is_cell("1.00001", &Value::from(1.0)));
    assert!(!is_cell("", &Value::from(1.0)));
    assert!(!is_cell("1.0", &Value::from("nan")));
    assert!(!is_cell("inf", &Value::from("-inf")));
    assert!(!is_cell("inf", &Value::from(1.0)));
}

#[test]
fn compat_has_a_row_for_every_tensor_of_two_or_four_dimensions() {
    let kernel = TinyTensor::new(
        &[8, 4, 3, 3],
        (0..288_u16).map(|n| f32::from(n % 17)).collect(),
    );
    let checkpoint = base().tensor("conv.weight", kernel);
    let (_, rows) = rows(&scan(&written(&checkpoint), &["--compat", "weightwatcher"]).stdout);
    let expected = checkpoint
        .tensors
        .values()
        .filter(|tensor| tensor.shape.len() != 1)
        .count();
    assert_eq!(rows.len(), expected);
    assert!(rows.iter().all(|row| row["longname"] != NORM));
    let conv = rows
        .iter()
        .find(|row| row["longname"] == "conv.weight")
        .unwrap();
    assert_eq!(
        (conv["layer_type"].as_str(), conv["rf"].as_str()),
        ("conv2d", "9")
    );
}

#[test]
fn a_layer_is_drawn_and_an_unknown_one_is_named_with_its_neighbours() {
    let pair = written(&base());
    let plot = format!("{QUERY}={}", pair.path("figure.svg").display());
    scan(&pair, &["--plot", &plot]).expect_code(0);
    let figure = fs::read_to_string(&pair.path("figure.svg")).unwrap();
    assert!(figure.starts_with("<svg ") && figure.contains(QUERY));
    assert!(figure.contains("power law, alpha "));

    let ran = scan(&pair, &["--plot", "layers.0.q_proj.weight=x.svg"]).expect_code(2);
    assert!(
        ran.stderr
            .contains("cannot draw layer `layers.0.q_proj.weight`")
    );
    assert!(
        ran.stderr.contains(&format!("did you mean {QUERY}")),
        "{}",
        ran.stderr
    );
    let ran = scan(&pair, &["--plot", "figure.svg"]).expect_code(2);
    assert!(ran.stderr.contains("there is no `=`"), "{}", ran.stderr);
}

#[test]
fn an_unknown_layer_of_a_figure_is_told_before_the_work() {
    let pair = written(&base());
    let cache = pair.path("cache");
    let plot = format!("nothing={}", pair.path("figure.svg").display());
    let at = cache.display().to_string();
    scan(&pair, &["--plot", &plot, "--cache", &at]).expect_code(2);
    // Nothing was measured, so that nothing is kept.
    assert!(!cache.exists());
}

#[test]
fn a_figure_and_a_report_never_go_to_one_file() {
    let pair = written(&base());
    let target = pair.path("same.out");
    let plot = format!("{QUERY}={}", target.display());
    let folder = target.parent().unwrap().display().to_string();
    for emit in [
        format!("html={folder}/same.out"),
        format!("csv={folder}/./same.out"),
    ] {
        let ran = scan(&pair, &["--plot", &plot, "--emit", &emit]).expect_code(2);
        let part = "an `--emit` writes the same file";
        assert!(ran.stderr.contains(part), "{}", ran.stderr);
        assert!(!target.exists());
    }
}

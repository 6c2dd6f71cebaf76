//! Every name of the families in `tests/families.txt` against its reviewed traits.

use std::fmt::Write as _;
use std::path::Path;

use crate::fs;
use crate::layer::{Architecture, Form, LayerSource, Role, Scope, layers_of};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/families.txt");

/// One line of the table: layer, shape of the tensor, role, scope, block, form.
fn line(shape: &[usize], layer: &LayerSource) -> String {
    let mut text = format!("{} {shape:?} {}", layer.name, layer.traits.role).replace(", ", ",");
    text.push_str(match layer.traits.scope {
        Scope::Body => " body",
        Scope::Head => " head",
    });
    match layer.traits.block {
        Some(block) => write!(text, " {block}").unwrap(),
        None => text.push_str(" -"),
    }
    match &layer.form {
        Form::Matrix { rows, cols } => write!(text, " {rows}x{cols}").unwrap(),
        Form::Vector => text.push_str(" vector"),
        Form::NotAMatrix(_) => text.push_str(" none"),
    }
    if let Some(expert) = layer.traits.expert {
        write!(text, " expert {expert}").unwrap();
    }
    if layer.input_first {
        text.push_str(" in,out");
    }
    text
}

/// The lines of a tensor's layers, but for all experts after the first.
fn lines(name: &str, shape: &[usize], architecture: &Architecture) -> Vec<String> {
    let layers = layers_of(name, shape, architecture);
    let first = layers[0].traits.expert;
    layers
        .iter()
        .filter(|layer| layer.traits.expert == first)
        .map(|layer| line(shape, layer))
        .collect()
}

fn read_shape(text: &str) -> Vec<usize> {
    text.trim_matches(['[', ']'])
        .split(',')
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().unwrap())
        .collect()
}

/// The table as the code has it, from the names, shapes and configs of the stored one.
fn table_from(stored: &str) -> String {
    let mut table = String::new();
    let mut architecture = Architecture::default();
    let mut last = String::new();
    for line in stored.lines() {
        if line.is_empty() || line.starts_with('#') {
            if let Some((_, facts)) = line.split_once('{') {
                let config = serde_json::from_str(&format!("{{{facts}")).unwrap();
                architecture = Architecture::of_config(&config);
            }
            last.clear();
            writeln!(table, "{line}").unwrap();
            continue;
        }
        let mut fields = line.split(' ');
        let name = fields.next().unwrap().split('[').next().unwrap();
        let shape = fields.next().unwrap();
        // Several lines are the layers of one tensor.
        let tensor = format!("{name} {shape}");
        if tensor != last {
            for line in lines(name, &read_shape(shape), &architecture) {
                writeln!(table, "{line}").unwrap();
            }
            last = tensor;
        }
    }
    table
}

#[test]
fn every_name_of_the_families_has_its_reviewed_traits() {
    let stored = fs::read_to_string(Path::new(PATH)).unwrap();
    let table = table_from(&stored);
    assert!(table.lines().count() > 600, "only a part of the table");
    if std::env::var_os("TUNEGATE_BLESS").is_some_and(|value| value == "1") {
        fs::write_atomic(Path::new(PATH), table.as_bytes()).unwrap();
        return;
    }
    for (found, expected) in table.lines().zip(stored.lines()) {
        assert_eq!(
            found, expected,
            "run `TUNEGATE_BLESS=1 cargo test families`"
        );
    }
    assert_eq!(table, stored);
}

/// Only what is no linear map of a known kind may be of no role.
#[test]
fn no_matrix_of_a_language_model_is_left_without_a_role() {
    const WITHOUT: &[&str] = &[
        "A_log",
        "eh_proj",
        "embedding_hidden_mapping_in",
        "mask_decoder",
        "mixer",
        "no config",
    ];
    let stored = fs::read_to_string(Path::new(PATH)).unwrap();
    let mut section = "";
    for line in stored.lines() {
        if line.starts_with('#') {
            section = line;
        }
        let is_matrix = line
            .split(' ')
            .nth(5)
            .is_some_and(|form| form.contains('x'));
        if is_matrix && line.split(' ').nth(2) == Some(Role::Other.as_str()) {
            let known = WITHOUT
                .iter()
                .any(|known| line.contains(known) || section.contains(known));
            assert!(known, "{line} of {section}");
        }
    }
}

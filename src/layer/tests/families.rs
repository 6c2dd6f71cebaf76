//! Every name of the families in `tests/families.txt` against its reviewed traits.

use std::fmt::Write as _;

use crate::layer::{Form, LayerSource, Scope, layers_of};

const TABLE: &str = include_str!("../../../tests/families.txt");

/// One line of the table: name, shape, role, scope, block, form of the first layer.
fn line(name: &str, shape: &[usize], layer: &LayerSource) -> String {
    let mut text = format!("{name} {shape:?} {}", layer.traits.role).replace(", ", ",");
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
    text
}

fn read_shape(text: &str) -> Vec<usize> {
    text.trim_matches(['[', ']'])
        .split(',')
        .filter(|side| !side.is_empty())
        .map(|side| side.parse().unwrap())
        .collect()
}

#[test]
fn every_name_of_the_families_has_its_reviewed_traits() {
    let mut checked = 0;
    for expected in TABLE.lines() {
        if expected.is_empty() || expected.starts_with('#') {
            continue;
        }
        let mut fields = expected.split(' ');
        let name = fields.next().unwrap();
        let shape = read_shape(fields.next().unwrap());
        let layer = &layers_of(name, &shape)[0];
        assert_eq!(line(name, &shape, layer), expected);
        checked += 1;
    }
    assert!(checked > 500, "only {checked} names");
}

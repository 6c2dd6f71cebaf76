//! One name for each layer, where checkpoints of a run name it differently: `encoder.layer.0` in one and
//! `bert.encoder.layer.0` in the next.

use std::collections::{BTreeMap, BTreeSet};

use super::Snapshot;
use crate::layer::LayerName;

/// Gives each layer the name that the first checkpoint with it has, by what the base calls it. A layer
/// that the base does not have keeps its name.
pub(super) fn joined(mut snapshots: Vec<Snapshot>) -> Vec<Snapshot> {
    let mut shown: BTreeMap<LayerName, LayerName> = BTreeMap::new();
    for snapshot in &mut snapshots {
        let mut taken: BTreeSet<LayerName> = BTreeSet::new();
        for layer in &mut snapshot.layers {
            let in_base = snapshot.base_names.get(&layer.name).unwrap_or(&layer.name);
            let name = shown
                .entry(in_base.clone())
                .or_insert_with(|| layer.name.clone());
            // Two layers of one checkpoint never become one.
            if taken.insert(name.clone()) {
                layer.name.clone_from(name);
            }
        }
    }
    snapshots
}

#[cfg(test)]
mod tests {
    use super::super::sample::snapshot;
    use super::*;

    fn names_of(snapshot: &Snapshot) -> Vec<&str> {
        let layers = snapshot.layers.iter();
        layers.map(|layer| layer.name.as_str()).collect()
    }

    fn names(snapshots: &[Snapshot]) -> Vec<Vec<&str>> {
        snapshots.iter().map(names_of).collect()
    }

    #[test]
    fn a_layer_has_the_name_of_the_first_checkpoint_with_it() {
        let first = snapshot(&[("encoder.a", "encoder.a"), ("encoder.b", "encoder.b")]);
        let later = snapshot(&[("bert.encoder.a", "encoder.a"), ("new", "new")]);
        let joined = joined(vec![first, later]);
        assert_eq!(
            names(&joined),
            [["encoder.a", "encoder.b"], ["encoder.a", "new"]]
        );
    }

    #[test]
    fn the_names_of_a_base_that_is_no_step_are_not_shown() {
        let first = snapshot(&[("model.a", "a")]);
        let later = snapshot(&[("model.a", "a")]);
        assert_eq!(
            names(&joined(vec![first, later])),
            [["model.a"], ["model.a"]]
        );
    }

    #[test]
    fn two_layers_of_one_checkpoint_stay_two() {
        let odd = snapshot(&[("x.a", "a"), ("a", "a")]);
        assert_eq!(names(&joined(vec![odd])), [["x.a", "a"]]);
    }
}

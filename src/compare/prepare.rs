//! Which tensors meet: names, shapes, and what is left over on either side.

use super::measure::TensorPair;
use super::{Fact, SkippedTensor};
use crate::checkpoint::{Checkpoint, Tensor, pair};
use crate::code::FindingCode;
use crate::layer::{
    Architecture, Form, LayerName, LayerSource, Scope, TiedAlias, describe, is_buffer, layers_of,
};

/// The work to do, and what is known before any weight is read.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    pub(super) pairs: Vec<TensorPair<'a>>,
    pub(super) facts: Vec<Fact>,
    pub(super) skipped: Vec<SkippedTensor>,
    pub(super) name_map: String,
    /// Parameters of the body's matrices: compared, and of both checkpoints together.
    pub(super) compared_parameters: u64,
    pub(super) total_parameters: u64,
    /// Heads that only the tuned checkpoint has.
    pub(super) new_heads: Vec<String>,
    /// Tensors that one side stores and the other ties to an embedding.
    pub(super) tied_aliases: Vec<TiedAlias>,
}

/// Pairs the tensors of two checkpoints.
pub(super) fn prepare<'a>(base: &'a Checkpoint, tuned: &'a Checkpoint) -> Prepared<'a> {
    let pairing = pair(base, tuned);
    let mut prepared = Prepared {
        pairs: Vec::new(),
        facts: Vec::new(),
        skipped: Vec::new(),
        name_map: pairing.name_map,
        compared_parameters: 0,
        total_parameters: 0,
        new_heads: Vec::new(),
        tied_aliases: pairing.tied_aliases,
    };
    let architectures = (base.architecture(), tuned.architecture());
    for (base_name, tuned_name) in &pairing.pairs {
        if let (Some(before), Some(after)) = (base.tensor(base_name), tuned.tensor(tuned_name)) {
            prepared.meet(before, after, agreed_layers(after, &architectures));
        }
    }
    prepared.tell_of_fused();
    let mut paired_unread = std::collections::BTreeSet::new();
    for (base_name, tuned_name) in &pairing.unread {
        paired_unread.insert(tuned_name.as_str());
        prepared.cannot_read((base, base_name), (tuned, tuned_name));
    }
    for tensor in pairing
        .base_only
        .iter()
        .filter_map(|name| base.tensor(name))
    {
        prepared.only_in_base(tensor);
    }
    for tensor in pairing
        .tuned_only
        .iter()
        .filter_map(|name| tuned.tensor(name))
    {
        prepared.only_in_tuned(tensor);
    }
    for (name, skipped) in tuned.skipped() {
        if !paired_unread.contains(name.as_str()) {
            prepared.skip(
                name,
                format!("only in the tuned checkpoint, {}", skipped.reason),
            );
        }
    }
    for alias in prepared.tied_aliases.clone() {
        let side = if alias.in_tuned {
            "tuned checkpoint"
        } else {
            "base"
        };
        prepared.skip(
            &alias.name,
            format!("only in the {side}; tied to `{}`", alias.target),
        );
    }
    prepared
}

/// The layers of a tensor that both sides have, as the configs of both split it. A side without a config
/// follows the other; where two configs disagree, a fused tensor stays one matrix: half of each split
/// would compare queries with keys.
fn agreed_layers(
    tensor: &Tensor,
    (base, tuned): &(Architecture, Architecture),
) -> Vec<LayerSource> {
    let by_tuned = tensor.layers(tuned);
    if base == tuned || !base.is_known() {
        return by_tuned;
    }
    let by_base = tensor.layers(base);
    if by_base == by_tuned || !tuned.is_known() {
        return by_base;
    }
    tensor.layers(&Architecture::default())
}

/// Parameters of the body's matrices in one tensor.
fn matrix_parameters(name: &str, shape: &[usize]) -> u64 {
    body_parameters(&layers_of(name, shape, &Architecture::default()))
}

fn body_parameters(layers: &[LayerSource]) -> u64 {
    layers
        .iter()
        .filter(|layer| layer.traits.scope == Scope::Body)
        .map(|layer| match layer.form {
            Form::Matrix { rows, cols } => rows as u64 * cols as u64,
            Form::Vector | Form::NotAMatrix(_) => 0,
        })
        .sum()
}

impl<'a> Prepared<'a> {
    fn skip(&mut self, tensor: &str, reason: impl Into<String>) {
        self.skipped.push(SkippedTensor {
            tensor: tensor.to_owned(),
            reason: reason.into(),
        });
    }

    /// Says which fused tensors were left whole.
    fn tell_of_fused(&mut self) {
        let layers = self.pairs.iter().flat_map(|pair| &pair.layers);
        let mut left = layers.filter(|layer| layer.is_left_fused());
        if let Some(first) = left.next() {
            let count = 1 + left.count();
            let note = format!(
                "; fused matrices left whole because their layout is not known: {count}, such as `{}`",
                first.name
            );
            self.name_map.push_str(&note);
        }
    }

    fn meet(&mut self, before: &'a Tensor, after: &'a Tensor, mut layers: Vec<LayerSource>) {
        let parameters = body_parameters(&layers);
        self.total_parameters += parameters;
        if before.shape != after.shape {
            self.other_shape(before, after);
            return;
        }
        self.compared_parameters += parameters;
        layers.retain(|layer| match &layer.form {
            Form::Matrix { .. } | Form::Vector => true,
            Form::NotAMatrix(reason) => {
                self.skipped.push(SkippedTensor {
                    tensor: layer.name.as_str().to_owned(),
                    reason: reason.as_str().to_owned(),
                });
                false
            }
        });
        if !layers.is_empty() {
            self.pairs.push(TensorPair {
                base: before,
                tuned: after,
                layers,
            });
        }
    }

    /// A pair of which a side is stored in a way that is not read; the reason names the side.
    fn cannot_read(&mut self, base: (&Checkpoint, &str), tuned: (&Checkpoint, &str)) {
        // The shape of packed codes is not that of the weight.
        let readable = [base, tuned].map(|(checkpoint, name)| checkpoint.tensor(name));
        let (name, mut shape) = (tuned.1, None);
        for (side, (checkpoint, own_name)) in [("tuned", tuned), ("base", base)] {
            if let Some(skipped) = checkpoint.skipped().get(own_name) {
                self.skip(name, format!("{side}: {}", skipped.reason));
                shape.clone_from(&skipped.shape);
                break;
            }
        }
        if let Some(tensor) = readable.into_iter().flatten().next() {
            shape = Some(tensor.shape.clone());
        }
        if let Some(shape) = shape.filter(|shape| !is_buffer(name, shape)) {
            self.total_parameters += matrix_parameters(name, &shape);
        }
    }

    fn other_shape(&mut self, before: &Tensor, after: &Tensor) {
        let head = describe(&after.name, &after.shape).scope == Scope::Head;
        let message = format!(
            "the shape is {:?}, in the base {:?}",
            after.shape, before.shape
        );
        self.skip(&after.name, message.clone());
        self.facts
            .push(of_tensor(FindingCode::ShapeChanged, after, message).into_note(head));
    }

    fn only_in_base(&mut self, tensor: &Tensor) {
        if is_buffer(&tensor.name, &tensor.shape) {
            return;
        }
        let head = describe(&tensor.name, &tensor.shape).scope == Scope::Head;
        self.total_parameters += matrix_parameters(&tensor.name, &tensor.shape);
        self.skip(&tensor.name, "only in the base");
        let message = format!(
            "{:?} in the base, and not in the tuned checkpoint",
            tensor.shape
        );
        self.facts
            .push(of_tensor(FindingCode::MissingTensor, tensor, message).into_note(head));
    }

    fn only_in_tuned(&mut self, tensor: &Tensor) {
        if is_buffer(&tensor.name, &tensor.shape) {
            return;
        }
        if is_adapter_part(&tensor.name) {
            let message = "a part of an adapter that is not merged into the weights".to_owned();
            self.skip(&tensor.name, message.clone());
            self.facts
                .push(of_tensor(FindingCode::AdapterNotMerged, tensor, message));
            return;
        }
        let head = describe(&tensor.name, &tensor.shape).scope == Scope::Head;
        if head {
            self.new_heads.push(tensor.name.clone());
        }
        self.total_parameters += matrix_parameters(&tensor.name, &tensor.shape);
        self.skip(&tensor.name, "only in the tuned checkpoint");
        let message = format!(
            "{:?} in the tuned checkpoint, and not in the base",
            tensor.shape
        );
        self.facts
            .push(of_tensor(FindingCode::UnexpectedTensor, tensor, message).into_note(head));
    }
}

fn of_tensor(code: FindingCode, tensor: &Tensor, message: String) -> Fact {
    Fact::plain(code, Some(LayerName::new(tensor.name.clone())), message)
}

/// Names that PEFT gives to what it adds beside a frozen module.
fn is_adapter_part(name: &str) -> bool {
    const PARTS: &[&str] = &[
        "lora_A",
        "lora_B",
        "lora_embedding_A",
        "lora_embedding_B",
        "lora_magnitude_vector",
        "base_layer",
    ];
    name.split('.').any(|segment| PARTS.contains(&segment))
}

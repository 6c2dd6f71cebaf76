//! The base in the layout of the tuned checkpoint: experts fused or apart, [out, in] or [in, out],
//! projections in one tensor or several.
//!
//! A library that loads one layout may write another (fused experts of a model whose base has one
//! tensor for each). The matrices are the same, so they are compared: the base's tensors that the tuned
//! checkpoint stores in another layout are replaced by ones that are put together when they are read.
//! Values are moved, never changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::checkpoint::source::zeros;
use crate::checkpoint::tensor::{Derive, Source, Span};
use crate::checkpoint::{Checkpoint, CheckpointError, Tensor};
use crate::layer::{
    Architecture, Form, LayerSource, LogicalLayer, Runs, logical_layer, pair_names, transpose,
};

/// A base whose tensors are laid out as the tuned checkpoint has them.
#[derive(Debug)]
pub struct LaidOut {
    pub base: Checkpoint,
    /// How many tensors are put together from others.
    pub tensors: usize,
}

/// One matrix of one tensor.
#[derive(Debug, Clone)]
struct Place {
    tensor: Tensor,
    runs: Runs,
    /// As outputs x inputs.
    shape: (usize, usize),
    input_first: bool,
}

/// A tensor to be put together.
#[derive(Debug)]
struct Plan {
    tensor: Tensor,
    /// How many elements it takes of which tensor, and how many that one has.
    sources: BTreeMap<String, (u64, u64)>,
}

impl Checkpoint {
    /// This base in the layout of `tuned`, where tensors that have no partner of their name and shape
    /// hold the same matrices in another layout; `None` where there is nothing to do.
    #[must_use]
    pub fn laid_out_like(&self, tuned: &Self) -> Option<LaidOut> {
        let (own, wanted) = unmatched(self, tuned);
        if own.is_empty() || wanted.is_empty() {
            return None;
        }
        let places = places(&own, &self.architecture());
        let architecture = tuned.architecture();
        let mut plans: Vec<Plan> = wanted
            .into_iter()
            .filter_map(|tensor| plan(tensor, &architecture, &places))
            .collect();
        plans.retain(|plan| {
            // A name that is taken is free where its tensor is used up and had another shape.
            let Plan { tensor, sources } = plan;
            self.tensors
                .get(&tensor.name)
                .is_none_or(|own| sources.contains_key(&own.name) && own.shape != tensor.shape)
        });
        keep_what_uses_all(&mut plans);
        if plans.is_empty() {
            return None;
        }
        let mut base = self.clone();
        for name in plans.iter().flat_map(|plan| plan.sources.keys()) {
            base.tensors.remove(name);
        }
        let tensors = plans.len();
        for Plan { tensor, .. } in plans {
            base.tensors.insert(tensor.name.clone(), tensor);
        }
        Some(LaidOut { base, tensors })
    }
}

/// Readable tensors of both sides that have no partner of the same name and shape.
fn unmatched<'a>(
    base: &'a Checkpoint,
    tuned: &'a Checkpoint,
) -> (Vec<&'a Tensor>, Vec<&'a Tensor>) {
    let names = |checkpoint: &'a Checkpoint| -> BTreeSet<&'a str> {
        checkpoint.tensors.keys().map(String::as_str).collect()
    };
    let pairing = pair_names(&names(base), &names(tuned));
    let mut lonely: (Vec<&Tensor>, Vec<&Tensor>) = (
        pairing
            .base_only
            .iter()
            .filter_map(|name| base.tensor(name))
            .collect(),
        pairing
            .tuned_only
            .iter()
            .filter_map(|name| tuned.tensor(name))
            .collect(),
    );
    for (base_name, tuned_name) in &pairing.pairs {
        if let (Some(before), Some(after)) = (base.tensor(base_name), tuned.tensor(tuned_name))
            && before.shape != after.shape
        {
            lonely.0.push(before);
            lonely.1.push(after);
        }
    }
    lonely
}

/// Where each matrix of these tensors is; `None` for one that two tensors hold.
fn places(
    tensors: &[&Tensor],
    architecture: &Architecture,
) -> BTreeMap<LogicalLayer, Option<(Place, String)>> {
    let mut places = BTreeMap::new();
    for tensor in tensors {
        for layer in tensor.layers(architecture) {
            if let Some((logical, length)) = logical_layer(&layer)
                && let Some(place) = place_of(tensor, &layer)
                && let Some(module) = tensor.name.get(..length)
            {
                places
                    .entry(logical)
                    .and_modify(|known| *known = None)
                    .or_insert_with(|| Some((place, module.to_owned())));
            }
        }
    }
    places
}

fn place_of(tensor: &Tensor, layer: &LayerSource) -> Option<Place> {
    let Form::Matrix { rows, cols } = layer.form else {
        return None;
    };
    let whole = || Runs::slab(0, rows * cols);
    Some(Place {
        tensor: tensor.clone(),
        runs: layer.part.runs(&tensor.shape).unwrap_or_else(whole),
        shape: (rows, cols),
        input_first: layer.input_first,
    })
}

/// How to put a tensor of the tuned checkpoint together from the base's; `None` unless the base has all
/// its matrices, in one dtype and of the same shapes.
fn plan(
    wanted: &Tensor,
    architecture: &Architecture,
    places: &BTreeMap<LogicalLayer, Option<(Place, String)>>,
) -> Option<Plan> {
    let mut moves = Vec::new();
    let mut name = None;
    for layer in wanted.layers(architecture) {
        let (logical, length) = logical_layer(&layer)?;
        let into = place_of(wanted, &layer)?;
        let (from, module) = places.get(&logical)?.as_ref()?;
        if from.shape != into.shape {
            return None;
        }
        // The base's own name of the module: names are paired afterwards.
        name.get_or_insert(format!("{module}{}", wanted.name.get(length..)?));
        moves.push((from.clone(), into));
    }
    let dtype = moves.first()?.0.tensor.dtype;
    let covered: usize = moves.iter().map(|(_, into)| into.runs.elements()).sum();
    let uniform = moves.iter().all(|(from, _)| from.tensor.dtype == dtype);
    if !uniform || covered as u64 != wanted.parameters() {
        return None;
    }
    let mut sources = BTreeMap::new();
    for (from, _) in &moves {
        let entry = sources
            .entry(from.tensor.name.clone())
            .or_insert((0, from.tensor.parameters()));
        entry.0 += from.runs.elements() as u64;
    }
    Some(Plan {
        tensor: Tensor {
            name: name?,
            dtype,
            shape: wanted.shape.clone(),
            source: Source::Derived(Arc::new(Assembled { moves })),
        },
        sources,
    })
}

/// Drops the plans that would leave a part of a base tensor unused: it would go unseen.
fn keep_what_uses_all(plans: &mut Vec<Plan>) {
    loop {
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, (elements, _)) in plans.iter().flat_map(|plan| &plan.sources) {
            *used.entry(name).or_default() += elements;
        }
        let complete: Vec<bool> = plans
            .iter()
            .map(|plan| {
                let mut sources = plan.sources.iter();
                sources.all(|(name, (_, total))| used.get(name.as_str()) == Some(total))
            })
            .collect();
        if !complete.contains(&false) {
            return;
        }
        let mut complete = complete.into_iter();
        plans.retain(|_| complete.next().unwrap_or(false));
    }
}

/// Values of a tensor that are moved out of others of the same checkpoint.
#[derive(Debug)]
struct Assembled {
    /// From where to where.
    moves: Vec<(Place, Place)>,
}

impl Derive for Assembled {
    fn bytes(&self, checkpoint: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        let width = tensor.dtype.bytes();
        let mut bytes = zeros(&tensor.name, tensor.byte_length())?;
        for (from, into) in &self.moves {
            let mut values = from.read(checkpoint)?;
            if from.input_first != into.input_first {
                let (outputs, inputs) = from.shape;
                values = if from.input_first {
                    transpose(&values, inputs, outputs, width)
                } else {
                    transpose(&values, outputs, inputs, width)
                };
            }
            if !into.runs.scatter(&values, &mut bytes, width) {
                return Err(CheckpointError::NoSuchPart {
                    tensor: from.tensor.name.clone(),
                    part: "matrix".to_owned(),
                });
            }
        }
        Ok(bytes)
    }
}

impl Place {
    /// The matrix as stored. Of a tensor in a file, no more is read than lies between its first and last
    /// element: one expert of a hundred is not the whole tensor.
    fn read(&self, checkpoint: &Checkpoint) -> Result<Vec<u8>, CheckpointError> {
        let width = self.tensor.dtype.bytes();
        let start = self.runs.start;
        let inside = self
            .runs
            .end()
            .filter(|end| *end as u64 <= self.tensor.parameters());
        let (Some(end), Source::Stored(span)) = (inside, &self.tensor.source) else {
            let bytes = checkpoint.bytes(&self.tensor)?;
            return Ok(self.runs.gather(&bytes, width).into_owned());
        };
        let span = Span {
            offset: span.offset + (start * width) as u64,
            length: ((end - start) * width) as u64,
            ..*span
        };
        let bytes = checkpoint.span_bytes(&self.tensor.name, span)?;
        let runs = Runs {
            start: 0,
            ..self.runs
        };
        // One run is the whole of what was read.
        Ok(match runs.count {
            1 => bytes,
            _ => runs.gather(&bytes, width).into_owned(),
        })
    }
}

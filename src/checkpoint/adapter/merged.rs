//! Tensors of a base with an adapter on it, computed when they are read.

use std::sync::Arc;

use super::low_rank::LowRankUpdate;
use super::update::Update;
use crate::checkpoint::tensor::{Derive, Source};
use crate::checkpoint::{Checkpoint, CheckpointError, Tensor, to_f32};
use crate::layer::Part;

/// A tensor that is another checkpoint's as it stands: the base's, or one that the adapter holds whole.
#[derive(Debug)]
pub(super) struct Same {
    pub(super) of: Arc<Checkpoint>,
    pub(super) name: String,
}

/// A base's tensor after the adapter's updates.
#[derive(Debug)]
pub(in crate::checkpoint) struct Adapted {
    pub(super) base: Arc<Checkpoint>,
    /// In the base.
    pub(super) name: String,
    /// The adapter's tensors.
    pub(super) weights: Arc<Checkpoint>,
    pub(super) updates: Vec<Update>,
}

impl Derive for Same {
    fn bytes(&self, _: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        self.of.bytes(known(&self.of, &self.name, tensor)?)
    }
}

impl Derive for Adapted {
    fn bytes(&self, _: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        let mut bytes = self.base.bytes(known(&self.base, &self.name, tensor)?)?;
        for update in &self.updates {
            bytes = update.apply(tensor, bytes, &self.weights)?;
        }
        Ok(bytes)
    }

    fn adapted(&self) -> Option<&Adapted> {
        Some(self)
    }
}

fn known<'a>(
    checkpoint: &'a Checkpoint,
    name: &str,
    tensor: &Tensor,
) -> Result<&'a Tensor, CheckpointError> {
    checkpoint
        .tensor(name)
        .ok_or_else(|| CheckpointError::NoSuchPart {
            tensor: tensor.name.clone(),
            part: "tensor of its base".to_owned(),
        })
}

impl Checkpoint {
    /// Tensors that an adapter changes, in the order of their names; none unless this is a base with an
    /// adapter on it. Tensors that only the adapter has are not among them.
    pub fn adapted_tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.tensors()
            .values()
            .filter(|tensor| adapted(tensor).is_some())
    }

    /// The update `s B A` that made a part of `tensor`, one of this checkpoint, from `base_tensor` of
    /// `base`, where that is exactly what happened to it (up to the final rounding): a LoRA on that
    /// very checkpoint. `None` for everything else, such as a DoRA, whose update is of full rank.
    ///
    /// # Errors
    /// Where the adapter's file cannot be read.
    pub fn low_rank_update(
        &self,
        tensor: &Tensor,
        part: Part,
        base: &Self,
        base_tensor: &Tensor,
    ) -> Result<Option<LowRankUpdate>, CheckpointError> {
        let Some(adapted) = adapted(tensor) else {
            return Ok(None);
        };
        let same_base =
            std::ptr::eq(Arc::as_ptr(&adapted.base), base) && adapted.name == base_tensor.name;
        let [Update::LowRank(update)] = adapted.updates.as_slice() else {
            return Ok(None);
        };
        if !same_base || update.magnitude.is_some() || update.own_base.is_some() {
            return Ok(None);
        }
        let mut factors = update.factors(&adapted.weights)?;
        let index = if let Part::Expert(expert) = part {
            expert as usize
        } else if part == Part::Whole && factors.len() == 1 {
            0
        } else {
            return Ok(None);
        };
        Ok((index < factors.len()).then(|| factors.swap_remove(index)))
    }

    /// What the adapter adds to `tensor`, one of [`Self::adapted_tensors`], before the sum is rounded:
    /// row-major, in f32. `None` for other tensors.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn update_of(&self, tensor: &Tensor) -> Result<Option<Vec<f32>>, CheckpointError> {
        let Some(adapted) = adapted(tensor) else {
            return Ok(None);
        };
        if let [Update::LowRank(update)] = adapted.updates.as_slice()
            && update.magnitude.is_none()
            && update.own_base.is_none()
        {
            return update.change(&adapted.weights).map(Some);
        }
        let base = known(&adapted.base, &adapted.name, tensor)?;
        let mut values = to_f32(tensor.dtype, &self.bytes(tensor)?);
        let before = to_f32(base.dtype, &adapted.base.bytes(base)?);
        for (value, before) in values.iter_mut().zip(before) {
            *value -= before;
        }
        Ok(Some(values))
    }

    /// The scales `s` of the low-rank updates of `tensor` with their ranks; empty where there are none.
    pub fn update_scales(&self, tensor: &Tensor) -> Vec<(f64, usize)> {
        let updates = adapted(tensor).map_or(&[][..], |adapted| adapted.updates.as_slice());
        updates
            .iter()
            .filter_map(|update| match update {
                Update::LowRank(update) if update.magnitude.is_none() => {
                    Some((update.scale, update.rank))
                }
                Update::LowRank(_)
                | Update::Whole(_)
                | Update::Rows { .. }
                | Update::Bias { .. } => None,
            })
            .collect()
    }
}

fn adapted(tensor: &Tensor) -> Option<&Adapted> {
    match &tensor.source {
        Source::Derived(derive) => derive.adapted(),
        Source::Stored(_) => None,
    }
}

//! Tensors of a base with an adapter on it, computed when they are read.

use std::sync::Arc;

use super::low_rank::LowRankUpdate;
use super::update::{LowRank, Update};
use crate::checkpoint::tensor::{Derive, Source};
use crate::checkpoint::{Checkpoint, CheckpointError, Tensor, to_f32};

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

    fn scheme(&self) -> Option<&str> {
        self.of.tensor(&self.name)?.scheme()
    }

    fn squared_errors(
        &self,
        _: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<Option<Vec<f64>>, CheckpointError> {
        self.of.squared_errors(known(&self.of, &self.name, tensor)?)
    }

    fn bytes_and_errors(
        &self,
        _: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>), CheckpointError> {
        self.of
            .bytes_and_errors(known(&self.of, &self.name, tensor)?)
    }

    fn sources(&self) -> Vec<(&Checkpoint, &str)> {
        vec![(&self.of, &self.name)]
    }
}

impl Derive for Adapted {
    fn bytes(&self, _: &Checkpoint, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        self.applied(
            tensor,
            self.base.bytes(known(&self.base, &self.name, tensor)?)?,
        )
    }

    fn bytes_and_errors(
        &self,
        _: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>), CheckpointError> {
        let source = known(&self.base, &self.name, tensor)?;
        let (bytes, errors) = self.base.bytes_and_errors(source)?;
        Ok((self.applied(tensor, bytes)?, errors))
    }

    fn scheme(&self) -> Option<&str> {
        self.base.tensor(&self.name)?.scheme()
    }

    fn squared_errors(
        &self,
        _: &Checkpoint,
        tensor: &Tensor,
    ) -> Result<Option<Vec<f64>>, CheckpointError> {
        self.base
            .squared_errors(known(&self.base, &self.name, tensor)?)
    }

    fn adapted(&self) -> Option<&Adapted> {
        Some(self)
    }
}

impl Adapted {
    fn applied(&self, tensor: &Tensor, mut bytes: Vec<u8>) -> Result<Vec<u8>, CheckpointError> {
        for update in &self.updates {
            bytes = update.apply(tensor, bytes, &self.weights)?;
        }
        Ok(bytes)
    }

    /// The low-rank update and its factors' file, where the tensor is that of `base` with nothing else
    /// done to it.
    fn exact(&self, base: &Checkpoint, base_tensor: &Tensor) -> Option<(&LowRank, &Checkpoint)> {
        let same = std::ptr::eq(Arc::as_ptr(&self.base), base) && self.name == base_tensor.name;
        match self.updates.as_slice() {
            [Update::LowRank(update)]
                if same && update.magnitude.is_none() && update.own_base.is_none() =>
            {
                Some((update, &self.weights))
            }
            _ => None,
        }
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

    /// The updates `s B A` that made the matrices of `tensor`, one of this checkpoint, from those of
    /// `base_tensor` of `base`, in their order: one, or one for each expert. Only where that is exactly what
    /// happened to them (up to the final rounding), a LoRA on that very checkpoint; empty for everything
    /// else, such as a DoRA, whose update is of full rank.
    ///
    /// # Errors
    /// Where the adapter's file cannot be read.
    pub fn low_rank_updates(
        &self,
        tensor: &Tensor,
        base: &Self,
        base_tensor: &Tensor,
    ) -> Result<Vec<LowRankUpdate>, CheckpointError> {
        match adapted(tensor).and_then(|adapted| adapted.exact(base, base_tensor)) {
            Some((update, weights)) => update.factors(weights),
            None => Ok(Vec::new()),
        }
    }

    /// Whether some tensor has [`Self::low_rank_updates`] against `base`.
    pub fn has_low_rank_updates(&self, base: &Self) -> bool {
        self.tensors().values().any(|tensor| {
            let base_tensor = adapted(tensor).and_then(|adapted| base.tensor(&adapted.name));
            let adapted = adapted(tensor).zip(base_tensor);
            adapted.is_some_and(|(adapted, base_tensor)| adapted.exact(base, base_tensor).is_some())
        })
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

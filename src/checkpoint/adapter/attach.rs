//! A base with an adapter on it: which tensor each part of the adapter changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::aliases::BaseNames;
use super::merged::{Adapted, Same};
use super::names::Part;
use super::update::Update;
use super::{Adapter, AdapterError};
use crate::checkpoint::tensor::Source;
use crate::checkpoint::{Checkpoint, CheckpointError, Skipped, Tensor};
use crate::layer::tied_embedding;

pub(super) type Parts = BTreeMap<Part, String>;

impl Checkpoint {
    /// `base` with the adapter merged into it, called `reference`. The weights are computed when they are
    /// read; all other tensors, the configuration and the tokenizer are the base's, but for tokenizer
    /// files that the adapter brings along.
    ///
    /// # Errors
    /// If a module of the adapter has no tensor in the base, or does not fit it.
    pub fn with_adapter(
        base: &Arc<Self>,
        adapter: &Adapter,
        reference: &str,
    ) -> Result<Self, CheckpointError> {
        let mut plan = Plan::new(base, adapter);
        for (module, parts) in &adapter.modules {
            plan.module(module, parts)
                .map_err(|problem| adapter.refused(problem))?;
        }
        for (target, name) in &adapter.whole {
            plan.whole(target, name)
                .map_err(|problem| adapter.refused(problem))?;
        }
        plan.tie_heads()?;
        Ok(plan.finish(base, reference))
    }
}

/// What is to be done to which tensor of the base.
pub(super) struct Plan<'a> {
    pub(super) base: &'a Checkpoint,
    pub(super) adapter: &'a Adapter,
    pub(super) names: BaseNames<'a>,
    updates: BTreeMap<&'a str, Vec<Update>>,
    /// Tensors that the base lacks or has in another shape, by the adapter's names of them.
    brought: BTreeMap<String, String>,
    /// Tensors of which a part lies beyond the end of the adapter's file.
    pub(super) unreadable: BTreeMap<String, String>,
}

impl<'a> Plan<'a> {
    fn new(base: &'a Checkpoint, adapter: &'a Adapter) -> Self {
        let names = base.tensors().keys().chain(base.skipped().keys());
        Self {
            base,
            adapter,
            names: BaseNames::new(names.map(String::as_str)),
            updates: BTreeMap::new(),
            brought: BTreeMap::new(),
            unreadable: BTreeMap::new(),
        }
    }

    /// A tensor of the adapter; an error text where its bytes lie beyond the end of a damaged file.
    pub(super) fn own(&self, name: &str) -> Result<Result<&'a Tensor, String>, AdapterError> {
        let weights = &self.adapter.weights;
        if let Some(tensor) = weights.tensor(name) {
            return Ok(Ok(tensor));
        }
        let reason = weights.skipped().get(name);
        let reason = reason.map_or("missing", |skipped| skipped.reason.as_str());
        if weights.defects().is_empty() {
            let tensor = name.to_owned();
            let problem = format!("not read: {reason}");
            return Err(AdapterError::Tensor { tensor, problem });
        }
        Ok(Err(format!("the adapter's `{name}` is not read: {reason}")))
    }

    /// The base's tensor of that name.
    pub(super) fn find(&self, module: &str, wanted: &str) -> Result<&'a Tensor, AdapterError> {
        let Some(name) = self.names.find(wanted) else {
            return Err(AdapterError::NoBaseTensor {
                module: module.to_owned(),
                wanted: wanted.to_owned(),
            });
        };
        self.base.tensor(name).ok_or_else(|| {
            let skipped = self.base.skipped().get(name);
            AdapterError::SkippedBase {
                tensor: name.to_owned(),
                reason: skipped.map_or_else(String::new, |skipped| skipped.reason.clone()),
            }
        })
    }

    fn module(&mut self, module: &str, parts: &Parts) -> Result<(), AdapterError> {
        let has = |part| parts.contains_key(&part);
        let embedding = has(Part::EmbeddingA) || has(Part::EmbeddingB);
        let linear = has(Part::A) || has(Part::B) || (has(Part::Magnitude) && !embedding);
        if linear {
            self.low_rank(module, parts, false)?;
        }
        if embedding {
            self.low_rank(module, parts, true)?;
        }
        if let Some(values) = parts.get(&Part::Bias) {
            self.bias(module, parts, values)?;
        }
        if let Some(values) = parts.get(&Part::Tokens) {
            self.tokens(module, values)?;
        }
        Ok(())
    }

    pub(super) fn push(&mut self, tensor: &'a Tensor, update: Update) {
        self.updates.entry(&tensor.name).or_default().push(update);
    }

    fn bias(&mut self, module: &str, parts: &Parts, values: &str) -> Result<(), AdapterError> {
        let tensor = self.find(module, &format!("{module}.bias"))?;
        let a = parts.get(&Part::A).map(|name| self.own(name)).transpose()?;
        let (own, a) = match (self.own(values)?, a) {
            (Ok(own), Some(Ok(a))) => (own, a),
            (Err(reason), _) | (_, Some(Err(reason))) => {
                self.unreadable.insert(tensor.name.clone(), reason);
                return Ok(());
            }
            (Ok(_), None) => {
                return Err(AdapterError::Incomplete {
                    module: module.to_owned(),
                    missing: "`lora_A`",
                });
            }
        };
        same_shape(module, tensor, own, &tensor.shape)?;
        let rank = a.shape.first().copied().unwrap_or(0);
        let update = Update::Bias {
            values: values.to_owned(),
            scale: self.adapter.settings.scale(module, rank),
        };
        self.push(tensor, update);
        Ok(())
    }

    fn tokens(&mut self, module: &str, values: &str) -> Result<(), AdapterError> {
        let tensor = self.find(module, &format!("{module}.weight"))?;
        let own = match self.own(values)? {
            Ok(own) => own,
            Err(reason) => {
                self.unreadable.insert(tensor.name.clone(), reason);
                return Ok(());
            }
        };
        let rows =
            self.adapter
                .settings
                .tokens
                .of(module)
                .ok_or_else(|| AdapterError::Incomplete {
                    module: module.to_owned(),
                    missing: "rows in `trainable_token_indices`",
                })?;
        let mut expected = tensor.shape.clone();
        let height = expected
            .first_mut()
            .map(|side| std::mem::replace(side, rows.len()));
        same_shape(module, tensor, own, &expected)?;
        let height = height.unwrap_or(0) as u64;
        if let Some(row) = rows.iter().find(|row| **row >= height) {
            return Err(AdapterError::Shape {
                module: module.to_owned(),
                tensor: tensor.name.clone(),
                shape: tensor.shape.clone(),
                problem: format!("it has values for row {row}"),
            });
        }
        let update = Update::Rows {
            values: values.to_owned(),
            rows: rows.to_vec(),
        };
        self.push(tensor, update);
        Ok(())
    }

    /// A tensor that was trained whole. One that the base lacks is new, as a head of a classifier is.
    fn whole(&mut self, target: &str, name: &str) -> Result<(), AdapterError> {
        let found = self.names.find(target);
        let own = match self.own(name)? {
            Ok(own) => own,
            Err(reason) => {
                let target = found.unwrap_or(target);
                self.unreadable.insert(target.to_owned(), reason);
                return Ok(());
            }
        };
        match found.and_then(|found| self.base.tensor(found)) {
            // Modules come first. Which of the two a loader would take is not said anywhere.
            Some(tensor) if self.updates.contains_key(tensor.name.as_str()) => {
                return Err(AdapterError::Tensor {
                    tensor: name.to_owned(),
                    problem: "a whole tensor of a module that has an update too".to_owned(),
                });
            }
            Some(tensor) if tensor.shape == own.shape => {
                self.push(tensor, Update::Whole(name.to_owned()));
            }
            Some(_) | None => {
                let target = found.unwrap_or(target).to_owned();
                self.brought.insert(target, name.to_owned());
            }
        }
        Ok(())
    }

    /// A head that the base stores as a copy of its embedding is one tensor with it in memory, and
    /// changes with it.
    fn tie_heads(&mut self) -> Result<(), CheckpointError> {
        if self.base.tie_word_embeddings() == Some(false) {
            return Ok(());
        }
        let stored = self.base.tensors().keys().map(String::as_str);
        for head in self.base.tensors().values() {
            let Some(target) = tied_embedding(&head.name, &stored) else {
                continue;
            };
            let (Some(embedding), Some(updates)) =
                (self.base.tensor(target), self.updates.get(target))
            else {
                continue;
            };
            if !self.updates.contains_key(head.name.as_str())
                && head.shape == embedding.shape
                && head.dtype == embedding.dtype
                && self.base.bytes(head)? == self.base.bytes(embedding)?
            {
                self.updates.insert(&head.name, updates.clone());
            }
        }
        Ok(())
    }

    /// The base's tensors with the updates.
    fn tensors(&self, base: &Arc<Checkpoint>) -> BTreeMap<String, Tensor> {
        let merged = |(name, tensor): (&String, &Tensor)| {
            let source = match self.updates.get(name.as_str()) {
                Some(updates) => Source::Derived(Arc::new(Adapted {
                    base: Arc::clone(base),
                    name: name.clone(),
                    weights: Arc::clone(&self.adapter.weights),
                    updates: updates.clone(),
                })),
                None => same(base, name),
            };
            let tensor = Tensor {
                source,
                ..tensor.clone()
            };
            (name.clone(), tensor)
        };
        base.tensors().iter().map(merged).collect()
    }

    fn finish(self, base: &Arc<Checkpoint>, reference: &str) -> Checkpoint {
        let adapter = self.adapter;
        let mut tensors = self.tensors(base);
        let mut skipped = base.skipped().clone();
        for (target, name) in &self.brought {
            if let Some(own) = adapter.weights.tensor(name) {
                let tensor = Tensor {
                    name: target.clone(),
                    source: same(&adapter.weights, name),
                    ..own.clone()
                };
                skipped.remove(target);
                tensors.insert(target.clone(), tensor);
            }
        }
        for (target, reason) in self.unreadable {
            let before = tensors.remove(&target);
            let entry = Skipped {
                reason,
                dtype: before
                    .as_ref()
                    .map(|tensor| tensor.dtype.as_str().to_owned()),
                shape: before.map(|tensor| tensor.shape),
            };
            skipped.insert(target, entry);
        }
        let mut tokenizer = base.tokenizer_files().clone();
        tokenizer.extend(adapter.tokenizer.clone());
        Checkpoint {
            reference: reference.to_owned(),
            files: Arc::default(),
            tensors,
            skipped,
            defects: [base.defects(), adapter.weights.defects()].concat(),
            unread_files: Vec::new(),
            config: base.config().cloned(),
            tokenizer,
            revision: base.revision.clone(),
            deadline: base.deadline,
        }
    }
}

fn same(of: &Arc<Checkpoint>, name: &str) -> Source {
    Source::Derived(Arc::new(Same {
        of: Arc::clone(of),
        name: name.to_owned(),
    }))
}

fn same_shape(
    module: &str,
    tensor: &Tensor,
    own: &Tensor,
    expected: &[usize],
) -> Result<(), AdapterError> {
    if own.shape == expected {
        return Ok(());
    }
    Err(AdapterError::Shape {
        module: module.to_owned(),
        tensor: tensor.name.clone(),
        shape: tensor.shape.clone(),
        problem: format!("`{}` is {:?}", own.name, own.shape),
    })
}

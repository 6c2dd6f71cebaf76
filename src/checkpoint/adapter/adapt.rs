//! Which tensors of a base the factors of one module change, and how they lie against them.

use serde_json::Value;

use super::AdapterError;
use super::attach::{Parts, Plan};
use super::config::Writer;
use super::fit::{self, Layout, Shapes};
use super::names::Part;
use super::update::{Axes, LowRank, Update};
use crate::checkpoint::Tensor;

/// Models that store stacked experts as [experts, in, out].
const TRANSPOSED_EXPERTS: &[&str] = &["gpt_oss", "llama4", "llama4_text"];

/// Parameters in the order in which their module defines them, which is that of the wrappers.
const DEFINITION_ORDER: &[&str] = &["gate_up_proj", "down_proj"];

/// The factors of one module, and what belongs to them; the references are names of tensors.
struct Wrapped<'a> {
    module: &'a str,
    /// What patterns of ranks and scales are matched against.
    key: &'a str,
    a: &'a String,
    b: &'a String,
    magnitude: Option<&'a String>,
    own_base: Option<&'a String>,
    embedding: bool,
}

impl<'a> Plan<'a> {
    /// The low-rank update of one module.
    pub(super) fn low_rank(
        &mut self,
        module: &str,
        parts: &Parts,
        embedding: bool,
    ) -> Result<(), AdapterError> {
        let part = |part: Part, missing: &'static str| {
            parts.get(&part).ok_or_else(|| AdapterError::Incomplete {
                module: module.to_owned(),
                missing,
            })
        };
        let (a, b) = if embedding {
            (
                part(Part::EmbeddingA, "`lora_embedding_A`")?,
                part(Part::EmbeddingB, "`lora_embedding_B`")?,
            )
        } else {
            (part(Part::A, "`lora_A`")?, part(Part::B, "`lora_B`")?)
        };
        let (path, wanted) = self.parameter(module);
        let wrapped = Wrapped {
            module: path,
            // Patterns of parameters match their full names.
            key: wanted.strip_suffix(".weight").unwrap_or(&wanted),
            a,
            b,
            magnitude: parts.get(&Part::Magnitude),
            own_base: parts.get(&Part::Base),
            embedding,
        };
        let experts = match self.names.find(&wanted) {
            Some(_) => Vec::new(),
            None => self.names.experts(&wanted),
        };
        if experts.is_empty() {
            let tensor = self.find(module, &wanted)?;
            return self.adapt(tensor, &wrapped, fit::fit);
        }
        let count = experts.iter().map(|share| share.expert + 1).max();
        let count = count.unwrap_or(0);
        for share in experts {
            let tensor = self.find(module, share.tensor)?;
            self.adapt(tensor, &wrapped, |shapes, _| {
                let place = (share.expert, count);
                fit::of_expert(shapes, place, (share.share, share.shares))
            })?;
        }
        Ok(())
    }

    /// The module without the wrappers of parameters, and the full name of the parameter that its
    /// factors adapt. Wrappers around several parameters of one module are nested, the first parameter
    /// innermost.
    fn parameter<'m>(&self, module: &'m str) -> (&'m str, String) {
        let (mut path, mut depth) = (module, 0);
        while let Some(inner) = path.strip_suffix(".base_layer") {
            (path, depth) = (inner, depth + 1);
        }
        let targets = &self.adapter.settings.target_parameters;
        let mut parameters: Vec<&str> = targets
            .iter()
            .filter_map(|target| {
                let (head, leaf) = target.rsplit_once('.').unwrap_or(("", target));
                let wanted = format!("{path}.{leaf}");
                let named = head.is_empty() || path == head || path.ends_with(&format!(".{head}"));
                let exists =
                    self.names.find(&wanted).is_some() || !self.names.experts(&wanted).is_empty();
                (named && exists).then_some(leaf)
            })
            .collect();
        let place = |leaf: &&str| DEFINITION_ORDER.iter().position(|known| known == leaf);
        parameters.sort_by_key(|leaf| place(leaf).unwrap_or(DEFINITION_ORDER.len()));
        parameters.dedup();
        let inner = parameters.len().checked_sub(depth + 1);
        let leaf = inner.and_then(|index| parameters.get(index));
        (path, format!("{path}.{}", leaf.unwrap_or(&"weight")))
    }

    fn adapt(
        &mut self,
        tensor: &'a Tensor,
        wrapped: &Wrapped<'_>,
        axes: impl Fn(Shapes<'_>, Layout) -> Option<(Axes, usize)>,
    ) -> Result<(), AdapterError> {
        let optional = [wrapped.magnitude, wrapped.own_base];
        let names = [wrapped.a, wrapped.b];
        for name in names.into_iter().chain(optional.into_iter().flatten()) {
            if let Err(reason) = self.own(name)? {
                self.unreadable.insert(tensor.name.clone(), reason);
                return Ok(());
            }
        }
        let (axes, rank) = self.axes(tensor, wrapped, axes)?;
        self.check_rank(wrapped, rank)?;
        let settings = &self.adapter.settings;
        // Parameters are merged by the code of PEFT that rounds the update first, as MLX does too.
        let rounds = settings.writer == Writer::Mlx
            || matches!(axes, Axes::Experts { .. } | Axes::OfExpert { .. });
        let update = LowRank {
            a: wrapped.a.clone(),
            b: wrapped.b.clone(),
            axes,
            rank,
            scale: settings.scale(wrapped.key, rank),
            magnitude: wrapped.magnitude.cloned(),
            own_base: wrapped.own_base.cloned(),
            rounds,
        };
        self.push(tensor, Update::LowRank(update));
        Ok(())
    }

    /// How the factors lie against the base's tensor, and their rank.
    fn axes(
        &self,
        tensor: &Tensor,
        wrapped: &Wrapped<'_>,
        axes: impl Fn(Shapes<'_>, Layout) -> Option<(Axes, usize)>,
    ) -> Result<(Axes, usize), AdapterError> {
        let shape = |name: &String| {
            self.adapter
                .weights
                .tensor(name)
                .map(|t| t.shape.as_slice())
        };
        let (a, b) = (shape(wrapped.a), shape(wrapped.b));
        let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
        let own = wrapped.own_base.and_then(shape);
        let unfit = |problem: String| AdapterError::Shape {
            module: wrapped.module.to_owned(),
            tensor: tensor.name.clone(),
            shape: tensor.shape.clone(),
            problem,
        };
        if own.is_some_and(|own| own != tensor.shape) {
            return Err(unfit(format!("its own copy of the weight is {own:?}")));
        }
        let stored = tensor.shape.as_slice();
        let fitted = axes(Shapes { a, b, stored }, self.layout(wrapped));
        let Some((axes, rank)) = fitted else {
            return Err(unfit(format!("A is {a:?} and B is {b:?}")));
        };
        if let Some(norms) = wrapped.magnitude.and_then(shape) {
            let outputs = match axes {
                Axes::Transposed => stored.get(1),
                Axes::Linear | Axes::MlxLinear | Axes::MlxEmbedding => stored.first(),
                Axes::Experts { .. } | Axes::OfExpert { .. } => None,
            };
            if outputs != Some(&norms.iter().product()) {
                return Err(unfit(format!("its magnitude is {norms:?}")));
            }
        }
        Ok((axes, rank))
    }

    fn layout(&self, wrapped: &Wrapped<'_>) -> Layout {
        let settings = &self.adapter.settings;
        let config = self.base.config();
        let model = |config: &'a Value| config.get("model_type").and_then(Value::as_str);
        let text = config.and_then(|config| config.get("text_config"));
        let transposed_experts = [config, text]
            .into_iter()
            .flatten()
            .filter_map(model)
            .any(|model| TRANSPOSED_EXPERTS.contains(&model));
        let leaf = wrapped.module.rsplit('.').next().unwrap_or_default();
        Layout {
            writer: settings.writer,
            embedding: match settings.writer {
                Writer::Peft => wrapped.embedding,
                Writer::Mlx => leaf.contains("embed") || leaf == "wte",
            },
            fan_in_fan_out: settings.fan_in_fan_out,
            transposed_experts,
        }
    }

    fn check_rank(&self, wrapped: &Wrapped<'_>, rank: usize) -> Result<(), AdapterError> {
        match self.adapter.settings.rank(wrapped.key) {
            Some(expected) if expected != rank as u64 => Err(AdapterError::Rank {
                module: wrapped.module.to_owned(),
                found: rank,
                expected,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

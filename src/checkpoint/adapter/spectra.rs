//! The low-rank updates of an adapter by themselves, without a base.

use super::config::Writer;
use super::fit::{self, Layout, Shapes};
use super::low_rank::LowRankUpdate;
use super::names::Part;
use super::update::{Axes, LowRank};
use super::{Adapter, AdapterError};
use crate::checkpoint::{CheckpointError, Dtype, Tensor};

/// The factors that an adapter holds for one module.
#[derive(Debug)]
pub struct AdapterModule {
    /// The module as the adapter names it.
    pub name: String,
    /// In which its factors are stored.
    pub dtype: Dtype,
    /// Rows and columns of the update, [out, in].
    pub shape: (usize, usize),
    pub rank: usize,
    update: LowRank,
}

/// What an adapter holds.
#[derive(Debug)]
pub struct AdapterModules {
    pub modules: Vec<AdapterModule>,
    /// What is no low-rank update of one matrix, and why.
    pub others: Vec<(String, String)>,
}

impl Adapter {
    /// Its low-rank updates by module, and what is none with the reason. Without a base the experts of a
    /// stacked parameter cannot be told from one matrix.
    ///
    /// # Errors
    /// If a factor is missing, or the two do not fit each other.
    pub fn low_rank_modules(&self) -> Result<AdapterModules, CheckpointError> {
        let (mut modules, mut others) = (Vec::new(), Vec::new());
        for (module, parts) in &self.modules {
            let factors = [(Part::A, Part::B), (Part::EmbeddingA, Part::EmbeddingB)]
                .into_iter()
                .filter_map(|(a, b)| Some((a, parts.get(&a)?, parts.get(&b)?)));
            let before = modules.len() + others.len();
            for (part, a, b) in factors {
                if module.ends_with(".experts") || module.ends_with(".base_layer") {
                    let reason = "factors of stacked experts: need the base's shape";
                    others.push((module.clone(), reason.to_owned()));
                    continue;
                }
                let embedding = part == Part::EmbeddingA;
                modules.push(self.low_rank_module(module, a, b, embedding)?);
            }
            if parts.contains_key(&Part::Magnitude) {
                let reason = "DoRA: the row is s B A; its magnitude acts on the base's weight too";
                others.push((module.clone(), reason.to_owned()));
            }
            if parts.contains_key(&Part::Tokens) {
                let reason = "rows of an embedding: compared by `check` only";
                others.push((module.clone(), reason.to_owned()));
            }
            if modules.len() + others.len() == before {
                return Err(self.refused(AdapterError::Incomplete {
                    module: module.clone(),
                    missing: "pair of factors",
                }));
            }
        }
        for name in self.whole.keys() {
            let reason = "a whole tensor: compared by `check` only";
            others.push((name.clone(), reason.to_owned()));
        }
        Ok(AdapterModules { modules, others })
    }

    fn low_rank_module(
        &self,
        module: &str,
        a_name: &str,
        b_name: &str,
        embedding: bool,
    ) -> Result<AdapterModule, CheckpointError> {
        let (a, b) = (self.factor(a_name)?, self.factor(b_name)?);
        let writer = self.settings.writer;
        let stored = stored_shape(writer, embedding, &a.shape, &b.shape);
        let shapes = Shapes {
            a: &a.shape,
            b: &b.shape,
            stored: &stored,
        };
        let layout = Layout {
            writer,
            embedding,
            fan_in_fan_out: false,
            transposed_experts: false,
        };
        let Some((axes, rank)) = fit::fit(shapes, layout) else {
            return Err(self.refused(AdapterError::Shape {
                module: module.to_owned(),
                tensor: a_name.to_owned(),
                shape: a.shape.clone(),
                problem: format!("B is {:?}", b.shape),
            }));
        };
        let cols = stored.iter().skip(1).product();
        let shape = (stored.first().copied().unwrap_or(0), cols);
        Ok(AdapterModule {
            name: module.to_owned(),
            dtype: a.dtype,
            shape,
            rank,
            update: LowRank {
                a: a_name.to_owned(),
                b: b_name.to_owned(),
                axes: if axes == Axes::MlxEmbedding {
                    Axes::MlxLinear
                } else {
                    axes
                },
                rank,
                scale: self.settings.scale(module, rank),
                magnitude: None,
                own_base: None,
                rounds: false,
            },
        })
    }

    fn factor(&self, name: &str) -> Result<&Tensor, CheckpointError> {
        self.weights.tensor(name).ok_or_else(|| {
            let skipped = self.weights.skipped().get(name);
            let reason = skipped.map_or("missing", |skipped| skipped.reason.as_str());
            self.refused(AdapterError::Tensor {
                tensor: name.to_owned(),
                problem: format!("not read: {reason}"),
            })
        })
    }

    /// The factors of one of [`Self::low_rank_modules`].
    ///
    /// # Errors
    /// Where the adapter's file cannot be read.
    pub fn factors(
        &self,
        module: &AdapterModule,
    ) -> Result<Option<LowRankUpdate>, CheckpointError> {
        Ok(module.update.factors(&self.weights)?.pop())
    }
}

/// The shape of the tensor that factors of these shapes change; whether they fit each other is seen as on a
/// base.
fn stored_shape(writer: Writer, embedding: bool, a: &[usize], b: &[usize]) -> Vec<usize> {
    let first = |shape: &[usize]| shape.first().copied();
    let rest = |shape: &[usize]| shape.iter().skip(1).copied().collect::<Vec<_>>();
    match (writer, embedding) {
        (Writer::Peft, false) => first(b).into_iter().chain(rest(a)).collect(),
        (Writer::Peft, true) => rest(a).into_iter().chain(first(b)).collect(),
        (Writer::Mlx, _) => rest(b).into_iter().chain(first(a)).collect(),
    }
}

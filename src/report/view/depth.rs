//! Alpha over the depth of the model, as two rows of Unicode blocks. Information: no rule reads it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::compare::{LayerComparison, LayerKind, LayerMetrics};
use crate::layer::Scope;
use crate::num;
use crate::report::{number, spark};
use crate::spectrum::metric::Metric;

/// Fewer blocks have no depth worth a picture.
const FEWEST_BLOCKS: usize = 3;
/// Blocks of Unicode in a row: what a comment shows without scrolling.
const COLUMNS: usize = 64;

/// Median alpha of the matrices of each transformer block, base and tuned on one scale.
#[derive(Debug, Clone, Serialize)]
pub struct AlphaByDepth {
    /// One character for each block, or for each run of neighbours in a deep model; `·` where no
    /// matrix has an alpha.
    pub base: String,
    pub tuned: String,
    /// Median over the blocks; `-` where no block has an alpha.
    pub base_median: String,
    pub tuned_median: String,
    /// Number of blocks.
    pub blocks: usize,
    /// Index of the first and of the last block.
    pub first: u32,
    pub last: u32,
    /// What the lowest and the highest character stand for.
    pub lowest: String,
    pub highest: String,
    /// Whether some block of either row has no alpha.
    pub has_holes: bool,
}

/// Alphas of one block's matrices.
#[derive(Debug, Default)]
struct Block {
    base: Vec<f64>,
    tuned: Vec<f64>,
}

impl AlphaByDepth {
    /// `None` where fewer than three blocks have an alpha.
    pub(super) fn new(layers: &[LayerComparison]) -> Option<Self> {
        let blocks = blocks(layers);
        let base: Vec<Option<f64>> = medians(&blocks, |block| &block.base);
        let tuned: Vec<Option<f64>> = medians(&blocks, |block| &block.tuned);
        let known = |row: &[Option<f64>]| row.iter().flatten().count();
        if known(&base) < FEWEST_BLOCKS && known(&tuned) < FEWEST_BLOCKS {
            return None;
        }
        let (base_row, tuned_row) = (columns(&base), columns(&tuned));
        let [drawn_base, drawn_tuned] = spark::rows([&base_row, &tuned_row]);
        let all = base_row.iter().chain(&tuned_row).copied().map(f64::from);
        let finite: Vec<f64> = all.filter(|value| value.is_finite()).collect();
        Some(Self {
            has_holes: drawn_base.contains(spark::HOLE) || drawn_tuned.contains(spark::HOLE),
            base: drawn_base,
            tuned: drawn_tuned,
            base_median: median_text(&base),
            tuned_median: median_text(&tuned),
            blocks: blocks.len(),
            first: *blocks.first_key_value()?.0,
            last: *blocks.last_key_value()?.0,
            lowest: shown(finite.iter().copied().reduce(num::min)?),
            highest: shown(finite.iter().copied().reduce(num::max)?),
        })
    }
}

/// By block index. Only indices that occur: one that a name makes up takes no room.
fn blocks(layers: &[LayerComparison]) -> BTreeMap<u32, Block> {
    let alpha = |metrics: &LayerMetrics| metrics.table.value(Metric::Alpha);
    let mut blocks: BTreeMap<u32, Block> = BTreeMap::new();
    let body = layers
        .iter()
        .filter(|layer| layer.kind == LayerKind::Matrix && layer.scope == Scope::Body);
    for layer in body {
        if let Some(index) = layer.block {
            let block = blocks.entry(index).or_default();
            block.base.extend(alpha(&layer.base));
            block.tuned.extend(alpha(&layer.tuned));
        }
    }
    blocks
}

fn medians(blocks: &BTreeMap<u32, Block>, side: fn(&Block) -> &Vec<f64>) -> Vec<Option<f64>> {
    blocks
        .values()
        .map(|block| num::median(side(block)))
        .collect()
}

/// One value a column: the median over the blocks that share it, NaN where none has a value.
fn columns(blocks: &[Option<f64>]) -> Vec<f32> {
    let shared = blocks.len().div_ceil(COLUMNS).max(1);
    blocks
        .chunks(shared)
        .map(|blocks| {
            let values: Vec<f64> = blocks.iter().flatten().copied().collect();
            #[expect(clippy::cast_possible_truncation, reason = "for drawing")]
            num::median(&values).map_or(f32::NAN, |value| value as f32)
        })
        .collect()
}

fn median_text(blocks: &[Option<f64>]) -> String {
    let values: Vec<f64> = blocks.iter().flatten().copied().collect();
    num::median(&values).map_or_else(|| "-".to_owned(), shown)
}

/// Three digits after the point are more than a picture can show.
fn shown(value: f64) -> String {
    number::short((value * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Role;
    use crate::num::Measured;
    use crate::report::sample;

    fn layers(blocks: u32, drift: impl Fn(u32) -> f64) -> Vec<LayerComparison> {
        let layer = |block| {
            let name = format!("model.layers.{block}.mlp.down_proj.weight");
            sample::layer(&name, Role::MlpDown, Some(block), drift(block))
        };
        (0..blocks).map(layer).collect()
    }

    #[test]
    fn a_rise_in_the_tuned_row_stands_beside_a_flat_base() {
        let chart = AlphaByDepth::new(&layers(8, f64::from)).unwrap();
        assert_eq!(
            (chart.base.as_str(), chart.tuned.as_str()),
            ("▁▁▁▁▁▁▁▁", "▁▂▃▄▅▆▇█")
        );
        assert_eq!((chart.first, chart.last, chart.blocks), (0, 7, 8));
        assert_eq!(
            (chart.lowest.as_str(), chart.highest.as_str()),
            ("3.42", "10.42")
        );
        assert_eq!(chart.base_median, "3.42");
        assert!(!chart.has_holes);
    }

    #[test]
    fn few_blocks_and_blocks_without_alpha_make_no_picture() {
        assert!(AlphaByDepth::new(&layers(2, |_| 0.1)).is_none());
        let mut none = layers(9, |_| 0.1);
        for layer in &mut none {
            for side in [&mut layer.base, &mut layer.tuned] {
                let withheld = Measured::not_applicable("no fit");
                side.table.set(Metric::Alpha, withheld);
            }
        }
        assert!(AlphaByDepth::new(&none).is_none());
    }

    #[test]
    fn a_block_without_alpha_is_a_hole() {
        let mut holed = layers(4, f64::from);
        let withheld = Measured::not_applicable("no fit");
        holed[1].tuned.table.set(Metric::Alpha, withheld);
        let chart = AlphaByDepth::new(&holed).unwrap();
        assert_eq!(
            (chart.base.as_str(), chart.tuned.as_str()),
            ("▁▁▁▁", "▁·▆█")
        );
        assert!(chart.has_holes);
    }

    #[test]
    fn a_deep_model_is_thinned_and_a_made_up_index_costs_nothing() {
        let mut deep = layers(200, |_| 0.1);
        deep[199].block = Some(u32::MAX);
        let chart = AlphaByDepth::new(&deep).unwrap();
        assert_eq!((chart.blocks, chart.last), (200, u32::MAX));
        assert_eq!(chart.base.chars().count(), 50);
    }
}

//! From a tensor to its row.

use ndarray::{ArrayView2, ArrayView4, s};

use super::super::error::SpectrumError;
use super::super::lapack::singular_values_by_svd;
use super::fit::{Fit, fit};
use super::row::Row;

/// Eigenvalues below this count as weakly lost, whatever the scale of the matrix.
const WEAK_RANK_TOLERANCE: f64 = 1e-6;
const ENTROPY_OFFSET: f64 = 1e-10;

/// Singular values of all slices of a tensor, pooled.
struct Pooled {
    n: usize,
    m: usize,
    rf: usize,
    /// Ascending.
    singular_values: Vec<f64>,
    rank_loss: usize,
    /// Largest of the slices' smallest singular values.
    sv_min: f64,
}

/// Analyses a 2-D matrix or the kernel of a 2-D convolution (`[out, in, height, width]`), values in
/// row-major order. The caller fills in the id and the names.
///
/// # Errors
/// If the shape has another rank or does not fit the values, a value is not finite, or the SVD fails.
pub fn analyze(values: &[f64], shape: &[usize]) -> Result<Row, SpectrumError> {
    let refuse = |_| SpectrumError::TensorShape {
        shape: shape.to_vec(),
        values: values.len(),
    };
    let (pooled, layer_type) = match *shape {
        [rows, cols] => {
            let matrix = ArrayView2::from_shape((rows, cols), values).map_err(refuse)?;
            (pool(&[matrix], 1.0)?, "dense")
        }
        [out, inner, height, width] => {
            let kernel =
                ArrayView4::from_shape((out, inner, height, width), values).map_err(refuse)?;
            let positions = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
            let slices: Vec<_> = positions
                .map(|(y, x)| kernel.slice_move(s![.., .., y, x]))
                .collect();
            // Every slice is multiplied by sqrt(1/2): its eigenvalues are halved.
            (pool(&slices, 0.5_f64.sqrt())?, "conv2d")
        }
        _ => {
            return Err(SpectrumError::TensorShape {
                shape: shape.to_vec(),
                values: values.len(),
            });
        }
    };
    Ok(row(&pooled, layer_type))
}

fn pool(slices: &[ArrayView2<'_, f64>], factor: f64) -> Result<Pooled, SpectrumError> {
    let (rows, cols) = slices.first().map_or((0, 0), ArrayView2::dim);
    if rows.min(cols) == 0 {
        return Err(SpectrumError::Empty { rows, cols });
    }
    let mut pooled = Pooled {
        n: rows.max(cols),
        m: rows.min(cols),
        rf: slices.len(),
        singular_values: Vec::with_capacity(slices.len() * rows.min(cols)),
        rank_loss: 0,
        sv_min: 0.0,
    };
    for slice in slices {
        let values: Vec<f64> = singular_values_by_svd(slice)?
            .into_iter()
            .map(|value| value * factor)
            .collect();
        pooled.rank_loss += values.len() - rank(&values, pooled.n);
        pooled.sv_min = crate::num::max(pooled.sv_min, values[values.len() - 1]);
        pooled.singular_values.extend(values);
    }
    pooled.singular_values.sort_by(f64::total_cmp);
    Ok(pooled)
}

/// Values above numpy's tolerance, largest times side times eps.
fn rank(singular_values: &[f64], longer_side: usize) -> usize {
    let largest = singular_values.iter().copied().fold(0.0, crate::num::max);
    let tolerance = largest * longer_side as f64 * f64::EPSILON;
    singular_values
        .iter()
        .filter(|value| **value > tolerance)
        .count()
}

fn row(pooled: &Pooled, layer_type: &'static str) -> Row {
    let eigenvalues: Vec<f64> = pooled
        .singular_values
        .iter()
        .map(|value| value * value)
        .collect();
    let norm: f64 = eigenvalues.iter().sum();
    let lambda_max = eigenvalues[eigenvalues.len() - 1];
    let matrix_rank = rank(&pooled.singular_values, pooled.n);
    let found = fit(&eigenvalues);
    let failed = Fit {
        alpha: -1.0,
        distance: -1.0,
        sigma: -1.0,
        xmin: -1.0,
        xmax: f64::NAN,
    };
    let status = if found.is_some() { "success" } else { "failed" };
    let xmax = found.as_ref().map(|fit| fit.xmax);
    let num_pl_spikes = found.as_ref().map_or(-1, |fit| {
        let below = eigenvalues.partition_point(|value| *value < fit.xmin);
        to_count(eigenvalues.len() - below)
    });
    let fit = found.unwrap_or(failed);
    let (detx_num, detx_val, detx_val_unrescaled) = detx(&eigenvalues, norm);
    Row {
        layer_id: 0,
        name: String::new(),
        longname: String::new(),
        layer_type,
        n: pooled.n,
        m: pooled.m,
        rf: pooled.rf,
        num_evals: eigenvalues.len(),
        sv_max: pooled.singular_values[pooled.singular_values.len() - 1],
        sv_min: pooled.sv_min,
        norm,
        lambda_max,
        entropy: entropy(&eigenvalues, norm, matrix_rank),
        matrix_rank,
        rank_loss: pooled.rank_loss,
        weak_rank_loss: eigenvalues.partition_point(|value| *value < WEAK_RANK_TOLERANCE),
        alpha: fit.alpha,
        distance: fit.distance,
        sigma: fit.sigma,
        xmin: fit.xmin,
        xmax,
        num_pl_spikes,
        log_alpha_norm: eigenvalues
            .iter()
            .map(|value| value.powf(fit.alpha))
            .sum::<f64>()
            .log10(),
        status,
        warning: warning(fit.alpha),
        detx_num,
        detx_val,
        detx_val_unrescaled,
    }
}

fn to_count(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Looks at nothing but alpha: a failed fit (-1) reads as over-trained.
fn warning(alpha: f64) -> &'static str {
    if alpha < 2.0 {
        "over-trained"
    } else if alpha > 6.0 {
        "under-trained"
    } else {
        ""
    }
}

fn entropy(eigenvalues: &[f64], norm: f64, matrix_rank: usize) -> f64 {
    let term = |value: &f64| {
        let share = value / norm + ENTROPY_OFFSET;
        share * share.ln()
    };
    -eigenvalues.iter().map(term).sum::<f64>() / (matrix_rank as f64 + ENTROPY_OFFSET).ln()
}

/// How many of the largest eigenvalues, scaled to mean 1, it takes until their product falls below 1;
/// the last of these in the original scale, and scaled. Ascending input.
fn detx(eigenvalues: &[f64], norm: f64) -> (i64, f64, f64) {
    let count = eigenvalues.len();
    let scale = count as f64 / norm;
    let scaled = |index: usize| eigenvalues[index] * scale;
    let result =
        |number: usize, index: usize| (to_count(number), scaled(index) / scale, scaled(index));
    if count < 2 || eigenvalues[0] >= eigenvalues[count - 1] {
        return result(0, 0);
    }
    let mut sum = 0.0;
    for index in (1..count).rev() {
        sum += scaled(index).ln();
        if sum < 0.0 {
            return result(count - index, index);
        }
    }
    result(count, 1)
}

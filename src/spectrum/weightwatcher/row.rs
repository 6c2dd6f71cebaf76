//! One row of WeightWatcher's table.

use std::borrow::Cow;
use std::fmt;

/// Columns in WeightWatcher's order, those of `detX=True` included: two names, then by ASCII.
pub const COLUMNS: [&str; 37] = [
    "layer_id",
    "name",
    "D",
    "ERG_gap",
    "M",
    "N",
    "Q",
    "alpha",
    "alpha_weighted",
    "detX_num",
    "detX_val",
    "detX_val_unrescaled",
    "entropy",
    "has_esd",
    "lambda_max",
    "layer_type",
    "log_alpha_norm",
    "log_norm",
    "log_spectral_norm",
    "longname",
    "matrix_rank",
    "norm",
    "num_ERG_spikes",
    "num_evals",
    "num_pl_spikes",
    "rank_loss",
    "rf",
    "sigma",
    "spectral_norm",
    "stable_rank",
    "status",
    "sv_max",
    "sv_min",
    "warning",
    "weak_rank_loss",
    "xmax",
    "xmin",
];

/// A value of the table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Written as an empty field.
    Missing,
    Boolean(bool),
    Count(i64),
    /// May be NaN or infinite, as in WeightWatcher.
    Number(f64),
    Text(Cow<'a, str>),
}

impl fmt::Display for Cell<'_> {
    /// As pandas writes the field to CSV, before any quoting.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            Self::Boolean(value) => formatter.write_str(if *value { "True" } else { "False" }),
            Self::Count(value) => write!(formatter, "{value}"),
            Self::Number(value) if value.is_nan() => Ok(()),
            Self::Number(value) if value.is_infinite() => {
                formatter.write_str(if *value > 0.0 { "inf" } else { "-inf" })
            }
            Self::Number(value) => {
                // Python's shortest form: an exponent below 1e-4 and from 1e16 on.
                let size = value.abs();
                if size > 0.0 && !(1e-4..1e16).contains(&size) {
                    let text = format!("{value:e}");
                    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                    let (sign, exponent) = match exponent.strip_prefix('-') {
                        Some(exponent) => ('-', exponent),
                        None => ('+', exponent),
                    };
                    write!(formatter, "{digits}e{sign}{exponent:0>2}")
                } else {
                    write!(formatter, "{value:?}")
                }
            }
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

/// WeightWatcher's numbers for one tensor, under its names. N and M are the longer and shorter side,
/// `rf` the positions of a convolution's kernel (1 for a matrix), `lambda = sigma^2`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub layer_id: usize,
    pub name: String,
    pub longname: String,
    pub layer_type: &'static str,
    pub n: usize,
    pub m: usize,
    pub rf: usize,
    pub num_evals: usize,
    pub sv_max: f64,
    pub sv_min: f64,
    pub norm: f64,
    pub lambda_max: f64,
    pub entropy: f64,
    pub matrix_rank: usize,
    pub rank_loss: usize,
    pub weak_rank_loss: usize,
    pub alpha: f64,
    pub distance: f64,
    pub sigma: f64,
    pub xmin: f64,
    /// None where the fit failed.
    pub xmax: Option<f64>,
    /// -1 where the fit failed.
    pub num_pl_spikes: i64,
    pub log_alpha_norm: f64,
    pub status: &'static str,
    pub warning: &'static str,
    pub detx_num: i64,
    pub detx_val: f64,
    pub detx_val_unrescaled: f64,
}

impl Row {
    /// The value of a column; `None` if there is no such column.
    pub fn cell(&self, column: &str) -> Option<Cell<'_>> {
        let text = |value| Cell::Text(Cow::Borrowed(value));
        let count = |value: usize| Cell::Count(i64::try_from(value).unwrap_or(i64::MAX));
        Some(match column {
            "layer_id" => count(self.layer_id),
            "name" => text(&self.name),
            "longname" => text(&self.longname),
            "layer_type" => text(self.layer_type),
            "status" => text(self.status),
            "warning" => text(self.warning),
            "has_esd" => Cell::Boolean(true),
            "M" => count(self.m),
            "N" => count(self.n),
            "rf" => count(self.rf),
            "num_evals" => count(self.num_evals),
            "matrix_rank" => count(self.matrix_rank),
            "rank_loss" => count(self.rank_loss),
            "weak_rank_loss" => count(self.weak_rank_loss),
            "num_pl_spikes" => Cell::Count(self.num_pl_spikes),
            "detX_num" | "num_ERG_spikes" => Cell::Count(self.detx_num),
            "ERG_gap" => Cell::Count(self.detx_num - self.num_pl_spikes),
            "xmax" => self.xmax.map_or(Cell::Missing, Cell::Number),
            _ => Cell::Number(self.number(column)?),
        })
    }

    fn number(&self, column: &str) -> Option<f64> {
        Some(match column {
            "D" => self.distance,
            "Q" => self.n as f64 / self.m as f64,
            "alpha" => self.alpha,
            "alpha_weighted" => self.alpha * self.lambda_max.log10(),
            "detX_val" => self.detx_val,
            "detX_val_unrescaled" => self.detx_val_unrescaled,
            "entropy" => self.entropy,
            "lambda_max" | "spectral_norm" => self.lambda_max,
            "log_alpha_norm" => self.log_alpha_norm,
            "log_norm" => self.norm.log10(),
            "log_spectral_norm" => self.lambda_max.log10(),
            "norm" => self.norm,
            "sigma" => self.sigma,
            "stable_rank" => self.norm / self.lambda_max,
            "sv_max" => self.sv_max,
            "sv_min" => self.sv_min,
            "xmin" => self.xmin,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_pandas_writes_them() {
        let written = |value: f64| Cell::Number(value).to_string();
        assert_eq!(written(1.5), "1.5");
        assert_eq!(written(2.0), "2.0");
        assert_eq!(written(0.0), "0.0");
        assert_eq!(written(1e-5), "1e-05");
        assert_eq!(written(-2.5e-18), "-2.5e-18");
        assert_eq!(written(1e20), "1e+20");
        assert_eq!(written(1e15), "1000000000000000.0");
        assert_eq!(written(f64::NAN), "");
        assert_eq!(written(f64::NEG_INFINITY), "-inf");
        assert_eq!(Cell::Boolean(true).to_string(), "True");
    }

    #[test]
    fn columns_after_the_names_are_in_ascii_order() {
        assert!(COLUMNS[2..].is_sorted());
    }
}

//! On which scale a metric scatters evenly.

/// Sizes and shares scatter by a factor, signed differences by an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// For positive values: differences are natural logarithms of ratios.
    Log,
    /// For values of either sign.
    Identity,
}

impl Scale {
    /// The value on the scale; `None` where it has no place there (zero or less on the log scale, NaN).
    pub fn forward(self, value: f64) -> Option<f64> {
        let placed = match self {
            Self::Log if value > 0.0 => value.ln(),
            Self::Log => return None,
            Self::Identity => value,
        };
        placed.is_finite().then_some(placed)
    }

    /// Back to the metric's own unit.
    pub fn inverse(self, placed: f64) -> f64 {
        match self {
            Self::Log => placed.exp(),
            Self::Identity => placed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_scale_has_no_place_for_zero_and_the_scales_undo_themselves() {
        assert_eq!(Scale::Log.forward(0.0), None);
        assert_eq!(Scale::Log.forward(-1.0), None);
        assert_eq!(Scale::Log.forward(f64::NAN), None);
        assert_eq!(Scale::Identity.forward(f64::INFINITY), None);
        for scale in [Scale::Log, Scale::Identity] {
            let back = scale.inverse(scale.forward(0.0151).unwrap());
            assert!((back - 0.0151).abs() <= 1e-16);
        }
    }
}

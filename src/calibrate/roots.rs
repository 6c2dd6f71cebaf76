//! Where a function crosses zero.

/// Steps at most; a dozen do in practice.
const STEPS: usize = 200;

/// A place and the function's value there.
type Point = (f64, f64);

/// Where `function` is zero between two points at which it has opposite signs, to the last digits.
///
/// The method of Chandrupatla (1997): inverse quadratic interpolation where the three last points allow
/// it, else halving, as where a value is not finite. NaN where the function is not a number.
pub(super) fn between(low: Point, high: Point, function: impl Fn(f64) -> f64) -> f64 {
    if low.1.is_nan() || high.1.is_nan() {
        return f64::NAN;
    }
    // The newest point, and the last one on the other side of the root.
    let (mut new, mut other) = (high, low);
    let mut share = 0.5;
    for _ in 0..STEPS {
        let place = new.0 + share * (other.0 - new.0);
        let point = (place, function(place));
        if point.1.is_nan() {
            return f64::NAN;
        }
        let old = if (point.1 > 0.0) == (new.1 > 0.0) {
            new
        } else {
            std::mem::replace(&mut other, new)
        };
        new = point;
        let best = if new.1.abs() < other.1.abs() {
            new
        } else {
            other
        };
        let least = 2.0 * f64::EPSILON * best.0.abs() / (other.0 - new.0).abs();
        if best.1.abs() <= 0.0 || least.is_nan() || least > 0.5 {
            return best.0;
        }
        share = interpolated(new, other, old).clamp(least, 1.0 - least);
    }
    new.0
}

/// Where between the two first the quadratic through all three puts the root, as a share of the way; a
/// half where it cannot be trusted.
fn interpolated(new: Point, other: Point, old: Point) -> f64 {
    let way = (new.0 - other.0) / (old.0 - other.0);
    let rise = (new.1 - other.1) / (old.1 - other.1);
    if rise * rise < way && (1.0 - rise) * (1.0 - rise) < 1.0 - way {
        new.1 / (other.1 - new.1) * old.1 / (other.1 - old.1)
            + (old.0 - new.0) / (other.0 - new.0) * new.1 / (old.1 - new.1) * other.1
                / (old.1 - other.1)
    } else {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_found_to_the_last_digits_in_few_steps() {
        let steps = std::cell::Cell::new(0);
        let function = |x: f64| {
            steps.set(steps.get() + 1);
            x.exp() - 7.0
        };
        let root = between((0.0, -6.0), (40.0, 40f64.exp() - 7.0), function);
        assert!((root / 7f64.ln() - 1.0).abs() <= 1e-14, "{root}");
        assert!(steps.get() <= 40, "{steps:?}");
    }

    #[test]
    fn an_end_without_a_finite_value_is_halved_away() {
        let function = |x: f64| if x > 1.5 { f64::NEG_INFINITY } else { 1.0 - x };
        let root = between((0.0, 1.0), (100.0, f64::NEG_INFINITY), function);
        assert!((root - 1.0).abs() <= 1e-14, "{root}");
        assert!(between((0.0, 1.0), (1.0, -1.0), |_| f64::NAN).is_nan());
    }
}

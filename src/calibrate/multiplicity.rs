//! Many tests at once: with 225 layers and six metrics, a chance of one in a thousand each is a false
//! alarm in most runs.
//!
//! A p-value that is not a number is always reported: nothing is known in its favour.

/// Which tests are significant with a chance of at most `error` that any of them is falsely so,
/// however they depend on each other (Holm 1979).
pub fn holm(p_values: &[f64], error: f64) -> Vec<bool> {
    let mut significant = vec![false; p_values.len()];
    for (rank, index) in by_size(p_values).into_iter().enumerate() {
        let limit = error / (p_values.len() - rank) as f64;
        if p_values[index] > limit {
            break;
        }
        significant[index] = true;
    }
    significant
}

/// Which tests are significant with at most `rate` of them falsely so on average (Benjamini and
/// Hochberg 1995), for tests that are independent or positively dependent.
pub fn benjamini_hochberg(p_values: &[f64], rate: f64) -> Vec<bool> {
    let order = by_size(p_values);
    let limit = |rank: usize| rate * (rank + 1) as f64 / p_values.len() as f64;
    let last = order
        .iter()
        .enumerate()
        .rev()
        .find(|(rank, index)| p_values[**index].is_nan() || p_values[**index] <= limit(*rank))
        .map_or(0, |(rank, _)| rank + 1);
    let mut significant = vec![false; p_values.len()];
    for index in order.into_iter().take(last) {
        significant[index] = true;
    }
    significant
}

/// Indices of the p-values, smallest first; what is not a number before all.
fn by_size(p_values: &[f64]) -> Vec<usize> {
    let key = |index: &usize| {
        let p = p_values[*index];
        if p.is_nan() { f64::NEG_INFINITY } else { p }
    };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| key(left).total_cmp(&key(right)).then(left.cmp(right)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_steps_down_and_stops_at_the_first_that_does_not_hold() {
        let significant = holm(&[0.02, 0.001, 0.04, 0.011], 0.05);
        assert_eq!(significant, [true, true, true, true]);
        let significant = holm(&[0.03, 0.001, 0.04, 0.011], 0.05);
        assert_eq!(significant, [false, true, false, true]);
        assert!(holm(&[], 0.05).is_empty());
    }

    /// The example of Benjamini and Hochberg (1995), table 1: four are significant.
    #[test]
    fn benjamini_hochberg_gives_the_example_of_its_paper() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0,
        ];
        let count = |significant: Vec<bool>| significant.into_iter().filter(|yes| *yes).count();
        assert_eq!(count(benjamini_hochberg(&p, 0.05)), 4);
        assert_eq!(count(holm(&p, 0.05)), 3);
    }

    #[test]
    fn what_is_not_a_number_never_passes() {
        assert_eq!(holm(&[f64::NAN, 0.9], 0.01), [true, false]);
        assert_eq!(benjamini_hochberg(&[0.9, f64::NAN], 0.05), [false, true]);
    }
}

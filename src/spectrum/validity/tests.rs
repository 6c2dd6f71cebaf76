use super::*;
use crate::spectrum::Matrix;
use crate::spectrum::tests::{Random, pareto_quantiles, with_singular_values};

fn spectrum_of(eigenvalues: &[f64]) -> Spectrum {
    let values: Vec<f64> = eigenvalues.iter().map(|value| value.sqrt()).collect();
    let matrix = with_singular_values(values.len() + 10, values.len(), &values, 3);
    Spectrum::of(&Matrix::F64(matrix)).unwrap()
}

fn alternatives(tail: &[f64]) -> Alternatives {
    let smallest = tail.iter().copied().reduce(num::min).unwrap();
    let sum: f64 = tail.iter().map(|x| (x / smallest).ln()).sum();
    Alternatives::of(tail, 1.0 + tail.len() as f64 / sum).unwrap()
}

fn draws(count: usize, law: impl Fn(&mut Random) -> f64) -> Vec<f64> {
    let mut random = Random::new(21);
    (0..count).map(|_| law(&mut random)).collect()
}

#[test]
fn a_power_law_is_not_rejected_and_an_exponential_one_is() {
    let found = alternatives(&draws(800, |random| random.uniform().powf(-0.5)));
    assert!(
        found.exponential.log_ratio > 0.0 && found.exponential.p <= 0.01,
        "{found:?}"
    );
    assert!(
        found.truncated.p >= 0.05 && found.lognormal.p >= 0.05,
        "{found:?}"
    );
    let found = alternatives(&draws(800, |random| 1.0 - random.uniform().ln()));
    assert!(
        found.exponential.log_ratio < 0.0 && found.exponential.p <= 0.01,
        "{found:?}"
    );
    // A truncated law with exponent 0 is the exponential one: it cannot be worse.
    assert!(
        found.truncated.log_ratio <= found.exponential.log_ratio + 1e-3,
        "{found:?}"
    );
    assert!(found.truncated.p <= 1e-6);
}

#[test]
fn a_log_normal_tail_is_recognised() {
    let sample: Vec<f64> = draws(3000, |random| (0.5 * random.gaussian()).exp())
        .into_iter()
        .filter(|value| *value >= 0.8)
        .collect();
    let found = alternatives(&sample);
    assert!(
        found.lognormal.log_ratio < 0.0 && found.lognormal.p <= 0.01,
        "{found:?}"
    );
}

#[test]
fn a_sharp_cut_off_is_seen_by_the_truncated_law() {
    // Rejection: x^-2 exp(-x / 5).
    let sample: Vec<f64> = draws(6000, |random| {
        let x = random.uniform().recip();
        if random.uniform() < (-(x - 1.0) / 5.0).exp() {
            x
        } else {
            0.0
        }
    })
    .into_iter()
    .filter(|value| *value >= 1.0)
    .collect();
    let found = alternatives(&sample);
    assert!(found.truncated.p <= 1e-6, "{found:?}");
    for ratio in [found.truncated, found.lognormal, found.exponential] {
        assert!(ratio.log_ratio.is_finite() && (0.0..=1.0).contains(&ratio.p));
    }
}

#[test]
fn what_is_no_tail_has_no_alternatives() {
    assert_eq!(Alternatives::of(&[], 2.0), None);
    assert_eq!(Alternatives::of(&[1.0, 1.0, 1.0], 2.0), None);
    assert_eq!(Alternatives::of(&[1.0, 2.0, f64::NAN], 2.0), None);
    assert_eq!(Alternatives::of(&[1.0, 2.0, 3.0], f64::NAN), None);
}

#[test]
fn the_interval_holds_alpha_and_repeats_with_its_seed() {
    let spectrum = spectrum_of(&pareto_quantiles(200, 2.5));
    let estimator = Estimator::default();
    let request = |seed| ValidityRequest {
        alternatives: true,
        bootstrap: Some(Bootstrap { draws: 60, seed }),
        windows: None,
    };
    let fit = spectrum.fit_tail(&estimator).unwrap();
    let of_seed = |seed| validity(&spectrum, fit.tail_count, &estimator, request(seed));
    let found = of_seed(1).unwrap();
    let interval = found.interval.unwrap();
    assert!(
        interval.low < fit.alpha && fit.alpha < interval.high,
        "{interval:?}"
    );
    // The deviation of alpha is about (alpha - 1) / sqrt(200) = 0.1.
    assert!(
        (0.1..=1.5).contains(&(interval.high - interval.low)),
        "{interval:?}"
    );
    assert_eq!(of_seed(1), Some(found));
    let other = of_seed(2).unwrap();
    assert!(other.interval != found.interval && other.alternatives == found.alternatives);
    let n = fit.tail_count as f64;
    let unbiased = 1.0 + (fit.alpha - 1.0) * (n - 1.0) / n;
    assert!((found.alpha_unbiased - unbiased).abs() <= 1e-12);
    assert_eq!(found.finger_count, Some(0));
}

#[test]
fn a_tail_that_the_spectrum_does_not_have_has_no_validity() {
    let spectrum = spectrum_of(&pareto_quantiles(30, 2.5));
    let (estimator, request) = (Estimator::default(), ValidityRequest::default());
    assert_eq!(validity(&spectrum, 50, &estimator, request), None);
}

#[test]
fn a_finger_is_counted_by_the_fall_that_dropping_it_makes() {
    // The search is asked itself: the count is the first drop that lowers alpha by 1.
    let estimator = Estimator::default();
    let mut eigenvalues: Vec<f64> = (0..120).map(|i| 2.0 - f64::from(i) / 80.0).collect();
    eigenvalues.insert(0, 1e6);
    let fit = TailFit::search(&eigenvalues, 50).unwrap();
    let count = finger_count(&eigenvalues, &fit, &estimator);
    let alpha = |dropped: usize| TailFit::search(&eigenvalues[dropped..], 50).unwrap().alpha;
    for dropped in 1..=MOST_FINGERS {
        let falls = fit.alpha - alpha(dropped) >= FINGER_FALL;
        assert!(count != 0 || !falls);
        assert!(count == 0 || dropped > count || falls == (dropped == count));
    }
}

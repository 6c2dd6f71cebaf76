//! Rates of false marks and of found ones, on simulated series.

use super::*;

/// A seeded stream of standard Gaussian numbers.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student's t of 3 degrees of freedom.
    fn heavy(&mut self) -> f64 {
        let squares: f64 = (0..3).map(|_| self.gaussian().powi(2)).sum();
        self.gaussian() / (squares / 3.0).sqrt()
    }
}

#[derive(Debug, Clone, Copy)]
enum Null {
    Walk,
    CurveWithNoise,
    Saturating,
    HeavyWalk,
}

fn draw(null: Null, steps: usize, noise: &mut Noise) -> Vec<Option<f64>> {
    let mut level = 0.0;
    (0..steps)
        .map(|step| {
            let share = step as f64 / (steps - 1) as f64;
            Some(match null {
                Null::Walk => {
                    level += 0.3 + noise.gaussian();
                    level
                }
                Null::HeavyWalk => {
                    level += noise.heavy();
                    level
                }
                // A transition over a third of the run.
                Null::CurveWithNoise => {
                    20.0 / (1.0 + (-12.0 * (share - 0.5)).exp()) + 0.2 * noise.gaussian()
                }
                Null::Saturating => 20.0 * (1.0 - (-8.0 * share).exp()) + 0.05 * noise.gaussian(),
            })
        })
        .collect()
}

/// Share of series with any mark.
fn marked(null: Null, steps: usize, level: f64, series: usize) -> f64 {
    let mut noise = Noise(steps as u64);
    let with = (0..series).filter(|_| {
        let values = draw(null, steps, &mut noise);
        !abrupt(&values, &[], Scale::Plain, 0.0, level).is_empty()
    });
    with.count() as f64 / series as f64
}

#[test]
fn null_flows_have_no_more_false_marks_than_the_level_says() {
    for steps in [10, 25, 50] {
        for null in [Null::Walk, Null::CurveWithNoise, Null::Saturating] {
            let rate = marked(null, steps, 0.05, 2000);
            // Three standard errors of 2000 series.
            assert!(rate <= 0.05 + 0.015, "{null:?} {steps}: {rate}");
        }
    }
}

#[test]
fn a_few_of_a_hundred_heavy_tailed_walks_are_marked() {
    // A step of t_3 that is far beyond the others is a change by definition, so this is no rate of errors; it says how
    // much the level is worth where differences are that heavy-tailed.
    let rate = marked(Null::HeavyWalk, 25, LEVEL / 100.0, 2000);
    assert!(rate <= 0.05, "{rate}");
}

/// Where a jump of `size` standard deviations of the differences was put and found, alone.
fn found(size: f64, steps: usize, level: f64) -> f64 {
    let mut noise = Noise(99);
    let series = 500;
    let hits = (0..series).filter(|index| {
        let at = 2 + index % (steps - 4);
        let mut values = draw(Null::Walk, steps, &mut noise);
        for value in values.iter_mut().skip(at).flatten() {
            *value += size;
        }
        let changes = abrupt(&values, &[], Scale::Plain, 0.0, level);
        changes.len() == 1 && changes[0].step == at
    });
    hits.count() as f64 / series as f64
}

#[test]
fn a_jump_is_found_where_it_is() {
    // Of a hundred series together at the level of 0.01.
    let rate = found(15.0, 25, LEVEL / 100.0);
    assert!(rate >= 0.9, "{rate}");
    let rate = found(3.0, 25, LEVEL / 100.0);
    assert!(rate <= 0.05, "{rate}");
}

#[test]
fn one_odd_checkpoint_has_a_mark_on_both_sides() {
    let mut noise = Noise(5);
    let mut values = draw(Null::Walk, 25, &mut noise);
    values[12] = values[12].map(|value| value + 30.0);
    let changes = abrupt(&values, &[], Scale::Plain, 0.0, 1e-3);
    let steps: Vec<usize> = changes.iter().map(|change| change.step).collect();
    assert_eq!(steps, [12, 13]);
}

#[test]
fn a_frozen_series_is_not_marked_and_one_that_jumps_once_is() {
    let frozen = vec![Some(2.0); 12];
    assert!(abrupt(&frozen, &[], Scale::Plain, 0.1, 1e-4).is_empty());
    let mut once = frozen;
    for value in once.iter_mut().skip(6) {
        *value = Some(2.5);
    }
    let changes = abrupt(&once, &[], Scale::Plain, 0.1, 1e-4);
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].step, 6);
    // Too small to be worth a mark.
    assert!(abrupt(&once, &[], Scale::Plain, 0.6, 1e-4).is_empty());
}

#[test]
fn holes_are_no_differences_and_few_values_are_not_searched() {
    let mut values = vec![Some(1.0); 12];
    values[5] = None;
    for value in values.iter_mut().skip(6) {
        *value = Some(9.0);
    }
    assert!(abrupt(&values, &[], Scale::Plain, 0.1, 1e-2).is_empty());
    let mut short: Vec<Option<f64>> = vec![Some(0.0); 7];
    short[3] = Some(100.0);
    assert!(!is_searchable(&short, &[]));
    assert!(abrupt(&short, &[], Scale::Plain, 0.1, 1e-2).is_empty());
    assert!(abrupt(&[Some(-1.0); 12], &[], Scale::Logarithm, 0.1, 1e-2).is_empty());
}

#[test]
fn a_scale_of_factors_sees_factors() {
    let mut noise = Noise(6);
    let mut values: Vec<Option<f64>> = (0..20)
        .map(|_| Some(1e-6 * (1.0 + 0.01 * noise.gaussian())))
        .collect();
    for value in values.iter_mut().skip(10).flatten() {
        *value *= 3.0;
    }
    let changes = abrupt(&values, &[], Scale::Logarithm, 0.1, 1e-4);
    assert_eq!(
        changes.iter().map(|change| change.step).collect::<Vec<_>>(),
        [10]
    );
    assert!(abrupt(&values, &[], Scale::Plain, 0.1, 1e-4).is_empty());
}

/// Steps 0, 100, ... with one gap of `wide` hundreds before the last.
fn steps_with_a_gap(count: usize, wide: f64) -> Vec<f64> {
    let mut steps: Vec<f64> = (0..count - 1).map(|step| 100.0 * step as f64).collect();
    let last = steps.last().copied().unwrap_or_default();
    steps.push(last + 100.0 * wide);
    steps
}

/// An even drift with Gaussian noise over the given steps.
fn drift(steps: &[f64], noise: &mut Noise) -> Vec<Option<f64>> {
    let value = |step: &f64| Some(0.01 * step + 0.05 * noise.gaussian());
    steps.iter().map(value).collect()
}

#[test]
fn an_even_drift_over_a_wide_gap_is_no_change() {
    for count in [10, 25, 50] {
        let steps = steps_with_a_gap(count, 8.0);
        let unsearched = wide_gaps(&steps);
        assert_eq!(unsearched, [count - 1]);
        let mut noise = Noise(count as u64);
        let (mut marked, mut without) = (0, 0);
        for _ in 0..2000 {
            let values = drift(&steps, &mut noise);
            let is_marked = |unsearched: &[usize]| {
                !abrupt(&values, unsearched, Scale::Plain, 0.0, 0.05).is_empty()
            };
            marked += usize::from(is_marked(&unsearched));
            without += usize::from(is_marked(&[]));
        }
        // Three standard errors above the level; by the numbers alone nearly all are marked.
        assert!(marked <= 130, "{count}: {marked}");
        assert!(without >= 1900, "{count}: {without}");
    }
}

#[test]
fn steps_that_are_even_on_either_scale_have_no_wide_gap() {
    let even: Vec<f64> = (0..20).map(|step| 500.0 * f64::from(step)).collect();
    assert!(wide_gaps(&even).is_empty());
    for ratio in [1.3, 2.0, 10.0] {
        let powers = (0..12).map(|power| (100.0 * f64::powi(ratio, power)).round());
        let log_spaced: Vec<f64> = powers.collect();
        assert!(wide_gaps(&log_spaced).is_empty(), "{ratio}");
    }
    assert!(wide_gaps(&[0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0]).is_empty());
    assert_eq!(wide_gaps(&[0.0, 1000.0, 1100.0, 1200.0, 1300.0]), [1]);
    assert_eq!(wide_gaps(&[0.0, 1.0, 2.0, 3.0, 9.0, 10.0, 11.0]), [4]);
    assert!(wide_gaps(&[0.0, 100.0]).is_empty() && wide_gaps(&[]).is_empty());
}

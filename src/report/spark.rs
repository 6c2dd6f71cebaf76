//! Sparklines of Unicode blocks, readable in a terminal, a table cell and an e-mail.

use crate::num;

/// Stands for a value that is not finite.
pub const HOLE: char = '·';

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One block a value, scaled from the smallest to the largest finite value; a value that is not
/// finite is shown as `·`. Equal values give the lowest block; no values give an empty text.
pub fn sparkline(values: &[f32]) -> String {
    match range(values.iter().copied()) {
        Some((low, high)) => draw(values, low, high),
        None => draw(values, 0.0, 0.0),
    }
}

/// What a spectrum's picture says where both halves would be drawn alike.
pub const ALIKE: &str = "no visible change";

/// Base and tuned spectrum on one scale, each thinned to `columns` blocks: `█▆▃▁ → █▇▃▁`, or
/// [`ALIKE`]. `None` where either has no profile.
///
/// The scale ends three quarters down the ranks: the smallest eigenvalues of a square matrix are
/// decades below the others, and would press all that matters into the upper blocks.
pub fn change(base: &[f32], tuned: &[f32], columns: usize) -> Option<String> {
    let base = thin(base, columns);
    let tuned = thin(tuned, columns);
    let lowest = |values: &[f32]| values.get(values.len().saturating_sub(1) * 3 / 4).copied();
    let low = num::min(f64::from(lowest(&base)?), f64::from(lowest(&tuned)?));
    let (_, high) = range(base.iter().chain(&tuned).copied())?;
    let (base, tuned) = (draw(&base, low, high), draw(&tuned, low, high));
    Some(if base == tuned {
        ALIKE.to_owned()
    } else {
        format!("{base} → {tuned}")
    })
}

/// As [`sparkline`], every row on one scale.
pub fn rows<const COUNT: usize>(rows: [&[f32]; COUNT]) -> [String; COUNT] {
    let (low, high) = range(rows.into_iter().flatten().copied()).unwrap_or((0.0, 0.0));
    rows.map(|row| draw(row, low, high))
}

/// At most `columns` of the values, evenly spaced, both ends kept.
pub fn thin(values: &[f32], columns: usize) -> Vec<f32> {
    if values.len() <= columns {
        return values.to_vec();
    }
    let last = values.len() - 1;
    let steps = columns.saturating_sub(1);
    if steps == 0 {
        return values.iter().copied().take(columns).collect();
    }
    (0..columns)
        .map(|column| values[(column * last + steps / 2) / steps])
        .collect()
}

fn range(values: impl Iterator<Item = f32>) -> Option<(f64, f64)> {
    values
        .map(f64::from)
        .filter(|value| value.is_finite())
        .fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((num::min(low, value), num::max(high, value)))
        })
}

fn draw(values: &[f32], low: f64, high: f64) -> String {
    values
        .iter()
        .map(|value| block(f64::from(*value), low, high))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to the eight levels first"
)]
fn block(value: f64, low: f64, high: f64) -> char {
    if !value.is_finite() {
        return HOLE;
    }
    let span = high - low;
    let share = if span > 0.0 {
        (value - low) / span
    } else {
        0.0
    };
    let level = (share * 7.0).round().clamp(0.0, 7.0) as usize;
    LEVELS.get(level).copied().unwrap_or(HOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_climb_through_all_eight_blocks() {
        assert_eq!(
            sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
            "▁▂▃▄▅▆▇█"
        );
    }

    #[test]
    fn no_values_flat_values_and_holes_are_drawn() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[2.0, 2.0]), "▁▁");
        assert_eq!(sparkline(&[0.0, f32::NAN, 1.0, f32::INFINITY]), "▁·█·");
        assert_eq!(sparkline(&[f32::NAN]), "·");
    }

    #[test]
    fn base_and_tuned_share_one_scale() {
        assert_eq!(
            change(&[3.0, 2.0, 1.0], &[9.0, 2.0, 1.0], 8).unwrap(),
            "▂▁▁ → █▁▁"
        );
        assert_eq!(change(&[], &[1.0], 8), None);
        assert_eq!(rows([&[0.0, f32::NAN], &[7.0, 1.0]]), ["▁·", "█▂"]);
    }

    #[test]
    fn what_would_be_drawn_alike_is_said_in_words() {
        let base: Vec<f32> = (0_u8..16).map(|rank| 3.0 - 0.3 * f32::from(rank)).collect();
        let mut tuned = base.clone();
        tuned[3] += 0.001;
        assert_eq!(change(&base, &tuned, 8).unwrap(), ALIKE);
        tuned[0] += 1.0;
        assert!(change(&base, &tuned, 8).unwrap().contains(" → "));
    }

    #[test]
    fn a_smallest_eigenvalue_near_zero_does_not_set_the_scale() {
        let base = [2.0, 1.5, 1.2, 1.0, 0.7, 0.5, 0.2, -14.0];
        let tuned = [2.6, 1.5, 1.2, 1.0, 0.7, 0.5, 0.2, -14.0];
        assert_eq!(change(&base, &tuned, 8).unwrap(), "▆▄▃▃▂▁▁▁ → █▄▃▃▂▁▁▁");
        // A spectrum that breaks off above that rank is seen to.
        let short = [2.0, 1.5, 1.2, 1.0, -14.0, -14.0, -14.0, -14.0];
        assert!(change(&base, &short, 8).unwrap().ends_with("▁▁▁▁"));
    }

    #[test]
    fn thinning_keeps_both_ends() {
        let values: Vec<f32> = (0_u8..100).map(f32::from).collect();
        let thinned = thin(&values, 8);
        assert_eq!(thinned.len(), 8);
        assert_eq!(thinned.first(), values.first());
        assert_eq!(thinned.last(), values.last());
        assert_eq!(thin(&values, 0), Vec::<f32>::new());
    }
}

//! Whether the factors of an update have the shapes that a tensor asks for, and how they lie.

use super::config::Writer;
use super::update::Axes;

/// Shapes of the two factors and of the tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shapes<'a> {
    pub(super) a: &'a [usize],
    pub(super) b: &'a [usize],
    pub(super) stored: &'a [usize],
}

/// What tells two layouts of the same shape apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) writer: Writer,
    /// The module is an embedding.
    pub(super) embedding: bool,
    /// Linear layers are stored [in, out].
    pub(super) fan_in_fan_out: bool,
    /// Stacked experts are stored [experts, in, out].
    pub(super) transposed_experts: bool,
}

/// How the factors lie against the tensor, and their rank; `None` where they do not fit it.
pub(super) fn fit(shapes: Shapes<'_>, layout: Layout) -> Option<(Axes, usize)> {
    let found = match layout.writer {
        Writer::Peft if layout.embedding => of_embedding(shapes),
        Writer::Peft => of_linear(shapes, layout).or_else(|| of_experts(shapes, layout)),
        Writer::Mlx => of_mlx(shapes, layout),
    };
    found.filter(|(_, rank)| *rank > 0)
}

fn of_embedding(shapes: Shapes<'_>) -> Option<(Axes, usize)> {
    let Shapes { a, b, stored } = shapes;
    let ([rank, rows], [cols, other]) = (a, b) else {
        return None;
    };
    (rank == other && stored == [*rows, *cols]).then_some((Axes::Transposed, *rank))
}

fn of_linear(shapes: Shapes<'_>, layout: Layout) -> Option<(Axes, usize)> {
    let Shapes { a, b, stored } = shapes;
    let (rank, input) = a.split_first()?;
    let [out, other, ones @ ..] = b else {
        return None;
    };
    if rank != other || ones.iter().any(|side| *side != 1) {
        return None;
    }
    let (rows, rest) = stored.split_first()?;
    let plain = rows == out && rest == input;
    let turned = matches!((stored, input), ([rows, cols], [input]) if rows == input && cols == out);
    match (plain, turned) {
        (true, true) if layout.fan_in_fan_out => Some((Axes::Transposed, *rank)),
        (true, _) => Some((Axes::Linear, *rank)),
        (false, true) => Some((Axes::Transposed, *rank)),
        (false, false) => None,
    }
}

fn of_experts(shapes: Shapes<'_>, layout: Layout) -> Option<(Axes, usize)> {
    let Shapes { a, b, stored } = shapes;
    let ([ranks, input], [out, other], [count, first, second]) = (a, b, stored) else {
        return None;
    };
    let plain = first == out && second == input;
    let turned = first == input && second == out;
    let transposed = match (plain, turned) {
        (true, true) => layout.transposed_experts,
        (true, false) => false,
        (false, true) => true,
        (false, false) => return None,
    };
    let count = *count;
    let divides = count > 0 && ranks % count == 0 && ranks == other;
    divides.then(|| (Axes::Experts { count, transposed }, ranks / count))
}

/// One expert's share of the rows of a stacked parameter of `count` experts.
pub(super) fn of_expert(
    shapes: Shapes<'_>,
    (expert, count): (usize, usize),
    (share, shares): (usize, usize),
) -> Option<(Axes, usize)> {
    let Shapes { a, b, stored } = shapes;
    let ([ranks, input], [out, other], [rows, cols]) = (a, b, stored) else {
        return None;
    };
    let fits = cols == input
        && rows.checked_mul(shares) == Some(*out)
        && ranks == other
        && count > 0
        && ranks % count == 0
        && *ranks > 0;
    let axes = Axes::OfExpert {
        expert,
        count,
        first_row: share * rows,
        rows: *rows,
    };
    fits.then(|| (axes, ranks / count))
}

fn of_mlx(shapes: Shapes<'_>, layout: Layout) -> Option<(Axes, usize)> {
    let Shapes { a, b, stored } = shapes;
    let ([input, rank], [other, out]) = (a, b) else {
        return None;
    };
    if rank != other {
        return None;
    }
    let linear = stored == [*out, *input];
    let embedding = stored == [*input, *out];
    match (linear, embedding) {
        (true, true) if layout.embedding => Some((Axes::MlxEmbedding, *rank)),
        (true, _) => Some((Axes::MlxLinear, *rank)),
        (false, true) => Some((Axes::MlxEmbedding, *rank)),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Layout = Layout {
        writer: Writer::Peft,
        embedding: false,
        fan_in_fan_out: false,
        transposed_experts: false,
    };

    fn fitted(a: &[usize], b: &[usize], stored: &[usize], layout: Layout) -> Option<(Axes, usize)> {
        fit(Shapes { a, b, stored }, layout)
    }

    #[test]
    fn shapes_decide_and_settings_decide_where_they_cannot() {
        let turned = Layout {
            fan_in_fan_out: true,
            ..PLAIN
        };
        assert_eq!(
            fitted(&[4, 32], &[96, 4], &[96, 32], turned),
            Some((Axes::Linear, 4))
        );
        assert_eq!(
            fitted(&[4, 32], &[96, 4], &[32, 96], PLAIN),
            Some((Axes::Transposed, 4))
        );
        assert_eq!(
            fitted(&[4, 32], &[32, 4], &[32, 32], PLAIN),
            Some((Axes::Linear, 4))
        );
        assert_eq!(
            fitted(&[4, 32], &[32, 4], &[32, 32], turned),
            Some((Axes::Transposed, 4))
        );
        assert_eq!(
            fitted(&[4, 3, 8, 8], &[32, 4, 1, 1], &[32, 3, 8, 8], PLAIN),
            Some((Axes::Linear, 4))
        );
        let experts = |transposed| {
            let layout = Layout {
                transposed_experts: transposed,
                ..PLAIN
            };
            fitted(&[8, 32], &[32, 8], &[4, 32, 32], layout)
        };
        for transposed in [false, true] {
            let axes = Axes::Experts {
                count: 4,
                transposed,
            };
            assert_eq!(experts(transposed), Some((axes, 2)));
        }
    }

    #[test]
    fn shapes_that_do_not_fit_have_no_layout() {
        for (a, b, stored) in [
            (&[4, 32][..], &[96, 8][..], &[96, 32][..]),
            (&[4, 33], &[96, 4], &[96, 32]),
            (&[0, 32], &[96, 0], &[96, 32]),
            (&[4], &[96, 4], &[96, 32]),
            (&[7, 32], &[96, 7], &[2, 96, 32]),
            (&[4, 3, 8, 8], &[32, 4, 2, 1], &[32, 3, 8, 8]),
        ] {
            assert_eq!(fitted(a, b, stored, PLAIN), None, "{a:?} {b:?} {stored:?}");
        }
    }
}

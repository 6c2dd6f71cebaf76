//! The largest eigenvalue of noise: Tracy-Widom's law with Johnstone's centring and scaling.

/// Quantiles of the Tracy-Widom law for real matrices (beta = 1): probability that the value is
/// exceeded, and the value.
const TABLE: [(f64, f64); 6] = [
    (1e-1, 0.450),
    (5e-2, 0.979),
    (1e-2, 2.023),
    (5e-3, 2.422),
    (1e-3, 3.272),
    (1e-4, 4.359),
];

/// An eigenvalue beyond this quantile of the largest one is no noise: 99.9 %.
pub const SPIKE_QUANTILE: f64 = 3.272;

/// The point that the largest eigenvalue of noise exceeds, in Johnstone's units, with probability
/// `exceeded` (0.0001 to 0.1; `None` outside, where the table has nothing). Between the points of the table
/// the value is interpolated linearly in `(-ln exceeded)^(2/3)`, in which the law's tail is straight, so
/// it rises monotonically; off the points it is within 0.01.
pub fn tracy_widom_quantile(exceeded: f64) -> Option<f64> {
    let stretched = |probability: f64| (-probability.ln()).powf(2.0 / 3.0);
    TABLE.windows(2).find_map(|pair| {
        let [(more, low), (less, high)] = pair else {
            return None;
        };
        (less..=more).contains(&&exceeded).then(|| {
            let share =
                (stretched(exceeded) - stretched(*more)) / (stretched(*less) - stretched(*more));
            low + share * (high - low)
        })
    })
}

/// Where the largest eigenvalue of an N x M matrix of independent Gaussian entries with standard
/// deviation 1 lies, and how far it strays. Source: Johnstone 2001.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edge {
    centre: f64,
    scale: f64,
}

impl Edge {
    /// `None` unless the longer side has at least 2 entries and the shorter one 1.
    pub fn of_shape(rows: usize, cols: usize) -> Option<Self> {
        let (short, long) = (rows.min(cols), rows.max(cols));
        if short == 0 || long < 2 {
            return None;
        }
        let long = (long as f64 - 1.0).sqrt();
        let short = (short as f64).sqrt();
        let sum = long + short;
        Some(Self {
            centre: sum * sum,
            scale: sum * (long.recip() + short.recip()).cbrt(),
        })
    }

    /// How many scales the eigenvalue, divided by the variance of the entries, is beyond the centre.
    pub fn standardised(self, eigenvalue: f64) -> f64 {
        (eigenvalue - self.centre) / self.scale
    }

    /// The eigenvalue, in units of the variance of the entries, at the Tracy-Widom value `z`.
    pub fn eigenvalue_at(self, z: f64) -> f64 {
        self.centre + z * self.scale
    }
}

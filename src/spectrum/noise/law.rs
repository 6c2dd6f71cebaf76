//! The Marchenko-Pastur law: what the eigenvalues of a matrix of independent entries look like.

use std::f64::consts::{PI, TAU};

/// Below this ratio of the sides' roots the closed form loses more digits to cancellation than the
/// semicircle that it tends to is wrong by.
const SEMICIRCLE_BELOW: f64 = 1e-4;
/// Halvings of the angle in a search: more than the bits of an f64.
const HALVINGS: usize = 60;
/// Panels of Simpson's rule; the integrands are smooth in the angle.
const PANELS: usize = 256;

/// Law of `y = lambda / (s^2 N)` for the M positive eigenvalues of an N x M matrix (N >= M) whose
/// entries are independent with standard deviation s, both sides large. With `r = sqrt(M / N)` it lives
/// on `[(1 - r)^2, (1 + r)^2]`. Source: Marchenko and Pastur 1967.
///
/// Everything is computed in the angle `phi` of `y = 1 + r^2 - 2 r cos(phi)`, in which the square
/// roots at both edges vanish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarchenkoPastur {
    root: f64,
}

impl MarchenkoPastur {
    /// `None` if a side is zero.
    pub fn of_shape(rows: usize, cols: usize) -> Option<Self> {
        let (short, long) = (rows.min(cols), rows.max(cols));
        (short > 0).then(|| Self {
            root: (short as f64 / long as f64).sqrt(),
        })
    }

    /// `q` = N / M, finite and at least 1.
    pub fn of_ratio(q: f64) -> Option<Self> {
        (q.is_finite() && q >= 1.0).then(|| Self {
            root: q.sqrt().recip(),
        })
    }

    /// `(1 - r)^2`.
    pub fn lower_edge(self) -> f64 {
        (1.0 - self.root).powi(2)
    }

    /// `(1 + r)^2`.
    pub fn upper_edge(self) -> f64 {
        (1.0 + self.root).powi(2)
    }

    /// `sqrt((b - y)(y - a)) / (2 pi r^2 y)` between the edges a and b, 0 outside.
    pub fn density(self, y: f64) -> f64 {
        let under_the_root = (self.upper_edge() - y) * (y - self.lower_edge());
        if under_the_root > 0.0 && y > 0.0 {
            under_the_root.sqrt() / (TAU * self.root * self.root * y)
        } else {
            0.0
        }
    }

    /// Share of the eigenvalues up to `y`; closed form.
    pub fn distribution(self, y: f64) -> f64 {
        if y <= self.lower_edge() {
            return 0.0;
        }
        if y >= self.upper_edge() {
            return 1.0;
        }
        let cosine = (1.0 + self.root * self.root - y) / (2.0 * self.root);
        self.share_up_to(cosine.clamp(-1.0, 1.0).acos())
    }

    /// The `y` below which the share `share` (0 to 1) of the eigenvalues lies.
    pub fn quantile(self, share: f64) -> f64 {
        self.at(self.angle_of(share))
    }

    pub fn median(self) -> f64 {
        self.quantile(0.5)
    }

    /// Mean of `function(y)` over the eigenvalues above the quantile `share`, times their share.
    pub fn integral_above(self, share: f64, function: impl Fn(f64) -> f64) -> f64 {
        let start = self.angle_of(share);
        let step = (PI - start) / PANELS as f64;
        let at = |point: usize| {
            let angle = start + step * point as f64;
            self.weight(angle) * function(self.at(angle))
        };
        let inner: f64 = (1..PANELS)
            .map(|point| if point % 2 == 1 { 4.0 } else { 2.0 } * at(point))
            .sum();
        (at(0) + inner + at(PANELS)) * step / 3.0
    }

    fn at(self, angle: f64) -> f64 {
        // As the sum of two squares, so that nothing cancels near the lower edge.
        (1.0 - self.root).powi(2) + 4.0 * self.root * (angle / 2.0).sin().powi(2)
    }

    /// Density in the angle: `(2 / pi) sin^2(phi) / y`.
    fn weight(self, angle: f64) -> f64 {
        let y = self.at(angle);
        if y > 0.0 {
            2.0 / PI * angle.sin().powi(2) / y
        } else {
            // The limit at the hard edge of a square matrix.
            2.0 / PI
        }
    }

    fn share_up_to(self, angle: f64) -> f64 {
        let r = self.root;
        if r < SEMICIRCLE_BELOW {
            return (angle - (2.0 * angle).sin() / 2.0) / PI;
        }
        let half = angle / 2.0;
        let pole = ((1.0 + r) * half.sin()).atan2((1.0 - r) * half.cos());
        let squares = 2.0 * r * r;
        let sum = angle.sin() / (2.0 * r) + (1.0 + r * r) * half / squares
            - (1.0 - r * r) * pole / squares;
        (2.0 / PI * sum).clamp(0.0, 1.0)
    }

    fn angle_of(self, share: f64) -> f64 {
        let (mut low, mut high) = (0.0, PI);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if self.share_up_to(middle) < share {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }
}

/// What `alpha_hill` (k = M / 2) tends to for independent entries and sides of ratio `q`:
/// `1 + (1/2) / integral of ln(y / median)` over the upper half of the law.
pub fn noise_hill(law: MarchenkoPastur) -> f64 {
    let median = law.median();
    1.0 + 0.5 / law.integral_above(0.5, |y| (y / median).ln())
}

/// Gavish and Donoho's factor omega for a noise level that is not known: singular values below
/// `omega x median` are to be dropped. `omega = lambda*(r^2) / sqrt(median of the law)`. Source: IEEE Trans. Inf. Theory 60, 2014.
pub fn shrinkage_factor(law: MarchenkoPastur) -> f64 {
    known_noise_factor(law) / law.median().sqrt()
}

/// `lambda*`: the threshold in units of `s sqrt(N)`.
pub fn known_noise_factor(law: MarchenkoPastur) -> f64 {
    let beta = law.root * law.root;
    let next = beta + 1.0;
    (2.0 * next + 8.0 * beta / (next + (beta * beta + 14.0 * beta + 1.0).sqrt())).sqrt()
}

//! One direction in noise: when it can be seen, and how much of it (Baik, Ben Arous and Peche 2005;
//! Benaych-Georges and Nadakuditi 2012).

/// Noise with standard deviation `std` in the entries of a `longer` x `shorter` matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseMatrix {
    pub longer: f64,
    pub shorter: f64,
    pub std: f64,
}

/// Squared cosines between the true singular vectors and those observed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alignment {
    /// Of the vectors with as many entries as the longer side.
    pub longer_side: f64,
    pub shorter_side: f64,
}

impl NoiseMatrix {
    /// `s (N M)^(1/4)`: a direction that is not stronger than this leaves no trace in the largest
    /// singular value, and the top vectors say nothing about it.
    pub fn threshold(self) -> f64 {
        self.std * (self.longer * self.shorter).powf(0.25)
    }

    pub fn is_detectable(self, strength: f64) -> bool {
        strength > self.threshold()
    }

    /// The largest singular value of a direction of this strength in the noise: above the threshold
    /// `sqrt((theta^2 + N s^2)(theta^2 + M s^2)) / theta`, else the edge of the noise.
    pub fn observed(self, strength: f64) -> f64 {
        if !self.is_detectable(strength) {
            return self.edge();
        }
        let variance = self.std * self.std;
        let square = strength * strength;
        ((square + self.longer * variance) * (square + self.shorter * variance)).sqrt() / strength
    }

    /// The strength behind an observed singular value; `None` where it is within the edge of the noise.
    pub fn strength(self, observed: f64) -> Option<f64> {
        if observed.is_nan() || observed <= self.edge() {
            return None;
        }
        let variance = self.std * self.std;
        let excess = observed * observed - (self.longer + self.shorter) * variance;
        let product = self.longer * self.shorter * variance * variance;
        let root = crate::num::max(excess * excess - 4.0 * product, 0.0).sqrt();
        Some(f64::midpoint(excess, root).sqrt())
    }

    /// Zero on both sides below the threshold.
    pub fn alignment(self, strength: f64) -> Alignment {
        if !self.is_detectable(strength) {
            return Alignment {
                longer_side: 0.0,
                shorter_side: 0.0,
            };
        }
        let q = self.longer / self.shorter;
        let t2 = strength * strength / (self.std * self.std * self.shorter);
        Alignment {
            longer_side: 1.0 - q * (1.0 + t2) / (t2 * (t2 + q)),
            shorter_side: 1.0 - (q + t2) / (t2 * (t2 + 1.0)),
        }
    }

    /// `s (sqrt N + sqrt M)`.
    fn edge(self) -> f64 {
        self.std * (self.longer.sqrt() + self.shorter.sqrt())
    }
}

//! Reproducible numbers for start vectors, shuffles and bootstraps. Not for anything secret.

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct SplitMix(u64);

impl SplitMix {
    /// The stream of a seed that the user gave.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// One stream per shape and purpose, the same on every machine.
    pub(super) fn of_shape(rows: usize, cols: usize, purpose: u64) -> Self {
        let mut seed = Self(purpose);
        for side in [rows as u64, cols as u64] {
            seed.0 ^= side;
            seed.0 = seed.next();
        }
        seed
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// Uniform in (-1, 1).
    pub(super) fn symmetric(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 52) as f64 - 1.0
    }

    /// Below `count`; the bias of the product of 64 bits is below count / 2^64.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let product = u128::from(self.next()) * count as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    /// The items in random order, each order as likely as any other: every item goes to a random
    /// bucket, and each bucket, small enough for a cache, is shuffled by itself (Rao 1961,
    /// Sandelius 1962).
    pub(super) fn shuffled<T: Copy>(&mut self, items: &[T]) -> Vec<T> {
        const BUCKET: usize = 1 << 15;
        let buckets = items.len().div_ceil(BUCKET).max(1);
        let mut ends = vec![0; buckets];
        // The same choices are drawn again when the items are moved.
        let mut counting = self.clone();
        for _ in items {
            ends[counting.below(buckets)] += 1;
        }
        let mut start = 0;
        for end in &mut ends {
            (start, *end) = (start + *end, start);
        }
        let mut order = items.to_vec();
        for item in items {
            let bucket = self.below(buckets);
            order[ends[bucket]] = *item;
            ends[bucket] += 1;
        }
        let mut start = 0;
        for end in ends {
            let bucket = &mut order[start..end];
            for last in (1..bucket.len()).rev() {
                bucket.swap(last, self.below(last + 1));
            }
            start = end;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shuffle_keeps_every_item_and_correlates_with_nothing() {
        let items: Vec<usize> = (0..100_000).collect();
        let order = SplitMix::of_shape(250, 400, 7).shuffled(&items);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, items);
        assert_eq!(order, SplitMix::of_shape(250, 400, 7).shuffled(&items));
        assert_ne!(order, SplitMix::of_shape(400, 250, 7).shuffled(&items));
        // The mean of position x item is that of independent numbers, to 4 standard errors.
        let mean = 49_999.5;
        let products = order
            .iter()
            .enumerate()
            .map(|(position, item)| (position as f64 - mean) * (*item as f64 - mean));
        let correlation = products.sum::<f64>() / (1e5 * (1e10 - 1.0) / 12.0);
        assert!(correlation.abs() <= 4.0 / 1e5_f64.sqrt(), "{correlation}");
        // Items stay in place as often as chance has it: once in an order.
        let fixed = items.iter().zip(&order).filter(|(a, b)| a == b).count();
        assert!(fixed <= 7, "{fixed}");
    }

    #[test]
    fn all_orders_of_three_are_equally_likely() {
        let mut random = SplitMix::of_shape(1, 3, 9);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            *counts.entry(random.shuffled(&[0, 1, 2])).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 each, standard deviation 29.
        assert!(
            counts.values().all(|count| (880..=1120).contains(count)),
            "{counts:?}"
        );
    }
}

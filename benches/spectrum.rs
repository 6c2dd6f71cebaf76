//! What one layer costs, in parts: `cargo bench`. BLAS runs on one thread.

use divan::Bencher;
use divan::counter::BytesCount;
use tunegate::checkpoint::{Dtype, decode_f32};
use tunegate::spectrum::{
    Arithmetic, EntryStatistics, Estimator, Spectrum, Stored, TailFit, measure_stored,
    use_one_blas_thread,
};

fn main() {
    use_one_blas_thread();
    divan::main();
}

/// bf16 numbers around zero from a fixed sequence, nearly Gaussian: sums of four uniform ones.
fn weights(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    let mut bytes = Vec::with_capacity(2 * count);
    for _ in 0..count {
        let sum = uniform() + uniform() + uniform() + uniform();
        bytes.extend(half::bf16::from_f32(0.03 * sum).to_le_bytes());
    }
    bytes
}

fn stored(bytes: &[u8]) -> Stored<'_> {
    Stored {
        dtype: Dtype::Bf16,
        bytes,
    }
}

/// 16 million values into one buffer in the second cache, as the panels are.
#[divan::bench(sample_count = 5)]
fn decode_bf16(bencher: Bencher<'_, '_>) {
    let bytes = weights(1 << 24);
    let mut values = vec![0.0_f32; 1 << 15];
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| {
            for block in bytes.chunks(2 << 15) {
                decode_f32(Dtype::Bf16, block, divan::black_box(&mut values));
            }
        });
}

#[divan::bench(sample_count = 5)]
fn entry_statistics_4096(bencher: Bencher<'_, '_>) {
    let bytes = weights(1 << 24);
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| EntryStatistics::of_stored(Dtype::Bf16, &bytes));
}

/// A long matrix: nearly all of the time goes into the Gram matrix (512^2 x 32768 multiply-adds).
#[divan::bench(sample_count = 3, args = [(512, 32768), (32768, 512)])]
fn gram(bencher: Bencher<'_, '_>, (rows, cols): (usize, usize)) {
    let bytes = weights(rows * cols);
    bencher.bench_local(|| Spectrum::of_stored(stored(&bytes), rows, cols, Arithmetic::F32));
}

/// Square matrices, Gram matrix included.
#[divan::bench(sample_count = 2, args = [256, 512, 1024, 2048, 4096])]
fn singular_values_f32(bencher: Bencher<'_, '_>, side: usize) {
    let bytes = weights(side * side);
    bencher.bench_local(|| Spectrum::of_stored(stored(&bytes), side, side, Arithmetic::F32));
}

#[divan::bench(sample_count = 2, args = [256, 512, 1024])]
fn singular_values_f64(bencher: Bencher<'_, '_>, side: usize) {
    let bytes = weights(side * side);
    bencher.bench_local(|| Spectrum::of_stored(stored(&bytes), side, side, Arithmetic::F64));
}

/// A Pareto law by its quantiles.
#[divan::bench(args = [384, 1024, 4096])]
fn tail_fit(bencher: Bencher<'_, '_>, count: usize) {
    let eigenvalues: Vec<f64> = (0..count)
        .map(|rank| ((rank as f64 + 0.5) / count as f64).powf(-0.5))
        .collect();
    let least = Estimator::default().min_tail;
    bencher.bench_local(|| TailFit::search(&eigenvalues, least));
}

/// Everything that `scan` says of a matrix.
#[divan::bench(sample_count = 2, args = [(1024, 1024), (4096, 4096)])]
fn layer(bencher: Bencher<'_, '_>, (rows, cols): (usize, usize)) {
    let bytes = weights(rows * cols);
    let estimator = Estimator::default();
    bencher.bench_local(|| measure_stored(stored(&bytes), rows, cols, &estimator));
}

//! What the tests share: tiny checkpoints, and the program with its report.

pub(crate) mod act;
pub(crate) mod cmd;
pub(crate) mod dtype;
pub(crate) mod github;
pub(crate) mod hub;
pub(crate) mod nights;
pub(crate) mod postgres;
pub(crate) mod prism;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod shapes;
pub(crate) mod spectrum;
pub(crate) mod sql;
pub(crate) mod store;
pub(crate) mod tiny;

use std::path::{Path, PathBuf};

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Text of a file of the repository.
pub(crate) fn repository_text(path: &str) -> String {
    tunegate::fs::read_to_string(&repository(path)).unwrap()
}

/// Relative closeness of finite numbers; NaN and infinities are close to nothing, themselves
/// included.
pub(crate) fn is_close(found: f64, expected: f64, tolerance: f64) -> bool {
    if !(found.is_finite() && expected.is_finite()) {
        return false;
    }
    let scale = found.abs() + expected.abs();
    (found - expected).abs() <= tolerance * scale / 2.0
}

#[test]
fn nan_and_infinity_are_close_to_nothing() {
    assert!(is_close(1.0, 1.0, 0.0));
    assert!(is_close(0.0, 0.0, 0.0));
    assert!(!is_close(f64::NAN, f64::NAN, 1.0));
    assert!(!is_close(1.0, f64::NAN, 1.0));
    assert!(!is_close(f64::INFINITY, 1.0, 0.5));
    assert!(!is_close(1.0, f64::NEG_INFINITY, 0.5));
    assert!(!is_close(1.0, 1.1, 0.01));
}

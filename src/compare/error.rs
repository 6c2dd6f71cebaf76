//! Why a pair could not be compared at all.

use super::PartError;
use crate::checkpoint::CheckpointError;
use crate::spectrum::SpectrumError;

/// No comparison: the weights of a tensor could not be read. What only the mathematics of one layer
/// cannot do is said in that layer instead.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Parts(#[from] PartError),
    #[error("cannot compare layer `{layer}`")]
    Values {
        layer: String,
        #[source]
        source: SpectrumError,
    },
}

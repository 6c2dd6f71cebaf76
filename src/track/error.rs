//! Why there is no flow.

use crate::checkpoint::CheckpointError;
use crate::fs::FsError;

/// Always exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("cannot read the pattern `{pattern}`: {problem}")]
    Pattern { pattern: String, problem: String },
    #[error("nothing matches the pattern `{pattern}`")]
    NoMatch { pattern: String },
    #[error("`{reference}` is named twice")]
    Twice { reference: String },
    #[error("`{one}` and `{other}` are the same checkpoint")]
    SamePlace { one: String, other: String },
    #[error("cannot follow a run over {count} checkpoint{}", if *count == 1 { "" } else { "s" })]
    TooFew { count: usize },
    #[error("no layer is selected by the filters")]
    NoLayer,
    #[error("cannot read the layer pattern `{pattern}`: {problem}")]
    LayerPattern { pattern: String, problem: String },
}

impl TrackError {
    /// What the user can do, in one sentence.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Checkpoint(error) => error.hint(),
            Self::Pattern { .. } | Self::NoMatch { .. } => Some(
                "quote the pattern, and name the folders of the checkpoints: `'runs/x/checkpoint-*'`",
            ),
            Self::Twice { .. } | Self::SamePlace { .. } => Some("name each checkpoint once"),
            Self::TooFew { .. } => Some("name two or more checkpoints of one run"),
            Self::NoLayer => Some("`tunegate scan REF` lists the layers and their roles"),
            Self::Fs(_) | Self::LayerPattern { .. } => None,
        }
    }
}

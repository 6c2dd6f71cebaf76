//! The checkpoints of one training run: spectral flow, abrupt changes and phases.
//!
//! ```text
//! references --ordered--> steps --measured one by one--> Snapshot --Flow::of--> series
//!                                                series --changes--> marks
//!                                                series --stages--> phases --> recommendation
//! ```
//!
//! One checkpoint is open beside the base at a time; what remains of it is a table of numbers per layer.
//! Nothing here judges: a [`Flow`] is information, and the exit code depends only on whether every
//! checkpoint could be measured in full ([`Flow::is_whole`]).
//!
//! Marks come from outliers among the differences of neighbouring checkpoints ([`changes`]), phases from
//! the two signs of the grokking literature, correlation traps first and alpha second ([`stages`]). Both
//! are descriptions of this program; what is disputed about them is said in [`DISPUTED`] and docs/track.md.

pub mod changes;
mod error;
mod flow;
mod join;
mod mark;
mod measure;
mod order;
mod pattern;
mod recommend;
pub mod stages;
mod student;

#[cfg(test)]
pub(crate) mod sample;

pub use error::TrackError;
pub use flow::{Flow, LayerIdentity, Problem, Series, Step, Subject, TRACKED};
pub use mark::{Mark, MarkKind};
pub use measure::{LayerSnapshot, Snapshot, snapshot};
pub use order::{Order, Ordered, ordered};
pub use pattern::{Expanded, expand, is_pattern};
pub use recommend::Recommendation;
pub use stages::{Confidence, Stage, StepStage};

/// What every rendering says beside the phases.
pub const DISPUTED: &str = "Phases and recommendation are information, not a verdict. The signs are known from small networks: \
     one group sees traps and an alpha below 2 where test accuracy falls again, later papers of \
     the same group keep only the traps, and others see alpha below 2 at the onset of generalisation already. \
     Decide with a test set.";

//! The checkpoints of one training run: spectral flow, abrupt changes and phases.

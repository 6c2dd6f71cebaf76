//! What the reports hold, whatever the verdict.

mod contract;
mod hostile;
mod output;

//! Why there is no verdict: one type for the top, with a hint and the exit status.

use std::process::ExitCode;

/// How the process ends. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Judged; nothing at level fail.
    Sound,
    /// Judged; at least one finding at level fail.
    Unsound,
    /// Could not judge: usage, policy, input, numerics, internal.
    NoVerdict,
    /// Ran, but the evidence does not reach.
    Inconclusive,
    /// Judged sound, but not published where that was asked for.
    NotPublished,
}

impl ExitStatus {
    pub fn code(self) -> u8 {
        match self {
            Self::Sound => 0,
            Self::Unsound => 1,
            Self::NoVerdict => 2,
            Self::Inconclusive => 3,
            Self::NotPublished => 4,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

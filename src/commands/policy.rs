//! `tunegate policy check|show`.

use super::{CommandError, Outcome};
use crate::cli::{PolicyAction, PolicyArgs};
use crate::policy::EffectivePolicy;

pub(super) fn run(args: &PolicyArgs) -> Result<Outcome, CommandError> {
    match &args.action {
        PolicyAction::Check { policy } => Ok(Outcome::document(
            EffectivePolicy::load(policy)?.policy.summary() + "\n",
        )),
        PolicyAction::Show { policy } => {
            Ok(Outcome::document(EffectivePolicy::load(policy)?.show()))
        }
    }
}

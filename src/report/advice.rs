//! The next step for each finding code, in one short imperative.

use crate::code::FindingCode;

/// What to do about a finding of this code.
pub fn advice(code: FindingCode) -> &'static str {
    match code {
        FindingCode::NonFinite => {
            "find the step where the loss became NaN and restart from a checkpoint before it"
        }
        FindingCode::NoOp => {
            "check that training ran and that the trained weights, not the base, were saved"
        }
        FindingCode::WrongBase => "give the checkpoint that training started from as the base",
        FindingCode::LowCoverage => {
            "read the reasons for skipped tensors, and compare checkpoints of one architecture"
        }
        FindingCode::MissingTensor => {
            "save the whole model, or compare with the base that it was trained from"
        }
        FindingCode::UnexpectedTensor => {
            "remove the extra tensor, or merge the adapter that it belongs to"
        }
        FindingCode::ShapeChanged => {
            "restore the shape of the base; check vocabulary and head sizes"
        }
        FindingCode::DtypeDowngraded => {
            "save in the dtype of the base, at 16 bits or more and in range"
        }
        FindingCode::MixedPrecisionPair => {
            "judge a pair of the same precision, and quantise after the gate"
        }
        FindingCode::DeadRows => {
            "look for units that training switched off, and retrain with a lower learning rate"
        }
        FindingCode::ConstantTensor => "check the saving code: this tensor holds one value only",
        FindingCode::DuplicateLayers => "check the merge or export: two layers hold the same bytes",
        FindingCode::UntiedEmbeddings => {
            "tie the embeddings again, or say in the config that they are not tied"
        }
        FindingCode::ReinitialisedLayer => "load this layer from the base; it was started anew",
        FindingCode::RankCollapse => "retrain with a lower learning rate or more regularisation",
        FindingCode::AdapterNotMerged => "merge the adapter into the base before saving",
        FindingCode::AdapterWrongScale => "merge again with the scale of the adapter's config",
        FindingCode::CorruptFile => "copy or save the file again and compare its checksum",
        FindingCode::ConfigChanged => {
            "restore the config and tokenizer of the base, or waive the change with a reason"
        }
        FindingCode::AlphaBand => {
            "see whether the base is outside as well; if only the tuned is, train less"
        }
        FindingCode::AlphaDrift | FindingCode::EsdDrift => {
            "lower the learning rate or train for fewer steps"
        }
        FindingCode::UpdateSize => "lower the learning rate, or freeze the layers listed",
        FindingCode::SpectralNormGrowth => "add weight decay or lower the learning rate",
        FindingCode::StableRankDrift => "lower the learning rate, or raise the adapter rank",
        FindingCode::IntruderDimensions => "raise the adapter rank or lower its learning rate",
        FindingCode::CorrelationTraps => "lower the learning rate, and clip the gradients",
        FindingCode::RankOneEdit => {
            "confirm that a targeted edit was meant; otherwise find what wrote it"
        }
        FindingCode::NoiseShare => {
            "check the data and the learning rate: the update is mostly noise"
        }
        FindingCode::MetricLimit => {
            "compare the value with a run that you trust, then retrain or move the limit"
        }
        FindingCode::BaselineDeviation => {
            "compare with the last accepted run; accept this one if the change is meant"
        }
        FindingCode::DriftTrend => "find the first run of the trend and what changed in it",
        FindingCode::NotEnoughHistory => {
            "record more runs that you trust, or repair the store that could not be read"
        }
        FindingCode::UnusedRule => "correct the selector: the rule matches no layer",
        FindingCode::UnusedWaiver => "remove the waiver: nothing needs it",
        FindingCode::ExpiredWaiver => "fix the cause, or renew the waiver with a reason",
        FindingCode::PolicyLoosened => "have the owner of the policy review the new limits",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_short_line_of_advice() {
        for code in FindingCode::ALL {
            let text = advice(*code);
            assert!((10..=90).contains(&text.len()), "{code}: {text}");
            assert!(!text.ends_with('.'), "{code}");
            assert!(text.starts_with(|c: char| c.is_ascii_lowercase()), "{code}");
        }
    }
}

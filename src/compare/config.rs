//! Differences of the files beside the weights: configuration and tokenizer.

use serde_json::Value;

use super::Fact;
use crate::checkpoint::Checkpoint;
use crate::code::FindingCode;

/// Fields of `config.json` that decide what the same weights compute.
const ARCHITECTURE_FIELDS: &[&str] = &[
    "activation",
    "activation_function",
    "attention_bias",
    "d_ff",
    "d_kv",
    "d_model",
    "embedding_size",
    "experts_per_token",
    "ffn_dim",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "hidden_dim",
    "hidden_size",
    "intermediate_size",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "max_position_embeddings",
    "model_type",
    "moe_intermediate_size",
    "n_embd",
    "n_head",
    "n_heads",
    "n_inner",
    "n_layer",
    "n_layers",
    "n_positions",
    "norm_eps",
    "num_attention_heads",
    "num_decoder_layers",
    "num_experts",
    "num_experts_per_tok",
    "num_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "num_layers",
    "num_local_experts",
    "partial_rotary_factor",
    "position_embedding_type",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "type_vocab_size",
    "vocab_size",
];

/// Configurations of a part of the model, looked into field by field.
const NESTED: &[&str] = &["text_config", "vision_config", "audio_config"];

pub(super) fn of_side_files(base: &Checkpoint, tuned: &Checkpoint) -> Vec<Fact> {
    let mut facts = Vec::new();
    match (base.config(), tuned.config()) {
        (Some(before), Some(after)) => compare_fields(before, after, "", &mut facts),
        (Some(_), None) => {
            facts.push(
                changed("the tuned checkpoint has no `config.json`".to_owned()).into_note(true),
            );
        }
        (None, Some(_)) => {
            facts.push(
                changed("the base has no `config.json` to compare with".to_owned()).into_note(true),
            );
        }
        (None, None) => {}
    }
    tokenizers(base, tuned, &mut facts);
    facts.extend(quantised_side(base, tuned));
    facts
}

/// Only one side says that its weights are quantised, and none could be read as such: what is left
/// to compare is not the model. Quantised weights that were read speak for themselves.
fn quantised_side(base: &Checkpoint, tuned: &Checkpoint) -> Option<Fact> {
    let (side, method) = match (base.quantisation_method(), tuned.quantisation_method()) {
        (Some(method), None) => ("base", method),
        (None, Some(method)) => ("tuned checkpoint", method),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    let read = |checkpoint: &Checkpoint| {
        let mut tensors = checkpoint.tensors().values();
        tensors.any(|tensor| tensor.scheme().is_some())
    };
    if read(base) || read(tuned) {
        return None;
    }
    let message = format!("only the {side} is quantised (`{method}`)");
    Some(Fact::plain(FindingCode::MixedPrecisionPair, None, message))
}

fn changed(message: String) -> Fact {
    Fact::plain(FindingCode::ConfigChanged, None, message)
}

fn compare_fields(before: &Value, after: &Value, path: &str, facts: &mut Vec<Fact>) {
    for field in ARCHITECTURE_FIELDS {
        // A field that only one side states may have its default on the other: no difference.
        if let (Some(old), Some(new)) = (before.get(field), after.get(field))
            && !same(old, new)
        {
            facts.push(changed(format!(
                "`{path}{field}` in `config.json` was {} and is {}",
                short(old),
                short(new)
            )));
        }
    }
    for part in NESTED {
        if let (Some(old), Some(new)) = (before.get(part), after.get(part)) {
            compare_fields(old, new, &format!("{path}{part}."), facts);
        }
    }
}

/// Equal values; numbers by value, so that 1 and 1.0 are the same.
fn same(old: &Value, new: &Value) -> bool {
    match (old.as_f64(), new.as_f64()) {
        (Some(old), Some(new)) => old.total_cmp(&new).is_eq(),
        _ => old == new,
    }
}

/// JSON text, cut where it is long.
fn short(value: &Value) -> String {
    let text = value.to_string();
    let mut cut: String = text.chars().take(60).collect();
    if cut.len() < text.len() {
        cut.push_str("...");
    }
    format!("`{cut}`")
}

fn tokenizers(base: &Checkpoint, tuned: &Checkpoint, facts: &mut Vec<Fact>) {
    for (name, before) in base.tokenizer_files() {
        match tuned.tokenizer_files().get(name) {
            Some(after) if after == before => {}
            Some(_) => facts.push(changed(format!("`{name}` differs from the base's"))),
            None => {
                let message = format!("the tuned checkpoint has no `{name}`");
                facts.push(changed(message).into_note(true));
            }
        }
    }
    for name in tuned
        .tokenizer_files()
        .keys()
        .filter(|name| !base.tokenizer_files().contains_key(*name))
    {
        let message = format!("the base has no `{name}` to compare with");
        facts.push(changed(message).into_note(true));
    }
}

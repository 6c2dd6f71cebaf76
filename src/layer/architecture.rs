//! What `config.json` says about how fused tensors are put together.

use serde_json::Value;

/// Parts of a config that describe the language model of a multimodal one.
const TEXT_PARTS: &[&str] = &["text_config", "llm_config", "language_config", "decoder"];

/// The facts of a model's config on which the layout of its fused tensors depends. All unknown by
/// default: then nothing is split that needs a fact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Architecture {
    /// `model_type` of the config and of its parts.
    model_types: Vec<String>,
    pub(super) hidden_size: Option<usize>,
    pub(super) heads: Option<usize>,
    /// Heads of keys and values; as many as `heads` where the config does not say.
    pub(super) key_value_heads: Option<usize>,
    pub(super) head_size: Option<usize>,
    pub(super) intermediate_size: Option<usize>,
    pub(super) multi_query: Option<bool>,
    /// Falcon's `new_decoder_architecture`.
    pub(super) new_decoder: Option<bool>,
    /// Rows of a head's keys that see no position, and of its values (multi-head latent attention).
    pub(super) plain_key_size: Option<usize>,
    pub(super) value_size: Option<usize>,
}

impl Architecture {
    /// From the object in `config.json`; the language model's part counts before the rest.
    pub fn of_config(config: &Value) -> Self {
        let parts: Vec<&Value> = TEXT_PARTS
            .iter()
            .filter_map(|part| config.get(part))
            .chain([config])
            .collect();
        let number = |keys: &[&str]| parts.iter().find_map(|part| number(part, keys));
        let flag = |key: &str| parts.iter().find_map(|part| part.get(key)?.as_bool());
        let hidden_size = number(&["hidden_size", "n_embd", "d_model"]);
        let heads = number(&["num_attention_heads", "n_head", "n_heads", "num_heads"]);
        let even_share = || {
            let (hidden_size, heads) = hidden_size.zip(heads)?;
            (hidden_size % heads == 0).then(|| hidden_size / heads)
        };
        Self {
            model_types: model_types(config),
            hidden_size,
            heads,
            key_value_heads: number(&[
                "num_key_value_heads",
                "num_kv_heads",
                "n_head_kv",
                "multi_query_group_num",
            ])
            .or_else(|| {
                let attention = parts.iter().find_map(|part| part.get("attn_config"))?;
                self::number(attention, &["kv_n_heads"])
            }),
            head_size: number(&["head_dim", "kv_channels"]).or_else(even_share),
            intermediate_size: number(&["intermediate_size"]),
            multi_query: flag("multi_query"),
            new_decoder: flag("new_decoder_architecture"),
            plain_key_size: number(&["qk_nope_head_dim"]),
            value_size: number(&["v_head_dim"]),
        }
    }

    /// Whether the config names a type of model.
    pub fn is_known(&self) -> bool {
        !self.model_types.is_empty()
    }

    /// Whether the model or one of its parts is of one of these types.
    pub(super) fn is_any(&self, types: &[&str]) -> bool {
        self.model_types
            .iter()
            .any(|own| types.contains(&own.as_str()))
    }
}

/// The first of `keys` that holds a positive integer.
fn number(part: &Value, keys: &[&str]) -> Option<usize> {
    keys.iter()
        .filter_map(|key| part.get(key)?.as_u64())
        .find_map(|number| usize::try_from(number).ok().filter(|number| *number > 0))
}

fn model_types(config: &Value) -> Vec<String> {
    let own_type = |part: &Value| Some(part.get("model_type")?.as_str()?.to_owned());
    let nested = config
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.values())
        .filter_map(own_type);
    let mut types: Vec<String> = own_type(config).into_iter().chain(nested).collect();
    types.sort();
    types.dedup();
    types
}

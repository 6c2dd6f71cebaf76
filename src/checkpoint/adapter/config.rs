//! `adapter_config.json`: what PEFT and MLX write, and what of it cannot be honoured.

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::AdapterError;

/// Who wrote the adapter, which decides names and layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    Peft,
    Mlx,
}

/// What of the configuration decides the merged weights.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) writer: Writer,
    /// Of modules that no pattern names; `None` where the configuration leaves it to the shapes.
    rank: Option<u64>,
    ranks: Patterns,
    scaling: Scaling,
    /// Weights of the adapted linear layers are stored [in, out].
    pub(super) fan_in_fan_out: bool,
    /// Parameters that are adapted themselves, by the ends of their names.
    pub(super) target_parameters: Vec<String>,
    pub(super) tokens: Tokens,
    /// The base as the trainer called it.
    pub(super) base_model: Option<String>,
    /// Fields that are not known to this version and say something.
    pub(super) unknown_fields: Vec<String>,
}

#[derive(Debug)]
enum Scaling {
    /// alpha / r, or alpha / sqrt(r).
    Alpha {
        alpha: f64,
        alphas: Patterns,
        by_root: bool,
    },
    Fixed(f64),
}

/// Rows of embeddings that were trained by themselves.
#[derive(Debug)]
pub(super) enum Tokens {
    None,
    /// Of whatever embedding the adapter holds rows for.
    Any(Vec<u64>),
    /// By the end of the module's name.
    Of(Vec<(String, Vec<u64>)>),
}

/// Numbers by regular expression, the first that fits: `^(.*\.)?(pattern)$`, as PEFT matches them.
#[derive(Debug, Default)]
struct Patterns(Vec<(Regex, f64)>);

impl Patterns {
    fn get(&self, module: &str) -> Option<f64> {
        let found = self.0.iter().find(|(regex, _)| regex.is_match(module));
        found.map(|(_, value)| *value)
    }
}

/// Fields of PEFT that say nothing about the merged weights.
const WITHOUT_EFFECT: &[&str] = &[
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_dora",
    "velora_config",
];

/// Fields that are read.
const READ: &[&str] = &[
    "alpha_pattern",
    "fan_in_fan_out",
    "init_lora_weights",
    "lora_alpha",
    "peft_type",
    "r",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_rslora",
];

/// Fields under which the merged weights are others than those of a LoRA, and why they are refused.
const REFUSED: &[(&str, &str)] = &[
    (
        "layer_replication",
        "the tuned model has more layers than the base",
    ),
    ("use_qalora", "its factors are pooled over groups of inputs"),
    ("use_bdlora", "its factors are block-diagonal"),
    (
        "alora_invocation_tokens",
        "it acts on some tokens only, and cannot be merged",
    ),
    ("arrow_config", "it routes each token over several adapters"),
    ("kasa_config", "its update has a diagonal factor"),
    ("monteclora_config", "its update is sampled"),
];

/// Initialisations that take a part of the base's weights into the adapter.
const CHANGE_THE_BASE: &[&str] = &["corda", "loftq", "lora_ga", "olora", "pissa"];

impl Settings {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, AdapterError> {
        let fields: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(AdapterError::Config)?;
        if fields.contains_key("peft_type") {
            Self::of_peft(&fields)
        } else if fields.contains_key("fine_tune_type") || fields.contains_key("lora_parameters") {
            Self::of_mlx(&fields)
        } else {
            Err(AdapterError::Field {
                field: "peft_type",
                found: "missing".to_owned(),
                expected: "the `LORA` of PEFT, or `fine_tune_type` of MLX",
            })
        }
    }

    fn of_peft(fields: &Map<String, Value>) -> Result<Self, AdapterError> {
        let method = text(fields, "peft_type").unwrap_or_default();
        if method != "LORA" {
            return Err(AdapterError::Method { name: method });
        }
        for (field, reason) in REFUSED {
            if fields.get(*field).is_some_and(says_something) {
                return Err(AdapterError::Feature { field, reason });
            }
        }
        refuse_changed_base(fields)?;
        Ok(Self {
            writer: Writer::Peft,
            rank: whole_number(fields, "r")?,
            ranks: patterns(fields, "rank_pattern")?,
            scaling: Scaling::Alpha {
                alpha: number(fields, "lora_alpha")?,
                alphas: patterns(fields, "alpha_pattern")?,
                by_root: flag(fields, "use_rslora"),
            },
            fan_in_fan_out: flag(fields, "fan_in_fan_out"),
            target_parameters: names(fields, "target_parameters")?,
            tokens: tokens(fields)?,
            base_model: text(fields, "base_model_name_or_path").filter(|name| !name.is_empty()),
            unknown_fields: unknown(fields),
        })
    }

    fn of_mlx(fields: &Map<String, Value>) -> Result<Self, AdapterError> {
        let method = text(fields, "fine_tune_type").unwrap_or_else(|| "lora".to_owned());
        if !matches!(method.as_str(), "lora" | "dora" | "full") {
            return Err(AdapterError::Method { name: method });
        }
        let parameters = fields.get("lora_parameters").and_then(Value::as_object);
        let none = Map::new();
        let parameters = parameters.unwrap_or(&none);
        let scale = match parameters.get("scale") {
            // All tensors of a full fine-tune are whole.
            None if method == "full" => 1.0,
            _ => number(parameters, "scale")?,
        };
        Ok(Self {
            writer: Writer::Mlx,
            rank: whole_number(parameters, "rank")?.filter(|_| method != "full"),
            ranks: Patterns::default(),
            scaling: Scaling::Fixed(scale),
            fan_in_fan_out: false,
            target_parameters: Vec::new(),
            tokens: Tokens::None,
            base_model: text(fields, "model").filter(|name| !name.is_empty()),
            unknown_fields: Vec::new(),
        })
    }

    /// The rank that the configuration gives a module.
    pub(super) fn rank(&self, module: &str) -> Option<u64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank beyond the range of integers fits no tensor"
        )]
        let of_pattern = self.ranks.get(module).map(|rank| rank as u64);
        of_pattern.or(self.rank)
    }

    /// s in the update `s B A` of a module of that rank.
    pub(super) fn scale(&self, module: &str, rank: usize) -> f64 {
        match &self.scaling {
            Scaling::Fixed(scale) => *scale,
            Scaling::Alpha {
                alpha,
                alphas,
                by_root,
            } => {
                let alpha = alphas.get(module).unwrap_or(*alpha);
                let rank = rank as f64;
                alpha / if *by_root { rank.sqrt() } else { rank }
            }
        }
    }
}

/// Not null, false, or empty.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn unknown(fields: &Map<String, Value>) -> Vec<String> {
    fields
        .iter()
        .filter(|(name, value)| {
            let name = name.as_str();
            let known = WITHOUT_EFFECT.contains(&name)
                || READ.contains(&name)
                || REFUSED.iter().any(|(refused, _)| *refused == name);
            !known && says_something(value)
        })
        .map(|(name, _)| name.clone())
        .collect()
}

fn refuse_changed_base(fields: &Map<String, Value>) -> Result<(), AdapterError> {
    let name = text(fields, "init_lora_weights").unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    // `pissa_niter_16` is a form of `pissa`.
    if CHANGE_THE_BASE.iter().any(|init| lower.starts_with(init)) {
        return Err(AdapterError::ChangedBase { name });
    }
    Ok(())
}

fn text(fields: &Map<String, Value>, field: &str) -> Option<String> {
    fields.get(field).and_then(Value::as_str).map(str::to_owned)
}

fn flag(fields: &Map<String, Value>, field: &str) -> bool {
    fields.get(field).and_then(Value::as_bool).unwrap_or(false)
}

fn wrong(field: &'static str, found: Option<&Value>, expected: &'static str) -> AdapterError {
    AdapterError::Field {
        field,
        found: found.map_or_else(|| "missing".to_owned(), Value::to_string),
        expected,
    }
}

fn number(fields: &Map<String, Value>, field: &'static str) -> Result<f64, AdapterError> {
    let found = fields.get(field);
    let value = found
        .and_then(Value::as_f64)
        .filter(|value| value.is_finite());
    value.ok_or_else(|| wrong(field, found, "a number"))
}

fn whole_number(
    fields: &Map<String, Value>,
    field: &'static str,
) -> Result<Option<u64>, AdapterError> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => match found.as_u64() {
            Some(value) if value > 0 => Ok(Some(value)),
            Some(_) | None => Err(wrong(field, Some(found), "a positive whole number")),
        },
    }
}

fn names(fields: &Map<String, Value>, field: &'static str) -> Result<Vec<String>, AdapterError> {
    let list = match fields.get(field) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(found) => found
            .as_array()
            .ok_or_else(|| wrong(field, Some(found), "a list of names"))?,
    };
    list.iter()
        .map(|name| {
            let text = name.as_str().map(str::to_owned);
            text.ok_or_else(|| wrong(field, Some(name), "a name"))
        })
        .collect()
}

fn patterns(fields: &Map<String, Value>, field: &'static str) -> Result<Patterns, AdapterError> {
    let map = match fields.get(field) {
        None | Some(Value::Null) => return Ok(Patterns::default()),
        Some(found) => found
            .as_object()
            .ok_or_else(|| wrong(field, Some(found), "numbers by pattern"))?,
    };
    let mut patterns = Vec::new();
    for (pattern, value) in map {
        let number = value.as_f64().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| wrong(field, Some(value), "numbers by pattern"))?;
        let regex = Regex::new(&format!(r"^(.*\.)?({pattern})$")).map_err(|source| {
            AdapterError::Pattern {
                field,
                pattern: pattern.clone(),
                source,
            }
        })?;
        patterns.push((regex, number));
    }
    Ok(Patterns(patterns))
}

fn tokens(fields: &Map<String, Value>) -> Result<Tokens, AdapterError> {
    const FIELD: &str = "trainable_token_indices";
    let found = fields.get(FIELD);
    let indices = |value: &Value| {
        let list = value
            .as_array()?
            .iter()
            .map(Value::as_u64)
            .collect::<Option<_>>();
        list as Option<Vec<u64>>
    };
    let expected = "a list of rows, or lists by embedding";
    match found {
        None | Some(Value::Null) => Ok(Tokens::None),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(module, rows)| Some((module.clone(), indices(rows)?)))
            .collect::<Option<_>>()
            .map(Tokens::Of)
            .ok_or_else(|| wrong(FIELD, found, expected)),
        Some(list) => indices(list)
            .map(Tokens::Any)
            .ok_or_else(|| wrong(FIELD, found, expected)),
    }
}

impl Tokens {
    /// The rows of the embedding `module`.
    pub(super) fn of(&self, module: &str) -> Option<&[u64]> {
        match self {
            Self::None => None,
            Self::Any(rows) => Some(rows),
            Self::Of(lists) => lists
                .iter()
                .find(|(name, _)| module == name || module.ends_with(&format!(".{name}")))
                .map(|(_, rows)| rows.as_slice()),
        }
    }
}

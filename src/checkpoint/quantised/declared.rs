//! What the side files say about the quantisation. All of it is a hint that the tensors must fit.

use serde_json::Value;

/// The quantisation section of a config.
#[derive(Debug, Clone, Default)]
pub(in crate::checkpoint) struct Declared {
    section: Option<Value>,
    mlx: bool,
}

impl Declared {
    /// From `config.json` (also its text part) and ModelOpt's `hf_quant_config.json`.
    pub(in crate::checkpoint) fn new(config: Option<&Value>, model_opt: Option<&Value>) -> Self {
        let parts = [config, config.and_then(|config| config.get("text_config"))];
        let section = |key: &str| {
            let mut found = parts.into_iter().flatten().filter_map(|part| part.get(key));
            found.find(|section| section.is_object()).cloned()
        };
        if let Some(declared) = section("quantization_config") {
            return Self {
                section: Some(declared),
                mlx: false,
            };
        }
        if let Some(declared) = section("quantization") {
            return Self {
                section: Some(declared),
                mlx: true,
            };
        }
        let declared = model_opt.and_then(|file| file.get("quantization")).cloned();
        Self {
            section: declared.map(|section| with_method(section, "modelopt")),
            mlx: false,
        }
    }

    /// `gptq`, `awq`, `mlx`, ..., in lower case.
    pub(super) fn method(&self) -> Option<String> {
        if self.mlx {
            return Some("mlx".to_owned());
        }
        self.text("quant_method").map(str::to_ascii_lowercase)
    }

    /// The method as an error names it.
    pub(super) fn method_or_none(&self) -> String {
        match self.method() {
            Some(method) => format!("`{}`", method.escape_debug()),
            None => "which `config.json` does not name".to_owned(),
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.section.as_ref()?.get(key)?.as_str()
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.section.as_ref()?.get(key)?.as_bool()
    }

    pub(super) fn number(&self, key: &str) -> Option<i64> {
        self.section.as_ref()?.get(key)?.as_i64()
    }

    /// Whether that key holds something.
    pub(super) fn has(&self, key: &str) -> bool {
        let value = self.section.as_ref().and_then(|section| section.get(key));
        value.is_some_and(|value| !value.is_null())
    }

    /// MLX: `key` for one module, which may have an entry of its own.
    pub(super) fn number_of_module(&self, module: &str, key: &str) -> Option<i64> {
        let own = self.section.as_ref()?.get(module);
        match own.and_then(|own| own.get(key)) {
            Some(value) => value.as_i64(),
            None => self.number(key),
        }
    }

    /// Rows and columns of a block that has one scale; `None` where no or several sizes are declared.
    pub(super) fn block(&self) -> Option<(usize, usize)> {
        let section = self.section.as_ref()?;
        if let Some(sides) = section.get("weight_block_size") {
            return pair_of(sides);
        }
        let groups = section.get("config_groups")?.as_object()?;
        let mut sizes = groups
            .values()
            .filter_map(|group| pair_of(group.get("weights")?.get("block_structure")?));
        let first = sizes.next()?;
        sizes.all(|other| other == first).then_some(first)
    }

    /// compressed-tensors: every number of bits that a group of modules declares.
    pub(super) fn declared_bits(&self) -> Vec<i64> {
        self.of_groups("num_bits")
    }

    /// compressed-tensors: every group size that a group of modules declares.
    pub(super) fn declared_group_sizes(&self) -> Vec<i64> {
        self.of_groups("group_size")
    }

    fn of_groups(&self, key: &str) -> Vec<i64> {
        let section = self.section.as_ref();
        let groups = section.and_then(|section| section.get("config_groups")?.as_object());
        groups
            .into_iter()
            .flat_map(|groups| groups.values())
            .filter_map(|group| group.get("weights")?.get(key)?.as_i64())
            .collect()
    }
}

fn with_method(mut section: Value, method: &str) -> Value {
    if let Some(fields) = section.as_object_mut() {
        fields
            .entry("quant_method")
            .or_insert_with(|| Value::from(method));
    }
    section
}

/// `[128, 128]` or `"128x128"`; no side is 0.
fn pair_of(value: &Value) -> Option<(usize, usize)> {
    let sides: Vec<usize> = match value {
        Value::String(text) => text
            .split('x')
            .map(|side| side.trim().parse().ok())
            .collect::<Option<_>>()?,
        Value::Array(sides) => sides
            .iter()
            .map(|side| usize::try_from(side.as_u64()?).ok())
            .collect::<Option<_>>()?,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    match sides.as_slice() {
        [rows, cols] if *rows > 0 && *cols > 0 => Some((*rows, *cols)),
        _ => None,
    }
}

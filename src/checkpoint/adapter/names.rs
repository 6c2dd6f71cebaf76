//! What the tensors of an adapter's file are called: a module of the model, and a part of its update.

use super::config::Writer;

/// A part of what an adapter holds for one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// [r, in]; of a convolution [r, in, ...]; of MLX [in, r].
    A,
    /// [out, r]; of a convolution [out, r, 1, ...]; of MLX [r, out].
    B,
    /// [r, rows of the embedding].
    EmbeddingA,
    /// [columns of the embedding, r].
    EmbeddingB,
    /// DoRA's norm of each output.
    Magnitude,
    /// Added to the module's bias, times the scale.
    Bias,
    /// New values of some rows.
    Tokens,
    /// A copy of the module's own weight, to which the update is added.
    Base,
}

/// What a tensor is to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A part of a module's update.
    Of(String, Part),
    /// The whole new value of this tensor of the model.
    Whole(String),
    /// Nothing that is known.
    Unknown,
}

/// Reads a tensor's name; `exists` tells of other tensors of the file.
pub(super) fn place(name: &str, writer: Writer, exists: impl Fn(&str) -> bool) -> Place {
    match writer {
        Writer::Peft => of_peft(name, exists),
        Writer::Mlx => of_mlx(name, exists),
    }
}

fn of_peft(name: &str, exists: impl Fn(&str) -> bool) -> Place {
    let path = name.strip_prefix("base_model.model.").unwrap_or(name);
    let segments: Vec<&str> = path.split('.').collect();
    let found = segments
        .iter()
        .position(|segment| segment.starts_with("lora_") || *segment == "token_adapter");
    let Some(at) = found else {
        return whole(&segments, name, exists);
    };
    let (module, rest) = segments.split_at(at);
    // Saved in the middle of training, the name of the adapter stands behind the part.
    let rest: Vec<&str> = rest
        .iter()
        .copied()
        .filter(|segment| *segment != "default")
        .collect();
    let part = match rest.as_slice() {
        ["lora_A", "weight"] => Part::A,
        ["lora_B", "weight"] => Part::B,
        ["lora_B", "bias"] => Part::Bias,
        ["lora_embedding_A"] => Part::EmbeddingA,
        ["lora_embedding_B"] => Part::EmbeddingB,
        // Old versions write the second form.
        ["lora_magnitude_vector"] | ["lora_magnitude_vector", "weight"] => Part::Magnitude,
        ["token_adapter", "trainable_tokens_delta"] => Part::Tokens,
        _ => return Place::Unknown,
    };
    if module.is_empty() {
        return Place::Unknown;
    }
    Place::Of(module.join("."), part)
}

/// A tensor without a part of an update in its name: a module that was trained whole, a bias, or the
/// copy of the weight that an update belongs to.
fn whole(segments: &[&str], name: &str, exists: impl Fn(&str) -> bool) -> Place {
    if let [module @ .., "base_layer", "weight"] = segments {
        let prefix = name.strip_suffix("base_layer.weight").unwrap_or(name);
        let has_update = ["lora_A.weight", "lora_embedding_A"]
            .iter()
            .any(|part| exists(&format!("{prefix}{part}")));
        if has_update {
            return Place::Of(module.join("."), Part::Base);
        }
    }
    let wrappers = ["base_layer", "modules_to_save", "default"];
    let kept: Vec<&str> = segments
        .iter()
        .copied()
        .filter(|segment| !wrappers.contains(segment))
        .collect();
    Place::Whole(kept.join("."))
}

fn of_mlx(name: &str, exists: impl Fn(&str) -> bool) -> Place {
    let Some((module, leaf)) = name.rsplit_once('.') else {
        return Place::Whole(name.to_owned());
    };
    // A wrapped module's own weight, where it was trained too.
    let inner = module
        .strip_suffix(".linear")
        .or(module.strip_suffix(".embedding"));
    let has_update = |module: &str| exists(&format!("{module}.lora_a"));
    match (leaf, inner) {
        ("lora_a", _) => Place::Of(module.to_owned(), Part::A),
        ("lora_b", _) => Place::Of(module.to_owned(), Part::B),
        ("m", _) if has_update(module) => Place::Of(module.to_owned(), Part::Magnitude),
        ("weight", Some(inner)) if has_update(inner) => Place::Of(inner.to_owned(), Part::Base),
        ("bias", Some(inner)) if has_update(inner) => Place::Whole(format!("{inner}.bias")),
        _ => Place::Whole(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peft(name: &str) -> Place {
        place(name, Writer::Peft, |other| {
            other == "base_model.model.model.embed_tokens.lora_embedding_A"
        })
    }

    #[test]
    fn parts_of_peft_are_told_from_whole_tensors() {
        let module = "model.layers.0.self_attn.q_proj";
        for (rest, part) in [
            ("lora_A.weight", Part::A),
            ("lora_B.default.weight", Part::B),
            ("lora_B.bias", Part::Bias),
            ("lora_magnitude_vector", Part::Magnitude),
            ("lora_magnitude_vector.weight", Part::Magnitude),
            ("token_adapter.trainable_tokens_delta", Part::Tokens),
        ] {
            let name = format!("base_model.model.{module}.{rest}");
            assert_eq!(peft(&name), Place::Of(module.to_owned(), part), "{rest}");
        }
        let embedding = "model.embed_tokens".to_owned();
        assert_eq!(
            peft("base_model.model.model.embed_tokens.base_layer.weight"),
            Place::Of(embedding, Part::Base)
        );
        for (name, target) in [
            ("classifier.weight", "classifier.weight"),
            ("classifier.modules_to_save.default.bias", "classifier.bias"),
            ("h.0.q_proj.base_layer.bias", "h.0.q_proj.bias"),
        ] {
            let found = peft(&format!("base_model.model.{name}"));
            assert_eq!(found, Place::Whole(target.to_owned()));
        }
        assert_eq!(
            peft("base_model.model.q_proj.lora_C.weight"),
            Place::Unknown
        );
        assert_eq!(peft("base_model.model.lora_A.weight"), Place::Unknown);
    }

    #[test]
    fn parts_of_mlx_are_told_from_whole_tensors() {
        let mlx = |name: &str| {
            place(name, Writer::Mlx, |other| {
                other == "model.layers.1.q.lora_a"
            })
        };
        let module = "model.layers.1.q".to_owned();
        for (leaf, part) in [
            ("lora_a", Part::A),
            ("lora_b", Part::B),
            ("m", Part::Magnitude),
            ("linear.weight", Part::Base),
        ] {
            let found = mlx(&format!("{module}.{leaf}"));
            assert_eq!(found, Place::Of(module.clone(), part), "{leaf}");
        }
        assert_eq!(mlx("model.norm.m"), Place::Whole("model.norm.m".to_owned()));
    }
}

//! Tensors that one side stores and the other ties to an embedding.

use crate::layer::natural_order;

/// A tensor that only one checkpoint stores while the other one derives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TiedAlias {
    /// The stored tensor.
    pub name: String,
    /// The tensor of the same checkpoint that it is a copy of, if still tied.
    pub target: String,
    /// True if the tuned checkpoint stores it (and the base does not).
    pub in_tuned: bool,
}

/// Names of tensors that are a copy of the token embedding in a tied model.
const WEIGHT_ALIASES: &[&str] = &[
    "lm_head.weight",
    "embed_out.weight",
    "cls.predictions.decoder.weight",
    "lm_head.decoder.weight",
    "generator_lm_head.weight",
    "vocab_projector.weight",
    "proj_out.weight",
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
];

/// Biases stored twice by older writers: (copy, original).
const BIAS_ALIASES: &[(&str, &str)] = &[
    ("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ("lm_head.decoder.bias", "lm_head.bias"),
];

/// Names that token embeddings end with, the most specific first.
const TOKEN_EMBEDDINGS: &[&str] = &[
    "shared.weight",
    "embed_tokens.weight",
    "word_embeddings.weight",
    "wte.weight",
    "embed_in.weight",
    "tok_embeddings.weight",
    "backbone.embeddings.weight",
    "embeddings.weight",
];

/// The tensor among `names` that `alias` would be a copy of in a tied model; `None` where `alias`
/// is no such name or nothing fits.
pub fn tied_embedding<'a>(
    alias: &str,
    names: &(impl Iterator<Item = &'a str> + Clone),
) -> Option<&'a str> {
    if let Some((copy, original)) = BIAS_ALIASES
        .iter()
        .find(|(copy, _)| ends_with_segments(alias, copy))
    {
        let prefix = alias.strip_suffix(copy)?;
        return names
            .clone()
            .find(|name| name.strip_prefix(prefix) == Some(original));
    }
    WEIGHT_ALIASES
        .iter()
        .find(|known| ends_with_segments(alias, known))?;
    TOKEN_EMBEDDINGS.iter().find_map(|wanted| {
        names
            .clone()
            .filter(|name| *name != alias && ends_with_segments(name, wanted))
            .min_by(|left, right| natural_order(left, right))
    })
}

/// Whether `name` is `suffix`, or ends with it at a dot.
fn ends_with_segments(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_tied_to_the_token_embedding_of_its_own_checkpoint() {
        let names = ["model.embed_tokens.weight", "model.norm.weight"];
        assert_eq!(
            tied_embedding("lm_head.weight", &names.into_iter()),
            Some("model.embed_tokens.weight")
        );
        assert_eq!(
            tied_embedding("classifier.weight", &names.into_iter()),
            None
        );
    }

    #[test]
    fn embeddings_of_t5_are_tied_to_the_shared_one() {
        let names = ["decoder.embed_tokens.weight", "shared.weight"];
        assert_eq!(
            tied_embedding("decoder.embed_tokens.weight", &names.into_iter()),
            Some("shared.weight")
        );
    }

    #[test]
    fn a_decoder_bias_is_tied_to_the_bias_beside_it() {
        let names = ["cls.predictions.bias"];
        assert_eq!(
            tied_embedding("cls.predictions.decoder.bias", &names.into_iter()),
            Some("cls.predictions.bias")
        );
    }

    #[test]
    fn an_embedding_is_never_tied_to_itself() {
        let names = ["model.decoder.embed_tokens.weight"];
        assert_eq!(tied_embedding(names[0], &names.into_iter()), None);
    }
}

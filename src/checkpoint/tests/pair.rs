use super::files::{Folder, counting};
use crate::checkpoint::{Checkpoint, pair};

/// A checkpoint of two-element tensors, the ones in `integers` of an integer dtype.
fn checkpoint(names: &[&str], integers: &[&str], config: &str) -> Checkpoint {
    let folder = Folder::new();
    let shape: &[usize] = &[2];
    let mut tensors: Vec<_> = names
        .iter()
        .map(|name| (*name, "F32", shape, counting(2)))
        .collect();
    tensors.extend(integers.iter().map(|name| (*name, "U8", shape, vec![0; 2])));
    folder.weights("model.safetensors", &tensors);
    folder.write("config.json", config.as_bytes());
    folder.open().unwrap()
}

#[test]
fn a_head_that_the_other_side_ties_is_not_missing() {
    let base = checkpoint(&["model.embed_tokens.weight"], &[], "{}");
    let tuned = checkpoint(&["lm_head.weight", "model.embed_tokens.weight"], &[], "{}");
    let pairing = pair(&base, &tuned);
    assert_eq!(pairing.pairs.len(), 1);
    assert!(pairing.tuned_only.is_empty());
    let alias = &pairing.tied_aliases[0];
    assert_eq!(alias.name, "lm_head.weight");
    assert_eq!(alias.target, "model.embed_tokens.weight");
    assert!(alias.in_tuned);
    assert!(!pair(&tuned, &base).tied_aliases[0].in_tuned);
}

#[test]
fn a_head_that_the_other_side_does_not_tie_is_missing() {
    let base = checkpoint(&["lm_head.weight", "model.embed_tokens.weight"], &[], "{}");
    let untied = r#"{"tie_word_embeddings": false}"#;
    let tuned = checkpoint(&["model.embed_tokens.weight"], &[], untied);
    let pairing = pair(&base, &tuned);
    assert_eq!(pairing.base_only, ["lm_head.weight"]);
    assert!(pairing.tied_aliases.is_empty());
}

#[test]
fn the_embedding_of_an_encoder_is_a_copy_even_where_the_head_is_not_tied() {
    let untied = r#"{"tie_word_embeddings": false}"#;
    let base = checkpoint(
        &["encoder.embed_tokens.weight", "shared.weight"],
        &[],
        untied,
    );
    let tuned = checkpoint(&["shared.weight"], &[], untied);
    let pairing = pair(&base, &tuned);
    assert!(pairing.base_only.is_empty());
    assert_eq!(pairing.tied_aliases[0].target, "shared.weight");
}

#[test]
fn an_integer_buffer_that_goes_is_no_missing_tensor() {
    let base = checkpoint(
        &["bert.a"],
        &["bert.embeddings.position_ids", "bert.q"],
        "{}",
    );
    let tuned = checkpoint(&["a"], &["q"], "{}");
    let pairing = pair(&base, &tuned);
    assert_eq!(pairing.pairs, [("bert.a".to_owned(), "a".to_owned())]);
    assert_eq!(pairing.unread, [("bert.q".to_owned(), "q".to_owned())]);
    assert!(pairing.base_only.is_empty());
    assert_eq!(pairing.name_map, "stripped `bert.` from base");
}

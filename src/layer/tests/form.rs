use crate::layer::{
    Architecture, Form, LayerSource, Part, Role, Scope, describe, is_buffer, layers_of,
};

fn only(name: &str, shape: &[usize]) -> LayerSource {
    let mut layers = layers_of(name, shape, &Architecture::default());
    assert_eq!(layers.len(), 1, "{name}");
    layers.remove(0)
}

#[test]
fn a_tensor_of_experts_is_one_matrix_for_each() {
    let layers = layers_of(
        "model.layers.3.mlp.experts.down_proj",
        &[4, 48, 32],
        &Architecture::default(),
    );
    assert_eq!(layers.len(), 4);
    let last = &layers[3];
    assert_eq!(
        last.name.as_str(),
        "model.layers.3.mlp.experts.down_proj[3]"
    );
    assert_eq!(last.part, Part::Expert(3));
    assert_eq!(last.form, Form::Matrix { rows: 48, cols: 32 });
    assert_eq!(last.traits.role, Role::ExpertDown);
    assert_eq!(last.traits.expert, Some(3));
    assert_eq!(last.traits.block, Some(3));
}

#[test]
fn a_convolution_is_flattened_and_a_depthwise_one_is_not() {
    let patch = only("visual.patch_embed.proj.weight", &[32, 3, 2, 4, 4]);
    assert_eq!(patch.form, Form::Matrix { rows: 32, cols: 96 });
    assert_eq!(patch.traits.role, Role::Conv);
    let depthwise = only("backbone.layers.0.mixer.conv1d.weight", &[64, 1, 4]);
    assert!(matches!(depthwise.form, Form::NotAMatrix(_)));
}

#[test]
fn what_has_no_linear_map_is_not_a_matrix() {
    for (name, shape) in [
        ("logit_scale", &[][..]),
        ("backbone.layers.0.mixer.A_log", &[64, 8]),
        ("vit.embeddings.cls_token", &[1, 1, 32]),
        ("x.weight", &[1, 32]),
        ("x.weight", &[0, 32]),
        ("x.conv.weight", &[usize::MAX, usize::MAX, 2]),
        ("x.conv.weight", &[2, usize::MAX, 2]),
    ] {
        assert!(
            matches!(only(name, shape).form, Form::NotAMatrix(_)),
            "{name}"
        );
    }
}

#[test]
fn biases_of_all_experts_are_one_vector() {
    let bias = only("model.layers.0.mlp.experts.down_proj_bias", &[4, 32]);
    assert_eq!(bias.form, Form::Vector);
    assert_eq!(bias.traits.role, Role::Bias);
}

#[test]
fn a_head_keeps_its_norms_and_biases_apart() {
    let head = |name, shape: &[usize]| describe(name, shape);
    assert_eq!(head("lm_head.dense.weight", &[32, 32]).role, Role::Head);
    assert_eq!(head("lm_head.layer_norm.weight", &[32]).role, Role::Norm);
    assert_eq!(head("lm_head.layer_norm.weight", &[32]).scope, Scope::Head);
    assert_eq!(head("classifier.bias", &[2]).role, Role::Bias);
    assert_eq!(head("classifier.bias", &[2]).scope, Scope::Head);
}

#[test]
fn names_that_other_writers_use_are_known_too() {
    for (name, role) in [
        ("layers.0.attn.Wqkv.weight", Role::Other),
        ("layers.0.attn.Wo.weight", Role::AttentionO),
        ("layers.0.mlp.Wo.weight", Role::MlpDown),
        ("h.0.attn.c_proj.weight", Role::AttentionO),
        ("model.encoder.layers.0.fc1.weight", Role::MlpFc1),
        (
            "model.language_model.layers.0.mlp.up_proj.weight",
            Role::MlpUp,
        ),
        ("no.such.module.weight", Role::Other),
    ] {
        let traits = describe(name, &[32, 32]);
        assert_eq!(traits.role, role, "{name}");
        assert_eq!(traits.scope, Scope::Body, "{name}");
    }
}

#[test]
fn masks_and_rotary_frequencies_are_buffers_and_biases_are_not() {
    assert!(is_buffer("h.0.attn.bias", &[1, 1, 64, 64]));
    assert!(is_buffer(
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        &[8]
    ));
    assert!(is_buffer("embeddings.position_ids", &[1, 512]));
    let unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
    assert!(is_buffer(unused, &[32, 8]));
    assert!(!is_buffer(&unused.replace("EncDec", "Self"), &[32, 8]));
    assert!(!is_buffer("h.0.attn.c_attn.bias", &[96]));
    assert!(!is_buffer("h.0.attn.bias", &[96]));
}

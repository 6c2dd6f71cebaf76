use super::files::{Folder, Spec, counting};
use crate::checkpoint::Checkpoint;

fn open(tensors: &[Spec<'_>], config: &str) -> Checkpoint {
    let folder = Folder::new();
    folder.weights("model.safetensors", tensors);
    folder.write("config.json", config.as_bytes());
    folder.open().unwrap()
}

fn readable(tensors: &[Spec<'_>]) -> Vec<String> {
    open(tensors, "{}").tensors().keys().cloned().collect()
}

fn codes<'a>(name: &'a str, dtype: &'a str) -> Spec<'a> {
    (name, dtype, &[2], vec![0; 2])
}

fn singles(name: &str) -> Spec<'_> {
    (name, "F32", &[2], counting(2))
}

#[test]
fn eight_bit_floats_with_a_scale_are_not_weights_as_they_stand() {
    let names = readable(&[
        codes("a.weight", "F8_E4M3"),
        singles("a.weight_scale_inv"),
        singles("a.bias"),
        codes("plain.weight", "F8_E4M3"),
    ]);
    assert_eq!(names, ["a.bias", "plain.weight"]);
}

#[test]
fn scales_go_with_their_payload() {
    for (payload, companion) in [
        ("m.qweight", "m.scales"),
        ("m.weight", "m.weight.absmax"),
        ("m.weight", "m.SCB"),
        ("m.weight_packed", "m.weight_scale"),
        ("m.weight", "m.biases"),
        ("m.W_q", "m.zero"),
        ("m.codes", "m.codebooks"),
    ] {
        let names = readable(&[
            codes(payload, "U8"),
            singles(companion),
            singles("n.weight"),
        ]);
        assert_eq!(names, ["n.weight"], "{companion}");
    }
}

#[test]
fn a_parameter_of_that_name_without_a_payload_is_a_weight() {
    let names = readable(&[singles("m.scales"), singles("m.weight"), singles("scales")]);
    assert_eq!(names, ["m.scales", "m.weight", "scales"]);
}

#[test]
fn scales_of_activations_are_no_weights_where_a_method_is_declared() {
    let tensors = [
        ("m.k_scale", "F32", &[][..], counting(1)),
        ("m.input_scale", "F32", &[1][..], counting(1)),
        ("n.q_scale", "F32", &[2][..], counting(2)),
    ];
    let declared = r#"{"quantization_config": {"quant_method": "fp8"}}"#;
    let names: Vec<String> = open(&tensors, declared).tensors().keys().cloned().collect();
    assert_eq!(names, ["n.q_scale"]);
    assert_eq!(readable(&tensors).len(), 3);
}

#[test]
fn the_declared_method_is_read_also_from_the_text_part() {
    let method = |config: &str| {
        open(&[], config)
            .quantisation_method()
            .map(ToOwned::to_owned)
    };
    assert_eq!(
        method(r#"{"text_config":{"quantization_config":{"quant_method":"fp8"}}}"#),
        Some("fp8".to_owned())
    );
    assert_eq!(
        method(r#"{"quantization":{"bits":4}}"#),
        Some("mlx".to_owned())
    );
    assert_eq!(method("{}"), None);
}

use super::files::{Folder, Spec};
use crate::checkpoint::{Checkpoint, LaidOut, pair};

const EXPERTS: usize = 3;
/// Width of the model, and of each expert inside.
const WIDTH: usize = 4;
const INNER: usize = 3;

/// How a checkpoint stores the experts; the values are the same in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `w1`, `w2`, `w3` of each expert.
    Mixtral,
    /// `gate_proj`, `down_proj`, `up_proj` of each expert.
    Apart,
    /// [experts, out, in], gate before up.
    Fused,
    /// [experts, in, out], gate before up.
    Llama4,
    /// [experts, in, out], gate and up in turn.
    GptOss,
}

const LAYOUTS: [Layout; 5] = [
    Layout::Mixtral,
    Layout::Apart,
    Layout::Fused,
    Layout::Llama4,
    Layout::GptOss,
];

#[derive(Debug, Clone, Copy)]
enum Projection {
    Gate,
    Up,
    Down,
}

/// A value that no other place has.
fn value(expert: usize, projection: Projection, output: usize, input: usize) -> f32 {
    let place = ((expert * 3 + projection as usize) * 8 + output) * 8 + input;
    f32::from(u16::try_from(place).unwrap())
}

/// The bytes of a tensor of these sides whose element at an index is `of` it.
fn filled(sides: [usize; 3], of: impl Fn(usize, usize, usize) -> f32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for first in 0..sides[0] {
        for second in 0..sides[1] {
            for third in 0..sides[2] {
                bytes.extend(of(first, second, third).to_le_bytes());
            }
        }
    }
    bytes
}

/// Name, shape and bytes of every tensor of experts.
fn tensors(layout: Layout, experts: usize) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    use Projection::{Down, Gate, Up};
    let outputs = 2 * INNER;
    // Output of the fused projection in its own projection.
    let chunked = |expert, output: usize, input| {
        let which = if output < INNER { Gate } else { Up };
        value(expert, which, output % INNER, input)
    };
    let in_turn = |expert, output: usize, input| {
        let which = if output.is_multiple_of(2) { Gate } else { Up };
        value(expert, which, output / 2, input)
    };
    let fused = |shape: [usize; 3], bytes, down: [usize; 3], down_bytes| {
        let module = "model.layers.0.mlp.experts";
        vec![
            (format!("{module}.gate_up_proj"), shape.to_vec(), bytes),
            (format!("{module}.down_proj"), down.to_vec(), down_bytes),
        ]
    };
    let out_in = [experts, outputs, WIDTH];
    let in_out = [experts, WIDTH, outputs];
    let down_out_in = [experts, WIDTH, INNER];
    let down_in_out = [experts, INNER, WIDTH];
    let down = filled(down_out_in, |e, o, i| value(e, Down, o, i));
    let down_turned = filled(down_in_out, |e, i, o| value(e, Down, o, i));
    match layout {
        Layout::Fused => fused(out_in, filled(out_in, chunked), down_out_in, down),
        Layout::Llama4 => {
            let bytes = filled(in_out, |e, i, o| chunked(e, o, i));
            fused(in_out, bytes, down_in_out, down_turned)
        }
        Layout::GptOss => {
            let bytes = filled(in_out, |e, i, o| in_turn(e, o, i));
            fused(in_out, bytes, down_in_out, down_turned)
        }
        Layout::Mixtral => apart("block_sparse_moe", ["w1", "w3", "w2"], experts),
        Layout::Apart => apart("mlp", ["gate_proj", "up_proj", "down_proj"], experts),
    }
}

fn apart(module: &str, leaves: [&str; 3], experts: usize) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let mut tensors = Vec::new();
    for expert in 0..experts {
        for (leaf, projection, shape) in [
            (leaves[0], Projection::Gate, [INNER, WIDTH]),
            (leaves[1], Projection::Up, [INNER, WIDTH]),
            (leaves[2], Projection::Down, [WIDTH, INNER]),
        ] {
            let sides = [1, shape[0], shape[1]];
            tensors.push((
                format!("model.layers.0.{module}.experts.{expert}.{leaf}.weight"),
                shape.to_vec(),
                filled(sides, |_, output, input| {
                    value(expert, projection, output, input)
                }),
            ));
        }
    }
    tensors
}

fn checkpoint(layout: Layout, experts: usize) -> Checkpoint {
    let kind = match layout {
        Layout::Mixtral => "mixtral",
        Layout::Apart | Layout::Fused => "qwen3_moe",
        Layout::Llama4 => "llama4_text",
        Layout::GptOss => "gpt_oss",
    };
    of(&tensors(layout, experts), "F32", kind)
}

fn of(tensors: &[(String, Vec<usize>, Vec<u8>)], dtype: &str, kind: &str) -> Checkpoint {
    let folder = Folder::new();
    let mut specs: Vec<Spec<'_>> = tensors
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), dtype, shape.as_slice(), bytes.clone()))
        .collect();
    specs.push(("model.norm.weight", "F32", &[1], vec![0; 4]));
    folder.weights("model.safetensors", &specs);
    let config = format!(
        r#"{{"model_type": "{kind}", "hidden_size": {WIDTH}, "head_dim": 1,
        "num_attention_heads": 4, "num_key_value_heads": 2}}"#
    );
    folder.write("config.json", config.as_bytes());
    folder.open().unwrap()
}

/// Every tensor of `tuned` has a partner in the laid out base with the same values.
fn assert_equal(base: &Checkpoint, tuned: &Checkpoint) {
    let pairing = pair(base, tuned);
    assert!(pairing.base_only.is_empty(), "{pairing:?}");
    assert!(pairing.tuned_only.is_empty(), "{pairing:?}");
    for (base_name, tuned_name) in &pairing.pairs {
        let (before, after) = (&base.tensors()[base_name], &tuned.tensors()[tuned_name]);
        assert_eq!(before.shape, after.shape);
        assert_eq!(before.byte_length(), after.byte_length());
        assert_eq!(
            base.bytes(before).unwrap(),
            tuned.bytes(after).unwrap(),
            "{tuned_name}"
        );
    }
}

#[test]
fn experts_meet_whichever_layout_either_side_has() {
    for base_layout in LAYOUTS {
        for tuned_layout in LAYOUTS {
            let (base, tuned) = (
                checkpoint(base_layout, EXPERTS),
                checkpoint(tuned_layout, EXPERTS),
            );
            let laid_out = base.laid_out_like(&tuned);
            // Two layouts whose names and shapes are the same: the config tells them apart, but they
            // are never the layouts of one model.
            let alike = |layout| matches!(layout, Layout::Llama4 | Layout::GptOss);
            if base_layout == tuned_layout || (alike(base_layout) && alike(tuned_layout)) {
                assert!(laid_out.is_none(), "{base_layout:?} {tuned_layout:?}");
                continue;
            }
            let LaidOut { base, tensors } =
                laid_out.unwrap_or_else(|| panic!("{base_layout:?} {tuned_layout:?}"));
            assert_eq!(tensors, tuned.tensors().len() - 1);
            assert_equal(&base, &tuned);
        }
    }
}

#[test]
fn experts_that_only_the_base_has_stay_visible() {
    let tuned = checkpoint(Layout::Fused, EXPERTS);
    let LaidOut { base, .. } = checkpoint(Layout::Apart, EXPERTS + 1)
        .laid_out_like(&tuned)
        .unwrap();
    let pairing = pair(&base, &tuned);
    assert_eq!(pairing.pairs.len(), 3);
    assert_eq!(pairing.base_only.len(), 3);
    assert!(
        pairing
            .base_only
            .iter()
            .all(|name| name.contains("experts.3."))
    );
    // In one tensor they would go unseen, so it is left as it is.
    let tuned = checkpoint(Layout::Apart, EXPERTS);
    assert!(
        checkpoint(Layout::Fused, EXPERTS + 1)
            .laid_out_like(&tuned)
            .is_none()
    );
    // And experts that only the tuned checkpoint has cannot be made up.
    let tuned = checkpoint(Layout::Fused, EXPERTS + 1);
    assert!(
        checkpoint(Layout::Apart, EXPERTS)
            .laid_out_like(&tuned)
            .is_none()
    );
}

#[test]
fn experts_of_several_dtypes_are_not_joined() {
    let tuned = checkpoint(Layout::Fused, EXPERTS);
    let folder = Folder::new();
    let tensors = tensors(Layout::Apart, EXPERTS);
    let specs: Vec<Spec<'_>> = tensors
        .iter()
        .enumerate()
        .map(|(index, (name, shape, bytes))| {
            let count = if index == 0 {
                bytes.len() / 2
            } else {
                bytes.len()
            };
            let dtype = if index == 0 { "F16" } else { "F32" };
            (
                name.as_str(),
                dtype,
                shape.as_slice(),
                bytes[..count].to_vec(),
            )
        })
        .collect();
    folder.weights("model.safetensors", &specs);
    folder.write(
        "config.json",
        br#"{"model_type": "qwen3_moe", "hidden_size": 4}"#,
    );
    let base = folder.open().unwrap();
    let LaidOut { base, tensors } = base.laid_out_like(&tuned).unwrap();
    assert_eq!(tensors, 1);
    assert!(
        base.tensor("model.layers.0.mlp.experts.0.gate_proj.weight")
            .is_some()
    );
    assert!(
        base.tensor("model.layers.0.mlp.experts.down_proj")
            .is_some()
    );
}

#[test]
fn queries_keys_and_values_meet_in_one_tensor_or_three() {
    let module = "model.layers.0.self_attn";
    let rows = |first: usize, rows: usize| {
        filled([1, rows, WIDTH], |_, row, col| {
            value(0, Projection::Gate, first + row, col)
        })
    };
    let fused = [(
        format!("{module}.qkv_proj.weight"),
        vec![8, WIDTH],
        rows(0, 8),
    )];
    let apart = [("q", 0, 4), ("k", 4, 2), ("v", 6, 2)].map(|(part, first, count)| {
        let name = format!("{module}.{part}_proj.weight");
        (name, vec![count, WIDTH], rows(first, count))
    });
    let (fused, apart) = (of(&fused, "F32", "phi3"), of(&apart, "F32", "llama"));
    for (base, tuned, tensors) in [(&fused, &apart, 3), (&apart, &fused, 1)] {
        let laid_out = base.laid_out_like(tuned).unwrap();
        assert_eq!(laid_out.tensors, tensors);
        assert_equal(&laid_out.base, tuned);
    }
}

#[test]
fn a_matrix_that_changed_its_shape_is_not_taken_for_another_layout() {
    let of_rows = |rows: usize| {
        let name = "model.layers.0.self_attn.k_proj.weight".to_owned();
        let bytes = filled([1, rows, WIDTH], |_, row, col| {
            value(0, Projection::Gate, row, col)
        });
        of(&[(name, vec![rows, WIDTH], bytes)], "F32", "llama")
    };
    assert!(of_rows(2).laid_out_like(&of_rows(4)).is_none());
}

//! Parts of quantised tensors that are missing, do not fit, or are of another kind: skipped with the
//! reason, and never read as something else.

use proptest::prelude::*;
use serde_json::json;

use super::files::{Folder, Spec};
use crate::checkpoint::Checkpoint;

const GPTQ: &str =
    r#"{"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32}}"#;
const AWQ: &str =
    r#"{"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 32}}"#;
const MLX: &str = r#"{"quantization": {"bits": 4, "group_size": 32}}"#;
const PACKED: &str = r#"{"quantization_config": {"quant_method": "compressed-tensors", "format": "pack-quantized"}}"#;
const BLOCKS: &str =
    r#"{"quantization_config": {"quant_method": "fp8", "weight_block_size": [16, 16]}}"#;
const PLAIN: &str = "{}";

fn width(dtype: &str) -> usize {
    match dtype {
        "F32" | "I32" | "U32" => 4,
        "F16" | "BF16" => 2,
        "I64" => 8,
        _ => 1,
    }
}

/// A tensor of zeros.
fn zeros<'a>(name: &'a str, dtype: &'a str, shape: &'a [usize]) -> Spec<'a> {
    let count: usize = shape.iter().product();
    (name, dtype, shape, vec![0; count * width(dtype)])
}

fn open(tensors: &[Spec<'_>], config: &str) -> Checkpoint {
    let folder = Folder::new();
    folder.weights("model.safetensors", tensors);
    folder.write("config.json", config.as_bytes());
    folder.open().unwrap()
}

/// GPTQ of 8 outputs and 64 inputs in two groups.
fn gptq<'a>() -> Vec<Spec<'a>> {
    vec![
        zeros("m.qweight", "I32", &[8, 8]),
        zeros("m.qzeros", "I32", &[2, 1]),
        zeros("m.scales", "F16", &[2, 8]),
        zeros("m.g_idx", "I32", &[64]),
    ]
}

/// Every part with another part in its place.
fn with<'a>(tensors: &[Spec<'a>], other: &Spec<'a>) -> Vec<Spec<'a>> {
    let same = |tensor: &Spec<'a>| {
        if tensor.0 == other.0 {
            other.clone()
        } else {
            tensor.clone()
        }
    };
    tensors.iter().map(same).collect()
}

#[track_caller]
fn is_broken(tensors: &[Spec<'_>], config: &str, what: &str) {
    let checkpoint = open(tensors, config);
    let reason = &checkpoint.skipped()["m.weight"].reason;
    assert!(reason.contains(what), "{reason}");
    assert!(
        checkpoint.tensors().is_empty(),
        "{:?}",
        checkpoint.tensors()
    );
    let [defect] = checkpoint.defects() else {
        panic!("{:?}", checkpoint.defects());
    };
    assert_eq!(defect.file, "model.safetensors");
    assert!(defect.message.contains(what), "{}", defect.message);
}

#[track_caller]
fn is_unsupported(tensors: &[Spec<'_>], config: &str, what: &str) {
    let checkpoint = open(tensors, config);
    let reason = &checkpoint.skipped()["m.weight"].reason;
    assert!(reason.contains(what), "{reason}");
    assert!(
        checkpoint.tensors().is_empty(),
        "{:?}",
        checkpoint.tensors()
    );
    assert_eq!(checkpoint.defects(), []);
}

#[test]
fn parts_that_fit_are_one_tensor_and_nothing_is_left_over() {
    let checkpoint = open(&gptq(), GPTQ);
    let names: Vec<&String> = checkpoint.tensors().keys().collect();
    assert_eq!(names, ["m.weight"]);
    assert_eq!(checkpoint.tensor("m.weight").unwrap().shape, [8, 64]);
    assert!(checkpoint.skipped().is_empty());
    assert_eq!(checkpoint.defects(), []);
}

#[test]
fn gptq_whose_parts_do_not_fit_is_broken() {
    let missing: Vec<Spec<'_>> = gptq()
        .into_iter()
        .filter(|part| part.0 != "m.qzeros")
        .collect();
    is_broken(&missing, GPTQ, "there is no `m.qzeros`");
    for (part, what) in [
        (
            zeros("m.qzeros", "I32", &[2, 2]),
            "`qzeros` has the shape [2, 2]",
        ),
        (zeros("m.scales", "F16", &[3, 8]), "`qzeros`"),
        (
            zeros("m.scales", "F16", &[2, 7]),
            "`scales` has the shape [2, 7]",
        ),
        (zeros("m.qweight", "I32", &[7, 8]), "7 rows of words"),
        (zeros("m.g_idx", "I32", &[63]), "63 inputs"),
        (
            ("m.g_idx", "I32", &[64], [2, 0, 0, 0].repeat(64)),
            "names group 2, of 2",
        ),
        (("m.g_idx", "I32", &[64], vec![255; 256]), "names group -1"),
    ] {
        is_broken(&with(&gptq(), &part), GPTQ, what);
    }
    let groups = GPTQ.replace("32}", "16}");
    is_broken(&gptq(), &groups, "has 2 groups");
}

#[test]
fn a_stored_zero_wraps_around_in_the_first_format_only() {
    let one = half::f16::ONE.to_le_bytes();
    let tensors = [
        zeros("m.qweight", "I32", &[8, 8]),
        ("m.qzeros", "I32", &[2, 1], vec![0xff; 8]),
        ("m.scales", "F16", &[2, 8], one.repeat(16)),
    ];
    for (config, expected) in [
        (GPTQ.to_owned(), 0.0),
        (
            GPTQ.replace("\"bits\"", "\"checkpoint_format\": \"gptq_v2\", \"bits\""),
            -15.0,
        ),
    ] {
        let checkpoint = open(&tensors, &config);
        let bytes = checkpoint.bytes(&checkpoint.tensors()["m.weight"]).unwrap();
        let found = crate::checkpoint::to_f64(crate::checkpoint::Dtype::F32, &bytes);
        assert!(
            found.iter().all(|value| (value - expected).abs() <= 0.0),
            "{config}"
        );
    }
}

#[test]
fn gptq_in_a_layout_that_is_not_known_is_not_read() {
    let layout = GPTQ.replace("\"bits\"", "\"checkpoint_format\": \"marlin\", \"bits\"");
    is_unsupported(&gptq(), &layout, "`marlin`");
    is_unsupported(&gptq(), PLAIN, "which `config.json` does not name");
    let other = GPTQ.replace("gptq", "vptq");
    is_unsupported(&gptq(), &other, "`vptq`");
    let scales = with(&gptq(), &zeros("m.scales", "F8_E4M3", &[2, 8]));
    is_unsupported(&scales, GPTQ, "`scales` is F8_E4M3");
}

#[test]
fn awq_of_other_kinds_or_shapes_is_not_read() {
    let parts = [
        zeros("m.qweight", "I32", &[64, 1]),
        zeros("m.qzeros", "I32", &[2, 1]),
        zeros("m.scales", "F16", &[2, 8]),
    ];
    assert_eq!(open(&parts, AWQ).tensor("m.weight").unwrap().shape, [8, 64]);
    let gemv = AWQ.replace("\"bits\"", "\"version\": \"gemv\", \"bits\"");
    is_unsupported(&parts, &gemv, "`gemv`");
    is_broken(&parts, &AWQ.replace("32}", "64}"), "has 2 groups");
    is_broken(
        &with(&parts, &zeros("m.scales", "F16", &[2, 16])),
        AWQ,
        "`scales`",
    );
}

#[test]
fn packed_words_that_do_not_fit_the_shape_are_broken() {
    let sides = |rows: i64, cols: i64| [rows, cols].map(i64::to_le_bytes).concat();
    let parts = |shape: Vec<u8>| {
        vec![
            zeros("m.weight_packed", "I32", &[4, 8]),
            zeros("m.weight_scale", "F32", &[4, 2]),
            ("m.weight_shape", "I64", &[2], shape),
        ]
    };
    assert_eq!(
        open(&parts(sides(4, 64)), PACKED)
            .tensor("m.weight")
            .unwrap()
            .shape,
        [4, 64]
    );
    // Eight bits fit these words as well as four.
    assert_eq!(
        open(&parts(sides(4, 32)), PACKED)
            .tensor("m.weight")
            .unwrap()
            .scheme(),
        Some("compressed-tensors-int8-g16")
    );
    is_broken(&parts(sides(4, 48)), PACKED, "does not fit 4 x 48");
    is_broken(&parts(sides(5, 64)), PACKED, "does not fit 5 x 64");
    is_broken(&parts(sides(-4, 64)), PACKED, "`weight_shape` is");
    is_broken(&parts(sides(i64::MAX, i64::MAX)), PACKED, "overflows");
    is_broken(&parts(sides(0, 64)), PACKED, "holds no values");
    is_unsupported(
        &parts(sides(4, 64)),
        &PACKED.replace("pack-", "marlin-24-"),
        "`marlin-24-quantized`",
    );
}

#[test]
fn eight_bit_floats_need_a_scale_that_fits() {
    let weight = zeros("m.weight", "F8_E4M3", &[40, 40]);
    let parts = |scale| [weight.clone(), scale];
    let fitting = parts(zeros("m.weight_scale_inv", "F32", &[3, 3]));
    assert_eq!(
        open(&fitting, BLOCKS).tensor("m.weight").unwrap().shape,
        [40, 40]
    );
    is_broken(
        &parts(zeros("m.weight_scale_inv", "F32", &[2, 3])),
        BLOCKS,
        "expected [3, 3]",
    );
    is_broken(
        &parts(zeros("m.weight_scale_inv", "F32", &[1, 1])),
        BLOCKS,
        "expected [3, 3]",
    );
    is_broken(
        std::slice::from_ref(&weight),
        BLOCKS,
        "its scale is missing",
    );
    is_unsupported(&fitting, PLAIN, "declares no size of blocks");
    // Without a config that promises scales, it may be what it seems.
    assert_eq!(
        open(&[weight], PLAIN).tensor("m.weight").unwrap().scheme(),
        None
    );
}

#[test]
fn experts_of_eight_bit_floats_are_not_read_without_their_scales() {
    let name = "model.layers.0.mlp.experts.down_proj";
    let scale = format!("{name}_scale_inv");
    let tensors = [
        zeros(name, "F8_E4M3", &[2, 32, 32]),
        zeros(&scale, "F32", &[2, 2, 2]),
    ];
    let checkpoint = open(&tensors, BLOCKS);
    assert!(checkpoint.tensors().is_empty());
    assert!(checkpoint.skipped()[name].reason.contains("no `weight`"));
}

#[test]
fn a_state_of_bitsandbytes_must_fit_its_codes() {
    let state = |shape: &[usize]| {
        json!({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": shape})
            .to_string()
            .into_bytes()
    };
    let parts = |state: Vec<u8>| {
        let length: &'static [usize] = Box::leak(Box::new([state.len()]));
        vec![
            zeros("m.weight", "U8", &[64, 1]),
            zeros("m.weight.absmax", "F32", &[2]),
            zeros("m.weight.quant_map", "F32", &[16]),
            (
                "m.weight.quant_state.bitsandbytes__nf4",
                "U8",
                length,
                state,
            ),
        ]
    };
    assert_eq!(
        open(&parts(state(&[8, 16])), PLAIN)
            .tensor("m.weight")
            .unwrap()
            .shape,
        [8, 16]
    );
    is_broken(&parts(state(&[8, 17])), PLAIN, "64 bytes do not hold");
    is_broken(
        &parts(state(&[usize::MAX, 16])),
        PLAIN,
        "64 bytes do not hold",
    );
    is_broken(&parts(state(&[])), PLAIN, "64 bytes do not hold");
    is_broken(&parts(b"{".to_vec()), PLAIN, "is not readable");
    let nested = with(
        &parts(state(&[8, 16])),
        &zeros("m.weight.absmax", "U8", &[2]),
    );
    is_broken(&nested, PLAIN, "`nested_blocksize`");
    let short = with(
        &parts(state(&[8, 16])),
        &zeros("m.weight.absmax", "F32", &[1]),
    );
    is_broken(&short, PLAIN, "`absmax` has the shape [1]");
}

#[test]
fn codes_of_4_bits_in_storage_of_floats_are_no_matrix() {
    // Sharded trainers store the codes as BF16: [n / 4, 1].
    let state =
        json!({"quant_type": "fp4", "blocksize": 64, "dtype": "bfloat16", "shape": [8, 16]});
    let state = state.to_string().into_bytes();
    let tensors = [
        zeros("m.weight", "BF16", &[32, 1]),
        zeros("m.weight.absmax", "F32", &[2]),
        zeros("m.weight.quant_map", "F32", &[16]),
        (
            "m.weight.quant_state.bitsandbytes__fp4",
            "U8",
            &[state.len()],
            state.clone(),
        ),
    ];
    let checkpoint = open(&tensors, PLAIN);
    let tensor = checkpoint.tensor("m.weight").unwrap();
    assert_eq!(tensor.shape, [8, 16]);
    assert_eq!(tensor.scheme(), Some("bitsandbytes-fp4-b64"));
}

#[test]
fn mlx_and_model_opt_of_other_kinds_are_not_read() {
    let parts = [
        zeros("m.weight", "U32", &[4, 8]),
        zeros("m.scales", "BF16", &[4, 2]),
        zeros("m.biases", "BF16", &[4, 2]),
    ];
    assert_eq!(open(&parts, MLX).tensor("m.weight").unwrap().shape, [4, 64]);
    is_unsupported(&parts, PLAIN, "`weight` in U32");
    is_unsupported(
        &parts,
        &MLX.replace("\"bits\"", "\"mode\": \"mxfp4\", \"bits\""),
        "`mxfp4`",
    );
    is_broken(&parts, &MLX.replace("32}", "64}"), "8 words of 4-bit codes");
    is_broken(
        &with(&parts, &zeros("m.biases", "BF16", &[4, 3])),
        MLX,
        "`biases`",
    );
    let scaled = [
        zeros("m.weight", "U8", &[4, 16]),
        zeros("m.weight_scale", "F8_E4M3", &[4, 2]),
        zeros("m.weight_scale_2", "F32", &[]),
        zeros("m.pre_quant_scale", "F32", &[32]),
    ];
    is_unsupported(&scaled[..], PLAIN, "`pre_quant_scale`");
    assert_eq!(
        open(&scaled[..3], PLAIN).tensor("m.weight").unwrap().shape,
        [4, 32]
    );
    // Integers of the same producer have scales in floating point.
    let integers = with(&scaled[..3], &zeros("m.weight_scale", "F32", &[4, 2]));
    is_unsupported(&integers, PLAIN, "`weight_scale` is F32");
}

#[test]
fn a_weight_that_is_stored_beside_its_codes_is_broken_and_kept() {
    let mut tensors = gptq();
    tensors.push(zeros("m.weight", "F32", &[8, 64]));
    let checkpoint = open(&tensors, GPTQ);
    assert_eq!(checkpoint.tensor("m.weight").unwrap().scheme(), None);
    assert!(checkpoint.skipped().contains_key("m.qweight"));
    assert!(
        checkpoint.defects()[0]
            .message
            .contains("is stored as well")
    );
}

#[test]
fn a_defect_that_many_tensors_share_is_told_once() {
    let tensors = [
        zeros("a.weight", "F8_E4M3", &[32, 32]),
        zeros("b.weight", "F8_E4M3", &[32, 32]),
    ];
    let checkpoint = open(&tensors, BLOCKS);
    let [defect] = checkpoint.defects() else {
        panic!("{:?}", checkpoint.defects());
    };
    assert!(
        defect
            .message
            .starts_with("2 quantised tensors, first `a.weight`")
    );
}

const LEAVES: &[&str] = &[
    "qweight",
    "qzeros",
    "scales",
    "g_idx",
    "weight",
    "biases",
    "weight_packed",
    "weight_scale",
    "weight_scale_inv",
    "weight_scale_2",
    "weight_shape",
    "weight_zero_point",
    "weight_g_idx",
    "weight_global_scale",
    "SCB",
    "weight_format",
    "weight.absmax",
    "weight.quant_map",
    "weight.nested_absmax",
    "weight.nested_quant_map",
    "weight.quant_state.bitsandbytes__nf4",
    "weight_blocks",
    "weight_scales",
];
const DTYPES: &[&str] = &[
    "I32", "U32", "F16", "BF16", "F32", "U8", "I8", "F8_E4M3", "F8_E8M0", "I64",
];
const CONFIGS: &[&str] = &[GPTQ, AWQ, MLX, PACKED, BLOCKS, PLAIN];

fn part() -> impl Strategy<Value = (usize, usize, Vec<usize>, u8)> {
    let side = prop_oneof![Just(0_usize), 1..5_usize, Just(8), Just(16), Just(32)];
    let shape = proptest::collection::vec(side, 0..4);
    (0..LEAVES.len(), 0..DTYPES.len(), shape, any::<u8>())
}

proptest! {
    #[test]
    fn no_parts_make_the_reader_panic(
        parts in proptest::collection::vec(part(), 1..8),
        config in 0..CONFIGS.len(),
    ) {
        let mut tensors: Vec<(String, &str, Vec<usize>, Vec<u8>)> = Vec::new();
        for (leaf, dtype, shape, byte) in parts {
            let name = format!("m.{}", LEAVES[leaf]);
            if tensors.iter().all(|(other, ..)| *other != name) {
                let count = shape.iter().product::<usize>() * width(DTYPES[dtype]);
                tensors.push((name, DTYPES[dtype], shape, vec![byte; count]));
            }
        }
        let specs: Vec<Spec<'_>> = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| (name.as_str(), *dtype, shape.as_slice(), bytes.clone()))
            .collect();
        read_all(&open(&specs, CONFIGS[config]));
    }

    /// Parts that fit but for one side, one dtype, or what they hold.
    #[test]
    fn no_slip_in_one_part_makes_the_reader_panic(
        which in 0..4_usize, dtype in 0..DTYPES.len(), shape in proptest::collection::vec(0..70_usize, 1..3),
        byte in any::<u8>(), config in 0..CONFIGS.len(),
    ) {
        let mut tensors = gptq();
        let name = tensors[which].0;
        let count = shape.iter().product::<usize>() * width(DTYPES[dtype]);
        tensors[which] = (name, DTYPES[dtype], &shape, vec![byte; count]);
        read_all(&open(&tensors, CONFIGS[config]));
    }
}

/// Every tensor that is offered can be read, and is as long as it says.
fn read_all(checkpoint: &Checkpoint) {
    for tensor in checkpoint.tensors().values() {
        let bytes = checkpoint.bytes(tensor).unwrap();
        assert_eq!(bytes.len() as u64, tensor.byte_length(), "{tensor:?}");
        if let Some(errors) = checkpoint.squared_errors(tensor).unwrap() {
            assert_eq!(errors.len(), tensor.shape[0]);
        }
    }
}

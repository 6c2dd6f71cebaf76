//! Every format of docs/formats.md against what its library makes of the same file.

use std::path::PathBuf;

use serde_json::Value;
use tunegate::checkpoint::fingerprint::sha256_hex;
use tunegate::checkpoint::{Checkpoint, Dtype, to_f32, to_f64};
use tunegate::fs;

use crate::support::random::Random;
use crate::support::repository;

/// A row of the table in docs/formats.md.
struct Row {
    format: &'static str,
    source: &'static str,
    checked: &'static str,
    /// Folder in tests/fixtures/quant, and the scheme that it is read as.
    fixtures: &'static [(&'static str, &'static str)],
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row { format: "GPTQ 2, 3, 4, 8 bits, `gptq` and `gptq_v2`", source: "GPTQ",
          checked: "words, zero points, groups, `g_idx` against each other",
          fixtures: &[("gptq_2bit", "gptq-2bit-g64"), ("gptq_4bit", "gptq-4bit-g64"), ("gptq_4bit_v2", "gptq-4bit-g64"),
                      ("gptq_8bit", "gptq-8bit-g64"), ("made_gptq_3bit", "gptq-3bit-g32"), ("made_gptq_4bit_act_order", "gptq-4bit-g32")] },
    Row { format: "AWQ 4 bits, `gemm`", source: "AutoAWQ", checked: "words, zero points, groups",
          fixtures: &[("awq_gemm_4bit", "awq-4bit-g64")] },
    Row { format: "bitsandbytes NF4, FP4, also double quantised", source: "bitsandbytes 0.50",
          checked: "codes against the shape in the state, blocks, both levels of scales",
          fixtures: &[("bnb_nf4", "bitsandbytes-nf4-b64"), ("bnb_fp4", "bitsandbytes-fp4-b64"), ("bnb_fp4_dq", "bitsandbytes-fp4-b64-dq")] },
    Row { format: "bitsandbytes int8", source: "bitsandbytes 0.50", checked: "`SCB`, row-major layout",
          fixtures: &[("bnb_int8", "bitsandbytes-int8")] },
    Row { format: "FP8 by tensor, channel or block", source: "transformers, compressed-tensors 0.20",
          checked: "scales against the declared block, blocks cut off at the edge, scales that are powers of two",
          fixtures: &[("fp8_block", "f8-e4m3-block32x32"), ("ct_fp8_channel", "f8-e4m3-channel"), ("made_fp8_tensor", "f8-e4m3-tensor"),
                      ("made_fp8_e8m0", "f8-e4m3-block16x32"), ("made_fp8_u8", "f8-e4m3-block16x32")] },
    Row { format: "compressed-tensors `pack-quantized`, 4 and 8 bits", source: "compressed-tensors 0.20",
          checked: "words against `weight_shape`, groups, zero points, `weight_g_idx`",
          fixtures: &[("ct_pack_int4_sym", "compressed-tensors-int4-g64"), ("made_packed_int8", "compressed-tensors-int8-g32"),
                      ("made_packed_int4_zeros", "compressed-tensors-int4-g32"), ("made_packed_int4_zeros_order", "compressed-tensors-int4-g32")] },
    Row { format: "compressed-tensors `int-quantized`, `naive-quantized`", source: "compressed-tensors 0.20",
          checked: "scales and zero points against the shape",
          fixtures: &[("ct_int8_channel", "compressed-tensors-int8-channel"), ("made_int8_zeros", "compressed-tensors-int8-channel")] },
    Row { format: "NVFP4 of compressed-tensors and ModelOpt", source: "compressed-tensors 0.20; ModelOpt by its description",
          checked: "scales for 16 inputs, scale of the tensor",
          fixtures: &[("nvfp4", "nvfp4"), ("made_modelopt_nvfp4", "nvfp4")] },
    Row { format: "MXFP4 of compressed-tensors and gpt-oss", source: "transformers; compressed-tensors by its description",
          checked: "scales for 32 inputs; experts become [experts, in, out]",
          fixtures: &[("mxfp4_gptoss", "mxfp4"), ("made_mxfp4_packed", "mxfp4")] },
    Row { format: "MLX 2 to 8 bits, `affine`", source: "MLX by its description", checked: "words against groups, bits of modules",
          fixtures: &[("made_mlx_2bit", "mlx-2bit-g32"), ("made_mlx_3bit", "mlx-3bit-g64"), ("made_mlx_4bit", "mlx-4bit-g64"),
                      ("made_mlx_6bit", "mlx-6bit-g32"), ("made_mlx_8bit", "mlx-8bit-g64"), ("made_mlx_4bit_experts", "mlx-4bit-g64")] },
];

fn folder(case: &str) -> PathBuf {
    repository(&format!("tests/fixtures/quant/{case}"))
}

fn reference(case: &str) -> Value {
    let text = fs::read_to_string(&folder(case).join("reference.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A file with one byte changed, in its header or its data.
fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = (random.uniform() * bytes.len() as f64).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in the file and a byte"
    )]
    let (place, byte) = (place as usize, (random.uniform() * 256.0) as u8);
    bytes[place] = byte;
    bytes
}

#[test]
fn no_damage_to_a_quantised_file_makes_the_reader_panic() {
    let mut random = Random::named(1, "damage");
    let (mut refused, mut read) = (0, 0);
    for (case, _) in cases() {
        let target = tempfile::tempdir().unwrap();
        for name in fs::list(&folder(case)).unwrap() {
            let bytes = fs::read(&folder(case).join(&name)).unwrap();
            fs::write_atomic(&target.path().join(&name), &bytes).unwrap();
        }
        let model = target.path().join("model.safetensors");
        let whole = fs::read(&model).unwrap();
        // Headers are small beside the data: half of the changes go to the start of the file.
        for round in 0..40 {
            let start = if round % 2 == 0 { 700 } else { whole.len() };
            let mut bytes = damaged(&whole[..start.min(whole.len())], &mut random);
            bytes.extend_from_slice(whole.get(start..).unwrap_or_default());
            fs::write_atomic(&model, &bytes).unwrap();
            match Checkpoint::open(target.path(), case) {
                Err(_) => refused += 1,
                Ok(checkpoint) => {
                    read += 1;
                    for tensor in checkpoint.tensors().values() {
                        let bytes = checkpoint.bytes(tensor).unwrap();
                        assert_eq!(bytes.len() as u64, tensor.byte_length(), "{case}");
                        checkpoint.squared_errors(tensor).unwrap();
                    }
                }
            }
        }
    }
    assert!(refused > 50 && read > 400, "{refused} {read}");
}

fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROWS.iter().flat_map(|row| row.fixtures.iter().copied())
}

#[test]
fn every_format_gives_the_values_of_its_formula_bit_for_bit() {
    for (case, scheme) in cases() {
        let reference = reference(case);
        let checkpoint = Checkpoint::open(&folder(case), case).unwrap();
        assert_eq!(checkpoint.defects(), [], "{case}");
        assert!(checkpoint.skipped().is_empty(), "{case}");
        let names: Vec<&String> = checkpoint.tensors().keys().collect();
        assert_eq!(names, [reference["tensor"].as_str().unwrap()], "{case}");
        let tensor = checkpoint.tensor(names[0]).unwrap();
        assert_eq!(
            serde_json::json!(tensor.shape),
            reference["shape"],
            "{case}"
        );
        assert_eq!(tensor.scheme(), Some(scheme), "{case}");
        let bytes = checkpoint.bytes(tensor).unwrap();
        assert_eq!(bytes.len() as u64, tensor.byte_length(), "{case}");
        let values = to_f32(tensor.dtype, &bytes);
        for (index, expected) in reference["values"].as_object().unwrap() {
            let found = values[index.parse::<usize>().unwrap()];
            let error = (f64::from(found) - expected.as_f64().unwrap()).abs();
            assert!(error <= 0.0, "{case} [{index}]: {found}, not {expected}");
        }
        let singles: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(sha256_hex(&singles), reference["sha256"], "{case}");
    }
}

#[test]
fn only_powers_of_two_times_short_floats_are_stored_in_16_bits() {
    for (case, scheme) in cases() {
        let checkpoint = Checkpoint::open(&folder(case), case).unwrap();
        let dtype = checkpoint.tensors().values().next().unwrap().dtype;
        let expected = if scheme == "mxfp4" {
            Dtype::Bf16
        } else {
            Dtype::F32
        };
        assert_eq!(dtype, expected, "{case}");
    }
}

#[test]
fn the_expected_error_is_that_which_rounding_made() {
    for (case, _) in cases() {
        let Some(made) = reference(case)["relative_error"].as_f64() else {
            continue;
        };
        let checkpoint = Checkpoint::open(&folder(case), case).unwrap();
        let tensor = checkpoint.tensors().values().next().unwrap();
        let errors = checkpoint.squared_errors(tensor).unwrap().unwrap();
        assert_eq!(errors.len(), tensor.shape[0], "{case}");
        let values = to_f64(tensor.dtype, &checkpoint.bytes(tensor).unwrap());
        let energy: f64 = values.iter().map(|value| value * value).sum();
        let expected = (errors.iter().sum::<f64>() / energy).sqrt();
        println!("{case}: expected {expected:.4}, made {made:.4}");
        assert!(
            (expected / made - 1.0).abs() <= 0.15,
            "{case}: {expected} for {made}"
        );
    }
}

#[test]
fn every_fixture_is_in_the_table_of_a_format() {
    let names = fs::list(&repository("tests/fixtures/quant")).unwrap();
    let mut stored: Vec<String> = names
        .into_iter()
        .filter(|name| folder(name).is_dir())
        .collect();
    let mut listed: Vec<String> = cases().map(|(case, _)| case.to_owned()).collect();
    stored.sort();
    listed.sort();
    assert_eq!(stored, listed);
}

#[test]
fn the_documentation_has_the_table_of_formats() {
    let mut table = String::from(
        "| format | source of the formula | what is checked | fixture |\n|---|---|---|---|\n",
    );
    for row in ROWS {
        let Row {
            format,
            source,
            checked,
            fixtures,
        } = row;
        let names: Vec<String> = fixtures
            .iter()
            .map(|(case, _)| format!("`{case}`"))
            .collect();
        table.push_str(
            &[
                "| ",
                format,
                " | ",
                source,
                " | ",
                checked,
                " | ",
                &names.join(", "),
                " |\n",
            ]
            .concat(),
        );
    }
    let documented = crate::support::repository_text("docs/formats.md");
    assert!(
        documented.contains(&table),
        "docs/formats.md lacks\n{table}"
    );
}

use proptest::prelude::*;

use super::files::{Folder, counting, safetensors};
use crate::checkpoint::tensor::Source;
use crate::checkpoint::{Checkpoint, CheckpointError, Dtype, to_f64};

fn defects(checkpoint: &Checkpoint) -> Vec<String> {
    checkpoint
        .defects()
        .iter()
        .map(|defect| format!("{}: {}", defect.file, defect.message))
        .collect()
}

fn names(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint.tensors().keys().map(String::as_str).collect()
}

#[test]
fn a_file_written_by_the_reference_crate_is_read() {
    let folder = Folder::new();
    let bytes = counting(6);
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 3], &bytes);
    let file = safetensors::serialize([("a.weight", view.unwrap())], None).unwrap();
    let path = folder.write("any name.safetensors", &file);
    let checkpoint = Checkpoint::open(&path, "hf://a/b").unwrap();
    let tensor = checkpoint.tensor("a.weight").unwrap();
    assert_eq!((tensor.dtype, &tensor.shape[..]), (Dtype::F32, &[2, 3][..]));
    let values = to_f64(tensor.dtype, &checkpoint.bytes(tensor).unwrap());
    assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(checkpoint.reference(), "hf://a/b");
    assert!(checkpoint.defects().is_empty() && checkpoint.skipped().is_empty());
}

#[test]
fn a_tensor_of_experts_has_a_layer_for_each() {
    let folder = Folder::new();
    let spec = ("x.experts.down_proj", "F32", &[3, 2, 2][..], counting(12));
    folder.weights("model.safetensors", &[spec]);
    assert_eq!(folder.open().unwrap().layers().len(), 3);
}

#[test]
fn the_single_file_is_preferred_and_the_others_are_named() {
    let folder = Folder::new();
    folder.weights("model.safetensors", &[("a", "U8", &[1], vec![0])]);
    folder.weights(
        "consolidated.safetensors",
        &[("b", "F32", &[1], counting(1))],
    );
    folder.index(&[("b", "consolidated.safetensors")]);
    let checkpoint = folder.open().unwrap();
    assert!(checkpoint.tensors().is_empty());
    assert_eq!(checkpoint.unread_files(), ["consolidated.safetensors"]);
    let reason = &checkpoint.skipped()["a"].reason;
    assert_eq!(reason, "integer tensor (U8): not a weight as it stands");
}

#[test]
fn shards_of_any_name_are_read_by_index_and_without() {
    let folder = Folder::new();
    folder.weights("shard_00.safetensors", &[("a", "F32", &[2], counting(2))]);
    folder.weights("sub/x.safetensors", &[("b", "F32", &[2], counting(2))]);
    assert_eq!(names(&folder.open().unwrap()), ["a"]);
    folder.index(&[("a", "shard_00.safetensors"), ("b", "sub/x.safetensors")]);
    let checkpoint = folder.open().unwrap();
    assert_eq!(names(&checkpoint), ["a", "b"]);
    assert!(defects(&checkpoint).is_empty());
}

#[test]
fn an_index_that_disagrees_with_its_shards_is_a_defect() {
    let folder = Folder::new();
    let one = |name| (name, "F32", &[2][..], counting(2));
    folder.weights("1.safetensors", &[one("a"), one("extra"), one("twice")]);
    folder.weights("2.safetensors", &[one("moved"), one("twice")]);
    folder.index(&[
        ("a", "1.safetensors"),
        ("moved", "1.safetensors"),
        ("lost", "2.safetensors"),
        ("twice", "2.safetensors"),
        ("gone", "3.safetensors"),
    ]);
    let checkpoint = folder.open().unwrap();
    assert_eq!(names(&checkpoint), ["a", "extra", "moved", "twice"]);
    let twice = &checkpoint.tensor("twice").unwrap().source;
    assert!(matches!(twice, Source::Stored(span) if span.file == 1));
    let skipped: Vec<_> = checkpoint.skipped().keys().collect();
    assert_eq!(skipped, ["gone", "lost"]);
    let index = "model.safetensors.index.json";
    assert_eq!(
        defects(&checkpoint),
        [
            "2.safetensors: tensor `twice` is in another file too".to_owned(),
            format!("3.safetensors: named by `{index}`, but there is no such file"),
            format!("1.safetensors: tensor `moved` is mapped to it by `{index}` but not in it"),
            format!("2.safetensors: tensor `lost` is mapped to it by `{index}` but not in it"),
            format!("1.safetensors: tensor `extra` is not in `{index}`"),
        ]
    );
}

#[test]
fn a_file_cut_off_keeps_the_tensors_whose_bytes_are_there() {
    let folder = Folder::new();
    let mut file = safetensors(&[
        ("a", "F32", &[2], counting(2)),
        ("b", "F32", &[2], counting(2)),
    ]);
    file.pop();
    let size = file.len();
    folder.write("model.safetensors", &file);
    let checkpoint = folder.open().unwrap();
    assert_eq!(names(&checkpoint), ["a"]);
    assert!(checkpoint.skipped()["b"].reason.contains("beyond the end"));
    let expected = format!(
        "cut off: {size} bytes where its header describes {}",
        size + 1
    );
    assert_eq!(checkpoint.defects()[0].message, expected);
}

#[test]
fn bytes_after_the_data_are_a_defect() {
    let folder = Folder::new();
    let mut file = safetensors(&[("a", "F32", &[2], counting(2))]);
    file.extend_from_slice(b"more");
    folder.write("model.safetensors", &file);
    let checkpoint = folder.open().unwrap();
    assert_eq!(
        defects(&checkpoint),
        ["model.safetensors: 4 bytes follow what its header describes"]
    );
    assert_eq!(names(&checkpoint), ["a"]);
}

#[test]
fn offsets_at_the_end_of_the_number_range_are_no_overflow() {
    let folder = Folder::new();
    let json = format!(
        r#"{{"a":{{"dtype":"new","shape":[1],"data_offsets":[0,{}]}}}}"#,
        u64::MAX
    );
    let mut file = (json.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(json.as_bytes());
    folder.write("model.safetensors", &file);
    let checkpoint = folder.open().unwrap();
    assert_eq!(checkpoint.skipped()["a"].reason, "unknown dtype `new`");
    assert_eq!(checkpoint.defects().len(), 1);
}

#[test]
fn an_index_may_not_name_files_elsewhere() {
    for name in [
        "../x.safetensors",
        "/x.safetensors",
        "a/../x.safetensors",
        "a\\x.safetensors",
        "c:x.safetensors",
        "x\0.safetensors",
        "./x.safetensors",
        "a//x.safetensors",
        "adapter_model.safetensors",
        "x.bin",
        "",
    ] {
        let folder = Folder::new();
        folder.index(&[("a", name)]);
        assert!(
            matches!(folder.open(), Err(CheckpointError::IndexName { .. })),
            "{name}"
        );
    }
}

#[test]
fn an_index_that_names_a_tensor_twice_is_refused() {
    let folder = Folder::new();
    let json = br#"{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}"#;
    folder.write("model.safetensors.index.json", json);
    assert!(matches!(folder.open(), Err(CheckpointError::Index { .. })));
}

#[cfg(unix)]
#[test]
fn links_may_stay_inside_or_lead_to_the_blobs_of_the_cache() {
    use std::os::unix::fs::symlink;
    let cache = Folder::new();
    let blob = cache.weights("blobs/0123", &[("a", "F32", &[2], counting(2))]);
    cache.write("snapshots/abc/README", b"");
    let snapshot = cache.path().join("snapshots/abc");
    symlink("../../blobs/0123", snapshot.join("model.safetensors")).unwrap();
    assert_eq!(names(&Checkpoint::open(&snapshot, "test").unwrap()), ["a"]);

    let folder = Folder::new();
    folder.weights("real.safetensors", &[("a", "F32", &[2], counting(2))]);
    symlink("real.safetensors", folder.path().join("model.safetensors")).unwrap();
    assert_eq!(names(&folder.open().unwrap()), ["a"]);

    let folder = Folder::new();
    symlink(&blob, folder.path().join("model.safetensors")).unwrap();
    assert!(matches!(
        folder.open(),
        Err(CheckpointError::Escapes { .. })
    ));
}

#[test]
fn what_is_no_model_is_refused_with_a_hint() {
    let cases: [(&str, &str); 5] = [
        ("adapter_config.json", "it is an adapter"),
        ("adapter_model.safetensors", "it is an adapter"),
        ("0000100_adapters.safetensors", "it is an adapter"),
        ("pytorch_model.bin", "`pytorch_model.bin` is a pickle"),
        ("optimizer.pt", "holds no `.safetensors` file"),
    ];
    for (name, expected) in cases {
        let folder = Folder::new();
        folder.write(name, b"");
        let error = folder.open().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some());
    }
    let folder = Folder::new();
    folder.weights("model.safetensors", &[]);
    folder.write("adapter_config.json", b"{}");
    assert!(matches!(
        folder.open(),
        Err(CheckpointError::Adapter { .. })
    ));
    assert!(matches!(
        Checkpoint::open(&folder.path().join("none"), "x"),
        Err(CheckpointError::Fs(_))
    ));
    let pickle = folder.write("model.pt", b"");
    assert!(matches!(
        Checkpoint::open(&pickle, "x"),
        Err(CheckpointError::Pickle { .. })
    ));
}

#[test]
fn a_header_that_cannot_be_read_names_file_and_cause() {
    let folder = Folder::new();
    folder.write(
        "model.safetensors",
        b"version https://git-lfs.github.com/spec/v1\n",
    );
    let error = folder.open().unwrap_err();
    assert!(error.to_string().ends_with("model.safetensors`"));
    assert_eq!(
        error.hint(),
        Some("run `git lfs pull` in the repository that holds it")
    );
    folder.write("model.safetensors", b"short");
    assert!(matches!(folder.open(), Err(CheckpointError::Header { .. })));
}

#[test]
fn config_and_tokenizer_are_read_and_a_broken_config_is_a_defect() {
    let folder = Folder::new();
    folder.weights("model.safetensors", &[]);
    folder.write("tokenizer.json", b"abc");
    folder.write(
        "config.json",
        br#"{"text_config":{"tie_word_embeddings":true}}"#,
    );
    let checkpoint = folder.open().unwrap();
    assert_eq!(checkpoint.tie_word_embeddings(), Some(true));
    assert!(checkpoint.tokenizer_files()["tokenizer.json"].starts_with("ba7816bf"));
    for broken in [&b"{"[..], b"[]"] {
        folder.write("config.json", broken);
        let checkpoint = folder.open().unwrap();
        assert_eq!(checkpoint.defects().len(), 1);
        assert_eq!(checkpoint.config(), None);
        assert_eq!(checkpoint.tie_word_embeddings(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_to_a_file_makes_opening_or_reading_panic(
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut file = safetensors(&[("a.weight", "F32", &[2, 3], counting(6)), ("b", "BF16", &[2], vec![0; 4])]);
        file.truncate(cut.index(file.len()) + 1);
        let at = at.index(file.len());
        file[at] = byte;
        let folder = Folder::new();
        folder.write("model.safetensors", &file);
        if let Ok(checkpoint) = folder.open() {
            for tensor in checkpoint.tensors().values() {
                prop_assert_eq!(checkpoint.bytes(tensor).unwrap().len() as u64, tensor.byte_length());
            }
        }
    }
}

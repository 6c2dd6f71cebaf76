use proptest::prelude::*;

use crate::checkpoint::HeaderError;
use crate::checkpoint::header::{Header, header_length, parse};

fn accept(json: &str) -> Header {
    parse(json.as_bytes()).unwrap()
}

/// The message of the refusal and of its cause.
fn refuse(json: &str) -> String {
    let error = parse(json.as_bytes()).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", cause.unwrap_or_default())
}

#[test]
fn a_header_lists_tensors_in_the_order_of_their_data() {
    let header = accept(
        r#" {"__metadata__":{"format":"pt"},
            "b":{"data_offsets":[4,12],"shape":[2,2],"dtype":"BF16","more":1},
            "a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},
            "empty":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}}   "#,
    );
    let names: Vec<_> = header
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["a", "empty", "b"]);
    assert_eq!(header.data_length, 12);
}

#[test]
fn duplicate_keys_are_refused_at_every_level() {
    let entry = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
    assert!(refuse(&format!(r#"{{"a":{entry},"a":{entry}}}"#)).contains("duplicate tensor `a`"));
    assert!(
        refuse(r#"{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#)
            .contains("duplicate field `dtype`")
    );
    assert!(refuse(r#"{"__metadata__":{"x":"1","x":"2"}}"#).contains("duplicate key `x`"));
    assert!(refuse(r#"{"__metadata__":{},"__metadata__":{}}"#).contains("duplicate key"));
}

#[test]
fn holes_overlaps_and_wrong_sizes_are_refused() {
    let two = |first: &str, second: &str| {
        refuse(&format!(
            r#"{{"a":{{"dtype":"U8","shape":[2],"data_offsets":{first}}},
                "b":{{"dtype":"U8","shape":[2],"data_offsets":{second}}}}}"#
        ))
    };
    assert!(two("[0,2]", "[3,5]").contains("a hole or an overlap"));
    assert!(two("[0,2]", "[1,3]").contains("a hole or an overlap"));
    assert!(two("[1,3]", "[3,5]").contains("a hole or an overlap"));
    assert!(two("[0,2]", "[4,2]").contains("run backwards"));
    assert!(two("[0,2]", "[2,5]").contains("2 values of U8 take 16 bits"));
}

#[test]
fn numbers_that_overflow_are_refused() {
    let shape = |shape: &str| {
        refuse(&format!(
            r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,4]}}}}"#
        ))
    };
    assert!(shape("[4294967296,4294967296]").contains("overflows"));
    assert!(shape("[4611686018427387904]").contains("overflows"));
    assert!(shape("[18446744073709551616]").contains("JSON"));
    assert!(shape("[-1]").contains("JSON"));
    assert!(shape("[1.0]").contains("JSON"));
    assert!(shape("[1,1,1,1,1,1,1,1,1]").contains("more than 8 dimensions"));
}

#[test]
fn anything_but_an_object_of_objects_is_refused() {
    for json in [
        "",
        "[]",
        "null",
        r#"{"a":["F32",[],[0,4]]}"#,
        r#"{"a":{"dtype":"F32","shape":[]}}"#,
        r#"{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,8]}}"#,
        r#"{"__metadata__":{"x":1}}"#,
        "{} {}",
        "{\"\u{0}",
    ] {
        assert!(parse(json.as_bytes()).is_err(), "{json}");
    }
    assert!(parse(b"{\"\xff\":1}").is_err());
}

#[test]
fn names_that_could_forge_a_digest_line_are_refused() {
    assert!(
        refuse(r#"{"a\nb":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#)
            .contains("control character")
    );
    let long = "n".repeat(2000);
    let message = refuse(&format!(
        r#"{{"{long}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}"#
    ));
    assert!(message.contains("name of 2000 bytes") && message.len() < 300);
}

#[test]
fn a_tensor_of_unknown_dtype_does_not_spoil_the_others() {
    let header = accept(
        r#"{"a":{"dtype":"F8_E4M3FN","shape":[2],"data_offsets":[0,99]},
            "b":{"dtype":"F4","shape":[2],"data_offsets":[99,100]}}"#,
    );
    assert_eq!(header.entries.len(), 2);
    assert!(refuse(r#"{"b":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#).contains("12 bits"));
}

#[test]
fn a_length_that_cannot_be_is_refused() {
    assert!(matches!(
        header_length([0xff; 8], 1000),
        Err(HeaderError::TooLong { .. })
    ));
    assert!(matches!(
        header_length(993_u64.to_le_bytes(), 1000),
        Err(HeaderError::PastTheEnd { .. })
    ));
    assert!(matches!(
        header_length(992_u64.to_le_bytes(), 1000),
        Ok(992)
    ));
    assert!(matches!(
        header_length(*b"version ", 130),
        Err(HeaderError::LfsPointer)
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn no_near_miss_makes_the_reader_panic(
        dtype in prop::sample::select(vec!["F32", "BF16", "F4", "I64", "new"]),
        shape in prop::collection::vec(any::<u64>(), 0..4),
        begin in any::<u64>(),
        end in any::<u64>(),
        damage in any::<(prop::sample::Index, u8)>(),
    ) {
        let json = format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{end}]}}}}"#);
        let mut bytes = json.into_bytes();
        let _ = parse(&bytes);
        let at = damage.0.index(bytes.len());
        bytes[at] = damage.1;
        let _ = parse(&bytes);
    }
}

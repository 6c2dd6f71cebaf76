//! Every hygiene code that this version raises: once where it must fire, and once where it must not.

mod files;
mod names;
mod pair;
mod values;

use tunegate::code::{CodeGroup, FindingCode};

use crate::support::cmd::judge;
use crate::support::dtype::Dtype;
use crate::support::repository_text;
use crate::support::tiny::TinyCheckpoint;

#[test]
fn a_sound_fine_tune_has_no_finding_of_hygiene() {
    let base = TinyCheckpoint::model().dtype(Dtype::Bf16);
    let judged = judge(&base, &base.tuned(0.01));
    judged.ends("pass", 0);
    for code in FindingCode::ALL {
        if code.group() == CodeGroup::Hygiene {
            judged.lacks(code.as_str());
        }
    }
    assert_eq!(judged.report["coverage"]["parameters_share"], 1);
}

#[test]
fn every_raised_code_has_a_test_that_it_fires_and_one_that_it_does_not() {
    let tests: String = ["files", "names", "pair", "values"]
        .map(|module| repository_text(&format!("tests/it/hygiene/{module}.rs")))
        .concat()
        .split_whitespace()
        .collect();
    for code in FindingCode::ALL {
        let not_raised = *code == FindingCode::AdapterWrongScale;
        if code.group() != CodeGroup::Hygiene || not_raised {
            continue;
        }
        let fires = tests.contains(&format!(".has(\"{code}\",&["));
        let silent = tests.contains(&format!(".lacks(\"{code}\")"));
        assert!(fires && silent, "{code}: fires {fires}, silent {silent}");
    }
}

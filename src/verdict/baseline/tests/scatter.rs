//! Roles of few layers, and layers that scatter widely for themselves.

use super::*;
use crate::verdict::baseline::{GoodRuns, layer_models};

/// Layers that scatter by a quarter: the median of the nine of a role still does by a tenth.
const NOISY: Recipe = Recipe { own: 0.25, ..SOUND };

/// With one layer of a role of its own, that scatters as any other.
fn with_embedding(recipe: &Recipe, update: f64, random: &mut Random) -> Comparison {
    let mut comparison = recipe.comparison(random);
    let scattered = update * ((recipe.shared.hypot(recipe.own)) * random.normal()).exp();
    let values = [(Metric::RelativeUpdate, scattered)];
    let embedding = layer("embedding", Role::Embedding, 0, &values);
    comparison.layers.push(embedding);
    comparison
}

fn with_embeddings(recipe: &Recipe, count: usize, random: &mut Random) -> Vec<BaselineRun> {
    (0..count)
        .map(|index| {
            let good = with_embedding(recipe, 0.02, random);
            run(&format!("night-{index}"), &good)
        })
        .collect()
}

#[test]
fn a_layer_alone_in_its_role_is_judged_as_the_median_of_the_role() {
    let mut random = Random::new(51);
    let runs = with_embeddings(&SOUND, 5, &mut random);
    let good = GoodRuns::since_anchor(&runs);
    let models = layer_models(&good);
    assert!(models.iter().all(|model| model.role != Role::Embedding));
    let sound = with_embedding(&SOUND, 0.02, &mut random);
    is_pass(&judged(runs.clone(), &sound, ""));
    let doubled = with_embedding(&SOUND, 0.04, &mut random);
    let judgement = judged(runs, &doubled, "");
    assert_eq!(judgement.verdict, Verdict::Fail);
    let finding = only(&judgement);
    let message = &finding.message;
    assert!(
        message.contains("of embedding, median of 1 layer"),
        "{message}"
    );
}

#[test]
fn a_layer_alone_in_its_role_is_taken_to_scatter_as_the_others() {
    let mut random = Random::new(52);
    let mut raised = 0;
    for count in [2, 3, 5, 5, 10, 10] {
        let runs = with_embeddings(&NOISY, count, &mut random);
        for _ in 0..20 {
            let tonight = with_embedding(&NOISY, 0.02, &mut random);
            let judgement = judged(runs.clone(), &tonight, "");
            assert_ne!(
                judgement.verdict,
                Verdict::Fail,
                "{:#?}",
                judgement.findings
            );
            raised += u32::from(judgement.verdict != Verdict::Pass);
        }
    }
    assert!(raised <= 6, "{raised} of 120");
}

#[test]
fn layers_that_scatter_widely_do_not_look_like_a_creep() {
    let mut random = Random::new(53);
    let mut creeps = 0;
    for _ in 0..100 {
        let runs = NOISY.runs(7, &mut random);
        let judgement = judged(runs, &NOISY.comparison(&mut random), "");
        let trend = judgement
            .findings
            .iter()
            .filter(|finding| finding.code == FindingCode::DriftTrend);
        creeps += trend.count();
    }
    assert!(creeps <= 2, "{creeps} of 100");
}

#[test]
fn a_creep_of_runs_that_are_far_out_by_themselves_says_so() {
    let mut random = Random::new(54);
    let mut runs = SOUND.runs(12, &mut random);
    let doubled = Recipe {
        update: 0.022,
        ..SOUND
    };
    for index in 0..10 {
        runs.push(doubled.run(&format!("later-{index}"), &mut random));
    }
    let judgement = judged(runs, &doubled.comparison(&mut random), "");
    let trend = judgement
        .findings
        .iter()
        .find(|finding| finding.code == FindingCode::DriftTrend)
        .unwrap();
    assert!(
        trend.message.contains(" runs of which are far out"),
        "{}",
        trend.message
    );
}

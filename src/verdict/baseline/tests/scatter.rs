//! Roles of few layers, and layers that scatter widely for themselves.

use super::super::{drift, levels::Scatters};
use super::*;
use crate::num::Finite;
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
        let scatters = Scatters::of(&layer_models(&GoodRuns::since_anchor(&runs)));
        let scatter = |role| scatters.of_median(Metric::RelativeUpdate, Some(role));
        assert!((scatter(Role::Embedding) / NOISY.own).ln().abs() <= 0.4);
        // Of nine layers: a third, and sqrt(pi / 2) more.
        let of_nine = NOISY.own / 3.0 * std::f64::consts::FRAC_PI_2.sqrt();
        assert!((scatter(Role::MlpUp) / of_nine).ln().abs() <= 0.6);
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

/// The same medians, with the layers that they are of and without: what the layers' scatter explains is
/// no creep.
#[test]
fn a_creep_is_held_against_the_scatter_of_the_layers_too() {
    let level = |value: f64| {
        let key = (Metric::RelativeUpdate, None);
        Levels(BTreeMap::from([(key, Finite::new(value).unwrap())]))
    };
    let later = 0.02 * 0.08f64.exp();
    let mut runs = NOISY.runs(20, &mut Random::new(55));
    for (index, run) in runs.iter_mut().enumerate() {
        run.levels = level(if index < 10 { 0.02 } else { later });
    }
    let creeps = |runs: Vec<BaselineRun>| {
        let runs = BaselineRuns {
            source: String::new(),
            runs,
            left_out: Vec::new(),
        };
        let good = GoodRuns::since_anchor(&runs.runs);
        let models = layer_models(&good);
        let settings = Policy::parse("p", "version = 1\n").unwrap().baseline;
        let limits = Some((models.as_slice(), &settings));
        let now = comparison(Vec::new());
        drift::trend(&now, &runs, &good, &level(later), limits)
            .1
            .len()
    };
    let bare = runs.iter().cloned().map(|run| BaselineRun {
        layers: Vec::new(),
        ..run
    });
    assert_eq!(creeps(bare.collect()), 1);
    assert_eq!(creeps(runs), 0);
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

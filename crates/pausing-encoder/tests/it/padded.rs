//! Padded rows, which GPUs compute, give what ragged ones do.

use burn::tensor::Device;
use fastersam_device::{of_tests, tolerance_factor};
use fastersam_pausing_encoder::{
    Context, Criterion, EncoderConfig, EncoderError, EncoderOutput, PauseSettings, PausingEncoder, ScoredTokens,
};

use crate::support::{batch, build, forms_and_schemes, largest_difference, values};

/// What sums in another order may differ by, of the largest value.
const TOLERANCE: f32 = 2e-5;

fn settings(n_tokens: usize) -> Vec<(&'static str, PauseSettings)> {
    let threshold = PauseSettings::threshold([0.8, 0.7, 0.8]);
    let ratio = PauseSettings::keep_ratio([0.7, 0.5, 1.0]);
    let of = |criterion| PauseSettings { criterion, ..ratio.clone() };
    // One image pauses at the first point, the next at the second, the last never.
    let mut oracle = vec![0.0; n_tokens];
    oracle.extend((0..n_tokens).map(|token| if token % 5 == 0 { 0.9 } else { 0.2 }));
    oracle.extend(vec![1.0; n_tokens]);
    let oracle = PauseSettings {
        criterion: Criterion::Oracle,
        oracle: Some(oracle),
        ..PauseSettings::threshold([0.1, 0.5, 0.95])
    };
    vec![
        ("never", PauseSettings::never()),
        ("never, scored", PauseSettings { score_heads: true, ..PauseSettings::never() }),
        ("ratio", ratio.clone()),
        ("ratio, frozen keys", PauseSettings { context: Context::FrozenKv, ..ratio.clone() }),
        ("ratio, few", PauseSettings::keep_ratio([0.1, 0.3, 0.0])),
        ("ratio 0", PauseSettings::keep_ratio([0.0, 0.5, 0.5])),
        ("threshold, frozen keys", PauseSettings { context: Context::FrozenKv, ..threshold.clone() }),
        ("threshold, min_active", PauseSettings { min_active: 7, ..PauseSettings::threshold([1.0; 3]) }),
        ("threshold", threshold),
        ("1 - max", of(Criterion::MaxProbability)),
        ("margin", of(Criterion::Margin)),
        ("random", of(Criterion::Random { seed: 4 })),
        ("oracle, frozen keys", PauseSettings { context: Context::FrozenKv, ..oracle.clone() }),
        ("oracle", oracle),
    ]
}

/// The same encoder on the CPU and on the device that is tested.
fn encoders(config: &EncoderConfig) -> [PausingEncoder; 2] {
    [build(config, &Device::flex()), build(config, &of_tests())]
}

/// Ragged rows on the CPU, padded rows on the device that is tested.
fn both([on_cpu, tested]: &[PausingEncoder; 2], settings: &PauseSettings) -> [EncoderOutput; 2] {
    let (images, features) = batch(on_cpu.config(), &[1, 2, 3], &Device::flex());
    let ragged = on_cpu.forward(images, Some(&features), settings).unwrap();
    let (images, features) = batch(tested.config(), &[1, 2, 3], &of_tests());
    [ragged, tested.forward_padded(images, Some(&features), settings).unwrap()]
}

#[test]
fn padded_rows_give_what_ragged_rows_do() {
    for (form, config) in forms_and_schemes().into_iter().filter(|(form, _)| *form != "samus") {
        let encoders = encoders(&config);
        for (name, settings) in settings(config.n_tokens()) {
            let what = format!("{form}, {name}");
            let [ragged, padded] = both(&encoders, &settings);
            assert_eq!(padded.n_active, ragged.n_active, "{what}");
            for (ragged, padded) in [
                (Some(values(&ragged.embedding)), Some(values(&padded.embedding))),
                (Some(values(&ragged.tokens)), Some(values(&padded.tokens))),
                (ragged.class_tokens.as_ref().map(values), padded.class_tokens.as_ref().map(values)),
            ] {
                assert_near(&padded.unwrap_or_default(), &ragged.unwrap_or_default(), &what);
            }
            assert_eq!(padded.stages.len(), ragged.stages.len(), "{what}");
            for (ragged, padded) in ragged.stages.iter().zip(&padded.stages) {
                let what = format!("{what}, point {}", ragged.point);
                assert_eq!(padded.point, ragged.point);
                assert_same_tokens(&padded.read(), &ragged.read(), &what);
                // A table whose rows say their numbers gives the tokens' numbers, and zeros.
                let n_rows = 3 * config.n_tokens();
                let table: Vec<f32> = (1..=n_rows).map(|row| row as f32).collect();
                let table = crate::support::tensor(table, [n_rows, 1], &of_tests());
                let (found, n_scored) = padded.rows_of(table);
                let found: Vec<f32> = values(&found).into_iter().filter(|&row| row > 0.0).collect();
                let expected: Vec<f32> = ragged.read().rows.iter().map(|&row| row as f32 + 1.0).collect();
                assert_eq!(found, expected, "{what}");
                assert_eq!(n_scored, expected.len(), "{what}");
            }
        }
    }
}

fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    let scale = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    let off = largest_difference(found, expected);
    assert!(off <= TOLERANCE * tolerance_factor() as f32 * scale, "{what}: {off:e} of {scale}");
}

fn assert_same_tokens(found: &ScoredTokens, expected: &ScoredTokens, what: &str) {
    assert_eq!(found.rows, expected.rows, "{what}");
    assert_eq!(found.kept, expected.kept, "{what}");
    assert_near(&found.criterion, &expected.criterion, &format!("{what}, criterion"));
    assert_near(&found.logits, &expected.logits, &format!("{what}, logits"));
}

#[test]
fn few_shapes_and_few_questions() {
    let (_, config) = forms_and_schemes().swap_remove(0);
    let encoders = encoders(&config);
    let mut shapes = std::collections::BTreeSet::new();
    for step in 0..=50 {
        let ratio = f64::from(step) / 50.0;
        let [_, padded] = both(&encoders, &PauseSettings::keep_ratio([ratio, 1.0, 0.7]));
        assert_eq!(padded.execution.read_backs, 0, "the numbers of tokens follow from the ratios");
        shapes.extend(padded.execution.rows_of_blocks);
        let [_, padded] = both(&encoders, &PauseSettings::threshold([ratio, 0.0, ratio]));
        assert!(padded.execution.read_backs <= 2, "one a threshold");
        shapes.extend(padded.execution.rows_of_blocks);
    }
    assert!((2..=8).contains(&shapes.len()), "{shapes:?}");
}

#[test]
fn what_needs_ragged_rows_is_refused() {
    let device = of_tests();
    for (form, config) in forms_and_schemes() {
        let encoder = build(&config, &device);
        let (images, features) = batch(&config, &[1], &device);
        let settings = PauseSettings { keep_per_class: 1, ..PauseSettings::threshold([0.5]) };
        let refused = encoder.forward_padded(images.clone(), Some(&features), &settings);
        assert!(matches!(refused, Err(EncoderError::Config(_))), "{form}");
        let never = encoder.forward_padded(images, Some(&features), &PauseSettings::never());
        assert_eq!(never.is_err(), form == "samus", "{form}");
    }
}

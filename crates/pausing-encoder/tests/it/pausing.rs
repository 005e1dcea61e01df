//! What pausing means: who pauses, what pausing leaves alone, and what active tokens see.

use burn::tensor::Device;
use fastersam_adapter::grid_tokens;
use fastersam_pausing_encoder::{Context, Criterion, EncoderOutput, PausePolicy, PauseSettings, PausingEncoder};

use crate::reference;
use crate::support::{
    assert_same_bits, batch, build, forms, forms_and_schemes, largest_difference, of_image, run, values,
};

/// The features of slot `row`.
fn feature(output: &EncoderOutput, row: u32) -> Vec<f32> {
    let d = output.tokens.dims()[1];
    let row = row as usize;
    values(&output.tokens)[row * d..(row + 1) * d].to_vec()
}

#[test]
fn a_paused_token_keeps_its_features() {
    let device = Device::flex();
    let settings = PauseSettings::keep_ratio([0.8, 0.6, 0.5]);
    // SAMUS adds its map to all tokens after the last block, wherever that is.
    for (form, config) in forms_and_schemes().into_iter().filter(|(form, _)| *form != "samus") {
        let encoder = build(&config, &device);
        let end = run(&encoder, &[1, 2], &settings);
        for stage in &end.stages {
            // The same encoder, stopped right after the pause.
            let mut stopped = encoder.clone();
            stopped.blocks.truncate(stage.point);
            let tokens = stage.read();
            let paused: Vec<u32> =
                tokens.rows.iter().zip(&tokens.kept).filter(|(_, k)| !**k).map(|(row, _)| *row).collect();
            assert!(!paused.is_empty(), "{form}");
            if stage.point == 0 {
                continue; // without blocks nothing is injected; see the test of stage 0
            }
            let at_the_pause = run(&stopped, &[1, 2], &settings);
            for row in paused {
                assert_same_bits(&feature(&end, row), &feature(&at_the_pause, row), form);
            }
        }
        assert_eq!(end.stages.len(), 3, "{form}");
    }
}

#[test]
fn a_token_that_the_pre_encoder_head_pauses_is_patch_position_and_injection() {
    let device = Device::flex();
    let (_, config) = forms().swap_remove(0);
    let encoder = build(&config, &device);
    let n = config.n_tokens();
    let mut settings = PauseSettings::threshold([0.5, 0.0, 0.0]);
    settings.criterion = Criterion::Oracle;
    settings.oracle = Some(vec![0.0; n]);
    let output = run(&encoder, &[1], &settings);

    let (images, features) = batch(&config, &[1], &device);
    let embedded = encoder.forward_dense(images, Some(&features)).unwrap().tokens_embed;
    let injected = encoder.injections[0].forward(grid_tokens(features.stride16, config.grid()));
    assert_same_bits(&values(&output.tokens), &values(&(embedded + injected)), "stage 0");
    assert_eq!(output.n_active, [[0, 0, 0]]);
    assert_eq!(output.stages.len(), 1, "heads that nobody reaches give nothing");
}

#[test]
fn active_tokens_see_what_the_method_says() {
    let device = Device::flex();
    for (form, config) in forms().into_iter().filter(|(_, config)| !config.class_token) {
        let encoder = build(&config, &device);
        for context in [Context::None, Context::FrozenKv] {
            let settings = PauseSettings { context, ..PauseSettings::keep_ratio([0.6, 0.7, 0.5]) };
            let output = run(&encoder, &[1, 2], &settings);
            let n = config.n_tokens();
            for image in 0..2 {
                let kept: Vec<(usize, Vec<bool>)> = output
                    .stages
                    .iter()
                    .map(|stage| {
                        let mut kept = vec![false; n];
                        let tokens = stage.read();
                        for (&row, &k) in tokens.rows.iter().zip(&tokens.kept) {
                            if row as usize / n == image {
                                kept[row as usize % n] = k;
                            }
                        }
                        (stage.point, kept)
                    })
                    .collect();
                let (images, features) = batch(&config, &[1 + image as u64], &device);
                let dense = encoder.forward_dense(images, Some(&features)).unwrap();
                let map = values(&grid_tokens(features.stride16, config.grid()));
                let expected = reference::encode(&encoder, &values(&dense.tokens_embed), &map, &kept, context);
                let off = largest_difference(of_image(&values(&output.tokens), image, 2), &expected);
                println!("{form}, {context:?}, image {image}: largest difference {off:e}");
                assert!(off < 2e-4, "{form}, {context:?}: {off}");
            }
        }
    }
}

/// Oracle settings: image 0 pauses altogether at the first pause point, image 1 goes on.
fn first_image_pauses(encoder: &PausingEncoder, context: Context) -> PauseSettings {
    let n = encoder.config().n_tokens();
    PauseSettings {
        criterion: Criterion::Oracle,
        oracle: Some([vec![0.0; n], vec![1.0; n]].concat()),
        context,
        ..PauseSettings::threshold([0.5; 3])
    }
}

#[test]
fn an_image_without_active_tokens_skips_the_rest() {
    let device = Device::flex();
    for (form, config) in forms_and_schemes() {
        let encoder = build(&config, &device);
        for context in [Context::None, Context::FrozenKv] {
            let settings = first_image_pauses(&encoder, context);
            let output = run(&encoder, &[1, 2], &settings);
            let n = config.n_tokens();
            assert_eq!(output.n_active, [[0, 0, 0], [n, n, n]], "{form}");
            let never = run(&encoder, &[2], &PauseSettings::never());
            let image = values(&output.tokens);
            assert_same_bits(of_image(&image, 1, 2), &values(&never.tokens), form);
            assert!(values(&output.embedding).iter().all(|v| v.is_finite()), "{form}");

            // And nobody left at all, at each of the points.
            for point in 0..3 {
                let mut thresholds = [0.0; 3];
                thresholds[point] = 0.5;
                let settings = PauseSettings {
                    policy: PausePolicy::Threshold(thresholds.to_vec()),
                    oracle: Some(vec![0.0; 2 * n]),
                    ..settings.clone()
                };
                let output = run(&encoder, &[1, 2], &settings);
                assert_eq!(output.n_active[0][point], 0, "{form}");
                assert!(values(&output.embedding).iter().all(|v| v.is_finite()), "{form}");
            }
        }
    }
}

#[test]
fn every_criterion_keeps_its_share() {
    let device = Device::flex();
    let (_, config) = forms().swap_remove(0);
    let encoder = build(&config, &device);
    let n = config.n_tokens();
    let mut seen = Vec::new();
    for criterion in [
        Criterion::Entropy,
        Criterion::MaxProbability,
        Criterion::Margin,
        Criterion::Random { seed: 1 },
        Criterion::Random { seed: 2 },
    ] {
        let settings = PauseSettings { criterion, ..PauseSettings::keep_ratio([1.0, 0.3, 0.5]) };
        let output = run(&encoder, &[1, 2], &settings);
        let first = (0.3 * n as f64).ceil() as usize;
        let second = (0.5 * first as f64).ceil() as usize;
        assert_eq!(output.n_active, [[n, first, second]; 2], "{criterion:?}");
        let stage = output.stages[0].read();
        assert!(stage.criterion.iter().all(|value| (0.0..=1.0).contains(value)), "{criterion:?}");
        let easiest_kept = stage.rows.iter().zip(&stage.kept).zip(&stage.criterion);
        let easiest_kept = easiest_kept.filter(|((row, kept), _)| (**row as usize) < n && **kept);
        let cut = easiest_kept.map(|(_, value)| *value).fold(f32::INFINITY, f32::min);
        for ((_, kept), value) in stage.rows.iter().zip(&stage.kept).zip(&stage.criterion).take(n) {
            assert!(*kept || *value <= cut, "{criterion:?}: a token harder than {cut} paused: {value}");
        }
        seen.push(stage.kept.clone());
    }
    assert_ne!(seen[3], seen[4], "another seed, other tokens");
    assert_ne!(seen[0], seen[3], "the control is not the entropy");
}

//! The pausing loop of the fixtures, around the official blocks.

use std::collections::BTreeMap;

use fastersam_device::{of_tests, tolerance_factor};
use fastersam_golden::{Comparison, fixture, has, json};
use fastersam_pausing_encoder::{Context, EncoderConfig, PauseSettings};

use crate::support::{golden_config, tensor, values, with_fixture_weights};

/// One image at one stage, as the fixture stores it.
#[derive(Default)]
struct Scored {
    active: Vec<i64>,
    kept: Vec<i64>,
    logits: Vec<f32>,
    entropy: Vec<f32>,
}

#[test]
fn golden_pausing() {
    if !has(&["config.json", "tolerances.json", "pausing.json"]) {
        return;
    }
    let (Some(weights), Some(fixture)) = (fixture("sam_encoder"), fixture("pausing")) else { return };
    let device = of_tests();
    let options = &fastersam_golden::config()["pausing"];
    let numbers =
        |key: &str| -> Vec<f64> { options[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let points: Vec<usize> = numbers("after_blocks").iter().map(|&point| point as usize).collect();
    let threshold = json("pausing").unwrap()["tau"].as_f64().unwrap();

    let array = weights.get("input.image_u8");
    let [n_images, .., side] = array.dims::<4>();
    let images = tensor(array.image(), array.dims::<4>(), &device);
    let config = EncoderConfig {
        window_size: 0,
        use_rel_pos: false,
        pause_points: points.clone(),
        n_classes: options["num_classes"].as_u64().unwrap() as usize,
        ..golden_config(side)
    };
    config.validate().unwrap();
    // The relative positions of the encoder's weights have no place here; all others must find one.
    let with_positions = golden_config(side).init(&device);
    let with_positions = with_fixture_weights(with_positions, &weights, "image_encoder.");
    let mut encoder = config.init(&device);
    encoder.patch_embed = with_positions.patch_embed;
    encoder.pos_embed = with_positions.pos_embed;
    for (block, mut loaded) in encoder.blocks.iter_mut().zip(with_positions.blocks) {
        loaded.attn.rel_pos_h = None;
        loaded.attn.rel_pos_w = None;
        *block = loaded;
    }
    let encoder = with_fixture_weights(encoder, &fixture, "");

    let threshold = PauseSettings::threshold([threshold]);
    let frozen = PauseSettings { context: Context::FrozenKv, ..threshold.clone() };
    let variants = [
        ("dense", PauseSettings::never()),
        ("ratio", PauseSettings::keep_ratio(numbers("ratios"))),
        ("threshold", threshold),
        ("threshold_frozen_keys", frozen),
    ];
    let mut comparison = Comparison::new("pausing").relaxed(tolerance_factor());
    for (variant, settings) in variants {
        let output = encoder.forward(images.clone(), None, &settings).unwrap();
        comparison.check(&fixture, &format!("output.{variant}.grid"), &values(&output.tokens));
        let n = config.n_tokens() as u32;
        for (number, stage) in output.stages.iter().enumerate() {
            let tokens = stage.read();
            let logits = &tokens.logits;
            let mut by_image: BTreeMap<u32, Scored> = BTreeMap::new();
            for (i, &row) in tokens.rows.iter().enumerate() {
                let scored = by_image.entry(row / n).or_default();
                scored.active.push(i64::from(row % n));
                if tokens.kept[i] {
                    scored.kept.push(i64::from(row % n));
                }
                scored.logits.extend(&logits[i * config.n_classes..(i + 1) * config.n_classes]);
                scored.entropy.push(tokens.criterion[i]);
            }
            assert_eq!(by_image.len(), n_images);
            for (image, scored) in by_image {
                let prefix = format!("output.{variant}.image_{image}.stage_{number}");
                assert_eq!(scored.active, fixture.get(&format!("{prefix}.active")).i64(), "{prefix}");
                assert_eq!(scored.kept, fixture.get(&format!("{prefix}.kept")).i64(), "{prefix}");
                comparison.check(&fixture, &format!("{prefix}.logits"), &scored.logits);
                comparison.check(&fixture, &format!("{prefix}.entropy"), &scored.entropy);
            }
        }
        let expected = if variant == "dense" { 0 } else { points.len() };
        assert_eq!(output.stages.len(), expected, "{variant}");
    }
    comparison.finish();
}

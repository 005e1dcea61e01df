//! SAM's ViT-B at its full width: what it computes where the set has its checksum, and what it costs.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use fastersam_adapter::Tuning;
use fastersam_golden::Comparison;
use fastersam_pausing_encoder::position::{resize_abs_pos, resize_rel_pos};
use fastersam_pausing_encoder::{Context, EncoderConfig, PauseSettings, PausingEncoder};
use serde_json::Value;

use crate::support::{drawn, drawn_tensor, load, official_name, values};

fn vit_b(img_size: usize) -> EncoderConfig {
    EncoderConfig { tuning: Tuning::None, ..EncoderConfig::vit_b(img_size) }
}

/// METHOD's arithmetic, in 1e9 multiply-accumulates of patch embedding, blocks and neck. 1024 is a row of
/// the bench: it takes too long for a test.
#[test]
fn vit_b_runs_at_small_inputs_and_costs_what_the_method_says() {
    let device = Device::flex();
    for (size, never_giga, half_giga) in [(224, 17.7, Some(8.9)), (256, 34.5, None), (512, 113.6, None)] {
        let config = vit_b(size);
        let encoder = config.init(&device).no_grad();
        let images = Tensor::<4>::zeros([1, 3, size, size], &device);
        let half = half_giga.map(|giga| (PauseSettings::keep_ratio([0.5, 0.5, 1.0]), giga));
        for (settings, giga) in [(PauseSettings::never(), never_giga)].into_iter().chain(half) {
            let output = encoder.forward(images.clone(), None, &settings).unwrap();
            let grid = size / 16;
            assert_eq!(output.embedding.dims(), [1, 256, grid, grid]);
            assert!(values(&output.embedding).iter().all(|v| v.is_finite()), "{size}");
            let macs = output.macs(&config, Context::None).backbone() / 1e9;
            println!("ViT-B at {size}, active {:?}: {macs:.2} GMACs, {giga} expected", output.n_active[0]);
            assert!((macs / giga - 1.0).abs() < 0.01, "{size}: {macs}");
        }
    }
}

/// The encoder with the parameters that the checksum's formula gives.
fn by_formula(config: &EncoderConfig, listed: &[Value], device: &Device) -> PausingEncoder {
    let grid = config.grid();
    let (encoder, n_loaded) = load(config.init(device).no_grad(), |path, _| {
        let name = official_name(path);
        let entry = listed.iter().find(|entry| entry["name"] == name.as_str())?;
        let shape: Vec<usize> =
            entry["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let base = entry["base"].as_f64().unwrap() as f32;
        let table: Vec<f32> = drawn(entry["k"].as_u64().unwrap(), shape.iter().product())
            .into_iter()
            .map(|v| base + v / 16.0)
            .collect();
        Some(match shape[..] {
            [1, side, _, channels] if name == "pos_embed" => resize_abs_pos(&table, side, grid, channels),
            [rows, channels] if name.contains("rel_pos") && rows > 2 * config.window_size => {
                resize_rel_pos(&table, rows, 2 * grid - 1, channels)
            }
            _ => table,
        })
    });
    assert_eq!(n_loaded, listed.len());
    encoder
}

#[test]
fn golden_vit_b_by_its_checksum() {
    let Some(expected) = fastersam_golden::json("vitb_forward") else { return };
    let device = Device::flex();
    let sizes = |key: &str| -> Vec<usize> {
        expected[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
    };
    let side = sizes("input_shape")[2];
    let config = EncoderConfig { pause_points: Vec::new(), injection_blocks: Vec::new(), ..vit_b(side) };
    let encoder = by_formula(&config, expected["parameters"].as_array().unwrap(), &device);
    let images = drawn_tensor(1_000_000, [1, 3, side, side], &device);

    let atol = |name: &str| expected["suggested_atol"][name].as_f64().unwrap();
    let mut comparison = Comparison::new("vitb_forward");
    let mut check_statistics = |name: &str, values: &[f32]| {
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        for (what, ours) in [("mean", mean), ("std", variance.sqrt())] {
            let reference = expected["statistics"][name][what].as_f64().unwrap() as f32;
            comparison.check_within(&format!("{name}: {what}"), &[ours as f32], &[reference], atol(what));
        }
    };
    let dense = encoder.forward_dense(images.clone(), None).unwrap();
    for (i, block) in dense.blocks.iter().enumerate() {
        check_statistics(&format!("block_{i}"), &values(block));
    }
    let ragged = encoder.forward(images, None, &PauseSettings::never()).unwrap();
    let neck = values(&ragged.embedding);
    check_statistics("neck", &neck);
    assert_eq!(ragged.embedding.dims().to_vec(), sizes("output_shape"));
    let (ours, reference): (Vec<f32>, Vec<f32>) = expected["samples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sample| {
            let index = sample["index"].as_u64().unwrap() as usize;
            (neck[index], sample["value"].as_f64().unwrap() as f32)
        })
        .unzip();
    comparison.check_within("samples", &ours, &reference, atol("samples"));
    comparison.finish();
}

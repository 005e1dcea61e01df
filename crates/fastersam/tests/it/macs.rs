//! Predicted multiply-accumulates against those of the matrix products that a forward pass runs.

use burn::tensor::{Device, Tensor, TensorData};
use fastersam::{ModelConfig, ModelOptions, Preset};
use fastersam_adapter::Tuning;
use fastersam_kernels::count::counted;
use fastersam_kernels::generic::instead_of_fused;
use fastersam_pausing_encoder::{Context, EncoderConfig, PauseSettings, PausingEncoder, WindowPadding};

const BATCH: usize = 2;

/// Products that the prediction leaves out: queries meet every offset of the tables of relative positions,
/// a quarter more rows than they need.
const TOLERANCE: f64 = 0.01;

fn assert_close(what: &str, executed: u64, predicted: f64) {
    let ratio = executed as f64 / predicted;
    assert!((ratio - 1.0).abs() <= TOLERANCE, "{what}: {executed} executed, {predicted:.0} predicted");
}

/// Runs an encoder without CNN branch and compares.
fn check_encoder(what: &str, encoder: &PausingEncoder, settings: &PauseSettings) {
    let config = encoder.config();
    let images = Tensor::zeros([BATCH, 3, config.img_size, config.img_size], &Device::flex());
    let (output, executed) = counted(|| encoder.forward(images, None, settings).unwrap());
    let predicted = output.macs(config, settings.context).total() * BATCH as f64;
    assert_close(what, executed, predicted);
}

/// Three blocks of ViT-B, one of them with global attention.
fn three_blocks(img_size: usize) -> EncoderConfig {
    EncoderConfig {
        depth: 3,
        global_attn_indexes: vec![1],
        pause_points: vec![1, 2],
        tuning: Tuning::Bottleneck { reduction: 4 },
        injection_blocks: Vec::new(),
        n_classes: 9,
        ..EncoderConfig::vit_b(img_size)
    }
}

fn prepacked(config: &EncoderConfig) -> PausingEncoder {
    let mut encoder = config.init(&Device::flex());
    encoder.prepack();
    encoder
}

#[test]
fn encoder_without_windows() {
    let encoder = prepacked(&three_blocks(224));
    check_encoder("never", &encoder, &PauseSettings::never());
    check_encoder("half", &encoder, &PauseSettings::keep_ratio([0.5, 0.5]));
    check_encoder("few", &encoder, &PauseSettings::keep_ratio([0.1, 1.0]));
    check_encoder("none", &encoder, &PauseSettings::keep_ratio([0.3, 0.0]));
    let frozen = PauseSettings { context: Context::FrozenKv, ..PauseSettings::keep_ratio([0.5, 0.5]) };
    check_encoder("frozen keys", &encoder, &frozen);
}

#[test]
fn encoder_with_windows() {
    for window_padding in [WindowPadding::Sam, WindowPadding::Masked] {
        // A grid of 16 is four windows of 14 with padding, 18 too.
        for img_size in [256, 288] {
            let config = EncoderConfig { window_padding, ..three_blocks(img_size) };
            let what = format!("{window_padding:?} at {img_size}");
            check_encoder(&what, &prepacked(&config), &PauseSettings::never());
        }
    }
}

#[test]
fn prepacked_or_not_runs_the_same_products() {
    let config = three_blocks(224);
    let settings = PauseSettings::keep_ratio([0.5, 0.5]);
    let images = Tensor::zeros([1, 3, 224, 224], &Device::flex());
    let run = |encoder: &PausingEncoder| {
        let tokens = |encoder: &PausingEncoder| encoder.forward(images.clone(), None, &settings).unwrap().n_active;
        counted(|| tokens(encoder))
    };
    let (active, executed) = run(&prepacked(&config));
    assert_eq!(active, [[98, 49]]);
    let (_, plain) = run(&config.init(&Device::flex()));
    assert_eq!(plain, executed);
}

#[test]
fn a_whole_pass_can_do_without_the_fused_operations() {
    let device = Device::flex();
    let encoder = EncoderConfig { n_classes: 9, tuning: Tuning::None, ..EncoderConfig::tiny(64) }.init(&device);
    let values: Vec<f32> = (0..3 * 64 * 64).map(|i| (i % 97) as f32 / 97.0 - 0.5).collect();
    let images = Tensor::<4>::from_data(TensorData::new(values, [1, 3, 64, 64]), &device);
    let run = || encoder.forward(images.clone(), None, &PauseSettings::never()).unwrap().embedding;
    let (fused, composed) = (run(), instead_of_fused(run));
    let values = |map: Tensor<4>| map.into_data().try_to_vec::<f32>().unwrap();
    let (fused, composed) = (values(fused), values(composed));
    let difference = fused.iter().zip(&composed).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(difference < 1e-4, "{difference}");
    assert_ne!(fused, composed, "to the bit the same: the fused operations ran in both");
}

/// The whole model: CNN branch, stage 0, injection, adapters, decoder with skips.
fn check_model(config: &ModelConfig, settings: &PauseSettings) {
    let device = Device::flex();
    let model = config.init(1, &device).unwrap().prepack();
    let size = config.input_size();
    let images = Tensor::zeros([BATCH, 1, size, size], &device);
    let (output, executed) = counted(|| model.forward(images, settings).unwrap());
    let n = config.encoder.n_tokens() as f64;
    // Each image keeps the same number; of the points that were not scored, the head did not run.
    let mut shares = vec![1.0; config.encoder.pause_points.len()];
    for stage in &output.stages {
        let point = config.encoder.pause_points.iter().position(|&point| point == stage.point).unwrap();
        let kept = stage.read().kept.iter().filter(|&&kept| kept).count() as f64;
        shares[point..].fill(kept / BATCH as f64 / n);
    }
    let shares = if output.stages.is_empty() { &[][..] } else { &shares[..] };
    let branch = config.conv_branch.as_ref().map_or(0, |branch| branch.macs(size)) as f64;
    let decoder = config.decoder.macs(config.grid()) as f64;
    let predicted = (config.encoder.macs(shares).total() + branch + decoder) * BATCH as f64;
    assert_close(&format!("{settings:?}"), executed, predicted);
}

#[test]
fn whole_model() {
    let mut options = ModelOptions::new(Preset::VitS);
    options.input_size = Some(112);
    options.pause_points = Some(vec![0, 3, 6, 9]);
    let config = options.resolve(9).unwrap();
    check_model(&config, &PauseSettings::never());
    check_model(&config, &PauseSettings::keep_ratio([1.0, 0.5, 0.5, 1.0]));
    check_model(&config, &PauseSettings::keep_ratio([0.31, 0.32, 0.9, 1.0]));
    check_model(&config, &PauseSettings::keep_ratio([0.0, 1.0, 1.0, 1.0]));
}

//! Every tuning scheme on every backbone, and how many parameters each trains.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::{ModelConfig, ModelOptions, Preset};
use fastersam_adapter::Tuning;
use fastersam_golden::json;
use fastersam_pausing_encoder::{EncoderError, PauseSettings};
use fastersam_volume::KeyedRng;

use crate::weights::golden::floats;

const SIZE: usize = 64;
const CLASSES: usize = 3;

const PRESETS: [Preset; 6] = [Preset::Tiny, Preset::Small, Preset::VitS, Preset::VitB, Preset::VitL, Preset::VitH];

fn schemes() -> [Tuning; 9] {
    [
        Tuning::None,
        Tuning::Lora { rank: 4 },
        Tuning::LoraWithDecoder { rank: 4 },
        Tuning::MedicalSamAdapter { reduction: 4 },
        Tuning::SamMed2d { reduction: 4 },
        Tuning::Samus { reduction: 4 },
        Tuning::ConvBranch,
        Tuning::Bottleneck { reduction: 4 },
        Tuning::ConvBranchBottleneck { reduction: 4 },
    ]
}

/// A preset's structure (patches, windows, relative positions, kind of norms) with few blocks of small
/// width, frozen as if it were pre-trained.
fn small(preset: Preset, tuning: &Tuning) -> ModelConfig {
    let mut options = ModelOptions::new(preset);
    options.tuning = Some(tuning.clone());
    options.input_size = Some(if preset == Preset::VitS { 56 } else { SIZE });
    let mut config = options.resolve(CLASSES).unwrap();
    config.train_backbone = false;
    let encoder = &mut config.encoder;
    (encoder.embed_dim, encoder.depth, encoder.num_heads, encoder.out_chans) = (32, 4, 2, 32);
    encoder.pause_points = if tuning.uses_conv_branch() { vec![0, 1, 2] } else { vec![1, 2] };
    encoder.injection_blocks = vec![0, 2];
    encoder.conv_channels = [16, 16, 24];
    if encoder.window_size > 0 {
        // Four windows, the last ones padded.
        encoder.window_size = 3;
        encoder.global_attn_indexes = vec![1, 3];
    }
    if let Some(branch) = &mut config.conv_branch {
        branch.channels = [16, 16, 24];
    }
    config.decoder.skip_channels = config.decoder.skip_channels.map(|_| [16, 16]);
    (config.decoder.transformer_dim, config.decoder.num_heads, config.decoder.mlp_dim) = (32, 2, 64);
    config
}

fn images(config: &ModelConfig, n: usize, device: &Device) -> Tensor<4> {
    let s = config.input_size();
    let mut rng = KeyedRng::new(11, &[]);
    let values: Vec<f32> = (0..n * s * s).map(|_| rng.uniform() as f32).collect();
    Tensor::from_data(TensorData::new(values, [n, 1, s, s]), device)
}

#[test]
fn every_scheme_runs_forward_and_backward_on_every_backbone() {
    let device = Device::flex().autodiff();
    for preset in PRESETS {
        for tuning in schemes() {
            let what = format!("{preset:?} with {}", tuning.name());
            let config = small(preset, &tuning);
            let model = config.init(7, &device).unwrap_or_else(|e| panic!("{what}: {e}"));
            let n_points = config.encoder.pause_points.len();
            let pausing = PauseSettings::keep_ratio(vec![0.6; n_points]);
            let images = images(&config, 2, &device);
            let settings = if tuning.is_point_wise() {
                pausing
            } else {
                let refused = model.encoder.forward(
                    model.normalise(images.clone()),
                    None,
                    &PauseSettings::threshold(vec![0.5; n_points]),
                );
                assert!(
                    matches!(refused, Err(EncoderError::NotPointWise { .. })),
                    "{what} does not refuse to pause"
                );
                assert!(model.forward(images.clone(), &pausing).is_err(), "{what}");
                PauseSettings { score_heads: true, ..PauseSettings::never() }
            };
            let output = model.forward(images, &settings).unwrap_or_else(|e| panic!("{what}: {e}"));
            let side = 4 * config.grid();
            assert_eq!(output.logits.dims(), [2, CLASSES, side, side], "{what}");
            assert_eq!(output.stages.len(), n_points, "{what}");
            let scored = output.stages.iter().map(|stage| stage.logits.clone().square().mean());
            let loss = scored.fold(output.logits.square().mean(), |sum, stage| sum + stage);
            assert!(floats(loss.clone())[0].is_finite(), "{what}");
            let gradients = loss.backward();
            let mut reached = Reached { config: &config, gradients: &gradients, path: Vec::new(), trained: 0 };
            model.visit(&mut reached);
            let counts = config.count_parameters(&model);
            assert!(reached.trained > 0 && counts.trained < counts.all, "{what}: {counts:?}");
        }
    }
}

/// Checks that gradients reach trained parameters and no frozen one.
struct Reached<'a> {
    config: &'a ModelConfig,
    gradients: &'a burn::tensor::Gradients,
    path: Vec<String>,
    trained: usize,
}

impl burn::module::ModuleVisitor for Reached<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        let path = self.path.join(".");
        let has = param.val().grad(self.gradients).is_some();
        assert!(!has || self.config.is_trained(&path), "a gradient at the frozen {path}");
        // The masks' quality has no part in the loss.
        let exempt = path.contains("iou_prediction_head");
        assert!(has || exempt || !self.config.is_trained(&path), "no gradient at {path}");
        self.trained += usize::from(has);
    }
}

#[test]
fn low_rank_updates_in_the_decoder_start_as_the_identity_and_count() {
    let device = Device::flex();
    let without = small(Preset::VitB, &Tuning::Lora { rank: 4 });
    let with = small(Preset::VitB, &Tuning::LoraWithDecoder { rank: 4 });
    let never = PauseSettings::never();
    let logits = |config: &ModelConfig| {
        let model = config.init(3, &device).unwrap();
        floats(model.forward(images(config, 1, &device), &never).unwrap().logits)
    };
    assert_eq!(logits(&without), logits(&with));
    // q and v of two self-attentions (32 to 32) and five attentions in half the channels (32 to 16).
    let n = 2 * 2 * 4 * (32 + 32) + 5 * 2 * 4 * (32 + 16);
    let count = |config: &ModelConfig| config.n_parameters(&device).unwrap();
    assert_eq!(count(&with).all, count(&without).all + n);
    assert!(count(&with).trained < count(&without).trained);
    assert!(with.decoder.macs(4) > without.decoder.macs(4));
}

/// SAMed's files on Synapse (9 classes): what its code saves, counted from the official shapes.
#[test]
fn golden_samed_trains_as_many_parameters_as_its_files_hold() {
    const CLASSES: usize = 9;
    const RANK: u64 = 4;
    let Some(keys) = json("sam_vit_b_keys") else { return };
    let tensors = keys["tensors"].as_object().unwrap();
    let size = |shape: &serde_json::Value| -> u64 {
        shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product()
    };
    let sum = |keep: &dyn Fn(&str) -> bool| -> u64 {
        tensors.iter().filter(|(key, _)| keep(key)).map(|(_, shape)| size(shape)).sum()
    };
    let in_decoder = |key: &str| key.starts_with("mask_decoder.");
    let decoder = sum(&in_decoder);
    let transformer = sum(&|key| key.starts_with("mask_decoder.transformer."));
    // SAM has four mask tokens, SAMed one a class: five more tokens, hypernetworks and qualities.
    let more = (CLASSES - 4) as u64;
    let hypernetwork = sum(&|key| key.starts_with("mask_decoder.output_hypernetworks_mlps.0."));
    let quality = sum(&|key| key.starts_with("mask_decoder.iou_prediction_head.layers.2.")) / 4;
    let heads = more * (256 + hypernetwork + quality);
    let lora = 12 * 2 * RANK * (768 + 768);
    let prompt = size(&tensors["prompt_encoder.no_mask_embed.weight"]);
    let samed = lora + decoder + heads + prompt;
    let decoder_lora = 2 * 2 * RANK * (256 + 256) + 5 * 2 * RANK * (256 + 128);
    let samed_s = samed - transformer + decoder_lora;

    for (tuning, expected) in
        [(Tuning::Lora { rank: RANK as usize }, samed), (Tuning::LoraWithDecoder { rank: RANK as usize }, samed_s)]
    {
        let mut options = ModelOptions::new(Preset::VitB);
        options.tuning = Some(tuning.clone());
        options.pause_points = Some(Vec::new());
        (options.tune_layer_norms, options.tune_neck) = (false, false);
        let config = options.resolve(CLASSES).unwrap();
        let counts = config.n_parameters(&Device::flex()).unwrap();
        println!("{}: {} of {} parameters are trained", tuning.name(), counts.trained, counts.all);
        assert_eq!(counts.trained, expected, "{}", tuning.name());
    }
    // "18 MB": SAMed's file, in units of 2^20 bytes, without the unused prompts and the file's own overhead.
    let mib = |n: u64| 4.0 * n as f64 / f64::from(1 << 20);
    assert!((18.0..19.0).contains(&mib(samed)), "{}", mib(samed));
    assert!((6.0..6.5).contains(&mib(samed_s)), "{}", mib(samed_s));
}

#[test]
fn the_parameter_counts_of_the_presets() {
    let device = Device::flex();
    for preset in PRESETS {
        for tuning in schemes() {
            let mut options = ModelOptions::new(preset);
            options.tuning = Some(tuning.clone());
            let config = options.resolve(9).unwrap();
            let counts = config.n_parameters(&device).unwrap();
            println!("{preset:?} {}: {} of {} are trained", tuning.name(), counts.trained, counts.all);
            let frozen = counts.all - counts.trained;
            if preset.is_pretrained() {
                // At least attention and MLP of every block: 12 d x d.
                let d = config.encoder.embed_dim as u64;
                assert!(frozen > 12 * d * d * config.encoder.depth as u64, "{preset:?}: {counts:?}");
            } else {
                // The frequencies of the positions.
                assert_eq!(frozen, config.decoder.transformer_dim as u64, "{preset:?}");
            }
        }
    }
}

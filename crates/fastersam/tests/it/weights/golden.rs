//! Weights under their official names, through a file, against PyTorch's results.

use burn::tensor::{Device, Tensor, TensorData};
use fastersam::weights::{LoadOptions, WeightFile, load_into};
use fastersam_adapter::Tuning;
use fastersam_decoder::MaskDecoderConfig;
use fastersam_device::{of_tests, tolerance_factor};
use fastersam_golden::{Comparison, Fixture, config, fixture, has};
use fastersam_pausing_encoder::{EncoderConfig, PauseSettings};
use serde_json::Value;

use super::files::{Entry, Folder, Stored, entry, pytorch, safetensors};

pub fn weights(fixture: &Fixture) -> Vec<Entry> {
    fixture.weights().map(|(key, array)| entry(key, &array.shape, array.f32().to_vec())).collect()
}

pub fn images(fixture: &Fixture, key: &str, device: &Device) -> Tensor<4> {
    let array = fixture.get(key);
    Tensor::from_data(TensorData::new(array.image(), array.dims::<4>()), device)
}

pub fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

/// The fixture's encoder, at some input size.
pub fn encoder_config(sizes: &Value, img_size: usize) -> EncoderConfig {
    let size = |key: &str| sizes[key].as_u64().unwrap_or_else(|| panic!("{key} in {sizes}")) as usize;
    let mut config = EncoderConfig::vit_b(img_size);
    config.patch_size = size("patch_size");
    config.embed_dim = size("embed_dim");
    config.depth = size("depth");
    config.mlp_ratio = sizes["mlp_ratio"].as_f64().unwrap();
    config.num_heads = size("num_heads");
    config.out_chans = size("out_chans");
    config.window_size = size("window_size");
    config.global_attn_indexes = sizes["global_attn_indexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|index| index.as_u64().unwrap() as usize)
        .collect();
    config.pause_points = Vec::new();
    config.injection_blocks = Vec::new();
    config.tuning = Tuning::None;
    config
}

#[test]
fn golden_sam_encoder_from_a_pth() {
    if !has(&["config.json", "tolerances.json"]) {
        return;
    }
    let Some(fixture) = fixture("sam_encoder") else { return };
    let folder = Folder::new();
    let path = folder.write("sam.pth", &pytorch(&weights(&fixture), &[]));
    let file = WeightFile::open(&path).unwrap();
    let device = of_tests();
    let sizes = &config()["encoder"];
    let images = images(&fixture, "input.image_u8", &device);
    let encoder = encoder_config(sizes, images.dims()[2]).init(&device);
    let (encoder, report) = load_into(encoder, &file, &LoadOptions::part("encoder")).unwrap();
    assert_eq!(report.used.len(), fixture.weights().count());
    assert!(report.unused.is_empty() && report.resized.is_empty() && report.new.is_empty());
    let output = encoder.forward(images, None, &PauseSettings::default()).unwrap();
    let mut comparison = Comparison::new("sam_encoder").relaxed(tolerance_factor());
    comparison.check(&fixture, "output.neck", &floats(output.embedding));
    comparison.finish();
}

#[test]
fn golden_sam_encoder_at_other_sizes() {
    if !has(&["config.json", "tolerances.json"]) {
        return;
    }
    let (Some(weighed), Some(fixture)) = (fixture("sam_encoder"), fixture("sam_encoder_resized")) else {
        return;
    };
    let folder = Folder::new();
    let path = folder.write("sam.safetensors", &safetensors(&weights(&weighed), Stored::F32));
    let file = WeightFile::open(&path).unwrap();
    let device = of_tests();
    let sizes = &config()["encoder"];
    let mut comparison = Comparison::new("sam_encoder_resized").relaxed(tolerance_factor());
    let inputs: Vec<String> = fixture
        .iter()
        .filter_map(|(key, _)| Some(key.strip_prefix("input.")?.strip_suffix(".image_u8")?.to_owned()))
        .collect();
    for size in inputs {
        let images = images(&fixture, &format!("input.{size}.image_u8"), &device);
        let encoder = encoder_config(sizes, images.dims()[2]).init(&device);
        let (encoder, report) = load_into(encoder, &file, &LoadOptions::part("encoder")).unwrap();
        let table = format!("output.{size}.image_encoder.pos_embed");
        comparison.check(&fixture, &table, &floats(encoder.pos_embed.val()));
        for resized in report.resized.iter().filter(|r| r.key.contains("rel_pos")) {
            let block: usize = resized.key.split('.').nth(2).unwrap().parse().unwrap();
            let attn = &encoder.blocks[block].attn;
            let table = if resized.key.ends_with('h') { &attn.rel_pos_h } else { &attn.rel_pos_w };
            let key = format!("output.{size}.{}", resized.key);
            comparison.check(&fixture, &key, &floats(table.as_ref().unwrap().val()));
        }
        let output = encoder.forward(images, None, &PauseSettings::default()).unwrap();
        let key = format!("output.{size}.neck");
        comparison.check(&fixture, &key, &floats(output.embedding));
    }
    comparison.finish();
}

/// The fixture's decoder.
pub fn decoder_config(sizes: &Value, fixture: &Fixture) -> MaskDecoderConfig {
    let size = |key: &str| sizes[key].as_u64().unwrap_or_else(|| panic!("{key} in {sizes}")) as usize;
    let [n_mask_tokens, dim] = fixture.get("mask_decoder.mask_tokens.weight").dims::<2>();
    let mut decoder = MaskDecoderConfig::sam(n_mask_tokens);
    decoder.transformer_dim = dim;
    decoder.num_heads = size("num_heads");
    decoder.mlp_dim = fixture.get("mask_decoder.transformer.layers.0.mlp.lin1.bias").dims::<1>()[0];
    decoder.iou_head_hidden_dim = fixture.get("mask_decoder.iou_prediction_head.layers.0.bias").dims::<1>()[0];
    decoder
}

#[test]
fn golden_sam_mask_decoder_from_a_file() {
    if !has(&["config.json", "tolerances.json"]) {
        return;
    }
    let Some(fixture) = fixture("sam_mask_decoder") else { return };
    let folder = Folder::new();
    let path = folder.write("sam.pth", &pytorch(&weights(&fixture), &["model"]));
    let file = WeightFile::open(&path).unwrap();
    let device = of_tests();
    let decoder = decoder_config(&config()["decoder"], &fixture);
    let options = LoadOptions { decoder_heads: true, ..LoadOptions::part("decoder") };
    let (decoder, report) = load_into(decoder.init(&device), &file, &options).unwrap();
    assert!(report.unused.is_empty() && report.new.is_empty(), "{report:?}");
    let embedding = fixture.get("input.image_embedding");
    let embedding = TensorData::new(embedding.f32().to_vec(), embedding.dims::<4>());
    let trace = decoder.trace(Tensor::from_data(embedding, &device), None).unwrap();
    let mut comparison = Comparison::new("sam_mask_decoder").relaxed(tolerance_factor());
    // Channels first in the fixture, rows here.
    comparison.check(&fixture, "output.image_pe", &floats(trace.image_pe.transpose()));
    let last = trace.queries.len() - 1;
    for (i, queries) in trace.queries.into_iter().enumerate() {
        let key = if i == last { "output.hs".to_owned() } else { format!("output.layer_{i}.queries") };
        comparison.check(&fixture, &key, &floats(queries));
    }
    comparison.check(&fixture, "output.src", &floats(trace.src));
    comparison.check(&fixture, "output.masks", &floats(trace.masks));
    comparison.check(&fixture, "output.iou_predictions", &floats(trace.iou_predictions));
    comparison.finish();
}

//! What must hold for the decoder by itself. That it computes what SAM's does, with the weights of a file, is
//! tested where files are read, in the crate `fastersam`.
#![allow(clippy::unwrap_used, missing_docs)]

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor, TensorData};
use fastersam_decoder::{DecoderError, MaskDecoderConfig, PromptFreeDecoder, Skips};

const GRID: usize = 3;
const CLASSES: usize = 4;

/// Values in [-1, 1) that depend on the key only.
fn drawn<const D: usize>(dims: [usize; D], key: u64, device: &Device) -> Tensor<D> {
    let mut state = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values: Vec<f32> = (0..dims.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Draws every parameter, those too that start at zero or one.
struct Draw(u64);

impl ModuleMapper for Draw {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.0 += 1;
        let key = self.0;
        param.map(|old| {
            let fan_in = old.dims().iter().skip(1).product::<usize>().max(4) as f64;
            let fresh = drawn(old.dims(), key, &old.device()).mul_scalar(fan_in.powf(-0.5));
            if D == 1 { fresh.add_scalar(1.0) } else { fresh }
        })
    }
}

fn config() -> MaskDecoderConfig {
    MaskDecoderConfig { transformer_dim: 32, skip_channels: Some([8, 16]), ..MaskDecoderConfig::tiny(CLASSES) }
}

fn decoder() -> PromptFreeDecoder {
    config().init(&Device::flex()).map(&mut Draw(100))
}

fn embedding(keys: &[u64]) -> Tensor<4> {
    let device = Device::flex();
    Tensor::cat(keys.iter().map(|&key| drawn([1, 32, GRID, GRID], key, &device)).collect(), 0)
}

/// Maps of a 45-pixel image: odd sizes, which have to be resized.
fn skips(keys: &[u64]) -> Skips {
    let device = Device::flex();
    let stack = |channels: usize, side: usize| {
        Tensor::cat(keys.iter().map(|&key| drawn([1, channels, side, side], key + 50, &device)).collect(), 0)
    };
    (stack(8, 12), stack(16, 6))
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn masks(decoder: &PromptFreeDecoder, keys: &[u64], map_keys: &[u64]) -> Vec<f32> {
    floats(decoder.forward(embedding(keys), Some(skips(map_keys))).unwrap().masks)
}

#[test]
fn skips_start_as_nothing_and_count_once_they_moved() {
    let fresh = config().init(&Device::flex());
    assert_eq!(masks(&fresh, &[1], &[1]), masks(&fresh, &[1], &[2]));
    let trained = decoder();
    assert_ne!(masks(&trained, &[1], &[1]), masks(&trained, &[1], &[2]));
}

#[test]
fn an_image_gets_the_same_masks_in_any_batch() {
    let decoder = decoder();
    let together = masks(&decoder, &[1, 2, 3], &[1, 2, 3]);
    for (i, part) in together.chunks(together.len() / 3).enumerate() {
        let key = [i as u64 + 1];
        assert!(masks(&decoder, &key, &key) == part, "image {i}");
    }
}

#[test]
fn a_prepacked_decoder_computes_the_same() {
    let decoder = decoder();
    let expected = masks(&decoder, &[1, 2], &[1, 2]);
    let mut prepacked = decoder;
    prepacked.prepack();
    let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    for (a, b) in masks(&prepacked, &[1, 2], &[1, 2]).iter().zip(&expected) {
        assert!((a - b).abs() <= 1e-5 * largest, "{a} {b}");
    }
}

/// SAM's `output_upscaling` as burn's own layers compute it, with the skips as METHOD places them: the
/// stride-8 map after the first transposed convolution, before its norm, the stride-4 map after the second.
#[test]
fn the_up_scaling_equals_transposed_convolutions() {
    let upscaling = decoder().mask_decoder.output_upscaling;
    let device = Device::flex();
    let rows = drawn([2 * GRID * GRID, 32], 7, &device);
    // Maps that need no resizing.
    let map4 = drawn([2, 8, 4 * GRID, 4 * GRID], 8, &device);
    let map8 = drawn([2, 16, 2 * GRID, 2 * GRID], 9, &device);
    let ours = upscaling.forward(rows.clone(), GRID, Some((map4.clone(), map8.clone())));

    let to_map = |rows: Tensor<2>, side: usize| {
        let [m, c] = rows.dims();
        rows.reshape([m / (side * side), side, side, c]).permute([0, 3, 1, 2])
    };
    let project = |layer: &fastersam_kernels::Linear, map: Tensor<4>| {
        let [b, c, side, _] = map.dims();
        let rows = map.permute([0, 2, 3, 1]).reshape([b * side * side, c]);
        to_map(rows.matmul(layer.weight.val()) + layer.bias.as_ref().unwrap().val().unsqueeze(), side)
    };
    let x = upscaling.conv1.forward(to_map(rows, GRID));
    let x = x + project(upscaling.skip8.as_ref().unwrap(), map8);
    let x = gelu(upscaling.norm.forward_map(x));
    let x = upscaling.conv2.forward(x) + project(upscaling.skip4.as_ref().unwrap(), map4);
    let expected = floats(gelu(x).permute([0, 2, 3, 1]));
    let largest = expected.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let ours = floats(ours);
    assert_eq!(ours.len(), expected.len());
    for (a, b) in ours.iter().zip(&expected) {
        assert!((a - b).abs() <= 1e-5 * largest, "{a} {b}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let decoder = decoder();
    let device = Device::flex();
    for shape in [[1, 16, GRID, GRID], [1, 32, GRID, GRID + 1], [0, 32, GRID, GRID], [1, 32, 0, 0]] {
        let error = decoder.forward(Tensor::zeros(shape, &device), Some(skips(&[1]))).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, DecoderError::Shape { .. }), "{text}");
        assert!(text.contains("[b, 32, g, g]") && text.contains(&format!("{shape:?}")), "{text}");
    }
    let (stride4, stride8) = skips(&[1]);
    for maps in [None, Some((stride8.clone(), stride4.clone())), Some(skips(&[1, 2]))] {
        let text = decoder.forward(embedding(&[1]), maps).unwrap_err().to_string();
        assert!(text.contains("[1, 8, h, w] and [1, 16, h, w]"), "{text}");
    }
}

#[test]
fn configurations_that_contradict_themselves_are_refused() {
    type Change = fn(&mut MaskDecoderConfig);
    config().validate().unwrap();
    let bad: [(&str, Change); 6] = [
        ("channels", |c| c.transformer_dim = 36),
        ("heads", |c| c.num_heads = 3),
        ("mlp_dim", |c| c.mlp_dim = 0),
        ("n_mask_tokens", |c| c.n_mask_tokens = 0),
        ("lora_rank", |c| c.lora_rank = Some(0)),
        ("skip_channels", |c| c.skip_channels = Some([8, 0])),
    ];
    for (what, change) in bad {
        let mut config = config();
        change(&mut config);
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    }
    let text = toml::to_string(&config()).unwrap();
    assert_eq!(toml::from_str::<MaskDecoderConfig>(&text).unwrap(), config());
    assert!(toml::from_str::<MaskDecoderConfig>(&format!("{text}\nskip = 1")).is_err());
}

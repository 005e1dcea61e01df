//! Encoders with repeatable weights, from a fixture or drawn.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use fastersam_adapter::{ConvFeatures, Tuning};
use fastersam_golden::Fixture;
use fastersam_pausing_encoder::{EncoderConfig, EncoderOutput, PauseSettings, PausingEncoder};

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.clone().detach().into_data().iter::<f32>().collect()
}

pub fn tensor<const D: usize>(values: Vec<f32>, dims: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Numbers in [-1, 1) that depend on `key` only.
pub fn drawn(key: u64, n: usize) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let mut z = (key << 32 | i).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

pub fn drawn_tensor<const D: usize>(key: u64, dims: [usize; D], device: &Device) -> Tensor<D> {
    tensor(drawn(key, dims.iter().product()), dims, device)
}

/// The path of a parameter while a module is walked.
#[derive(Default)]
pub struct Path {
    names: Vec<String>,
    containers: Vec<String>,
}

impl Path {
    pub fn enter(&mut self, name: &str, container: &str) {
        self.names.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    pub fn exit(&mut self) {
        self.names.pop();
        self.containers.pop();
    }

    /// `blocks.0.attn.qkv.weight`
    pub fn name(&self) -> String {
        self.names.join(".")
    }

    /// Whether PyTorch stores this parameter the other way round.
    pub fn is_linear_weight(&self) -> bool {
        self.names.last().is_some_and(|name| name == "weight")
            && self.containers.iter().any(|container| container == "Struct:Linear")
    }
}

/// The official name of a parameter of the encoder.
pub fn official_name(path: &str) -> String {
    [("neck.conv1", "neck.0"), ("neck.norm1", "neck.1"), ("neck.conv2", "neck.2"), ("neck.norm2", "neck.3")]
        .iter()
        .fold(path.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
}

/// Replaces parameters by those that `weights` has under the same name; `[out, in]` is turned round.
struct Loader<W> {
    path: Path,
    weights: W,
    n_loaded: usize,
}

impl<W: FnMut(&str, &[usize]) -> Option<Vec<f32>>> ModuleMapper for Loader<W> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut stored = param.lazy_shape().as_slice().to_vec();
        let turn = self.path.is_linear_weight();
        if turn {
            stored.reverse();
        }
        let Some(numbers) = (self.weights)(&self.path.name(), &stored) else { return param };
        self.n_loaded += 1;
        param.map(|old| {
            let dims: [usize; D] = stored.try_into().unwrap();
            let new = tensor(numbers, dims, &old.device());
            let new = if turn { new.transpose() } else { new };
            // A fresh leaf, as a trainer would start from.
            let new = tensor(values(&new), new.dims(), &old.device());
            if old.is_require_grad() { new.require_grad() } else { new }
        })
    }
}

/// The module with the parameters that `weights` gives for a path and a shape in PyTorch's layout, and their
/// number.
pub fn load<M: Module>(module: M, weights: impl FnMut(&str, &[usize]) -> Option<Vec<f32>>) -> (M, usize) {
    let mut loader = Loader { path: Path::default(), weights, n_loaded: 0 };
    let module = module.map(&mut loader);
    (module, loader.n_loaded)
}

/// The module with every parameter drawn, so that nothing is zero, one or left out by chance.
pub fn with_drawn_weights<M: Module>(module: M, seed: u64) -> M {
    let mut key = seed << 16;
    load(module, |path, dims| {
        key += 1;
        let fan_in: usize = dims.iter().skip(1).product();
        let is_scale = (path.contains("norm") && path.ends_with("weight")) || path.contains("layer_scale");
        let (mean, size) = match dims.len() {
            1 if is_scale => (1.0, 0.3),
            1 => (0.0, 0.3),
            _ => (0.0, 1.7 / (fan_in as f32).sqrt()),
        };
        Some(drawn(key, dims.iter().product()).into_iter().map(|v| mean + size * v).collect())
    })
    .0
}

/// The module with the fixture's weights `PREFIX.NAME`, where it has them.
pub fn with_fixture_weights<M: Module>(module: M, fixture: &Fixture, prefix: &str) -> M {
    let mut used = Vec::new();
    let (module, n_loaded) = load(module, |path, dims| {
        let key = format!("{prefix}{}", official_name(path));
        if !fixture.contains(&key) {
            return None;
        }
        let array = fixture.get(&key);
        assert_eq!(array.shape, dims, "{key}");
        used.push(key);
        Some(array.f32().to_vec())
    });
    let n_stored = fixture.weights().filter(|(key, _)| key.starts_with(prefix)).count();
    assert_eq!(n_loaded, n_stored, "weights under {prefix} found a place: {used:?}");
    module
}

/// The encoder that `config.json` describes, without pause points and tuning.
pub fn golden_config(img_size: usize) -> EncoderConfig {
    let config = fastersam_golden::config();
    let encoder = &config["encoder"];
    let size = |key: &str| usize::try_from(encoder[key].as_u64().unwrap()).unwrap();
    EncoderConfig {
        img_size,
        patch_size: size("patch_size"),
        embed_dim: size("embed_dim"),
        depth: size("depth"),
        num_heads: size("num_heads"),
        mlp_ratio: encoder["mlp_ratio"].as_f64().unwrap(),
        out_chans: size("out_chans"),
        window_size: size("window_size"),
        global_attn_indexes: encoder["global_attn_indexes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|index| usize::try_from(index.as_u64().unwrap()).unwrap())
            .collect(),
        pause_points: Vec::new(),
        injection_blocks: Vec::new(),
        tuning: Tuning::None,
        ..EncoderConfig::vit_b(img_size)
    }
}

/// Forms of the encoder that go different ways through the code.
pub fn forms() -> Vec<(&'static str, EncoderConfig)> {
    let plain = EncoderConfig {
        embed_dim: 32,
        out_chans: 16,
        conv_channels: [16, 16, 32],
        n_classes: 3,
        pause_points: vec![0, 2, 4],
        ..EncoderConfig::tiny(112)
    };
    let windows =
        EncoderConfig { window_size: 4, global_attn_indexes: vec![2, 5], use_rel_pos: true, ..plain.clone() };
    let masked =
        EncoderConfig { window_padding: fastersam_pausing_encoder::WindowPadding::Masked, ..windows.clone() };
    let dino =
        EncoderConfig { layer_scale: true, final_norm: true, class_token: true, patch_size: 14, ..plain.clone() };
    vec![("plain", plain), ("windows", windows), ("masked", masked), ("class token", dino)]
}

/// The same forms, and every tuning scheme under which tokens may pause.
pub fn forms_and_schemes() -> Vec<(&'static str, EncoderConfig)> {
    let mut all = forms();
    let (plain, windows) = (all[0].1.clone(), all[1].1.clone());
    for (form, tuning) in [
        ("lora", Tuning::Lora { rank: 3 }),
        ("msa", Tuning::MedicalSamAdapter { reduction: 4 }),
        ("samus", Tuning::Samus { reduction: 4 }),
        ("bottleneck", Tuning::Bottleneck { reduction: 4 }),
    ] {
        let base = if form == "msa" { &plain } else { &windows };
        let has_branch = tuning.uses_conv_branch();
        let mut config = EncoderConfig { tuning, ..base.clone() };
        if !has_branch {
            // Stage 0 needs a CNN branch.
            config.pause_points = vec![1, 2, 4];
        }
        all.push((form, config));
    }
    all
}

pub fn build(config: &EncoderConfig, device: &Device) -> PausingEncoder {
    config.validate().unwrap();
    with_drawn_weights(config.init(device), 1)
}

/// Drawn images and CNN features: image `i` depends on `keys[i]` only.
pub fn batch(config: &EncoderConfig, keys: &[u64], device: &Device) -> (Tensor<4>, ConvFeatures) {
    let s = config.img_size;
    let stack = |offset: u64, c: usize, side: usize| {
        let images = keys.iter().map(|key| drawn_tensor(100 + 10 * key + offset, [1, c, side, side], device));
        Tensor::cat(images.collect(), 0)
    };
    let [c4, c8, c16] = config.conv_channels;
    let features = ConvFeatures {
        stride4: stack(1, c4, s.div_ceil(4)),
        stride8: stack(2, c8, s.div_ceil(8)),
        stride16: stack(3, c16, s.div_ceil(16)),
    };
    (stack(0, 3, s), features)
}

pub fn run(encoder: &PausingEncoder, keys: &[u64], settings: &PauseSettings) -> EncoderOutput {
    let device = Device::flex();
    let (images, features) = batch(encoder.config(), keys, &device);
    encoder.forward(images, Some(&features), settings).unwrap()
}

/// The part of a batch's rows that belongs to image `i`.
pub fn of_image(rows: &[f32], i: usize, n_images: usize) -> &[f32] {
    let len = rows.len() / n_images;
    &rows[i * len..(i + 1) * len]
}

pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst, d| if d > worst || d.is_nan() { d } else { worst })
}

/// Fails where two lists of numbers differ in a single bit, without printing them all.
#[track_caller]
pub fn assert_same_bits(a: &[f32], b: &[f32], what: &str) {
    let differ = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    assert!(
        a.len() == b.len() && differ == 0,
        "{what}: {differ} of {} numbers differ, by up to {:e}",
        a.len(),
        largest_difference(a, b)
    );
}

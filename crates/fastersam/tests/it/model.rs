//! What must hold for the assembled model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use fastersam::loss::{one_hot, patch_fractions, segmentation_loss, soft_cross_entropy};
use fastersam::{FasterSam, ModelConfig, ModelOptions, ModelOutput, PrepackedModel, Preset, WeightPrecision};
use fastersam_adapter::ConvNorm;
use fastersam_kernels::resize_bilinear;
use fastersam_pausing_encoder::{PauseSettings, WindowPadding};
use fastersam_volume::KeyedRng;

const SIZE: usize = 64;
const CLASSES: usize = 3;

fn config() -> ModelConfig {
    let mut options = ModelOptions::new(Preset::Tiny);
    options.input_size = Some(SIZE);
    options.pause_points = Some(vec![0, 2, 4]);
    options.resolve(CLASSES).unwrap()
}

/// Images of noise, each from its own seed.
fn images(seeds: &[u64], device: &Device) -> Tensor<4> {
    let values: Vec<f32> = seeds
        .iter()
        .flat_map(|&seed| {
            let mut rng = KeyedRng::new(seed, &[]);
            (0..SIZE * SIZE).map(move |_| rng.uniform() as f32).collect::<Vec<f32>>()
        })
        .collect();
    Tensor::from_data(TensorData::new(values, [seeds.len(), 1, SIZE, SIZE]), device)
}

/// A model that is trained, or one for inference alone.
trait Model {
    fn run(&self, images: Tensor<4>, settings: &PauseSettings) -> ModelOutput;
}

impl Model for FasterSam {
    fn run(&self, images: Tensor<4>, settings: &PauseSettings) -> ModelOutput {
        self.forward(images, settings).unwrap()
    }
}

impl Model for PrepackedModel {
    fn run(&self, images: Tensor<4>, settings: &PauseSettings) -> ModelOutput {
        self.forward(images, settings).unwrap()
    }
}

/// The bits of each image's logits.
fn logits(model: &impl Model, seeds: &[u64], settings: &PauseSettings) -> Vec<Vec<u32>> {
    let output = model.run(images(seeds, &Device::flex()), settings);
    let values = output.logits.into_data().try_to_vec::<f32>().unwrap();
    let per_image = values.len() / seeds.len();
    let bits: Vec<u32> = values.into_iter().map(f32::to_bits).collect();
    bits.chunks(per_image).map(<[u32]>::to_vec).collect()
}

#[test]
fn an_image_gets_the_same_logits_in_any_batch() {
    let model = config().init(3, &Device::flex()).unwrap();
    // 0.95: some tokens of the untrained model pause, others don't.
    for settings in
        [PauseSettings::never(), PauseSettings::threshold([0.95; 3]), PauseSettings::keep_ratio([0.6, 0.5, 0.3])]
    {
        let batch = logits(&model, &[1, 2, 3, 4], &settings);
        let permuted = logits(&model, &[3, 1, 4, 2], &settings);
        let expected = [2, 0, 3, 1].map(|i: usize| batch[i].clone());
        assert_eq!(permuted, expected, "{settings:?}: a permuted batch");
        for (i, seed) in [1, 2, 3, 4].into_iter().enumerate() {
            assert_eq!(logits(&model, &[seed], &settings)[0], batch[i], "{settings:?}: image {i} alone");
        }
    }
}

#[test]
fn a_prepacked_model_gives_the_same_logits_and_in_any_batch() {
    let model = config().init(3, &Device::flex()).unwrap();
    let prepacked = config().init(3, &Device::flex()).unwrap().prepack();
    // Ratios of the ranks, which rounding does not change here; a threshold may fall between two roundings.
    for settings in [PauseSettings::never(), PauseSettings::keep_ratio([0.6, 0.5, 0.3])] {
        let batch = logits(&prepacked, &[1, 2, 3], &settings);
        let expected = logits(&model, &[1, 2, 3], &settings);
        let pairs = batch.iter().flatten().zip(expected.iter().flatten());
        let (mut largest, mut most_different) = (0.0_f32, 0.0_f32);
        for (found, expected) in pairs.map(|(a, b)| (f32::from_bits(*a), f32::from_bits(*b))) {
            largest = largest.max(expected.abs());
            most_different = most_different.max((found - expected).abs());
        }
        assert!(most_different <= 1e-5 * largest.max(1.0), "{settings:?}: {most_different} of {largest}");
        assert_eq!(
            logits(&prepacked, &[3, 1, 2], &settings),
            [2, 0, 1].map(|i: usize| batch[i].clone()),
            "permuted"
        );
        for (i, seed) in [1, 2, 3].into_iter().enumerate() {
            assert_eq!(logits(&prepacked, &[seed], &settings)[0], batch[i], "{settings:?}: image {i} alone");
        }
    }
}

/// What holds in f32 holds in fewer bits: only the logits themselves differ, by what was rounded.
#[test]
fn in_fewer_bits_too_an_image_gets_the_same_logits_in_any_batch_and_on_any_number_of_threads() {
    let device = Device::flex();
    let expected = logits(&config().init(3, &device).unwrap(), &[1, 2, 3], &PauseSettings::never());
    for precision in [WeightPrecision::Bf16, WeightPrecision::Int8] {
        let model = config().init(3, &device).unwrap().prepack_as(precision);
        let never = logits(&model, &[1, 2, 3], &PauseSettings::never());
        let similarity = cosine(&never.concat(), &expected.concat());
        assert!((0.999..1.0).contains(&similarity), "{precision}: {similarity}");
        assert_eq!(never, logits(&model, &[1, 2, 3], &PauseSettings::keep_ratio([1.0; 3])), "{precision}");
        assert_eq!(never, logits(&model, &[1, 2, 3], &PauseSettings::threshold([0.0; 3])), "{precision}");
        for settings in [
            PauseSettings::never(),
            PauseSettings::threshold([0.95; 3]),
            PauseSettings::keep_ratio([0.6, 0.5, 0.3]),
        ] {
            let batch = logits(&model, &[1, 2, 3, 4], &settings);
            let permuted = logits(&model, &[3, 1, 4, 2], &settings);
            assert_eq!(permuted, [2, 0, 3, 1].map(|i: usize| batch[i].clone()), "{precision}, {settings:?}");
            for (i, seed) in [1, 2, 3, 4].into_iter().enumerate() {
                assert_eq!(
                    logits(&model, &[seed], &settings)[0],
                    batch[i],
                    "{precision}, {settings:?}: {i} alone"
                );
            }
            let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            assert_eq!(one_thread.install(|| logits(&model, &[1, 2, 3, 4], &settings)), batch, "{precision}");
        }
    }
}

/// Of the angle between two lists of numbers, given as bits.
fn cosine(a: &[u32], b: &[u32]) -> f64 {
    let product = |a: &[u32], b: &[u32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(f32::from_bits(a)) * f64::from(f32::from_bits(b))).sum()
    };
    product(a, b) / (product(a, a) * product(b, b)).sqrt()
}

#[test]
fn keeping_all_equals_never() {
    let model = config().init(3, &Device::flex()).unwrap();
    let never = logits(&model, &[1, 2], &PauseSettings::never());
    assert_eq!(never, logits(&model, &[1, 2], &PauseSettings::keep_ratio([1.0; 3])));
    assert_eq!(never, logits(&model, &[1, 2], &PauseSettings::threshold([0.0; 3])));
    assert_ne!(never, logits(&model, &[1, 2], &PauseSettings::keep_ratio([0.5; 3])));
}

#[test]
fn images_of_another_shape_are_refused() {
    let model = config().init(3, &Device::flex()).unwrap();
    for shape in [[1, 3, SIZE, SIZE], [1, 1, SIZE, SIZE + 16], [0, 1, SIZE, SIZE]] {
        let images = Tensor::<4>::zeros(shape, &Device::flex());
        let error = model.forward(images, &PauseSettings::never()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("[b, 1, {SIZE}, {SIZE}]")) && error.contains(&format!("{shape:?}")),
            "{error}"
        );
    }
}

/// Everything that METHOD leaves open is a key of the model's options.
#[test]
fn the_switches_of_the_method_are_keys_of_the_options() {
    let read =
        |text: &str| -> ModelConfig { toml::from_str::<ModelOptions>(text).unwrap().resolve(CLASSES).unwrap() };
    let plain = read("preset = \"vit_b\"");
    assert_eq!(plain, ModelOptions::new(Preset::VitB).resolve(CLASSES).unwrap());
    assert_eq!(plain.decoder.skip_channels, Some([64, 128]));

    let other = read(
        "preset = \"vit_b\"\ninput_size = 256\nwindow_padding = \"masked\"\nconv_norm = \"batch\"\nskips = false\n\
         pause_points = [0, 3, 6, 9]\ninjection_blocks = [0, 6]\ntune_layer_norms = false\n\
         tuning = { scheme = \"conv_branch\" }",
    );
    assert_eq!(other.encoder.window_padding, WindowPadding::Masked);
    assert_eq!(other.conv_branch.unwrap().norm, ConvNorm::Batch);
    assert_eq!(other.decoder.skip_channels, None);
    assert_eq!((other.encoder.pause_points, other.encoder.injection_blocks), (vec![0, 3, 6, 9], vec![0, 6]));
    assert!(!other.tune_layer_norms);

    assert!(read("preset = \"vit_s\"\nclass_token = true").encoder.class_token);
    let refused = toml::from_str::<ModelOptions>("preset = \"vit_b\"\nclass_token = true").unwrap();
    assert!(refused.resolve(CLASSES).unwrap_err().to_string().contains("class token"));
    assert!(toml::from_str::<ModelOptions>("preset = \"vit_b\"\nwindow_paddin = \"sam\"").is_err());
}

#[test]
fn the_seed_fixes_the_starting_values() {
    let device = Device::flex();
    let never = PauseSettings::never();
    let [a, b, c] = [3, 3, 4].map(|seed| logits(&config().init(seed, &device).unwrap(), &[1], &never));
    assert_eq!(a, b);
    assert_ne!(a, c);
}

/// Parameters without and with a gradient that is not zero everywhere.
struct Reached<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    without: Vec<String>,
    with: Vec<String>,
}

impl ModuleVisitor for Reached<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients);
        let values = gradient.map(|g| g.into_data().try_to_vec::<f32>().unwrap());
        let path = self.path.join(".");
        if values.is_some_and(|values| values.iter().any(|&v| v != 0.0)) {
            self.with.push(path);
        } else {
            self.without.push(path);
        }
    }
}

#[test]
fn gradients_reach_everything_that_is_trained_and_nothing_that_is_frozen() {
    for frozen in [false, true] {
        let device = Device::flex().autodiff();
        let mut config = config();
        config.train_backbone = !frozen;
        let model = config.init(5, &device).unwrap();
        let mut settings = PauseSettings::keep_ratio([0.8, 0.7, 0.7]);
        settings.score_heads = true;
        let output = model.forward(images(&[1, 2], &device), &settings).unwrap();
        let labels: Vec<u8> = (0..2 * SIZE * SIZE).map(|i| (i / 700 % CLASSES) as u8).collect();
        let target = one_hot(&labels, [2, SIZE, SIZE], CLASSES, &device);
        let mut loss = segmentation_loss(resize_bilinear(output.logits, SIZE), target).combined();
        let fractions = patch_fractions(&labels, SIZE, 16, CLASSES);
        for stage in output.stages {
            let table = TensorData::new(fractions.clone(), [fractions.len() / CLASSES, CLASSES]);
            let (target, n_scored) = stage.rows_of(Tensor::from_data(table, &device));
            assert_eq!(n_scored, stage.read().rows.len());
            loss = loss + soft_cross_entropy(stage.logits, target);
        }
        let gradients = loss.backward();
        let mut reached =
            Reached { gradients: &gradients, path: Vec::new(), without: Vec::new(), with: Vec::new() };
        model.visit(&mut reached);
        // Not part of the loss; zero until the up-projection moves; constant by design; invisible to
        // softmax.
        let is_exempt = |path: &str| {
            path.contains("iou_prediction_head")
                || path.contains("adapter.down")
                || path.contains("gaussian_matrix")
                || path.ends_with("k_proj.bias")
        };
        let is_frozen = |path: &str| {
            frozen
                && fastersam_pausing_encoder::is_backbone(path.strip_prefix("encoder.").unwrap_or(path))
                && !path.contains(".norm1.")
                && !path.contains(".norm2.")
        };
        for path in &reached.without {
            assert!(is_exempt(path) || is_frozen(path), "no gradient at {path}");
        }
        for path in &reached.with {
            assert!(!is_frozen(path), "a gradient at the frozen {path}");
        }
        for part in ["conv_branch.", "encoder.pause_heads", "encoder.pre_encoder", "adapter.up", "decoder."] {
            assert!(reached.with.iter().any(|path| path.contains(part)), "nothing in {part} is reached");
        }
    }
}

#[test]
fn configurations_that_fit_together_only_in_part_are_refused() {
    let broken = |change: &dyn Fn(&mut ModelConfig)| {
        let mut config = config();
        change(&mut config);
        assert!(config.init(0, &Device::flex()).is_err(), "{config:?}");
    };
    broken(&|c| c.decoder.n_mask_tokens = 4);
    broken(&|c| c.decoder.transformer_dim = 32);
    broken(&|c| c.encoder.pause_points = vec![4, 2]);
    broken(&|c| c.encoder.pause_points = vec![7]);
    broken(&|c| c.encoder.img_size = 65);
    broken(&|c| c.conv_branch.as_mut().unwrap().channels = [16, 32, 128]);
    assert!(ModelOptions::new(Preset::Tiny).resolve(1).is_err());
}

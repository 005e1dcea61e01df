//! This project's side of the bench: models with drawn weights, one pass at a time.

use std::time::Instant;

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::init::initialise;
use fastersam::{FasterSam, ModelConfig, Segmenter};
use fastersam_datasets::KeyedRng;
use fastersam_pausing_encoder::{PauseSettings, PausingEncoder};
use ndarray::Array3;

use super::case::Case;
use crate::record::BenchScope;
use crate::train::count_parameters;

/// Seed of weights and inputs.
const SEED: u64 = 1;
/// Side of the slices that the way from voxels to class map starts from, as Synapse has them.
const NATIVE_SIDE: usize = 512;
/// Learning rate of the training step.
const LEARNING_RATE: f64 = 1e-4;

/// Something that can run a pass.
pub struct Subject {
    work: Work,
    /// Bytes of the weights.
    pub weight_bytes: f64,
}

enum Work {
    Encoder { encoder: PausingEncoder, images: Tensor<4>, settings: PauseSettings },
    Model { model: FasterSam, images: Tensor<4>, settings: PauseSettings },
    Volume { model: FasterSam, config: ModelConfig, volume: Array3<f32>, settings: PauseSettings, device: Device },
    Training { encoder: PausingEncoder, optimizer: ModuleOptimizer, images: Tensor<4> },
}

/// Models that several cases share: whole ones by preset and input size.
#[derive(Default)]
pub struct Models(Vec<(Case, Loaded)>);

#[derive(Clone)]
enum Loaded {
    Encoder(PausingEncoder),
    Model(FasterSam, ModelConfig),
}

impl Models {
    /// The model of a case, built where no earlier case had it.
    fn of(&mut self, case: &Case, device: &Device) -> Result<Loaded> {
        let plain = case.scope == BenchScope::Encoder;
        let same = |other: &Case| {
            (other.preset, other.input, other.scope == BenchScope::Encoder) == (case.preset, case.input, plain)
        };
        if let Some((_, loaded)) = self.0.iter().find(|(other, _)| same(other)) {
            return Ok(loaded.clone());
        }
        let loaded = if plain {
            Loaded::Encoder(initialise(case.encoder_config().init(device).no_grad(), SEED))
        } else {
            let config = case.model_config()?;
            Loaded::Model(config.init(SEED, device)?.no_grad(), config)
        };
        self.0.push((*case, loaded.clone()));
        Ok(loaded)
    }
}

impl Subject {
    /// Builds what a case needs.
    pub fn new(case: &Case, models: &mut Models, device: &Device) -> Result<Self> {
        if case.scope == BenchScope::Training {
            return Ok(Self::training(case, device));
        }
        let (work, n_weights) = match models.of(case, device)? {
            Loaded::Encoder(encoder) => {
                let settings = case.pause.settings(&encoder.config().pause_points);
                let images = images([case.batch, 3, case.input, case.input], device);
                let n_weights = count_parameters(&encoder).0;
                (Work::Encoder { encoder, images, settings }, n_weights)
            }
            Loaded::Model(model, config) => {
                let settings = case.pause.settings(&config.encoder.pause_points);
                let n_weights = count_parameters(&model).0;
                if case.scope == BenchScope::Volume {
                    let values = numbers(case.batch * NATIVE_SIDE * NATIVE_SIDE);
                    let volume = Array3::from_shape_vec((case.batch, NATIVE_SIDE, NATIVE_SIDE), values)?;
                    let device = device.clone();
                    (Work::Volume { model, config, volume, settings, device }, n_weights)
                } else {
                    let images = images([case.batch, 1, case.input, case.input], device);
                    (Work::Model { model, images, settings }, n_weights)
                }
            }
        };
        Ok(Self { work, weight_bytes: 4.0 * n_weights as f64 })
    }

    /// The encoder with bottleneck adapters and a frozen backbone, but for its norms.
    fn training(case: &Case, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let encoder = case.encoder_config().init(&device).freeze_backbone(true);
        let encoder = initialise(encoder, SEED);
        let weight_bytes = 4.0 * count_parameters(&encoder).0 as f64;
        let optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
        let images = images([case.batch, 3, case.input, case.input], &device);
        Self { work: Work::Training { encoder, optimizer, images }, weight_bytes }
    }

    /// Runs one pass; gives its seconds.
    pub fn pass(&mut self) -> Result<f64> {
        let started = Instant::now();
        match &mut self.work {
            Work::Encoder { encoder, images, settings } => {
                let output = encoder.forward(images.clone(), None, settings)?;
                finish(output.embedding);
            }
            Work::Model { model, images, settings } => {
                finish(model.forward(images.clone(), settings)?.logits);
            }
            Work::Volume { model, config, volume, settings, device } => {
                let segmenter = Segmenter::new(model, config, volume.dim().0, device.clone());
                drop(segmenter.segment(volume, settings)?);
            }
            Work::Training { encoder, optimizer, images } => {
                let output = encoder.forward(images.clone(), None, &PauseSettings::never())?;
                let loss = output.embedding.square().mean();
                let gradients = GradientsParams::from_grads(loss.backward(), encoder);
                *encoder = optimizer.step(LEARNING_RATE, encoder.clone(), gradients);
            }
        }
        Ok(started.elapsed().as_secs_f64())
    }
}

/// Reads one value, which waits for devices that run behind.
fn finish(output: Tensor<4>) {
    drop(output.slice([0..1, 0..1, 0..1, 0..1]).into_data());
}

/// Uniform numbers in [0, 1).
fn numbers(n: usize) -> Vec<f32> {
    let mut rng = KeyedRng::new(SEED, &[7]);
    (0..n).map(|_| rng.range(0.0, 1.0) as f32).collect()
}

fn images(shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product()), shape), device)
}

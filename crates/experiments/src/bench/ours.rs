//! This project's side of the bench: models with drawn weights, one pass at a time.

use std::time::Instant;

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::init::initialise;
use fastersam::{FasterSam, ModelConfig, Segmenter};
use fastersam_datasets::KeyedRng;
use fastersam_kernels::count::counted;
use fastersam_kernels::generic::instead_of_fused;
use fastersam_pausing_encoder::{PauseSettings, PausingEncoder};
use ndarray::Array3;

use super::case::Case;
use crate::record::{BenchScope, Program};

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
    Encoder {
        encoder: PausingEncoder,
        images: Tensor<4>,
        settings: PauseSettings,
    },
    /// The encoder with burn's operations in place of the fused ones.
    Composed {
        encoder: PausingEncoder,
        images: Tensor<4>,
        settings: PauseSettings,
    },
    Model {
        model: FasterSam,
        images: Tensor<4>,
        settings: PauseSettings,
    },
    Volume {
        model: FasterSam,
        config: ModelConfig,
        volume: Array3<f32>,
        batch: usize,
        settings: PauseSettings,
        device: Device,
    },
    Training {
        encoder: PausingEncoder,
        optimizer: ModuleOptimizer,
        images: Tensor<4>,
    },
}

/// Models that several cases share: by preset, input size, and whether it is the plain encoder or prepacked.
#[derive(Default)]
pub struct Models(Vec<(Case, Loaded)>);

#[derive(Clone)]
struct Loaded {
    network: Network,
    /// Bytes of the weights before packing.
    weight_bytes: f64,
}

#[derive(Clone)]
enum Network {
    Encoder(PausingEncoder),
    Model(FasterSam, ModelConfig),
}

impl Models {
    /// The model of a case, built where no earlier case had it.
    fn of(&mut self, case: &Case, device: &Device) -> Result<Loaded> {
        let kind = |case: &Case| {
            (case.preset, case.input, case.scope == BenchScope::Encoder, case.program == Program::Composed)
        };
        if let Some((_, loaded)) = self.0.iter().find(|(other, _)| kind(other) == kind(case)) {
            return Ok(loaded.clone());
        }
        let loaded = if case.scope == BenchScope::Encoder {
            let mut encoder = initialise(case.encoder_config().init(device).no_grad(), SEED);
            let weight_bytes = bytes(&encoder);
            if case.program == Program::FasterSam {
                encoder.prepack();
            }
            Loaded { network: Network::Encoder(encoder), weight_bytes }
        } else {
            let config = case.model_config()?;
            let model = config.init(SEED, device)?.no_grad();
            let weight_bytes = bytes(&model);
            Loaded { network: Network::Model(model.prepacked(), config), weight_bytes }
        };
        self.0.push((*case, loaded.clone()));
        Ok(loaded)
    }

    /// The whole model of a case.
    pub fn whole(&mut self, case: &Case, device: &Device) -> Result<(FasterSam, ModelConfig)> {
        match self.of(case, device)?.network {
            Network::Model(model, config) => Ok((model, config)),
            Network::Encoder(_) => anyhow::bail!("{} has no whole model", case.id()),
        }
    }
}

fn bytes(model: &impl Module) -> f64 {
    4.0 * model.num_params() as f64
}

impl Subject {
    /// Builds what a case needs.
    pub fn new(case: &Case, models: &mut Models, device: &Device) -> Result<Self> {
        if case.scope == BenchScope::Training {
            return Ok(Self::training(case, device));
        }
        let Loaded { network, weight_bytes } = models.of(case, device)?;
        let work = match network {
            Network::Encoder(encoder) => {
                let settings = case.pause.settings(&encoder.config().pause_points);
                let images = images([case.batch, 3, case.input, case.input], device);
                match case.program {
                    Program::Composed => Work::Composed { encoder, images, settings },
                    _ => Work::Encoder { encoder, images, settings },
                }
            }
            Network::Model(model, config) => {
                let settings = case.pause.settings(&config.encoder.pause_points);
                if case.scope == BenchScope::Volume {
                    let shape = (case.slices(), NATIVE_SIDE, NATIVE_SIDE);
                    let volume = Array3::from_shape_vec(shape, numbers(shape.0 * shape.1 * shape.2))?;
                    let (batch, device) = (case.batch, device.clone());
                    Work::Volume { model, config, volume, batch, settings, device }
                } else {
                    let images = images([case.batch, 1, case.input, case.input], device);
                    Work::Model { model, images, settings }
                }
            }
        };
        Ok(Self { work, weight_bytes })
    }

    /// The encoder with bottleneck adapters and a frozen backbone, but for its norms.
    fn training(case: &Case, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let encoder = case.encoder_config().init(&device).freeze_backbone(true);
        let encoder = initialise(encoder, SEED);
        let weight_bytes = bytes(&encoder);
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
            Work::Composed { encoder, images, settings } => {
                let output = instead_of_fused(|| encoder.forward(images.clone(), None, settings))?;
                finish(output.embedding);
            }
            Work::Model { model, images, settings } => {
                finish(model.forward(images.clone(), settings)?.logits);
            }
            Work::Volume { model, config, volume, batch, settings, device } => {
                let segmenter = Segmenter::new(model, config, *batch, device.clone());
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

    /// Runs one pass; gives the multiply-accumulates that it ran, in 1e9. Unpacked convolutions and
    /// backward passes are burn's own and not counted, so these give none.
    pub fn counted_pass(&mut self) -> Result<Option<f64>> {
        let (pass, macs) = counted(|| self.pass());
        pass?;
        let is_counted = !matches!(self.work, Work::Composed { .. } | Work::Training { .. });
        Ok(is_counted.then_some(macs as f64 / 1e9))
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

pub(super) fn images(shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(numbers(shape.iter().product()), shape), device)
}

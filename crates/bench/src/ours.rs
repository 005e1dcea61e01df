//! This project's side of the bench: models with drawn weights, one pass at a time.

use std::time::Instant;

use anyhow::Result;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use fastersam::init::initialise;
use fastersam::{ModelConfig, PrepackedModel, VolumeSegmenter};
use fastersam_kernels::count::counted;
use fastersam_kernels::generic::instead_of_fused;
use fastersam_pausing_encoder::{Execution, PauseSettings, PausingEncoder};
use fastersam_volume::KeyedRng;
use ndarray::Array3;

use super::workload::Workload;
use fastersam_records::{BenchExecution, BenchScope, Program};

/// Seed of weights and inputs.
const SEED: u64 = 1;
/// Side of the slices that the way from voxels to class map starts from, as Synapse has them.
const NATIVE_SIDE: usize = 512;
/// Learning rate of the training step.
const LEARNING_RATE: f64 = 1e-4;

/// Something that can run a pass.
pub struct Runner {
    work: Work,
    /// Bytes of the weights.
    pub weight_bytes: f64,
    /// How the encoder's last pass was computed.
    pub execution: Option<BenchExecution>,
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
        model: PrepackedModel,
        images: Tensor<4>,
        settings: PauseSettings,
    },
    Volume {
        segmenter: VolumeSegmenter,
        volume: Array3<f32>,
        settings: PauseSettings,
    },
    Training {
        encoder: PausingEncoder,
        optimizer: ModuleOptimizer,
        images: Tensor<4>,
    },
}

/// Models that several workloads share: by preset, input size, whether it is the plain encoder or prepacked, and
/// precision.
#[derive(Default)]
pub struct Models(Vec<(Workload, Loaded)>);

#[derive(Clone)]
struct Loaded {
    network: Network,
    /// Bytes of the weights before packing.
    weight_bytes: f64,
}

#[derive(Clone)]
enum Network {
    Encoder(Box<PausingEncoder>),
    Model(Box<(PrepackedModel, ModelConfig)>),
}

impl Models {
    /// The model of a workload, built where no earlier workload had it.
    fn of(&mut self, workload: &Workload, device: &Device) -> Result<Loaded> {
        let kind = |workload: &Workload| {
            (
                workload.preset,
                workload.input,
                workload.scope == BenchScope::Encoder,
                workload.program == Program::Composed,
                workload.precision,
            )
        };
        if let Some((_, loaded)) = self.0.iter().find(|(other, _)| kind(other) == kind(workload)) {
            return Ok(loaded.clone());
        }
        let loaded = if workload.scope == BenchScope::Encoder {
            let mut encoder = initialise(workload.encoder_config().init(device).no_grad(), SEED);
            let weight_bytes = bytes(&encoder);
            if workload.program == Program::FasterSam {
                encoder.prepack_as(workload.precision);
            }
            Loaded { network: Network::Encoder(Box::new(encoder)), weight_bytes }
        } else {
            let config = workload.model_config()?;
            let model = config.init(SEED, device)?.no_grad();
            let weight_bytes = bytes(&model);
            Loaded {
                network: Network::Model(Box::new((model.prepack_as(workload.precision), config))),
                weight_bytes,
            }
        };
        self.0.push((*workload, loaded.clone()));
        Ok(loaded)
    }

    /// The whole model of a workload.
    pub fn whole(&mut self, workload: &Workload, device: &Device) -> Result<(PrepackedModel, ModelConfig)> {
        match self.of(workload, device)?.network {
            Network::Model(model) => Ok(*model),
            Network::Encoder(_) => anyhow::bail!("{} has no whole model", workload.id()),
        }
    }
}

fn bytes(model: &impl Module) -> f64 {
    4.0 * model.num_params() as f64
}

impl Runner {
    /// Builds what a workload needs.
    pub fn new(workload: &Workload, models: &mut Models, device: &Device) -> Result<Self> {
        if workload.scope == BenchScope::Training {
            return Ok(Self::training(workload, device));
        }
        let Loaded { network, weight_bytes } = models.of(workload, device)?;
        let work = match network {
            Network::Encoder(encoder) => {
                let encoder = *encoder;
                let settings = workload.pause.settings(&encoder.config().pause_points);
                let images = images([workload.batch, 3, workload.input, workload.input], device);
                match workload.program {
                    Program::Composed => Work::Composed { encoder, images, settings },
                    _ => Work::Encoder { encoder, images, settings },
                }
            }
            Network::Model(model) => {
                let (model, config) = *model;
                let settings = workload.pause.settings(&config.encoder.pause_points);
                if workload.scope == BenchScope::Volume {
                    let shape = (workload.slices(), NATIVE_SIDE, NATIVE_SIDE);
                    let volume = Array3::from_shape_vec(shape, numbers(shape.0 * shape.1 * shape.2))?;
                    let segmenter = VolumeSegmenter::new(model).with_batch_size(workload.batch);
                    Work::Volume { segmenter, volume, settings }
                } else {
                    let images = images([workload.batch, 1, workload.input, workload.input], device);
                    Work::Model { model, images, settings }
                }
            }
        };
        Ok(Self { work, weight_bytes, execution: None })
    }

    /// The encoder with bottleneck adapters and a frozen backbone, but for its norms.
    fn training(workload: &Workload, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let encoder = workload.encoder_config().init(&device).freeze_backbone(true);
        let encoder = initialise(encoder, SEED);
        let weight_bytes = bytes(&encoder);
        let optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
        let images = images([workload.batch, 3, workload.input, workload.input], &device);
        Self { work: Work::Training { encoder, optimizer, images }, weight_bytes, execution: None }
    }

    /// Runs one pass; gives its seconds.
    pub fn pass(&mut self) -> Result<f64> {
        let started = Instant::now();
        match &mut self.work {
            Work::Encoder { encoder, images, settings } => {
                let output = encoder.forward(images.clone(), None, settings)?;
                self.execution = Some(execution(&output.execution));
                finish(output.embedding);
            }
            Work::Composed { encoder, images, settings } => {
                let output = instead_of_fused(|| encoder.forward(images.clone(), None, settings))?;
                finish(output.embedding);
            }
            Work::Model { model, images, settings } => {
                let output = model.forward(images.clone(), settings)?;
                self.execution = Some(execution(&output.execution));
                finish(output.logits);
            }
            Work::Volume { segmenter, volume, settings } => {
                drop(segmenter.segment(volume, settings)?);
            }
            Work::Training { encoder, optimizer, images } => {
                let output = encoder.forward(images.clone(), None, &PauseSettings::never())?;
                let loss = output.embedding.square().mean();
                let gradients = GradientsParams::from_grads(loss.backward(), encoder);
                *encoder = optimizer.step(LEARNING_RATE, encoder.clone(), gradients);
                // A parameter that the step changed.
                drop(encoder.blocks[0].norm1.weight.val().into_data());
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

fn execution(execution: &Execution) -> BenchExecution {
    let mut shapes = execution.rows_of_blocks.clone();
    shapes.sort_unstable();
    shapes.dedup();
    BenchExecution { read_backs: execution.read_backs, shapes: shapes.len(), launches: None }
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

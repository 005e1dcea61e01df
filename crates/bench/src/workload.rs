//! What the bench can measure: one workload a row.

use anyhow::Result;
use fastersam::{ModelConfig, ModelOptions, Preset, WeightPrecision};
use fastersam_adapter::Tuning;
use fastersam_pausing_encoder::{EncoderConfig, PausePolicy, PauseSettings};

use fastersam_records::{BenchScope, Program};

/// Classes of every model of the bench: background and the eight organs of Synapse.
pub const N_CLASSES: usize = 9;
/// Cases of more multiply-accumulates a pass are left out unless all are asked for, in 1e9.
pub const HEAVY_GMACS: f64 = 500.0;

/// Which tokens pause. All of them keep fixed numbers of tokens, so that speed does not depend on what is in
/// the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// None.
    Never,
    /// `keep_ratio = [0.7, 0.7, 0.7]` after blocks 3, 6 and 9.
    Mild,
    /// `keep_ratio = [0.5, 0.5, 1.0]` after blocks 3, 6 and 9.
    Half,
    /// `keep_ratio = [0.3, 1.0, 1.0]` after blocks 3, 6 and 9.
    Strong,
    /// Stage 0: shares 0.31, 0.10, 0.09, 0.09 of all tokens go on, from before block 0 and after blocks
    /// 3, 6 and 9.
    StageZero,
}

impl Pause {
    /// As it stands in a row's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Mild => "mild",
            Self::Half => "half",
            Self::Strong => "strong",
            Self::StageZero => "stage0",
        }
    }

    /// As the tables call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Mild => "keep 0.7 / 0.7 / 0.7",
            Self::Half => "keep 0.5 / 0.5 / 1.0",
            Self::Strong => "keep 0.3 / 1.0 / 1.0",
            Self::StageZero => "stage 0: 0.31 / 0.10 / 0.09 / 0.09 of all",
        }
    }

    /// The share of the active tokens that goes on at each of the points (0 is stage 0).
    fn ratios(self, points: &[usize]) -> Vec<f64> {
        let later: &[f64] = match self {
            Self::Never => &[1.0, 1.0, 1.0],
            Self::Mild => &[0.7, 0.7, 0.7],
            Self::Half => &[0.5, 0.5, 1.0],
            Self::Strong => &[0.3, 1.0, 1.0],
            Self::StageZero => &[0.10 / 0.31, 0.09 / 0.10, 1.0],
        };
        let first = if self == Self::StageZero { 0.31 } else { 1.0 };
        let stage_zero = points.first().filter(|&&point| point == 0).map(|_| first);
        stage_zero.into_iter().chain(later.iter().copied()).collect()
    }

    /// The settings for an encoder with these pause points.
    pub fn settings(self, points: &[usize]) -> PauseSettings {
        match self {
            Self::Never => PauseSettings::never(),
            _ => PauseSettings::keep_ratio(self.ratios(points)),
        }
    }
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// Whose code.
    pub program: Program,
    /// What the time covers.
    pub scope: BenchScope,
    /// Size of the backbone.
    pub preset: Preset,
    /// Side of the input, pixels.
    pub input: usize,
    /// Slices at a time.
    pub batch: usize,
    /// Which tokens pause.
    pub pause: Pause,
    /// Numbers of this project's prepacked weights.
    pub precision: WeightPrecision,
}

impl Workload {
    /// The row's name: `fastersam-vit_b-224-b1-encoder-never`, with `-int8` behind it where weights have eight bits.
    pub fn id(&self) -> String {
        let Self { program, scope, preset, input, batch, pause, precision } = self;
        let (program, scope, preset) = (program.name(), scope.name(), preset_name(*preset));
        let precision = if *precision == WeightPrecision::F32 { String::new() } else { format!("-{precision}") };
        format!("{program}-{preset}-{input}-b{batch}-{scope}-{}{precision}", pause.name())
    }

    /// Slices of a pass: of a volume several batches, so that one is resampled while another is computed.
    pub fn slices(&self) -> usize {
        match self.scope {
            BenchScope::Volume => (2 * self.batch).max(4),
            _ => self.batch,
        }
    }

    /// SAM's plain encoder, nothing added, as PyTorch runs it.
    pub fn encoder_config(&self) -> EncoderConfig {
        let base = match self.preset {
            Preset::VitS => EncoderConfig::vit_s(self.input),
            _ => EncoderConfig::vit_b(self.input),
        };
        let tuning = match self.scope {
            BenchScope::Training => Tuning::Bottleneck { reduction: 4 },
            _ => Tuning::None,
        };
        EncoderConfig { n_classes: N_CLASSES, tuning, ..base }
    }

    /// The whole model: CNN branch, adapters, decoder, all four pause points.
    pub fn model_config(&self) -> Result<ModelConfig> {
        let mut options = ModelOptions::new(self.preset);
        options.input_size = Some(self.input);
        options.pause_points = Some(vec![0, 3, 6, 9]);
        Ok(options.resolve(N_CLASSES)?)
    }

    /// The encoder that runs.
    fn encoder(&self) -> Result<EncoderConfig> {
        Ok(match self.scope {
            BenchScope::Encoder | BenchScope::Training => self.encoder_config(),
            BenchScope::Model | BenchScope::Volume => self.model_config()?.encoder,
        })
    }

    /// Where tokens may pause.
    pub fn pause_points(&self) -> Result<Vec<usize>> {
        Ok(self.encoder()?.pause_points)
    }

    /// The share of all tokens that is active after each pause point; nothing where none can pause.
    pub fn active_shares(&self) -> Result<Vec<f64>> {
        Ok(active_shares(&self.encoder()?, self.pause))
    }

    /// Predicted multiply-accumulates of one slice, in 1e9; none for a training step.
    pub fn gmacs(&self) -> Result<Option<f64>> {
        let macs = match (self.scope, self.program) {
            (BenchScope::Training, _) => return Ok(None),
            (BenchScope::Encoder, program) if program.is_peer() => self.encoder_config().macs(&[]).backbone(),
            (BenchScope::Encoder, _) => {
                let config = self.encoder_config();
                config.macs(&active_shares(&config, self.pause)).total()
            }
            (BenchScope::Model | BenchScope::Volume, _) => {
                let config = self.model_config()?;
                let shares = active_shares(&config.encoder, self.pause);
                let branch = config.conv_branch.as_ref().map_or(0, |branch| branch.macs(self.input));
                let decoder = config.decoder.macs(config.grid());
                config.encoder.macs(&shares).total() + branch as f64 + decoder as f64
            }
        };
        Ok(Some(macs / 1e9))
    }
}

fn active_shares(config: &EncoderConfig, pause: Pause) -> Vec<f64> {
    let settings = pause.settings(&config.pause_points);
    let PausePolicy::KeepRatio(ratios) = &settings.policy else { return Vec::new() };
    let n = config.n_tokens() as f64;
    let mut active = n;
    ratios
        .iter()
        .map(|ratio| {
            active = (active * ratio).ceil();
            active / n
        })
        .collect()
}

/// The preset as configurations write it.
pub fn preset_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Tiny => "tiny",
        Preset::Small => "small",
        Preset::VitS => "vit_s",
        Preset::VitB => "vit_b",
        Preset::VitL => "vit_l",
        Preset::VitH => "vit_h",
    }
}

/// All workloads. The inputs of ViT-S are the multiples of its patch of 14 pixels next to ViT-B's; a workload of
/// a peer's stands behind its counterpart, and is measured right after it.
///
/// `peers` are those that there are; `batch_sizes` those of every workload, none for the usual 1 and 8.
pub fn all(peers: &[Program], batch_sizes: &[usize]) -> Vec<Workload> {
    const NARROW: [WeightPrecision; 2] = [WeightPrecision::Bf16, WeightPrecision::Int8];
    let batch_sizes = if batch_sizes.is_empty() { &[1, 8] } else { batch_sizes };
    use BenchScope::{Encoder, Model, Training, Volume};
    let mut workloads = Vec::new();
    for (preset, inputs) in [(Preset::VitB, [1024, 512, 256, 224]), (Preset::VitS, [1022, 518, 252, 224])] {
        for (input, batch) in
            inputs.into_iter().flat_map(|input| batch_sizes.iter().map(move |&batch| (input, batch)))
        {
            let mut add_in = |program, scope, pause, precision| {
                workloads.push(Workload { program, scope, preset, input, batch, pause, precision });
            };
            let mut add = |program, scope, pause| add_in(program, scope, pause, WeightPrecision::F32);
            // More settings at the size that pausing is made for.
            let pauses: &[Pause] = match input {
                224 => &[Pause::Mild, Pause::Half, Pause::Strong],
                _ => &[Pause::Half],
            };
            add(Program::FasterSam, Encoder, Pause::Never);
            if preset == Preset::VitB {
                peers.iter().for_each(|&peer| add(peer, Encoder, Pause::Never));
            }
            if input == 224 {
                add(Program::Composed, Encoder, Pause::Never);
            }
            pauses.iter().for_each(|&pause| add(Program::FasterSam, Encoder, pause));
            add(Program::FasterSam, Model, Pause::Never);
            pauses.iter().for_each(|&pause| add(Program::FasterSam, Model, pause));
            add(Program::FasterSam, Model, Pause::StageZero);
            if input == 224 {
                for pause in [Pause::Never, Pause::Half, Pause::StageZero] {
                    add(Program::FasterSam, Volume, pause);
                }
            }
            if (preset, input, batch) == (Preset::VitS, 224, 8) {
                add(Program::FasterSam, Training, Pause::Never);
                if peers.contains(&Program::PyTorch) {
                    add(Program::PyTorch, Training, Pause::Never);
                }
            }
            for (scope, pause) in [(Encoder, Pause::Never), (Model, Pause::Never), (Model, Pause::StageZero)] {
                NARROW.iter().for_each(|&precision| add_in(Program::FasterSam, scope, pause, precision));
            }
        }
    }
    workloads
}

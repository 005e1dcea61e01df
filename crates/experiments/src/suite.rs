//! Running experiments: train, choose a pause setting, score, time, and leave records.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::module::Module;
use burn::tensor::Device;
use fastersam::checkpoint::{self, Checkpoint};
use fastersam::{FasterSam, ModelConfig};
use fastersam_metrics::summarise;
use fastersam_pausing_encoder::{PausePolicy, PauseSettings};
use ndarray::Axis;

use crate::baseline::LinearClassifier;
use crate::config::Experiment;
use crate::data::{self, ExperimentData};
use crate::evaluate::{self, Evaluation};
use crate::progress::say;
use crate::provenance::Origin;
use crate::record::{
    CostRecord, EvaluationRecord, PauseRecord, Provenance, Record, Scope, SliceRecord,
    ThroughputRecord, TokenRecord, TrainingRecord, write_record,
};
use crate::{throughput, train};

/// Where experiments run and where their results go.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Folder of this suite's runs and records.
    pub folder: PathBuf,
    /// Folder that real data sets lie in.
    pub data: Option<PathBuf>,
    /// The device.
    pub device: Device,
    /// What provenance says of device and threads.
    pub origin: Origin,
    /// Continue what was interrupted and keep what is done.
    pub resume: bool,
}

impl Workspace {
    /// Where records lie.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.folder.join("records")
    }

    /// Where an experiment's checkpoints lie.
    #[must_use]
    pub fn run_folder(&self, experiment: &Experiment) -> PathBuf {
        self.folder.join(&experiment.id)
    }
}

/// A pause setting of the sweep.
#[derive(Clone, Debug)]
struct Setting {
    label: String,
    /// The pause points that it uses; the others of the model are idle.
    points: Vec<usize>,
    settings: PauseSettings,
}

impl Setting {
    /// What the terminal calls it.
    fn name(&self) -> String {
        let from = if self.points.first() == Some(&0) { " from stage 0" } else { "" };
        format!("{}{from}", self.label)
    }
}

/// Runs one experiment from its data to its records.
///
/// # Errors
/// Where data, training or measuring fail, or the user interrupts.
pub fn run(experiment: &Experiment, workspace: &Workspace) -> Result<()> {
    let folder = workspace.run_folder(experiment);
    let done = folder.join("done");
    if workspace.resume && done.exists() {
        say(&format!("{}: done already", experiment.id));
        return Ok(());
    }
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} can't be made", folder.display()))?;
    let _ = std::fs::remove_file(&done);
    say(&format!("{}: reading data", experiment.id));
    let data = data::load(experiment, workspace.data.as_deref())?;
    let trained = train::train(experiment, &data, &folder, workspace.resume, &workspace.device)?;
    let run = Run::new(experiment, workspace, &data, &trained.checkpoint)?;
    run.write(TrainingRecord {
        experiment: experiment.id.clone(),
        method: run.method.clone(),
        dataset: data.name.clone(),
        epochs: trained.rows,
        provenance: run.provenance.clone(),
    })?;
    if experiment.measure.baselines {
        run.baselines()?;
    }
    let settings = run.sweep();
    let recommended = run.calibrate(&settings)?;
    run.score(&settings, recommended)?;
    run.time(&settings, recommended)?;
    checkpoint::write_atomically(&done, b"")?;
    Ok(())
}

/// A trained model of an experiment, ready to be measured.
struct Run<'a> {
    experiment: &'a Experiment,
    workspace: &'a Workspace,
    data: &'a ExperimentData,
    config: ModelConfig,
    model: FasterSam,
    method: String,
    parameters: (u64, u64),
    provenance: Provenance,
}

impl<'a> Run<'a> {
    fn new(
        experiment: &'a Experiment,
        workspace: &'a Workspace,
        data: &'a ExperimentData,
        checkpoint: &Path,
    ) -> Result<Self> {
        let Checkpoint { info, model, weights_sha256, .. } =
            Checkpoint::load(checkpoint, &workspace.device)?;
        let counts = info.model.count_parameters(&model);
        let parameters = (counts.all, counts.trained);
        let method = format!("FasterSAM {}", format!("{:?}", info.model.preset).to_lowercase());
        let provenance = workspace.origin.provenance(
            serde_json::json!({ "experiment": experiment, "model": info.model }),
            experiment.seed,
            &data.sha256,
            Some(weights_sha256),
        );
        let provenance = Provenance {
            backbone_sha256: info.backbone_sha256,
            decoder_sha256: info.decoder_sha256,
            ..provenance
        };
        Ok(Self { experiment, workspace, data, config: info.model, model, method, parameters, provenance })
    }

    fn write(&self, record: impl Into<Record>) -> Result<()> {
        write_record(&self.workspace.records(), &record.into())?;
        Ok(())
    }

    /// `never` and every threshold, first at the points after blocks, then with stage 0.
    fn sweep(&self) -> Vec<Setting> {
        let all = &self.config.encoder.pause_points;
        let after_blocks: Vec<usize> = all.iter().copied().filter(|&point| point > 0).collect();
        let mut variants = vec![after_blocks];
        if all.first() == Some(&0) {
            variants.push(all.clone());
        }
        let mut sweep = Vec::new();
        for points in variants {
            let never = PauseSettings::never();
            sweep.push(Setting { label: "never".to_owned(), points: points.clone(), settings: never });
            for &tau in &self.experiment.measure.thresholds {
                let at = |point: &usize| if points.contains(point) { tau } else { 0.0 };
                sweep.push(Setting {
                    label: format!("tau {tau}"),
                    points: points.clone(),
                    settings: PauseSettings::threshold(all.iter().map(at).collect::<Vec<f32>>()),
                });
            }
        }
        sweep
    }

    fn evaluate(&self, cases: &[fastersam_datasets::Case], setting: &Setting, what: &str) -> Result<Evaluation> {
        let title = format!("{} {what}: {}", self.experiment.id, setting.name());
        let batch = self.experiment.measure.batch_size;
        let device = &self.workspace.device;
        evaluate::evaluate(&self.model, &self.config, cases, &setting.settings, batch, device, &title)
    }

    /// The setting that saves most within the tolerance on the calibration cases.
    fn calibrate(&self, settings: &[Setting]) -> Result<usize> {
        let mut best = (0, 0.0);
        let mut never = 0.0;
        for (i, setting) in settings.iter().enumerate() {
            let found = self.evaluate(&self.data.calibrate, setting, "calibrating")?;
            let dice = summarise(&found.cases).transunet.dice.unwrap_or(0.0);
            let saved = self.cost(Some(&found.tokens)).encoder_macs_saved;
            if i == 0 {
                never = dice;
            }
            if never - dice <= self.experiment.measure.dice_tolerance && saved > best.1 {
                best = (i, saved);
            }
        }
        say(&format!("{}: recommended setting: {}", self.experiment.id, settings[best.0].name()));
        Ok(best.0)
    }

    /// Scores all settings on the evaluation cases.
    fn score(&self, settings: &[Setting], recommended: usize) -> Result<()> {
        for (i, setting) in settings.iter().enumerate() {
            let found = self.evaluate(&self.data.evaluate, setting, "scoring")?;
            let summary = summarise(&found.cases);
            let cost = self.cost(Some(&found.tokens));
            say(&format!(
                "{}: {:<24} Dice {:.4}, active {}, {:.0} % of the encoder's MACs saved",
                self.experiment.id,
                setting.name(),
                summary.transunet.dice.unwrap_or(0.0),
                shares(&found.tokens),
                100.0 * cost.encoder_macs_saved,
            ));
            let pause = self.pause_record(setting, i == recommended);
            if i == 0 || i == recommended {
                self.pictures(&found, &pause)?;
            }
            self.write(EvaluationRecord {
                experiment: self.experiment.id.clone(),
                method: self.method.clone(),
                dataset: self.data.name.clone(),
                published: self.data.published,
                dataset_note: self.data.note.clone(),
                split: self.data.split.clone(),
                backbone: Some(self.backbone()),
                input_size: Some(self.config.input_size()),
                class_names: self.class_names(),
                pause,
                summary,
                cases: found.cases,
                tokens: Some(self.at_points(found.tokens, &setting.points)),
                cost: Some(cost),
                provenance: self.provenance.clone(),
            })?;
        }
        Ok(())
    }

    /// Scores what the model must beat.
    fn baselines(&self) -> Result<()> {
        let device = &self.workspace.device;
        let untrained = self.config.init(self.experiment.seed, device)?.valid();
        let never = PauseSettings::never();
        let batch = self.experiment.measure.batch_size;
        let cases = &self.data.evaluate;
        let found =
            evaluate::evaluate(&untrained, &self.config, cases, &never, batch, device, "untrained")?;
        self.baseline_record("untrained", found.cases)?;
        let n_classes = self.config.n_classes();
        let classifier = LinearClassifier::fit(&self.data.train, n_classes, self.experiment.seed);
        let scores = cases
            .iter()
            .map(|case| evaluate::score(case, &classifier.classify(&case.image), n_classes))
            .collect::<Result<_>>()?;
        self.baseline_record("per-pixel linear classifier", scores)
    }

    fn baseline_record(&self, method: &str, cases: Vec<fastersam_metrics::CaseScores>) -> Result<()> {
        let summary = summarise(&cases);
        let dice = summary.transunet.dice.unwrap_or(0.0);
        say(&format!("{}: {method}: Dice {dice:.4}", self.experiment.id));
        self.write(EvaluationRecord {
            experiment: self.experiment.id.clone(),
            method: method.to_owned(),
            dataset: self.data.name.clone(),
            published: self.data.published,
            dataset_note: self.data.note.clone(),
            split: self.data.split.clone(),
            backbone: None,
            input_size: None,
            class_names: self.class_names(),
            pause: PauseRecord::never(&[]),
            summary,
            cases,
            tokens: None,
            cost: None,
            provenance: Provenance {
                weights_sha256: None,
                backbone_sha256: None,
                decoder_sha256: None,
                ..self.provenance.clone()
            },
        })
    }

    /// Times all settings, at every batch size, network only; and the recommended one from voxels to
    /// class map.
    fn time(&self, settings: &[Setting], recommended: usize) -> Result<()> {
        let plans: Vec<(Scope, usize, Vec<usize>)> = self
            .experiment
            .measure
            .throughput_batch_sizes
            .iter()
            .flat_map(|&batch| {
                let all = (0..settings.len()).collect();
                let mut two = vec![0, recommended];
                two.dedup();
                [(Scope::NetworkInputToLogits, batch, all), (Scope::VoxelsToClassMap, batch, two)]
            })
            .collect();
        for (scope, batch_size, chosen) in plans {
            let timed: Vec<PauseSettings> =
                chosen.iter().map(|&i| settings[i].settings.clone()).collect();
            let timings = throughput::measure(
                &self.model,
                &self.config,
                &self.data.evaluate,
                &timed,
                batch_size,
                self.experiment.measure.throughput_runs,
                scope,
                &self.workspace.device,
            )?;
            let never = timings[0].quantile(0.5);
            for (&i, timing) in chosen.iter().zip(&timings) {
                let median = timing.quantile(0.5);
                if i == recommended {
                    say(&format!(
                        "{}: {} at batch {batch_size}, {scope}: {:.1} slices/s, {:.2}x as fast as never",
                        self.experiment.id, settings[i].name(), 1e3 / median, never / median
                    ));
                }
                self.write(ThroughputRecord {
                    experiment: self.experiment.id.clone(),
                    method: self.method.clone(),
                    dataset: self.data.name.clone(),
                    pause: self.pause_record(&settings[i], i == recommended),
                    batch_size,
                    input_size: self.config.input_size(),
                    runs: timing.ms_per_slice.len(),
                    slices_per_s: 1e3 / median,
                    speed_up_over_never: never / median,
                    ms_per_slice_median: median,
                    ms_per_slice_p10: timing.quantile(0.1),
                    ms_per_slice_p90: timing.quantile(0.9),
                    peak_memory_mib: timing.peak_memory_mib,
                    cost: None,
                    scope,
                    provenance: self.provenance.clone(),
                })?;
            }
        }
        Ok(())
    }

    /// The slices with most labelled pixels of different cases.
    fn pictures(&self, found: &Evaluation, pause: &PauseRecord) -> Result<()> {
        let cases = &self.data.evaluate;
        for (case, segmentation) in
            cases.iter().zip(&found.segmentations).take(self.experiment.measure.shown_slices)
        {
            let labelled =
                |slice: usize| case.label.index_axis(Axis(0), slice).iter().filter(|&&c| c > 0).count();
            let Some(slice) = (0..case.label.len_of(Axis(0))).max_by_key(|&s| labelled(s)) else { continue };
            let image = case.image.index_axis(Axis(0), slice);
            let (rows, cols) = image.dim();
            self.write(SliceRecord {
                experiment: self.experiment.id.clone(),
                method: self.method.clone(),
                dataset: self.data.name.clone(),
                case: case.id.clone(),
                slice,
                class_names: self.class_names(),
                pause: pause.clone(),
                rows,
                cols,
                image: image.iter().map(|v| (255.0 * v.clamp(0.0, 1.0)) as u8).collect(),
                truth: case.label.index_axis(Axis(0), slice).iter().copied().collect(),
                prediction: segmentation.classes.index_axis(Axis(0), slice).iter().copied().collect(),
                grid: self.config.grid(),
                paused_after: segmentation.slices[slice].paused_at.iter().map(|&at| self.renumber(at, pause)).collect(),
                provenance: self.provenance.clone(),
            })?;
        }
        Ok(())
    }

    /// A model's pause point (from 1; 0 for never) among the points that a record names.
    fn renumber(&self, at: u8, pause: &PauseRecord) -> u8 {
        let Some(index) = usize::from(at).checked_sub(1) else { return 0 };
        let point = self.config.encoder.pause_points[index];
        pause.pause_points.iter().position(|&p| p == point).map_or(0, |i| i as u8 + 1)
    }

    fn class_names(&self) -> Vec<String> {
        self.data.labels.names[1..].to_vec()
    }

    /// Cost per slice, given where the tokens were on average.
    fn cost(&self, tokens: Option<&TokenRecord>) -> CostRecord {
        cost(&self.config, self.parameters, tokens)
    }

    fn pause_record(&self, setting: &Setting, recommended: bool) -> PauseRecord {
        let all = &self.config.encoder.pause_points;
        let used = |values: Vec<f64>| -> Vec<f64> {
            let used = values.into_iter().zip(all).filter(|(_, point)| setting.points.contains(point));
            used.map(|(value, _)| value).collect()
        };
        let (policy, values) = match &setting.settings.policy {
            PausePolicy::Never => ("never", Vec::new()),
            PausePolicy::Threshold { tau } => {
                // f32 as it was written, not as its nearest f64.
                let exact = |t: &f32| t.to_string().parse().unwrap_or(f64::from(*t));
                ("threshold", used(tau.iter().map(exact).collect()))
            }
            PausePolicy::KeepRatio { ratio } => ("keep_ratio", used(ratio.clone())),
        };
        PauseRecord {
            label: setting.label.clone(),
            pause_points: setting.points.clone(),
            policy: policy.to_owned(),
            values,
            criterion: "entropy".to_owned(),
            context: "none".to_owned(),
            recommended,
            chosen_on: recommended.then(|| self.data.calibrated_on.clone()),
        }
    }

    /// The token statistics of the points that a setting uses.
    fn at_points(&self, tokens: TokenRecord, points: &[usize]) -> TokenRecord {
        let all = &self.config.encoder.pause_points;
        let is_used = |i: usize| points.contains(&all[i]);
        TokenRecord {
            n_tokens: tokens.n_tokens,
            active_share_after_stage: (0..all.len())
                .filter(|&i| is_used(i))
                .map(|i| tokens.active_share_after_stage[i])
                .collect(),
            head_accuracy_on_paused: (0..all.len())
                .filter(|&i| is_used(i))
                .map(|i| tokens.head_accuracy_on_paused[i])
                .collect(),
        }
    }

    fn backbone(&self) -> String {
        format!("{:?}", self.config.preset).to_lowercase()
    }
}

/// Multiply-accumulates and parameters of a model, given where the tokens were on average.
#[must_use]
pub fn cost(config: &ModelConfig, parameters: (u64, u64), tokens: Option<&TokenRecord>) -> CostRecord {
    let share = tokens.map_or(&[][..], |tokens| &tokens.active_share_after_stage);
    let is_never = share.iter().all(|&share| share >= 1.0);
    let never = config.encoder.macs(&[]).total();
    let encoder = if is_never { never } else { config.encoder.macs(share).total() };
    let branch = config.conv_branch.as_ref().map_or(0, |branch| branch.macs(config.input_size()));
    let decoder = config.decoder.macs(config.grid());
    CostRecord {
        encoder_gmacs: encoder / 1e9,
        model_gmacs: (encoder + branch as f64 + decoder as f64) / 1e9,
        encoder_macs_saved: 1.0 - encoder / never,
        parameters: parameters.0,
        trained_parameters: parameters.1,
    }
}

fn shares(tokens: &TokenRecord) -> String {
    let shares: Vec<String> =
        tokens.active_share_after_stage.iter().map(|share| format!("{share:.3}")).collect();
    shares.join(" / ")
}

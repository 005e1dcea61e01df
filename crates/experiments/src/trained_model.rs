//! A trained model, ready to be measured, and the records that come of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use fastersam::checkpoint::Checkpoint;
use fastersam::model_file::Training;
use fastersam::{ModelConfig, ParameterCounts, Preset, VolumeSegmenter};
use fastersam_datasets::Case;
use fastersam_metrics::summarise;
use fastersam_pausing_encoder::{CalibrationCases, Context, PauseSettings, ProfileName, Recommendation};
use serde_json::json;

use crate::config::Experiment;
use crate::data::ExperimentData;
use crate::evaluate::{self, Evaluation};
use crate::provenance::Origin;
use crate::throughput::Throughput;
use crate::train;
use fastersam_records::{
    CostRecord, EpochRow, EvaluationRecord, PauseRecord, Provenance, Scope, ThroughputRecord, TokenRecord,
    TrainingRecord,
};

/// A trained model with its data, and what its records say of both.
#[derive(Debug)]
pub struct TrainedModel<'a> {
    /// The experiment.
    pub experiment: &'a Experiment,
    /// Its cases.
    pub data: &'a ExperimentData,
    /// The model's configuration, from its checkpoint.
    pub config: ModelConfig,
    /// The model, prepacked for inference.
    pub segmenter: VolumeSegmenter,
    /// The pause setting that the checkpoint recommends.
    pub recommended: Option<Recommendation>,
    /// Its other pause settings, by name.
    pub pause_profiles: BTreeMap<ProfileName, Recommendation>,
    /// Where it computes.
    pub device: Device,
    /// Row label of the tables.
    pub method: String,
    parameters: ParameterCounts,
    /// Where its results come from.
    pub provenance: Provenance,
}

impl<'a> TrainedModel<'a> {
    /// Loads a checkpoint. `weights` is the backbone's file or the folder of all weight files, where
    /// they are not at their place of training.
    ///
    /// # Errors
    /// Where the checkpoint can't be read or tells other classes apart than the data have.
    pub fn load(
        experiment: &'a Experiment,
        data: &'a ExperimentData,
        checkpoint: &Path,
        weights: Option<&Path>,
        device: &Device,
        origin: &Origin,
    ) -> Result<Self> {
        let Checkpoint { info, model, weights_sha256, folder, card } =
            Checkpoint::load_with(checkpoint, weights, device)?;
        if data.labels.names != info.labels.names {
            anyhow::bail!(
                "the model in {} tells {:?} apart, but the data set {} has {:?}; give the experiment file that fits \
                 the model",
                folder.display(),
                info.labels.names,
                data.name,
                data.labels.names
            );
        }
        let mut said = experiment.clone();
        // The training that made this checkpoint, not the one that the file would make today.
        let training = card.map_or_else(|| train::training(&folder), |card| Ok(card.training))?;
        if let Some(Training { seed, settings, .. }) = training {
            said.seed = seed;
            said.train = serde_json::from_value(settings)
                .with_context(|| format!("in the training settings of {}", folder.display()))?;
        }
        let config = json!({ "experiment": said, "model": info.model });
        let provenance = origin.provenance(config, said.seed, &data.sha256, Some(weights_sha256));
        Ok(Self {
            experiment,
            data,
            method: format!("FasterSAM {}", short_name(info.model.preset)),
            // Prepacking takes the parameters away.
            parameters: info.model.count_parameters(&model),
            segmenter: VolumeSegmenter::new(model.prepack_as(origin.weights)),
            config: info.model,
            recommended: info.recommended,
            pause_profiles: info.pause_profiles,
            device: device.clone(),
            provenance: Provenance {
                backbone_sha256: info.backbone_sha256,
                decoder_sha256: info.decoder_sha256,
                ..provenance
            },
        })
    }

    /// The model's pause points.
    #[must_use]
    pub fn points(&self) -> &[usize] {
        &self.config.encoder.pause_points
    }

    /// Names of the classes without background.
    #[must_use]
    pub fn class_names(&self) -> Vec<String> {
        self.data.labels.names[1..].to_vec()
    }

    /// Segments and scores cases; `what` says on the terminal what for.
    ///
    /// # Errors
    /// Where the user interrupts.
    pub fn evaluate(
        &self,
        cases: &[Case],
        settings: &PauseSettings,
        batch_size: usize,
        what: &str,
    ) -> Result<Evaluation> {
        let title = format!("{} {what}: {}", self.experiment.id, settings.full_label(self.points()));
        let segmenter = self.segmenter.clone().with_batch_size(batch_size);
        evaluate::evaluate(&segmenter, &self.config, cases, settings, &title)
    }

    /// The record of an evaluation on the cases to score.
    #[must_use]
    pub fn evaluation(&self, found: Evaluation, pause: PauseRecord) -> EvaluationRecord {
        EvaluationRecord {
            experiment: self.experiment.id.clone(),
            method: self.method.clone(),
            dataset: self.data.name.clone(),
            published: self.data.published,
            dataset_note: self.data.note.clone(),
            split: self.data.split.clone(),
            backbone: Some(backbone_name(self.config.preset).to_owned()),
            input_size: Some(self.config.input_size()),
            class_names: self.class_names(),
            summary: summarise(&found.cases),
            cost: Some(self.cost(&found.tokens, pause.settings.context)),
            tokens: Some(found.tokens),
            cases: found.cases,
            pause,
            provenance: self.provenance.clone(),
        }
    }

    /// The record of a time. `never_ms` is the median of `never` in the same measurement.
    #[must_use]
    pub fn throughput(
        &self,
        timing: &Throughput,
        pause: PauseRecord,
        batch_size: usize,
        scope: Scope,
        never_ms: f64,
    ) -> ThroughputRecord {
        let median = timing.ms_per_slice(0.5);
        ThroughputRecord {
            experiment: self.experiment.id.clone(),
            method: self.method.clone(),
            dataset: self.data.name.clone(),
            pause,
            batch_size,
            input_size: self.config.input_size(),
            runs: timing.rounds(),
            slices_per_s: 1e3 / median,
            speed_up_over_never: never_ms / median,
            ms_per_slice_median: median,
            ms_per_slice_p10: timing.ms_per_slice(0.1),
            ms_per_slice_p90: timing.ms_per_slice(0.9),
            peak_memory_mib: timing.peak_memory_mib,
            cost: None,
            scope,
            provenance: self.provenance.clone(),
        }
    }

    /// The record of its training.
    #[must_use]
    pub fn training(&self, epochs: Vec<EpochRow>) -> TrainingRecord {
        TrainingRecord {
            experiment: self.experiment.id.clone(),
            method: self.method.clone(),
            dataset: self.data.name.clone(),
            epochs,
            provenance: self.provenance.clone(),
        }
    }

    /// Multiply-accumulates and parameters per slice, given where the tokens were on average.
    #[must_use]
    pub fn cost(&self, tokens: &TokenRecord, context: Context) -> CostRecord {
        let config = &self.config;
        let share = &tokens.active_share_after_stage;
        let never = config.encoder.macs(&[]).total();
        let is_never = share.iter().all(|&share| share >= 1.0);
        let encoder = if is_never { never } else { config.encoder.macs_with_context(share, context).total() };
        let branch = config.conv_branch.as_ref().map_or(0, |branch| branch.macs(config.input_size()));
        let decoder = config.decoder.macs(config.grid());
        CostRecord {
            encoder_gmacs: encoder / 1e9,
            model_gmacs: (encoder + branch as f64 + decoder as f64) / 1e9,
            encoder_macs_saved: 1.0 - encoder / never,
            parameters: self.parameters.all,
            trained_parameters: self.parameters.trained,
        }
    }

    /// What records say of a setting. `recommended` names the cases that it was chosen on.
    #[must_use]
    pub fn pause(&self, settings: &PauseSettings, recommended: Option<CalibrationCases>) -> PauseRecord {
        PauseRecord { pause_points: self.points().to_vec(), settings: settings.clone(), recommended }
    }
}

/// What the tables call a method's backbone in few letters.
fn short_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Tiny => "tiny",
        Preset::Small => "small",
        Preset::VitS => "ViT-S",
        Preset::VitB => "ViT-B",
        Preset::VitL => "ViT-L",
        Preset::VitH => "ViT-H",
    }
}

/// Backbone and where its weights come from.
fn backbone_name(preset: Preset) -> &'static str {
    match preset {
        Preset::Tiny => "tiny ViT/16, from scratch",
        Preset::Small => "small ViT/16, from scratch",
        Preset::VitS => "ViT-S/14 (DINOv2)",
        Preset::VitB => "SAM ViT-B",
        Preset::VitL => "SAM ViT-L",
        Preset::VitH => "SAM ViT-H",
    }
}

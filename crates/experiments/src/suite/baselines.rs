//! What a model must beat: itself before training, and a per-pixel classifier.

use anyhow::Result;
use burn::module::Module;
use fastersam::VolumeSegmenter;
use fastersam_metrics::{CaseScores, summarise};
use fastersam_pausing_encoder::PauseSettings;

use super::Run;
use crate::baseline::LinearClassifier;
use crate::evaluate;
use fastersam_progress::say;
use fastersam_records::{EvaluationRecord, PauseRecord, Provenance};

impl Run<'_> {
    /// Scores the baselines.
    pub(super) fn baselines(&self) -> Result<()> {
        let trained = &self.trained;
        let (config, device) = (&trained.config, &trained.device);
        let (seed, batch) = (trained.experiment.seed, trained.experiment.measure.batch_size);
        let untrained = VolumeSegmenter::new(config.init(seed, device)?.valid().prepack()).with_batch_size(batch);
        let cases = &trained.data.evaluate;
        let never = PauseSettings::never();
        let title = format!("{} untrained", trained.experiment.id);
        let found = evaluate::evaluate(&untrained, config, cases, &never, &title)?;
        self.baseline("untrained", found.cases)?;
        let n_classes = config.n_classes();
        let classifier = LinearClassifier::fit(&trained.data.train, n_classes, seed);
        let scores = cases
            .iter()
            .map(|case| evaluate::score(case, &classifier.classify(&case.image), n_classes))
            .collect::<Result<_>>()?;
        self.baseline("per-pixel linear classifier", scores)
    }

    fn baseline(&self, method: &str, cases: Vec<CaseScores>) -> Result<()> {
        let trained = &self.trained;
        let summary = summarise(&cases);
        let dice = summary.transunet.dice.unwrap_or(0.0);
        say(&format!("{}: {method}: Dice {dice:.4}", trained.experiment.id));
        self.write(EvaluationRecord {
            experiment: trained.experiment.id.clone(),
            method: method.to_owned(),
            dataset: trained.data.name.clone(),
            published: trained.data.published,
            dataset_note: trained.data.note.clone(),
            split: trained.data.split.clone(),
            backbone: None,
            input_size: None,
            class_names: trained.class_names(),
            pause: PauseRecord::never(&[]),
            summary,
            cases,
            tokens: None,
            cost: None,
            provenance: Provenance {
                weights_sha256: None,
                backbone_sha256: None,
                decoder_sha256: None,
                ..trained.provenance.clone()
            },
        })
    }
}

//! What a model must beat: itself before training, and a per-pixel classifier.

use anyhow::Result;
use burn::module::Module;
use fastersam_metrics::{CaseScores, summarise};
use fastersam_pausing_encoder::PauseSettings;

use super::Run;
use crate::baseline::LinearClassifier;
use crate::evaluate;
use crate::progress::say;
use crate::record::{EvaluationRecord, PauseRecord, Provenance};

impl Run<'_> {
    /// Scores the baselines.
    pub(super) fn baselines(&self) -> Result<()> {
        let subject = &self.subject;
        let (config, device) = (&subject.config, &subject.device);
        let (seed, batch) = (subject.experiment.seed, subject.experiment.measure.batch_size);
        let untrained = config.init(seed, device)?.valid().prepacked();
        let cases = &subject.data.evaluate;
        let never = PauseSettings::never();
        let title = format!("{} untrained", subject.experiment.id);
        let found = evaluate::evaluate(&untrained, config, cases, &never, batch, device, &title)?;
        self.baseline("untrained", found.cases)?;
        let n_classes = config.n_classes();
        let classifier = LinearClassifier::fit(&subject.data.train, n_classes, seed);
        let scores = cases
            .iter()
            .map(|case| evaluate::score(case, &classifier.classify(&case.image), n_classes))
            .collect::<Result<_>>()?;
        self.baseline("per-pixel linear classifier", scores)
    }

    fn baseline(&self, method: &str, cases: Vec<CaseScores>) -> Result<()> {
        let subject = &self.subject;
        let summary = summarise(&cases);
        let dice = summary.transunet.dice.unwrap_or(0.0);
        say(&format!("{}: {method}: Dice {dice:.4}", subject.experiment.id));
        self.write(EvaluationRecord {
            experiment: subject.experiment.id.clone(),
            method: method.to_owned(),
            dataset: subject.data.name.clone(),
            published: subject.data.published,
            dataset_note: subject.data.note.clone(),
            split: subject.data.split.clone(),
            backbone: None,
            input_size: None,
            class_names: subject.class_names(),
            pause: PauseRecord::never(&[]),
            summary,
            cases,
            tokens: None,
            cost: None,
            provenance: Provenance {
                weights_sha256: None,
                backbone_sha256: None,
                decoder_sha256: None,
                ..subject.provenance.clone()
            },
        })
    }
}
